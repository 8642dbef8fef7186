"""Picks a teacher for each question (weighted, deterministic) and tracks the health of each teacher.

The order of the teachers follows from the question's key alone, so that a replay makes the same choices. A question
goes to the first teacher, and to the next when the first has no answer. A teacher that can't continue (no credit,
server down) is skipped for this start; a teacher that fails repeatedly is asked last for a while. `Asker` uses this
module.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
import time
from dataclasses import dataclass, field
from random import Random

from ..config.options import TeacherOptions, teachers_for
from ..config.run_config import RunConfig
from ..core.errors import TeacherError
from ..teachers.protocol import FullTeacher


class AskClosed(Exception):
    """The asker sends no more requests; `Asker.reason` says why."""


class RequestSlots:
    """A semaphore that serves waiters by priority, lower numbers first, then in order of arrival."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._closed = False
        self._count = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def acquire(self, priority: int) -> None:
        """Wait for a free slot. Raises AskClosed once `close` was called."""
        if self._closed:
            raise AskClosed
        # A free slot means that the queue is empty.
        if self._free > 0:
            self._free -= 1
            return
        # Queue by priority, then by arrival.
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # The slot was granted in the same tick as the cancellation: pass it on.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()
            raise

    def release(self) -> None:
        """Return a slot, and grant it to the next waiter."""
        # Skip waiters that were canceled.
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Reject current and future waiters."""
        self._closed = True
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_exception(AskClosed())


REST_S = 60.0
"""A failing teacher is asked last for this many seconds. Then one question tests whether the teacher works."""


@dataclass(slots=True, eq=False)
class TeacherState:
    """One teacher of a run and its health.

    Attributes:
        settings: The teacher's options in the configuration.
        slots: Limits the requests in flight.
        teacher: None until the teacher is ready.
        failed: Number of questions in a row without an answer.
        rests_until: Monotonic time, in seconds, until which the teacher is asked last.
        lost: Why the teacher is skipped for the rest of this start, or None.
        name: The teacher's name in status and records.
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
    """The teachers of one start, and the embedding model.

    Attributes:
        states: All teachers, in the order of the configuration.
    """

    def __init__(self, config: RunConfig) -> None:
        self._random_seed, self._most_failures = config.random_seed, config.max_failures_in_a_row
        self.states = [TeacherState(each, RequestSlots(_slots(each, config))) for each in config.all_models]
        self._by_purpose: dict[str, list[TeacherState]] = {}

    def draw(self, key: str, purpose: str) -> list[TeacherState]:
        """Return the teachers to try for a question, in a weighted random order that its journal key determines.

        purpose: selects the teachers with this role; all teachers if none has it (the probe, a judge, a custom
        strategy's own purpose). Resting teachers come last.
        """
        states = self._by_purpose.get(purpose)
        if states is None:
            names = {teacher.label for teacher in teachers_for(purpose, [state.settings for state in self.states])}
            states = self._by_purpose[purpose] = [state for state in self.states if state.name in names]
        # Sorting is stable: teachers that don't rest keep their random order.
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
        """Reject current and future waiters for a slot."""
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
