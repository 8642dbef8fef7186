"""The checks 'wrong_answer', by the ground truth of a task, and 'wrong_arithmetic', of any answer."""

from __future__ import annotations

from ..core.code_blocks import without_code
from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from ..verifiers import verdict_on
from ..verifiers.equations import disprove, equations


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


class WrongArithmetic:
    """Rejects an answer with a false equation between numbers, such as '12 × 3 = 35'.

    Quotients and decimals may be rounded to the digits shown; integers must be exact. It reads equations without units,
    money, percentages, or LaTeX, and only those that stand alone, because it is on for answers to any task: a false
    alarm costs a good task.
    """

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        wrong = first_wrong(example.output)
        # A task that contains a false equation itself asks to correct it, or is a riddle.
        if wrong is None or first_wrong(f"{candidate.instruction}\n{example.given}") is not None:
            return PASS
        return Verdict("wrong_arithmetic", wrong)


def first_wrong(text: str) -> str | None:
    """Describe the first false equation in a text, or return None."""
    if "=" not in text and "＝" not in text:
        return None
    found = (equation for line in without_code(text).split("\n") for equation in equations(line))
    return next((wrong for left, right in found if (wrong := disprove(left, right))), None)
