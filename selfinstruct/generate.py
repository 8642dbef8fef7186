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
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from . import _version
from .ask import Door, DoorClosed
from .budget import Budget, price_of, stated_price
from .config import RunConfig
from .errors import StorageError, TeacherError
from .filters import Filter, instruction_filters, keep_instances
from .journal import Answer
from .novelty import NoveltyIndex
from .runs import OpenRun, Outcome, Run, note_outcome, open_run
from .schema import Asking, Candidate, Demonstration, Neighbour, Prompt, Record, SeedTask, Verdict
from .seeds import load_seeds, seeds_digest
from .strategies import Strategy, build_strategy
from .teachers import asking_of, build_teacher
from .teachers.probe import probe_prompt, speaks_schema

GRACE_S = 5.0
"""Seconds that answers in flight are waited for after Ctrl-C or SIGTERM."""


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


@dataclass(slots=True)
class _Admitted:
    """A candidate in the pool and what has become of it. `record` is None until it is finished."""

    question: int
    index: int
    id: str
    candidate: Candidate
    answer: Answer
    nearest: Neighbour | None
    neighbours: tuple[Neighbour, ...] = ()
    mean_similarity: float | None = None
    resolved: bool = False
    record: Record | None = None


def run(config: RunConfig, **options: Any) -> Run:
    """`asyncio.run` of `arun`: for scripts. Inside a running event loop, await `arun` itself."""
    return asyncio.run(arun(config, **options))


async def arun(
    config: RunConfig,
    *,
    teacher: Any = None,
    strategy: Callable[[RunConfig, Asking], Strategy] | None = None,
    filters: Sequence[Filter] | None = None,
    progress: Callable[[Progress], None] | None = None,
    handle_signals: bool = False,
    fork_of: str | Path | None = None,
    export: bool = True,
    recall_only: bool = False,
) -> Run:
    """Run, or go on with, the run that `config` describes, and write its dataset.

    teacher: an object with `async complete(prompt)` in place of the configured one; strategy: a class or
    function called with (config, asking); filters: in place of the configured ones.
    handle_signals: end cleanly on SIGINT and SIGTERM. fork_of: take over another run's answers first.
    recall_only: ask nothing, only replay what is in the journal.

    Returns the run; `run.outcome` says whether the target was met and if not why (budget, exhausted,
    interrupted). Raises TeacherRefused, TeacherDown and StorageError after everything that was
    answered is on disk and written out; SeedError, ConfigError, ConfigChanged and RunLocked before anything starts.
    """
    seeds = load_seeds(config.seed_sources)
    build = strategy or build_strategy
    asking = getattr(teacher, "asking", None) or asking_of(config)
    meaning = config.meaning(seeds_digest(seeds), build(config, asking).digest)
    price = price_of(config.teacher) if teacher is None else stated_price(config.teacher)
    checks = list(filters) if filters is not None else instruction_filters(config)
    with open_run(config, meaning, len(seeds), Path(fork_of) if fork_of else None) as opened:
        journal = opened.journal
        journal.renew(f"{_version.VERSION} neighbours={config.neighbours}")
        async with contextlib.AsyncExitStack() as stack:
            budget = Budget(config, price, journal.totals())
            if recall_only:
                teacher = None
            elif teacher is None:
                teacher = build_teacher(config)
            if hasattr(teacher, "__aenter__"):
                teacher = await stack.enter_async_context(teacher)
            door = Door(journal, teacher, budget, config.concurrency, config.max_failures_in_a_row)
            if handle_signals:
                stack.enter_context(_signals(door))
            loop = _Loop(opened, seeds, checks, door, budget, build, asking, progress)
            outcome = await loop.grow()
        note_outcome(journal, outcome)
        journal.flush()
        if export and loop.finished:
            from .export import write_dataset

            write_dataset(Run(opened.path))
    if door.error is not None and isinstance(door.error, TeacherError | StorageError):
        raise door.error
    return Run(opened.path)


class _Loop:
    """One start of a run, from the first question to the last."""

    def __init__(
        self,
        opened: OpenRun,
        seeds: list[SeedTask],
        filters: list[Filter],
        door: Door,
        budget: Budget,
        build: Callable[[RunConfig, Asking], Strategy],
        asking: Asking,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._journal, self._run_id, self._configs = opened.journal, opened.id, opened.configs
        self._config = opened.configs[-1][1]
        self._door, self._budget, self._filters = door, budget, filters
        self._build, self._asking, self._report = build, asking, progress
        self._strategies: list[tuple[int, Strategy]] = []
        self._seeds = [demonstration(seed) for seed in seeds]
        self._index = NoveltyIndex(self._config.max_similarity)
        for seed in seeds:
            self._index.admit(seed.id, seed.instruction)
        self._pool: list[Demonstration] = []
        self._pool_after: list[int] = []
        self._yields: list[int] = []
        self._admitted: list[_Admitted] = []
        self._asked: dict[int, asyncio.Task[Answer] | Answer] = {}
        self._next_question = 0
        self._developing: set[asyncio.Task[None]] = set()
        self._next_developed = 0
        self._failed = self._unanswered = self._refused = self._prefix = self.finished = 0
        self._complete = 0
        self._stop: tuple[str, str] | None = None
        self._changed = asyncio.Event()
        self._defect: BaseException | None = None

    # --- the course of a run -----------------------------------------------------------------

    async def grow(self) -> Outcome:
        """Ask, consume and develop until the target is met or something ends the run."""
        try:
            await self._prepare_strategies()
            steps = 0
            while not self._met():
                self._propose_ahead()
                self._develop_ahead()
                if self._consume_next():
                    steps += 1
                    if steps % 64 == 0:
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
                    structured = await self._probe(f"probe:{number}")
            asking = replace(asking, structured=structured)
            self._strategies.append((first, self._build(config, asking)))

    async def _probe(self, key: str) -> bool:
        """Whether JSON schemas are followed. A failure that says nothing about it is asked again, until the door closes."""
        while True:
            completion = (await self._door.ask(key, probe_prompt())).completion
            if not completion.failed or (completion.error or "").startswith("bad_request"):
                return speaks_schema(completion)
            self._journal.forget([key])

    def _strategy(self, question: int) -> Strategy:
        return next(made for first, made in reversed(self._strategies) if question >= first)

    def _met(self) -> bool:
        """Whether the first `target` finished records stand with nothing unresolved before them."""
        while self._prefix < len(self._admitted) and self._admitted[self._prefix].resolved:
            self.finished += self._admitted[self._prefix].record is not None
            self._prefix += 1
            if self.finished >= self._config.target:
                return True
        return self.finished >= self._config.target

    def _outcome(self) -> Outcome:
        target = self._config.target
        if self.finished >= target:
            return Outcome("target", f"{target:,} records", 0)
        self._count_finished()
        reason, detail = self._stop or (self._door.reason or "", self._door.detail)
        if reason == "recall_only":
            detail = f"the journal holds no more answers ({self._unanswered:,} tasks wait for their instances)"
        code = self._door.error.exit_code if self._door.error else 3
        return Outcome(reason, f"{self.finished:,} of {target:,} records: {detail}", code)

    def _count_finished(self) -> None:
        self.finished = min(self._config.target, sum(a.record is not None for a in self._admitted))

    async def _leave(self) -> None:
        """Let the answers that are paid for arrive, not for ever where nobody waits for them; then end every task."""
        self._door.close("finished", "")
        patient = self._door.reason in ("budget", "exhausted")
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
                prompt = self._strategy(number).propose(self._draw(number))
                task = asyncio.create_task(self._door.ask(f"p:{number}", prompt, question=number))
                task.add_done_callback(lambda _: self._changed.set())
                self._asked[number] = task
            self._next_question += 1

    def _may_propose(self) -> bool:
        consumed = len(self._pool_after)
        under_way = self._next_question - consumed
        if under_way >= self._config.lookahead:
            return False
        missing = self._config.target - (len(self._admitted) - self._failed)
        if missing <= 0:
            return False
        return under_way < math.ceil(missing / self._expected_yield())

    def _expected_yield(self) -> float:
        """Admitted tasks per question, from the last 50 consumed; at first the most that one can bring."""
        recent = self._yields[-50:]
        asked_for = self._strategy(self._next_question).tasks_per_question
        return max((sum(recent) + asked_for) / (len(recent) + 1), 0.1)

    def _draw(self, number: int) -> list[Demonstration]:
        seen = number - self._config.lookahead
        pool = self._pool[: self._pool_after[seen]] if seen >= 0 else []
        return draw_demos(self._config.random_seed, number, self._strategy(number), self._seeds, pool)

    def _head(self) -> asyncio.Task[Answer] | Answer | None:
        return None if self._stop else self._asked.get(len(self._pool_after))

    def _consume_next(self) -> bool:
        """Consume the next answer in order, if it is there."""
        head = self._head()
        if head is None or (isinstance(head, asyncio.Task) and not head.done()):
            return False
        number = len(self._pool_after)
        if isinstance(head, asyncio.Task):
            try:
                head = head.result()
            except DoorClosed:
                self._stop = (self._door.reason or "", self._door.detail)
                return False
        del self._asked[number]
        before = len(self._admitted)
        self._consume(number, head)
        self._pool_after.append(len(self._pool))
        self._yields.append(len(self._admitted) - before)
        self._watch_yield()
        return True

    def _consume(self, number: int, answer: Answer) -> None:
        completion = answer.completion
        if completion.error is not None:
            reason, _, detail = completion.error.partition(":")
            self._refuse(number, -1, "answer", "", Verdict(reason, detail.strip()))
            return
        candidates = self._strategy(number).parse(completion)
        if not candidates:
            start = " ".join(completion.text.split())[:120]
            self._refuse(number, -1, "answer", "", Verdict("unparsable", start))
        for index, candidate in enumerate(candidates):
            self._judge(number, index, candidate, answer)

    def _judge(self, number: int, index: int, candidate: Candidate, answer: Answer) -> None:
        """Filters, then novelty; a candidate that passes enters the pool."""
        text = candidate.instruction
        for check in self._filters:
            verdict = check.check(candidate)
            if not verdict.ok:
                self._refuse(number, index, "filter", text, verdict)
                return
        verdict = self._index.check(text)
        if not verdict.ok:
            self._refuse(number, index, "novelty", text, verdict)
            return
        id = f"{self._run_id}-{number}-{index}"
        nearest = None if verdict.nearest is None else Neighbour(verdict.nearest, verdict.score or 0.0)
        admitted = _Admitted(number, index, id, candidate, answer, nearest)
        if self._config.neighbours:
            similar = self._index.most_similar(text, self._config.neighbours)
            admitted.neighbours, admitted.mean_similarity = similar.neighbours, similar.mean
        self._index.admit(id, text)
        self._pool.append(Demonstration(id, text, candidate.input or "", candidate.output or ""))
        self._admitted.append(admitted)
        self._journal.note(number, index, "admission", 0, text, verdict)

    def _refuse(self, number: int, index: int, stage: str, text: str, verdict: Verdict, part: int = 0) -> None:
        self._refused += 1
        self._journal.note(number, index, stage, part, text, verdict)

    def _watch_yield(self) -> None:
        """End a run whose teacher only repeats itself."""
        window, least = self._config.min_yield_window, self._config.min_yield
        if len(self._yields) >= window and self._stop is None:
            rate = sum(self._yields[-window:]) / window
            if rate < least:
                detail = f"the last {window} questions brought {rate:.3f} new tasks each, less than min_yield {least:g}"
                self._stop = ("exhausted", detail)

    # --- development --------------------------------------------------------------------------

    def _develop_ahead(self) -> None:
        """Develop admitted tasks in order, no more than the target can take."""
        while self._next_developed < len(self._admitted) and len(self._developing) < self._config.lookahead:
            if self._next_developed - self._failed - self._unanswered >= self._config.target:
                return
            task = asyncio.create_task(self._develop(self._admitted[self._next_developed]))
            self._developing.add(task)
            task.add_done_callback(self._developed)
            self._next_developed += 1

    async def _develop(self, admitted: _Admitted) -> None:
        async def ask(prompt: Prompt) -> Any:
            return (await self._door.ask(f"d:{prompt.digest()}", prompt)).completion

        strategy = self._strategy(admitted.question)
        try:
            found = await strategy.develop(admitted.candidate, ask)
        except DoorClosed:
            self._unanswered += 1
            return
        place = (admitted.question, admitted.index)
        kept, refused = keep_instances(found.instances, found.truncated)
        if found.error is not None:
            reason, _, detail = found.error.partition(":")
            kept, refused = (), [Verdict(reason, detail.strip())]
        for part, verdict in enumerate(refused):
            self._refuse(*place, "instance", admitted.candidate.instruction, verdict, part)
        if kept:
            admitted.record = Record(
                id=admitted.id,
                question=admitted.question,
                index=admitted.index,
                instruction=admitted.candidate.instruction,
                instances=kept,
                is_classification=found.is_classification,
                strategy=strategy.name,
                teacher=admitted.answer.completion.model or self._config.teacher.model,
                prompt_version=admitted.answer.version,
                demos=admitted.answer.demos,
                nearest=admitted.nearest,
                neighbours=admitted.neighbours,
                mean_similarity=admitted.mean_similarity,
            )
            self._journal.keep(admitted.record)
            self._complete += 1
        else:
            self._failed += 1
        admitted.resolved = True

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
                admitted=len(self._admitted),
                refused=self._refused,
                consumed=len(self._pool_after),
                in_flight=self._door.in_flight,
                requests=budget.requests,
                tokens=budget.tokens,
                cost_usd=budget.cost_usd,
                priced=budget.price is not None,
            )
        )


def draw_demos(
    random_seed: int, number: int, strategy: Strategy, seeds: Sequence[Demonstration], pool: Sequence[Demonstration]
) -> list[Demonstration]:
    """The demonstrations of question `number`: machine-made ones of `pool`, filled up with seeds, shuffled."""
    draw = random.Random(f"{random_seed}:{number}")
    machine = draw.sample(range(len(pool)), min(strategy.machine_demos, len(pool)))
    wanted = strategy.seed_demos + strategy.machine_demos - len(machine)
    demos = [seeds[position] for position in draw.sample(range(len(seeds)), min(wanted, len(seeds)))]
    demos += [pool[position] for position in machine]
    draw.shuffle(demos)
    return demos


def demonstration(seed: SeedTask) -> Demonstration:
    """A seed task as it is shown: with its first instance."""
    first = seed.instances[0]
    return Demonstration(seed.id, seed.instruction, first.input, first.output)


@contextlib.contextmanager
def _signals(door: Door) -> Iterator[None]:
    """SIGINT and SIGTERM close the door; a second one gives up what is in flight."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if door.reason == "interrupted":
            door.abandon()
        door.close("interrupted", "stopped by a signal; the same command goes on")
        loop.call_later(GRACE_S, door.abandon)

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
