"""A run's records as a `datasets.Dataset`, and as a folder that `load_dataset` opens as it is.

Each format is a config (subset) of its own with explicit features, never two in one schema. A record's
split follows from its id alone, so it never changes sides when the run grows. The folder is
written beside and exchanged in one step: a reader sees the old one or the new one, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import DatasetConfig, RunConfig
from ..errors import cannot_write
from ..exchange import replace_folder
from ..runs import Run
from ..schema import Record
from .card import Part, write_card
from .columns import Columns, Row
from .formats import FORMATS, Wording, check_format, columns_of, rows_of, wording_of

if TYPE_CHECKING:
    import datasets


def to_dataset(run: Run | str | Path, format: str = "messages") -> datasets.Dataset:
    """All records of a run, or of the run in a folder, as one `datasets.Dataset` with explicit features.

    Raises ConfigError: unknown format; UsageError: not a run's folder.
    """
    import datasets

    run = run if isinstance(run, Run) else Run(run)
    check_format(format)
    config = _with_formats(run.config, (format,))
    wording = wording_of(config)
    rows = list(_rows(run.records(), config, format, wording))
    return datasets.Dataset.from_list(rows, features=_features(format, config, wording))


def write_dataset(run: Run, target: Path | None = None, settings: DatasetConfig | None = None) -> Path:
    """Write the dataset's folder: Parquet for every format and split, and the card. Returns its path.

    target: where, `<run_dir>/dataset` by default; settings: in place of the run's own.
    Raises ConfigError for an unknown format or chat template, StorageError when the disk refuses, UsageError when
    permissions do.
    """
    target = run.dataset_path if target is None else target
    config = run.config if settings is None else run.config.model_copy(update={"dataset": settings})
    settings = config.dataset
    for name in settings.formats:
        check_format(name)
    wording = wording_of(config)
    records = run.records()
    fresh = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        parts = [part for name in settings.formats for part in _write_format(fresh, records, config, name, wording)]
        write_card(fresh, run, settings, records, parts)
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


def _with_formats(config: RunConfig, formats: tuple[str, ...]) -> RunConfig:
    return config.model_copy(update={"dataset": config.dataset.model_copy(update={"formats": formats})})


def _rows(records: Sequence[Record], config: RunConfig, format: str, wording: Wording) -> Iterator[Row]:
    every, columns = config.dataset.instances == "all", Columns.of(config)
    for record in records:
        yield from rows_of(record, FORMATS[format], every, columns, wording)


def _features(format: str, config: RunConfig, wording: Wording) -> datasets.Features:
    import datasets

    def typed(value: Any) -> Any:
        if isinstance(value, str):
            return datasets.Value(value)
        if isinstance(value, list):
            return datasets.List(typed(value[0]))
        return {key: typed(item) for key, item in value.items()}

    columns = columns_of(FORMATS[format], wording, Columns.of(config))
    return datasets.Features({name: typed(value) for name, value in columns.items()})


def _write_format(
    folder: Path, records: list[Record], config: RunConfig, name: str, wording: Wording
) -> Iterator[Part]:
    """Write one format's splits in shards; yields a part for each split that has rows."""
    import datasets

    features = _features(name, config, wording)
    settings = config.dataset
    for split in ("train", "test"):
        chosen = [r for r in records if split_of(r.id, settings.test_share, config.random_seed) == split]
        rows = list(_rows(chosen, config, name, wording))
        if not rows:
            continue
        starts = range(0, len(rows), settings.shard_rows)
        (folder / name).mkdir(parents=True, exist_ok=True)
        size = file_size = 0
        if FORMATS[name].lines:
            _write_lines(folder / name / f"{split}.jsonl", rows)
        for number, start in enumerate(starts):
            path = folder / name / f"{split}-{number:05d}-of-{len(starts):05d}.parquet"
            shard = datasets.Dataset.from_list(rows[start : start + settings.shard_rows], features=features)
            with _no_bars():
                shard.to_parquet(path)
            size += shard.data.nbytes
            file_size += path.stat().st_size
        yield Part(name, split, len(rows), size, file_size, features)


def _write_lines(path: Path, rows: Sequence[Row]) -> None:
    """One JSON object a line and nothing else, as a fine-tuning service takes it.

    It stands beside the Parquet files, which the card names: `load_dataset` reads all configs of a folder as one kind.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


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
