"""Rows of any table a user may name: JSON Lines, JSON, CSV, Parquet, a dataset folder or a hub name.

The only room that reads tables. A defect in a row is a value (`Row.problem`), so that a reader can
report all of them at once. `datasets` and `pyarrow` are imported only for the sources that need them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from .errors import UsageError

_DATA_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
_MAX_LINE_BYTES = 32 * 1024 * 1024
_HEAD_BYTES = 4096
_HUB_TIMEOUT_S = 5.0
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_GAP = re.compile(r"[,\s]*")
_MAGIC = {
    b"\x1f\x8b": "is compressed (gzip); unpack it first",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd); unpack it first",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet; unpack it, or save it as CSV",
    b"PAR1": "is Parquet; let its name end in .parquet",
    b"\xff\xfe": "is UTF-16; save it as UTF-8",
    b"\xfe\xff": "is UTF-16; save it as UTF-8",
}


class Row(NamedTuple):
    """One row: where it stands ('seeds.jsonl:12'), its columns, or what is wrong with it."""

    where: str
    values: dict[str, Any]
    problem: str | None = None


def read_rows(source: str) -> Iterator[Row]:
    """Yield the rows of `source` in order; '-' is standard input (JSON Lines or a JSON list).

    Raises UsageError, one line, when there is nothing that could hold rows (no such file, a folder without
    data, a hub that doesn't answer within seconds), or when what follows can't be told apart any more.
    """
    if source == "-":
        yield from _json_rows("standard input", sys.stdin.buffer.read())
    elif os.path.isdir(source):
        yield from _folder_rows(source)
    elif os.path.exists(source):
        yield from _file_rows(Path(source))
    elif _HUB_NAME.fullmatch(source) and not source.lower().endswith(_DATA_SUFFIXES):
        yield from _hub_rows(source)
    else:
        raise UsageError(f"{source}: no such file or folder; check the path ('-' reads standard input)")


# --- files -----------------------------------------------------------------------------------


def _file_rows(path: Path) -> Iterator[Row]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from _parquet_rows(path)
        elif suffix in (".csv", ".tsv"):
            yield from _csv_rows(str(path), path.read_bytes(), "\t" if suffix == ".tsv" else ",")
        else:
            yield from _json_rows(str(path), path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror or _first_line(error)}") from None


def _checked(name: str, data: bytes) -> bytes:
    """The file's bytes without a byte order mark. Raises UsageError for what isn't text in UTF-8 at all."""
    for magic, what in _MAGIC.items():
        if data.startswith(magic):
            raise UsageError(f"{name}: {what}")
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise UsageError(f"{name}: is empty; a task a line is expected")
    head = data[:_HEAD_BYTES]
    even, odd = head[::2], head[1::2]
    if (0 in even) != (0 in odd) and not (even.strip(b"\0") and odd.strip(b"\0")):
        raise UsageError(f"{name}: is UTF-16; save it as UTF-8")
    if b"\0" in head and (not head.strip(b"\0") or not _is_text(head)):
        raise UsageError(f"{name}: is a binary file; JSON Lines, JSON, CSV or Parquet is expected")
    return data


def _is_text(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == _HEAD_BYTES and error.start > len(head) - 4  # the cut went through a character
    return True


def _json_rows(name: str, data: bytes) -> Iterator[Row]:
    data = _checked(name, data)
    if data.lstrip()[:1] == b"[":
        yield from _json_list(name, data)
        return
    lines = data.split(b"\n")
    if lines[0].strip() == b"{" or (len(lines) > 1 and _is_one_object(data)):
        raise UsageError(f"{name}: is one JSON object over several lines; write one object a line, or a list of them")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _json_line(f"{name}:{number}", line)


def _is_one_object(data: bytes) -> bool:
    first = data.lstrip().partition(b"\n")[0]
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        try:
            return isinstance(json.loads(data), dict)
        except (ValueError, RecursionError):
            return False
    return False


def _json_line(where: str, line: bytes) -> Row:
    if len(line) > _MAX_LINE_BYTES:
        return Row(where, {}, f"line of {len(line):,} bytes; at most {_MAX_LINE_BYTES:,} are read, so break it up")
    try:
        values = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Row(where, {}, f"not UTF-8 at byte {error.start + 1}; save the file as UTF-8")
    except json.JSONDecodeError as error:
        return Row(where, {}, f"not valid JSON: {error.msg} at column {error.colno}; one JSON object a line")
    except (ValueError, RecursionError) as error:
        return Row(where, {}, f"not readable JSON: {_first_line(error)}; one JSON object a line")
    return _object_row(where, values)


def _json_list(name: str, data: bytes) -> Iterator[Row]:
    text = _decoded(name, data)
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name}:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}; correct it there"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not readable JSON: {_first_line(error)}") from None
    if not items:
        raise UsageError(f"{name}: is an empty list; at least one task is expected")
    decoder, end = json.JSONDecoder(), text.index("[") + 1
    line = text.count("\n", 0, end) + 1
    for number, item in enumerate(items, 1):  # read a second time, to know where each begins
        gap = _GAP.match(text, end)
        start = gap.end() if gap else end
        line += text.count("\n", end, start)
        yield _object_row(f"{name}:{line} (item {number})", item)
        end = decoder.raw_decode(text, start)[1]
        line += text.count("\n", start, end)


def _object_row(where: str, values: object) -> Row:
    if isinstance(values, dict):
        return Row(where, values)
    kinds = {list: "a list", str: "a string", int: "a number", float: "a number", bool: "true or false"}
    return Row(where, {}, f"a JSON object is expected, not {kinds.get(type(values), 'null')}")


def _csv_rows(name: str, data: bytes, delimiter: str) -> Iterator[Row]:
    text = _decoded(name, _checked(name, data))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next((cells for cells in reader if cells), [])
        _check_header(name, header)
        line = reader.line_num
        for cells in reader:
            where, line = f"{name}:{line + 1}", reader.line_num
            if len(cells) > len(header):
                problem = f"{len(cells)} cells, but the header has {len(header)}; put quotes around cells with commas"
                yield Row(where, {}, problem)
            elif cells:
                yield Row(where, dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise UsageError(f"{name}:{reader.line_num}: not valid CSV: {error}; check the quotes before it") from None


def _check_header(name: str, header: list[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise UsageError(f"{name}:1: the header names {', '.join(map(repr, twice))} twice; rename one")
    if len(header) == 1 and (other := re.search(r"[;\t,|]", header[0])):
        raise UsageError(
            f"{name}:1: the header's columns seem to be parted by {other.group()!r}; "
            "save it with commas (.csv) or tabs (.tsv)"
        )


def _decoded(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}: row {number}", values)
    except UnicodeDecodeError:
        raise UsageError(f"{path}: row {number + 1} or later: text that isn't UTF-8") from None
    except pa.ArrowException as error:
        raise UsageError(f"{path}: not a readable Parquet file: {_first_line(error)}") from None


# --- through `datasets` ----------------------------------------------------------------------


def _folder_rows(source: str) -> Iterator[Row]:
    folder = Path(source)
    saved = (folder / "dataset_info.json").exists() or (folder / "dataset_dict.json").exists()
    if not saved and not any(p.suffix.lower() in _DATA_SUFFIXES for p in folder.rglob("*") if p.is_file()):
        raise UsageError(f"{source}: is a directory without data files; name the file that holds the tasks")
    import datasets

    try:
        if saved:
            yield from _split_rows(source, datasets.load_from_disk(source))
        else:  # streaming leaves no copy of the user's files in the library's cache
            yield from _split_rows(source, datasets.load_dataset(os.path.abspath(source), streaming=True))
    except Exception as error:  # whatever the library raises on foreign data ends as one line
        raise UsageError(f"{source}: `datasets` can't read this folder: {_first_line(error)}") from error


def _hub_rows(name: str) -> Iterator[Row]:
    """Rows of a dataset on the hub, or of its copy in the cache when the hub can't be reached.

    The hub is asked for the name first, once and with a short timeout: `load_dataset` alone tries again for
    half a minute without a network, and for many minutes where nobody answers.
    """
    import datasets
    import huggingface_hub
    from huggingface_hub import errors

    silence: Exception | None = None
    try:
        huggingface_hub.HfApi().dataset_info(name, timeout=_HUB_TIMEOUT_S)
    except (errors.RepositoryNotFoundError, errors.GatedRepoError):
        raise UsageError(
            f"{name}: neither a file or folder here nor a dataset on the hub that you may read; "
            "check the name, or log in with `hf auth login`"
        ) from None
    except Exception as error:  # no network, no answer, offline mode, a sick server: the cache may have it
        silence = error
    try:
        with _offline(silence is not None):
            yield from _split_rows(name, datasets.load_dataset(name))
    except Exception as error:
        why = f"the hub can't be reached ({_first_line(silence)})" if silence else _first_line(error)
        raise UsageError(
            f"{name}: neither a file or folder here nor a dataset that can be loaded: {why}; check the name"
        ) from error


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Let `datasets` look in its cache only, without trying the network again."""
    from datasets import config

    before = config.HF_HUB_OFFLINE
    config.HF_HUB_OFFLINE = before or wanted
    try:
        yield
    finally:
        config.HF_HUB_OFFLINE = before


def _split_rows(name: str, data: Any) -> Iterator[Row]:
    """The rows of the split 'train', or of the first one."""
    split = data.get("train", next(iter(data.values()))) if isinstance(data, dict) else data
    for number, values in enumerate(split, 1):
        yield Row(f"{name}: row {number}", dict(values))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
