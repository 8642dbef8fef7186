"""The commands `teacher list`, `fetch` and `serve` for the local teacher, and `serve-fake` for the fake teacher."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from .console import Debug, Port, plain_errors
from .help import Command, CommandGroup

teacher_app = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="List, fetch and serve the models of the local teacher."
)


def serve_fake(
    port: Port = 0,
    latency_s: Annotated[float, typer.Option(metavar="S", min=0, help="Seconds before each answer.")] = 0.0,
    token_s: Annotated[
        float, typer.Option(metavar="S", min=0, help="Seconds before each token of a streamed answer.")
    ] = 0.0,
    log: Annotated[Path | None, typer.Option(metavar="FILE", help="Append every request to this file.")] = None,
    max_rpm: Annotated[
        float | None, typer.Option(metavar="N", min=1, help="Requests per minute; more get a 429.")
    ] = None,
    max_tpm: Annotated[
        float | None, typer.Option(metavar="N", min=1, help="Tokens per minute; more get a 429.")
    ] = None,
    fixed_minutes: Annotated[
        bool, typer.Option(help="Count per minute of the clock instead of with a token bucket.")
    ] = False,
    retry_after: Annotated[bool, typer.Option(help="Send Retry-After with a 429.")] = True,
    rate_headers: Annotated[bool, typer.Option(help="Send x-ratelimit headers.")] = True,
    batch_s: Annotated[float, typer.Option(metavar="S", min=0, help="Seconds that a batch job takes.")] = 0.0,
    faults: Annotated[
        str | None,
        typer.Option(metavar="SHARES", help="Share of requests that fail, 0.3, or by kind, 429=0.1,html=0.05."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed of the faults.")] = 0,
    debug: Debug = False,
) -> None:
    """Serve the fake teacher over HTTP, to rehearse a run.

    Speaks OpenAI's protocol on loopback. Prints its base URL, and serves until Ctrl-C.
    """
    with plain_errors(debug):
        import asyncio

        from ..teachers.fake.fake_batches import FakeBatches
        from ..teachers.fake.fake_limits import Provider, limiting
        from ..teachers.fake.fake_server import FakeServer, serving
        from ..teachers.fake.faults import Faults

        # '429=0.1,html=0.05': one request in ten gets a 429, one in twenty an HTML page.
        drawn = None if faults is None else Faults.parse(faults, seed)
        before = []  # limits are checked before a request is answered
        if max_rpm is not None or max_tpm is not None:
            before.append(limiting(Provider(max_rpm, max_tpm, fixed_minutes, retry_after, rate_headers)))

        # Print the base URL as soon as the server listens, then serve until Ctrl-C.
        async def serve() -> None:
            batches = FakeBatches(batch_s)
            server = FakeServer(
                latency_s=latency_s, token_s=token_s, log=log, before=before, batches=batches, faults=drawn
            )
            async with serving(server, port) as base_url:
                print(base_url, flush=True)
                await asyncio.Event().wait()

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve())


@teacher_app.command("list", cls=Command, epilog="Example: selfinstruct teacher list")
def teacher_list(debug: Debug = False) -> None:
    """List the local models and whether their weights are cached."""
    with plain_errors(debug):
        from ..teachers.local.catalog import load_catalog
        from ..teachers.local.weights import cached

        for name, model in load_catalog().items():
            # 'smollm2-135m    145 MB  Apache-2.0  cached'
            size = f"{(model.bytes or 0) / 1e6:,.0f} MB"
            state = "cached" if cached(model) else "to fetch"
            print(f"{name:<22} {size:>9}  {model.license:<11} {state:<9} {model.title}")


@teacher_app.command("fetch", cls=Command, epilog="Example: selfinstruct teacher fetch qwen2.5-coder-1.5b")
def teacher_fetch(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A name from `teacher list`, or hf://owner/repo/file.gguf.")
    ],
    debug: Debug = False,
) -> None:
    """Download a model's weights and print the file's path.

    The weights go to the cache, and their SHA-256 is checked.
    """
    with plain_errors(debug):
        from ..teachers.local.catalog import resolve
        from ..teachers.local.weights import fetch

        print(fetch(resolve(model)))


@teacher_app.command("serve", cls=Command, epilog="Example: selfinstruct teacher serve smollm2-135m --port 8091")
def teacher_serve(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A name from `teacher list`, hf://owner/repo/file.gguf, or a GGUF file."),
    ],
    port: Port = 0,
    parallel: Annotated[int, typer.Option(metavar="N", min=1, help="Requests that are answered at the same time.")] = 4,
    context: Annotated[
        int, typer.Option(metavar="TOKENS", min=256, help="Tokens per request, prompt and answer together.")
    ] = 4096,
    log: Annotated[Path, typer.Option(metavar="FILE", help="The server's log.")] = Path("teacher.log"),
    debug: Debug = False,
) -> None:
    """Serve a local model over HTTP until Ctrl-C.

    Speaks OpenAI's protocol on loopback, and prints its base URL. Fetches the weights first if they are missing.
    """
    with plain_errors(debug):
        from ..teachers.local.catalog import LocalModel, resolve
        from ..teachers.local.llama_server import LlamaServer, serve_foreground
        from ..teachers.local.weights import fetch

        # The server answers to the catalog's name, or to the file's name without .gguf.
        found = resolve(model)
        alias = found.name if isinstance(found, LocalModel) else found.stem
        server = LlamaServer(fetch(found), parallel=parallel, context=context, log_path=log, alias=alias, port=port)
        serve_foreground(server, lambda base_url: print(base_url, flush=True))
