"""Tasks whose answers a program can check: it draws a task, words it, and knows what a right answer is.

The teacher only answers. The check 'wrong_answer' compares each answer with the task's ground truth, and `answers:
{samples: 4, until: pass}` asks again where that fails.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from ...config.fields import PerGeneration, Section
from ...config.options import SourceOptions, StrategyOptions
from ...config.run_config import RunConfig
from ...config.sections import SamplingConfig
from ...core.errors import ConfigError
from ...core.language_tags import primary
from ...core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling
from ...core.records import Development, Example, GroundTruth, Response
from ...core.tasks import Candidate, Material
from ..protocol import Strategy
from . import code, constraints, lists, maths, structured
from .constraints import MAX_CONSTRAINTS
from .python_tasks import MAX_PARTS
from .task import Task

if TYPE_CHECKING:
    from ..material import View

Kind = Literal["code", "maths", "structured", "lists", "constraints"]
KINDS: Mapping[Kind, Callable[[random.Random, str], Task]] = {
    "code": code.draw,
    "maths": maths.draw,
    "structured": structured.draw,
    "lists": lists.draw,
    "constraints": constraints.draw,
}
"""Draws a task of each kind, worded in a language. A pure function of the state of the generator."""
SOLVED: Mapping[Kind, Callable[[random.Random, str], Task]] = {
    "code": partial(code.draw, max_parts=2),
    "maths": maths.draw_calculated,
    "constraints": constraints.draw_solved,
}
"""Draws a task whose solution can be shown as a model one, where that is another one than `KINDS` draws."""
_RUN_PROGRAMS: tuple[Kind, ...] = ("code", "maths")
"""The kinds whose verifiers run programs."""
LANGUAGES = ("en", "zh")
DEFAULTS = Sampling(temperature=0.2, max_tokens=512)
_TRIES = 100


class MaxParts(Section):
    """The most parts of a task, by kind. A small model gets hardly any task of many parts right."""

    code: Annotated[int, Field(ge=2, le=MAX_PARTS)] = Field(
        default=MAX_PARTS, description="Operations of a Python function, or classes of characters in a pattern: 2 to 4."
    )
    constraints: Annotated[int, Field(ge=1, le=MAX_CONSTRAINTS)] = Field(
        default=MAX_CONSTRAINTS, description="Constraints on an answer: 1 to 3."
    )


class VerifiableOptions(StrategyOptions):
    """kind `verifiable`: tasks that a program draws and checks."""

    needs_seeds = False

    kind: str = Field(default="verifiable", description="verifiable")
    kinds: PerGeneration[Mapping[Kind, Annotated[float, Field(ge=0)]]] = Field(
        default={"code": 3, "maths": 3, "structured": 2, "lists": 1, "constraints": 2},
        description="Weights of the kinds of tasks: code (Python, SQL, regular expressions), maths (word problems), "
        "structured (a text as JSON, YAML, CSV, or a table), lists (of a known set or of given items, by a "
        "rule), constraints (on the form of an everyday answer).",
    )
    shots: PerGeneration[Mapping[Kind, Annotated[int, Field(ge=0, le=8)]]] = Field(
        default={},
        description="Solved tasks of the same kind that the teacher is shown before each task, by kind, such as "
        "{maths: 2}: a small model then answers as briefly. They are no part of the record.",
    )
    max_parts: PerGeneration[MaxParts] = Field(
        default=MaxParts(), description="The most that a task asks for, such as {code: 2, constraints: 1}."
    )
    propose: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of first answers; `answers` has that of further ones."
    )

    @property
    def has_ground_truths(self) -> bool:
        return True


class Verifiable:
    """Sends each task as a user would, and pairs the answer with the ground truth."""

    Options = VerifiableOptions
    name, source = "verifiable", "programs"
    takes_facets = False
    task_tokens = 150
    seed_demos, machine_demos, tasks_per_question = 0, 0, 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        if asking.endpoint("answer") != "chat":
            raise ConfigError("strategy: verifiable needs a chat model; set teacher.endpoint: chat")
        if primary(config.language) not in LANGUAGES:
            raise ConfigError(
                f"language: strategy verifiable words tasks in {' and '.join(LANGUAGES)}; it is {config.language}"
            )
        self._options, self._language = self.Options.of(config.strategy), primary(config.language)
        if not any(self._options.kinds.values()):
            raise ConfigError("strategy.kinds: every weight is 0; give at least one kind a weight")
        self.digest = _version()
        self.runs_programs = any(self._options.kinds.get(kind) for kind in _RUN_PROGRAMS)

    def propose(self, material: Material) -> Prompt:
        """Return the task as a user would send it."""
        task = _task(material)
        messages = (*self._shots(task), *Example.of(task.instruction, task.input).messages)
        return Prompt("propose", messages, self._options.propose.over(DEFAULTS), version=self.digest)

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the task with the answer."""
        task, answer = _task(material), completion.text.strip()
        if not answer:
            return []
        candidate = Candidate(task.instruction, task.input, answer, completion.truncated, meaning=task.meaning)
        return [replace(candidate, reasoning=completion.reasoning)]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Return the task with its ground truth; nothing more is asked."""
        assert candidate.material is not None
        answer = Response(candidate.output or "", key=candidate.key, reasoning=candidate.reasoning)
        example = Example.of(candidate.instruction, candidate.input or "", answer)
        task = _task(candidate.material)
        return Development((replace(example, ground_truth=task.ground_truth, shots=self._shots(task)),))

    def _shots(self, task: Task) -> tuple[Message, ...]:
        """Return the solved tasks that are shown before a task: the same for all of a kind, so servers cache them."""
        [kind] = (kind for kind in KINDS if kind == task.ground_truth.verifier)
        return shots(kind, self._language, self._options.shots.get(kind, 0), _code_language(task))


@cache
def shots(kind: Kind, language: str, number: int, code_language: str = "") -> tuple[Message, ...]:
    """Return solved tasks of a kind as turns of a user and an assistant, each of them about something else.

    code_language: that of all solutions, where they are code, such as 'python'.
    """
    messages: list[Message] = []
    for attempt in range(_TRIES):
        if len(messages) == 2 * number:
            break
        task = SOLVED.get(kind, KINDS[kind])(random.Random(f"shot:{attempt}"), language)
        [asked] = Example.of(task.instruction, task.input).messages
        if task.solution and asked not in messages and _code_language(task) == code_language:
            messages += [asked, Message("assistant", task.solution)]
    return tuple(messages)


class Programs:
    """Draws a task for each question by its number; none has the meaning of an earlier one."""

    Options = SourceOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None:
        options = VerifiableOptions.of(config.strategy) if config.strategy_kind == "verifiable" else VerifiableOptions()
        self._kinds = {kind: weight for kind, weight in options.kinds.items() if weight}
        most = options.max_parts
        self._draws: Mapping[Kind, Callable[[random.Random, str], Task]] = {
            **KINDS,
            "code": partial(code.draw, max_parts=most.code),
            "constraints": partial(constraints.draw, max_parts=most.constraints),
        }
        self._random_seed, self._language = config.random_seed, primary(config.language)
        self._units: list[str] = []  # what each question asks
        self._meanings = set[str]()

    def draw(self, number: int, view: View) -> Material | None:
        while len(self._units) <= number:
            task = self._new_task(len(self._units))
            if task is None:
                return None
            self._meanings.add(task.meaning)
            self._units.append(json.dumps(asdict(task), ensure_ascii=False))
        return Material(unit=self._units[number])

    def _new_task(self, number: int) -> Task | None:
        draw = random.Random(f"{self._random_seed}:{number}")
        [kind] = draw.choices(list(self._kinds), list(self._kinds.values()))
        for _ in range(_TRIES):
            task = self._draws[kind](draw, self._language)
            if task.meaning not in self._meanings:
                return task
        return None


def _task(material: Material) -> Task:
    values: dict[str, Any] = json.loads(material.unit)
    return Task(**{**values, "ground_truth": GroundTruth(**values["ground_truth"])})


def _code_language(task: Task) -> str:
    truth = task.ground_truth
    return str(json.loads(truth.expected)["language"]) if truth.verifier == "code" else ""


def _version() -> str:
    """Return a hash of all that decides how tasks are worded."""
    files = sorted(resources.files(__package__).iterdir(), key=lambda each: each.name)
    texts = [each.read_text("utf-8") for each in files if each.name.endswith((".py", ".yaml"))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
