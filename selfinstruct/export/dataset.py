"""A run's records as a `datasets.Dataset`, and as a folder that `load_dataset` opens as it is.

Each format is a config (subset) of its own with explicit features, never two in one schema. A record's
split follows from its id alone, so it never changes sides when the run grows. The folder is
written beside and exchanged in one step: a reader sees the old one or the new one, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import DatasetConfig, RunConfig
from ..errors import cannot_write
from ..exchange import replace_folder
from ..provenance import Trail
from ..runs import Run
from ..schema import Record
from .card import Part, write_card
from .croissant import write_croissant
from .formats import (
    ASKING,
    FORMATS,
    NEIGHBOURS,
    PROVENANCE,
    PROVENANCE_CONFIG,
    SCORES,
    Row,
    asking_of,
    check_format,
    rows_of,
)

if TYPE_CHECKING:
    import datasets


def to_dataset(run: Run | str | Path, format: str = "messages") -> datasets.Dataset:
    """All records of a run, or of the run in a folder, as one `datasets.Dataset` with explicit features.

    Raises ConfigError: unknown format; UsageError: not a run's folder.
    """
    import datasets

    run = run if isinstance(run, Run) else Run(run)
    rows = list(_rows(run.records(), run.config, format, Trail(run)))
    return datasets.Dataset.from_list(rows, features=_features(format, run.config))


def write_dataset(run: Run, target: Path | None = None, settings: DatasetConfig | None = None) -> Path:
    """Write the dataset's folder: Parquet for every format and split, and the card. Returns its path.

    target: where, `<run_dir>/dataset` by default; settings: in place of the run's own.
    Raises ConfigError for an unknown format, StorageError when the disk refuses, UsageError when permissions do.
    """
    target = run.dataset_path if target is None else target
    config = run.config if settings is None else run.config.model_copy(update={"dataset": settings})
    settings = config.dataset
    for name in settings.formats:
        check_format(name)
    records = run.records()
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        trail = Trail(run)
        parts = [part for name in settings.formats for part in _write_format(fresh, records, config, name, trail)]
        parts += _write_provenance(fresh, records, config, trail)
        write_card(fresh, run, settings, records, parts, trail)
        if settings.croissant:
            write_croissant(fresh, run, settings, parts, trail.last_at)
        replace_folder(target, fresh)
    except OSError as error:
        raise cannot_write(target, error) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def split_of(record_id: str, test_share: float, random_seed: int) -> str:
    """'train' or 'test', from the record's id alone."""
    digest = hashlib.sha256(f"{random_seed}:{record_id}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") < test_share * 2**64 else "train"


def _rows(records: Sequence[Record], config: RunConfig, format: str, trail: Trail) -> Iterator[Row]:
    check_format(format)
    every, neighbours = config.dataset.instances == "all", config.neighbours > 0
    for record in records:
        yield from rows_of(record, FORMATS[format], every, neighbours, config.judge is not None, trail.of(record))


def _features(format: str, config: RunConfig) -> datasets.Features:
    columns = {"id": "string", **FORMATS[format].features, **PROVENANCE}
    if config.neighbours:
        columns |= NEIGHBOURS
    if config.judge is not None:
        columns |= SCORES
    return _typed(columns)


def _typed(columns: Mapping[str, Any]) -> datasets.Features:
    """Names of types into features: 'string', a list of one type, a dict of them."""
    import datasets

    def typed(value: Any) -> Any:
        if isinstance(value, str):
            return datasets.Value(value)
        if isinstance(value, list):
            return datasets.List(typed(value[0]))
        return {key: typed(item) for key, item in value.items()}

    return datasets.Features({name: typed(value) for name, value in columns.items()})


def _write_format(folder: Path, records: list[Record], config: RunConfig, name: str, trail: Trail) -> Iterator[Part]:
    """Write one format's splits in shards; yields a part for each split that has rows."""
    for split, chosen in _splits(records, config):
        rows = list(_rows(chosen, config, name, trail))
        if rows:
            yield _write_split(folder, name, split, rows, _features(name, config), config.dataset.shard_rows)


def _write_provenance(folder: Path, records: list[Record], config: RunConfig, trail: Trail) -> Iterator[Part]:
    """Write the config `provenance`, in the same splits."""
    for split, chosen in _splits(records, config):
        rows = [asking_of(record, trail.of(record)) for record in chosen]
        yield _write_split(folder, PROVENANCE_CONFIG, split, rows, _typed(ASKING), config.dataset.shard_rows)


def _splits(records: list[Record], config: RunConfig) -> Iterator[tuple[str, list[Record]]]:
    """The splits that have records."""
    for split in ("train", "test"):
        chosen = [r for r in records if split_of(r.id, config.dataset.test_share, config.random_seed) == split]
        if chosen:
            yield split, chosen


def _write_split(
    folder: Path, name: str, split: str, rows: list[Row], features: datasets.Features, shard_rows: int
) -> Part:
    import datasets

    starts = range(0, len(rows), shard_rows)
    (folder / name).mkdir(parents=True, exist_ok=True)
    size = file_size = 0
    for number, start in enumerate(starts):
        path = folder / name / f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
        shard = datasets.Dataset.from_list(rows[start : start + shard_rows], features=features)
        with _no_bars():
            shard.to_parquet(path)
        size += shard.data.nbytes
        file_size += path.stat().st_size
    return Part(name, split, len(rows), size, file_size, features)


@contextlib.contextmanager
def _no_bars() -> Iterator[None]:
    """Without the library's progress bars, whose setting is put back."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()
