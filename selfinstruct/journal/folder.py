"""A run's folder: creates, locks and forks it, and reads it during and after the run.

<run_dir>/journal.sqlite   every answer and what became of it
<run_dir>/dataset/         the dataset, complete or absent
<run_dir>/run.lock         held by the process that works on the run
<run_dir>/teacher.log      what an embedded teacher printed
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core import version as _version
from ..core.counted import counted
from ..core.documents import Passage
from ..core.errors import RunLocked, SelfInstructError, UsageError, cannot_write
from ..core.paths import check_folder_name
from ..core.records import Record
from ..core.tasks import Arrival
from .changes import Change, Inputs, change_of, change_of_fork, inputs_in_words, known_inputs
from .history import NewGeneration, RunGeneration
from .journal import Journal
from .status import Outcome, Status, outcome_of, status_of, target_of
from .target import Aim, made, next_aim

JOURNAL = "journal.sqlite"
_FILES = "files_of_documents"


class Run:
    """A run on disk, for reading. Opening a run never changes it.

    path: the run's folder. idle: whether the start that returned this object had nothing to do. id: the first 8 hex
    digits of the digest of the first generation. config: the configuration of the newest generation. generations: all
    generations, oldest first.
    """

    def __init__(self, path: str | Path, *, idle: bool = False, journal: Journal | None = None) -> None:
        """Raise UsageError unless `path` is the folder of a started run. journal: its journal, if it is open."""
        self.path = Path(path)
        self.idle = idle
        if journal is None:
            check_folder(self.path)
            with reading(self.path) as opened:
                generations = opened.history.generations()
        else:
            generations = journal.history.generations()
        if not generations:
            raise UsageError(f"{self.path}: the run was never started; start it with `selfinstruct generate`")
        self.id = generations[0].digest[:8]
        self.config = _config_of(generations[-1], self.path)
        self.generations = generations

    def __repr__(self) -> str:
        now = self.status()
        state = "running" if now.running else now.last_start
        return f"Run({str(self.path)!r}, {now.records:,} of {counted(now.target, 'record')}, {state})"

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.path.resolve().name

    @property
    def dataset_path(self) -> Path:
        """The folder of the dataset; it exists once the dataset is written."""
        return self.path / "dataset"

    @property
    def outcome(self) -> Outcome:
        """How the last start ended."""
        with reading(self.path) as journal:
            return outcome_of(journal, is_locked(self.path))

    def records(self) -> list[Record]:
        """Return the dataset's records: the first `target` finished ones in admission order."""
        with reading(self.path) as journal:
            return list(journal.records(target_of(journal, self.config)))

    def status(self, journal: Journal | None = None) -> Status:
        """Return the run in numbers, also while another process works on it. journal: the run's, if it is open."""
        if journal is not None:
            return status_of(self, journal, is_locked(self.path))
        with reading(self.path) as opened:
            return status_of(self, opened, is_locked(self.path))


def status(path: str | Path) -> Status:
    """Return the numbers of the run in folder `path`, also while it is running. Raises UsageError."""
    return Run(path).status()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Journal]:
    """Open the journal of a run's folder for reading, in one transaction: later commits are invisible."""
    with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
        journal.query("BEGIN")  # a snapshot: every query sees the same state
        try:
            yield journal
        except SelfInstructError:
            raise
        except Exception:
            journal.check()  # a damaged value may be the reason
            raise


def check_folder(path: Path) -> None:
    """Raise UsageError unless `path` is the folder of one run."""
    if not has_journal(path):
        raise UsageError(f"{path}: not a run's folder (no {JOURNAL} in it)")


def has_journal(path: Path) -> bool:
    """Return whether a folder contains a journal. Raises UsageError if the folder can't be read."""
    try:
        return (path / JOURNAL).exists()
    except PermissionError as error:
        raise UsageError(f"{path}: can't be read ({error.strerror}); make it readable, or choose another") from None


def dataset_in(source: str) -> str:
    """Return the folder of the dataset of a run's folder; any other source unchanged.

    Raises UsageError if the run has no dataset yet.
    """
    folder = Path(source)
    if not has_journal(folder):
        return source
    if not (folder / "dataset").is_dir():
        raise UsageError(f"{source}: this run has no dataset yet; `selfinstruct generate` writes it")
    return str(folder / "dataset")


@dataclass(slots=True)
class OpenRun:
    """A run that this process works on.

    path: the run's folder. journal: the run's journal, open for writing. id: the run's id; see `Run`. configs: the
    configuration of every generation, in order; the last is the current one. arrivals: the run's seeds and passages,
    with the question from which each of them counts. first_question: the first question of the current generation.
    target: how many records this start works toward. messages: what this start has changed in the run, one line each.
    """

    path: Path
    journal: Journal
    id: str
    configs: list[RunConfig] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    first_question: int = 0
    target: int = 0
    messages: tuple[str, ...] = ()


@contextlib.contextmanager
def open_run(
    config: RunConfig,
    meaning: dict[str, Any],
    inputs: Inputs,
    fork_of: Path | None = None,
    *,
    new_generation: bool = False,
    may_start: Callable[[int], object] = lambda target: None,
) -> Iterator[OpenRun]:
    """Create or open the run's folder, hold its lock, and begin a generation if the configuration calls for one.

    Args:
        config: The run's configuration.
        meaning: Its values that decide what the answers are.
        inputs: All seeds and passages of the configuration.
        fork_of: Another run whose answers are copied first, at no cost.
        new_generation: Let another teacher, other prompts or other sampling begin a generation.
        may_start: Called with the number of records to work toward, before anything changes; may raise.

    Raises:
        RunLocked: Another process works on the run.
        UsageError: The folder has a dataset without a journal: a new run would replace it, and count from 0.
        ConfigChanged: The run was made with another configuration.
        StorageError: The folder or the journal can't be written.
    """
    path = Path(config.run_dir)
    values = config.for_run()
    _make_folder(path)
    with _lock(path):
        _sign_lock(path)
        if not has_journal(path) and (path / "dataset" / "README.md").exists():
            raise UsageError(
                f"{path}: holds a dataset, but no {JOURNAL}; restore it from a copy, or choose another run_dir"
            )
        if fork_of is not None:
            _check_fork(fork_of, path)
            _fork(fork_of, config, meaning, inputs)
        with contextlib.closing(Journal(path / JOURNAL)) as journal:
            aim = next_aim(config, journal)
            change = change_of(path, journal, meaning, inputs, new_generation=new_generation)
            may_start(aim.target)

            # The configuration: begin a generation, or keep the newest values of the keys that may change freely.
            if change.begins:
                journal.begin_generation(_new_generation(change, values))
            generations = journal.history.generations()
            if generations[-1].config != values:
                journal.history.refresh_config(values)

            # The start: its target, and an outcome that stays if the process is killed.
            arrivals = journal.arrivals.all()
            notes = aim.notes | {"seed_tasks": str(sum(len(arrival.tasks) for arrival in arrivals))}
            notes |= {_FILES: inputs.files} if inputs.passages else {}
            journal.begin_start(_version.__version__, outcome=json.dumps(["running", "", 3]), **notes)
            yield OpenRun(
                path=path,
                journal=journal,
                id=generations[0].digest[:8],
                configs=[*(_config_of(each, path) for each in generations[:-1]), config],
                arrivals=arrivals,
                first_question=generations[-1].first_question,
                target=aim.target,
                messages=change.messages,
            )


def _fork(source: Path, config: RunConfig, meaning: dict[str, Any], inputs: Inputs) -> None:
    """Copy the journal of the run in `source`, and begin the generation of the new configuration in the copy."""
    path = Path(config.run_dir)
    with contextlib.closing(Journal(source / JOURNAL, read_only=True)) as journal:  # the source may be running
        journal.check()  # before a damaged copy takes the new folder
        change = change_of_fork(journal, meaning, inputs)
        # The copy states its target from the start, so that a start that is killed doesn't count twice.
        aim = next_aim(config, None)
        if aim.more is not None:
            aim = Aim(made(journal) + aim.more, aim.more)
        new = _new_generation(change, config.for_run())
        moved = (
            _config_of(each, source).model_copy(update={"run_dir": str(path)}) for each in journal.history.generations()
        )
        earlier = [each.for_run() for each in moved]
        journal.copy_to(path / JOURNAL, new, earlier=earlier, replaced=change.replaces, notes=aim.notes)


def _config_of(generation: RunGeneration, path: Path) -> RunConfig:
    return RunConfig.of_run(generation.config, path, str(path / JOURNAL))


def _new_generation(change: Change, values: dict[str, Any]) -> NewGeneration:
    added = change.added
    program = _version.__version__
    return NewGeneration(change.digest, change.meaning, values, program, added.seeds, added.passages, change.gone)


def foresee_start(config: RunConfig, inputs: Inputs) -> tuple[Aim, str]:
    """Return what the next start with `config` would work toward, and how `inputs` differ from the run's, in words."""
    path = Path(config.run_dir)
    if not has_journal(path):
        return next_aim(config, None), ""
    with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
        return next_aim(config, journal), inputs_in_words(journal, inputs)


def known_passages(path: Path) -> tuple[list[Passage], str]:
    """Return the passages that the run in this folder asks about, and the hash of the files that they are from.

    No passage and an empty hash if there is no run.
    """
    if not has_journal(path):
        return [], ""
    with contextlib.closing(Journal(path / JOURNAL, read_only=True)) as journal:
        return list(known_inputs(journal).passages), journal.meta(_FILES) or ""


def known_meaning(path: Path) -> dict[str, Any] | None:
    """Return what the newest configuration of the run in this folder means; None if there is no run.

    None also if its journal is empty or damaged, which a start reports.
    """
    try:
        return Run(path).generations[-1].meaning
    except SelfInstructError:
        return None


def is_locked(path: Path) -> bool:
    """Return whether a process works on the run now."""
    try:
        with _lock(path, 0):
            return False
    except RunLocked:
        return True
    except UsageError:  # this user can't write the folder, so none of their processes works on it
        return False


def _make_folder(path: Path) -> None:
    check_folder_name(path)
    try:
        # Prompts and answers may be private. A folder that exists keeps its mode: it may be /tmp.
        path.resolve().mkdir(mode=0o700, parents=True, exist_ok=True)  # a link may lead to a folder to be made
    except FileExistsError:
        raise UsageError(f"run_dir: {path} is a file; name a folder") from None
    except OSError as error:
        raise cannot_write(f"run_dir: {path}", error) from None


@contextlib.contextmanager
def _lock(path: Path, timeout_s: float = 0.5) -> Iterator[None]:
    """Hold the run's lock. Raises RunLocked; by default after a moment, because `status` also holds it for one."""
    from filelock import FileLock, Timeout

    lock = FileLock(path / "run.lock")
    try:
        lock.acquire(timeout=timeout_s)
    except Timeout:
        raise _locked(path) from None
    except OSError as error:
        raise cannot_write(f"{path}/run.lock", error) from None
    folder = os.open(path, os.O_RDONLY)
    try:
        # The folder itself too: run.lock can be deleted by hand, and another start would then lock a new one.
        with contextlib.suppress(OSError):  # a network file system may lock files only
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _locked(path) from None
        yield
    finally:
        os.close(folder)
        lock.release()


def _sign_lock(path: Path) -> None:
    """Write into the lock who holds it: 'PID 4711 on node-7, since 2026-01-31 09:30:00 UTC'."""
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    with contextlib.suppress(OSError):  # a full disk; the journal reports it
        (path / "run.lock").write_text(f"PID {os.getpid()} on {os.uname().nodename}, since {since}\n")


def _locked(path: Path) -> RunLocked:
    holder = ""
    with contextlib.suppress(OSError, ValueError):
        holder = (path / "run.lock").read_text()[:200].partition("\n")[0]
    whose = f" ({holder})" if holder else ""
    return RunLocked(f"{path}: another process works on this run{whose}; wait for it, or choose another run_dir")


def _check_fork(source: Path, path: Path) -> None:
    if has_journal(path):
        raise UsageError(f"{path}: contains a run already; name a new folder to fork into")
    if not has_journal(source):
        raise UsageError(f"{source}: not a run's folder (no {JOURNAL} in it)")
