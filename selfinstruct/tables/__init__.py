"""Rows of any table a user may name: JSON Lines, JSON, CSV, Parquet, a dataset folder or a hub name.

The only room that reads tables. Everything streams: a table of any size passes through in chunks of some
megabytes. A defect in a row is a value (`Row.problem`), so that a reader can report all of them at once.
`datasets` and `pyarrow` are imported only for the sources that need them.
"""

from __future__ import annotations

from .chunks import Chunk, Row
from .sources import Source, find_source, read_chunks, read_rows

__all__ = ["Chunk", "Row", "Source", "find_source", "read_chunks", "read_rows"]
