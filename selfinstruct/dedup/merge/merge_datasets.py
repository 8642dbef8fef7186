"""Several datasets into one, in order: two passes over them, as `dedup` makes them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...core.errors import UsageError
from ...novelty import Join, Work
from ..deduplicate import check_rule, digest_of_stay
from ..output import nothing_written, open_outputs
from ..passes import Passes, Progress
from .merge_card import SourceCount, write_merge_card
from .merge_inputs import MergeInput, check_same_columns, labels_of
from .task_decider import TaskDecider


@dataclass(frozen=True, slots=True)
class Merged:
    """What was done. digest, uncompared: as those of `Deduplicated`, over the rows of all sources in order."""

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
        """Tasks among them."""
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
    missing: Literal["fail", "keep", "drop"] = "fail",
    fill: bool = False,
    source_column: str = "source",
    explain: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    max_records: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Merged:
    """Write the rows of `inputs` to `out`, in order, without those that are near-duplicates of an earlier one.

    The options are those of `selfinstruct merge`; docs/guide/scale.md describes them.
    Raises UsageError for wrong arguments, rows that can't be used and inputs with different columns, StorageError when
    the disk refuses or an input changes meanwhile. Nothing is left at `out` when it doesn't end well.
    """
    started = time.perf_counter()
    check_rule(threshold, missing)
    sources = [os.fspath(one) for one in inputs]
    if not sources:
        raise UsageError("no input is named; give at least one")
    if max_records is not None and max_records < 1:
        raise UsageError(f"max_records: {max_records} is not at least 1")
    if not source_column:
        raise UsageError("--source-column: must not be empty")
    labels = labels_of(sources)
    output, explained = open_outputs(out, explain, sources, overwrite)
    rule = f"ROUGE-L F {'of at least' if refuse_equal else 'above'} {threshold:g}"
    try:
        with ExitStack() as stack:
            count = workers or min(2, os.cpu_count() or 1)
            join = Join(threshold, refuse_equal=refuse_equal, workers=count, explain=explain is not None)
            paths = [columns] if isinstance(columns, str) else columns
            given = [
                MergeInput(source, label, source_column, paths, output.path.parent, stack)
                for source, label in zip(sources, labels, strict=True)
            ]
            passes = Passes(given, [], output, explained, missing, progress)
            deciding = TaskDecider(join, given)

            def end(stay: npt.NDArray[np.bool_]) -> int:
                wanted = len(stay) if max_records is None else max_records
                beyond = np.flatnonzero(stay & deciding.firsts())[wanted:]
                return int(beyond[0]) if len(beyond) else len(stay)

            passes.read(deciding)
            if not fill:
                check_same_columns(given)
            with output.writing():
                joined, stay = passes.write(deciding, end)
                counts = _counts(given, joined.admitted, stay, passes, deciding.firsts())
                if output.is_folder:
                    write_merge_card(output.fresh, output.path.name, source_column, rule, counts)
    except OSError as error:
        raise nothing_written(output, error) from None
    return Merged(
        output.path, counts, passes.uncompared, time.perf_counter() - started, digest_of_stay(stay), joined.work
    )


def _counts(
    inputs: Sequence[MergeInput],
    admitted: npt.NDArray[np.bool_],
    stay: npt.NDArray[np.bool_],
    passes: Passes,
    firsts: npt.NDArray[np.bool_],
) -> tuple[SourceCount, ...]:
    without, beyond = np.zeros(len(stay), np.bool_), np.arange(len(stay)) >= passes.end
    without[passes.dropped] = True
    counts, start = [], 0
    for given in inputs:
        end = start + given.rows
        part = slice(start, end)
        out = without[part] & ~beyond[part]
        refused = ~admitted[part] & ~out & ~beyond[part]
        numbers = (each.sum() for each in (stay[part], refused, out, beyond[part], stay[part] & firsts[part]))
        counts.append(SourceCount(given.label, given.compared, given.rows, *map(int, numbers)))
        start = end
    return tuple(counts)
