"""The command `scatter` runs one job as several streams on a Ray cluster; `print_streams` serves `status`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.counted import counted, dollars
from ..core.paths import quoted
from .console import Debug, Overwrite, plain_errors, printable_json, say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..journal.status import Status

_LINE_EVERY_S = 10.0


def scatter(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's YAML file.", show_default=False)],
    shards: Annotated[int, typer.Option(min=1, help="Number of streams.", show_default=False)],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as target=5000. Repeatable."),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="A Ray cluster: ray://HOST:10001 or auto; default: start Ray here.", metavar="URL"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Cores for a Ray on this machine; default: at most 2.", show_default=False)
    ] = None,
    overwrite: Overwrite = False,
    debug: Debug = False,
) -> None:
    """Start or resume one job as several streams that share its caps and limits, and merge their datasets."""
    with plain_errors(debug):
        from ..config.run_config import RunConfig
        from ..dataset.licensing import licensing
        from ..generate.assembly import assemble
        from ..generate.expectation import clear_text_warnings
        from ..journal.snapshot import read
        from ..scatter import run_scattered
        from ..scatter.plan import folder_of

        # Check seeds and prompts here, before Ray starts.
        loaded = RunConfig.load(config, set_)
        if "-" not in loaded.seed_sources:  # `run_scattered` rejects standard input; do not read it here
            assemble(loaded)
        for line in clear_text_warnings(loaded):
            say(line)
        last_line = time.monotonic()

        def progress(records: int, target: int) -> None:
            nonlocal last_line
            if time.monotonic() - last_line >= _LINE_EVERY_S:
                last_line = time.monotonic()
                say(f"{records:,} of {counted(target, 'record')}")

        done = run_scattered(loaded, shards, address=address, workers=workers, overwrite=overwrite, progress=progress)
        # The path of the dataset goes to standard output, everything else to standard error.
        for each in done.streams:
            say(f"stream {each.stream}: {counted(each.records, 'record')}, {each.reason} {each.detail}".rstrip())
        say(f"requests: {done.requests:,}, tokens: {done.tokens:,}, cost: {dollars(done.cost_usd)}")
        if done.merged is not None:
            say(f"{done.merged.records:,} of {counted(done.target, 'record')}")
            print(done.merged.out)
            made = next(each for each in done.streams if each.records)
            with read(folder_of(loaded, made.stream)) as snapshot:
                warnings = licensing(snapshot).warnings
            for statement in warnings:
                say(f"license, {statement.line}")
        if done.short is not None:
            say(f"{done.short.reason}: {done.short.detail}")
            say(f"to resume: selfinstruct scatter {quoted(config)} --shards {shards}")
        if done.exit_code:
            raise typer.Exit(done.exit_code)


def print_streams(path: Path, count: int, streams: Sequence[Status], as_json: bool) -> None:
    """Print the status of a scattered job of `count` streams: a line per stream that has begun, and the sums."""
    costs = [each.cost_usd for each in streams]
    cost_usd = None if None in costs else sum(each or 0.0 for each in costs)
    sums = {
        name: sum(getattr(each, name) for each in streams) for name in ("records", "requests", "asked", "unanswered")
    }
    tokens = sum(each.prompt_tokens + each.completion_tokens for each in streams)
    written = path / "dataset" if (path / "dataset").is_dir() else None
    if as_json:
        from dataclasses import asdict

        whole = {
            "run_dir": str(path),
            **sums,
            "tokens": tokens,
            "cost_usd": cost_usd,
            "dataset": written and str(written),
        }
        print(printable_json(whole | {"streams": [asdict(each) for each in streams]}))
        return
    # Records are counted before the merge, which drops near-duplicates between streams.
    rows = {"job": f"{path}, {counted(count, 'stream')}, {sum(each.running for each in streams)} of them running"}
    for each in streams:
        rows[f"  {Path(each.run_dir).name}"] = (
            f"{each.records:,} of {counted(each.target, 'record')}; {each.last_start}"
        )
    rows |= {
        "records": f"{sums['records']:,} in all streams, before near-duplicates between streams are removed",
        "requests": f"{sums['requests']:,} for {counted(sums['asked'], 'question')} "
        f"({sums['unanswered']:,} without an answer)",
        "tokens": f"{tokens:,}",
        "cost": dollars(cost_usd),
        "dataset": str(written) if written else "not yet written",
    }
    table(rows)
