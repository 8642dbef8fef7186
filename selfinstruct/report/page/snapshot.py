"""A run as it stands at one instant: its journal held open, its records, its seed tasks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from ...core.tasks import Record, SeedTask
from ...journal.folder import Run
from ...journal.journal import Journal
from ...journal.status import Status


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is read once and used by many. records: those of the dataset, at most `target`."""

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
        seeds = tuple(journal.arrivals.known())
        yield Snapshot(run, journal, status, tuple(journal.records(status.target)), seeds)
