"""The check 'contaminated': rejects a task that overlaps with an evaluation set; `evaluation_sets` does the search.

The instruction, the input, and both as one text are compared, because a question may be in either or split over both.
Outputs are not compared: only the questions of a test set contaminate.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from ..config.fields import Free, Names, Section, Share
from ..config.path_keys import SourceNames
from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from .evaluation_sets import Hit, Overlap


class ContaminationOptions(Section):
    """Evaluation sets that the dataset must not overlap with."""

    decontaminate: SourceNames = Field(
        default=(), description="'contaminated': evaluation sets to keep out: files, folders, hub names."
    )
    # Free, because the digest of the evaluation sets covers the text of these columns.
    eval_columns: Free[Annotated[Names, Field(min_length=1)]] = Field(
        default=("question", "prompt", "problem", "instruction"),
        description="Columns of these sets to compare, each separately; every row needs one of them.",
    )
    eval_similarity: Share = Field(default=0.7, description="Reject above this ROUGE-L F to a question of these sets.")
    eval_template: Annotated[int, Field(ge=1)] = Field(
        default=3, description="Wording shared by more questions than this is a template, not an overlap."
    )


class Contaminated:
    """Rejects overlapping tasks. The verdict's `nearest` names the set and the row; its detail, the shared tokens."""

    def __init__(self, overlap: Overlap) -> None:
        self._overlap = overlap

    def check(self, candidate: Candidate) -> Verdict:
        return self._judge(
            [("instruction", candidate.instruction), *_with_input(candidate.instruction, candidate.input)]
        )

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        """Check the input only, because the instruction alone has already passed."""
        return self._judge(list(_with_input(candidate.instruction, example.given)))

    def _judge(self, texts: list[tuple[str, str]]) -> Verdict:
        for part, text in texts:
            hit = self._overlap.find(text)
            if hit is not None:
                return Verdict("contaminated", f"{part}: {_describe(hit)}", hit.score, hit.question.where)
        return PASS


def _with_input(instruction: str, given: str | None) -> Iterator[tuple[str, str]]:
    if given and given.strip():
        yield "input", given
        yield "instruction and input", f"{instruction}\n{given}"


def _describe(hit: Hit) -> str:
    if hit.ngram:
        return f"{len(hit.ngram)}-gram: {' '.join(hit.ngram)}"
    return f"alike: {' '.join(hit.question.text.split())[:120]}"
