"""The command `report`: a run as an HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .console import Debug, RunPath, plain_errors


def report(
    run: RunPath,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page to write; default: report.html in the run's folder.")
    ] = None,
    no_records: Annotated[bool, typer.Option("--no-records", help="Omit the table of records.")] = False,
    max_records: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Show at most N records and N rejected tasks, sampled with a fixed seed."
        ),
    ] = None,
    word_list: Annotated[
        bool, typer.Option("--word-list", help="Find verbs with the built-in word list, even if spaCy is installed.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write a run's report, one HTML page, and print its path.

    The page loads nothing from the network. Works while the run is in progress, too.
    """
    with plain_errors(debug):
        from ..core.errors import UsageError
        from ..report.page import write_report

        if no_records and max_records is not None:
            raise UsageError("--no-records, --max-records: contradict each other; give only one")
        most = 0 if no_records else max_records  # None: all records
        path = write_report(run, output, max_records=most, parser="word-list" if word_list else "auto")
        if str(path) != "-":
            print(path)
