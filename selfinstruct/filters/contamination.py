"""'contaminated': a task that overlaps with an evaluation set. The search itself is the room `decontaminate`.

Instruction, input and both as one text are compared: a question may be in either, or in two halves. Outputs aren't: an
answer that stands in a test is no question of it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..core.tasks import PASS, Candidate, Instance, Verdict
from .evaluation_sets import Hit, Overlap


class Contaminated:
    """Refuses what overlaps. The verdict's `nearest` names set and row, its detail the shared tokens."""

    def __init__(self, overlap: Overlap) -> None:
        self._overlap = overlap

    def check(self, candidate: Candidate) -> Verdict:
        return self._judge(
            [("instruction", candidate.instruction), *_with_input(candidate.instruction, candidate.input)]
        )

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        """The instruction alone has passed already."""
        return self._judge(list(_with_input(instruction, instance.input)))

    def _judge(self, texts: list[tuple[str, str]]) -> Verdict:
        for part, text in texts:
            hit = self._overlap.find(text)
            if hit is not None:
                return Verdict("contaminated", f"{part}: {_told(hit)}", hit.score, hit.question.where)
        return PASS


def _with_input(instruction: str, given: str | None) -> Iterator[tuple[str, str]]:
    if given and given.strip():
        yield "input", given
        yield "instruction and input", f"{instruction}\n{given}"


def _told(hit: Hit) -> str:
    if hit.ngram:
        return f"{len(hit.ngram)}-gram: {' '.join(hit.ngram)}"
    return f"alike: {' '.join(hit.question.text.split())[:120]}"
