"""The loop of a run: proposes, consumes and develops until the target is met. Only here the pool affects the questions.

A run is a pure function of its journal. Questions are numbered; question i draws its demonstrations with
Random(f"{seed}:{i}") from the pool as it was after question i - lookahead was consumed, and answers are consumed in
question order. So the same answers give the same dataset at any timing, in one start or after any number of kills.
Nothing here is saved: a new start resumes the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..ask.asker import Asker, reason_of
from ..ask.budget import Budget
from ..ask.router import AskClosed
from ..core.counted import counted
from ..core.errors import TeacherError
from ..core.events import Progress
from ..journal.folder import OpenRun
from ..journal.status import Outcome
from ..teachers.protocol import Teacher
from .develop import Developer
from .generations import Generations
from .pool import Admitted, Pool
from .proposals import AT_A_TIME, Proposals

HEARTBEAT_S = 1.0
"""Report progress at least this often, in seconds."""
GRACE_S = 5.0
"""How long a run that is told to stop waits for answers in flight, in seconds."""
_TASKS_PER_SLOT = 2
"""Tasks in development per concurrent request; above that, consuming more answers would only cause bursts of work."""
CUT_SHORT = ("interrupted", "max_runtime")
"""Reasons to close that end a replay, too."""


class Loop:
    """One start of a run, from the first question to the last.

    The loop first does everything that the journal's answers allow, and starts the teachers only if that does not
    suffice. So a run whose answers suffice costs nothing, whatever their timing was.

    teachers: starts the teachers and returns them by name; None if nothing is to be sent.
    """

    def __init__(
        self,
        opened: OpenRun,
        pool: Pool,
        asker: Asker,
        budget: Budget,
        generations: Generations,
        teachers: Callable[[], Awaitable[Mapping[str, Teacher]]] | None,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._journal, self._config, self._target = opened.journal, opened.configs[-1], opened.target
        self._pool, self._asker, self._budget = pool, asker, budget
        self._generations, self._teachers, self._report = generations, teachers, progress
        self._changed = asyncio.Event()
        self._proposals = Proposals(opened, pool, asker, generations, self._changed.set, recall_only=teachers is None)

        # Development. Of the next `promising` admitted tasks none has failed, so they may become records.
        select = self._config.dataset.select
        model = select.embeddings.label if select and select.embeddings and select.count < self._target else None
        self._developer = Developer(pool, asker, generations, opened.journal, model)
        self._developing: set[asyncio.Task[None]] = set()
        self._next_developed = self._promising = 0
        self._complete = self._failed = self._unanswered = 0
        self._defect: BaseException | None = None

        # A batch job takes up to a day however many questions it holds, so all tasks are developed at once then.
        batch = any(each.in_batches for each in self._config.all_models)
        slots = self._config.concurrency * len(self._config.all_teachers)
        self._max_developing = self._target if batch else self._config.lookahead
        self._enough = math.inf if batch else _TASKS_PER_SLOT * slots

        # The records of the first `prefix` admitted tasks, all of them resolved.
        self._prefix = self._finished = 0
        asker.when_closed(self._changed.set)

    # --- the course of a run -----------------------------------------------------------------

    async def grow(self) -> Outcome:
        """Ask, consume and develop until the target is met or something ends the run."""
        try:
            # First the replay, then the same with open teachers, if there is anything left to do.
            await self._generations.prepare(self._asker, self._journal)
            await self._advance()
            if not self._met() and self._may_get_further() and await self._open():
                await self._generations.prepare(self._asker, self._journal)
                await self._advance()
                if self._asker.reason in CUT_SHORT:  # answers that arrive in the last seconds, or a part of them
                    self._report_progress()  # as many requests in flight as the notice says
                    await self._asker.drain(GRACE_S)
                    await self._advance(is_over=True)
        finally:
            await self._leave()
        if self._defect is not None:
            raise self._defect
        self._report_progress()
        self._journal.flush()
        if self._asker.reason not in CUT_SHORT:  # a replay that was cut short has not written every row again
            self._journal.ledger.sweep()
        return self._outcome()

    async def _advance(self, *, is_over: bool = False) -> None:
        """Propose, consume and develop until the target is met, or until only answers that never arrive could help.

        is_over: whether to go on although the run was told to stop, because no request is in flight any more.
        """
        self._proposals.stuck = False
        while not self._met() and (is_over or self._asker.reason not in CUT_SHORT):
            busy = [
                self._proposals.ask_ahead(self._failed),
                self._develop_ahead(),
                len(self._developing) < self._enough and self._proposals.consume_next(),
            ]
            if any(busy):
                await asyncio.sleep(0)  # let requests leave and answers arrive between portions of work
            elif self._developing or self._proposals.head is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._changed.wait()
                self._changed.clear()
            else:
                break
            if self._defect is not None:
                raise self._defect
            self._report_progress()

    async def _open(self) -> bool:
        """Start the teachers, open the asker, and develop unresolved tasks again. Returns whether it is open."""
        if self._teachers is None:
            self._asker.close("recall_only", "")
        if self._asker.reason is not None or self._teachers is None:
            return False
        self._report_progress()  # the last state before requests are sent
        try:
            self._asker.open(await self._teachers())
        except TeacherError as error:
            self._asker.close(reason_of(error), str(error), error)
        self._next_developed = self._promising = self._unanswered = 0
        return self._asker.asks

    def _may_get_further(self) -> bool:
        """Whether there is a question to ask, or a task to develop."""
        self._proposals.look_ahead()
        return not self._proposals.all_asked or not all(task.resolved for task in self._pool.admitted)

    def _met(self) -> bool:
        """Whether the first `target` records are finished, and every task before them is resolved.

        Never true after the asker gave up: the questions whose failures it forgot are still open.
        """
        admitted = self._pool.admitted
        while self._finished < self._target and self._prefix < len(admitted) and admitted[self._prefix].resolved:
            self._finished += admitted[self._prefix].record is not None
            self._prefix += 1
        return self._finished >= self._target and not self._asker.gave_up

    def _outcome(self) -> Outcome:
        target = self._target
        if self._met():
            return Outcome("target", counted(target, "record"), 0)
        reason, detail = self._asker.reason or "", self._asker.detail
        finished = min(target, self._journal.ledger.finished())
        if self._proposals.all_asked and not self._unanswered and reason in ("", "finished"):
            detail = f"{finished:,} of {counted(target, 'record')}: everything has been asked"
            if not finished:
                return Outcome("exhausted", f"{detail}; `selfinstruct check` says what there is to ask", 3)
            return Outcome("all_asked", detail, 0)
        if self._proposals.exhausted is not None and reason in ("", "finished"):
            reason, detail = "exhausted", self._proposals.exhausted
        if reason == "recall_only":
            waiting = f" ({counted(self._unanswered, 'task')} waiting for one)" if self._unanswered else ""
            detail = f"the journal holds no more answers{waiting}"
        code = self._asker.error.exit_code if self._asker.error else 3
        return Outcome(reason, f"{finished:,} of {counted(target, 'record')}: {detail}", code)

    async def _leave(self) -> None:
        """Wait for the answers that are paid for, at most `GRACE_S` if someone stopped the run; then end every task."""
        patient = self._asker.reason == "budget" or self._proposals.exhausted is not None
        self._asker.close("finished", "")
        await self._asker.drain(None if patient else GRACE_S)
        tasks: list[asyncio.Task[Any]] = [*self._developing, *self._proposals.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- development --------------------------------------------------------------------------

    def _develop_ahead(self) -> bool:
        """Start to develop a few admitted tasks, in order. Returns whether there may be more to develop now."""
        admitted = self._pool.admitted
        for _ in range(AT_A_TIME):
            if self._next_developed >= len(admitted) or len(self._developing) >= self._max_developing:
                return False
            if self._promising >= self._target:  # more than the target can take
                return False
            task = admitted[self._next_developed]
            self._next_developed += 1
            if task.resolved:  # before the teachers were started
                self._promising += task.record is not None
                continue
            self._promising += 1
            development = asyncio.create_task(self._develop(task))
            self._developing.add(development)
            development.add_done_callback(self._developed)
        return True

    async def _develop(self, admitted: Admitted) -> None:
        try:
            await self._developer.develop(admitted)
        except AskClosed:
            self._unanswered += 1
            self._promising -= 1
            return
        if admitted.record is not None:
            self._complete += 1
        else:
            self._failed += 1
            self._promising -= 1

    def _developed(self, task: asyncio.Task[None]) -> None:
        # An exception here is a defect of a strategy or a filter; the loop raises it.
        self._developing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._defect = task.exception()
        self._changed.set()

    def _report_progress(self) -> None:
        self._journal.note_in_flight(self._asker.in_flight)
        if self._report is None:
            return
        budget = self._budget
        self._report(
            Progress(
                records=min(self._complete, self._target),
                target=self._target,
                admitted=len(self._pool.admitted),
                proposed=self._pool.proposed,
                refused=self._pool.refused,
                consumed=self._pool.consumed,
                in_flight=self._asker.in_flight,
                requests=budget.requests,
                tokens=budget.tokens + budget.arriving,
                cost_usd=budget.cost_usd,
                priced=budget.priced,
            )
        )
