"""The command `dedup`, and the options and output that the command `merge` shares with it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.counted import counted
from .console import Debug, Overwrite, find_runs, plain_errors, say, table

if TYPE_CHECKING:
    from ..dedup import Deduplicated
    from ..dedup.merge_datasets import Merged
    from ..dedup.verify import Confirmed

_LINE_EVERY_S = 30.0

# Options of `dedup` and `merge`.
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="PATH", help="Column to compare; default: the instruction. Repeatable."),
]
Threshold = Annotated[float, typer.Option(help="Refuse rows above this ROUGE-L F; above 0, at most 1.")]
RefuseEqual = Annotated[bool, typer.Option("--refuse-equal", help="Refuse rows at the threshold too.")]
Missing = Annotated[str, typer.Option(help="What to do with rows without a text: fail, keep or drop.")]
ExplainTo = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write refused rows with their nearest: .parquet, .jsonl, .csv.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads; default: the cores, at most 2.", show_default=False)]


def dedup(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="IN... OUT",
            help="Inputs: JSONL, JSON, CSV, TSV, Parquet, a dataset or run folder, a hub name or '-'. The last name is "
            "the output: .jsonl, .json, .parquet, .csv, .tsv, '-', or a name without suffix for a dataset folder.",
            show_default=False,
        ),
    ],
    columns: Columns = None,
    against: Annotated[
        list[str] | None, typer.Option(metavar="SRC", help="Also refuse near-duplicates of its rows. Repeatable.")
    ] = None,
    against_columns: Annotated[
        list[str] | None,
        typer.Option("--against-column", metavar="PATH", help="Column of --against, if it differs from the inputs'."),
    ] = None,
    threshold: Threshold = 0.7,
    refuse_equal: RefuseEqual = False,
    missing: Missing = "fail",
    explain: ExplainTo = None,
    workers: Workers = None,
    verify: Annotated[
        int, typer.Option(metavar="N", min=0, help="Re-check N random decisions with the package rouge-score.")
    ] = 0,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write the rows of IN to OUT, in order, without near-duplicates of earlier rows."""
    with plain_errors(debug):
        from ..dedup import deduplicate

        inputs, out = split_paths(paths)
        with show_progress() as progress:
            done = deduplicate(
                inputs,
                out,
                columns=columns or [],
                against=against or [],
                against_columns=against_columns,
                threshold=threshold,
                refuse_equal=refuse_equal,
                missing=missing,  # type: ignore[arg-type]  # checked by `deduplicate`
                explain=explain,
                workers=workers,
                verify=verify,
                overwrite=overwrite,
                progress=progress,
            )
        rows = {"rows read": f"{done.rows:,}" + (f", and {done.references:,} to compare with" if against else "")}
        rows |= {"admitted": f"{done.admitted:,}", "refused": f"{done.refused:,}"}
        if missing != "fail":
            rows["left out"] = f"{done.dropped:,} without a text"
        if done.uncompared:
            rows["not compared"] = f"{done.uncompared:,} without a text"
        work = f"{counted(done.work.postings, 'posting')} read, {counted(done.work.compared, 'pair')} compared"
        print_counts(rows, done, explain, {"work": work, **(_verified(done.verified) if done.verified else {})})


def _verified(done: Confirmed) -> dict[str, str]:
    kinds = f"{done.admitted:,} admitted, {done.refused:,} refused"
    highest = f"of an admitted row at most {done.highest:.4f}"
    rows = {"verified": f"rouge-score agrees with {counted(done.admitted + done.refused, 'decision')}: {kinds}"}
    rows |= {"its scores": f"{highest}; of a refused row at most {done.difference:.1g} from ours"}
    if done.other_letters:
        texts = counted(done.other_letters, "text")
        rows["other letters"] = f"in {texts}; rouge-score drops them, so it was given our tokens"
    return rows


def split_paths(paths: list[str]) -> tuple[list[str], str]:
    """Split the arguments into inputs and the output. Raises UsageError if there is no input."""
    from ..core.errors import UsageError

    *inputs, out = paths
    if not inputs:
        raise UsageError(f"{out}: name the inputs first and the output last")
    return find_runs(inputs), out


def print_counts(rows: dict[str, str], done: Deduplicated | Merged, explain: Path | None, more: dict[str, str]) -> None:
    """Print `rows`, then time, `more`, memory, digest and outputs; to standard error if the data are printed."""
    to_stdout = str(done.out) == "-"
    written = ["standard output" if to_stdout else str(done.out)] + ([f"refused rows: {explain}"] if explain else [])
    rows |= {"time": f"{done.seconds:.1f} s, {done.rows / done.seconds:,.0f} rows/s", **more}
    rows |= {"peak memory": f"{_peak_mb():,.0f} MB", "admitted set": done.digest, "written": ", ".join(written)}
    table(rows, sys.stderr if to_stdout else None)


@contextmanager
def show_progress() -> Iterator[WorkProgress]:
    """Show the progress of the work inside; exit with code 3 if it is interrupted."""
    progress = WorkProgress()
    try:
        yield progress
    except KeyboardInterrupt:
        progress.close()
        say("interrupted; nothing was written")
        raise typer.Exit(3) from None
    finally:
        progress.close()


class WorkProgress:
    """Shows progress on standard error: a bar per step on a terminal, otherwise a line every 30 s."""

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
        """Finish the last bar."""
        if self._bar is not None:
            self._bar.close()

    def _begin(self, step: str, total: int) -> None:
        from tqdm import tqdm

        self.close()
        self._step = step
        self._bar = tqdm(total=total or None, desc=f"{step:<9}", unit=" rows", file=sys.stderr, dynamic_ncols=True)


def _peak_mb() -> float:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 if sys.platform != "darwin" else 1024 * 1024)  # kilobytes on Linux, bytes on macOS
