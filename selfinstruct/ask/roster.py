"""Who is asked what: the teachers of a run, drawn by weight, and how each of them stands.

The teachers that have a question's role are put in an order that follows from the question's key alone, so that chance
is no part of a run. The question goes to the first; what that one doesn't answer goes to the next. One that can't go on
(no credit, a dead server) is out for this start; one that fails again and again rests: it is asked last.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from random import Random

from ..config.run_config import ListedTeacher, RunConfig
from ..config.teacher_list import having
from ..core.errors import TeacherError
from ..teachers.protocol import Teacher
from .gate import Gate

REST_S = 60.0
"""Seconds for which one that fails again and again is asked last; then a single question tries whether it is back."""


@dataclass(slots=True, eq=False)
class Seat:
    """One teacher of a run. teacher: None until it is ready to be asked; gate: the places for questions in flight.

    failed: questions in a row that got no answer. lost: why it isn't asked any more in this start.
    """

    settings: ListedTeacher
    gate: Gate
    teacher: Teacher | None = None
    failed: int = 0
    rests_until: float = 0.0
    lost: TeacherError | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.settings.label


class Roster:
    """The teachers of one start. seats: all of them, in the configuration's order."""

    def __init__(self, config: RunConfig) -> None:
        self._random_seed, self._most_failures = config.random_seed, config.max_failures_in_a_row
        self.seats = [Seat(each, Gate(_places(each, config))) for each in config.all_teachers]
        self._asked_for: dict[str, list[Seat]] = {}

    def draw(self, key: str, purpose: str) -> list[Seat]:
        """Those whose turn it is for `key`, in order: by chance that follows from the key, weighted; resting ones last.

        A purpose that is nobody's role (the probe, a judge, one of a strategy of your own) is everybody's.
        """
        those = self._asked_for.get(purpose)
        if those is None:
            named = {teacher.label for teacher in having([seat.settings for seat in self.seats], purpose)}
            those = self._asked_for[purpose] = [seat for seat in self.seats if seat.name in named]
        if len(those) > 1:
            those = sorted(those, key=lambda seat: self._chance(key, seat), reverse=True)
            those.sort(key=self._rests)
        return those

    def note(self, seat: Seat, *, failed: bool) -> None:
        """Whether a question got an answer from `seat`, any answer."""
        seat.failed = seat.failed + 1 if failed else 0
        if seat.failed >= self._most_failures:
            seat.rests_until = time.monotonic() + REST_S

    def close(self) -> None:
        """Let no more questions in anywhere."""
        for seat in self.seats:
            seat.gate.close()

    def _chance(self, key: str, seat: Seat) -> float:
        """Weighted sampling without replacement (Efraimidis and Spirakis 2006): the largest u^(1/w) goes first."""
        drawn = Random(f"{self._random_seed}:{key}:{seat.name}").random()
        return float(drawn ** (1.0 / seat.settings.weight))

    def _rests(self, seat: Seat) -> bool:
        if seat.failed < self._most_failures:
            return False
        now = time.monotonic()
        if now < seat.rests_until:
            return True
        seat.rests_until = now + REST_S  # this question tries it; those that come meanwhile don't
        return False


def _places(teacher: ListedTeacher, config: RunConfig) -> int:
    """How many questions may be in flight; a batch job holds as many as there are."""
    return config.concurrency if teacher.mode == "live" else sys.maxsize
