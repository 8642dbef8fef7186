"""Some rows that stand one after the other in a table, each kind in the form that was cheapest to read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LINE_BYTES = 32 * 1024 * 1024
BLOCK_BYTES = 4 * 1024 * 1024
"""Text files are read in blocks of this size; a chunk holds the lines that end in one."""
_JSON_BLANKS = " \t\r\n"
BATCH_ROWS = 1024
"""Rows of a chunk where a table isn't read by its bytes."""


class Row(NamedTuple):
    """One row: where it stands ('seeds.jsonl:12'), its columns, or what is wrong with it."""

    where: str
    values: dict[str, Any]
    problem: str | None = None


class Chunk(Protocol):
    """Rows, read as far as was needed to part them."""

    def __len__(self) -> int: ...

    def rows(self) -> Iterator[Row]:
        """Each with its place and its problem."""

    def objects(self) -> list[dict[str, Any] | None]:
        """The columns of each row only, which is faster; None for a row with a problem."""

    def take(self, positions: Sequence[int]) -> Chunk:
        """The rows at these positions, in this order."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are Python values already."""

    items: Sequence[Row]

    def __len__(self) -> int:
        return len(self.items)

    def rows(self) -> Iterator[Row]:
        return iter(self.items)

    def objects(self) -> list[dict[str, Any] | None]:
        return [None if row.problem else row.values for row in self.items]

    def take(self, positions: Sequence[int]) -> Rows:
        return Rows([self.items[p] for p in positions])


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of JSON as they stand in the file, without their ends, and the number of each."""

    name: str
    lines: Sequence[bytes]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self) -> Iterator[Row]:
        for number, line in zip(self.numbers, self.lines, strict=True):
            yield _json_line(f"{self.name}:{number}", line)

    def objects(self) -> list[dict[str, Any] | None]:
        found: list[dict[str, Any] | None] = []
        read = json.JSONDecoder().raw_decode  # `json.loads` takes a fifth longer
        for line in self.lines:
            try:
                text = line.decode().strip(_JSON_BLANKS)
                values, end = read(text)
                whole = end == len(text) and len(line) <= MAX_LINE_BYTES
            except (ValueError, RecursionError):
                whole = False
            found.append(values if whole and isinstance(values, dict) else None)
        return found

    def take(self, positions: Sequence[int]) -> Lines:
        return Lines(self.name, [self.lines[p] for p in positions], [self.numbers[p] for p in positions])


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of an Arrow table, and the number of each, from 1.

    schema: that of the whole table, though `batch` may hold some of its columns only. decode: what makes a
    row's Python values of those that Arrow gives, where these differ.
    """

    name: str
    batch: pa.RecordBatch
    schema: pa.Schema
    numbers: Sequence[int]
    decode: Callable[[dict[str, Any]], dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self) -> Iterator[Row]:
        for number, values in zip(self.numbers, self.objects(), strict=True):
            yield Row(f"{self.name}: row {number}", values or {})

    def objects(self) -> list[dict[str, Any] | None]:
        try:
            values = self.batch.to_pylist()
            return [self.decode(row) for row in values] if self.decode else values
        except UnicodeDecodeError:
            raise UsageError(f"{self.name}: row {self.numbers[0]} or later: text that isn't UTF-8") from None
        except Exception as error:  # whatever a library raises on foreign data ends as one line
            place = f"{self.name}: row {self.numbers[0]} or later"
            raise UsageError(f"{place}: can't be read: {first_line(error)}") from error

    def take(self, positions: Sequence[int]) -> Columns:
        numbers = [self.numbers[p] for p in positions]
        return Columns(self.name, self.batch.take(positions), self.schema, numbers, self.decode)


def with_column(chunk: Chunk, name: str, value: str) -> Chunk:
    """The rows with one more column, which is the same in all. None of them has one of that name yet."""
    if isinstance(chunk, Columns):
        return _more_columns(chunk, name, value)
    if isinstance(chunk, Lines):
        end = json.dumps({name: value}, ensure_ascii=False).encode("utf-8", "replace")[1:]
        return Lines(chunk.name, [_longer_line(line, end) for line in chunk.lines], chunk.numbers)
    return Rows([row if row.problem else Row(row.where, row.values | {name: value}) for row in chunk.rows()])


def has_column(chunk: Chunk, name: str) -> bool:
    """Whether one of the rows has a column of that name."""
    if isinstance(chunk, Columns):
        return name in chunk.schema.names
    if isinstance(chunk, Lines):  # few lines have the word in them at all, and only they are read
        quoted = json.dumps(name, ensure_ascii=False).encode("utf-8", "replace")
        chunk = chunk.take([position for position, line in enumerate(chunk.lines) if quoted in line])
    return any(name in values for values in chunk.objects() if values)


def _more_columns(chunk: Columns, name: str, value: str) -> Columns:
    """The schema loses its metadata, which wouldn't describe the whole any more."""
    import pyarrow as pa

    column = pa.repeat(pa.scalar(value, pa.string()), len(chunk))
    decode = chunk.decode

    def decoded(row: dict[str, Any]) -> dict[str, Any]:
        assert decode is not None
        return decode({key: item for key, item in row.items() if key != name}) | {name: value}

    return Columns(
        chunk.name,
        chunk.batch.append_column(name, column),
        chunk.schema.append(pa.field(name, pa.string())).remove_metadata(),
        chunk.numbers,
        decoded if decode else None,
    )


def _longer_line(line: bytes, end: bytes) -> bytes:
    """A JSON object with more at its end; a line that holds none stays as it is, and is told of as it is."""
    inner = line.strip(b" \t\r\n")
    if len(inner) < 2 or inner[:1] != b"{" or inner[-1:] != b"}":
        return line
    return inner[:-1] + (b", " if inner[1:-1].strip(b" \t") else b"") + end


def object_row(where: str, values: object) -> Row:
    """A row of what one JSON value holds: an object, or a problem."""
    if isinstance(values, dict):
        return Row(where, values)
    kinds = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}
    return Row(where, {}, f"a JSON object is expected, not {kinds.get(type(values), 'null')}")


def long_line(where: str, length: int) -> Row:
    """A row of a line that is not read."""
    return Row(where, {}, f"line of {length:,} bytes; at most {MAX_LINE_BYTES:,} are read, so break it up")


def first_line(error: Exception) -> str:
    """An error's message, or its name, on one line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _json_line(where: str, line: bytes) -> Row:
    if len(line) > MAX_LINE_BYTES:
        return long_line(where, len(line))
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Row(where, {}, f"not UTF-8 at byte {error.start + 1}; save the file as UTF-8")
    except json.JSONDecodeError as error:
        return Row(where, {}, f"not valid JSON: {error.msg} at column {error.colno}; one JSON object a line")
    except (ValueError, RecursionError) as error:
        return Row(where, {}, f"not readable JSON: {first_line(error)}; one JSON object a line")
    return object_row(where, values)
