"""Two passes over the inputs: their texts into the search, then the rows that stay through to the output.

Only tokens are in memory, never the rows: each pass reads them in chunks of some megabytes.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError
from ..novelty import Work
from ..novelty.join import Join
from ..tables import parse_columns
from .dedup_card import write_card
from .inputs import Input
from .output import Output, nothing_written, open_outputs
from .passes import Passes, Progress

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, slots=True)
class Deduplicated:
    """What was done. `rows` = `admitted` + `refused` + `dropped`.

    dropped: rows without a text, left out as asked. uncompared: such rows that stay, as asked. references: rows of
    `against`. digest: sha256 over the numbers, counted from 0 over all inputs, of the rows that stayed, 8 bytes each,
    little-endian.
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


def deduplicate(
    inputs: Paths,
    out: str | os.PathLike[str],
    *,
    columns: Sequence[str] = (),
    against: Paths = (),
    against_columns: Sequence[str] | None = None,
    threshold: float = 0.7,
    refuse_equal: bool = False,
    missing: Literal["fail", "keep", "drop"] = "fail",
    explain: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Deduplicated:
    """Write the rows of `inputs` to `out`, in order, without those that are near-duplicates of an earlier one.

    The options are those of `selfinstruct dedup`; docs/guide/dedup.md describes them. `inputs` and `against` are what
    seeds may be, too: files, folders, hub names, '-'. Nothing is left at `out` when it doesn't end well.
    Raises UsageError for wrong arguments and rows that can't be used, StorageError when the disk refuses or an
    input changes meanwhile.
    """
    started = time.perf_counter()
    check_rule(threshold, missing)
    sources, references = _names(inputs), _names(against)
    if not sources:
        raise UsageError("no input is named; give at least one")
    if against_columns and not references:
        raise UsageError("--against-column: names a column of --against, which isn't given")
    if [*sources, *references].count("-") > 1:
        raise UsageError("standard input is named twice; it can be read once")
    output, explained = open_outputs(out, explain, [*sources, *references], overwrite)
    join = Join(
        threshold,
        refuse_equal=refuse_equal,
        workers=workers or min(2, os.cpu_count() or 1),
        explain=explain is not None,
    )
    try:
        with ExitStack() as stack:
            passes = Passes(
                _opened(sources, columns, output, stack),
                _opened(references, columns if against_columns is None else against_columns, output, stack),
                output,
                explained,
                missing,
                progress,
            )
            passes.read(join)
            with output.writing():
                joined, stay = passes.write(join)
                rows, admitted, dropped = len(stay), int(stay.sum()), len(passes.dropped)
                counts = {"rows read": rows, "rows here": admitted, "near-duplicates": rows - admitted - dropped}
                if output.is_folder:
                    rule = f"ROUGE-L F {'of at least' if refuse_equal else 'above'} {threshold:g}"
                    counts |= {"rows without a text, left out": dropped} if dropped else {}
                    write_card(output.fresh, output.path.name, passes.sources, passes.references, rule, counts)
    except OSError as error:
        raise nothing_written(output, error) from None
    return Deduplicated(
        out=output.path,
        rows=rows,
        admitted=admitted,
        refused=rows - admitted - dropped,
        dropped=dropped,
        uncompared=passes.uncompared,
        references=passes.first,
        seconds=time.perf_counter() - started,
        digest=digest_of_stay(stay),
        work=joined.work,
    )


def check_rule(threshold: float, missing: str) -> None:
    """Raise UsageError for a threshold or a treatment of rows without text that isn't one."""
    if not 0.0 < threshold <= 1.0:
        raise UsageError(f"threshold: {threshold:g} is not above 0 and at most 1")
    if missing not in ("fail", "keep", "drop"):
        raise UsageError(f"missing: {missing!r} is none of fail, keep, drop")


def digest_of_stay(stay: npt.NDArray[np.bool_]) -> str:
    """`Deduplicated.digest`."""
    return hashlib.sha256(np.flatnonzero(stay).astype("<i8").tobytes()).hexdigest()


def _names(sources: Paths) -> list[str]:
    return [os.fspath(one) for one in ([sources] if isinstance(sources, str | os.PathLike) else sources)]


def _opened(sources: Sequence[str], columns: Sequence[str], output: Output, stack: ExitStack) -> list[Input]:
    parsed = parse_columns([columns] if isinstance(columns, str) else columns)
    return [Input(source, parsed, output.path.parent, stack) for source in sources]
