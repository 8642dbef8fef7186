"""What became of the answers, as rows of the journal: verdicts, the keys of developing questions, and records.

All of it follows from the answers and is computed at every start. Each row carries the number of the start that wrote
it, so that rows of an earlier program, filter or teacher can be deleted. Only the nearest texts of admitted tasks are
read back (`admissions`), because they are expensive to compute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..core.errors import UsageError
from ..core.records import Record
from ..core.tasks import Verdict
from .store import Store

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
NAMES = ("verdicts", "records", "developments")
_ADMISSIONS = (
    "SELECT question, idx, instruction, nearest, score FROM verdicts "
    "WHERE (question, idx) > (?, ?) AND stage = 'admission' ORDER BY question, idx LIMIT 500"
)
_COUNTS = (
    "SELECT stage, coalesce(reason, ''), count(DISTINCT question || ':' || idx) FROM verdicts "
    "WHERE question IN (SELECT value FROM json_each(?)) AND start = ? GROUP BY 1, 2 ORDER BY 1, 2"
)
_PUT_VERDICT = "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_RECORD = "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)"
_PUT_DEVELOPMENT = "INSERT OR REPLACE INTO developments VALUES (?, ?, ?, ?)"
_RECORD = TypeAdapter(Record)
"""Writes a record as JSON and reads it back. A new field of `Record` needs no change here."""


class Ledger:
    """Writes the rows of one start, and reads the records.

    start: the number of the start, counted from 1 over the life of the file. trusted: whether the previous start ran
    the same version of the program.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.start = 0
        self.trusted = False

    def note(self, question: int, index: int, stage: str, part: int, instruction: str, verdict: Verdict) -> None:
        """Write a verdict with the next commit; it replaces an earlier one with the same first four values.

        Args:
            question: The number of the proposal.
            index: The position of the task in the answer; -1 for a verdict on the whole answer or on what is no task.
            stage: 'answer', 'reading', 'filter', 'novelty', 'admission', 'instance' or 'review'.
            part: The number of the verdict in stages that may have several, 'reading' and 'instance'; else 0.
            instruction: The task's instruction; empty for a verdict on the whole answer.
            verdict: What the check found.
        """
        values = (verdict.reason, verdict.detail, verdict.score, verdict.nearest)
        self._store.note((_PUT_VERDICT, (question, index, stage, part, instruction, *values, self.start)))

    def keep(self, record: Record) -> None:
        """Write a finished record with the next commit."""
        value = _RECORD.dump_json(record, exclude_defaults=True).decode()
        self._store.note((_PUT_RECORD, (record.question, record.index, value, self.start)))

    def developed(self, question: int, index: int, keys: Sequence[str]) -> None:
        """Write, with the next commit, the keys of the questions that developed a task, in the order of asking."""
        self._store.note((_PUT_DEVELOPMENT, (question, index, json.dumps(keys), self.start)))

    def sweep(self) -> None:
        """Delete the rows that earlier starts wrote and this one did not write again."""
        self._store.at_once([(f"DELETE FROM {table} WHERE start <> ?", (self.start,)) for table in NAMES])  # noqa: S608

    def admissions(self) -> Iterator[tuple[Any, ...]]:
        """Yield what the previous start admitted, in order: question, index, instruction, nearest text's id, score."""
        # Read in portions, ahead of the rows that this start replaces.
        after = (-1, -1)
        while rows := self._store.rows(_ADMISSIONS, after):
            yield from rows
            after = rows[-1][:2]

    def counts(self, questions: Sequence[int]) -> dict[tuple[str, str], int]:
        """Return how many tasks of these questions got each verdict in this start, by stage and reason ('': none)."""
        self._store.flush()
        rows = self._store.rows(_COUNTS, (json.dumps(list(questions)), self.start))
        return {(stage, reason): count for stage, reason, count in rows}

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """Return finished records in admission order, at most `limit`, all from one instant."""
        rows = self._store.rows(
            "SELECT record FROM records ORDER BY question, idx LIMIT ?", (-1 if limit is None else limit,)
        )
        return (self._read(value) for (value,) in rows)

    def record(self, question: int, index: int) -> Record | None:
        """Return the finished record of a task, or None."""
        row = self._store.row("SELECT record FROM records WHERE question = ? AND idx = ?", (question, index))
        return None if row is None else self._read(row[0])

    def _read(self, value: str) -> Record:
        try:
            return _RECORD.validate_json(value)
        except ValidationError:
            raise UsageError(
                f"{self._store.path}: another version wrote these records; run `selfinstruct generate` again, which "
                "rewrites them from the answers and asks nothing twice"
            ) from None

    def finished(self) -> int:
        """Return the number of finished records."""
        return int(self._store.row("SELECT count(*) FROM records")[0])
