"""A task that a program has drawn. Each kind of task is a module with `draw(random, language)`, which returns one."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.records import GroundTruth


@dataclass(frozen=True, slots=True)
class Task:
    """A task, and what a program knows about its answer.

    Attributes:
        instruction: What the user asks for.
        input: What the instruction is about, if that is a text of its own; else ''.
        ground_truth: The verifier that checks an answer, and what it compares with.
        meaning: What tells the task from others of its kind, such as 'train ride 7:45 + 38 min'; novelty compares it.
        solution: An answer that the verifier accepts, as a teacher could write it; the fake teacher gives it, and tests
            verify it. '' where a program can't write one.
    """

    instruction: str
    input: str
    ground_truth: GroundTruth
    meaning: str
    solution: str = ""
