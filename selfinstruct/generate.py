"""A run from its configuration to its dataset: everything is put together here, and the loop is started.

Starting a run that was killed, or has a higher target now, is the same call again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from .ask import Door, Teacher
from .budget import Budget, price_of, stated_price
from .config import RunConfig
from .decontaminate import load_sets
from .errors import StorageError, UsageError
from .filters import Filter, build_checks, warnings_about
from .generations import Generations
from .loop import GRACE_S, Loop, Progress
from .pool import Pool
from .runs import Outcome, Run, note_outcome, open_run
from .schema import Asking
from .seeds import load_seeds, seeds_digest
from .strategies import Strategy, build_strategy
from .teachers import asking_of, build_teacher, by_batches

_log = logging.getLogger(__name__)


def run(config: RunConfig, **options: Any) -> Run:
    """`asyncio.run` of `arun`: for scripts. Inside a running event loop, await `arun` itself; UsageError says so."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(arun(config, **options))
    raise UsageError("run: an event loop is running here (a notebook, say); write `await selfinstruct.arun(config)`")


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
    detach: bool = False,
) -> Run:
    """Run, or go on with, the run that `config` describes, and write its dataset.

    teacher: an object with `async complete(prompt)` in place of the configured one; strategy: a class or
    function called with (config, asking); filters: in place of the configured ones of instructions.
    handle_signals: end cleanly on SIGINT and SIGTERM. fork_of: take over another run's answers first.
    recall_only: ask nothing, only replay what is in the journal. detach: where everything waits in batch jobs, end
    with the outcome 'detached'; the next start collects.

    Returns the run; `run.outcome` says whether the target was met and if not why (budget, exhausted,
    interrupted). Raises TeacherRefused, TeacherDown and StorageError after everything that was
    answered is on disk and written out; SeedError, ConfigError, ConfigChanged and RunLocked before anything starts.
    """
    if detach and config.teacher.mode != "batch":
        raise UsageError("detach: only batch jobs go on without us; set teacher.mode to batch")
    seeds = load_seeds(config.seed_sources)
    build = strategy or build_strategy
    asking = getattr(teacher, "asking", None) or asking_of(config)
    if not recall_only:
        for line in warnings_about(seeds, config.language):
            _log.warning("selfinstruct: warning: %s", line)
    sets = load_sets(config.filters.decontaminate, config.filters.eval_columns)
    meaning = config.meaning(seeds_digest(seeds), build(config, asking).digest, sets.digest)
    price = price_of(config.teacher) if teacher is None else stated_price(config.teacher)
    checks = build_checks(config, sets)
    if filters is not None:
        checks = replace(checks, instructions=list(filters))
    if teacher is None and not recall_only:
        teacher = build_teacher(config)
    with open_run(config, meaning, len(seeds), Path(fork_of) if fork_of else None) as opened:
        journal = opened.journal
        budget = Budget(config, price, journal.totals())
        if price is not None:
            journal.set_meta(price_source=price.source)
        places = config.concurrency if config.teacher.mode == "live" else sys.maxsize
        door = Door(journal, budget, places, config.max_failures_in_a_row)
        if teacher is not None:
            leave = functools.partial(door.close, "detached") if detach else None
            teacher = by_batches(teacher, config, journal.jobs, leave)
        pool = Pool(seeds, checks, config.max_similarity, config.refuse_equal, config.neighbours, journal, opened.id)
        async with contextlib.AsyncExitStack() as stack:
            if handle_signals:
                stack.enter_context(_signals(door))
            ready = None if recall_only else functools.partial(_enter, stack, teacher, door)
            generations = Generations(opened.configs, build, asking)
            try:
                outcome = await Loop(opened, pool, door, budget, generations, ready, progress).grow()
            except StorageError as error:
                with contextlib.suppress(StorageError):  # the little that has to be said may still find room
                    note_outcome(journal, Outcome("storage", str(error), error.exit_code))
                raise
        note_outcome(journal, outcome)
        if export and journal.ledger.finished():
            from .export import write_dataset

            write_dataset(Run(opened.path))
    if outcome.exit_code and door.error is not None:
        raise door.error
    return Run(opened.path)


async def _enter(stack: contextlib.AsyncExitStack, teacher: Any, door: Door) -> Teacher:
    """The teacher, entered where it is a context manager; given up when the door closes meanwhile (a signal)."""
    if not hasattr(teacher, "__aenter__"):
        return cast(Teacher, teacher)
    entering = asyncio.ensure_future(stack.enter_async_context(teacher))
    door.when_closed(entering.cancel)
    try:
        return cast(Teacher, await entering)
    except asyncio.CancelledError:
        if door.reason is None:
            raise
        return cast(Teacher, teacher)


@contextlib.contextmanager
def _signals(door: Door) -> Iterator[None]:
    """SIGINT and SIGTERM close the door; a second one gives up what is in flight."""
    loop = asyncio.get_running_loop()

    came = False

    def stop() -> None:
        nonlocal came
        if came:
            door.abandon()
        came = True
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
