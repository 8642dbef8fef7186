"""CSV and TSV with a header, read line by line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import BinaryIO

from ..core.errors import UsageError
from .chunks import BATCH_ROWS, BLOCK_BYTES, Chunk, Row, Rows
from .heads import decoded, read_head


def csv_chunks(name: str, file: BinaryIO, delimiter: str) -> Iterator[Chunk]:
    """Chunks of rows by the header's names; raises UsageError from the place on where cells can't be told apart."""
    reader = csv.reader(_text_lines(name, read_head(name, file), file), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    try:
        header = next((cells for cells in reader if cells), [])
        _check_header(name, header)
        line = reader.line_num
        for cells in reader:
            where, line = f"{name}:{line + 1}", reader.line_num
            if len(cells) > len(header):
                problem = f"{len(cells)} cells, but the header has {len(header)}; put quotes around cells with commas"
                rows.append(Row(where, {}, problem))
            elif cells:
                rows.append(Row(where, dict(zip(header, cells, strict=False))))
            if len(rows) == BATCH_ROWS:
                yield Rows(rows)
                rows = []
    except csv.Error as error:
        if rows:
            yield Rows(rows)
        raise UsageError(f"{name}:{reader.line_num}: not valid CSV: {error}; check the quotes before it") from None
    if rows:
        yield Rows(rows)


def _text_lines(name: str, block: bytes, file: BinaryIO) -> Iterator[str]:
    """Lines with their ends, whichever of the three usual ends they have."""
    rest, number = b"", 1
    while block:
        *lines, rest = (rest + block).splitlines(keepends=True)
        for line in lines:
            yield decoded(name, line, number)
            number += line.endswith(b"\n")
        block = file.read(BLOCK_BYTES)
    yield decoded(name, rest, number)


def _check_header(name: str, header: list[str]) -> None:
    twice = sorted({column for column in header if header.count(column) > 1})
    if twice:
        raise UsageError(f"{name}:1: the header names {', '.join(map(repr, twice))} twice; rename one")
    if len(header) == 1 and (other := re.search(r"[;\t,|]", header[0])):
        raise UsageError(
            f"{name}:1: the header's columns seem to be parted by {other.group()!r}; "
            "save it with commas (.csv) or tabs (.tsv)"
        )
