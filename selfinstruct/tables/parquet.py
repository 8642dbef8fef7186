"""Read Parquet files in batches of rows. `sources` uses this module."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .chunks import BATCH_ROWS, BLOCK_BYTES, ArrowChunk, Chunk, first_line

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Rows to decode at once, at most: few, since a value of any size may be stored once and repeated in every row.
_STEP_ROWS = 128
# A file above this size in memory may not be more than so many times its size on disk. Tables of real text reach
# about 20 times; a file made to exhaust the memory, a million.
_FREE_BYTES, _MOST_TIMES = 256 * 1024 * 1024, 1000
_SMALL_BYTES = 64 * 1024 * 1024
_ITEM_BYTES = 8  # of an item of a Python list, at least


def parquet_chunks(name: str, path: Path, columns: Collection[str] | None = None) -> Iterator[Chunk]:
    """Yield chunks of a Parquet file; only `columns`, if the file has all of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number, unpacked, allowed = 1, 0, max(_FREE_BYTES, _MOST_TIMES * path.stat().st_size)
    try:
        # pre_buffer would read whole row groups into memory.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            step = _rows_per_step(name, file.metadata, allowed)
            schema = file.schema_arrow
            wanted = list(columns) if columns and set(columns) <= set(schema.names) else None
            pending: list[pa.RecordBatch] = []
            rows = size = 0
            for batch in file.iter_batches(step, columns=wanted):
                pending.append(batch)
                rows, size, unpacked = rows + len(batch), size + batch.nbytes, unpacked + _size(batch)
                _check_size(name, unpacked, allowed)
                if rows >= BATCH_ROWS or size >= BLOCK_BYTES:
                    yield ArrowChunk(name, _join_batches(pending), schema, range(number, number + rows))
                    number, pending, rows, size = number + rows, [], 0, 0
            if pending:
                yield ArrowChunk(name, _join_batches(pending), schema, range(number, number + rows))
    except pa.ArrowException as error:
        raise UsageError(f"{name}: not a readable Parquet file: {first_line(error)}") from None


def check_parquet(name: str, path: Path) -> None:
    """Raise UsageError if a small file would exhaust the memory of another library that reads it in one piece."""
    if path.stat().st_size <= _SMALL_BYTES:
        for _ in parquet_chunks(name, path):
            pass


def _rows_per_step(name: str, metadata: pq.FileMetaData, allowed: int) -> int:
    """Return how many rows to decode at once. Raises UsageError if what the file says about itself is too much."""
    largest = 1
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            # No value is larger than the whole column without compression; an item of a list can be much smaller.
            largest = max(largest, column.total_uncompressed_size)
            _check_size(name, max(largest, _ITEM_BYTES * (column.num_values - group.num_rows)), allowed)
    return max(1, min(_STEP_ROWS, allowed // largest))


def _size(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch without dictionaries."""
    import pyarrow as pa

    columns = (c.dictionary_decode() if isinstance(c, pa.DictionaryArray) else c for c in batch.columns)
    return sum(column.nbytes for column in columns)


def _check_size(name: str, size: int, allowed: int) -> None:
    if size > allowed:
        raise UsageError(f"{name}: unpacks to more than {allowed:,} bytes in memory; write the rows to several files")


def _join_batches(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    import pyarrow as pa

    return batches[0] if len(batches) == 1 else pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
