"""The command `merge`: merge the datasets of several machines into one."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import Debug, Overwrite, plain_errors
from .dedup import (
    Columns,
    ExplainTo,
    Missing,
    RefuseEqual,
    Threshold,
    Workers,
    print_counts,
    show_progress,
    split_paths,
)  # fmt: skip


def merge(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN_OR_DATASET... OUT",
            help="Run folders, dataset folders, files or hub names; of two near-duplicates the first stays. The last "
            "name is the output: .jsonl, .json, .parquet, .csv, .tsv, '-', or no suffix for a dataset folder.",
            show_default=False,
        ),
    ],
    columns: Columns = None,
    threshold: Threshold = 0.7,
    refuse_equal: RefuseEqual = False,
    missing: Missing = "fail",
    fill: Annotated[bool, typer.Option("--fill", help="Leave columns empty that an input lacks.")] = False,
    source_column: Annotated[str, typer.Option(metavar="NAME", help="Column for the origin of a row.")] = "source",
    explain: ExplainTo = None,
    workers: Workers = None,
    max_records: Annotated[
        int | None, typer.Option(min=1, help="Keep the first N tasks.", metavar="N", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write the rows of several runs or datasets to OUT, without near-duplicates, as if one run had made them."""
    with plain_errors(debug):
        from ..dedup.merge_datasets import merge_datasets

        inputs, out = split_paths(paths)
        with show_progress() as progress:
            done = merge_datasets(
                inputs,
                out,
                columns=columns or [],
                threshold=threshold,
                refuse_equal=refuse_equal,
                missing=missing,  # type: ignore[arg-type]  # checked by `merge_datasets`
                fill=fill,
                source_column=source_column,
                explain=explain,
                workers=workers,
                max_records=max_records,
                overwrite=overwrite,
                progress=progress,
            )
        rows = {"rows read": f"{done.rows:,}", "admitted": f"{done.admitted:,}", "refused": f"{done.refused:,}"}
        if done.uncompared:
            rows["not compared"] = f"{done.uncompared:,} without a text"
        # One row per input: '  runs/a   9,500 of 10,000, 3 without a text'.
        for count in done.sources:
            left_out = f", {count.dropped:,} without a text" if count.dropped else ""
            left_out += f", {count.beyond:,} after --max-records" if count.beyond else ""
            rows[f"  {count.label}"] = f"{count.admitted:,} of {count.rows:,}{left_out}"
        print_counts(rows, done, explain, {})
