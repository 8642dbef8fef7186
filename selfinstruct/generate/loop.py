"""The loop: the only place where the pool feeds back into the questions.

A run is a pure function of its journal. Questions are numbered; question i draws its demonstrations
with Random(f"{seed}:{i}") from the pool as it stood after question i - lookahead was consumed, and answers are
consumed in the order of their numbers. So the same answers give the same dataset, whatever the
timing, straight through or killed a hundred times. Nothing here is saved: starting again *is* resuming.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping

from ..ask.asker import Asker, reason_of
from ..ask.budget import Budget
from ..ask.slots import AskClosed
from ..core.errors import TeacherError
from ..core.events import Progress
from ..journal.folder import OpenRun
from ..journal.journal import Answer
from ..journal.status import Outcome
from ..strategies.material import draw_demos
from ..teachers.protocol import Teacher
from .develop import Developer
from .generations import Generations
from .pool import Admitted, Pool

HEARTBEAT_S = 5.0
"""Seconds after which progress is told again though nothing has come in."""
GRACE_S = 5.0
"""Seconds that answers in flight are waited for when somebody wants the run to end."""
_AT_A_TIME = 8
"""Questions that are made ready before the answers that came in meanwhile are looked at."""
_ENOUGH = 2
"""Tasks in development for each place, above which no more answers are consumed: that would only be work in a burst."""
CUT_SHORT = ("interrupted", "max_runtime")
"""Reasons to close that end a replay, too."""


class Loop:
    """One start of a run, from the first question to the last.

    First everything is done that the journal's answers allow; only if they don't suffice, the teacher is
    made ready and asked. So a run whose answers suffice costs nothing, whatever the timing was when they were asked.
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
        """teachers: makes them ready to answer; None when nothing is to be asked."""
        self._journal, self._config, self._target = opened.journal, opened.configs[-1], opened.target
        self._since, self._yields_before = opened.first_question, 0
        self._pool, self._asker, self._budget = pool, asker, budget
        self._generations, self._teachers, self._report = generations, teachers, progress
        self._asked: dict[int, asyncio.Task[Answer] | Answer] = {}
        self._next_question = 0
        self._developer = Developer(pool, asker, generations, opened.journal)
        self._developing: set[asyncio.Task[None]] = set()
        self._next_developed = self._promising = 0
        self._complete = self._failed = self._unanswered = 0
        # A batch takes a day, however many questions are in it: all tasks are developed at once then.
        batch = any(each.mode == "batch" for each in self._config.all_teachers)
        self._abreast = self._target if batch else self._config.lookahead
        self._enough = math.inf if batch else _ENOUGH * self._config.concurrency * len(self._config.all_teachers)
        self._prefix = self._finished = 0
        self._exhausted: str | None = None
        self._stuck = False
        self._changed = asyncio.Event()
        self._defect: BaseException | None = None
        asker.when_closed(self._changed.set)

    # --- the course of a run -----------------------------------------------------------------

    async def grow(self) -> Outcome:
        """Ask, consume and develop until the target is met or something ends the run."""
        try:
            await self._generations.prepare(self._asker, self._journal)
            await self._advance()
            if not self._met() and await self._open():
                await self._generations.prepare(self._asker, self._journal)
                await self._advance()
        finally:
            await self._leave()
        if self._defect is not None:
            raise self._defect
        self._tell()
        self._journal.flush()
        if self._asker.reason not in CUT_SHORT:  # a replay that was cut short has not said everything again
            self._journal.ledger.sweep()
        return self._outcome()

    async def _advance(self) -> None:
        """Propose, consume and develop until the target is met or nothing can be done without an answer to come."""
        self._stuck = False
        while not self._met() and self._asker.reason not in CUT_SHORT:
            busy = [self._propose_ahead(), self._develop_ahead(), self._consume_next()]
            if any(busy):
                await asyncio.sleep(0)  # what comes in meanwhile is not kept waiting, nor what goes out
            elif self._developing or self._head() is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._changed.wait()
                self._changed.clear()
            else:
                break
            if self._defect is not None:
                raise self._defect
            self._tell()

    async def _open(self) -> bool:
        """Start the teachers and open the asker; then develop the unresolved tasks from the start."""
        if self._teachers is None:
            self._asker.close("recall_only", "")
        if self._asker.reason is not None or self._teachers is None:
            return False
        self._tell()  # what comes from here on is asked, not recalled
        try:
            self._asker.open(await self._teachers())
        except TeacherError as error:
            self._asker.close(reason_of(error), str(error), error)
        self._next_developed = self._promising = self._unanswered = 0
        return self._asker.asks

    def _met(self) -> bool:
        """Whether the first `target` finished records stand with nothing unresolved before them.

        Never after the asker gave up: the questions whose failures it forgot are still open.
        """
        admitted = self._pool.admitted
        while self._finished < self._target and self._prefix < len(admitted) and admitted[self._prefix].resolved:
            self._finished += admitted[self._prefix].record is not None
            self._prefix += 1
        return self._finished >= self._target and not self._asker.gave_up

    def _outcome(self) -> Outcome:
        target = self._target
        if self._met():
            return Outcome("target", f"{target:,} records", 0)
        reason, detail = self._asker.reason or "", self._asker.detail
        if self._exhausted is not None and reason in ("", "finished"):
            reason, detail = "exhausted", self._exhausted
        if reason == "recall_only":
            detail = f"the journal holds no more answers ({self._unanswered:,} tasks wait for their instances)"
        code = self._asker.error.exit_code if self._asker.error else 3
        finished = min(target, self._journal.ledger.finished())
        return Outcome(reason, f"{finished:,} of {target:,} records: {detail}", code)

    async def _leave(self) -> None:
        """Let the answers that are paid for arrive, not for ever where somebody waits; then end every task."""
        patient = self._asker.reason == "budget" or self._exhausted is not None
        self._asker.close("finished", "")
        await self._asker.drain(None if patient else GRACE_S)
        tasks = [*self._developing, *(t for t in self._asked.values() if isinstance(t, asyncio.Task))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- proposals ----------------------------------------------------------------------------

    def _propose_ahead(self) -> bool:
        """Ask (or recall) as many questions ahead as the window allows and the target may need, some at a time.

        Returns whether there may be more to ask right now.
        """
        for _ in range(_AT_A_TIME):
            if self._exhausted is not None or not self._may_propose():
                return False
            number = self._next_question
            answer = self._asker.recall(f"p:{number}")
            if answer is not None:
                self._asked[number] = answer
            elif not self._asker.asks:
                return False
            else:
                strategy = self._generations.current
                seen = self._pool.seen_by(number, self._config.lookahead)
                prompt = strategy.propose(
                    draw_demos(self._config.random_seed, number, strategy, self._pool.seeds_of(number), seen)
                )
                task = asyncio.create_task(self._asker.ask(f"p:{number}", prompt, question=number))
                task.add_done_callback(lambda _: self._changed.set())
                self._asked[number] = task
            self._next_question += 1
        return True

    def _may_propose(self) -> bool:
        under_way = self._next_question - self._pool.consumed
        if under_way >= self._config.lookahead:
            return False
        missing = self._target - (len(self._pool.admitted) - self._failed)
        return missing > 0 and under_way < math.ceil(missing / self._expected_yield())

    def _expected_yield(self) -> float:
        """Admitted tasks per question, from the last 50 consumed; at first the most that one can bring."""
        recent = self._pool.yields[-50:]
        asked_for = self._generations.current.tasks_per_question
        return max((sum(recent) + asked_for) / (len(recent) + 1), 0.1)

    def _head(self) -> asyncio.Task[Answer] | Answer | None:
        return None if self._stuck or self._exhausted else self._asked.get(self._pool.consumed)

    def _consume_next(self) -> bool:
        """Consume the next answer in order, if it is there and its tasks have something to do soon."""
        head = self._head()
        if (
            head is None
            or len(self._developing) >= self._enough
            or (isinstance(head, asyncio.Task) and not head.done())
        ):
            return False
        number = self._pool.consumed
        if isinstance(head, asyncio.Task):
            try:
                head = head.result()
            except AskClosed:
                self._stuck = True
                return False
        del self._asked[number]
        if number == self._since:
            self._yields_before = len(self._pool.yields)
        self._pool.consume(number, head, self._generations.of(head))
        if number >= self._since:
            self._watch_yield()
        return True

    def _watch_yield(self) -> None:
        """End a run whose teacher only repeats itself. Nothing after this question is consumed.

        What an earlier generation brought says nothing about this one.
        """
        window, least = self._config.min_yield_window, self._config.min_yield
        if len(self._pool.yields) - self._yields_before >= window:
            rate = sum(self._pool.yields[-window:]) / window
            if rate < least:
                brought = f"the last {window} questions brought {rate:.3f} new tasks each"
                self._exhausted = f"{brought}, less than min_yield {least:g}"

    # --- development --------------------------------------------------------------------------

    def _develop_ahead(self) -> bool:
        """Develop admitted tasks in order, no more than the target can take, some at a time.

        Returns whether there may be more to develop right now.
        """
        admitted = self._pool.admitted
        for _ in range(_AT_A_TIME):
            if self._next_developed >= len(admitted) or len(self._developing) >= self._abreast:
                return False
            if self._promising >= self._target:
                return False
            task = admitted[self._next_developed]
            self._next_developed += 1
            if task.resolved:
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
        self._developing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._defect = task.exception()
        self._changed.set()

    def _tell(self) -> None:
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
                tokens=budget.tokens,
                cost_usd=budget.cost_usd,
                priced=budget.priced,
            )
        )
