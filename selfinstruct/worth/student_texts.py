"""What a student reads: held-out tasks without overlap, wrong prompts, parts of an arm, the control, checked tasks.

All of it is drawn by a seed, and none of it needs torch. `student` puts it together.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, Self, TypeVar

from ..core.errors import UsageError
from ..core.event_loop import run_to_end
from ..core.programs import Program, Ran
from ..core.reviews import Content
from ..filters.evaluation_sets import EvaluationQuestion, Overlap
from ..strategies.verifiable import constraints, lists, structured
from ..strategies.verifiable.task import Task
from ..verifiers import verdict_on
from .arms import contents_of

_DRAWS = (lists.draw, structured.draw, partial(constraints.draw, max_parts=1))
Each = TypeVar("Each")


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A prompt, pairs of a role and a text, and its answer."""

    messages: list[list[str]]
    answer: str


class HasAnswer(Protocol):
    """A text whose answer has a length, and can be cut."""

    @property
    def answer_tokens(self) -> int: ...

    def cut(self, answer_tokens: int) -> Self: ...


Reading = TypeVar("Reading", bound=HasAnswer)


def row_of(content: Content) -> TrialRow:
    """Return the prompt and the answer of a row, or of a held-out task."""
    first = content["examples"][0]
    return TrialRow(first["messages"], first["answer"])


def load_held_out(path: str | Path | None) -> list[Content]:
    """Return held-out tasks of a file, or those that ship. Raises UsageError if they can't be read."""
    if path is not None:
        return contents_of(path)
    inside = Path(__file__).parents[1] / "_shipped" / "seeds" / "held_out.jsonl"
    # In a source tree, the folder of seeds is next to the package.
    return contents_of(inside if inside.is_file() else Path(__file__).parents[2] / "seeds" / "held_out.jsonl")


def without_overlap(
    tasks: Sequence[Content], contents: Mapping[str, Sequence[Content]]
) -> tuple[list[Content], Counter[str]]:
    """Return the held-out tasks that overlap with no task of an arm, and how many do, by reason.

    An overlap is what the check 'contaminated' finds: 8 to 13 tokens in a row, or ROUGE-L above 0.7.
    """
    asked = [EvaluationQuestion(name, str(row["instruction"])) for name, rows in contents.items() for row in rows]
    overlap, kept, dropped = Overlap(asked), [], Counter[str]()
    for task in tasks:
        hit = overlap.find(str(task["instruction"]))
        if hit is None:
            kept.append(task)
        else:
            dropped[
                "shares 8 to 13 words in a row with a task of an arm" if hit.ngram else "like a task of an arm"
            ] += 1
    return kept, dropped


def derange(count: int, seed: str) -> list[int]:
    """Return a random permutation of 0 to count - 1 in which no number stays: a single cycle (Sattolo 1986)."""
    numbers, draw = list(range(count)), random.Random(seed)
    for last in range(count - 1, 0, -1):
        other = draw.randrange(last)
        numbers[last], numbers[other] = numbers[other], numbers[last]
    return numbers


def parts_of(rows: Sequence[Each], count: int, seed: str) -> list[list[Each]]:
    """Split rows at random into as many parts, whose sizes differ by one at most."""
    shuffled = random.Random(seed).sample(list(rows), len(rows))
    return [shuffled[number::count] for number in range(count)]


def passes(rows: Sequence[Reading], tokens: int, seed: str) -> list[Reading]:
    """Return rows in random order, over and over, until their answers have exactly so many tokens; the last one is cut.

    No row is empty.
    """
    draw, taken, left = random.Random(seed), list[Reading](), tokens
    while left > 0:
        for row in draw.sample(list(rows), len(rows)):
            taken.append(row.cut(min(left, row.answer_tokens)))
            left -= row.answer_tokens
            if left <= 0:
                break
    return taken


def checked_tasks(count: int, seed: int) -> list[Task]:
    """Draw tasks of several kinds, each once, whose answers a program can check without a sandbox."""
    tasks: dict[str, Task] = {}
    number = 0
    while len(tasks) < count:
        task = _DRAWS[number % len(_DRAWS)](random.Random(f"{seed}:checked:{number}"), "en")
        tasks.setdefault(task.meaning, task)
        number += 1
    return list(tasks.values())


def check(tasks: Sequence[Task], answers: Sequence[str]) -> list[bool]:
    """Return which answers are right."""

    async def verdicts() -> list[bool]:
        pairs = zip(tasks, answers, strict=True)
        return [(await verdict_on(answer, task.ground_truth, _run_nothing)).ok for task, answer in pairs]

    return run_to_end(verdicts())


async def _run_nothing(program: Program) -> Ran:
    raise UsageError(f"{program}: the checked tasks of a student trial run no programs")
