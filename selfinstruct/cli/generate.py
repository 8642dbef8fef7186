"""The command `generate`: run, or go on with a run, until its target is met."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import Debug, plain_errors, say, speaking_json, spending

if TYPE_CHECKING:
    from ..journal.folder import Run
    from ..report.signals.reporting import Signals

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
    new_generation: Annotated[
        bool,
        typer.Option(
            "--new-generation",
            help="Go on in the same run with another teacher, other prompts or sampling; what was made stays.",
        ),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Leave batch jobs to themselves (code 3); the next start collects.")
    ] = False,
    max_runtime: Annotated[
        str | None, typer.Option(metavar="TIME", help="End cleanly (code 3) after 2h, 90m or 1h30m.")
    ] = None,
    skip_code: Annotated[
        bool, typer.Option("--skip-code", help="End with code 99 instead of 0 when there was nothing to do.")
    ] = False,
    metrics_file: Annotated[
        Path | None, typer.Option(metavar="FILE.prom", help="Write the run's numbers for Prometheus when it ends.")
    ] = None,
    notify_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="SELFINSTRUCT_NOTIFY_URL",
            help="Post a JSON summary there when it ends, however it ends.",
        ),
    ] = None,
    log_format: Annotated[str, typer.Option(help="auto (a bar on a terminal), text or json.")] = "auto",
    debug: Debug = False,
) -> None:
    """Run, or go on with a run, until its target is met; write its dataset and print the dataset's path."""
    with speaking_json(log_format == "json"), plain_errors(debug):
        from ..config.run_config import RunConfig
        from ..generate.expectation import clear_text_warnings
        from ..generate.start import run
        from ..generate.stopping import seconds_of
        from ..report.signals.reporting import reporting

        options: dict[str, Any] = {"detach": detach, "new_generation": new_generation}
        if max_runtime is not None:
            options["max_runtime_s"] = seconds_of(max_runtime, "--max-runtime")
        with reporting(
            log_format=log_format, metrics_file=metrics_file, notify_url=notify_url, skip_code=skip_code, say=say
        ) as signals:
            loaded = RunConfig.load(config, set_)
            if fork is not None:
                options["fork_of"] = loaded.run_dir
                loaded = loaded.model_copy(update={"run_dir": str(fork)})
            signals.about(loaded)
            for line in clear_text_warnings(loaded):
                say(line)
            options |= {"progress": signals.progress, "on_exchange": signals.on_exchange}
            done = signals.run = run(loaded, handle_signals=True, **options)
        _tell(done, signals, short=log_format == "json")
        if done.dataset_path.exists():
            print(done.dataset_path)
        outcome = done.outcome
        if outcome.exit_code:
            changed = [*(set_ or []), *([f"run_dir={fork}"] if fork else [])]
            again = " ".join([f"selfinstruct generate {config}", *(f"--set {shlex.quote(item)}" for item in changed)])
            again += " --detach" if detach else ""
            say(f"to go on{_FIRST.get(outcome.reason, '')}: {again}")
        if signals.exit_code:
            raise typer.Exit(signals.exit_code)


def _tell(done: Run, signals: Signals, short: bool) -> None:
    """The run's end in lines. short: without what the outcome, as an event, has said already."""
    from ..dataset.licensing import licensing
    from ..journal.snapshot import read

    if done.idle and not short:
        say("nothing to do: the target was met before, and the dataset stands")
    elif not short:
        outcome, first_s = done.outcome, signals.reporter and signals.reporter.first_record_s
        if first_s is not None:
            say(f"first record after {first_s:.1f} s")
        say(f"{outcome.reason}: {outcome.detail}")
        for name, value in spending(done.status()).items():
            say(f"{name.strip()}: {value}")
    if not done.idle:
        with read(done) as snapshot:
            warnings = licensing(snapshot).warnings
        for statement in warnings:
            say(f"license, {statement.line}")
