"""The command `generate`: starts a run, or resumes it, until its target is met."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.paths import quoted
from .console import ConfigPath, Debug, Overrides, Overwrite, plain_errors, say, speaking_json, spending

if TYPE_CHECKING:
    from ..journal.folder import Run
    from ..report.signals.reporting import Signals

# What to do before a run that ended for this reason is resumed.
_BEFORE_RESUMING = {
    "detached": ", when the jobs have ended",
    "budget": ", raise the cap, then",
    "exhausted": ", do what the reason above suggests, or set min_yield to 0, then",
}

# Groups of options in `--help`.
_CHANGED, _SCHEDULED, _REPORTED = "To change a run", "To run on a schedule", "To watch a run"

_Fork = Annotated[
    Path | None,
    typer.Option(
        metavar="NEW_DIR", help="Copy the run's answers to NEW_DIR and continue there.", rich_help_panel=_CHANGED
    ),
]
_NewGeneration = Annotated[
    bool,
    typer.Option(
        "--new-generation",
        help="Continue the run with another teacher, other prompts or other sampling; keep its records.",
        rich_help_panel=_CHANGED,
    ),
]
_Detach = Annotated[
    bool,
    typer.Option(
        "--detach",
        help="Exit with code 3 once only batch jobs are open; the next start collects them.",
        rich_help_panel=_SCHEDULED,
    ),
]
_MaxRuntime = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        help="Exit with code 3 after 2h, 90m or 1h30m; the next start resumes.",
        rich_help_panel=_SCHEDULED,
    ),
]
_SkipCode = Annotated[
    bool,
    typer.Option(
        "--skip-code", help="Exit with code 99 instead of 0 if there is nothing to do.", rich_help_panel=_SCHEDULED
    ),
]
_MetricsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.prom", help="Write metrics for Prometheus when the run ends.", rich_help_panel=_REPORTED
    ),
]
_NotifyUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="SELFINSTRUCT_NOTIFY_URL",
        help="Post a JSON summary to this URL when the run ends or fails.",
        rich_help_panel=_REPORTED,
    ),
]
_LogFormat = Annotated[
    str,
    typer.Option(
        metavar="FORMAT", help="auto (a progress bar on a terminal), text or json.", rich_help_panel=_REPORTED
    ),
]


def generate(
    config: ConfigPath,
    overrides: Overrides = None,
    fork: _Fork = None,
    new_generation: _NewGeneration = False,
    overwrite: Overwrite = False,
    detach: _Detach = False,
    max_runtime: _MaxRuntime = None,
    skip_code: _SkipCode = False,
    metrics_file: _MetricsFile = None,
    notify_url: _NotifyUrl = None,
    log_format: _LogFormat = "auto",
    debug: Debug = False,
) -> None:
    """Start a run, or resume it, until its target is met.

    Writes the dataset and prints its path. Ctrl-C stops a run cleanly, and the same command resumes it.
    """
    with speaking_json(log_format == "json"), plain_errors(debug):
        from ..config.run_config import RunConfig
        from ..generate.expectation import clear_text_warnings
        from ..generate.start import run
        from ..generate.stopping import seconds_of
        from ..report.signals.reporting import reporting

        # Check the options first: a wrong one must not start the metrics, the notification, or the run.
        options: dict[str, Any] = {"detach": detach, "new_generation": new_generation, "overwrite": overwrite}
        if max_runtime is not None:
            options["max_runtime_s"] = seconds_of(max_runtime, "--max-runtime")

        # Run. `reporting` reports the end of the run even if the configuration can't be loaded.
        with reporting(
            log_format=log_format, metrics_file=metrics_file, notify_url=notify_url, skip_code=skip_code, say=say
        ) as signals:
            loaded = RunConfig.load(config, overrides)
            if fork is not None:
                options["fork_of"] = loaded.run_dir
                loaded = loaded.model_copy(update={"run_dir": str(fork)})
            signals.about(loaded)
            for line in clear_text_warnings(loaded):
                say(line)
            options |= {"progress": signals.progress, "on_exchange": signals.on_exchange}
            done = signals.run = run(loaded, handle_signals=True, **options)

        # Print the result. Only the dataset's path goes to standard output, for scripts.
        _say_outcome(done, signals, short=log_format == "json")
        if done.dataset_path.exists():
            print(done.dataset_path)
        if done.outcome.exit_code:
            command = _command(config, overrides, fork, detach)
            say(f"to resume{_BEFORE_RESUMING.get(done.outcome.reason, '')}: {command}")
        elif not done.idle and log_format != "json":
            run_dir = quoted(done.path)
            say(f"next: selfinstruct report {run_dir} (one page about it), or selfinstruct review {run_dir}")
        if signals.exit_code:
            raise typer.Exit(signals.exit_code)


def _command(config: Path, overrides: list[str] | None, fork: Path | None, detach: bool) -> str:
    """Return the command that resumes the run: the same one, but a fork is now a run of its own."""
    changed = [*(overrides or []), *([f"run_dir={fork}"] if fork else [])]
    parts = [f"selfinstruct generate {quoted(config)}", *(f"--set {shlex.quote(item)}" for item in changed)]
    return " ".join([*parts, "--detach"] if detach else parts)


def _say_outcome(done: Run, signals: Signals, short: bool) -> None:
    """Print how the run ended, what it cost, and what the licenses require; if `short`, only the licenses."""
    from ..dataset.licensing import licensing
    from ..journal.snapshot import read

    # How the run ended, and what it cost.
    if done.idle and not short:
        say("nothing to do: the target was already met, and the dataset is unchanged")
    elif not short:
        outcome, first_s = done.outcome, signals.reporter and signals.reporter.first_record_s
        if first_s is not None:
            say(f"first record after {first_s:.1f} s")
        say(f"{outcome.reason}: {outcome.detail}")
        for name, value in spending(done.status()).items():
            say(f"{name.strip()}: {value}")

    # What the licenses of seeds and teachers require.
    if not done.idle:
        with read(done) as snapshot:
            warnings = licensing(snapshot).warnings
        for statement in warnings:
            say(f"license, {statement.line}")
