"""Read Parquet files in batches of rows. `sources` uses this module."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ..core.errors import UsageError
from .chunks import BATCH_ROWS, ArrowChunk, Chunk, first_line


def parquet_chunks(name: str, path: Path, columns: Collection[str] | None = None) -> Iterator[Chunk]:
    """Yield chunks of a Parquet file; only `columns`, if the file has all of them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 1
    try:
        # pre_buffer would read whole row groups into memory.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            schema = file.schema_arrow
            wanted = list(columns) if columns and set(columns) <= set(schema.names) else None
            for batch in file.iter_batches(BATCH_ROWS, columns=wanted):
                yield ArrowChunk(name, batch, schema, range(number, number + len(batch)))
                number += len(batch)
    except pa.ArrowException as error:
        raise UsageError(f"{name}: not a readable Parquet file: {first_line(error)}") from None
