"""Picks a teacher for each question (weighted, deterministic) and tracks the health of each teacher.

The order of the teachers follows from the question's key alone, so that a replay makes the same choices. A question
goes to the first teacher, and to the next when the first has no answer. A teacher that can't continue (no credit, a
dead server) is skipped for this start; a teacher that fails again and again is asked last for a while.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from random import Random

from ..config.options import TeacherOptions, teachers_for
from ..config.run_config import RunConfig
from ..core.errors import TeacherError
from ..teachers.protocol import FullTeacher
from .slots import RequestSlots

REST_S = 60.0
"""How long a failing teacher is asked last, in seconds. Then one question tests whether the teacher works."""


@dataclass(slots=True, eq=False)
class TeacherState:
    """One teacher of a run and its health.

    teacher: None until the teacher is ready. slots: limit the requests in flight. failed: questions in a row without
    an answer. rests_until: the monotonic time, in seconds, until which the teacher is asked last. lost: why the teacher
    is not asked again in this start, or None.
    """

    settings: TeacherOptions
    slots: RequestSlots
    teacher: FullTeacher | None = None
    failed: int = 0
    rests_until: float = 0.0
    lost: TeacherError | None = None
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.settings.label


class Router:
    """The teachers of one start. states: all of them, in the order of the configuration."""

    def __init__(self, config: RunConfig) -> None:
        self._random_seed, self._most_failures = config.random_seed, config.max_failures_in_a_row
        self.states = [TeacherState(each, RequestSlots(_slots(each, config))) for each in config.all_teachers]
        self._by_purpose: dict[str, list[TeacherState]] = {}

    def draw(self, key: str, purpose: str) -> list[TeacherState]:
        """Return the teachers for `key` in the order to try: weighted chance that follows from the key; resting last.

        A purpose that is no teacher's role (the probe, a judge, a custom strategy's own) may go to every teacher.
        """
        states = self._by_purpose.get(purpose)
        if states is None:
            names = {teacher.label for teacher in teachers_for(purpose, [state.settings for state in self.states])}
            states = self._by_purpose[purpose] = [state for state in self.states if state.name in names]
        if len(states) > 1:
            states = sorted(states, key=lambda state: self._chance(key, state), reverse=True)
            states.sort(key=self._is_resting)
        return states

    def note(self, state: TeacherState, *, failed: bool) -> None:
        """Count a question that `state` answered or failed to answer."""
        state.failed = state.failed + 1 if failed else 0
        if state.failed >= self._most_failures:
            state.rests_until = time.monotonic() + REST_S

    def close(self) -> None:
        """Grant no more slots with any teacher."""
        for state in self.states:
            state.slots.close()

    def _chance(self, key: str, state: TeacherState) -> float:
        """Weighted sampling without replacement (Efraimidis and Spirakis 2006): the largest u^(1/w) goes first."""
        drawn = Random(f"{self._random_seed}:{key}:{state.name}").random()
        return float(drawn ** (1.0 / state.settings.weight))

    def _is_resting(self, state: TeacherState) -> bool:
        if state.failed < self._most_failures:
            return False
        now = time.monotonic()
        if now < state.rests_until:
            return True
        state.rests_until = now + REST_S  # the current question tests the teacher; questions after it don't
        return False


def _slots(teacher: TeacherOptions, config: RunConfig) -> int:
    """Return how many requests may be in flight; a batch job has no limit."""
    return sys.maxsize if teacher.in_batches else config.concurrency
