"""The run's seeds, as rows of its file: which came with which generation, so that a replay meets them at their time.

A seed stays as it came.
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
_INSERT = (
    "INSERT INTO seeds SELECT coalesce(max(position) + 1, 0), (SELECT {} FROM generations), ?, ?, ?, ?, ? FROM seeds"
)
_SELECT = (
    "SELECT g.first_question, s.generation, s.id, s.instruction, s.instances, s.is_classification, s.name"
    " FROM seeds s JOIN generations g ON g.number = s.generation ORDER BY s.position"
)


class Arrivals:
    """The seeds of a run, in the order in which they came."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[Arrival]:
        """Every generation that brought seeds, oldest first."""
        by_generation = groupby(self._store.rows(_SELECT), key=lambda row: (row[1], row[0]))
        return [Arrival(*when, tuple(_task(row[2:]) for row in rows)) for when, rows in by_generation]

    def known(self) -> list[SeedTask]:
        """All of them."""
        return [task for arrival in self.all() for task in arrival.tasks]


def coming(tasks: Sequence[SeedTask], *, at_first: bool = False) -> list[Statement]:
    """The statements that add seeds to the newest generation; at_first: to the first one, from question 0 on."""
    return list(_inserts(tasks, "min(number)" if at_first else "max(number)"))


FORGOTTEN: list[Statement] = [("DELETE FROM seeds", ())]
"""The statements that take them out of a copy whose seeds are others."""


def _inserts(tasks: Sequence[SeedTask], generation: str) -> Iterator[Statement]:
    for task in tasks:
        instances = json.dumps([[i.input, i.output] for i in task.instances], ensure_ascii=False)
        truth = None if task.is_classification is None else int(task.is_classification)
        yield _INSERT.format(generation), (task.id, task.instruction, instances, truth, task.name)


def _task(row: Sequence[Any]) -> SeedTask:
    id, instruction, instances, truth, name = row
    worked = tuple(Instance(*pair) for pair in json.loads(instances))
    return SeedTask(id, instruction, worked, None if truth is None else bool(truth), name)
