"""What people decided about records, as rows of the journal. Rows are only ever added; undoing is a row, too."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from ..core.reviews import Review, standing
from .store import Statement, Store

# A run that is older than this table gets it when it is opened to write.
TABLE = """CREATE TABLE IF NOT EXISTS reviews (
    number INTEGER PRIMARY KEY, digest TEXT NOT NULL, reviewer TEXT NOT NULL, verdict TEXT NOT NULL,
    reasons TEXT NOT NULL, note TEXT NOT NULL, edit TEXT, content TEXT NOT NULL, audit TEXT NOT NULL,
    reviewed_at REAL NOT NULL)"""
_INSERT = (
    "INSERT INTO reviews (digest, reviewer, verdict, reasons, note, edit, content, audit, reviewed_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SELECT = (
    "SELECT digest, reviewer, verdict, content, reasons, note, edit, audit, reviewed_at FROM reviews ORDER BY number"
)


class Reviews:
    """Reads and writes the rows of one journal. seen: how many of them this process has read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.seen = 0

    def all(self) -> list[Review]:
        """Return every row, in the order in which they were written."""
        rows = self._store.rows(_SELECT) if self._exists() else []
        self.seen = len(rows)
        return [
            Review(digest, by, verdict, json.loads(content), tuple(json.loads(reasons)), note, _read(edit), audit, at)
            for digest, by, verdict, content, reasons, note, edit, audit, at in rows
        ]

    def standing(self) -> dict[str, list[Review]]:
        """Return the decisions that hold, by digest; see `selfinstruct.core.reviews.standing`."""
        return standing(self.all())

    def count(self) -> int:
        """Return the number of rows."""
        return int(self._store.row("SELECT count(*) FROM reviews")[0]) if self._exists() else 0

    def commit(self, reviews: Sequence[Review]) -> None:
        """Write reviews to disk in one transaction; return once they are durable. Another process may work on the run.

        Raises StorageError if they can't be written.
        """
        self._store.at_once([_row(each) for each in reviews])

    def _exists(self) -> bool:
        return self._store.row("SELECT 1 FROM sqlite_schema WHERE name = 'reviews'") is not None


def _row(review: Review) -> Statement:
    edit = None if review.edit is None else _json(review.edit)
    what = (review.digest, review.reviewer, review.verdict, _json(review.reasons), review.note, edit)
    return _INSERT, (*what, _json(review.content), review.audit, review.at or time.time())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read(edit: str | None) -> dict[str, object] | None:
    return None if edit is None else json.loads(edit)
