"""JSON Lines in blocks, and JSON lists, which are read whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from ..core.errors import UsageError
from .chunks import BATCH_ROWS, BLOCK_BYTES, MAX_LINE_BYTES, Chunk, Lines, Row, Rows, first_line, long_line, object_row
from .heads import decoded, read_head

_GAP = re.compile(r"[,\s]*")


def json_chunks(name: str, file: BinaryIO) -> Iterator[Chunk]:
    """Chunks of JSON Lines or of a JSON list; raises UsageError for what is neither."""
    head = read_head(name, file)
    if head.lstrip()[:1] == b"[":
        yield from _list_chunks(name, head + file.read())
        return
    head += _refuse_one_object(name, head, file)
    number = 1
    for found in _lines(head, file):
        if isinstance(found, int):
            yield Rows([long_line(f"{name}:{number}", found)])
            number += 1
            continue
        numbers = range(number, number + len(found))
        number += len(found)
        if all(found) and not any(map(bytes.isspace, found)):
            yield Lines(name, found, numbers)
        elif full := [position for position, line in enumerate(found) if line.strip()]:
            yield Lines(name, found, numbers).take(full)


def _lines(block: bytes, file: BinaryIO) -> Iterator[list[bytes] | int]:
    """The lines of one block after the other; of a line that is too long its length only."""
    rest = b""
    while block:
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield lines
        block = file.read(BLOCK_BYTES)
        if len(rest) > MAX_LINE_BYTES:
            length, end = len(rest), -1
            while block and (end := block.find(b"\n")) < 0:
                length += len(block)
                block = file.read(BLOCK_BYTES)
            yield length + max(end, 0)
            rest, block = b"", block[end + 1 :] or file.read(BLOCK_BYTES)
    if rest:
        yield [rest]


def _refuse_one_object(name: str, head: bytes, file: BinaryIO) -> bytes:
    """Raise UsageError when the file is one JSON object; gives what had to be read besides its head to tell.

    An object of several lines is known by its first line, `{`, or, when it is no larger than a line may be, by
    reading it.
    """
    more = b""
    first, more_lines, _ = head.lstrip().partition(b"\n")
    alone = bool(more_lines) and first.strip() == b"{"
    if more_lines and not alone and not _is_object(first):
        more = file.read(MAX_LINE_BYTES)
        alone = len(more) < MAX_LINE_BYTES and _is_object(head + more)
    if alone:
        raise UsageError(f"{name}: is one JSON object over several lines; write one object a line, or a list of them")
    return more


def _is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except (ValueError, RecursionError):
        return False


def _list_chunks(name: str, data: bytes) -> Iterator[Chunk]:
    rows: list[Row] = []
    for row in _list_rows(name, decoded(name, data)):
        rows.append(row)
        if len(rows) == BATCH_ROWS:
            yield Rows(rows)
            rows = []
    if rows:
        yield Rows(rows)


def _list_rows(name: str, text: str) -> Iterator[Row]:
    try:
        items = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name}:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}; correct it there"
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name}: not readable JSON: {first_line(error)}") from None
    if not items:
        raise UsageError(f"{name}: is an empty list; at least one task is expected")
    decoder, end = json.JSONDecoder(), text.index("[") + 1
    line = text.count("\n", 0, end) + 1
    for number, item in enumerate(items, 1):  # read a second time, to know where each begins
        gap = _GAP.match(text, end)
        start = gap.end() if gap else end
        line += text.count("\n", end, start)
        yield object_row(f"{name}:{line} (item {number})", item)
        end = decoder.raw_decode(text, start)[1]
        line += text.count("\n", start, end)
