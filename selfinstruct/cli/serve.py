"""The command `serve`: shows a run in progress as a web page on this machine."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Annotated

import typer

from .console import Debug, Port, RunPath, plain_errors, say


def serve(
    run: RunPath,
    host: Annotated[
        str, typer.Option(metavar="HOST", help="The address to listen on; any except loopback needs a token.")
    ] = "127.0.0.1",
    port: Port = 0,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", envvar="SELFINSTRUCT_SERVE_TOKEN", help="The token that readers must present."),
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Serve the page of `review`, too, for this person, always with a token."),
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve a run's live figures and its report as a web page.

    Prints the page's address and serves until Ctrl-C. Read-only, unless --reviewer adds the page of reviews.
    """
    with plain_errors(debug), contextlib.ExitStack() as stack:
        import asyncio
        import secrets

        from ..report.live import Live, check_place, serving

        # Without a token, only this machine may read the page.
        check_place(host, token)
        live, add_review = Live(run), None
        if reviewer is not None:
            from ..report.review_server import Reviewing, add_review_routes

            reviewing = stack.enter_context(contextlib.closing(Reviewing(run, reviewer, may_be_empty=True)))
            token = token or secrets.token_urlsafe(16)
            add_review = partial(add_review_routes, reviewing)

        # Print the address as soon as the server listens, then serve until Ctrl-C.
        async def forever() -> None:
            async with serving(live, host, port, token, add_review) as address:
                print(address, flush=True)
                say("Ctrl-C stops the page; the run continues")
                await asyncio.Event().wait()

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(forever())
