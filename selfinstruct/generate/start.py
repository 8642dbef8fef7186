"""One start of a run: from its configuration to its dataset.

Call it again to continue a run that was killed or that has a higher target now.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

from ..ask.asker import Asker
from ..ask.budget import Budget
from ..config.run_config import RunConfig
from ..core.counted import dollars
from ..core.errors import ConfigError, StorageError, UsageError
from ..core.event_loop import run_to_end
from ..core.events import Exchange, Progress
from ..core.prompts import Asking
from ..core.suggest import closest
from ..core.version import __version__
from ..filters import AnswerCheck, Filter
from ..journal.folder import OpenRun, Run, open_run
from ..journal.seal import is_sealed, seal_of, set_seal
from ..journal.status import Outcome, note_outcome
from ..journal.target import note_met
from ..sandbox import check_sandbox
from ..strategies.protocol import Strategy
from ..teachers import build_teachers, hosts_of
from ..teachers.protocol import Teacher
from .assembly import Assembly, assemble
from .generations import Generations
from .loop import Loop
from .opening import enter, make_asker
from .pool import Pool
from .stopping import max_runtime, signals

_log = logging.getLogger(__name__)


class RunOptions(TypedDict, total=False):
    """The keyword arguments of `run`, which describes them, and of `arun`."""

    teacher: Teacher | Mapping[str, Teacher] | None
    strategy: Strategy | Callable[[RunConfig, Asking], Strategy] | None
    filters: Sequence[Filter | AnswerCheck] | None
    progress: Callable[[Progress], None] | None
    on_exchange: Callable[[Exchange], object] | None
    handle_signals: bool
    fork_of: str | Path | None
    export: bool
    recall_only: bool
    detach: bool
    max_runtime_s: float | None
    new_generation: bool
    overwrite: bool


def run(config: RunConfig, **options: Unpack[RunOptions]) -> Run:
    """Run, or continue, the run that `config` describes, and write its dataset.

    Args:
        config: What to run. The same configuration continues a run that ended early.
        teacher: An object with `async complete(prompt)` that replaces the configured teacher, or a mapping with one
            for each name in `teachers`.
        strategy: A strategy, its class, or a factory called with (config, asking).
        filters: Filters of instructions that replace the configured ones.
        progress: Called with the run's progress. By default a terminal or notebook shows a `tqdm` bar; None: silent.
        on_exchange: Called with every question that was sent to a teacher, once it is answered or has failed.
        handle_signals: Stop cleanly on SIGINT, SIGTERM and SIGHUP.
        fork_of: The folder of another run whose answers are copied first, at no cost.
        export: Write the dataset when the run ends.
        recall_only: Send nothing; replay the answers in the journal.
        detach: End with the outcome 'detached' as soon as everything waits in batch jobs; the next start collects.
        max_runtime_s: Send nothing more after this many seconds, then end with the outcome 'max_runtime'.
        new_generation: Continue the same run with another teacher, other prompts, or other sampling.
        overwrite: Write the dataset even if changes made by hand, records, or configs of other formats are lost.

    Returns:
        The run. `run.outcome` says how it ended: 'target', or why not ('budget', 'exhausted', 'interrupted' ...);
        `run.idle` is true when the target was already met and no file was touched.

    Raises:
        SeedError, ConfigError, ConfigChanged, RunLocked: Before anything starts.
        TeacherRefused, TeacherDown, StorageError: After every answer that arrived is on disk.
    """
    return run_to_end(arun(config, **options))


async def arun(config: RunConfig, **options: Unpack[RunOptions]) -> Run:
    """Do what `run` does, with the same options, inside a running event loop."""
    began = asyncio.get_running_loop().time()
    source = Path(given) if (given := options.get("fork_of")) else None
    teacher, strategy, filters = options.get("teacher"), options.get("strategy"), options.get("filters")
    parts = assemble(config, teacher=teacher, strategy=strategy, filters=filters, fork_of=source)
    _check_options(options, config)
    config, recall_only = parts.config, options.get("recall_only", False)
    if not recall_only:
        for line in parts.seed_warnings:
            _log.warning("selfinstruct: warning: %s", line)

    # A finished run whose seal is unbroken has nothing to do; code of the caller's own can change unseen.
    own_code = options.get("filters") is not None or options.get("strategy") is not None
    seal = seal_of(config, parts.meaning) if options.get("export", True) and not own_code else None
    if source is None and not recall_only and is_sealed(config, seal):
        return Run(config.run_dir, idle=True)

    # Only now, because the classifier takes a second to load.
    for line in [] if recall_only else parts.language_warnings:
        _log.warning("selfinstruct: warning: %s", line)

    teachers = _teachers(parts, options)
    new_generation = options.get("new_generation", False)
    may_start = functools.partial(_check_dataset, config, options)
    with open_run(
        config, parts.meaning, parts.inputs, source, new_generation=new_generation, may_start=may_start
    ) as opened:
        for line in opened.messages:
            _log.warning("selfinstruct: %s", line)
        opened.journal.history.note_start(__version__, None if parts.own else hosts_of(config), parts.checks.names)

        # Ask, and store how that ended before the dataset is written: writing may fail, too.
        asker, budget = make_asker(config, opened.journal, teachers, parts.prices, detach=options.get("detach", False))
        asker.on_exchange = options.get("on_exchange")
        outcome = await _grow(parts, opened, asker, budget, teachers, options, began)
        note_outcome(opened.journal, outcome)

        # Write the dataset of a run that ended early, too; only a met target is sealed.
        if options.get("export", True) and opened.journal.ledger.finished():
            from ..dataset import write_dataset

            try:
                dataset = write_dataset(Run(opened.path), overwrite=options.get("overwrite", False))
            except ConfigError as error:
                if not outcome.exit_code:
                    raise
                _log.warning("selfinstruct: warning: the dataset isn't written: %s", str(error).partition("; ")[0])
            else:
                if outcome.reason == "target":
                    set_seal(opened.journal, dataset, seal)
        if outcome.reason == "target":
            note_met(opened.journal)
    if outcome.exit_code and asker.error is not None:
        raise asker.error
    return Run(opened.path)


def _check_dataset(config: RunConfig, options: RunOptions, target: int) -> None:
    """Raise UsageError if the start would end with a dataset that lacks something of the one that is there."""
    folder = Path(config.run_dir) / "dataset"
    if options.get("export", True) and folder.exists():
        from ..dataset.formats import config_name
        from ..dataset.revisions import check_replaceable

        formats = map(config_name, config.dataset.format_options)
        check_replaceable(folder, formats, target=target, overwrite=options.get("overwrite", False))


def _check_options(options: RunOptions, config: RunConfig) -> None:
    """Raise UsageError for an unknown option, or for options that the configuration rules out."""
    for name in options:
        if name not in RunOptions.__annotations__:
            guess = closest(name, RunOptions.__annotations__)
            raise UsageError(f"run: no option {name!r}" + (f"; did you mean {guess!r}?" if guess else ""))
    seconds = options.get("max_runtime_s")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UsageError(f"max_runtime_s {seconds:g}: must be a number of seconds above 0")
    if options.get("detach") and not any(each.in_batches for each in config.all_models):
        raise UsageError("detach: needs batch jobs, which continue without this process; set teacher.mode to batch")


def _teachers(parts: Assembly, options: RunOptions) -> dict[str, Any]:
    """Return the teachers to ask, by name: the caller's, or the configured ones; none where nothing is sent."""
    return {} if options.get("recall_only") else build_teachers(parts.config, parts.own)


async def _grow(
    parts: Assembly,
    opened: OpenRun,
    asker: Asker,
    budget: Budget,
    teachers: dict[str, Any],
    options: RunOptions,
    began: float,
) -> Outcome:
    """Run the loop until the target is met or it must stop. began: the event loop's time at the start, seconds."""
    max_runtime_s = options.get("max_runtime_s")
    pool = Pool(opened, parts.checks)
    async with contextlib.AsyncExitStack() as stack:
        if options.get("handle_signals"):
            stack.enter_context(signals(asker))
        if max_runtime_s is not None:
            stack.enter_context(max_runtime(asker, max_runtime_s, began))
        ready = None if options.get("recall_only") else functools.partial(_enter, parts, stack, teachers, asker)
        generations = Generations(opened.configs, parts.build, parts.askings, parts.own)
        progress = options["progress"] if "progress" in options else stack.enter_context(_progress_bar())
        try:
            stack.enter_context(_rare_garbage_collection())
            return await Loop(opened, pool, asker, budget, generations, ready, progress).grow()
        except StorageError as error:
            with contextlib.suppress(StorageError):  # a full disk may still have room for this row
                note_outcome(opened.journal, Outcome("storage", str(error), error.exit_code))
            raise


async def _enter(
    parts: Assembly, stack: contextlib.AsyncExitStack, teachers: dict[str, Any], asker: Asker
) -> dict[str, Teacher]:
    """Start the teachers. Raises SandboxMissing if answers that they are paid for couldn't be checked here."""
    answers = parts.config.answers
    if getattr(parts.strategy, "runs_programs", False) or (answers is not None and answers.makes_ground_truths):
        await asyncio.to_thread(check_sandbox)
    return await enter(stack, teachers, asker)


@contextlib.contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Let Python look for reference cycles every 20,000 new objects instead of every 700.

    Answers create many objects and hardly any cycle; the search would take a tenth of a run's time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], 20_000) if before[0] else 0, *before[1:])  # 0: the caller switched it off
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None] | None]:
    """Yield a function that shows a run's progress in one `tqdm.auto` bar; None if standard error is not a terminal."""
    in_notebook = "ipykernel" in sys.modules
    if not (in_notebook or sys.stderr.isatty()):
        yield None
        return
    from tqdm.auto import tqdm

    with tqdm(unit="record", dynamic_ncols=True) as bar:

        def show(progress: Progress) -> None:
            bar.total, bar.n = progress.target, progress.records
            cost = f", {dollars(progress.cost_usd)}" if progress.priced else ""
            bar.set_postfix_str(f"{progress.requests:,} requests, {progress.tokens:,} tokens{cost}", refresh=False)
            bar.refresh()

        yield show
