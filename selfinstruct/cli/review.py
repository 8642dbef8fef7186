"""The command `review`: a page on this machine on which a person accepts, rejects, and edits records."""

from __future__ import annotations

import contextlib
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Debug, Port, RunPath, plain_errors, say

if TYPE_CHECKING:
    from ..report.review_server import Reviewing


class Order(StrEnum):
    """Which records come first."""

    UNCERTAIN = "uncertain"
    RANDOM = "random"
    DATASET = "dataset"


def review(
    run: RunPath,
    reviewer: Annotated[
        str, typer.Option(metavar="NAME", help="Who reviews; the name appears in the rows and on the card.")
    ] = "reviewer",
    order: Annotated[
        Order, typer.Option(help="Records near a limit first, in random order, or as in the dataset.")
    ] = Order.UNCERTAIN,
    audit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Review a random sample of N records, and print its figures.")
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

        with contextlib.closing(Reviewing(run, reviewer, order, audit)) as reviewing:
            with contextlib.suppress(KeyboardInterrupt):
                _serve(reviewing, port)
            for line in reviewing.summary():
                print(line)
            if reviewing.decided:
                say(f"{reviewing.decided:,} decisions stored; the next `selfinstruct generate` applies them")


def _serve(reviewing: Reviewing, port: int) -> None:
    """Print the page's address, and serve it until Ctrl-C."""
    import asyncio

    from ..report.review_server import serving_reviews

    async def forever() -> None:
        async with serving_reviews(reviewing, port) as address:
            print(address, flush=True)
            say(f"{len(reviewing.items):,} records to review; Ctrl-C stops the page")
            await asyncio.Event().wait()

    asyncio.run(forever())
