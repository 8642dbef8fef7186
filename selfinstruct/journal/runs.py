"""What came of the programs that a run has run in the sandbox, by the digest of the program."""

from __future__ import annotations

import time
from dataclasses import astuple

from ..core.programs import Ran
from .store import Store

# A run that is older than this table gets it when it runs its first program.
TABLE = """CREATE TABLE IF NOT EXISTS runs (
    digest TEXT PRIMARY KEY, stdout TEXT NOT NULL, stderr TEXT NOT NULL, code INTEGER, ended TEXT NOT NULL,
    seconds REAL NOT NULL, runtime TEXT NOT NULL, ran_at REAL NOT NULL) WITHOUT ROWID"""
_INSERT = "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_SELECT = "SELECT stdout, stderr, code, ended, seconds FROM runs WHERE digest = ?"


class Runs:
    """Reads and writes the rows of one journal."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def recall(self, digest: str) -> Ran | None:
        """Return the committed result of a program, or None."""
        row = self._store.row(_SELECT, (digest,))
        return None if row is None else Ran(*row)

    async def commit(self, digest: str, ran: Ran, runtime: str) -> None:
        """Write a result to disk; return once it is durable. runtime: the interpreter that ran the program."""
        await self._store.commit((_INSERT, (digest, *astuple(ran), runtime, time.time())))
