"""The run's seeds, as rows of its journal: each with the generation that added it, so that a replay adds it there too.

A stored seed never changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from ..core.tasks import Arrival, Instance, SeedTask
from .store import Statement, Store

TABLE = """CREATE TABLE seeds (
    position INTEGER PRIMARY KEY, generation INTEGER NOT NULL, id TEXT NOT NULL, instruction TEXT NOT NULL,
    instances TEXT NOT NULL, is_classification INTEGER, name TEXT NOT NULL)"""
# The two numbers are computed by the statement itself: the next position, and the generation (see `_inserts`).
_INSERT = (
    "INSERT INTO seeds SELECT coalesce(max(position) + 1, 0), (SELECT {} FROM generations), ?, ?, ?, ?, ? FROM seeds"
)
_SELECT = (
    "SELECT g.first_question, s.generation, s.id, s.instruction, s.instances, s.is_classification, s.name"
    " FROM seeds s JOIN generations g ON g.number = s.generation ORDER BY s.position"
)


class Arrivals:
    """The seeds of a run, in order of arrival."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Arrival]:
        """Return the seeds by the generation that added them, oldest first."""
        by_generation = groupby(self._store.rows(_SELECT), key=lambda row: (row[1], row[0]))  # rows are in order
        return [Arrival(*when, tuple(_task(row[2:]) for row in rows)) for when, rows in by_generation]

    def known(self) -> list[SeedTask]:
        """Return all seeds."""
        return [task for arrival in self.all() for task in arrival.tasks]


def coming(tasks: Sequence[SeedTask], *, at_first: bool = False) -> list[Statement]:
    """Return the statements that add seeds to the newest generation; at_first: to the first one, from question 0."""
    return list(_inserts(tasks, "min(number)" if at_first else "max(number)"))


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
