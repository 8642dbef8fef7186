"""The generations and the starts of a run, as rows of its journal. Other modules use them by `Journal.history`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.documents import Passage
from ..core.tasks import SeedTask
from .seeds_on_disk import coming
from .store import Statement, Store

TABLES = (
    """CREATE TABLE generations (
    number INTEGER PRIMARY KEY, first_question INTEGER NOT NULL, digest TEXT NOT NULL,
    meaning TEXT NOT NULL, config TEXT NOT NULL, program TEXT NOT NULL)""",
    """CREATE TABLE starts (
    number INTEGER PRIMARY KEY, began_at REAL NOT NULL, program TEXT NOT NULL, hosts TEXT NOT NULL,
    checks TEXT NOT NULL)""",
)
SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
_INSERT_GENERATION = (
    "INSERT INTO generations (first_question, digest, meaning, config, program)"
    " SELECT max(coalesce(max(question) + 1, 0), ?), ?, ?, ?, ? FROM answers"
)
_INSERT_START = "INSERT INTO starts (began_at, program, hosts, checks) VALUES (?, ?, ?, ?)"
_ASKED_UNDER = "asked_under"


@dataclass(frozen=True, slots=True)
class RunGeneration:
    """A range of questions asked under one configuration. New seeds, a new teacher and a fork each begin another.

    number: counted from 1. first_question: one more than the highest number answered, or in a batch job, before it.
    """

    number: int
    first_question: int
    digest: str
    meaning: dict[str, Any]
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewGeneration:
    """A generation that is about to begin.

    digest: the digest of `meaning`. meaning: the values that decide what the answers are. config: all values that the
    configuration sets. program: the version of this package. seeds, passages: what it adds to the run.
    gone: the ids of passages that are no longer there.
    """

    digest: str
    meaning: dict[str, Any]
    config: dict[str, Any]
    program: str
    seeds: Sequence[SeedTask] = ()
    passages: Sequence[Passage] = ()
    gone: Sequence[str] = ()

    def statement(self, after: int = 0) -> Statement:
        """Return the statement that begins it at question `after`, or at the first question without an answer."""
        values = (self.digest, json.dumps(self.meaning), json.dumps(self.config), self.program)
        return _INSERT_GENERATION, (after, *values)


def config_statement(number: int, config: dict[str, Any]) -> Statement:
    """Return the statement that replaces the configuration of a generation."""
    return "UPDATE generations SET config = ? WHERE number = ?", (json.dumps(config), number)


class History:
    """The generations of one run, and the starts that were made on it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._latest = self._latest_number()
        # Questions in batch jobs when a generation began, with the number of the generation that asked them.
        row = store.row("SELECT value FROM meta WHERE key = ?", (_ASKED_UNDER,))
        self._asked_under: dict[str, int] = json.loads(row[0]) if row else {}

    def generations(self) -> list[RunGeneration]:
        """Return the generations, oldest first; none for a new journal."""
        rows = self._store.rows(
            "SELECT number, first_question, digest, meaning, config FROM generations ORDER BY number"
        )
        return [
            RunGeneration(number, first, digest, json.loads(meaning), json.loads(config))
            for number, first, digest, meaning, config in rows
        ]

    def generation_of(self, key: str) -> int:
        """Return the number of the generation that a question without an answer belongs to."""
        return self._asked_under.get(key, self._latest)

    def begin(self, new: NewGeneration, in_batch_jobs: Mapping[str, int | None]) -> None:
        """Begin a generation. Questions in batch jobs still belong to the generation that asked them.

        in_batch_jobs: their keys, with the numbers of those that are proposals.
        """
        for key in in_batch_jobs:
            self._asked_under.setdefault(key, self._latest)  # a batch job may outlive several generations
        after = max((number + 1 for number in in_batch_jobs.values() if number is not None), default=0)
        note: Statement = (SET_META, (_ASKED_UNDER, json.dumps(self._asked_under)))  # for later starts
        self._store.at_once([new.statement(after), *coming(new.seeds, new.passages, new.gone), note])
        self._latest = self._latest_number()

    def refresh_config(self, config: dict[str, Any]) -> None:
        """Store the newest values of the keys that may change within a generation."""
        self._store.at_once([config_statement(self._latest, config)])

    def note_start(self, program: str, hosts: Mapping[str, str] | None, checks: Sequence[str]) -> None:
        """Store that a start begins now. An answer belongs to the last start before it.

        hosts: the host of each teacher by its name; None when the teachers are the caller's objects. checks: in order.
        """
        row = (time.time(), program, json.dumps(hosts), json.dumps(checks))
        self._store.at_once([(_INSERT_START, row)])

    def _latest_number(self) -> int:
        return int(self._store.row("SELECT coalesce(max(number), 1) FROM generations")[0])
