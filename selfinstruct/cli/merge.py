"""The command `merge`: datasets of many machines into one."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import Debug, plain_errors, printable, table
from .dedup import ExplainTo, Missing, Overwrite, RefuseEqual, Threshold, peak_mb, shown_work


def merge(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_DATASET... OUT",
            help="Run folders, dataset folders, files or hub names, in the order that decides what stays. The last one "
            "is the output: a name without suffix for a dataset folder, or .jsonl, .parquet, .csv, .tsv.",
            show_default=False,
        ),
    ],
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Column that is compared; the instruction where that is known. Repeatable."),
    ] = None,
    threshold: Threshold = 0.7,
    refuse_equal: RefuseEqual = False,
    missing: Missing = "fail",
    fill: Annotated[bool, typer.Option("--fill", help="Leave empty what rows of some inputs lack.")] = False,
    source_column: Annotated[str, typer.Option(metavar="NAME", help="Column with a row's origin.")] = "source",
    explain: ExplainTo = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; the cores, at most 2.", show_default=False)
    ] = None,
    max_records: Annotated[
        int | None, typer.Option(min=1, help="Keep the first so many tasks that stay.", metavar="N", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write the rows of several runs or datasets to OUT, without near-duplicates, as if one run had made them."""
    with plain_errors(debug):
        from ..core.errors import UsageError

        *inputs, out = paths
        if not inputs:
            raise UsageError(f"{out}: name the inputs first and the output last")
        with shown_work() as shown:
            from ..dedup.merge import merge_datasets

            done = merge_datasets(
                inputs,
                out,
                columns=column or [],
                threshold=threshold,
                refuse_equal=refuse_equal,
                missing=missing,  # type: ignore[arg-type]  # checked there
                fill=fill,
                source_column=source_column,
                explain=explain,
                workers=workers,
                max_records=max_records,
                overwrite=overwrite,
                progress=shown,
            )
        rows = {"rows read": f"{done.rows:,}", "admitted": f"{done.admitted:,}", "refused": f"{done.refused:,}"}
        if done.uncompared:
            rows["not compared"] = f"{done.uncompared:,} without a text"
        for count in done.sources:
            left_out = f", {count.dropped:,} without a text" if count.dropped else ""
            left_out += f", {count.beyond:,} behind --max-records" if count.beyond else ""
            rows[f"  {printable(count.label)}"] = f"{count.admitted:,} of {count.rows:,}{left_out}"
        rows |= {
            "time": f"{done.seconds:.1f} s, {done.rows / done.seconds:,.0f} rows/s",
            "peak memory": f"{peak_mb():,.0f} MB",
            "admitted set": done.digest,
            "written": str(done.out) + (f", refused rows: {explain}" if explain else ""),
        }
        table(rows)
