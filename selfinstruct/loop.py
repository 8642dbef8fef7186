"""The loop: the only place where the pool feeds back into the questions.

A run is a pure function of its journal. Questions are numbered; question i draws its demonstrations
with Random(f"{seed}:{i}") from the pool as it stood after question i - lookahead was consumed, and answers are
consumed in the order of their numbers. So the same answers give the same dataset, whatever the
timing, straight through or killed a hundred times. Nothing here is saved: starting again *is* resuming.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from .ask import Door, DoorClosed
from .budget import Budget
from .config import RunConfig
from .filters import keep_instances
from .journal import Answer
from .pool import Admitted, Pool, as_verdict, draw_demos
from .runs import OpenRun, Outcome
from .schema import Asking, Completion, Development, Instance, Prompt, Record
from .strategies import Strategy
from .teachers import asking_of
from .teachers.probe import probe_prompt, speaks_schema

GRACE_S = 5.0
"""Seconds that answers in flight are waited for when somebody wants the run to end."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; handed to the caller's `progress` whenever something has changed."""

    records: int
    target: int
    admitted: int
    refused: int
    consumed: int
    in_flight: int
    requests: int
    tokens: int
    cost_usd: float
    priced: bool


class Loop:
    """One start of a run, from the first question to the last."""

    def __init__(
        self,
        opened: OpenRun,
        pool: Pool,
        door: Door,
        budget: Budget,
        build: Callable[[RunConfig, Asking], Strategy],
        asking: Asking,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._journal, self._configs, self._config = opened.journal, opened.configs, opened.configs[-1][1]
        self._pool, self._door, self._budget = pool, door, budget
        self._build, self._asking, self._report = build, asking, progress
        self._strategies: list[tuple[int, Strategy]] = []
        self._asked: dict[int, asyncio.Task[Answer] | Answer] = {}
        self._next_question = 0
        self._developing: set[asyncio.Task[None]] = set()
        self._next_developed = 0
        self._complete = self._failed = self._unanswered = 0
        self._prefix = self.finished = 0
        self._stop: tuple[str, str] | None = None
        self._changed = asyncio.Event()
        self._defect: BaseException | None = None

    # --- the course of a run -----------------------------------------------------------------

    async def grow(self) -> Outcome:
        """Ask, consume and develop until the target is met or something ends the run."""
        try:
            await self._prepare_strategies()
            while not self._met():
                self._propose_ahead()
                self._develop_ahead()
                if self._consume_next():
                    if self._pool.consumed % 64 == 0:
                        await asyncio.sleep(0)
                elif self._developing or self._head() is not None:
                    await self._changed.wait()
                    self._changed.clear()
                else:
                    break
                if self._defect is not None:
                    raise self._defect
                self._tell()
        except DoorClosed:
            pass
        finally:
            await self._leave()
        self._tell()
        return self._outcome()

    async def _prepare_strategies(self) -> None:
        """One strategy a generation; whether the server follows JSON schemas is asked once and remembered."""
        for number, (first, config) in enumerate(self._configs):
            current = number == len(self._configs) - 1
            asking = self._asking if current else asking_of(config)
            structured: bool | None = config.teacher.structured == "json_schema"
            if config.teacher.structured == "auto" and "chat" in (asking.propose, asking.instances):
                structured = asking.structured
                if structured is None:
                    structured = await self._probe(f"probe:{config.teacher.kind}:{config.teacher.model}")
            self._strategies.append((first, self._build(config, replace(asking, structured=structured))))

    async def _probe(self, key: str) -> bool:
        """Whether JSON schemas are followed. A failure that doesn't tell is asked again, until the door closes."""
        while True:
            completion = (await self._door.ask(key, probe_prompt())).completion
            if not completion.failed or (completion.error or "").startswith("bad_request"):
                return speaks_schema(completion)
            self._journal.forget([key])

    def _strategy(self, question: int) -> Strategy:
        return next(made for first, made in reversed(self._strategies) if question >= first)

    def _met(self) -> bool:
        """Whether the first `target` finished records stand with nothing unresolved before them."""
        admitted = self._pool.admitted
        while self.finished < self._config.target and self._prefix < len(admitted) and admitted[self._prefix].resolved:
            self.finished += admitted[self._prefix].record is not None
            self._prefix += 1
        return self.finished >= self._config.target

    def _outcome(self) -> Outcome:
        target = self._config.target
        if self.finished >= target:
            return Outcome("target", f"{target:,} records", 0)
        self.finished = min(target, self._complete)
        reason, detail = self._stop or (self._door.reason or "", self._door.detail)
        if reason == "recall_only":
            detail = f"the journal holds no more answers ({self._unanswered:,} tasks wait for their instances)"
        code = self._door.error.exit_code if self._door.error else 3
        return Outcome(reason, f"{self.finished:,} of {target:,} records: {detail}", code)

    async def _leave(self) -> None:
        """Let the answers that are paid for arrive, not for ever where somebody waits; then end every task."""
        self._door.close("finished", "")
        patient = self._door.reason == "budget" or self._stop is not None
        await self._door.drain(None if patient else GRACE_S)
        tasks = [*self._developing, *(t for t in self._asked.values() if isinstance(t, asyncio.Task))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- proposals ----------------------------------------------------------------------------

    def _propose_ahead(self) -> None:
        """Ask (or recall) as many questions ahead as the window allows and the target may need."""
        while self._stop is None and self._may_propose():
            number = self._next_question
            answer = self._door.recall(f"p:{number}")
            if answer is not None:
                self._asked[number] = answer
            elif self._door.reason is not None:
                return
            else:
                strategy = self._strategy(number)
                seen = self._pool.seen_by(number, self._config.lookahead)
                prompt = strategy.propose(
                    draw_demos(self._config.random_seed, number, strategy, self._pool.seeds, seen)
                )
                task = asyncio.create_task(self._door.ask(f"p:{number}", prompt, question=number))
                task.add_done_callback(lambda _: self._changed.set())
                self._asked[number] = task
            self._next_question += 1

    def _may_propose(self) -> bool:
        under_way = self._next_question - self._pool.consumed
        if under_way >= self._config.lookahead:
            return False
        missing = self._config.target - (len(self._pool.admitted) - self._failed)
        return missing > 0 and under_way < math.ceil(missing / self._expected_yield())

    def _expected_yield(self) -> float:
        """Admitted tasks per question, from the last 50 consumed; at first the most that one can bring."""
        recent = self._pool.yields[-50:]
        asked_for = self._strategy(self._next_question).tasks_per_question
        return max((sum(recent) + asked_for) / (len(recent) + 1), 0.1)

    def _head(self) -> asyncio.Task[Answer] | Answer | None:
        return None if self._stop else self._asked.get(self._pool.consumed)

    def _consume_next(self) -> bool:
        """Consume the next answer in order, if it is there."""
        head = self._head()
        if head is None or (isinstance(head, asyncio.Task) and not head.done()):
            return False
        number = self._pool.consumed
        if isinstance(head, asyncio.Task):
            try:
                head = head.result()
            except DoorClosed:
                self._stop = (self._door.reason or "", self._door.detail)
                return False
        del self._asked[number]
        self._pool.consume(number, head, self._strategy(number))
        self._watch_yield()
        return True

    def _watch_yield(self) -> None:
        """End a run whose teacher only repeats itself. Nothing after this question is consumed."""
        window, least = self._config.min_yield_window, self._config.min_yield
        if self._pool.consumed >= window:
            rate = sum(self._pool.yields[-window:]) / window
            if rate < least:
                brought = f"the last {window} questions brought {rate:.3f} new tasks each"
                self._stop = ("exhausted", f"{brought}, less than min_yield {least:g}")

    # --- development --------------------------------------------------------------------------

    def _develop_ahead(self) -> None:
        """Develop admitted tasks in order, no more than the target can take."""
        admitted = self._pool.admitted
        while self._next_developed < len(admitted) and len(self._developing) < self._config.lookahead:
            if self._next_developed - self._failed - self._unanswered >= self._config.target:
                return
            task = asyncio.create_task(self._develop(admitted[self._next_developed]))
            self._developing.add(task)
            task.add_done_callback(self._developed)
            self._next_developed += 1

    async def _develop(self, admitted: Admitted) -> None:
        async def ask(prompt: Prompt) -> Completion:
            return (await self._door.ask(f"d:{prompt.digest()}", prompt)).completion

        strategy = self._strategy(admitted.question)
        try:
            found = await strategy.develop(admitted.candidate, ask)
        except DoorClosed:
            self._unanswered += 1
            return
        kept, refused = keep_instances(found.instances, found.truncated)
        if found.error is not None:
            kept, refused = (), [as_verdict(found.error)]
        text = admitted.candidate.instruction
        for part, verdict in enumerate(refused):
            self._pool.refuse(admitted.question, admitted.index, "instance", text, verdict, part)
        if kept:
            admitted.record = self._record(admitted, kept, found, strategy.name)
            self._journal.keep(admitted.record)
            self._complete += 1
        else:
            self._failed += 1
        admitted.resolved = True

    def _record(self, admitted: Admitted, instances: tuple[Instance, ...], found: Development, strategy: str) -> Record:
        answer = admitted.answer
        return Record(
            id=admitted.id,
            question=admitted.question,
            index=admitted.index,
            instruction=admitted.candidate.instruction,
            instances=instances,
            is_classification=found.is_classification,
            strategy=strategy,
            teacher=answer.completion.model or self._config.teacher.model,
            prompt_version=answer.version,
            demos=answer.demos,
            nearest=admitted.nearest,
            neighbours=admitted.neighbours,
            mean_similarity=admitted.mean_similarity,
        )

    def _developed(self, task: asyncio.Task[None]) -> None:
        self._developing.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._defect = task.exception()
        self._changed.set()

    def _tell(self) -> None:
        if self._report is None:
            return
        budget = self._budget
        self._report(
            Progress(
                records=min(self._complete, self._config.target),
                target=self._config.target,
                admitted=len(self._pool.admitted),
                refused=self._pool.refused,
                consumed=self._pool.consumed,
                in_flight=self._door.in_flight,
                requests=budget.requests,
                tokens=budget.tokens,
                cost_usd=budget.cost_usd,
                priced=budget.price is not None,
            )
        )
