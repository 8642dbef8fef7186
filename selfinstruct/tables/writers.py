"""Write rows in chunks: JSON Lines, JSON, CSV, or Parquet in one file or in a folder of files.

`dedup` and `export` use the writers.

A writer receives all chunks twice: `survey` before `open`, because the types of a Parquet file and the header of a CSV
file come first, then `write`. Rows are not converted if input and output have the same form: lines are copied byte for
byte, Arrow batches without Python values in between.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from ..core.errors import UsageError
from .chunks import ArrowChunk, Chunk, LineChunk, first_line

if TYPE_CHECKING:
    import pyarrow as pa

# Size of a Parquet row group, and of a file of a Parquet folder.
_GROUP_BYTES = 32 * 1024 * 1024
_SHARD_BYTES = 512 * 1024 * 1024
_NO_CELL = "a cell holds text or a number; write .jsonl or .parquet"
_ONE_TYPE = "a Parquet column has one type; write .jsonl"
_HALF = "contains half a surrogate pair, which has no UTF-8 form; write .jsonl"


class Writer(Protocol):
    """Writes rows in one format. Raises UsageError for rows that the format can't represent."""

    def survey(self, chunk: Chunk, objects: Sequence[Mapping[str, Any] | None]) -> None:
        """Note the columns and types of these rows. `objects` are the values read so far; columns may be missing."""

    def open(self, path: Path) -> None:
        """Start writing to `path`."""

    def write(self, chunk: Chunk) -> None: ...

    def close(self) -> None:
        """Finish the file, if one is open."""


class JsonLinesWriter:
    """Writes one JSON object per line, ending in a line feed. Lines read from JSON Lines keep their bytes.

    Numbers that JSON has no form for (NaN, infinities) become null.
    """

    _before, _between, _after = b"", b"\n", b"\n"

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._has_rows = False

    def survey(self, chunk: Chunk, objects: Sequence[Mapping[str, Any] | None]) -> None:
        """Do nothing: any row can be written."""

    def open(self, path: Path) -> None:
        self._file = path.open("wb", buffering=1024 * 1024)
        self._file.write(self._before)

    def write(self, chunk: Chunk) -> None:
        assert self._file is not None
        if isinstance(chunk, LineChunk):
            lines = [_without_nan(line) if b"NaN" in line or b"Infinity" in line else line for line in chunk.lines]
        else:
            lines = [_json_bytes(row.where, row.values) for row in chunk.rows()]
        if lines:
            self._file.write((self._between if self._has_rows else b"") + self._between.join(lines))
            self._has_rows = True

    def close(self) -> None:
        if self._file is not None:
            self._file.write(self._after if self._has_rows or self._before else b"")
            self._file.close()


class JsonWriter(JsonLinesWriter):
    """Writes a JSON list with one object per line."""

    _before, _between, _after = b"[\n", b",\n", b"\n]\n"


class CsvWriter:
    """Writes the columns of all rows, in order of first appearance; a missing value becomes an empty cell."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._header: dict[str, None] = {}
        self._known: pa.Schema | None = None
        self._file: IO[str] | None = None

    def survey(self, chunk: Chunk, objects: Sequence[Mapping[str, Any] | None]) -> None:
        if isinstance(chunk, ArrowChunk):
            if chunk.schema is not self._known:  # all chunks of a table share one schema
                self._known = chunk.schema
                self._survey_schema(chunk)
            return
        for position, values in enumerate(objects):
            if values is None:
                continue
            self._header.update(dict.fromkeys(values))
            for name, value in values.items():
                if isinstance(value, list | dict):
                    where = next(chunk.take([position]).rows()).where
                    raise UsageError(f"{where}: column {name!r} holds a {type(value).__name__}; {_NO_CELL}")

    def _survey_schema(self, chunk: ArrowChunk) -> None:
        import pyarrow as pa

        self._header.update(dict.fromkeys(chunk.schema.names))
        for field in chunk.schema:
            kind = field.type
            if pa.types.is_nested(kind) or pa.types.is_binary(kind) or isinstance(kind, pa.BaseExtensionType):
                raise UsageError(f"{chunk.name}: column {field.name!r} is of type {kind}; {_NO_CELL}")

    def open(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="", buffering=1024 * 1024)
        self._writer = csv.writer(self._file, delimiter=self._delimiter, lineterminator="\n")
        self._writer.writerow(self._header)

    def write(self, chunk: Chunk) -> None:
        for row in chunk.rows():
            try:
                self._writer.writerow([_cell(row.values.get(name)) for name in self._header])
            except UnicodeEncodeError:
                raise UsageError(f"{row.where}: {_HALF}") from None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class ParquetWriter:
    """Writes Parquet in row groups of some megabytes; with `shards`, as a folder `data` of files of about 500 MB.

    Arrow types are kept. For other rows, `pyarrow` infers the types from all rows together.
    """

    def __init__(self, shards: bool = False) -> None:
        self._shards = shards
        self._schema: pa.Schema | None = None
        self._known: pa.Schema | None = None
        self._open: Any = None
        self._pending: list[pa.Table] = []
        self._pending_bytes = self._shard_bytes = self._shard = 0

    def survey(self, chunk: Chunk, objects: Sequence[Mapping[str, Any] | None]) -> None:
        import pyarrow as pa

        if isinstance(chunk, ArrowChunk):
            if chunk.schema is self._known:
                return
            schema = self._known = chunk.schema
        else:
            schema = _infer_schema(chunk, objects)
        if self._schema is None:
            self._schema = schema
        elif not self._schema.equals(schema):
            try:  # drop the metadata, which describes only one of the schemas
                both = [self._schema.remove_metadata(), schema.remove_metadata()]
                self._schema = pa.unify_schemas(both, promote_options="permissive")
            except pa.ArrowException as error:
                where = next(chunk.take([0]).rows()).where
                raise UsageError(f"{where} or later: {first_line(error)}; {_ONE_TYPE}") from None

    def open(self, path: Path) -> None:
        if self._shards:
            (path / "data").mkdir(parents=True)
        self._path = path
        self._begin()

    def write(self, chunk: Chunk) -> None:
        table = self._fit_to_schema(chunk)
        self._pending.append(table)
        self._pending_bytes += table.nbytes
        if self._pending_bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        if self._open is not None:
            self._flush()
            self._open.close()

    def _begin(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._path / "data" / f"train-{self._shard:05d}.parquet" if self._shards else self._path
        try:
            self._open = pq.ParquetWriter(path, self._schema)
        except pa.ArrowException as error:
            raise UsageError(f"{first_line(error)}; write .jsonl") from None

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._pending:
            return
        if self._shards and self._shard_bytes >= _SHARD_BYTES:
            self._open.close()
            self._shard, self._shard_bytes = self._shard + 1, 0
            self._begin()
        self._open.write_table(pa.concat_tables(self._pending))
        self._shard_bytes += self._pending_bytes
        self._pending, self._pending_bytes = [], 0

    def _fit_to_schema(self, chunk: Chunk) -> pa.Table:
        """Return the rows with exactly the columns and types of the output."""
        import pyarrow as pa

        schema = self._schema
        assert schema is not None
        try:
            if not isinstance(chunk, ArrowChunk):
                return pa.Table.from_pylist([row.values for row in chunk.rows()], schema=schema)
            given = pa.Table.from_batches([chunk.batch])
            if given.schema.equals(schema):
                return given.replace_schema_metadata(schema.metadata)
            columns = [
                given[field.name].cast(field.type)
                if field.name in given.column_names
                else pa.nulls(len(given), field.type)
                for field in schema
            ]
            return pa.Table.from_arrays(columns, schema=schema)
        except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
            where = next(chunk.rows()).where
            raise UsageError(f"{where} or later: {first_line(error)}; {_ONE_TYPE}") from None


WRITERS: dict[str, Callable[[], Writer]] = {
    ".jsonl": JsonLinesWriter,
    ".ndjson": JsonLinesWriter,
    ".json": JsonWriter,
    ".parquet": ParquetWriter,
    ".csv": lambda: CsvWriter(","),
    ".tsv": lambda: CsvWriter("\t"),
}
"""The writers of files, by suffix."""


def _infer_schema(chunk: Chunk, objects: Sequence[Mapping[str, Any] | None]) -> pa.Schema:
    import pyarrow as pa

    names = dict.fromkeys(name for values in objects if values for name in values)
    fields = []
    for name in names:
        try:
            column = [values.get(name) if values else None for values in objects]
            fields.append(pa.field(name, pa.array(column).type))
        except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
            where = next(chunk.take([0]).rows()).where
            raise UsageError(f"{where} or later: column {name!r}: {first_line(error)}; {_ONE_TYPE}") from None
    return pa.schema(fields)


def _json_bytes(where: str, values: Mapping[str, Any]) -> bytes:
    try:
        try:
            text = json.dumps(values, ensure_ascii=False, default=_json_default, allow_nan=False)
        except ValueError:
            values = _finite(values)
            text = json.dumps(values, ensure_ascii=False, default=_json_default, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise UsageError(f"{where}: {error}; write .parquet") from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair can only be written as an escape
        return json.dumps(values, default=_json_default).encode()


def _without_nan(line: bytes) -> bytes:
    """Replace NaN and infinities in a line of JSON by null; a line without any is unchanged."""
    found: list[str] = []
    try:
        values = json.loads(line, parse_constant=found.append)  # returns None
    except RecursionError:  # read before, in fewer frames
        return line
    return _json_bytes("", values) if found else line


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _json_default(value: object) -> str:
    """Convert a date, time or decimal to text, since JSON has no form for them."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__} can't be written as JSON")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _finite(value)  # an empty cell for NaN, as pandas writes it
