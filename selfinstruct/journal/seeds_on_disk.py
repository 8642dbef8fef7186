"""The run's seeds and passages in its journal, by the generation that added them, so that a replay adds them there too.

A seed is a row. The passages that a generation adds, and the ids of those that are gone since, are one note, because
they are always read together. Neither ever changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from ..core.documents import Passage
from ..core.tasks import Arrival, Instance, SeedTask
from .store import Statement, Store

TABLE = """CREATE TABLE seeds (
    position INTEGER PRIMARY KEY, generation INTEGER NOT NULL, id TEXT NOT NULL, instruction TEXT NOT NULL,
    instances TEXT NOT NULL, is_classification INTEGER, name TEXT NOT NULL)"""
# The two numbers are computed by the statement itself: the next position, and the generation (see `_inserts`).
_INSERT = (
    "INSERT INTO seeds SELECT coalesce(max(position) + 1, 0), (SELECT {} FROM generations), ?, ?, ?, ?, ? FROM seeds"
)
_SELECT = "SELECT generation, id, instruction, instances, is_classification, name FROM seeds ORDER BY position"
_INSERT_PASSAGES = "INSERT OR REPLACE INTO meta SELECT 'passages:' || max(number), ? FROM generations"
_SELECT_PASSAGES = "SELECT key, value FROM meta WHERE key LIKE 'passages:%'"
_PASSAGES = TypeAdapter(tuple[tuple[Passage, ...], tuple[str, ...]])
_NO_PASSAGES = "[[], []]"


class Arrivals:
    """The seeds and passages of a run, in order of arrival."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Arrival]:
        """Return them by the generation that added them, oldest first."""
        tasks: dict[int, list[SeedTask]] = {}
        for generation, *row in self._store.rows(_SELECT):
            tasks.setdefault(generation, []).append(_task(row))
        notes = dict(self._store.rows(_SELECT_PASSAGES))
        return [
            Arrival(
                number,
                first,
                tuple(tasks.get(number, ())),
                *_PASSAGES.validate_json(notes.get(f"passages:{number}", _NO_PASSAGES)),
            )
            for number, first in self._store.rows("SELECT number, first_question FROM generations ORDER BY number")
            if number in tasks or f"passages:{number}" in notes
        ]

    def known(self) -> list[SeedTask]:
        """Return all seeds."""
        return [task for arrival in self.all() for task in arrival.tasks]


def coming(
    tasks: Sequence[SeedTask], passages: Sequence[Passage], gone: Sequence[str], *, at_first: bool = False
) -> list[Statement]:
    """Return the statements that add these to the newest generation.

    gone: the ids of earlier passages that are no longer there. at_first: add the seeds to the first generation, so that
    they count from question 0.
    """
    seeds = [*_inserts(tasks, "min(number)" if at_first else "max(number)")]
    if not passages and not gone:
        return seeds
    return [*seeds, (_INSERT_PASSAGES, (_PASSAGES.dump_json((tuple(passages), tuple(gone))).decode(),))]


def _inserts(tasks: Sequence[SeedTask], generation: str) -> Iterator[Statement]:
    for task in tasks:
        instances = json.dumps([[each.input, each.output] for each in task.instances], ensure_ascii=False)
        is_classification = None if task.is_classification is None else int(task.is_classification)
        values = (task.id, task.instruction, instances, is_classification, task.name)
        yield _INSERT.format(generation), values


def _task(row: Sequence[Any]) -> SeedTask:
    id, instruction, instances, is_classification, name = row
    worked = tuple(Instance(*pair) for pair in json.loads(instances))
    return SeedTask(id, instruction, worked, None if is_classification is None else bool(is_classification), name)
