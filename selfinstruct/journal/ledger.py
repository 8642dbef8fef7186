"""What became of the answers, as rows of the journal: a verdict for every candidate, what developed it, the records.

All of it follows from the answers and is made anew at every start; `start` says by which one, so that rows
which an earlier program, filter or teacher left behind can be told apart and swept away. Only the nearest texts of
admitted tasks, dear to find, are read back (`admissions`), while program and pool are the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter

from ..core.tasks import Record, Verdict
from .store import Statement, Store

TABLES = (
    """CREATE TABLE verdicts (
    question INTEGER NOT NULL, idx INTEGER NOT NULL, stage TEXT NOT NULL, part INTEGER NOT NULL,
    instruction TEXT NOT NULL, reason TEXT, detail TEXT NOT NULL, score REAL, nearest TEXT, start INTEGER NOT NULL,
    PRIMARY KEY (question, idx, stage, part)) WITHOUT ROWID""",
    """CREATE TABLE records (
    question INTEGER NOT NULL, idx INTEGER NOT NULL, record TEXT NOT NULL, start INTEGER NOT NULL,
    PRIMARY KEY (question, idx)) WITHOUT ROWID""",
    """CREATE TABLE developments (
    question INTEGER NOT NULL, idx INTEGER NOT NULL, keys TEXT NOT NULL, start INTEGER NOT NULL,
    PRIMARY KEY (question, idx)) WITHOUT ROWID""",
)
EMPTY: tuple[Statement, ...] = (
    ("DELETE FROM verdicts", ()),
    ("DELETE FROM records", ()),
    ("DELETE FROM developments", ()),
)
"""Take every row out again, as a copy of the journal does that begins anew."""
_ADMISSIONS = (
    "SELECT question, idx, instruction, nearest, score FROM verdicts "
    "WHERE (question, idx) > (?, ?) AND stage = 'admission' ORDER BY question, idx LIMIT 500"
)
_PUT_VERDICT = "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_RECORD = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)"
_PUT_DEVELOPMENT = "INSERT OR REPLACE INTO developments VALUES (?, ?, ?, ?)"
_RECORD = TypeAdapter(Record)
"""Writes a record as JSON and reads it back. A new field of `Record` needs no change here."""


class Ledger:
    """The rows that one start writes. start: its number, counted from 1 in the life of the file."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.start = 0
        self.trusted = False
        """Whether the start before this one was the same program's."""

    def note(self, question: int, index: int, stage: str, part: int, instruction: str, verdict: Verdict) -> None:
        """Write a verdict with the next commit; one that stands there for the same place goes."""
        said = (verdict.reason, verdict.detail, verdict.score, verdict.nearest)
        self._store.note((_PUT_VERDICT, (question, index, stage, part, instruction, *said, self.start)))

    def keep(self, record: Record) -> None:
        """Write a finished record with the next commit."""
        value = _RECORD.dump_json(record).decode()
        self._store.note((_PUT_RECORD, (record.question, record.index, value, self.start)))

    def developed(self, question: int, index: int, keys: Sequence[str]) -> None:
        """Write, with the next commit, which questions an admitted task was developed by; their keys in `answers`."""
        self._store.note((_PUT_DEVELOPMENT, (question, index, json.dumps(keys), self.start)))

    def sweep(self) -> None:
        """Take out what earlier starts said and this one did not say again."""
        self._store.at_once([(f"{statement} WHERE start <> ?", (self.start,)) for statement, _ in EMPTY])

    def admissions(self) -> Iterator[tuple[Any, ...]]:
        """What the start before this one admitted, in order: question, index, instruction, nearest text's id, score.

        Read in portions, ahead of what this start writes.
        """
        after = (-1, -1)
        while rows := self._store.rows(_ADMISSIONS, after):
            yield from rows
            after = rows[-1][:2]

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """Finished records in admission order, at most `limit`, all from one instant."""
        rows = self._store.rows(
            "SELECT record FROM records ORDER BY question, idx LIMIT ?", (-1 if limit is None else limit,)
        )
        return (_RECORD.validate_json(value) for (value,) in rows)

    def record(self, question: int, index: int) -> Record | None:
        """Return the finished record at a place."""
        row = self._store.row("SELECT record FROM records WHERE question = ? AND idx = ?", (question, index))
        return None if row is None else _RECORD.validate_json(row[0])

    def finished(self) -> int:
        """How many finished records stand in the file."""
        return int(self._store.row("SELECT count(*) FROM records")[0])
