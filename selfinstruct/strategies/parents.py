"""The source of `evolve`: for each question one task to rewrite, and how to."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, Strict

from ..config.fields import PerGeneration
from ..config.options import SourceOptions
from ..config.run_config import RunConfig
from ..core.tasks import Material
from .protocol import Strategy

if TYPE_CHECKING:
    from .material import View

Operator = Literal["constraint", "deepen", "concretize", "reasoning", "input", "breadth"]


class ParentsOptions(SourceOptions):
    """kind `parents`: one seed or generated task to rewrite, and an operator, for `strategy: evolve`."""

    kind: str = Field(default="parents", description="parents")
    operators: PerGeneration[Annotated[tuple[Operator, ...], Strict(False), Field(min_length=1)]] = Field(
        default=("constraint", "deepen", "concretize", "reasoning", "input", "breadth"),
        description="What is done to tasks, drawn by chance; name one twice to draw it more often.",
    )


class Parents:
    """Draws a parent from all seeds and generated tasks, and an operator, which becomes a facet."""

    Options = ParentsOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None:
        self._random_seed = config.random_seed
        self._operators = ParentsOptions.of(config.source or "parents").operators

    def draw(self, number: int, view: View) -> Material:
        draw, seeds = random.Random(f"{self._random_seed}:{number}"), len(view.seeds)
        position = draw.randrange(seeds + len(view.tasks))
        parent = view.seeds[position] if position < seeds else view.tasks[position - seeds]
        return Material((parent,), {"operator": draw.choice(self._operators)})
