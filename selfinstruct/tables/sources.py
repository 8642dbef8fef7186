"""Find the table that a user named (a file, folder, hub name or standard input) and read its rows."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.errors import UsageError
from ..core.paths import DATA_SUFFIXES, is_hub_name
from .chunks import Chunk, Row, first_line
from .hub import folder_chunks, hub_chunks
from .parquet import parquet_chunks
from .text_files import csv_chunks, json_chunks

_DATASET_FILES = frozenset(("README.md", "dataset_info.json", "dataset_dict.json"))
# File names that name a split, such as 'train-00000.parquet' or 'validation.jsonl', but not 'trainer.jsonl'.
_SPLIT = re.compile(r"(train|test|validation|valid|dev)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableSource:
    """A table: its name in messages, its path (for the hub, the dataset's name) and its kind."""

    name: str
    path: str
    kind: Literal["stdin", "file", "folder", "hub"]


def find_source(source: str) -> TableSource:
    """Return the table that `source` names; '-' is standard input. Raises UsageError if there is no such table."""
    if source == "-":
        return TableSource("standard input", source, "stdin")
    if os.path.isdir(source):
        return TableSource(source, source, "folder")
    if os.path.exists(source):
        return TableSource(source, source, "file")
    if is_hub_name(source):
        return TableSource(source, source, "hub")
    raise UsageError(f"{source}: no such file or folder; check the path ('-' reads standard input)")


def plain_files(folder: str) -> list[str]:
    """Return the data files in a folder, sorted by name; nothing if the folder is a dataset.

    Subfolders, dataset metadata and files named like splits make a folder a dataset. Other files are ignored.
    """
    if not os.path.isdir(folder):
        return []
    paths = [path for path in sorted(Path(folder).iterdir()) if not path.name.startswith(".")]
    if any(path.is_dir() or path.name in _DATASET_FILES or _SPLIT.match(path.name) for path in paths):
        return []
    return [str(path) for path in paths if path.suffix.lower() in DATA_SUFFIXES]


def read_rows(source: str) -> Iterator[Row]:
    """Yield the rows of `source` in order; '-' is standard input (JSON Lines or a JSON list).

    Raises UsageError, one line, if there is nothing to read (no such file, a folder without data, a hub that does not
    answer within seconds) or if the rest of the rows can't be separated.
    """
    for chunk in read_chunks(find_source(source)):
        yield from chunk.rows()


def read_chunks(
    source: TableSource, columns: Collection[str] | None = None, splits: Sequence[str] = ("train",)
) -> Iterator[Chunk]:
    """Yield the rows of `source` in order, in chunks; raises like `read_rows`.

    Args:
        source: The table.
        columns: The columns needed. Other columns may be missing from the rows, where skipping them saves time.
        splits: Read the first of these splits that a dataset has, or else its first split.
    """
    if source.kind == "stdin":
        yield from json_chunks(source.name, sys.stdin.buffer)
    elif source.kind == "folder":
        yield from folder_chunks(source.path, DATA_SUFFIXES, columns, splits)
    elif source.kind == "hub":
        yield from hub_chunks(source.path, columns, splits)
    else:
        yield from _file_chunks(source, columns)


def _file_chunks(source: TableSource, columns: Collection[str] | None) -> Iterator[Chunk]:
    path = Path(source.path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            yield from parquet_chunks(source.name, path, columns)
            return
        with path.open("rb") as file:
            if suffix in (".csv", ".tsv"):
                yield from csv_chunks(source.name, file, "\t" if suffix == ".tsv" else ",")
            else:
                yield from json_chunks(source.name, file)
    except OSError as error:
        raise UsageError(f"{source.name}: can't be read: {error.strerror or first_line(error)}") from None
