"""The command `dedup`: near-duplicates out of an existing dataset, without a run."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Debug, plain_errors, say, table

_LINE_EVERY_S = 30.0

Threshold = Annotated[float, typer.Option(help="Refuse above this ROUGE-L F: above 0, at most 1.")]
RefuseEqual = Annotated[bool, typer.Option("--refuse-equal", help="Refuse what equals it, too.")]
Missing = Annotated[str, typer.Option(help="Rows without a text: fail, keep or drop.")]
ExplainTo = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write refused rows with their nearest: .parquet, .jsonl, .csv.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there.")]


def dedup(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Inputs: JSONL, JSON, CSV, TSV, Parquet, a dataset folder, a hub name or '-'. The last one is the "
            "output: .jsonl, .parquet, .csv, .tsv, or a name without suffix for a dataset folder.",
            show_default=False,
        ),
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Column that is compared; the instruction where that is known. Repeatable."),
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(metavar="SRC", help="Refuse what is like its rows, too. Repeatable.")
    ] = None,
    against_column: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Column of --against, where it isn't that of the inputs.")
    ] = None,
    threshold: Threshold = 0.7,
    refuse_equal: RefuseEqual = False,
    missing: Missing = "fail",
    explain: ExplainTo = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads that compare; the cores, at most 2.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write the rows of IN to OUT, in order, without those that are near-duplicates of an earlier row."""
    with plain_errors(debug):
        from ..core.errors import UsageError

        *inputs, out = paths
        if not inputs:
            raise UsageError(f"{out}: name the inputs first and the output last")
        with shown_work() as shown:
            from ..dedup import deduplicate

            done = deduplicate(
                inputs,
                out,
                columns=column or [],
                against=against or [],
                against_columns=against_column,
                threshold=threshold,
                refuse_equal=refuse_equal,
                missing=missing,  # type: ignore[arg-type]  # checked there
                explain=explain,
                workers=workers,
                overwrite=overwrite,
                progress=shown,
            )
        rows = {"rows read": f"{done.rows:,}" + (f", and {done.references:,} to compare with" if against else "")}
        rows |= {"admitted": f"{done.admitted:,}", "refused": f"{done.refused:,}"}
        if missing != "fail":
            rows["left out"] = f"{done.dropped:,} without a text"
        if done.uncompared:
            rows["not compared"] = f"{done.uncompared:,} without a text"
        rows |= {
            "time": f"{done.seconds:.1f} s, {done.rows / done.seconds:,.0f} rows/s",
            "work": f"{done.work.postings:,} postings read, {done.work.compared:,} pairs compared",
            "peak memory": f"{peak_mb():,.0f} MB",
            "admitted set": done.digest,
            "written": str(done.out) + (f", refused rows: {explain}" if explain else ""),
        }
        table(rows)


@contextmanager
def shown_work() -> Iterator[Shown]:
    """Work that says where it stands, and ends with exit code 3 when it is interrupted."""
    shown = Shown()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield shown
    except KeyboardInterrupt:
        shown.close()
        say("interrupted; nothing was written")
        raise typer.Exit(3) from None
    finally:
        shown.close()


class Shown:
    """Where the work stands, on standard error: a bar for each step on a terminal, a line every 30 s elsewhere."""

    def __init__(self) -> None:
        self._step = ""
        self._bar: Any = None
        self._last_line = time.monotonic()

    def __call__(self, step: str, done: int, total: int) -> None:
        now = time.monotonic()
        if sys.stderr.isatty():
            if step != self._step:
                self._begin(step, total)
            self._bar.update(done - self._bar.n)
        elif now - self._last_line >= _LINE_EVERY_S:
            self._last_line = now
            of = f" of {total:,}" if total else ""
            print(f"{time.strftime('%H:%M:%S')} {step}: {done:,}{of} rows", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Leave the last bar behind."""
        if self._bar is not None:
            self._bar.close()

    def _begin(self, step: str, total: int) -> None:
        from tqdm import tqdm

        self.close()
        self._step = step
        self._bar = tqdm(total=total or None, desc=f"{step:<9}", unit=" rows", file=sys.stderr, dynamic_ncols=True)


def peak_mb() -> float:
    """The most memory that this process has had."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)
