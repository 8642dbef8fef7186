"""`Asker` answers questions: it recalls an answer, or pays for it once and commits it before any caller sees it.

Every question passes the same steps: look in the journal, choose a teacher, wait for a slot among its requests in
flight, reserve budget, send, commit to the journal. `generate` creates one asker per start; its callers see none of
the steps.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..core.counted import counted
from ..core.errors import SelfInstructError, StorageError, TeacherDown, TeacherError, TeacherRefused
from ..core.events import Exchange
from ..core.prompts import Completion, Prompt, Question
from ..core.tasks import storable
from ..journal.answer_values import Answer, Receipt, aside
from ..journal.journal import Journal
from ..teachers.protocol import METER, Teacher, full
from .budget import Budget, BudgetSpent, Reservation
from .router import AskClosed, Router, TeacherState
from .runner import Runner


class Asker:
    """Answers questions from the journal and, between `open` and `close`, from the teachers.

    Attributes:
        reason: Why the asker closed ('budget', 'interrupted', 'teacher_down' ...); None before.
        detail: The reason in one line.
        error: The exception behind the reason, if any.
        gave_up: Too many questions failed in a row; the failures were forgotten and will be asked again.
        in_flight: Questions that a teacher is answering now.
        on_exchange: Called with every question that was sent, when the question is answered or has failed.
    """

    def __init__(self, journal: Journal, budget: Budget, router: Router, max_failures: int) -> None:
        self._journal = journal
        self._budget = budget
        self._router = router
        self._runner = Runner(journal)
        self.run = self._runner.run
        """Runs a program in the sandbox, or recalls what came of it."""
        self._opened = False
        self._max_failures = max_failures
        self._failed: list[str] = []
        self.gave_up = False
        self._in_flight_by_key: dict[str, asyncio.Task[Answer]] = {}
        self._reservations: dict[str, Reservation] = {}  # of the questions that were sent to a teacher
        self._expected: set[asyncio.Task[None]] = set()
        self._waiting: dict[str, tuple[int, str]] = {}  # teacher -> questions in batch jobs, and a description
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
        """Send questions to `teachers`, named as in the router, from now on.

        Questions that an earlier start left with a batch job are asked again first, so that their answers are kept.
        """
        self._opened = True
        # A teacher that failed to start is not in `teachers`, and its state has no teacher.
        for state in self._router.states:
            state.teacher = full(teachers[state.name]) if state.name in teachers else None
        # Send each unfinished question to the teacher that holds its job; other teachers follow if that fails.
        for state in self._router.states:
            for question in state.teacher.under_way if state.teacher else ():
                task = asyncio.create_task(self._expect(question))
                self._expected.add(task)
                task.add_done_callback(self._expected.discard)
                others = [other for other in self._draw(question.key, question.prompt) if other is not state]
                self._send(question.key, question.prompt, question.number, [state, *others])

    def recall(self, key: str) -> Answer | None:
        """Return the committed answer, or None. Sends nothing."""
        return self._journal.recall(key)

    async def ask(self, key: str, prompt: Prompt, *, question: int | None = None, teacher: str | None = None) -> Answer:
        """Return the answer to `prompt`, from the journal or from a teacher.

        Args:
            key: The journal key of the question.
            prompt: What to send.
            question: The number of a proposal; all other questions go before proposals.
            teacher: The name of the only teacher to ask; None lets the router choose.

        Raises:
            AskClosed: The journal has no answer and nothing is sent (not opened yet, or closed).
        """
        # Recall: an answer in the journal is never paid for again.
        answer = self._journal.recall(key)
        if answer is not None:
            return answer

        # Request, or wait for the same question in flight. A canceled caller leaves the request running.
        task = self._in_flight_by_key.get(key)
        if task is None:
            if not self.asks:
                raise AskClosed
            states = [state for state in self._router.states if state.name == teacher]
            task = self._send(key, prompt, question, states or self._draw(key, prompt))

        # Two causes of CancelledError: this caller was canceled, or `cancel_in_flight` canceled the request.
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise AskClosed from None
            raise

    def _draw(self, key: str, prompt: Prompt) -> list[TeacherState]:
        return self._router.draw(key, prompt.purpose)

    def _send(
        self, key: str, prompt: Prompt, question: int | None, states: Sequence[TeacherState]
    ) -> asyncio.Task[Answer]:
        task = asyncio.create_task(self._request(Question(key, prompt, question), states))
        self._in_flight_by_key[key] = task
        task.add_done_callback(lambda _: self._in_flight_by_key.pop(key, None))
        return task

    async def _expect(self, question: Question) -> None:
        """Await a question that an earlier start has sent, even if the loop doesn't ask it again."""
        with contextlib.suppress(AskClosed):
            await self.ask(question.key, question.prompt, question=question.number)

    def close(self, reason: str, detail: str, error: SelfInstructError | None = None) -> None:
        """Send no more requests; answers in flight may still arrive. Only the first call has an effect."""
        if self.reason is not None:
            return
        self.reason, self.detail, self.error = reason, detail, error
        self._router.close()
        for callback in self._closing:
            callback()

    def lose(self, teacher: str, error: TeacherError) -> None:
        """Skip `teacher` for the rest of this start because of `error`."""
        for state in self._router.states:
            if state.name == teacher:
                state.lost = error

    def detach(self, teacher: str, waiting: int, how: str) -> bool:
        """Close as 'detached' and cancel the requests in flight if all wait in batch jobs; return whether it did.

        waiting: how many questions the teacher's jobs hold. how: one line that describes the jobs.
        """
        self._waiting[teacher] = waiting, how
        if sum(count for count, _ in self._waiting.values()) < self.in_flight:
            return False
        self.close("detached", "; ".join(how for _, how in self._waiting.values()))
        self.cancel_in_flight()
        return True

    def when_closed(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the asker closes, or immediately if the asker is already closed."""
        self._closing.append(callback)
        if self.reason is not None:
            callback()

    async def drain(self, timeout_s: float | None) -> None:
        """Wait at most `timeout_s` seconds for the answers in flight, then cut off or cancel the rest."""
        if self._in_flight_by_key:
            await asyncio.wait(list(self._in_flight_by_key.values()), timeout=timeout_s)
        self.cancel_in_flight()
        await asyncio.gather(*self._in_flight_by_key.values(), return_exceptions=True)
        await self._runner.drain()
        # After a failed write, an answer may be missing: the next start counts what the journal holds as reserved.
        if not isinstance(self.error, StorageError):
            self._budget.close()

    def cancel_in_flight(self) -> None:
        """Cut off the answers in flight of which a part is worth keeping, and cancel all other requests."""
        for key, task in list(self._in_flight_by_key.items()):
            reservation = self._reservations.get(key)
            if reservation is None or not reservation.cut_off():
                task.cancel()

    async def _request(self, asked: Question, order: Sequence[TeacherState]) -> Answer:
        """Request one answer; close the asker if the failure affects the whole run."""
        try:
            answer = await self._pay(asked, order)
            self._watch(asked.key, answer.completion)
        except BudgetSpent as cap:
            self.close("budget", str(cap))
        except TeacherError as error:
            # Other questions may still have a teacher, for instance one with another role.
            if all(state.lost is not None for state in self._draw(asked.key, asked.prompt)):
                self.close(reason_of(error), str(error), error)
        except StorageError as error:
            self.close("storage", str(error), error)
        else:
            return answer
        finally:
            self._reservations.pop(asked.key, None)
        raise AskClosed

    async def _pay(self, asked: Question, order: Sequence[TeacherState]) -> Answer:
        """Try each teacher of `order` in turn; return the first success, or the last failure.

        Raises TeacherError if every teacher is lost for this start, and BudgetSpent if the question exceeds a cap.
        """
        untried = list(order)
        while True:
            # Choose: the next untried teacher, else a teacher that failed before. `is_last`: its failure is final.
            able = [state for state in untried if state.lost is None] or [s for s in order if s.lost is None]
            if not able:
                raise order[-1].lost or TeacherDown("no teacher can be asked")
            state = able[0]
            is_last = len(able) == 1 or state not in untried

            # Slot: proposals have a number, and other questions go before them.
            await state.slots.acquire(0 if asked.number is None else 1)
            try:
                if state.lost is not None:  # lost while this question waited
                    continue

                # Exchange: reserve, send, and settle.
                exchanged = await self._exchange(asked, state)
                if exchanged is None:
                    continue
                completion, receipt, reservation = exchanged
                self._router.note(state, failed=completion.failed)

                # Commit before any caller sees the answer. Set a failure aside if another teacher may still succeed.
                is_final = is_last or not completion.failed
                key, number = (asked.key, asked.number) if is_final else (aside(asked.key), None)
                answer = await self._journal.commit(key, number, asked.prompt, completion, receipt)
                self._budget.committed(reservation)
            finally:
                state.slots.release()
            if is_final:
                return answer
            untried = able[1:]

    async def _exchange(self, asked: Question, state: TeacherState) -> tuple[Completion, Receipt, Reservation] | None:
        """Send a question to one teacher. Returns None if the teacher can't continue: it is lost for this start.

        Raises AskClosed if the asker closed meanwhile, BudgetSpent at a cap, and StorageError if the journal can't be
        written.
        """
        # Reserve: wait until the worst case fits the budget, or raise BudgetSpent.
        reservation = await self._budget.reserve(asked.prompt, state.name)
        METER.set(reservation)
        self._reservations[asked.key] = reservation
        if self.reason is not None or state.teacher is None:
            self._budget.settle(reservation, None)
            raise AskClosed

        # Send.
        completion: Completion | None = None
        asked_at, started = time.time(), time.perf_counter()
        self.in_flight += 1
        try:
            if not state.settings.in_batches:  # a batch job is recorded before it is sent
                await reservation.begin()
                reservation.is_presumed = True  # until the teacher uses the meter
            completion = _storable(await state.teacher.complete_question(asked))
        except TeacherError as error:
            state.lost, reservation.is_presumed = error, False
            latency_s = time.perf_counter() - started
            self._report(Exchange(asked, state.name, asked_at, latency_s, None, error=reason_of(error)))
            return None
        finally:
            # Settle: replace what is reserved with what counts, even if the request failed.
            latency_s = time.perf_counter() - started
            self.in_flight -= 1
            charge, lost = self._budget.settle(reservation, completion)
            if lost is not None:
                failure = Completion("", usage=lost.usage, error="no_answer", failed=True)
                receipt = Receipt(state.name, asked_at, latency_s, lost.cost_usd, lost.requests, lost.assumed)
                self._journal.note_failure(asked.key, asked.prompt, failure, receipt)
            elif charge is None:
                self._budget.committed(reservation)  # nothing was sent
        assert charge is not None  # there is an answer
        completion = replace(completion, usage=charge.usage, unread=())
        self._report(Exchange(asked, state.name, asked_at, latency_s, completion, charge.cost_usd))
        receipt = Receipt(state.name, asked_at, latency_s, charge.cost_usd, charge.requests, charge.assumed)
        return completion, receipt, reservation

    def _report(self, exchange: Exchange) -> None:
        if self.on_exchange is not None:
            self.on_exchange(exchange)

    def _watch(self, key: str, completion: Completion) -> None:
        """Close after too many failures in a row.

        The journal forgets these failures and later ones, so that the next start asks the questions again.
        """
        # Count failures in a row.
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

        # Close, and explain the last error: 'bad_request: 400 unknown model' -> 'bad_request'.
        self.gave_up = True
        self._journal.forget(self._failed)
        count = f"{counted(len(self._failed), 'question')} in a row got no answer; the last error: {completion.error}"
        error: TeacherError
        cause = (completion.error or "").partition(":")[0]
        if cause == "bad_request":
            error = TeacherRefused(f"{count}; the server rejects these requests; check the model and the sampling")
        elif cause in ("html_answer", "not_json", "broken_answer"):
            error = TeacherDown(
                f"{count}; the address doesn't seem to be an OpenAI-compatible API; check teacher.base_url (most end "
                "in /v1), or wait if the page reports maintenance, then run the same command again: nothing is lost"
            )
        else:
            error = TeacherDown(f"{count}; run the same command when the teacher is back; nothing is lost")
        self.close(reason_of(error), str(error), error)


def reason_of(error: TeacherError) -> str:
    """Return the outcome of a run that ends with `error`."""
    return "teacher_refused" if isinstance(error, TeacherRefused) else "teacher_down"


def _storable(completion: Completion) -> Completion:
    """Return `completion` as the journal stores it, so that an answer is the same on arrival and when recalled."""
    return replace(
        completion,
        text=storable(completion.text),
        reasoning=storable(completion.reasoning),
        finish_reason=storable(completion.finish_reason),
        model=storable(completion.model),
        error=None if completion.error is None else storable(completion.error),
    )
