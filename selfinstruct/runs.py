"""A run's folder: made, locked, forked, and read while it is being worked on or after.

<run_dir>/journal.sqlite   every answer and what became of it
<run_dir>/dataset/         the dataset, whole or not there
<run_dir>/run.lock         held by the process that works on the run
<run_dir>/teacher.log      what an embedded teacher printed
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import _version
from .changes import change_of, change_of_fork, seeds_in_words
from .config import RunConfig
from .errors import RunLocked, UsageError, cannot_write
from .growth import Aim, aim_of, made, next_aim
from .journal import Journal
from .schema import Arrival, Record, SeedTask

JOURNAL = "journal.sqlite"
_RECORDS_BY_GENERATION = (
    "SELECT a.generation, count(*) FROM (SELECT question FROM records ORDER BY question, idx LIMIT ?) r"
    " JOIN answers a ON a.key = 'p:' || r.question GROUP BY 1"
)


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
class GenerationStatus:
    """One generation of a run: the question it begins with, who is asked and how, its seeds and records of the dataset.

    new_seeds: those that came with it, of the first one all that it had.
    near: those of them that earlier tasks are nearly the same as.
    """

    number: int
    first_question: int
    teacher: str
    strategy: str
    new_seeds: int
    near: int
    records: int


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
    by_generation: list[GenerationStatus] = field(default_factory=list)
    aim: Aim | None = None
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

    def _by_generation(self, journal: Journal, target: int) -> list[GenerationStatus]:
        made = dict(journal.query(_RECORDS_BY_GENERATION, (target,)))
        came = {arrival.generation: len(arrival.tasks) for arrival in journal.arrivals.all()}
        rows = []
        for generation in self.generations:
            number, config = generation.number, RunConfig.parse(generation.config)
            near = json.loads(journal.meta(f"near_seeds:{number}") or "[]")
            teacher = ", ".join(each.label for each in config.all_teachers)
            numbers = came.get(number, 0), len(near), made.get(number, 0)
            rows.append(GenerationStatus(number, generation.first_question, teacher, config.strategy, *numbers))
        return rows

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
            by_generation=self._by_generation(journal, target),
            aim=aim_of(journal),
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
                journal.begin_generation(change.digest, change.meaning, values, _version.VERSION, change.added)
            generations = journal.generations()
            if generations[-1].config != values:
                journal.refresh_config(values)
            aim, arrivals = next_aim(config, journal), journal.arrivals.all()
            notes = aim.notes | {"seed_tasks": str(sum(len(arrival.tasks) for arrival in arrivals))}
            journal.begin_start(_version.VERSION, outcome=json.dumps(["running", "", 3]), **notes)
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
        copied = (path / JOURNAL, change.digest, change.meaning, values, _version.VERSION, change.added)
        journal.copy_to(*copied, afresh=change.afresh, notes=aim.notes)


def foresee_start(config: RunConfig, seeds: Sequence[SeedTask]) -> tuple[Aim, str]:
    """What the next start with `config` would work towards, and in words which of `seeds` are new to its run."""
    path = Path(config.run_dir) / JOURNAL
    if not path.exists():
        return next_aim(config, None), ""
    with contextlib.closing(Journal(path, read_only=True)) as journal:
        return next_aim(config, journal), seeds_in_words(journal, seeds)


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


def _used_by(journal: Journal, column: Literal["purpose", "teacher"]) -> dict[str, dict[str, float]]:
    """What the run has used itself, by who or what it was for."""
    names = ("requests", "prompt_tokens", "completion_tokens", "cost_usd")
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
    rows = journal.query(f"SELECT {column}, {sums} FROM answers WHERE inherited = 0 GROUP BY 1 ORDER BY 1")  # noqa: S608
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}


def _target(journal: Journal, config: RunConfig) -> int:
    return int(journal.meta("target") or config.target)  # a journal that was never started has no aim yet


def _outcome(journal: Journal, running: bool) -> Outcome:
    """How the last start ended; one that could write nothing down before it ended was killed."""
    stored = journal.meta("outcome")
    outcome = Outcome(*json.loads(stored)) if stored else Outcome("running", "", 3)
    if outcome.reason == "running" and not running:
        return Outcome(
            "killed", "it ended without a word (killed, or no room to write one); the same command goes on", 3
        )
    return outcome
