"""The folder of a trial: what it consists of in `trial.json`, and one line of `students.jsonl` for each student.

A student's line has a key that depends on everything that could change it, so lines of earlier trials in the same
folder are used again where they fit, and never where they don't.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
from filelock import FileLock, Timeout

from ..core.errors import RunLocked, UsageError, cannot_write
from ..core.json_lines import append_line, whole_lines
from .student_intervals import Losses, effects, pair_effects
from .trial import ArmEffect, Trial

PLAN, STUDENTS, LOCK = "trial.json", "students.jsonl", "trial.lock"


@dataclass(frozen=True, slots=True)
class StudentResult:
    """What one student was measured with: losses of each held-out answer, and which checked answers are right."""

    key: str
    own: tuple[float, ...]
    wrong: tuple[float, ...]
    passed: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """An arm, or the control: how many rows it has, and the keys of its students."""

    name: str
    rows: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrialPlan:
    """What a trial consists of. answer_tokens: of each training. untrained: the key of the student before training."""

    student: str
    answer_tokens: int
    held_out: int
    dropped: Mapping[str, int]
    untrained: str
    control: PlannedArm
    arms: tuple[PlannedArm, ...]

    @property
    def keys(self) -> list[str]:
        """The keys of all students, in the order in which they are trained."""
        by_number = zip(*(arm.keys for arm in (self.control, *self.arms)), strict=True)
        return [self.untrained, *(key for keys in by_number for key in keys)]


class TrialFolder:
    """A trial's folder, used by one process at a time."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = FileLock(self.path / LOCK)

    def __enter__(self) -> Self:
        """Create the folder, and keep other processes out. Raises RunLocked, StorageError."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunLocked(f"{self.path}: another process runs this trial; wait, or name another folder") from None
        except OSError as error:
            raise cannot_write(self.path, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def write_plan(self, plan: TrialPlan) -> None:
        """Replace the plan. Raises StorageError."""
        fresh = self.path / f".{PLAN}"
        try:
            fresh.write_text(json.dumps(asdict(plan), ensure_ascii=False, indent=1), encoding="utf-8")
            fresh.replace(self.path / PLAN)
        except OSError as error:
            raise cannot_write(fresh, error) from None

    def plan(self) -> TrialPlan:
        """Return the plan. Raises UsageError if there is none."""
        try:
            values = json.loads((self.path / PLAN).read_text(encoding="utf-8"))
            arms = [PlannedArm(**{**arm, "keys": tuple(arm["keys"])}) for arm in [values["control"], *values["arms"]]]
            return TrialPlan(**{**values, "control": arms[0], "arms": tuple(arms[1:])})
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(f"{self.path}: has no student trial; run one with --student") from None

    def add(self, result: StudentResult) -> None:
        """Write what a student did, and return once it is durable. Raises UsageError, StorageError."""
        append_line(self.path / STUDENTS, asdict(result))

    def results(self) -> dict[str, StudentResult]:
        """Return what each student did, by its key. Raises UsageError for a line that is none."""
        path, found = self.path / STUDENTS, dict[str, StudentResult]()
        for number, line in enumerate(whole_lines(path), 1):
            try:
                values = json.loads(line)
                lists = (tuple(values[name]) for name in ("own", "wrong", "passed"))
                found[values["key"]] = StudentResult(values["key"], *lists)
            except (ValueError, TypeError, KeyError):
                raise UsageError(f"{path}: line {number} is no result of a student; remove it") from None
        return found


def trial_of(plan: TrialPlan, results: Mapping[str, StudentResult]) -> Trial:
    """Return what a trial found. `results` has all the keys of the plan."""
    arms = (*plan.arms, plan.control)
    untrained = results[plan.untrained]
    before = _losses([untrained])
    after = {arm.name: _losses([results[key] for key in arm.keys]) for arm in arms}
    d_nll = effects({name: each.own - before.own for name, each in after.items()})
    d_gap = effects({name: each.gap - before.gap for name, each in after.items()})
    solved = {arm.name: [right for key in arm.keys for right in results[key].passed] for arm in arms}
    any_solved = any(untrained.passed) or any(map(any, solved.values()))

    def share(passed: Sequence[bool]) -> tuple[int, int] | None:
        return (sum(passed), len(passed)) if any_solved else None

    found = [
        ArmEffect(
            arm.name, arm.rows, plan.answer_tokens, d_nll.of(arm.name), d_gap.of(arm.name), share(solved[arm.name])
        )
        for arm in arms
    ]
    names = [arm.name for arm in plan.arms]
    best = max(names, key=d_gap.means.__getitem__)
    return Trial(
        found[:-1],
        found[-1],
        pair_effects(names, d_nll, d_gap),
        plan.held_out,
        plan.dropped,
        len(plan.control.keys),
        plan.student,
        d_gap.between(plan.control.name, best),
        share(untrained.passed),
    )


def _losses(results: Sequence[StudentResult]) -> Losses:
    return Losses(np.array([each.own for each in results]), np.array([each.wrong for each in results]))
