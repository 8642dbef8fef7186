"""The commands around teachers: weights and server of the embedded one, and the fake one over HTTP."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from .console import Debug, plain_errors

teacher_app = typer.Typer(no_args_is_help=True, help="The embedded local teacher: weights and server.")


def serve_fake(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    latency_s: Annotated[float, typer.Option(min=0, help="Seconds before each answer.")] = 0.0,
    log: Annotated[Path | None, typer.Option(help="File that every request is appended to.")] = None,
    max_rpm: Annotated[float | None, typer.Option(min=1, help="Requests a minute; 429 for more.")] = None,
    max_tpm: Annotated[float | None, typer.Option(min=1, help="Tokens a minute; 429 for more.")] = None,
    fixed_minutes: Annotated[bool, typer.Option(help="Count by minutes of the clock, not as a bucket.")] = False,
    retry_after: Annotated[bool, typer.Option(help="Send Retry-After with a 429.")] = True,
    rate_headers: Annotated[bool, typer.Option(help="Send x-ratelimit headers.")] = True,
    batch_s: Annotated[float, typer.Option(min=0, help="Seconds that a batch job takes.")] = 0.0,
    faults: Annotated[
        str | None,
        typer.Option(help="Share of requests that meet a fault, 0.3, or shares by kind, 429=0.1,html=0.05."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the faults' draws.")] = 0,
    debug: Debug = False,
) -> None:
    """Serve the fake teacher over OpenAI's protocol on loopback, to rehearse a run. Prints its base URL."""
    with plain_errors(debug):
        import asyncio

        from ..teachers.fake.fake_batches import FakeBatches
        from ..teachers.fake.fake_limits import Provider, limiting
        from ..teachers.fake.fake_server import FakeServer, serving
        from ..teachers.fake.faults import Faults

        met = None if faults is None else Faults.parse(faults, seed)

        before = []
        if max_rpm is not None or max_tpm is not None:
            before.append(limiting(Provider(max_rpm, max_tpm, fixed_minutes, retry_after, rate_headers)))

        async def serve() -> None:
            server = FakeServer(latency_s=latency_s, log=log, before=before, batches=FakeBatches(batch_s), faults=met)
            async with serving(server, port) as base_url:
                print(base_url, flush=True)
                await asyncio.Event().wait()

        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve())


@teacher_app.command("list", epilog="Example: selfinstruct teacher list")
def teacher_list(debug: Debug = False) -> None:
    """The local models known by name, and whether their weights are here."""
    with plain_errors(debug):
        from ..teachers.local.catalogue import load_catalogue
        from ..teachers.local.weights import cached

        for name, model in load_catalogue().items():
            size = f"{(model.bytes or 0) / 1e6:,.0f} MB"
            here = "here" if cached(model) else "to fetch"
            print(f"{name:<22} {size:>9}  {model.license:<11} {here:<9} {model.title}")


@teacher_app.command("fetch", epilog="Example: selfinstruct teacher fetch qwen2.5-coder-1.5b")
def teacher_fetch(
    model: Annotated[str, typer.Argument(help="A name of `teacher list`, or hf://owner/repo/file.gguf.")],
    debug: Debug = False,
) -> None:
    """Fetch a model's weights into the cache, checked by their sha256; prints the file's path."""
    with plain_errors(debug):
        from ..teachers.local.catalogue import resolve
        from ..teachers.local.weights import fetch

        print(fetch(resolve(model)))


@teacher_app.command("serve", epilog="Example: selfinstruct teacher serve smollm2-135m --port 8091")
def teacher_serve(
    model: Annotated[str, typer.Argument(help="A name of `teacher list`, hf://owner/repo/file.gguf or a GGUF file.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free port.")] = 0,
    parallel: Annotated[int, typer.Option(min=1, help="Requests worked on at once.")] = 4,
    context: Annotated[int, typer.Option(min=256, help="Tokens for each request.")] = 4096,
    log: Annotated[Path, typer.Option(help="The server's log.")] = Path("teacher.log"),
    debug: Debug = False,
) -> None:
    """Serve a local model over OpenAI's protocol on loopback until Ctrl-C. Prints its base URL."""
    with plain_errors(debug):
        from ..teachers.local.catalogue import LocalModel, resolve
        from ..teachers.local.llama_server import serve_foreground
        from ..teachers.local.weights import fetch

        found = resolve(model)
        alias = found.name if isinstance(found, LocalModel) else found.stem
        serve_foreground(
            fetch(found),
            parallel=parallel,
            context=context,
            log_path=log,
            alias=alias,
            port=port,
            announce=lambda base_url: print(base_url, flush=True),
        )
