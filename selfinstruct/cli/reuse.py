"""The commands `export` and `refilter`: new files from the answers of an existing run, without new requests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..core.paths import quoted
from .console import Debug, Overrides, Overwrite, RunPath, plain_errors, say


def export(
    run: RunPath,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", metavar="NAME", help="A format; the first one becomes the default. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="A folder; default: dataset/ in the run's folder. A name such as x.jsonl, x.json, x.csv or x.parquet "
            "is a file for the rows of the first format, '-' standard output.",
        ),
    ] = None,
    test_share: Annotated[
        float | None, typer.Option(metavar="SHARE", min=0, max=1, help="Share of records in the split 'test', 0 to 1.")
    ] = None,
    overrides: Overrides = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Write a run's dataset again, in other formats or elsewhere.

    Prints the dataset's path. Sends no requests.
    """
    with plain_errors(debug):
        from ..dataset.write import export as write_again

        dataset = write_again(
            run, output, formats=formats or (), test_share=test_share, overrides=overrides, overwrite=overwrite
        )
        if str(dataset) != "-":
            print(dataset)


def refilter(
    run: RunPath,
    new_run: Annotated[Path, typer.Argument(metavar="NEW_RUN", help="The new run's folder.", show_default=False)],
    overrides: Overrides = None,
    debug: Debug = False,
) -> None:
    """Apply other filters to a run's answers, as a new run.

    Sends no requests and prints the path of the new dataset. If records are missing, `generate` can continue the new
    run.
    """
    with plain_errors(debug):
        from ..generate.refilter import refilter as replay

        replayed = replay(run, new_run, overrides)
        outcome = replayed.outcome
        # Exit code 3: the stricter filters leave fewer records than the target.
        say(outcome.detail)
        if outcome.exit_code:
            say(f"to generate the missing records: selfinstruct generate {quoted(new_run / 'config.yaml')}")
        if replayed.dataset_path.exists():
            print(replayed.dataset_path)
        if outcome.exit_code:
            raise typer.Exit(outcome.exit_code)
