"""A table that is read twice: standard input and pipes are spooled first, files must not change in between."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from ..core.errors import StorageError, UsageError
from ..tables import Chunk, Column, Source, find_source, parse_columns, read_chunks, text_of, texts_of

_MOST_DEFECTS = 10


class Input:
    """One source and the columns whose text counts; none: the usual one of its rows."""

    def __init__(self, source: str, columns: Sequence[Column], scratch: Path, stack: ExitStack) -> None:
        """Find the source; what can be read once only goes into a file in the folder `scratch` until `stack` ends."""
        found = find_source(source)
        if found.kind == "stdin" or (found.kind == "file" and not os.path.isfile(source)):
            found = Source(found.name, _spooled(found, scratch, stack), "file")
        self.source = found
        self.rows = 0
        self._stamps = self._look()
        self.columns: Sequence[Column] = columns or parse_columns([usual_column(self.head)])

    @property
    def name(self) -> str:
        """As it stands in messages."""
        return self.source.name

    def files(self) -> list[Path]:
        """The files that are read."""
        if self.source.kind == "hub":
            return []
        path = Path(self.source.path)
        return sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]

    def texts(self, objects: Sequence[Mapping[str, Any] | None]) -> list[str | None]:
        """What is compared of the rows of a chunk of the first pass; None for a row without a text."""
        return texts_of(objects, self.columns)

    def text(self, values: Mapping[str, Any]) -> str | None:
        """What is compared of one row."""
        return text_of(values, self.columns)

    @property
    def needed(self) -> set[str]:
        """The columns that the first pass can't do without; none: all of them."""
        return {column.top for column in self.columns}

    @cached_property
    def head(self) -> Mapping[str, Any]:
        """The first row; nothing when it can't be read, which the first pass will tell."""
        for chunk in read_chunks(self.source):
            return chunk.take([0]).objects()[0] or {}
        return {}

    def first_pass(self) -> Iterator[Chunk]:
        """All rows, of Arrow tables the columns that count only; counts the rows."""
        for chunk in read_chunks(self.source, self.needed):
            self.rows += len(chunk)
            yield chunk
        self.check_unchanged()

    def second_pass(self, columns: Collection[str] | None = None) -> Iterator[Chunk]:
        """All rows again. Raises StorageError when they aren't those of the first pass."""
        self.check_unchanged()
        left = self.rows
        for chunk in read_chunks(self.source, columns):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
        if left:
            self._say_changed()
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raise StorageError when a file isn't what it was."""
        if self._look() != self._stamps:
            self._say_changed()

    def _look(self) -> list[tuple[str, int, int, int]]:
        try:
            stats = [(str(path), path.stat()) for path in self.files()]
        except OSError:
            return []
        return [(name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats]

    def _say_changed(self) -> None:
        raise StorageError(f"{self.name}: changed while it was read; nothing was written, start again")


def usual_column(head: Mapping[str, Any]) -> str:
    """Where rows like this one usually have their instruction."""
    return "messages[user].content" if "instruction" not in head and "messages" in head else "instruction"


class Defects:
    """Rows without a text, up to as many as one message takes."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Note one; raises UsageError when there are enough."""
        self._lines.append(line)
        if len(self._lines) == _MOST_DEFECTS:
            self._lines.append(f"that makes {_MOST_DEFECTS}; the rest wasn't looked at")
            self.end()

    def end(self) -> None:
        """Raise UsageError when there is one."""
        if self._lines:
            raise UsageError("\n".join(self._lines))


def _spooled(source: Source, scratch: Path, stack: ExitStack) -> str:
    """Copy what is read once only; the copy's suffix is that of the source."""
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
