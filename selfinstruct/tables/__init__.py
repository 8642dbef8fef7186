"""Read and write tables: JSON Lines, JSON, CSV, Parquet, a dataset folder or a name on the Hugging Face hub.

Seeds, filters, trainers and dedup use this package. Everything streams in chunks of some megabytes, so a table of any
size fits. A defect in a row is a value (`Row.problem`), so that a reader can report many defects at once. `datasets`
and `pyarrow` are imported only for the sources that need them.
"""

from __future__ import annotations

from .chunks import ArrowChunk, Chunk, Row, RowChunk, has_column, with_column
from .columns import Column, parse_columns, text_of, texts_of, why_no_text
from .sources import TableSource, find_source, plain_files, read_chunks, read_rows
from .writers import WRITERS, JsonLinesWriter, ParquetWriter, Writer

__all__ = [
    "WRITERS", "ArrowChunk", "Chunk", "Column", "JsonLinesWriter", "ParquetWriter", "Row", "RowChunk", "TableSource",
    "Writer", "find_source", "has_column", "parse_columns", "plain_files", "read_chunks", "read_rows", "text_of",
    "texts_of", "why_no_text", "with_column",
]  # fmt: skip
