"""The check 'wrong_answer': compares an answer with the ground truth of its task, if it has one."""

from __future__ import annotations

from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from ..verifiers.lookup import verdict_on


class WrongAnswer:
    """Rejects an answer that the verifier of its task rejects. Programs in answers run in the sandbox only."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        if example.ground_truth is None:
            return PASS
        return await verdict_on(example.output, example.ground_truth, ask.run)
