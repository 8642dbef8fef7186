"""The command `serve`: a run in progress as a page on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from .console import Debug, plain_errors, say


def serve(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    host: Annotated[str, typer.Option(help="Where to listen; anything but this machine needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    token: Annotated[
        str | None, typer.Option(envvar="SELFINSTRUCT_SERVE_TOKEN", help="Only who brings it may read.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Serve a run's figures, live, and its report; read-only. Prints the page's address; Ctrl-C ends it."""
    with plain_errors(debug):
        import asyncio

        from ..report.live import Live, check_place, serving

        check_place(host, token)
        live = Live(run)

        async def forever() -> None:
            async with serving(live, host, port, token) as address:
                print(address, flush=True)
                say("Ctrl-C ends it; the run goes on")
                await asyncio.Event().wait()

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(forever())
