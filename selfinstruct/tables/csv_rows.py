"""Read CSV and TSV files with a header. `sources` uses this module."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import BinaryIO

from ..core.errors import UsageError
from .chunks import BLOCK_BYTES, MAX_LINE_BYTES, Chunk, Row, batch_rows
from .heads import decode_utf8, read_head


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
