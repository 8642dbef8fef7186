"""The check 'wrong_answer': compares an answer with the ground truth of its task, if it has one."""

from __future__ import annotations

from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from ..verifiers.lookup import verdict_on


class WrongAnswer:
    """Rejects an answer that the verifier of its task rejects. Programs in answers run in the sandbox only.

    The verdict's score is 1.0 for a right answer and 0.0 for a wrong one; its detail begins with the verifier.
    keeps: whether a wrong answer passes all the same.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self._keeps = keeps

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        if example.ground_truth is None:
            return PASS
        found = await verdict_on(example.output, example.ground_truth, ask.run)
        detail = f"{example.ground_truth.name}: {found.detail or 'right'}"
        return Verdict(None if self._keeps else found.reason, detail, float(found.ok))
