"""Rows of any table a user may name: JSON Lines, JSON, CSV, Parquet, a dataset folder or a hub name.

The only room that reads tables. A defect in a row is a value (`Row.problem`), so that a reader can
report all of them at once. `datasets` and `pyarrow` are imported only for the sources that need them.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .errors import UsageError

_DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_MAX_LINE_BYTES = 32 * 1024 * 1024


class Row(NamedTuple):
    """One row: where it stands ('seeds.jsonl:12'), its columns, or what is wrong with it."""

    where: str
    values: dict[str, Any]
    problem: str | None = None


def read_rows(source: str) -> Iterator[Row]:
    """Yield the rows of `source` in order; '-' is standard input (JSON Lines or a JSON list).

    Raises UsageError when there is nothing that could hold rows: no such file, a folder without data.
    """
    if source == "-":
        yield from _json_rows("standard input", sys.stdin.buffer.read())
        return
    path = Path(source)
    if path.is_dir():
        yield from _dataset_rows(source, path)
    elif path.exists():
        yield from _file_rows(path)
    elif path.suffix.lower() in _DATA_SUFFIXES or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise UsageError(f"{source}: no such file; check the path, or '-' reads standard input")
    else:
        yield from _hub_rows(source)


def _file_rows(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _parquet_rows(path)
        else:
            data = path.read_bytes()
            if suffix in (".csv", ".tsv"):
                yield from _csv_rows(str(path), data, "\t" if suffix == ".tsv" else ",")
            else:
                yield from _json_rows(str(path), data)
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror or error}") from None


def _json_rows(name: str, data: bytes) -> Iterator[Row]:
    if not data.strip():
        raise UsageError(f"{name}: is empty; a task a line is expected")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UsageError(f"{name}: is UTF-16; save it as UTF-8")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.lstrip()[:1] == b"[":
        yield from _json_list(name, data)
        return
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip():
            yield _json_line(f"{name}:{number}", line)


def _json_line(where: str, line: bytes) -> Row:
    if len(line) > _MAX_LINE_BYTES:
        return Row(where, {}, f"line of {len(line):,} bytes; at most {_MAX_LINE_BYTES:,} are read")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Row(where, {}, f"not UTF-8 at byte {error.start}; save the file as UTF-8")
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        return Row(where, {}, f"not valid JSON: {error.msg} at column {error.colno}; one JSON object a line")
    except RecursionError:
        return Row(where, {}, "JSON is nested too deep")
    if not isinstance(values, dict):
        return Row(where, {}, f"a JSON object is expected, not {_kind(values)}")
    return Row(where, values)


def _json_list(name: str, data: bytes) -> Iterator[Row]:
    try:
        items = json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise UsageError(f"{name}: JSON is nested too deep") from None
    for number, item in enumerate(items, 1):
        where = f"{name}: item {number}"
        if isinstance(item, dict):
            yield Row(where, item)
        else:
            yield Row(where, {}, f"a JSON object is expected, not {_kind(item)}")


def _csv_rows(name: str, data: bytes, delimiter: str) -> Iterator[Row]:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        if not reader.fieldnames:
            raise UsageError(f"{name}: is empty; a header line and a task a row are expected")
        for values in reader:
            where = f"{name}:{reader.line_num}"
            if None in values:
                yield Row(where, {}, f"more cells than the header's {len(reader.fieldnames)}; quote the commas")
            else:
                yield Row(where, {key: value for key, value in values.items() if value is not None})
    except csv.Error as error:
        raise UsageError(f"{name}:{reader.line_num}: not valid CSV: {error}") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = 0
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}: row {number}", values)
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path}: not a Parquet file: {str(error).splitlines()[0]}") from None


def _dataset_rows(source: str, folder: Path) -> Iterator[Row]:
    saved = (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists()
    if not saved and not any(p.suffix.lower() in _DATA_SUFFIXES for p in folder.rglob("*") if p.is_file()):
        raise UsageError(f"{source}: is a directory without data files; name the file that holds the tasks")
    import datasets

    try:
        data = datasets.load_from_disk(source) if saved else datasets.load_dataset(source)
    except Exception as error:  # whatever the library raises on foreign data ends as one line
        raise UsageError(f"{source}: `datasets` can't read it: {_first_line(error)}") from error
    yield from _split_rows(source, data)


def _hub_rows(name: str) -> Iterator[Row]:
    import datasets

    try:
        data = datasets.load_dataset(name)
    except Exception as error:  # no such dataset, no network, gated, a script ...: one line
        raise UsageError(
            f"{name}: neither a file here nor a dataset that can be loaded: {_first_line(error)}"
        ) from error
    yield from _split_rows(name, data)


def _split_rows(name: str, data: Any) -> Iterator[Row]:
    split = data["train"] if hasattr(data, "keys") and "train" in data else data
    if hasattr(split, "keys"):
        split = next(iter(split.values()))
    for number, values in enumerate(split, 1):
        yield Row(f"{name}: row {number}", dict(values))


def _kind(value: object) -> str:
    names = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "null")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
