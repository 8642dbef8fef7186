"""Shared by all commands: errors as plain lines with exit codes, tables, and JSON. `streams` makes the output safe."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..core.counted import counted, dollars, dollars_per_1000_records
from ..core.errors import SelfInstructError, machine_error
from ..core.visible import visible

if TYPE_CHECKING:
    from ..journal.status import Status
    from ..report.signals.logs import JsonLines

_COLORS = {"error": "1;31", "warning": "33"}
# Set while standard error carries JSON lines (`speaking_json`).
_json_lines: ContextVar[JsonLines | None] = ContextVar("json_lines", default=None)

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextlib.contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Print the library's errors as plain lines and exit with their codes; report anything else as a bug."""
    # Flush inside: a full disk should surface here, not when Python exits.
    try:
        try:
            yield
        except typer.Exit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted; committed work is kept, the same command resumes")
        raise typer.Exit(3) from None
    except typer.Exit:
        raise
    except Exception as error:
        if debug:
            _show_traceback()
        # A wrong argument, a full disk, an error in the user's own plugin, or a bug in this package.
        place = None if isinstance(error, SelfInstructError) else _own_code(error)
        known = error if isinstance(error, SelfInstructError) else None if place else machine_error(error)
        if known is not None:
            first, *more = (str(known) or type(known).__name__).rstrip("\n").split("\n")
        else:
            what = f"your code, {place}" if place is not None else "a bug in selfinstruct"
            hint = "--debug shows the traceback" if place is not None else "run it again with --debug and report it"
            said = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            first, more = f"{what}: {said}{'' if debug else f'; {hint}'}", []
        _say_error(first, more)
        raise typer.Exit(known.exit_code if known is not None else 1 if place is None else 2) from None


def _say_error(first: str, more: list[str]) -> None:
    if (lines := _json_lines.get()) is not None:
        lines.write("error", "error", message=first, more=[line.strip() for line in more])
        return
    say(f"error: {first}")
    for line in more:
        say(line if line.startswith(" ") else f"  {line}")


def _show_traceback() -> None:
    if (lines := _json_lines.get()) is not None:
        lines.write("traceback", "error", lines=traceback.format_exc().splitlines())
        return
    print(traceback.format_exc(), file=sys.stderr, end="")


def _own_code(error: BaseException) -> str | None:
    """Return file and line of the last frame in the user's own code (a plugin), or None."""
    package, place = str(Path(__file__).parents[1]), None
    for frame in traceback.extract_tb(error.__traceback__):
        inside = frame.filename.startswith(package) or "site-packages" in frame.filename
        if not inside and Path(frame.filename).is_relative_to(Path.cwd()):
            place = f"{frame.filename}:{frame.lineno}"
    return place


def table(rows: Mapping[str, str], file: TextIO | None = None) -> None:
    """Print names and values in two columns, to `file` or standard output."""
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}", file=file)


def say(line: str) -> None:
    """Print one line to standard error. A line that begins with 'error: ' or 'warning: ' does so in color."""
    if (lines := _json_lines.get()) is not None:
        lines.say(line)
        return
    kind, colon, rest = line.partition(": ")
    if colon and kind in _COLORS and in_color(sys.stderr):
        print_styled(f"selfinstruct: \x1b[{_COLORS[kind]}m{kind}:\x1b[0m {visible(rest)}", sys.stderr)
        return
    print(f"selfinstruct: {line}", file=sys.stderr, flush=True)


def in_color(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colors, and nobody has turned them off."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def print_styled(text: str, stream: TextIO) -> None:
    """Print a text with escapes of our own. What others wrote in it must have gone through `visible`."""
    getattr(stream, "write_styled", stream.write)(f"{text}\n")
    stream.flush()


@contextlib.contextmanager
def speaking_json(on: bool = True) -> Iterator[None]:
    """If `on`, print one JSON object per line to standard error, including the messages of libraries."""
    if not on:
        yield
        return
    from ..report.signals.logs import JsonLines

    lines = JsonLines()
    before = _json_lines.set(lines)
    try:
        with lines.of_libraries():
            yield
    finally:
        _json_lines.reset(before)


def printable_json(value: object) -> str:
    """Format JSON for people and machines: unprintable characters are escaped, all others unchanged."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def spending(now: Status) -> dict[str, str]:
    """Return table rows for the cost: total, per purpose, per teacher (if several), per 1,000 records, for the target.

    Of a run that costs nothing, only the total is in dollars.
    """
    costs = bool(now.cost_usd)
    parts = _shares("for", now.by_purpose, costs)
    if len(now.by_teacher) > 1:
        parts |= _shares("by", now.by_teacher, costs)
    if now.assumed:
        parts["  worst case"] = f"{counted(now.assumed, 'request')} without an answer or credible token counts"
    source = f" ({now.price_source})" if now.price_source and now.cost_usd is not None else ""
    rows = {"cost": dollars(now.cost_usd) + source, **parts}
    if costs and now.cost_per_record_usd is not None and now.target_cost_usd is not None:
        rows["  at this rate"] = (
            f"{dollars_per_1000_records(now.cost_per_record_usd)}, "
            f"{dollars(now.target_cost_usd)} for the target of {now.target:,}"
        )
    return rows


def _shares(word: str, used: dict[str, dict[str, float]], costs: bool) -> dict[str, str]:
    return {
        f"  {word} {name}": f"{counted(each['requests'], 'request')}, {each['prompt_tokens']:,.0f} + "
        f"{each['completion_tokens']:,.0f} tokens" + (f", {dollars(each['cost_usd'])}" if costs else "")
        for name, each in used.items()
    }


def find_run(path: Path) -> Path:
    """Return a run's folder. A configuration, such as law.yaml, stands for the folder that it names."""
    if path.suffix in (".yaml", ".yml") and path.is_file():
        from ..config.run_config import RunConfig

        return Path(RunConfig.load(path).run_dir)
    return path


def find_runs(sources: list[str]) -> list[str]:
    """Return inputs, runs or datasets, with the run's folder in place of a configuration."""
    return [str(find_run(Path(each))) if each.endswith((".yaml", ".yml")) else each for each in sources]


ConfigPath = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The configuration, a YAML file.", show_default=False)
]
RunPath = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="The run's folder, or its configuration.", callback=find_run, show_default=False
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key, such as teacher.model=gpt-4o-mini. Repeatable."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists, even if something is lost.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Port = Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 picks a free port.")]
