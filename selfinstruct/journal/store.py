"""One SQLite file: a writer thread, group commits, and a reader that never waits for a write.

WAL mode, `synchronous=FULL`. Rows that arrive during a commit go into the next one, so durability costs one commit per
batch, not per row; `commit` returns only when the row is on disk. The modules of `journal` know what the rows mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..core.errors import StorageError, UsageError, cannot_write

Statement = tuple[str, tuple[Any, ...]]
_Waiting = list[tuple[Statement, asyncio.Future[None]]]

_NOTES_A_FLUSH = 2000


class Store:
    """An open file. Only `commit` and `note` need a running event loop. After a crash the pages are checked first.

    tables: the statements that create a new file. format: their version, stored in `PRAGMA user_version`.
    Raises StorageError if the file is damaged or can't be read or written, and UsageError if it has another format, is
    no SQLite file, or the user may not write it.
    """

    def __init__(self, path: Path, tables: Iterable[str], format: int, *, read_only: bool = False) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: _Waiting = []
        self._notes: list[Statement] = []
        self._writing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._connections: list[sqlite3.Connection] = []
        try:
            with storage_errors(path, starting=True):
                self._open(tables, format, read_only)
        except BaseException:
            self._disconnect()
            raise

    def _open(self, tables: Iterable[str], format: int, read_only: bool) -> None:
        if not read_only:
            wal = self.path.with_name(self.path.name + "-wal")
            unclean = wal.exists() and wal.stat().st_size > 0  # a clean end removes the write-ahead log
            self.path.touch(mode=0o600)
            self._writer = self._connect("rw")
            self._writer.execute("PRAGMA journal_mode=WAL")
            if unclean:
                self._check_pages()
            self._writer.execute("BEGIN IMMEDIATE")  # fails here, not after the first paid answer, if read-only
            self._writer.execute("ROLLBACK")
            self._writer.execute("PRAGMA synchronous=FULL")
            # A new file: create the tables and the version in one transaction.
            if _version(self._writer) == 0:
                self._transact([*((sql, ()) for sql in tables), (f"PRAGMA user_version={format}", ())])
        self._reader = self._connect("ro")
        found = _version(self._reader)
        if found == 0:
            raise UsageError(f"{self.path}: empty; the run was never started")
        if found != format:
            raise UsageError(f"{self.path}: journal format {found}, this program reads {format}; start a new run")

    def _check_pages(self) -> None:
        """Raise StorageError if a page or an index is damaged. Takes about 2 s per gigabyte."""
        (found,) = self._writer.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise _damaged(self.path, " ".join(str(found).split())[:200])

    def _connect(self, mode: str) -> sqlite3.Connection:
        if mode == "ro" and not self.path.exists():
            raise UsageError(f"{self.path}: no journal here; is this the run's folder?")
        uri = f"{self.path.resolve().as_uri()}?mode={mode}"
        connection = _connect(uri)
        self._connections.append(connection)
        if mode == "ro":
            try:
                _version(connection)
            except sqlite3.OperationalError:
                # SQLite can't create its side files in a read-only folder. Without a WAL there is no writer.
                if self.path.with_name(self.path.name + "-wal").exists():
                    raise
                connection = _connect(uri + "&immutable=1")
                self._connections.append(connection)
            connection.execute("PRAGMA query_only=1")
        return connection

    # --- reading ------------------------------------------------------------------------------

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return all rows of a query, as committed so far."""
        with storage_errors(self.path):
            return self._reader.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: tuple[Any, ...] = ()) -> Any:
        """Return the first row of a query, or None."""
        try:  # runs once per question, and the context manager would take a third of its time
            return self._reader.execute(sql, parameters).fetchone()
        except (sqlite3.Error, OSError):
            with storage_errors(self.path):
                raise

    def backup(self, path: Path, statements: Iterable[Statement]) -> None:
        """Copy the file as it is now, and change the copy by `statements`; `path` appears complete or not at all."""
        fresh = path.with_name(f".{path.name}-{os.getpid()}")
        with storage_errors(path):
            try:
                fresh.unlink(missing_ok=True)
                fresh.touch(mode=0o600)
                with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as target:
                    self._reader.backup(target)
                    with target:
                        target.execute("BEGIN IMMEDIATE")
                        for statement, row in statements:
                            target.execute(statement, row)
                fresh.replace(path)
            finally:
                for leftover in path.parent.glob(f"{fresh.name}*"):
                    leftover.unlink()

    # --- writing ------------------------------------------------------------------------------

    def at_once(self, statements: list[Statement]) -> None:
        """Run statements in one transaction, and wait until it is durable."""
        self._thread.submit(self._transact, statements).result()

    async def commit(self, statement: Statement) -> None:
        """Write a row to disk, after everything noted before it; return when it is durable.

        A cancelled caller does not cancel the write. Raises StorageError if the row can't be written.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((statement, done))
        self._start_writing()
        await done

    def note(self, statement: Statement) -> None:
        """Write a row with the next commit. Raises the StorageError of earlier notes, if any."""
        if self._failure is not None:
            raise self._failure
        self._notes.append(statement)
        if len(self._notes) >= _NOTES_A_FLUSH:
            self._start_writing()

    def flush(self) -> None:
        """Write all waiting rows, and wait until they are durable."""
        notes, waiting = self._take()
        if not notes and not waiting:
            return
        try:
            self._thread.submit(self._transact, [*notes, *(row for row, _ in waiting)]).result()
        except Exception as error:
            self._give_back(notes, waiting, error)
            raise
        _settle(waiting, None)

    def close(self) -> None:
        """Write all waiting rows, and close the file."""
        try:
            self.flush()
        finally:
            self._disconnect()

    def _disconnect(self) -> None:
        self._thread.shutdown()
        for connection in reversed(self._connections):  # the writer last, because it removes the WAL
            connection.close()

    def _start_writing(self) -> None:
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_on())

    async def _write_on(self) -> None:
        """Commit batch after batch until nothing waits; a batch is what arrived during the previous commit."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or (len(self._notes) >= _NOTES_A_FLUSH and self._failure is None):
                notes, waiting = self._take()
                statements = [*notes, *(row for row, _ in waiting)]
                try:
                    await loop.run_in_executor(self._thread, self._transact, statements)
                except Exception as error:
                    self._give_back(notes, waiting, error)
                else:
                    _settle(waiting, None)
        finally:
            self._writing = None

    def _take(self) -> tuple[list[Statement], _Waiting]:
        notes, self._notes = self._notes, []
        waiting, self._waiting = self._waiting, []
        return notes, waiting

    def _give_back(self, notes: list[Statement], waiting: _Waiting, error: Exception) -> None:
        """Handle a failed batch: keep its notes for the next commit, and raise its error in every waiting caller."""
        self._notes = notes + self._notes
        # Without a waiting caller, the next call of `note` raises the error.
        if not waiting:
            self._failure = error
        _settle(waiting, error)

    def _transact(self, statements: list[Statement]) -> None:
        with storage_errors(self.path), self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for statement, row in statements:
                self._writer.execute(statement, row)


@contextlib.contextmanager
def storage_errors(path: Path, *, starting: bool = False) -> Iterator[None]:
    """Turn SQLite's errors into one line that says what to do. Misuse of SQLite is a defect and passes unchanged.

    starting: whether the file is being opened; a file that can't be written is then a wrong path, a UsageError.
    """
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "not a database" in text:
            raise UsageError(f"{path}: is not a journal; name a run's folder") from None
        if "malformed" in text:
            raise _damaged(path, text) from None
        if starting and ("readonly" in text or "unable to open" in text):
            raise UsageError(
                f"{path}: can't be written ({text}); make the file and its folder writable, or choose another folder"
            ) from None
        hint = "free some space" if "full" in text else "check the disk, its free space and the permissions"
        raise StorageError(f"{path}: {text}; {hint}, then start again: nothing committed is lost") from None
    except OSError as error:
        raise cannot_write(path, error) from None


def _damaged(path: Path, found: str) -> StorageError:
    return StorageError(
        f"{path}: damaged ({found}); nothing was changed. Restore it from a copy; what can still be read of it, "
        "`sqlite3 journal.sqlite .recover` prints"
    )


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _settle(waiting: _Waiting, error: Exception | None) -> None:
    for _, done in waiting:
        if done.done():  # cancelled
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
