"""Read text files: JSON Lines in blocks, JSON lists as a whole, CSV and TSV with a header. Used by `sources`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from ..core.errors import UsageError
from .chunks import (
    BLOCK_BYTES,
    MAX_LINE_BYTES,
    Chunk,
    LineChunk,
    Row,
    RowChunk,
    batch_rows,
    first_line,
    long_line,
    object_row,
)
from .heads import decode_utf8, read_head

_BLANKS = re.compile(r"[ \t\r\n]*")
# A list is read as a whole; a longer file has to be JSON Lines.
_MOST_LIST_BYTES = 1024 * 1024 * 1024
# Items of a list that are not objects to report one by one.
_MOST_WRONG = 100


def json_chunks(name: str, file: BinaryIO) -> Iterator[LineChunk | RowChunk]:
    """Yield chunks of JSON Lines or of a JSON list. Raises UsageError for anything else."""
    head = read_head(name, file)
    if head.lstrip()[:1] == b"[":
        blocks, size = [head], len(head)
        while block := file.read(BLOCK_BYTES):
            blocks.append(block)
            size += len(block)
            if size > _MOST_LIST_BYTES:
                raise UsageError(f"{name}: is a JSON list above {_MOST_LIST_BYTES:,} bytes; write one object per line")
        yield from batch_rows(_list_rows(name, decode_utf8(name, b"".join(blocks))))
        return
    head += _refuse_one_object(name, head, file)
    # Keep line numbers while dropping blank lines. A line that is too long arrives as its length.
    number = 1
    for found in _lines(head, file):
        if isinstance(found, int):
            yield RowChunk([long_line(f"{name}:{number}", found)])
            number += 1
            continue
        numbers = range(number, number + len(found))
        number += len(found)
        if all(found) and not any(map(bytes.isspace, found)):
            yield LineChunk(name, found, numbers)
        elif full := [position for position, line in enumerate(found) if line.strip()]:
            yield LineChunk(name, found, numbers).take(full)


def _lines(block: bytes, file: BinaryIO) -> Iterator[list[bytes] | int]:
    """Yield the lines of each block; for a line above MAX_LINE_BYTES, only its length."""
    rest = b""
    while block:
        *lines, rest = (rest + block).split(b"\n")  # `rest` continues in the next block
        if lines:
            yield lines
        block = file.read(BLOCK_BYTES)
        if len(rest) > MAX_LINE_BYTES:
            # Skip to the end of the long line, counting bytes without keeping them.
            length, end = len(rest), -1
            while block and (end := block.find(b"\n")) < 0:
                length += len(block)
                block = file.read(BLOCK_BYTES)
            yield length + max(end, 0)
            rest, block = b"", block[end + 1 :] or file.read(BLOCK_BYTES)
    if rest:
        yield [rest]


def _refuse_one_object(name: str, head: bytes, file: BinaryIO) -> bytes:
    """Raise UsageError if the file is a single JSON object over several lines; return what was read to check that.

    Such a file begins with a line `{`, or parses as one object if it is no larger than a line may be.
    """
    more = b""
    first, more_lines, _ = head.lstrip().partition(b"\n")
    alone = bool(more_lines) and first.strip() == b"{"
    if more_lines and not alone and not _is_object(first):
        more = file.read(MAX_LINE_BYTES)
        alone = len(more) < MAX_LINE_BYTES and _is_object(head + more)
    if alone:
        raise UsageError(f"{name}: is one JSON object over several lines; write one object per line, or a list")
    return more


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def _list_rows(name: str, text: str) -> Iterator[Row]:
    """Yield the items of a list, after a first pass that only finds defects of the whole: neither keeps the items."""
    count = wrong = 0
    try:
        for _, item in _list_items(text):
            count += 1
            wrong += not isinstance(item, dict)
            if wrong > _MOST_WRONG:
                raise UsageError(f"{name}: is a list with more than {_MOST_WRONG} items that are not JSON objects")
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name}:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}; correct the file there"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not readable JSON: {first_line(error)}") from None
    if not count:
        raise UsageError(f"{name}: is an empty list; add at least one task")
    line, end = 1, 0
    for number, (start, item) in enumerate(_list_items(text), 1):
        line, end = line + text.count("\n", end, start), start
        yield object_row(f"{name}:{line} (item {number})", item)


def _list_items(text: str) -> Iterator[tuple[int, object]]:
    """Yield the items of a JSON list one by one, with their positions in the text. Raises ValueError like `json`."""
    decoder = json.JSONDecoder()
    start = _skip_blanks(text, text.index("[") + 1)
    more = not text.startswith("]", start)
    end = start
    while more:
        item, end = decoder.raw_decode(text, start)
        yield start, item
        end = _skip_blanks(text, end)
        more = text.startswith(",", end)
        if not more and not text.startswith("]", end):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, end)
        start = _skip_blanks(text, end + 1)
    if _skip_blanks(text, end + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, _skip_blanks(text, end + 1))


def _skip_blanks(text: str, start: int) -> int:
    blanks = _BLANKS.match(text, start)
    return blanks.end() if blanks else start


def csv_chunks(name: str, file: BinaryIO, delimiter: str) -> Iterator[Chunk]:
    """Yield chunks of rows, named by the header. Raises UsageError where the quoting is broken."""
    yield from batch_rows(_csv_rows(name, file, delimiter))


def _csv_rows(name: str, file: BinaryIO, delimiter: str) -> Iterator[Row]:
    # Python's own limit, for the whole process, is 128 KiB per cell.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
    reader = csv.reader(_text_lines(name, read_head(name, file), file), delimiter=delimiter, strict=True)
    try:
        header = next((cells for cells in reader if cells), [])
        _check_header(name, header)
        line = reader.line_num
        for cells in reader:
            # A quoted cell may span lines: a row begins on the line after the end of the previous row.
            where, line = f"{name}:{line + 1}", reader.line_num
            if len(cells) > len(header):
                problem = f"{len(cells)} cells, but the header has {len(header)}; quote the cells that contain commas"
                yield Row(where, {}, problem)
            elif cells:
                yield Row(where, dict(zip(header, cells, strict=False)))
    except csv.Error as error:
        raise UsageError(f"{name}:{reader.line_num}: not valid CSV: {error}; check the quotes up to here") from None


def _text_lines(name: str, block: bytes, file: BinaryIO) -> Iterator[str]:
    r"""Yield lines with their ends: \n, \r\n or \r."""
    rest, number = b"", 1
    while block:
        # The last line of a block may be incomplete: keep it for the next block.
        *lines, rest = (rest + block).splitlines(keepends=True)
        for line in lines:
            yield decode_utf8(name, line, number)
            number += line.endswith(b"\n")
        if len(rest) > MAX_LINE_BYTES:
            raise UsageError(f"{name}:{number}: a line above {MAX_LINE_BYTES:,} bytes; check the line ends")
        block = file.read(BLOCK_BYTES)
    yield decode_utf8(name, rest, number)


def _check_header(name: str, header: list[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise UsageError(f"{name}:1: the header names {', '.join(map(repr, twice))} twice; rename one")
    if len(header) == 1 and (other := re.search(r"[;\t,|]", header[0])):
        raise UsageError(
            f"{name}:1: the header seems to be separated by {other.group()!r}; "
            "save the file with commas (.csv) or tabs (.tsv)"
        )
