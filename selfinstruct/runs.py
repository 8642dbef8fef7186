"""A run's folder: made, locked, forked, and read while it is being worked on or after.

<run_dir>/journal.sqlite   every answer and what became of it
<run_dir>/dataset/         the dataset, whole or not there
<run_dir>/run.lock         held by the process that works on the run
<run_dir>/teacher.log      what an embedded teacher printed
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import _version
from .config import RunConfig, digest_of
from .errors import ConfigChanged, RunLocked, UsageError, cannot_write
from .journal import Generation, Journal
from .schema import Record

JOURNAL = "journal.sqlite"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run's last start ended.

    reason: 'target', 'budget', 'exhausted', 'interrupted', 'max_runtime', 'teacher_down', 'teacher_refused', 'storage',
    'detached' (questions wait in batch jobs), 'recall_only' (a refilter), 'running' or 'killed'.
    exit_code: what the command line ends with.
    """

    reason: str
    detail: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Status:
    """A run in numbers. Counts are of the whole run, all starts together; tokens and dollars are its own.

    questions: proposals answered. proposed: tasks read from them; admitted: those that entered the pool;
    records: those with their instances, at most `target`. refused: by reason, of tasks, answers and instances.
    by_purpose, by_teacher: requests, tokens, dollars. waiting: open batch jobs, a line each.
    """

    run_dir: str
    run_id: str
    target: int
    records: int
    proposed: int
    admitted: int
    questions: int
    seed_tasks: int
    refused: dict[str, int]
    requests: int
    failed_requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    by_purpose: dict[str, dict[str, float]]
    by_teacher: dict[str, dict[str, float]]
    waiting: list[str]
    outcome: Outcome
    running: bool
    generations: int = 1
    teacher: str = ""
    strategy: str = ""
    price_source: str | None = None

    @property
    def acceptance(self) -> float:
        """Share of the proposed tasks that were admitted, 0 to 1."""
        return self.admitted / self.proposed if self.proposed else 0.0

    @property
    def cost_per_record_usd(self) -> float | None:
        """Dollars for one record so far, everything that was refused for it included; None where nobody knows."""
        return self.cost_usd / self.records if self.cost_usd is not None and self.records else None

    @property
    def target_cost_usd(self) -> float | None:
        """Dollars for the whole target at the rate so far."""
        each = self.cost_per_record_usd
        return None if each is None else each * self.target


class Run:
    """A run on disk, for reading. Opening one never changes it. idle: the start that returns it had nothing to do."""

    def __init__(self, path: str | Path, *, idle: bool = False) -> None:
        """Raises UsageError when `path` is not a run's folder."""
        self.path = Path(path)
        self.idle = idle
        if not (self.path / JOURNAL).exists():
            raise UsageError(f"{self.path}: not a run's folder (no {JOURNAL} in it)")
        with contextlib.closing(self._journal()) as journal:
            generations = journal.generations()
        if not generations:
            raise UsageError(f"{self.path}: the run was never started; `selfinstruct generate` does")
        self.id = generations[0].digest[:8]
        self.config = RunConfig.parse(generations[-1].config, str(self.path / JOURNAL))
        self.generations = generations

    def _journal(self) -> Journal:
        return Journal(self.path / JOURNAL, read_only=True)

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
        with contextlib.closing(self._journal()) as journal:
            return _outcome(journal, is_locked(self.path))

    def records(self) -> list[Record]:
        """The dataset's records: the first `target` finished ones in admission order."""
        with contextlib.closing(self._journal()) as journal:
            return list(journal.records(_target(journal, self.config)))

    @contextlib.contextmanager
    def at_one_instant(self) -> Iterator[Journal]:
        """The journal, open for reading, as it is now: what another process commits meanwhile doesn't show."""
        with contextlib.closing(self._journal()) as journal:
            journal.query("BEGIN")  # all that is read before the file is closed is one transaction
            yield journal

    def status(self, journal: Journal | None = None) -> Status:
        """The run in numbers, also while another process works on it. journal: one that is open for reading."""
        if journal is not None:
            return self._status(journal)
        with contextlib.closing(self._journal()) as opened:
            return self._status(opened)

    def _status(self, journal: Journal) -> Status:
        def count(sql: str) -> int:
            return int(journal.query(sql)[0][0])

        refused = journal.query(
            "SELECT reason, count(*) FROM verdicts WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, 1"
        )
        totals = journal.totals()
        unpriced = count("SELECT count(*) FROM answers WHERE inherited = 0 AND cost_usd IS NULL AND failed = 0")
        target = _target(journal, self.config)
        running = is_locked(self.path)
        return Status(
            run_dir=str(self.path),
            run_id=self.id,
            target=target,
            records=min(target, count("SELECT count(*) FROM records")),
            seed_tasks=int(journal.meta("seed_tasks") or 0),
            proposed=count("SELECT count(*) FROM verdicts WHERE idx >= 0 AND stage <> 'instance'"),
            admitted=count("SELECT count(*) FROM verdicts WHERE stage = 'admission' AND reason IS NULL"),
            questions=count("SELECT count(*) FROM answers WHERE question IS NOT NULL"),
            refused=dict(refused),
            requests=totals.requests,
            failed_requests=count("SELECT count(*) FROM answers WHERE inherited = 0 AND failed = 1"),
            prompt_tokens=totals.prompt_tokens,
            completion_tokens=totals.completion_tokens,
            cost_usd=None if unpriced else totals.cost_usd,
            by_purpose=_used_by(journal, "purpose"),
            by_teacher=_used_by(journal, "teacher"),
            waiting=journal.jobs.standing(),
            outcome=_outcome(journal, running),
            running=running,
            generations=len(self.generations),
            teacher=", ".join(each.label for each in self.config.all_teachers),
            strategy=self.config.strategy,
            price_source=journal.meta("price_source"),
        )


@dataclass(slots=True)
class OpenRun:
    """A run that this process works on: its journal, open for writing."""

    path: Path
    journal: Journal
    id: str
    configs: list[RunConfig] = field(default_factory=list)
    """The configuration of every generation, the first has number 1; the last is the current one."""


@contextlib.contextmanager
def open_run(
    config: RunConfig, meaning: dict[str, Any], seed_tasks: int, fork_of: Path | None = None
) -> Iterator[OpenRun]:
    """Make the run's folder or open it, hold its lock, and check that the configuration still means the same.

    fork_of: another run whose answers are taken over at no cost; the new configuration begins where they end.
    Raises RunLocked, ConfigChanged (with what differs), StorageError.
    """
    path = Path(config.run_dir)
    digest, values = digest_of(meaning), config.model_dump(mode="json", exclude_unset=True)
    _make_folder(path)
    with _lock(path):
        if fork_of is not None:
            _check_fork(fork_of, path)
            with contextlib.closing(Journal(fork_of / JOURNAL, read_only=True)) as source:
                source.copy_to(path / JOURNAL, digest, meaning, values, _version.VERSION)
        with contextlib.closing(Journal(path / JOURNAL)) as journal:
            if not journal.generations():
                journal.begin_generation(digest, meaning, values, _version.VERSION)
            generations = journal.generations()
            _check_meaning(path, generations[-1], digest, meaning)
            if generations[-1].config != values:
                journal.refresh_config(values)
            configs = [RunConfig.parse(g.config, str(path / JOURNAL)) for g in generations[:-1]]
            notes = {"target": str(config.target), "seed_tasks": str(seed_tasks)}
            journal.begin_start(_version.VERSION, outcome=json.dumps(["running", "", 3]), **notes)
            yield OpenRun(path, journal, generations[0].digest[:8], [*configs, config])


def note_outcome(journal: Journal, outcome: Outcome) -> None:
    """Write down how this start ended."""
    journal.set_meta(outcome=json.dumps([outcome.reason, outcome.detail, outcome.exit_code]))


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
        if not (path / JOURNAL).exists():
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
    if (path / JOURNAL).exists():
        raise UsageError(f"{path}: holds a run already; name a new folder to fork into")
    if not (source / JOURNAL).exists():
        raise UsageError(f"{source}: not a run's folder (no {JOURNAL} in it)")


def _check_meaning(path: Path, last: Generation, digest: str, meaning: dict[str, Any]) -> None:
    if last.digest == digest:
        return
    keys = sorted(last.meaning.keys() | meaning.keys())
    changes = [
        f"{key}: was {_shown(last.meaning.get(key))}, now {_shown(meaning.get(key))}"
        for key in keys
        if last.meaning.get(key) != meaning.get(key)
    ]
    raise ConfigChanged(
        f"{path}: this run was made with another configuration:\n  "
        + "\n  ".join(changes)
        + "\nstart a new run (another run_dir), or `generate --fork NEW_DIR` to take its answers over and go on there",
        changes,
    )


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _used_by(journal: Journal, column: Literal["purpose", "teacher"]) -> dict[str, dict[str, float]]:
    """What the run has used itself, by who or what it was for."""
    names = ("requests", "prompt_tokens", "completion_tokens", "cost_usd")
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
    rows = journal.query(f"SELECT {column}, {sums} FROM answers WHERE inherited = 0 GROUP BY 1 ORDER BY 1")  # noqa: S608
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def _target(journal: Journal, config: RunConfig) -> int:
    return int(journal.meta("target") or config.target)


def _outcome(journal: Journal, running: bool) -> Outcome:
    """How the last start ended; one that could write nothing down before it ended was killed."""
    stored = journal.meta("outcome")
    outcome = Outcome(*json.loads(stored)) if stored else Outcome("running", "", 3)
    if outcome.reason == "running" and not running:
        return Outcome(
            "killed", "it ended without a word (killed, or no room to write one); the same command goes on", 3
        )
    return outcome
