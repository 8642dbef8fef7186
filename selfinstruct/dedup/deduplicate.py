"""`deduplicate`: two passes over the inputs. The first one feeds their texts to the search, the second writes the rows.

Only tokens stay in memory, never rows: each pass reads the inputs in chunks of some megabytes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError
from ..novelty import Work
from ..tables import parse_columns
from .dedup_card import write_card
from .inputs import Input
from .options import DedupOptions, Missing, Progress
from .output import Output, open_outputs, report_disk_errors
from .passes import Passes
from .verify import Confirmed, check_decisions

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """What `deduplicate` did. `rows` = `admitted` + `refused` + `dropped`.

    Attributes:
        out: The output.
        rows: Rows read.
        admitted: Rows written.
        refused: Near-duplicates.
        dropped: Rows without a text that were left out (missing="drop").
        uncompared: Rows without a text that were written (missing="keep").
        references: Rows of `against`.
        seconds: Wall time.
        digest: SHA-256 over the numbers of the rows written, counted from 0 over all inputs, 8 bytes each,
            little-endian.
        work: Counts of the comparisons.
        verified: Decisions that `rouge-score` confirmed, if `verify` asked for some.
    """

    out: Path
    rows: int
    admitted: int
    refused: int
    dropped: int
    uncompared: int
    references: int
    seconds: float
    digest: str
    work: Work
    verified: Confirmed | None


def deduplicate(
    inputs: Paths,
    out: str | os.PathLike[str],
    *,
    columns: Sequence[str] = (),
    against: Paths = (),
    against_columns: Sequence[str] | None = None,
    threshold: float = 0.7,
    refuse_equal: bool = False,
    missing: Missing = "fail",
    explain: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    verify: int = 0,
    overwrite: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Deduplicated:
    """Write the rows of `inputs` to `out`, in order, without near-duplicates of earlier rows.

    docs/guide/dedup.md describes the options. On an error, nothing is left at `out`.

    Args:
        inputs: Files, folders, hub names or '-', as for seeds.
        out: The output; its suffix chooses the format, no suffix a dataset folder.
        columns: Columns to compare; the instruction by default.
        against: Further inputs whose near-duplicates are refused too; their rows are not written.
        against_columns: Columns to compare in `against`; `columns` by default.
        threshold: Refuse rows above this ROUGE-L F; above 0, at most 1.
        refuse_equal: Refuse rows at the threshold too.
        missing: What to do with rows without a text.
        explain: Write the refused rows to this file, each with the row that refused it.
        workers: Threads; the cores, at most 2, by default.
        verify: Re-check this many random decisions with `rouge-score` before the output is in its place.
        overwrite: Replace outputs that exist.
        progress: Called with the step, the rows done, and the total (0 if unknown).

    Raises:
        UsageError: An argument is invalid, or a row can't be used.
        StorageError: The disk refused a write, or an input changed while it was read.
        SelfInstructError: `rouge-score` decides otherwise.
    """
    started = time.perf_counter()
    options = DedupOptions(threshold, refuse_equal, missing, explain, workers, overwrite, progress, verify)
    sources, references = _source_names(inputs), _source_names(against)
    _check_sources(sources, references, against_columns)
    output, explained = open_outputs(out, [*sources, *references], options)
    join = options.join()
    with report_disk_errors(output), ExitStack() as stack:
        passes = Passes(
            _open_inputs(sources, columns, output, stack),
            _open_inputs(references, columns if against_columns is None else against_columns, output, stack),
            output,
            explained,
            options,
        )
        # First pass: read the texts. Second pass: write the admitted rows, to a temporary path.
        passes.read(join)
        with output.writing():
            joined, stay = passes.write(join)
            verified = check_decisions(passes, joined, stay, options) if verify else None
            rows, admitted, dropped = len(stay), int(stay.sum()), len(passes.dropped)
            refused = rows - admitted - dropped
            if output.is_folder:
                counts = {"rows read": rows, "rows here": admitted, "near-duplicates": refused}
                counts |= {"rows without a text, left out": dropped} if dropped else {}
                write_card(output.fresh, output.path.name, passes.sources, passes.references, options.rule, counts)
    return Deduplicated(
        out=output.path,
        rows=rows,
        admitted=admitted,
        refused=refused,
        dropped=dropped,
        uncompared=passes.uncompared,
        references=passes.first,
        seconds=time.perf_counter() - started,
        digest=digest_rows(stay),
        work=joined.work,
        verified=verified,
    )


def digest_rows(stay: npt.NDArray[np.bool_]) -> str:
    """Return `Deduplicated.digest` for the rows that stay."""
    return hashlib.sha256(np.flatnonzero(stay).astype("<i8").tobytes()).hexdigest()


def _check_sources(sources: list[str], references: list[str], against_columns: Sequence[str] | None) -> None:
    if not sources:
        raise UsageError("no input is named; give at least one")
    if against_columns and not references:
        raise UsageError("--against-column: names a column of --against, which is missing; add --against")
    if [*sources, *references].count("-") > 1:
        raise UsageError("standard input is named twice; it can be read once")


def _source_names(sources: Paths) -> list[str]:
    return [os.fspath(one) for one in ([sources] if isinstance(sources, str | os.PathLike) else sources)]


def _open_inputs(sources: Sequence[str], columns: Sequence[str], output: Output, stack: ExitStack) -> list[Input]:
    parsed = parse_columns([columns] if isinstance(columns, str) else columns)
    return [Input(source, parsed, output.path.parent, stack) for source in sources]
