"""The command `review`: pages on this machine on which a person judges records, or rows without their source."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted
from .console import Debug, Port, find_runs, plain_errors, say

if TYPE_CHECKING:
    from ..report.blind import BlindReading
    from ..report.review_server import Reviewing


APPLIES = "; the next `selfinstruct generate` applies them"


class ExportKind(StrEnum):
    """What a reviewer without this program uses."""

    HTML = "html"
    ARGILLA = "argilla"
    LABEL_STUDIO = "label-studio"


class Order(StrEnum):
    """Which records come first."""

    UNCERTAIN = "uncertain"
    RANDOM = "random"
    DATASET = "dataset"


def review(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN",
            help="The run's folder, or its configuration; with --blind, one or more runs or datasets (folders, files, "
            "names on the hub).",
            callback=find_runs,
            show_default=False,
        ),
    ],
    reviewer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Who reviews; the name appears in the rows and on the card. Else 'reviewer'."
        ),
    ] = None,
    order: Annotated[
        Order, typer.Option(help="Records near a limit first, in random order, or as in the dataset.")
    ] = Order.UNCERTAIN,
    audit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Review a random sample of N records, and print its figures.")
    ] = None,
    blind: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Grade N random rows of each RUN, shuffled, without knowing their source."
        ),
    ] = None,
    grades: Annotated[
        Path, typer.Option(metavar="FILE", help="The file of blind grades, to be added to and used again.")
    ] = Path("grades.jsonl"),
    seed: Annotated[int, typer.Option(metavar="SEED", help="Decides which rows are read blind, and their order.")] = 42,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The configuration that filters 'like this' are written to, on request."),
    ] = None,
    export: Annotated[
        tuple[ExportKind, Path] | None,
        typer.Option(
            metavar="KIND FILE",
            help="Write the records for a reviewer without this program: html (a page that opens from disk), argilla, "
            "or label-studio, and print the settings that the other program needs.",
        ),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", metavar="FILE", help="Store the decisions that one of them saved as JSON."),
    ] = None,
    port: Port = 0,
    debug: Debug = False,
) -> None:
    """Review a run's records on a web page, by keyboard.

    Each decision is on disk before the page confirms it. The next `generate` replaces rejected records and applies
    edits. Works while the run is in progress, too.
    """
    with plain_errors(debug):
        if blind is not None:
            from ..report.blind import blind_reading

            reading = blind_reading(runs, blind, grades, reviewer or "reviewer", seed)
            serve_page(reading, port, f"{reading.left():,} of {len(reading.rows):,} rows to read")
            if reading.decided:
                say(f"{reading.decided:,} grades stored in {grades}")
            _print_summary(reading)
            return

        from ..core.errors import UsageError
        from ..report.review_server import Reviewing

        if len(runs) > 1:
            raise UsageError(f"{runs[1]}: review takes one run; --blind N reads rows of several")
        # A file from outside may be about any record.
        of_file = import_ is not None
        wanted = "dataset" if of_file else order, None if of_file else audit
        with contextlib.closing(Reviewing(Path(runs[0]), reviewer or "reviewer", *wanted, config)) as reviewing:
            if export is not None:
                _export(reviewing, *export)
                return
            if import_ is not None:
                from ..report.exchange import imported

                new, unknown = imported(import_, reviewing, reviewer)
                if unknown:
                    say(f"{counted(unknown, 'decision')} about records that the run doesn't have, with these texts")
                say(f"{counted(new, 'new decision')} stored{APPLIES if new else ''}")
                return
            serve_page(reviewing, port, f"{counted(len(reviewing.items), 'record')} to review")
            _print_summary(reviewing)
            if reviewing.decided:
                say(f"{counted(reviewing.decided, 'decision')} stored{APPLIES}")


def _export(reviewing: Reviewing, kind: ExportKind, path: Path) -> None:
    """Write the file, and print the settings of the other program."""
    from ..report.exchange import exported, setup_of
    from ..report.page.page import write_page

    write_page(path, exported(kind, reviewing))
    if setup := setup_of(kind):
        print(setup.replace('"FILE"', repr(str(path))))
    say(f"{counted(len(reviewing.items), 'record')} to review in {path}; --import stores what comes back")


def _print_summary(desk: Reviewing | BlindReading) -> None:
    for line in desk.summary():
        print(line)


def serve_page(desk: Reviewing | BlindReading, port: int, there: str) -> None:
    """Print the page's address, and serve it until Ctrl-C."""
    import asyncio

    from ..report.review_server import serving_reviews

    async def forever() -> None:
        async with serving_reviews(desk, port) as address:
            print(address, flush=True)
            say(f"{there}; Ctrl-C stops the page")
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())
