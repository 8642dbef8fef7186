"""One SQLite file: a writer thread, group commits, and a reader that never waits for a write.

WAL mode, `synchronous=FULL`. Rows that arrive during a commit go into the next one, so durability costs one commit per
batch, not per row; `commit` returns only when the row is on disk. The modules of `journal` know what the rows mean.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..core.errors import JournalDamaged, StorageError, UsageError, cannot_write

Statement = tuple[str, tuple[Any, ...]]
_Waiting = list[tuple[Statement, asyncio.Future[None]]]

_NOTES_A_FLUSH = 2000
_IS_NEWER = "CREATE TABLE IF NOT EXISTS"
# The columns that hold JSON, in any table.
_JSON = tuple("checks config content demos edit hosts instances keys logprobs meaning prompt reasons record".split())


class Store:
    """An open file. Only `commit` and `note` need a running event loop. A file to write to is checked as a whole first.

    tables: the statements that create a new file; one with IF NOT EXISTS is newer than the format, and an older file
    gets it when it is opened to write. format: their version, stored in `PRAGMA user_version`.
    Raises JournalDamaged if the content is damaged, StorageError if the disk fails, and UsageError if the file has
    another format, is no SQLite file, or the user may not write it.
    """

    def __init__(self, path: Path, tables: Iterable[str], format: int, *, read_only: bool = False) -> None:
        self.path, self._tables, self._format = path, tuple(tables), format
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._waiting: _Waiting = []
        self._notes: list[Statement] = []
        self._writing: asyncio.Task[None] | None = None
        self._failure: Exception | None = None
        self._connections: list[sqlite3.Connection] = []
        try:
            with storage_errors(path, starting=True):
                self._open(read_only)
        except BaseException:
            self._disconnect()
            raise

    def _open(self, read_only: bool) -> None:
        if self.path.is_dir():
            raise UsageError(f"{self.path}: is a folder, not a journal; name a run's folder, or remove it")
        if not read_only:
            is_new = not self.path.exists()
            if not is_new:
                self.path.touch()  # fails for a file that may not be written
                # A second connection, so that a damaged file, or one of another program, is left unchanged.
                with contextlib.closing(_connect(self._uri("ro"))) as connection:
                    is_new = not self._check_format(connection)
                    if not is_new:
                        check_content(self.path, connection, self._tables)
                    elif not self.path.stat().st_size:
                        raise JournalDamaged(self.path, "it is empty")
            if is_new:  # written as a whole, so a file of 0 bytes is one that has lost its content
                with _written_beside(self.path.resolve()) as connection:
                    for sql in (*self._tables, f"PRAGMA user_version={self._format}"):
                        connection.execute(sql)
            self._writer = self._connect("rw")
            self._writer.execute("PRAGMA journal_mode=WAL")
            self._writer.execute("BEGIN IMMEDIATE")  # fails here, not after the first paid answer, if read-only
            for sql in self._tables:
                if _IS_NEWER in sql:
                    self._writer.execute(sql)
            self._writer.execute("COMMIT")
            self._writer.execute("PRAGMA synchronous=FULL")
        self._reader = self._connect("ro")
        if read_only and not self._check_format(self._reader):
            raise UsageError(f"{self.path}: empty; the run was never started")

    def _check_format(self, connection: sqlite3.Connection) -> bool:
        """Return False for an empty file. Raises UsageError for another format, and for a file of another program."""
        found, names = _version(connection), {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        if found == 0 and "answers" in names:
            raise JournalDamaged(self.path, "its format number is missing")
        if found == 0 and names:
            raise UsageError(f"{self.path}: is a SQLite file of another program; name another run_dir")
        if found not in (0, self._format):
            raise UsageError(
                f"{self.path}: journal format {found}, this program reads {self._format}; start a new run, or use the "
                "version that wrote it"
            )
        return found != 0

    def check(self) -> None:
        """Raise JournalDamaged if anything in the file is damaged."""
        with storage_errors(self.path):
            check_content(self.path, self._reader, self._tables)

    def _uri(self, mode: str) -> str:
        return f"{self.path.resolve().as_uri()}?mode={mode}"

    def _connect(self, mode: str) -> sqlite3.Connection:
        if mode == "ro" and not self.path.exists():
            raise UsageError(f"{self.path}: no journal here; is this the run's folder?")
        uri = self._uri(mode)
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
        with storage_errors(path), _written_beside(path, self._reader) as target:
            for statement, row in statements:
                target.execute(statement, row)

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
        if not notes and not waiting and self._writing is None:
            return
        try:  # also with nothing new: what was taken before may still be on its way
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
def _written_beside(path: Path, source: sqlite3.Connection | None = None) -> Iterator[sqlite3.Connection]:
    """Yield a new file, or a copy of `source`, in a transaction; it gets the name `path` once that is committed."""
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as target:
            if source is not None:
                source.backup(target)
            with target:
                target.execute("BEGIN IMMEDIATE")
                yield target
        fresh.replace(path)
    finally:
        for leftover in path.parent.glob(f"{fresh.name}*"):
            leftover.unlink()


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
        if "not a database" in text or "file format" in text:
            raise UsageError(f"{path}: is not a journal, or its beginning is damaged; name a run's folder") from None
        is_writable = all(os.access(place, os.W_OK, effective_ids=True) for place in (path, path.parent))
        if re.search("malformed|no such|decode|corrupt", text) or ("readonly" in text and is_writable):
            raise JournalDamaged(path, " ".join(text.replace("disk image ", "").split())[:100]) from None
        if starting and ("readonly" in text or "unable to open" in text):
            raise UsageError(
                f"{path}: can't be written ({text}); make the file and its folder writable, or choose another folder"
            ) from None
        hint = "free some space" if "full" in text else "check the disk, its free space and the permissions"
        raise StorageError(f"{path}: {text}; {hint}, then start again: nothing committed is lost") from None
    except OSError as error:
        raise cannot_write(path, error) from None


def check_content(path: Path, connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """Raise JournalDamaged if a page, an index, a table, or a value is damaged. Takes about 12 s per gigabyte.

    tables: the statements that create the tables; a column called as in `_JSON` must hold JSON.
    """
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise JournalDamaged(path, " ".join(str(found).split())[:100])
    # A flipped bit may turn a number into a text, which sums would count as nothing.
    with contextlib.closing(sqlite3.connect(":memory:")) as expected:
        expected.executescript(";".join(tables))
        columns = expected.execute(
            "SELECT m.name, c.name, c.type FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
        ).fetchall()
    wrong: dict[str, list[str]] = {}
    for table, column, kind in columns:
        fits = {"INTEGER": "'integer'", "REAL": "'real', 'integer'"}.get(kind, "'text'")
        wrong.setdefault(table, []).append(f"typeof({column}) NOT IN ({fits}, 'null')")
        if column in _JSON:
            wrong[table].append(f"({column} IS NOT NULL AND NOT json_valid({column}))")
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    for table, tests in wrong.items():
        if table not in present and any(f"{_IS_NEWER} {table} " in sql for sql in tables):
            continue
        query = f"SELECT 1 FROM {table} WHERE {' OR '.join(tests)} LIMIT 1"  # noqa: S608  (names of our own tables)
        if connection.execute(query).fetchone():
            raise JournalDamaged(path, f"a value in the table {table}")
    for _ in connection.execute("SELECT * FROM answers"):  # decodes every text, which SQLite doesn't check
        pass


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
