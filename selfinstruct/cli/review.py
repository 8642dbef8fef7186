"""The command `review`: a page on this machine on which a person judges the records of a run."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..core.counted import counted
from .console import Debug, Port, RunPath, plain_errors, say

if TYPE_CHECKING:
    from ..report.review_server import Desk, Reviewing


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
    run: RunPath,
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
        from ..report.review_server import Reviewing

        # A file from outside may be about any record.
        of_file = import_ is not None
        wanted = "dataset" if of_file else order, None if of_file else audit
        with contextlib.closing(Reviewing(run, reviewer or "reviewer", *wanted, config)) as reviewing:
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
            for line in reviewing.summary():
                print(line)
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


def serve_page(desk: Desk, port: int, there: str, stream: TextIO | None = None) -> None:
    """Print the page's address, to standard output or to `stream`, and serve it until Ctrl-C."""
    import asyncio

    from ..report.review_server import serving_reviews

    async def forever() -> None:
        async with serving_reviews(desk, port) as address:
            print(address, file=stream, flush=True)
            say(f"{there}; Ctrl-C stops the page")
            await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(forever())
