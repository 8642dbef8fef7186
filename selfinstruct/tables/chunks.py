"""Chunks of consecutive rows, in whichever form was cheapest to read: Python values, JSON lines or Arrow batches."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_LINE_BYTES = 32 * 1024 * 1024
# Text files are read in blocks of this size; a chunk holds the lines that end in one block.
BLOCK_BYTES = 4 * 1024 * 1024
_JSON_BLANKS = " \t\r\n"
# Rows per chunk for tables that are not read by blocks of bytes.
BATCH_ROWS = 1024


class Row(NamedTuple):
    """One row: its location ('seeds.jsonl:12'), its columns, and the problem that makes it unreadable, if any."""

    where: str
    values: dict[str, Any]
    problem: str | None = None


class Chunk(Protocol):
    """Consecutive rows, parsed only as far as needed to separate them."""

    def __len__(self) -> int: ...

    def rows(self) -> Iterator[Row]:
        """Yield each row with its location and its problem."""

    def objects(self) -> list[dict[str, Any] | None]:
        """Return the columns of each row, without locations, which is faster; None for a row with a problem."""

    def take(self, positions: Sequence[int]) -> Chunk:
        """Return the rows at `positions`, in that order."""


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Rows as Python values."""

    items: Sequence[Row]

    def __len__(self) -> int:
        return len(self.items)

    def rows(self) -> Iterator[Row]:
        return iter(self.items)

    def objects(self) -> list[dict[str, Any] | None]:
        return [None if row.problem else row.values for row in self.items]

    def take(self, positions: Sequence[int]) -> RowChunk:
        return RowChunk([self.items[p] for p in positions])


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Lines of JSON as in the file, without line ends, and their line numbers."""

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

    def take(self, positions: Sequence[int]) -> LineChunk:
        return LineChunk(self.name, [self.lines[p] for p in positions], [self.numbers[p] for p in positions])


@dataclass(frozen=True, slots=True)
class ArrowChunk:
    """Rows of an Arrow table."""

    name: str  # the table, for messages
    batch: pa.RecordBatch  # the rows; may lack some columns of the table
    schema: pa.Schema  # the schema of the whole table
    numbers: Sequence[int]  # the number of each row, from 1
    # Converts a row from Arrow's Python values where `datasets` features need it (images, audio).
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
        except Exception as error:  # libraries raise anything on foreign data
            place = f"{self.name}: row {self.numbers[0]} or later"
            raise UsageError(f"{place}: can't be read: {first_line(error)}") from error

    def take(self, positions: Sequence[int]) -> ArrowChunk:
        numbers = [self.numbers[p] for p in positions]
        return ArrowChunk(self.name, self.batch.take(positions), self.schema, numbers, self.decode)


def batch_rows(rows: Iterable[Row]) -> Iterator[RowChunk]:
    """Group rows into chunks, none of them empty. If reading fails, yield the rows before the failure first."""
    pending: list[Row] = []
    try:
        for row in rows:
            pending.append(row)
            if len(pending) == BATCH_ROWS:
                yield RowChunk(pending)
                pending = []
    except UsageError:
        if pending:
            yield RowChunk(pending)
        raise
    if pending:
        yield RowChunk(pending)


def with_column(chunk: Chunk, name: str, value: str) -> Chunk:
    """Return the rows with a further column `name`, which none of them has, with the same value in each row."""
    if isinstance(chunk, ArrowChunk):
        return _append_arrow_column(chunk, name, value)
    if isinstance(chunk, LineChunk):
        # Splice the column into the text, without parsing it: '{"a": 1}' becomes '{"a": 1, "source": "x"}'.
        end = json.dumps({name: value}, ensure_ascii=False).encode("utf-8", "replace")[1:]
        return LineChunk(chunk.name, [_append_to_line(line, end) for line in chunk.lines], chunk.numbers)
    return RowChunk([row if row.problem else Row(row.where, row.values | {name: value}) for row in chunk.rows()])


def has_column(chunk: Chunk, name: str) -> bool:
    """Return whether any row has a column of that name."""
    if isinstance(chunk, ArrowChunk):
        return name in chunk.schema.names
    if isinstance(chunk, LineChunk):  # parse only the few lines that contain the quoted name
        quoted = json.dumps(name, ensure_ascii=False).encode("utf-8", "replace")
        chunk = chunk.take([position for position, line in enumerate(chunk.lines) if quoted in line])
    return any(name in values for values in chunk.objects() if values)


def _append_arrow_column(chunk: ArrowChunk, name: str, value: str) -> ArrowChunk:
    """Append a constant column. The schema loses its metadata, which would not describe the new column."""
    import pyarrow as pa

    column = pa.repeat(pa.scalar(value, pa.string()), len(chunk))
    decode = chunk.decode

    def decoded(row: dict[str, Any]) -> dict[str, Any]:
        assert decode is not None
        return decode({key: item for key, item in row.items() if key != name}) | {name: value}

    return ArrowChunk(
        chunk.name,
        chunk.batch.append_column(name, column),
        chunk.schema.append(pa.field(name, pa.string())).remove_metadata(),
        chunk.numbers,
        decoded if decode else None,
    )


def _append_to_line(line: bytes, end: bytes) -> bytes:
    """Add `end`, such as b'"source": "x"}', to a JSON object; a line that is not an object is unchanged."""
    inner = line.strip(b" \t\r\n")
    if len(inner) < 2 or inner[:1] != b"{" or inner[-1:] != b"}":
        return line
    return inner[:-1] + (b", " if inner[1:-1].strip(b" \t") else b"") + end


def object_row(where: str, values: object) -> Row:
    """Make a row from one JSON value; anything but an object is a problem."""
    if isinstance(values, dict):
        return Row(where, values)
    return Row(where, {}, f"a JSON object is expected, not {kind_of(values)}")


def kind_of(value: object) -> str:
    """Return what a value of a row is, in words: 'null', 'a number', 'a list'."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "a string", list: "a list"}
    return (kinds | {dict: "an object"}).get(type(value), f"a {type(value).__name__}")


def long_line(where: str, length: int) -> Row:
    """Make a row for a line that is too long to read."""
    return Row(where, {}, f"line of {length:,} bytes is too long; the limit is {MAX_LINE_BYTES:,}, so split the row")


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its class."""
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
        return Row(where, {}, f"not valid JSON: {error.msg} at column {error.colno}; write one JSON object per line")
    except (ValueError, RecursionError) as error:
        return Row(where, {}, f"not readable JSON: {first_line(error)}; write one JSON object per line")
    return object_row(where, values)
