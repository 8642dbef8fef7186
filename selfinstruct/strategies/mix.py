"""Several strategies in one run: each question goes to one of them, by weight."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, Strict

from ..config.fields import Name, PerGeneration, Section
from ..config.options import ByKind, SourceOptions, StrategyOptions
from ..config.run_config import RunConfig
from ..core.documents import Passage
from ..core.prompts import Ask, Asking, Completion, Prompt
from ..core.records import Development
from ..core.tasks import Candidate, Material
from .protocol import (
    PreviewPrompt,
    Strategy,
    developed,
    joint_units_of,
    mean_tasks,
    preview_prompts,
    purposes_of,
    source_of,
    task_tokens,
    units_of,
)

if TYPE_CHECKING:
    from .material import Source, View

_PART = ByKind(StrategyOptions, "selfinstruct.strategies.factory:SINGLE")


class Part(Section):
    """One strategy of a mix."""

    strategy: Annotated[Name | StrategyOptions, _PART] = Field(description="A strategy, as in `strategy`.")
    weight: Annotated[float, Field(gt=0)] = Field(default=1.0, description="Share of the questions.")


class MixOptions(StrategyOptions):
    """kind `mix`: several strategies, each with a share of the questions."""

    kind: str = Field(default="mix", description="mix")
    parts: PerGeneration[Annotated[tuple[Part, ...], Strict(False), Field(min_length=1)]] = Field(
        description="The strategies: [{strategy: alpaca}, {strategy: {kind: verifiable}, weight: 3}]."
    )

    @property
    def has_ground_truths(self) -> bool:
        return any(
            isinstance(each.strategy, StrategyOptions) and each.strategy.has_ground_truths for each in self.parts
        )


class Mix:
    """Hands each question to the part that its unit names; a unit is the part's number and the part's own unit."""

    Options = MixOptions
    name, source = "mix", "mix"
    seed_demos = machine_demos = 0

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        from .factory import build_strategy

        self.parts = [build_strategy(each, asking) for each in configs_of(config)]
        self.digest = hashlib.sha256(" ".join(each.digest for each in self.parts).encode()).hexdigest()[:12]
        self.tasks_per_question = max(each.tasks_per_question for each in self.parts)
        weights = [each.weight for each in MixOptions.of(config.strategy).parts]
        tasks = [weight * mean_tasks(each) for weight, each in zip(weights, self.parts, strict=True)]
        self.mean_tasks = sum(tasks) / sum(weights)
        self.task_tokens = sum(n * task_tokens(each) for n, each in zip(tasks, self.parts, strict=True)) / sum(tasks)
        self.purposes = sorted({purpose for each in self.parts for purpose in purposes_of(each) or ("propose",)})
        self.for_strong_teachers = any(getattr(each, "for_strong_teachers", False) for each in self.parts)
        self.runs_programs = any(getattr(each, "runs_programs", False) for each in self.parts)
        self.takes_facets = all(getattr(each, "takes_facets", True) for each in self.parts)

    def propose(self, material: Material) -> Prompt:
        """Return the part's prompt."""
        part, own = self._part(material)
        return part.propose(own)

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the part's tasks."""
        part, own = self._part(material)
        return part.parse(completion, own)

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Return the part's examples, labeled with the part's name."""
        assert candidate.material is not None
        part, own = self._part(candidate.material)
        made = await developed(part, replace(candidate, material=own), ask)
        return replace(made, labels={**made.labels, "part": part.name})

    def units(self, passage: Passage) -> list[str]:
        """Return what the parts ask about a passage, for `check`; each part's source asks its own."""
        return [unit for part in self.parts for unit in units_of(part, passage)]

    def joint_units(self, passages: Sequence[Passage]) -> list[tuple[tuple[Passage, ...], str]]:
        """Return what the parts ask about several passages together, for `check`, too."""
        return [each for part in self.parts for each in joint_units_of(part, passages)]

    def preview(self, instruction: str) -> list[PreviewPrompt]:
        """Return the prompts that the parts send."""
        return [each for part in self.parts for each in preview_prompts(part, instruction)]

    def _part(self, material: Material) -> tuple[Strategy, Material]:
        number, unit = json.loads(material.unit)
        return self.parts[number], replace(material, unit=unit)


class Mixed:
    """Gives each question to the part that is furthest behind its share, and draws what the part's own source draws.

    A part's source counts the part's own questions, so it asks about documents without gaps. The run ends where a part
    has nothing left to ask.
    """

    Options = SourceOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None:
        from .material import build_source

        assert isinstance(strategy, Mix)
        self._weights = [each.weight for each in MixOptions.of(config.strategy).parts]
        self._behind = [0.0] * len(self._weights)
        self._places: list[int] = []  # the part of each question
        self._numbers: list[list[int]] = [[] for _ in self._weights]  # the questions of each part
        self._sources: list[Source] = [
            build_source(each.model_copy(update={"source": source_of(part), "facets": None}), part)
            for each, part in zip(configs_of(config), strategy.parts, strict=True)
        ]

    def draw(self, number: int, view: View) -> Material | None:
        while len(self._places) <= number:
            # Smooth weighted round robin: weights 3 and 1 give 0, 0, 1, 0, 0, 0, 1 ...
            self._behind = [behind + weight for behind, weight in zip(self._behind, self._weights, strict=True)]
            place = self._behind.index(max(self._behind))
            self._behind[place] -= sum(self._weights)
            self._numbers[place].append(len(self._places))
            self._places.append(place)
        place = self._places[number]

        def own(question: int) -> int:
            return bisect_left(self._numbers[place], question)

        came = [each for each in view.arrivals if each.first_question <= number]
        arrivals = [replace(each, first_question=own(each.first_question)) for each in came]
        material = self._sources[place].draw(own(number), replace(view, arrivals=arrivals))
        return material and replace(material, unit=json.dumps([place, material.unit]))


def configs_of(config: RunConfig) -> list[RunConfig]:
    """Return the configuration of each part: the whole one with the part's strategy."""
    parts = MixOptions.of(config.strategy).parts
    return [config.model_copy(update={"strategy": each.strategy}) for each in parts]
