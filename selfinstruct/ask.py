"""The one door to the teacher: recall the answer, or pay for it once and commit it before anyone sees it.

Everything that every question needs happens here, in this order: the journal, a free place among the
requests in flight, the budget, the teacher, the journal again. Whoever asks knows nothing of it.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from typing import Protocol

from .budget import Budget, BudgetSpent, Reservation
from .errors import SelfInstructError, StorageError, TeacherDown, TeacherError, TeacherRefused
from .journal import Answer, Journal
from .schema import Completion, Prompt


class Teacher(Protocol):
    """Whoever answers. Built-ins are in `teachers`; your own object needs no more than this."""

    async def complete(self, prompt: Prompt) -> Completion:
        """The answer. Raises TeacherError for what ends the run; all else is a Completion with `error`."""


class DoorClosed(Exception):
    """No question is sent any more; `Door.reason` says why."""


class Door:
    """Asks at most `concurrency` questions at a time until it is closed.

    reason: why it closed ('budget', 'interrupted', 'teacher_down' ...); detail: the same in one line;
    error: the error behind it, where there is one.
    """

    def __init__(
        self, journal: Journal, teacher: Teacher | None, budget: Budget, concurrency: int, max_failures: int
    ) -> None:
        self._journal = journal
        self._teacher = teacher
        self._budget = budget
        self._gate = _Gate(concurrency)
        self._max_failures = max_failures
        self._failed: list[str] = []
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self.in_flight = 0
        self.reason: str | None = None if teacher is not None else "recall_only"
        self.detail = ""
        self.error: SelfInstructError | None = None

    def recall(self, key: str) -> Answer | None:
        """The committed answer, without asking."""
        return self._journal.recall(key)

    async def ask(self, key: str, prompt: Prompt, *, question: int | None = None) -> Answer:
        """The answer to `prompt` under `key`. Proposals bring their number and let all other questions go first.

        Raises DoorClosed when it is not in the journal and nothing is sent any more.
        """
        answer = self._journal.recall(key)
        if answer is not None:
            return answer
        task = self._under_way.get(key)
        if task is None:
            if self.reason is not None:
                raise DoorClosed
            task = asyncio.create_task(self._pay(key, prompt, question))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise DoorClosed from None
            raise

    def close(self, reason: str, detail: str, error: SelfInstructError | None = None) -> None:
        """Send nothing more; what is in flight may still arrive. The first reason stands."""
        if self.reason is None:
            self.reason, self.detail, self.error = reason, detail, error
        self._gate.close()

    async def drain(self, timeout_s: float | None) -> None:
        """Wait for the answers in flight, at most `timeout_s` seconds, then give up on the rest."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=timeout_s)
        self.abandon()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def abandon(self) -> None:
        """Give up what is in flight."""
        for task in list(self._under_way.values()):
            task.cancel()

    async def _pay(self, key: str, prompt: Prompt, question: int | None) -> Answer:
        assert self._teacher is not None
        await self._gate.enter(0 if question is None else 1)
        reservation: Reservation | None = None
        try:
            reservation = await self._budget.reserve(prompt)
            if self.reason is not None:
                raise DoorClosed
            self.in_flight += 1
            asked_at = time.time()
            started = time.perf_counter()
            try:
                completion = await self._teacher.complete(prompt)
            finally:
                self.in_flight -= 1
            latency_s = time.perf_counter() - started
            cost = self._budget.settle(reservation, completion.usage)
            reservation = None
            await self._journal.commit(key, question, prompt, completion, cost, asked_at, latency_s)
        except BudgetSpent as cap:
            self.close("budget", str(cap))
            raise DoorClosed from None
        except TeacherError as error:
            reason = "teacher_refused" if isinstance(error, TeacherRefused) else "teacher_down"
            self.close(reason, str(error), error)
            raise DoorClosed from None
        except StorageError as error:
            self.close("storage", str(error), error)
            raise DoorClosed from None
        finally:
            if reservation is not None:
                self._budget.settle(reservation, None)
            self._gate.leave()
        self._watch(key, completion)
        return Answer(completion, prompt.demos, prompt.version)

    def _watch(self, key: str, completion: Completion) -> None:
        """Close after too many failures in a row. Those are forgotten: a later start asks them anew."""
        if not completion.failed:
            self._failed.clear()
            return
        self._failed.append(key)
        if len(self._failed) < self._max_failures or self.reason is not None:
            return
        self._journal.forget(self._failed)
        count = f"{len(self._failed)} questions in a row got no answer; the last error: {completion.error}"
        if (completion.error or "").startswith("bad_request"):
            refused = TeacherRefused(f"{count}; the server doesn't take these requests: check model and sampling")
            self.close("teacher_refused", str(refused), refused)
        else:
            down = TeacherDown(f"{count}; start again when the teacher is back, nothing is lost")
            self.close("teacher_down", str(down), down)


class _Gate:
    """A semaphore whose waiters come in by priority, the lower first, then by arrival."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._closed = False
        self._count = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def enter(self, priority: int) -> None:
        if self._closed:
            raise DoorClosed
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        self._closed = True
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_exception(DoorClosed())
