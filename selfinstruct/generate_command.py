"""The command `generate`: run, or go on with a run, until its target is met."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from .console import Debug, plain_errors, say

_FIRST = {
    "detached": ", when the jobs have ended",
    "budget": ", raise the cap, then",
    "exhausted": ", add seeds, raise the temperature or lower min_yield, then",
}


def generate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's YAML file.", show_default=False)],
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override a key, such as teacher.model=gpt-4o-mini. Repeatable."
        ),
    ] = None,
    fork: Annotated[
        Path | None,
        typer.Option(metavar="NEW_DIR", help="Take the run's answers over into NEW_DIR and go on there as configured."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave batch jobs to themselves (code 3); the next start collects.")
    ] = False,
    log_format: Annotated[str, typer.Option(help="auto (a bar on a terminal), text or json.")] = "auto",
    debug: Debug = False,
) -> None:
    """Run, or go on with a run, until its target is met; write its dataset and print the dataset's path."""
    with plain_errors(debug):
        from .config import RunConfig
        from .errors import UsageError
        from .generate import run
        from .licensing import licensing
        from .preflight import check_names, warn_in_clear
        from .progress import Reporter
        from .spending import spending

        if log_format not in ("auto", "text", "json"):
            raise UsageError(f"--log-format {log_format}: one of auto, text, json")
        loaded = RunConfig.load(config, set_)
        check_names(loaded)
        warn_in_clear(loaded)
        options: dict[str, Any] = {"detach": detach}
        if fork is not None:
            options["fork_of"] = loaded.run_dir
            loaded = loaded.model_copy(update={"run_dir": str(fork)})
        reporter = Reporter(log_format)
        try:
            done = run(loaded, progress=reporter, handle_signals=True, **options)
        finally:
            reporter.close()
        outcome = done.outcome
        if reporter.first_record_s is not None:
            say(f"first record after {reporter.first_record_s:.1f} s")
        say(f"{outcome.reason}: {outcome.detail}")
        for name, value in spending(done.status()).items():
            say(f"{name.strip()}: {value}")
        for statement in licensing(done).warnings:
            say(f"licence, {statement.line}")
        if done.dataset_path.exists():
            print(done.dataset_path)
        if outcome.exit_code:
            changed = [*(set_ or []), *([f"run_dir={fork}"] if fork else [])]
            again = " ".join([f"selfinstruct generate {config}", *(f"--set {shlex.quote(item)}" for item in changed)])
            again += " --detach" if detach else ""
            say(f"to go on{_FIRST.get(outcome.reason, '')}: {again}")
            raise typer.Exit(outcome.exit_code)
