"""The one door to the teacher: recall the answer, or pay for it once and commit it before anyone sees it.

Everything that every question needs happens here, in this order: the journal, whose turn it is among the teachers,
a free place among that one's requests in flight, the budget, the teacher, the journal again. Whoever asks knows nothing
of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from ..core.errors import SelfInstructError, StorageError, TeacherDown, TeacherError, TeacherRefused
from ..core.events import Exchange
from ..core.prompts import Completion, Prompt, Question, Usage
from ..core.tasks import storable
from ..journal.journal import Answer, Journal, aside
from ..teachers.limits import LEAVING
from ..teachers.protocol import Teacher
from .budget import Budget, BudgetSpent
from .gate import DoorClosed
from .roster import Roster, Seat


class Door:
    """Recalls from the start; once it is opened it asks, as many questions at a time as there are places, until closed.

    reason: why it closed ('budget', 'interrupted', 'teacher_down' ...), None before; detail: the same in one line;
    error: the error behind it, where there is one. gave_up: failed questions were set aside, to be asked anew.
    on_exchange: told of every question that a teacher was asked, once it is over.
    """

    def __init__(self, journal: Journal, budget: Budget, roster: Roster, max_failures: int) -> None:
        self._journal = journal
        self._budget = budget
        self._roster = roster
        self._opened = False
        self._max_failures = max_failures
        self._failed: list[str] = []
        self.gave_up = False
        self._under_way: dict[str, asyncio.Task[Answer]] = {}
        self._expected: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, tuple[int, str]] = {}
        self._closing: list[Callable[[], object]] = []
        self.on_exchange: Callable[[Exchange], object] | None = None
        self.in_flight = 0
        self.reason: str | None = None
        self.detail = ""
        self.error: SelfInstructError | None = None

    @property
    def asks(self) -> bool:
        """Whether a question that is not in the journal would be sent now."""
        return self._opened and self.reason is None

    def open(self, teachers: Mapping[str, Teacher]) -> None:
        """Send questions to `teachers`, named as in the roster, from here on.

        What an earlier start has under way with one of them is waited for again.
        """
        self._opened = True
        for seat in self._roster.seats:
            seat.teacher = teachers.get(seat.name)
        for seat in self._roster.seats:
            for question in getattr(seat.teacher, "under_way", ()):
                task = asyncio.create_task(self._expect(question))
                self._expected.add(task)
                task.add_done_callback(self._expected.discard)
                others = [other for other in self._draw(question.key, question.prompt) if other is not seat]
                self._send(question.key, question.prompt, question.number, [seat, *others])

    def recall(self, key: str) -> Answer | None:
        """The committed answer, without asking."""
        return self._journal.recall(key)

    async def ask(self, key: str, prompt: Prompt, *, question: int | None = None, teacher: str | None = None) -> Answer:
        """The answer to `prompt` under `key`. Proposals bring their number and let all other questions go first.

        teacher: who alone is to be asked; None: whoever's turn it is.
        Raises DoorClosed when it is not in the journal and nothing is sent (yet, or any more).
        """
        answer = self._journal.recall(key)
        if answer is not None:
            return answer
        task = self._under_way.get(key)
        if task is None:
            if not self.asks:
                raise DoorClosed
            seats = [seat for seat in self._roster.seats if seat.name == teacher]
            task = self._send(key, prompt, question, seats or self._draw(key, prompt))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise DoorClosed from None
            raise

    def _draw(self, key: str, prompt: Prompt) -> list[Seat]:
        return self._roster.draw(key, prompt.purpose)

    def _send(self, key: str, prompt: Prompt, question: int | None, seats: Sequence[Seat]) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._pay(key, prompt, question, seats))
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
        self._roster.close()
        for callback in self._closing:
            callback()

    def lose(self, teacher: str, error: TeacherError) -> None:
        """Don't ask `teacher` in this start, for the reason that `error` is."""
        for seat in self._roster.seats:
            if seat.name == teacher:
                seat.lost = error

    def leave(self, teacher: str, waiting: int, how: str) -> bool:
        """Close as 'detached', and give up what is in flight, where all of that waits in batch jobs.

        `teacher` says that so many questions wait with it, and how. Returns whether that was all.
        """
        self._waiting[teacher] = waiting, how
        if sum(count for count, _ in self._waiting.values()) < self.in_flight:
            return False
        self.close("detached", "; ".join(how for _, how in self._waiting.values()))
        self.abandon()
        return True

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

    async def _pay(self, key: str, prompt: Prompt, question: int | None, seats: Sequence[Seat]) -> Answer:
        try:
            answer = await self._from_somebody(key, prompt, question, seats)
            self._watch(key, answer.completion)
        except BudgetSpent as cap:
            self.close("budget", str(cap))
        except TeacherError as error:
            if all(seat.lost is not None for seat in self._draw(key, prompt)):
                self.close(reason_of(error), str(error), error)
        except StorageError as error:
            self.close("storage", str(error), error)
        else:
            return answer
        raise DoorClosed

    async def _from_somebody(self, key: str, prompt: Prompt, question: int | None, seats: Sequence[Seat]) -> Answer:
        """The answer of the first of `seats`, or of the next where that one has none; the last one's word stands.

        Raises TeacherError when none of them can be asked any more.
        """
        untried = list(seats)
        while left := [seat for seat in untried if seat.lost is None] or [seat for seat in seats if seat.lost is None]:
            last = len(left) == 1 or left[0] not in untried
            try:
                answer = await self._from(left[0], key, prompt, question, last)
            except TeacherError as error:
                left[0].lost = error
                continue
            if last or not answer.completion.failed:
                return answer
            untried = left[1:]
        raise seats[-1].lost or TeacherDown("nobody can be asked")

    async def _from(self, seat: Seat, key: str, prompt: Prompt, question: int | None, last: bool) -> Answer:
        """Ask when there is a place. last: nobody else is asked after this one."""
        await seat.gate.enter(0 if question is None else 1)
        try:
            if seat.lost is not None:
                raise seat.lost
            return await self._answer(seat, Question(key, prompt, question), last)
        finally:
            seat.gate.leave()

    async def _answer(self, seat: Seat, asked: Question, last: bool) -> Answer:
        """Ask within the budget and commit; a failure that isn't the last word is set aside.

        What was reserved is settled whatever happens.
        """
        reservation = await self._budget.reserve(asked.prompt, seat.name)
        LEAVING.set(functools.partial(self._budget.leaves, reservation))
        usage: Usage | None = None
        try:
            if self.reason is not None or seat.teacher is None:
                raise DoorClosed
            asked_at, started = time.time(), time.perf_counter()
            self.in_flight += 1
            try:
                completion = _storable(await _completed(seat.teacher, asked))
            except TeacherError as error:
                latency_s = time.perf_counter() - started
                self._told(Exchange(asked, seat.name, asked_at, latency_s, None, error=reason_of(error)))
                raise
            finally:
                self.in_flight -= 1
            latency_s = time.perf_counter() - started
            usage = completion.usage
        finally:
            cost = self._budget.settle(reservation, usage)
        self._told(Exchange(asked, seat.name, asked_at, latency_s, completion, cost))
        self._roster.note(seat, failed=completion.failed)
        passed_on = completion.failed and not last
        return await self._journal.commit(
            aside(asked.key) if passed_on else asked.key,
            None if passed_on else asked.number,
            asked.prompt,
            completion,
            cost,
            asked_at,
            latency_s,
            max(1, reservation.requests),
            seat.name,
        )

    def _told(self, exchange: Exchange) -> None:
        if self.on_exchange is not None:
            self.on_exchange(exchange)

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
