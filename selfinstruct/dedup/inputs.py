"""`Input`: a table that `dedup` reads twice.

Standard input and pipes are first copied to a file. Other files must not change between the two passes.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.counted import counted
from ..core.errors import StorageError, UsageError
from ..core.records import record_of
from ..journal.folder import dataset_in
from ..tables import Chunk, Column, TableSource, find_source, parse_columns, read_chunks, text_of, texts_of
from ..tables.chats import content_key, turns_of

# Rows without a text to report before giving up.
_MOST_DEFECTS = 10
# Columns with chats, to compare the first user message of.
_CHATS = ("messages", "conversations", "conversation", "prompt")
# The columns of a generated dataset that tell which rows belong to one task.
_TRACED = frozenset(("id", "run_id"))


class Input:
    """One source and the columns to compare."""

    def __init__(self, source: str, columns: Sequence[Column], scratch: Path, stack: ExitStack) -> None:
        """Find the source; if `columns` is empty, compare the instruction column, once for all rows of a task.

        A source that can be read only once is copied to a file in `scratch`, which `stack` deletes.
        """
        source = dataset_in(source)
        found = find_source(source)
        if found.kind == "stdin" or (found.kind == "file" and not os.path.isfile(source)):
            found = TableSource(found.name, _spool(found, scratch, stack), "file")
        self.source = found
        self.rows = 0
        # Rows that are further instances of an earlier row's task: (row, earlier row), from 0 within this input.
        self.followers: list[tuple[int, int]] = []
        self._stamps = self._stat_files()
        self.columns: Sequence[Column] = columns or parse_columns([usual_column(self.head)])
        self._traced = _TRACED if not columns and self.head.keys() >= _TRACED else frozenset[str]()
        self._seen = 0
        self._leaders: dict[str, tuple[str, int]] = {}  # first row of each task, with its id

    @property
    def name(self) -> str:
        """The name of the source in messages."""
        return self.source.name

    def files(self) -> list[Path]:
        """Return the files that are read; nothing for a hub name."""
        if self.source.kind == "hub":
            return []
        path = Path(self.source.path)
        return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]

    def texts(self, objects: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
        """Return the text to compare for each row of a chunk of the first pass; None for a row without a text.

        A further row of a task gets an empty text, which is similar to nothing.
        """
        texts = texts_of(objects, self.columns)
        if self._traced:
            for row, values in enumerate(objects, self._seen):
                if values is not None and isinstance(values.get("id"), str) and self._follows(row, values["id"]):
                    texts[row - self._seen] = ""
        self._seen += len(objects)
        return texts

    def _follows(self, row: int, id: str) -> bool:
        # Rows of other tasks may be in between, and the row without a number needn't be the first: see the format kto.
        record = record_of(id)
        first, leader = self._leaders.setdefault(record, (id, row))
        if first != id:
            self.followers.append((row, leader))
            return True
        self._leaders[record] = id, row  # the same id again is the same task again, to be compared
        return False

    def text(self, values: Mapping[str, Any]) -> str | None:
        """Return the text to compare for one row."""
        return text_of(values, self.columns)

    @property
    def needed(self) -> set[str]:
        """The columns that the first pass needs; if empty, all of them."""
        return {column.top for column in self.columns} | self._traced

    @cached_property
    def head(self) -> Mapping[str, Any]:
        """The first row; empty if the row can't be read, which the first pass will report."""
        for chunk in read_chunks(self.source):
            return chunk.take([0]).objects()[0] or {}
        return {}

    def first_pass(self) -> Iterator[Chunk]:
        """Yield all rows and count them; Arrow tables yield only the needed columns."""
        for chunk in read_chunks(self.source, self.needed):
            self.rows += len(chunk)
            yield chunk
        self.check_unchanged()

    def second_pass(self, columns: Collection[str] | None = None) -> Iterator[Chunk]:
        """Yield all rows again. Raises StorageError if the source has changed since the first pass."""
        self.check_unchanged()
        left = self.rows
        for chunk in read_chunks(self.source, columns):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            self._raise_changed()
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise StorageError if a file has changed since it was found."""
        if self._stat_files() != self._stamps:
            self._raise_changed()

    def _stat_files(self) -> list[tuple[str, int, int, int]]:
        try:
            stats = [(str(path), path.stat()) for path in self.files()]
        except OSError:
            return []
        return [(name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats]

    def _raise_changed(self) -> None:
        raise StorageError(f"{self.name}: changed while it was read; nothing was written, run the command again")


def usual_column(head: Mapping[str, Any]) -> str:
    """Return the column that holds the instruction in rows like `head`: 'instruction', or the first user message."""
    for name in () if "instruction" in head else _CHATS:
        chat = head.get(name)
        if isinstance(chat, list) and turns_of(chat):
            return f"{name}[user].{content_key(chat[0])}" if isinstance(chat[0], Mapping) else f"{name}[user]"
    return "instruction"


class Defects:
    """Collects messages about rows without a text, up to a limit."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}  # where each message is true for the first time
        self._rows = Counter[str]()

    def add(self, line: str) -> None:
        """Add a message, 'in.jsonl:3: no column ...'; raises UsageError at the limit of different ones."""
        where, _, what = line.partition(": ")
        self._rows[what] += 1
        if self._first.setdefault(what, where) == where and len(self._first) == _MOST_DEFECTS:
            self.end(f"stopped after {_MOST_DEFECTS} different errors; the rest was not checked")

    def end(self, *notes: str) -> None:
        """Raise UsageError with all messages, each once, if there are any."""
        lines = []
        for what, where in self._first.items():
            others = f"; the same in {counted(count, 'other row')}" if (count := self._rows[what] - 1) else ""
            lines.append(f"{where}: {what}{others}")
        if lines:
            raise UsageError("\n".join([*lines, *notes]))


def _spool(source: TableSource, scratch: Path, stack: ExitStack) -> str:
    """Copy a source that can be read only once; the copy keeps the suffix, which chooses the reader."""
    scratch.mkdir(parents=True, exist_ok=True)
    file = stack.enter_context(
        tempfile.NamedTemporaryFile(  # noqa: SIM115  (it is in the stack)
            dir=scratch, prefix=".dedup-", suffix=Path(source.path).suffix
        )
    )
    if source.kind == "stdin":
        shutil.copyfileobj(sys.stdin.buffer, file, 1024 * 1024)
    else:
        with open(source.path, "rb") as given:
            shutil.copyfileobj(given, file, 1024 * 1024)
    file.flush()
    return file.name
