"""Merge datasets of many machines into one: `selfinstruct merge RUN_OR_DATASET... OUT`, and the same from Python."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError
from ..novelty import Joined, Work
from .dedup_card import names_of, write_readme
from .deduplicate import digest_rows
from .merge_inputs import MergeInput, check_same_columns, labels_of
from .options import DedupOptions, Missing, Progress
from .output import open_outputs, report_disk_errors
from .passes import Passes

_STORY = """\
Rows of several datasets, in the order below, without near-duplicates. A row is left out if its text is too similar, by
ROUGE-L F over tokens, to an earlier row of any of these datasets that was kept."""


@dataclass(frozen=True, slots=True)
class SourceCount:
    """The fate of one input's rows: `rows` = `admitted` + `refused` + `dropped` + `beyond`."""

    label: str  # the input's name in the source column
    columns: tuple[str, ...]  # columns compared
    rows: int  # rows read
    admitted: int  # rows written
    refused: int  # near-duplicates
    dropped: int  # rows without a text that were left out (missing="drop")
    beyond: int  # rows after the last one wanted (max_records)
    records: int  # tasks among the admitted rows; several rows of a run may be instances of one task


def write_merge_card(folder: Path, name: str, column: str, rule: str, counts: Sequence[SourceCount]) -> None:
    """Write README.md into `folder`; `column` holds the labels, `rule` says what was refused."""
    rows = [
        ("rows read", f"{sum(count.rows for count in counts):,}"),
        ("rows here", f"{sum(count.admitted for count in counts):,}"),
        ("refused", rule),
        ("where a row comes from", f"column {names_of([column])}"),
    ]
    lines = [
        f"| {names_of([count.label])} | {names_of(count.columns)} | {count.rows:,} | {count.admitted:,} "
        f"| {count.refused:,} | {count.dropped:,} | {count.beyond:,} |"
        for count in counts
    ]
    header = (
        "\n| source | compared | rows | here | near-duplicates | without a text | after the last one wanted |"
        "\n|---|---|---|---|---|---|---|\n"
    )
    write_readme(folder, name, _STORY, rows, header + "\n".join(lines) + "\n")


@dataclass(frozen=True, slots=True)
class Merged:
    """What `merge_datasets` did; `digest` and `uncompared` are as in `Deduplicated`, over all sources in order."""

    out: Path
    sources: tuple[SourceCount, ...]
    uncompared: int
    seconds: float
    digest: str
    work: Work

    @property
    def rows(self) -> int:
        """Rows read."""
        return sum(count.rows for count in self.sources)

    @property
    def admitted(self) -> int:
        """Rows written."""
        return sum(count.admitted for count in self.sources)

    @property
    def records(self) -> int:
        """Tasks among the rows written."""
        return sum(count.records for count in self.sources)

    @property
    def refused(self) -> int:
        """Near-duplicates."""
        return sum(count.refused for count in self.sources)


def merge_datasets(
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    columns: Sequence[str] = (),
    threshold: float = 0.7,
    refuse_equal: bool = False,
    missing: Missing = "fail",
    fill: bool = False,
    source_column: str = "source",
    explain: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    max_records: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Merged:
    """Write the rows of `inputs` to `out`, in order, without near-duplicates of earlier rows.

    docs/guide/scale.md describes the options. On an error, nothing is left at `out`.

    Args:
        inputs: Folders of runs, dataset folders, files or hub names.
        out: See `deduplicate`, as for threshold, refuse_equal, missing, explain, workers, overwrite and progress.
        columns: Columns to compare; the instruction by default.
        fill: Leave columns empty that an input lacks, instead of raising UsageError.
        source_column: Name of the column for the origin of a row.
        max_records: Keep the first this many tasks.

    Raises:
        UsageError: An argument is invalid, a row can't be used, or the inputs have different columns.
        StorageError: The disk refused a write, or an input changed while it was read.
    """
    started = time.perf_counter()
    options = DedupOptions(threshold, refuse_equal, missing, explain, workers, overwrite, progress)
    sources = [os.fspath(one) for one in inputs]
    if not sources:
        raise UsageError("no input is named; give at least one")
    if max_records is not None and max_records < 1:
        raise UsageError(f"max_records: {max_records} is not at least 1")
    if not source_column:
        raise UsageError("--source-column: must not be empty")
    labels = labels_of(sources)
    output, explained = open_outputs(out, sources, options)
    with report_disk_errors(output), ExitStack() as stack:
        join = options.join()
        paths = [columns] if isinstance(columns, str) else columns
        given = [
            MergeInput(source, label, source_column, paths, output.path.parent, stack)
            for source, label in zip(sources, labels, strict=True)
        ]
        passes = Passes(given, [], output, explained, options)
        # First pass: read the texts. Second pass: write the admitted rows, to a temporary path.
        passes.read(join)
        if not fill:
            check_same_columns(given)
        with output.writing():
            joined, stay = passes.write(join, max_records)
            counts = _counts(passes, given, joined, stay)
            if output.is_folder:
                write_merge_card(output.fresh, output.path.name, source_column, options.rule, counts)
    seconds = time.perf_counter() - started
    return Merged(output.path, counts, passes.uncompared, seconds, digest_rows(stay), joined.work)


def _counts(
    passes: Passes, inputs: Sequence[MergeInput], joined: Joined, stay: npt.NDArray[np.bool_]
) -> tuple[SourceCount, ...]:
    """Count the rows of each input by what became of them; each row belongs to one group."""
    beyond = np.arange(len(stay)) >= passes.end
    dropped = np.zeros(len(stay), np.bool_)
    dropped[passes.dropped] = True
    dropped &= ~beyond
    refused = ~joined.admitted & ~dropped & ~beyond
    counts, start = [], 0
    for given in inputs:
        part = slice(start, start + given.rows)
        numbers = (int(rows[part].sum()) for rows in (stay, refused, dropped, beyond, stay & passes.leads))
        counts.append(SourceCount(given.label, given.compared, given.rows, *numbers))
        start += given.rows
    return tuple(counts)
