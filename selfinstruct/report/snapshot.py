"""A run as it stands at one instant: its journal held open, its records, its seed tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import SelfInstructError
from ..journal import Journal
from ..runs import Run
from ..schema import Record, SeedTask
from ..seeds import load_seeds, seeds_digest
from ..status import Status


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is read once and used by many. records: those of the dataset, at most `target`. seeds: () where unknown."""

    run: Run
    journal: Journal
    status: Status
    records: tuple[Record, ...]
    seeds: tuple[SeedTask, ...]


@contextlib.contextmanager
def taken_of(run: Run) -> Iterator[Snapshot]:
    """A snapshot of a run that may be in progress; its journal is closed at the end."""
    with run.at_one_instant() as journal:
        status = run.status(journal)
        seeds = tuple(journal.arrivals.known()) or _seeds(run)
        yield Snapshot(run, journal, status, tuple(journal.records(status.target)), seeds)


def _seeds(run: Run) -> tuple[SeedTask, ...]:
    """Those that a journal without seeds was made from: none where the file is gone, has changed, or isn't local."""
    sources = run.config.seed_sources
    if not all(Path(source).exists() for source in sources):  # neither standard input nor the hub is asked
        return ()
    try:
        tasks = load_seeds(sources)
    except SelfInstructError:
        return ()
    return tuple(tasks) if seeds_digest(tasks) == run.generations[-1].meaning.get("seeds") else ()
