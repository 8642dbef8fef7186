"""Convert a run's records to a `datasets.Dataset`, or to a folder for `load_dataset`.

Each format is a separate config (subset) with explicit features. A record's split depends on its id alone, so it never
changes when the run grows. The folder is written next to its target and replaces it in one step, so that readers see
either the old or the new dataset.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.run_config import DatasetConfig, RunConfig, overridden
from ..core.errors import ConfigError, UsageError, cannot_write
from ..core.paths import check_folder_name
from ..core.records import Record
from ..journal.folder import Run
from ..journal.provenance import Lineage, Trail
from ..journal.snapshot import Snapshot, read
from ..tables import WRITERS, ArrowChunk, Chunk, Row
from ..tables.chunks import batch_rows
from ..tables.replace_folder import (
    beside,
    beside_file,
    replace_file,
    replace_folder,
    same_folders,
    write_manifest,
)
from .card import WrittenSplit, write_card
from .formats import formats_of
from .provenance_columns import PROVENANCE_CONFIG, REQUEST_COLUMNS, ProvenanceColumns, RowDict, request_row
from .revisions import check_replaceable, hash_rows, revisions_after
from .rows import Format, Wording, columns_of, rows_of
from .select import select

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

_log = logging.getLogger(__name__)
# Rows to convert to Arrow at once, because Python dicts take ten times as much memory as Arrow.
_BATCH_ROWS = 4096


def to_dataset(run: Run | str | Path, format: str = "messages") -> datasets.Dataset:
    """Return all records of a run, or of the run in a folder, as one dataset with explicit features.

    Raises ConfigError for an unknown format, and UsageError if `run` is not a run's folder.
    """
    import datasets

    with read(run) as snapshot:
        source = _RowSource.of(snapshot, snapshot.run.config.dataset.with_formats([format]))
    (name,) = source.formats
    features = source.features(name)
    return datasets.Dataset(
        _build_table(source.rows(source.records, name), features), datasets.DatasetInfo(features=features)
    )


def write_dataset(
    run: Run, target: Path | None = None, settings: DatasetConfig | None = None, *, overwrite: bool = False
) -> Path:
    """Write Parquet files for every format and split, and the card, or one file of all rows; return the path.

    Args:
        run: The run.
        target: A new folder, or one that contains an earlier export only; by default `<run_dir>/dataset`. A name
            such as x.jsonl is a file for the rows of the first format, '-' standard output.
        settings: Overrides the run's settings.
        overwrite: Whether changes that were made by hand, and configs of other formats, may be lost.

    Raises:
        ConfigError: A format or the chat template is unknown.
        UsageError: Something would be lost, or `target` contains other files, or can't be written.
        StorageError: The disk is full or fails.
    """
    settings = run.config.dataset if settings is None else settings
    formats = formats_of(run.config.model_copy(update={"dataset": settings}))  # raises before anything is written
    if target is not None and (str(target) == "-" or target.suffix.lower() in WRITERS):
        with read(run) as snapshot:
            return _write_file(snapshot, target, settings, overwrite=overwrite)
    own, target = target is None, target or run.dataset_path
    check_replaceable(target, formats, overwrite=overwrite, own=own)
    check_folder_name(target)
    with read(run) as snapshot:
        return _write_snapshot(snapshot, target, settings)


def _write_snapshot(snapshot: Snapshot, target: Path, settings: DatasetConfig) -> Path:
    source = _RowSource.of(snapshot, settings)
    records = source.records
    real = target.resolve()  # a link in place of the folder stays
    fresh = beside(real)
    try:
        # Write the new folder next to the target.
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        parts = [part for name in source.formats for part in _write_format(fresh, records, source, name)]
        written = {part.format for part in parts}
        for name, (format, wording) in source.formats.items():
            if records and name not in written:
                given = wording.options.model_dump(exclude_defaults=True, exclude={"kind"}) if wording.options else {}
                options = ", ".join(f"{key}: {json.dumps(value)}" for key, value in given.items())
                what = f"{name} has no rows, because no record {format.needs}{f' ({options})' if options else ''}"
                _log.warning("selfinstruct: warning: dataset: %s", what)
        parts += _write_provenance(fresh, records, source)
        contents = {f"{part.format}/{part.split}": part.content for part in parts}
        revisions = revisions_after(target, records, contents, source.lineages, source.trail.last_at)
        write_card(fresh, snapshot, settings, records, parts, source.trail, revisions)
        write_manifest(fresh)
        # If nothing changed, keep the old files for their readers and caches.
        if not same_folders(target, fresh):
            replace_folder(real, fresh)
    except OSError as error:
        raise cannot_write(target, error) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _write_file(snapshot: Snapshot, target: Path, settings: DatasetConfig, *, overwrite: bool) -> Path:
    """Write the rows of the first format to a file, whose suffix says how; '-' is standard output, as JSON Lines."""
    to_stdout, suffix = str(target) == "-", target.suffix.lower() or ".jsonl"
    if not to_stdout and target.exists() and (target.is_dir() or not overwrite):
        what = "is a folder; name a file" if target.is_dir() else "already exists; --overwrite replaces it"
        raise UsageError(f"{target}: {what}")
    source, writer, fresh = _RowSource.of(snapshot, settings), WRITERS[suffix](), beside_file(target)
    name = next(iter(source.formats))
    as_arrow, as_cells = suffix == ".parquet", suffix in (".csv", ".tsv")

    def chunks() -> Iterator[Chunk]:
        rows = source.rows(source.records, name)
        if as_arrow:  # with all types
            table = _build_table(rows, source.features(name))
            yield from (ArrowChunk(name, each, table.schema, range(len(each))) for each in table.to_batches())
        else:
            yield from batch_rows(Row(name, _cells(row) if as_cells else row) for row in rows)

    try:
        for chunk in chunks():
            writer.survey(chunk, chunk.objects())
        writer.open(fresh)
        for chunk in chunks():
            writer.write(chunk)
        writer.close()
        replace_file(target, fresh)
    except OSError as error:
        raise cannot_write(target, error) from None
    finally:
        with contextlib.suppress(OSError):  # the folder is a file
            fresh.unlink(missing_ok=True)
    return target


def _cells(row: RowDict) -> RowDict:
    """Write lists and objects as JSON, because a cell holds a text or a number."""
    return {k: json.dumps(v, ensure_ascii=False) if isinstance(v, list | dict) else v for k, v in row.items()}


def split_of(record_id: str, test_share: float, random_seed: int) -> str:
    """Return 'train' or 'test'; for given settings, the result depends on the id alone."""
    # 64 bits of the hash as a number between 0 and 2**64.
    digest = hashlib.sha256(f"{random_seed}:{record_id}".encode()).digest()
    return "test" if int.from_bytes(digest[:8], "big") < test_share * 2**64 else "train"


@dataclass(frozen=True, slots=True)
class _RowSource:
    """Converts records to rows. records: the selected ones. formats: by name of the config. lineages: by record id."""

    config: RunConfig
    records: Sequence[Record]
    columns: ProvenanceColumns
    formats: Mapping[str, tuple[Format, Wording]]
    trail: Trail
    lineages: Mapping[str, Lineage]

    @classmethod
    def of(cls, snapshot: Snapshot, settings: DatasetConfig) -> _RowSource:
        config, trail = snapshot.run.config.model_copy(update={"dataset": settings}), Trail(snapshot)
        records = select(snapshot.records, settings.select, config.random_seed, snapshot.journal.recall)
        columns, lineages = ProvenanceColumns.of(config, records), {record.id: trail.of(record) for record in records}
        return cls(config, records, columns, formats_of(config, records), trail, lineages)

    def rows(self, records: Sequence[Record], format: str) -> Iterator[RowDict]:
        chosen, wording = self.formats[format]
        return rows_of(records, chosen, self.columns, wording, self.lineages)

    def features(self, format: str) -> datasets.Features:
        return _features_of(columns_of(*self.formats[format], self.columns))

    def splits(self, records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
        """Yield the name and the records of each split that has any."""
        for split in ("train", "test"):
            share, seed = self.config.dataset.test_share, self.config.random_seed
            chosen = [record for record in records if split_of(record.id, share, seed) == split]
            if chosen:
                yield split, chosen


def _features_of(columns: Mapping[str, Any]) -> datasets.Features:
    """Convert names of types to features: 'string', ["string"], {"id": "string", "score": "float64"}."""
    import datasets

    def feature(value: Any) -> Any:
        if isinstance(value, str):
            return datasets.Value(value)
        if isinstance(value, list):
            return datasets.List(feature(value[0]))
        return {key: feature(item) for key, item in value.items()}

    return datasets.Features({name: feature(value) for name, value in columns.items()})


def _write_format(folder: Path, records: Sequence[Record], source: _RowSource, name: str) -> Iterator[WrittenSplit]:
    """Write the splits of one format in shards, and yield each split that has rows."""
    for split, chosen in source.splits(records):
        true: Counter[str] = Counter()
        rows, features = _count(source.rows(chosen, name), source.formats[name][0], true), source.features(name)
        part = _write_split(folder, name, split, rows, features, source.config.dataset.shard_rows)
        if part.rows:
            shares = {label: true[label] / part.rows for label in source.formats[name][0].shares}
            yield replace(part, shares=shares)
            # Fine-tuning services take JSON Lines instead of Parquet.
            if source.formats[name][0].lines:
                _write_lines(folder / name / f"{split}.jsonl", source.rows(chosen, name))


def _count(rows: Iterable[RowDict], format: Format, true: Counter[str]) -> Iterator[RowDict]:
    """Yield the rows, and count those for which each of the format's shares is true."""
    for row in rows:
        true.update(label for label, is_true in format.shares.items() if is_true(row))
        yield row


def _write_provenance(folder: Path, records: Sequence[Record], source: _RowSource) -> Iterator[WrittenSplit]:
    """Write the config `provenance`, in the same splits."""
    features = _features_of(REQUEST_COLUMNS)
    for split, chosen in source.splits(records):
        rows = (request_row(record, source.lineages[record.id]) for record in chosen)
        yield _write_split(folder, PROVENANCE_CONFIG, split, rows, features, source.config.dataset.shard_rows)


def _write_split(
    folder: Path, name: str, split: str, rows: Iterator[RowDict], features: datasets.Features, shard_rows: int
) -> WrittenSplit:
    """Write the rows of one split in shards; only one shard is in memory at a time."""
    import datasets

    info = datasets.DatasetInfo(features=features)
    paths: list[Path] = []
    count = size = file_size = 0
    content, digest = hashlib.sha256(), hashlib.sha256()
    rows = hash_rows(rows, content.update)
    while len(table := _build_table(islice(rows, shard_rows), features)):
        # Without a name, `datasets` hashes a pickle of the table, which takes as long as everything else here.
        shard = datasets.Dataset(table, info, fingerprint=f"{name}-{split}-{len(paths)}")
        paths.append(folder / name / f"{split}-{len(paths):05d}")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        with _no_progress_bars(), paths[-1].open("wb") as file:  # `datasets` would read a name as an address
            shard.to_parquet(file)
        count += len(shard)
        size += shard.data.nbytes
        written = paths[-1].read_bytes()
        file_size += len(written)
        digest.update(written)
    # The final names contain the number of shards: 'train-00000-of-00003.parquet'.
    for path in paths:
        path.rename(f"{path}-of-{len(paths):05d}.parquet")
    return WrittenSplit(name, split, count, size, file_size, digest.hexdigest(), content.hexdigest(), features)


def _build_table(rows: Iterator[RowDict], features: datasets.Features) -> pa.Table:
    import pyarrow as pa

    # `Dataset.from_list` visits every value in Python and takes three times as long.
    schema, batches = features.arrow_schema, []
    while batch := list(islice(rows, _BATCH_ROWS)):
        batches.append(pa.RecordBatch.from_pylist(batch, schema=schema))
    return pa.Table.from_batches(batches, schema).combine_chunks()


def _write_lines(path: Path, rows: Iterable[RowDict]) -> None:
    """Write JSON Lines next to the Parquet files; the card doesn't list them, as all files must be of one type."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@contextlib.contextmanager
def _no_progress_bars() -> Iterator[None]:
    """Disable the progress bars of `datasets`, and restore the setting afterwards."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not disabled:
            enable_progress_bars()


def export(
    run: Run | str | Path,
    output: str | Path | None = None,
    *,
    formats: Sequence[str] = (),
    test_share: float | None = None,
    overrides: list[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the dataset of `run` and return its path. Sends nothing.

    Args:
        run: The run, or its folder.
        output: The folder to write; `dataset/` in the run's folder by default. A name such as x.jsonl, x.json, x.csv
            or x.parquet is a file for the rows of the first format, and '-' is standard output.
        formats: Names of formats; the first is the default config. Empty uses those of the run.
        test_share: Share of the rows in the split 'test', 0 to 1. None uses that of the run.
        overrides: 'dataset.key=value' strings.
        overwrite: Replace a folder even if changes made by hand, or configs of other formats, are lost.

    Raises:
        ConfigError: A format or key is unknown.
        UsageError: There is no such run, an override is outside of `dataset`, or something would be lost.
    """
    opened = run if isinstance(run, Run) else Run(run)
    changes: dict[str, Any] = {}
    if test_share is not None:
        if not 0 <= test_share <= 1:
            raise ConfigError(f"dataset.test_share: must be 0 to 1 (it is {test_share:g})")
        changes["test_share"] = test_share
    values = overridden(opened.config.model_dump(mode="json", exclude_unset=True), overrides or [])
    config = RunConfig.parse(values, "export")
    # The answers were made with the rest of the configuration, so an export can't change it.
    if config.model_copy(update={"dataset": opened.config.dataset}) != opened.config:
        raise UsageError("--set: an export can only change keys of the dataset; use keys such as dataset.system_prompt")
    settings = config.dataset.with_formats(formats) if formats else config.dataset
    settings = settings.model_copy(update=changes)
    return write_dataset(opened, None if output is None else Path(output), settings, overwrite=overwrite)
