"""Rows of any table a user may name: JSON Lines, JSON, CSV, Parquet, a dataset folder or a hub name.

The only room that reads and writes tables. Everything streams: a table of any size passes through in chunks of some
megabytes. A defect in a row is a value (`Row.problem`), so that a reader can report all of them at once.
`datasets` and `pyarrow` are imported only for the sources that need them.
"""

from __future__ import annotations

from .chunks import Chunk, Row, Rows
from .columns import Column, parse_columns, text_of, texts_of, why_no_text
from .sources import Source, find_source, plain_files, read_chunks, read_rows
from .writers import CsvWriter, JsonLinesWriter, ParquetWriter, Writer

__all__ = [
    "Chunk", "Column", "CsvWriter", "JsonLinesWriter", "ParquetWriter", "Row", "Rows", "Source", "Writer",
    "find_source", "parse_columns", "plain_files", "read_chunks", "read_rows", "text_of", "texts_of", "why_no_text",
]  # fmt: skip
