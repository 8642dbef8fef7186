"""The one door to the teacher: recall the answer, or pay for it once and commit it before anyone sees it.

Everything that every question needs happens here, in this order: the journal, a free place among the
requests in flight, the budget, the teacher, the journal again. Whoever asks knows nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import heapq
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from .budget import Budget, BudgetSpent
from .errors import SelfInstructError, StorageError, TeacherDown, TeacherError, TeacherRefused
from .journal import Answer, Journal
from .limits import LEAVING
from .schema import Completion, Prompt, Question, Usage, storable


class Teacher(Protocol):
    """Whoever answers. Built-ins are in `teachers`; your own object needs no more than this.

    One that must know a question's key has `async complete_question(question)`, which is called instead; what it has
    under way from an earlier start, Questions, is in its `under_way`.
    """

    async def complete(self, prompt: Prompt) -> Completion:
        """The answer. Raises TeacherError for what ends the run; all else is a Completion with `error`."""


class DoorClosed(Exception):
    """No question is sent any more; `Door.reason` says why."""


class Door:
    """Recalls from the start; once it is opened it asks, at most `concurrency` questions at a time, until it is closed.

    reason: why it closed ('budget', 'interrupted', 'teacher_down' ...), None before; detail: the same in one line;
    error: the error behind it, where there is one. gave_up: failed questions were set aside, to be asked anew.
    """

    def __init__(self, journal: Journal, budget: Budget, concurrency: int, max_failures: int) -> None:
        self._journal = journal
        self._teacher: Teacher | None = None
        self._budget = budget
        self._gate = _Gate(concurrency)
        self._max_failures = max_failures
        self._failed: list[str] = []
        self.gave_up = False
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._expected: set[asyncio.Task[None]] = set()
        self._closing: list[Callable[[], object]] = []
        self.in_flight = 0
        self.reason: str | None = None
        self.detail = ""
        self.error: SelfInstructError | None = None

    @property
    def asks(self) -> bool:
        """Whether a question that is not in the journal would be sent now."""
        return self._teacher is not None and self.reason is None

    def open(self, teacher: Teacher) -> None:
        """Send questions to `teacher` from here on; what an earlier start has under way with it is waited for again."""
        self._teacher = teacher
        for question in getattr(teacher, "under_way", ()):
            task = asyncio.create_task(self._expect(question))
            self._expected.add(task)
            task.add_done_callback(self._expected.discard)
            self._send(question.key, question.prompt, question.number)

    def recall(self, key: str) -> Answer | None:
        """The committed answer, without asking."""
        return self._journal.recall(key)

    async def ask(self, key: str, prompt: Prompt, *, question: int | None = None) -> Answer:
        """The answer to `prompt` under `key`. Proposals bring their number and let all other questions go first.

        Raises DoorClosed when it is not in the journal and nothing is sent (yet, or any more).
        """
        answer = self._journal.recall(key)
        if answer is not None:
            return answer
        task = self._under_way.get(key)
        if task is None:
            if not self.asks:
                raise DoorClosed
            task = self._send(key, prompt, question)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise DoorClosed from None
            raise

    def _send(self, key: str, prompt: Prompt, question: int | None) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._pay(key, prompt, question))
        self._under_way[key] = task
        task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return task

    async def _expect(self, question: Question) -> None:
        """See to it that a question is answered, whether the loop asks it again or not."""
        with contextlib.suppress(DoorClosed):
            await self.ask(question.key, question.prompt, question=question.number)

    def close(self, reason: str, detail: str, error: SelfInstructError | None = None) -> None:
        """Send nothing more; what is in flight may still arrive. The first reason stands."""
        if self.reason is not None:
            return
        self.reason, self.detail, self.error = reason, detail, error
        self._gate.close()
        for callback in self._closing:
            callback()

    def when_closed(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the door closes; at once when it is closed already."""
        self._closing.append(callback)
        if self.reason is not None:
            callback()

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
        await self._gate.enter(0 if question is None else 1)
        try:
            answer = await self._answer(key, prompt, question)
            self._watch(key, answer.completion)
        except BudgetSpent as cap:
            self.close("budget", str(cap))
        except TeacherError as error:
            self.close(reason_of(error), str(error), error)
        except StorageError as error:
            self.close("storage", str(error), error)
        else:
            return answer
        finally:
            self._gate.leave()
        raise DoorClosed

    async def _answer(self, key: str, prompt: Prompt, question: int | None) -> Answer:
        """Ask within the budget and commit. What was reserved is settled whatever happens."""
        assert self._teacher is not None
        reservation = await self._budget.reserve(prompt)
        LEAVING.set(functools.partial(self._budget.leaves, reservation))
        usage: Usage | None = None
        try:
            if self.reason is not None:
                raise DoorClosed
            asked_at, started = time.time(), time.perf_counter()
            self.in_flight += 1
            try:
                completion = _storable(await _completed(self._teacher, Question(key, prompt, question)))
            finally:
                self.in_flight -= 1
            latency_s = time.perf_counter() - started
            usage = completion.usage
        finally:
            cost = self._budget.settle(reservation, usage)
        requests = max(1, reservation.requests)
        return await self._journal.commit(key, question, prompt, completion, cost, asked_at, latency_s, requests)

    def _watch(self, key: str, completion: Completion) -> None:
        """Close after too many failures in a row. Those and the ones still to come are forgotten, to be asked anew."""
        if self.gave_up:
            if completion.failed:
                self._journal.forget([key])
            return
        if not completion.failed:
            self._failed.clear()
            return
        self._failed.append(key)
        if len(self._failed) < self._max_failures or self.reason is not None:
            return
        self.gave_up = True
        self._journal.forget(self._failed)
        count = f"{len(self._failed)} questions in a row got no answer; the last error: {completion.error}"
        error: TeacherError
        said = (completion.error or "").partition(":")[0]
        if said == "bad_request":
            error = TeacherRefused(f"{count}; the server doesn't take these requests: check model and sampling")
        elif said in ("html_answer", "not_json", "broken_answer"):
            error = TeacherDown(
                f"{count}; that address seems not to be an OpenAI-compatible API: check teacher.base_url (most end in "
                "/v1), or wait where this is a page of maintenance, then start again: nothing is lost"
            )
        else:
            error = TeacherDown(f"{count}; start again when the teacher is back, nothing is lost")
        self.close(reason_of(error), str(error), error)


async def _completed(teacher: Teacher, question: Question) -> Completion:
    by_key: Callable[[Question], Awaitable[Completion]] | None = getattr(teacher, "complete_question", None)
    return await (teacher.complete(question.prompt) if by_key is None else by_key(question))


def reason_of(error: TeacherError) -> str:
    """What a run that a teacher ends is said to have ended with."""
    return "teacher_refused" if isinstance(error, TeacherRefused) else "teacher_down"


def _storable(completion: Completion) -> Completion:
    """As the journal can keep it, so that an answer is the same when it arrives and when it is recalled."""
    return replace(
        completion,
        text=storable(completion.text),
        finish_reason=storable(completion.finish_reason),
        model=storable(completion.model),
        error=None if completion.error is None else storable(completion.error),
    )


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
