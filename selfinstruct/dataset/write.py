"""A run's records as a `datasets.Dataset`, and as a folder that `load_dataset` opens as it is.

Each format is a config (subset) of its own with explicit features, never two in one schema. A record's
split follows from its id alone, so it never changes sides when the run grows. The folder is
written beside and exchanged in one step: a reader sees the old one or the new one, whole. It has a revision, which
goes up when rows change (`revisions`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.run_config import DatasetConfig, RunConfig
from ..core.errors import UsageError, cannot_write
from ..core.tasks import Record
from ..journal.folder import Run
from ..journal.provenance import Origin, Trail
from ..journal.snapshot import Snapshot, read
from ..tables.replace_folder import beside, replace_folder, same_folders
from .card import Part, write_card
from .formats import FORMATS, Format, Wording, columns_of, formats_of, rows_of
from .provenance_columns import ASKING, PROVENANCE_CONFIG, Columns, Row, asking_of
from .revisions import digesting, read_revisions, revisions_after

if TYPE_CHECKING:
    import datasets

_AT_ONCE = 4096
"""Rows that are made before they become Arrow's, which takes a tenth of the memory."""


def to_dataset(run: Run | str | Path, format: str = "messages") -> datasets.Dataset:
    """All records of a run, or of the run in a folder, as one `datasets.Dataset` with explicit features.

    Raises ConfigError: unknown format; UsageError: not a run's folder.
    """
    with read(run) as snapshot:
        records = snapshot.records
        source = _Source.of(snapshot, snapshot.run.config.dataset.with_formats([format]))
    (name,) = source.formats
    return _dataset_of(source.rows(records, name), source.features(name))


def write_dataset(run: Run, target: Path | None = None, settings: DatasetConfig | None = None) -> Path:
    """Write the dataset's folder: Parquet for every format and split, and the card. Returns its path.

    target: where, `<run_dir>/dataset` by default, a new folder or one that holds an earlier export and nothing else;
    settings: in place of the run's own.
    Raises ConfigError for an unknown format or chat template, StorageError when the disk refuses, UsageError when
    permissions do or `target` holds what no export wrote.
    """
    settings = run.config.dataset if settings is None else settings
    formats = formats_of(run.config.model_copy(update={"dataset": settings}))  # raises before anything is written
    if target is None:
        target = run.dataset_path
    else:
        _check_target(target, formats)
    with read(run) as snapshot:
        return _write_snapshot(snapshot, target, settings)


def _write_snapshot(snapshot: Snapshot, target: Path, settings: DatasetConfig) -> Path:
    records, source, fresh = snapshot.records, _Source.of(snapshot, settings), beside(target)
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        parts = [part for name in source.formats for part in _write_format(fresh, records, source, name)]
        parts += _write_provenance(fresh, records, source)
        contents = {f"{part.format}/{part.split}": part.content for part in parts}
        revisions = revisions_after(target, records, contents, source.origins, source.trail.last_at)
        write_card(fresh, snapshot, settings, records, parts, source.trail, revisions)
        if not same_folders(target, fresh):  # who reads it keeps the very files
            replace_folder(target, fresh)
    except OSError as error:
        raise cannot_write(target, error) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _check_target(target: Path, formats: Iterable[str]) -> None:
    """Raise UsageError unless all that is there is an earlier export, which may be replaced whole."""
    if not target.is_dir():
        if target.exists():
            raise UsageError(f"{target}: is a file; name a folder")
        return
    ours = {"README.md", PROVENANCE_CONFIG, *FORMATS, *formats} if read_revisions(target) else set()
    foreign = sorted(path.name for path in target.iterdir() if path.name not in ours)
    if foreign:
        raise UsageError(f"{target}: holds {foreign[0]!r}, which no export wrote; name a new folder")


def split_of(record_id: str, test_share: float, random_seed: int) -> str:
    """'train' or 'test', from the record's id alone."""
    digest = hashlib.sha256(f"{random_seed}:{record_id}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") < test_share * 2**64 else "train"


@dataclass(frozen=True, slots=True)
class _Source:
    """What rows are made from, apart from the records.

    formats: each with its wording, by the name of its dataset config. origins: where each record comes from, by its id.
    """

    config: RunConfig
    formats: Mapping[str, tuple[Format, Wording]]
    trail: Trail
    origins: Mapping[str, Origin]

    @classmethod
    def of(cls, snapshot: Snapshot, settings: DatasetConfig) -> _Source:
        config, trail = snapshot.run.config.model_copy(update={"dataset": settings}), Trail(snapshot)
        return cls(config, formats_of(config), trail, {record.id: trail.of(record) for record in snapshot.records})

    def rows(self, records: Sequence[Record], format: str) -> Iterator[Row]:
        every, columns = self.config.dataset.instances == "all", Columns.of(self.config)
        chosen, wording = self.formats[format]
        for record in records:
            yield from rows_of(record, chosen, every, columns, wording, self.origins[record.id])

    def features(self, format: str) -> datasets.Features:
        return _typed(columns_of(*self.formats[format], Columns.of(self.config)))

    def splits(self, records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
        """The splits that have records."""
        for split in ("train", "test"):
            share, seed = self.config.dataset.test_share, self.config.random_seed
            chosen = [record for record in records if split_of(record.id, share, seed) == split]
            if chosen:
                yield split, chosen


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


def _write_format(folder: Path, records: Sequence[Record], source: _Source, name: str) -> Iterator[Part]:
    """Write one format's splits in shards; yields a part for each split that has rows."""
    for split, chosen in source.splits(records):
        rows, features = source.rows(chosen, name), source.features(name)
        part = _write_split(folder, name, split, rows, features, source.config.dataset.shard_rows)
        if part.rows:
            yield part
            if source.formats[name][0].lines:
                _write_lines(folder / name / f"{split}.jsonl", source.rows(chosen, name))


def _write_provenance(folder: Path, records: Sequence[Record], source: _Source) -> Iterator[Part]:
    """Write the config `provenance`, in the same splits."""
    for split, chosen in source.splits(records):
        rows = (asking_of(record, source.origins[record.id]) for record in chosen)
        yield _write_split(folder, PROVENANCE_CONFIG, split, rows, _typed(ASKING), source.config.dataset.shard_rows)


def _write_split(
    folder: Path, name: str, split: str, rows: Iterator[Row], features: datasets.Features, shard_rows: int
) -> Part:
    """Write rows as they come. The shards' names, which say how many there are, are given when that is known."""
    paths: list[Path] = []
    count = size = file_size = 0
    content, digest = hashlib.sha256(), hashlib.sha256()
    rows = digesting(rows, content.update)
    while len(shard := _dataset_of(islice(rows, shard_rows), features)):
        paths.append(folder / name / f"{split}-{len(paths):05d}")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        with _no_bars():
            shard.to_parquet(paths[-1])
        count += len(shard)
        size += shard.data.nbytes
        written = paths[-1].read_bytes()
        file_size += len(written)
        digest.update(written)
    for path in paths:
        path.rename(f"{path}-of-{len(paths):05d}.parquet")
    return Part(name, split, count, size, file_size, digest.hexdigest(), content.hexdigest(), features)


def _dataset_of(rows: Iterator[Row], features: datasets.Features) -> datasets.Dataset:
    """As `Dataset.from_list`, which walks every value in Python and takes three times as long.

    Only `_AT_ONCE` rows are Python objects at a time.
    """
    import datasets
    import pyarrow as pa

    batches = []
    while some := list(islice(rows, _AT_ONCE)):
        batches.append(pa.RecordBatch.from_pylist(some, schema=features.arrow_schema))
    table = pa.Table.from_batches(batches, features.arrow_schema).combine_chunks()
    return datasets.Dataset(table, info=datasets.DatasetInfo(features=features))


def _write_lines(path: Path, rows: Iterable[Row]) -> None:
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
