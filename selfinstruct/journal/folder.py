"""A run's folder: made, locked, forked, and read while it is being worked on or after.

<run_dir>/journal.sqlite   every answer and what became of it
<run_dir>/dataset/         the dataset, whole or not there
<run_dir>/run.lock         held by the process that works on the run
<run_dir>/teacher.log      what an embedded teacher printed
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core import version as _version
from ..core.errors import RunLocked, UsageError, cannot_write
from ..core.tasks import Arrival, Record, SeedTask
from .changes import change_of, change_of_fork, seeds_in_words
from .journal import Journal
from .status import Outcome, Status, outcome_of, status_of, target_of
from .target import Aim, made, next_aim

JOURNAL = "journal.sqlite"


class Run:
    """A run on disk, for reading. Opening one never changes it. idle: the start that returns it had nothing to do."""

    def __init__(self, path: str | Path, *, idle: bool = False, journal: Journal | None = None) -> None:
        """Raises UsageError when `path` is not a run's folder. journal: the run's own, if it is open already."""
        self.path = Path(path)
        self.idle = idle
        if journal is None:
            check_folder(self.path)
            with reading(self.path) as opened:
                generations = opened.generations()
        else:
            generations = journal.generations()
        if not generations:
            raise UsageError(f"{self.path}: the run was never started; `selfinstruct generate` does")
        self.id = generations[0].digest[:8]
        self.config = RunConfig.parse(generations[-1].config, str(self.path / JOURNAL))
        self.generations = generations

    def __repr__(self) -> str:
        now = self.status()
        state = "running" if now.running else now.last_start
        return f"Run({str(self.path)!r}, {now.records:,} of {now.target:,} records, {state})"

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.path.resolve().name

    @property
    def dataset_path(self) -> Path:
        """Where the dataset lies once it is written."""
        return self.path / "dataset"

    @property
    def outcome(self) -> Outcome:
        """How the last start ended."""
        with reading(self.path) as journal:
            return outcome_of(journal, is_locked(self.path))

    def records(self) -> list[Record]:
        """The dataset's records: the first `target` finished ones in admission order."""
        with reading(self.path) as journal:
            return list(journal.records(target_of(journal, self.config)))

    def status(self, journal: Journal | None = None) -> Status:
        """The run in numbers, also while another process works on it. journal: one that is open for reading."""
        if journal is not None:
            return status_of(self, journal, is_locked(self.path))
        with reading(self.path) as opened:
            return status_of(self, opened, is_locked(self.path))


def status(path: str | Path) -> Status:
    """Return the numbers of the run in folder `path`, also while it is running. Raises UsageError."""
    return Run(path).status()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Journal]:
    """Open the journal of a run's folder for reading, in one transaction: later commits do not show."""
    with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
        journal.query("BEGIN")
        yield journal


def check_folder(path: Path) -> None:
    """Raise UsageError unless `path` is the folder of one run."""
    if streams := streams_of(path):
        raise UsageError(f"{path}: a job of {len(streams)} streams; name one of them, such as {streams[0]}")
    if not has_journal(path):
        raise UsageError(f"{path}: not a run's folder (no {JOURNAL} in it)")


def has_journal(path: Path) -> bool:
    """Whether a run was begun in a folder. Raises UsageError when that can't be seen."""
    try:
        return (path / JOURNAL).exists()
    except PermissionError as error:
        raise UsageError(f"{path}: can't be read ({error.strerror}); make it readable, or choose another") from None


def streams_of(path: Path) -> list[Path]:
    """The folders of the runs that a scattered job consists of, in order; none where `path` is a run's own."""
    if has_journal(path):
        return []
    found = [journal.parent for journal in path.glob(f"shards/*/{JOURNAL}") if journal.parent.name.isdecimal()]
    return sorted(found, key=lambda folder: int(folder.name))


def begun_runs(streams: Iterable[Path]) -> list[Run]:
    """Those of the streams that somebody has started: a worker may just be making the next one's journal."""
    runs = []
    for stream in streams:
        with contextlib.suppress(UsageError):
            runs.append(Run(stream))
    return runs


@dataclass(slots=True)
class OpenRun:
    """A run that this process works on: its journal, open for writing."""

    path: Path
    journal: Journal
    id: str
    configs: list[RunConfig] = field(default_factory=list)
    """The configuration of every generation, the first has number 1; the last is the current one."""
    arrivals: list[Arrival] = field(default_factory=list)
    """The run's seeds, with the question from which each of them counts."""
    first_question: int = 0
    """Of the current generation."""
    target: int = 0
    """Records that this start works towards."""
    said: tuple[str, ...] = ()
    """What has changed in the run with this start, a line each."""


@contextlib.contextmanager
def open_run(
    config: RunConfig,
    meaning: dict[str, Any],
    seeds: Sequence[SeedTask],
    fork_of: Path | None = None,
    *,
    new_generation: bool = False,
) -> Iterator[OpenRun]:
    """Make the run's folder or open it, hold its lock, and see what the configuration changes in it.

    fork_of: another run whose answers are taken over at no cost; the new configuration begins where they end.
    new_generation: another teacher, other prompts or sampling begin a generation here; seeds that are added always do.
    Raises RunLocked, ConfigChanged (with what differs), StorageError.
    """
    path = Path(config.run_dir)
    values = config.model_dump(mode="json", exclude_unset=True)
    _make_folder(path)
    with _lock(path):
        if fork_of is not None:
            _check_fork(fork_of, path)
            _fork(fork_of, path, config, meaning, values, seeds)
        with contextlib.closing(Journal(path / JOURNAL)) as journal:
            change = change_of(path, journal, meaning, seeds, new_generation=new_generation)
            if change.begins:
                journal.begin_generation(change.digest, change.meaning, values, _version.__version__, change.added)
            generations = journal.generations()
            if generations[-1].config != values:
                journal.refresh_config(values)
            aim, arrivals = next_aim(config, journal), journal.arrivals.all()
            notes = aim.notes | {"seed_tasks": str(sum(len(arrival.tasks) for arrival in arrivals))}
            journal.begin_start(_version.__version__, outcome=json.dumps(["running", "", 3]), **notes)
            yield OpenRun(
                path=path,
                journal=journal,
                id=generations[0].digest[:8],
                configs=[*(RunConfig.parse(g.config, str(path / JOURNAL)) for g in generations[:-1]), config],
                arrivals=arrivals,
                first_question=generations[-1].first_question,
                target=aim.target,
                said=change.said,
            )


def _fork(
    source: Path,
    path: Path,
    config: RunConfig,
    meaning: dict[str, Any],
    values: dict[str, Any],
    seeds: Sequence[SeedTask],
) -> None:
    """Copy a run's journal. What it aims at stands in the copy from the first: a start that is killed counts, too."""
    with contextlib.closing(Journal(source / JOURNAL, read_only=True)) as journal:
        change = change_of_fork(journal, meaning, seeds)
        aim = next_aim(config, None)
        if aim.more is not None:
            aim = Aim(made(journal) + aim.more, aim.more)
        copied = (path / JOURNAL, change.digest, change.meaning, values, _version.__version__, change.added)
        journal.copy_to(*copied, afresh=change.afresh, notes=aim.notes)


def foresee_start(config: RunConfig, seeds: Sequence[SeedTask]) -> tuple[Aim, str]:
    """What the next start with `config` would work towards, and in words which of `seeds` are new to its run."""
    path = Path(config.run_dir)
    if not has_journal(path):
        return next_aim(config, None), ""
    with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
        return next_aim(config, journal), seeds_in_words(journal, seeds)


def is_locked(path: Path) -> bool:
    """Whether a process works on the run right now."""
    from filelock import FileLock, Timeout

    lock = FileLock(path / "run.lock")
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that can't be written: nobody works on it from here
        return False


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not has_journal(path):
            path.chmod(0o700)
    except FileExistsError:
        raise UsageError(f"run_dir: {path} is a file; name a folder") from None
    except OSError as error:
        raise cannot_write(f"run_dir: {path}", error) from None


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path / "run.lock")
    try:
        lock.acquire(timeout=0.5)  # `status` holds it for an instant, too
    except Timeout:
        raise RunLocked(f"{path}: another process works on this run; wait for it, or choose another run_dir") from None
    except OSError as error:
        raise cannot_write(f"{path}/run.lock", error) from None
    try:
        yield
    finally:
        lock.release()


def _check_fork(source: Path, path: Path) -> None:
    if has_journal(path):
        raise UsageError(f"{path}: holds a run already; name a new folder to fork into")
    if not has_journal(source):
        raise UsageError(f"{source}: not a run's folder (no {JOURNAL} in it)")
