"""What a student trial found: the values that `selfinstruct worth --student` prints and the page draws.

A small model, the student, is trained on each dataset (an arm) and on a control, and is measured before and after on
held-out tasks that no arm has. Losses are in nats per answer token. Everything here needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CANNOT_TELL = (
    "A student trial tells whether answers belong to their tasks, not whether a person would keep a row: "
    "with 48 rows each, it could not separate rows that a person kept from rows that the person refused."
)
"""The first line of every report of a trial."""
CONTROL = "control"
"""The name of the control among the arms."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def is_decided(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


@dataclass(frozen=True, slots=True)
class ArmEffect:
    """What training on one arm changes: trained minus untrained student, mean over held-out tasks and seeds.

    Attributes:
        name: The dataset, as given; 'control' for the control.
        rows: The rows of the arm that could be used.
        answer_tokens: What each training of the trial learns from; the same for all arms.
        d_nll: Change of the loss of the held-out answers after their own prompts. Below 0: the student expects them
            more, which wrong answers achieve as well.
        d_gap: Change of the pairing gap, the loss of an answer after a wrong prompt minus that after its own. Below 0:
            the student learned to care less about the prompt.
        passed: Answers of the trained students that a program found right, and how many were checked, of all seeds
            together; None if no student solved any.
    """

    name: str
    rows: int
    answer_tokens: int
    d_nll: Interval
    d_gap: Interval
    passed: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class PairEffect:
    """The difference between two arms: the effect of the second minus that of the first, on the same tasks.

    With more than two arms, the intervals are wider, so that all of them hold together in 95% of trials.
    """

    first: str
    second: str
    d_nll: Interval
    d_gap: Interval

    @property
    def line(self) -> str:
        """The difference in words. The verdict is that of `d_gap`, because `d_nll` falls after wrong answers too."""
        gap = self.d_gap
        reached = f"difference of d_gap {gap}"
        if gap.is_decided:
            better, worse = (self.second, self.first) if gap.low > 0 else (self.first, self.second)
            return f"answers of {better} belong to their tasks more than those of {worse} ({reached})"
        return f"the student can't tell {self.first} and {self.second} apart ({reached})"


@dataclass(frozen=True, slots=True)
class Trial:
    """A finished trial.

    Attributes:
        arms: The effect of each dataset, in the order given.
        control: The effect of the control: rows drawn from all arms, with their answers permuted.
        pairs: The difference between each two arms.
        held_out: The number of held-out tasks that were used.
        dropped: How many held-out tasks were not used, by reason.
        seeds: How many students were trained on each arm.
        student: The student's name, or its folder.
        control_loses: `d_gap` of the arm where it is the highest, minus that of the control.
        untrained_passed: As `ArmEffect.passed`, of the untrained student.
    """

    arms: Sequence[ArmEffect]
    control: ArmEffect
    pairs: Sequence[PairEffect]
    held_out: int
    dropped: Mapping[str, int]
    seeds: int
    student: str
    control_loses: Interval
    untrained_passed: tuple[int, int] | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the trial can see wrong answers at all: the control's pairing gap is below that of the best arm."""
        return self.control_loses.low > 0

    @property
    def cannot_tell(self) -> str:
        """What no trial of this kind can tell; the first line of its report."""
        return CANNOT_TELL

    @property
    def line(self) -> str:
        """Whether the trial is valid, in words."""
        reached = f"d_gap of the best arm minus that of the control {self.control_loses}"
        if self.is_valid:
            return f"valid: the control, with its answers permuted, loses ({reached})"
        return f"INVALID: the control, with its answers permuted, does not lose ({reached}); conclude nothing"

    @property
    def lines(self) -> list[str]:
        """The whole trial in words, beginning with what it can't tell."""
        lines = [self.cannot_tell, self.line]
        dropped = "".join(f"; {count:,} {reason}" for reason, count in self.dropped.items())
        lines.append(
            f"{self.seeds} students ({self.student}) for each dataset, {self.arms[0].answer_tokens:,} answer tokens "
            f"each; {self.held_out:,} held-out tasks{dropped}"
        )
        for arm in (*self.arms, self.control):
            passed = "" if arm.passed is None else f"; {arm.passed[0]:,} of {arm.passed[1]:,} checked answers right"
            effects = f"d_nll {arm.d_nll}; d_gap {arm.d_gap}"
            lines.append(f"  {arm.name}: {effects}; {arm.rows:,} rows{passed}")
        if self.untrained_passed is None:
            lines.append("  no student, trained or not, solves any of the tasks that a program checks")
        else:
            lines.append(
                f"  untrained: {self.untrained_passed[0]:,} of {self.untrained_passed[1]:,} checked answers right"
            )
        return [*lines, *(f"  {pair.line}" for pair in self.pairs)]
