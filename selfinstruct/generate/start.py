"""A run from its configuration to its dataset: everything is put together here, and the loop is started.

Starting a run that was killed, or has a higher target now, is the same call again.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import StorageError, UsageError
from ..core.events import Exchange, Progress
from ..core.prompts import Asking
from ..core.version import __version__
from ..filters import Filter, build_checks, warnings_about
from ..filters.evaluation_sets import load_sets
from ..filters.judge import rubric_digest
from ..journal.folder import Run, open_run
from ..journal.seal import is_sealed, seal_of, set_seal
from ..journal.status import Outcome, note_outcome
from ..journal.target import note_met
from ..seeds.load import load_seeds, seeds_digest
from ..strategies import build_strategy
from ..strategies.protocol import Strategy
from ..teachers import asked_together, asking_of, build_teachers, hosts_of
from ..teachers.protocol import Teacher
from .generations import Generations
from .loop import Loop
from .opening import enter, make_door, own_teachers
from .pool import Pool
from .stopping import check_max_runtime, max_runtime, signals

_log = logging.getLogger(__name__)


def run(config: RunConfig, **options: Any) -> Run:
    """`asyncio.run` of `arun`: for scripts. Inside a running event loop, await `arun` itself; UsageError says so."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        raise UsageError(
            "run: an event loop is running here (a notebook, say); write `await selfinstruct.arun(config)`"
        )
    return asyncio.run(arun(config, **options))


async def arun(
    config: RunConfig,
    *,
    teacher: Any = None,
    strategy: Callable[[RunConfig, Asking], Strategy] | None = None,
    filters: Sequence[Filter] | None = None,
    progress: Callable[[Progress], None] | None = None,
    on_exchange: Callable[[Exchange], object] | None = None,
    handle_signals: bool = False,
    fork_of: str | Path | None = None,
    export: bool = True,
    recall_only: bool = False,
    detach: bool = False,
    max_runtime_s: float | None = None,
    new_generation: bool = False,
    around: Callable[[str, Teacher], Teacher] | None = None,
) -> Run:
    """Run, or go on with, the run that `config` describes, and write its dataset.

    teacher: an object with `async complete(prompt)` in place of the configured one, or one for each name in `teachers`;
    strategy: a class or function called with (config, asking). filters: of instructions, in place of the configured.
    progress: told where the run stands; on_exchange: told of every question that a teacher was asked.
    handle_signals: end cleanly on SIGINT and SIGTERM. fork_of: take over another run's answers first.
    recall_only: ask nothing, only replay what is in the journal. detach: where everything waits in batch jobs, end
    with the outcome 'detached'; the next start collects. max_runtime_s: ask nothing more after so many seconds and end
    with the outcome 'max_runtime', once what is in flight has had its grace. new_generation: go on in the same run with
    another teacher, other prompts or sampling; what was made stays as it is. around: called with the name of each
    configured teacher and that teacher; what it gives is asked in its place.

    Returns the run; `run.outcome` says whether the target was met and if not why (budget, exhausted,
    interrupted), `run.idle` whether there was nothing to do: the target was met before and the dataset stood, so
    nothing was asked and no file was touched. Raises TeacherRefused, TeacherDown and StorageError after everything
    that was answered is on disk and written out; SeedError, ConfigError, ConfigChanged and RunLocked before anything
    starts.
    """
    began = asyncio.get_running_loop().time()
    check_max_runtime(max_runtime_s)
    listed = config.all_teachers
    if detach and all(each.mode == "live" for each in listed):
        raise UsageError("detach: only batch jobs go on without us; set teacher.mode to batch")
    seeds = load_seeds(config.seed_sources)
    build = strategy or build_strategy
    if not recall_only:
        for line in warnings_about(seeds, config.language):
            _log.warning("selfinstruct: warning: %s", line)
    own = own_teachers(teacher, config)
    askings = {each.label: getattr(own.get(each.label), "asking", None) or asking_of(each) for each in listed}
    wording = build(config, asked_together(listed, askings)).digest
    if config.judge is not None:
        wording += f", judge {rubric_digest()}"
    sets = load_sets(config.filters.decontaminate, config.filters.eval_columns)
    meaning = config.meaning(seeds_digest(seeds), wording, sets.digest)
    seal = seal_of(config, meaning) if export and filters is None and strategy is None else None
    if fork_of is None and not recall_only and is_sealed(config, seal):
        return Run(config.run_dir, idle=True)
    checks = build_checks(config, sets)
    if filters is not None:
        checks = replace(checks, instructions=list(filters))
    teachers = own or ({} if recall_only else build_teachers(config))
    if around is not None:
        teachers = {name: around(name, each) for name, each in teachers.items()}
    source = Path(fork_of) if fork_of else None
    with open_run(config, meaning, seeds, source, new_generation=new_generation) as opened:
        journal = opened.journal
        for line in opened.said:
            _log.warning("selfinstruct: %s", line)
        journal.note_start(__version__, None if own else hosts_of(config), checks.names)
        door, budget = make_door(config, journal, teachers, own=bool(own), detach=detach)
        door.on_exchange = on_exchange
        rules = config.max_similarity, config.refuse_equal, config.neighbours
        pool = Pool(opened.arrivals, checks, *rules, journal, opened.id)
        async with contextlib.AsyncExitStack() as stack:
            if handle_signals:
                stack.enter_context(signals(door))
            if max_runtime_s is not None:
                stack.enter_context(max_runtime(door, max_runtime_s, began))
            ready = None if recall_only else functools.partial(enter, stack, teachers, door)
            generations = Generations(opened.configs, build, askings, own)
            try:
                stack.enter_context(_seldom_collected())
                outcome = await Loop(opened, pool, door, budget, generations, ready, progress).grow()
            except StorageError as error:
                with contextlib.suppress(StorageError):  # the little that has to be said may still find room
                    note_outcome(journal, Outcome("storage", str(error), error.exit_code))
                raise
        note_outcome(journal, outcome)
        if export and journal.ledger.finished():
            from ..dataset import write_dataset

            dataset = write_dataset(Run(opened.path))
            if outcome.reason == "target":
                set_seal(journal, dataset, seal)
        if outcome.reason == "target":
            note_met(journal)
    if outcome.exit_code and door.error is not None:
        raise door.error
    return Run(opened.path)


@contextlib.contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let Python look for cycles after 20,000 new objects instead of 700: answers make many objects and hardly a cycle.

    It takes a tenth of a run's time otherwise.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 20_000) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
