"""Shared by all commands: errors as plain lines with exit codes, tables, and output that is safe for a terminal."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import SelfInstructError

if TYPE_CHECKING:
    from ..journal.status import Status
    from ..report.signals.logs import JsonLines

# Errors of a full disk.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# Set while standard error carries JSON lines (`speaking_json`).
_json_lines: ContextVar[JsonLines | None] = ContextVar("json_lines", default=None)

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextlib.contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """Print the library's errors as plain lines and exit with their codes; report anything else as a bug."""
    # Flush inside: a closed pipe or full disk should surface here, not when Python exits.
    try:
        try:
            yield
        except typer.Exit:
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except SelfInstructError as error:
        if debug:
            _show_traceback()
        first, *more = printable(str(error)).splitlines() or [type(error).__name__]
        if (lines := _json_lines.get()) is not None:
            lines.write("error", "error", message=first, more=[line.strip() for line in more])
            raise typer.Exit(error.exit_code) from None
        say(f"error: {first}")
        for line in more:
            say(line if line.startswith(" ") else f"  {line}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        say("interrupted; committed work is kept, the same command resumes")
        raise typer.Exit(3) from None
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if debug:
            _show_traceback()
        # A full disk, an error in the user's own plugin, or a bug in this package.
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _give_up_output()
            what = f"{error.filename or 'the output'}: {error.strerror}"
            say(f"error: {what}; free some space, and the same command resumes")
            raise typer.Exit(3) from None
        said = " ".join(f"{type(error).__name__}: {printable(str(error))}".split())[:500]
        place = _own_code(error)
        if place is not None:
            say(f"error: your code, {place}: {said}{'' if debug else '; --debug shows the traceback'}")
        else:
            hint = "" if debug else "; run it again with --debug and report the traceback"
            say(f"error: a bug in selfinstruct: {said}{hint}")
        raise typer.Exit(1) from None


def _give_up_output() -> None:
    """Discard what standard output still buffers: Python's own flush at exit would only fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_traceback() -> None:
    if (lines := _json_lines.get()) is not None:
        lines.write("traceback", "error", lines=printable(traceback.format_exc()).splitlines())
        return
    print(printable(traceback.format_exc()), file=sys.stderr, end="")


def _own_code(error: BaseException) -> str | None:
    """Return file and line of the last frame in the user's own code (a plugin), or None."""
    package, place = str(Path(__file__).parents[1]), None
    for frame in traceback.extract_tb(error.__traceback__):
        inside = frame.filename.startswith(package) or "site-packages" in frame.filename
        if not inside and Path(frame.filename).is_relative_to(Path.cwd()):
            place = f"{frame.filename}:{frame.lineno}"
    return place


def table(rows: Mapping[str, str]) -> None:
    """Print names and values in two columns, to standard output."""
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {printable(value)}")


def say(line: str) -> None:
    """Print one line to standard error, ignoring failures: a full disk under a log must not end a run."""
    if (lines := _json_lines.get()) is not None:
        lines.say(printable(line))
        return
    with contextlib.suppress(OSError):
        print(f"selfinstruct: {printable(line)}", file=sys.stderr, flush=True)


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


def printable(text: str) -> str:
    """Replace control characters and terminal escapes, which a model may have written."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)


def spending(now: Status) -> dict[str, str]:
    """Return table rows for the cost: total, per purpose, per teacher (if several), per record, and for the target."""
    priced = now.cost_usd is not None
    parts = _shares("for", now.by_purpose, priced)
    if len(now.by_teacher) > 1:
        parts |= _shares("by", now.by_teacher, priced)
    if now.cost_usd is None:
        return {"cost": "not known", **parts}
    source = f" ({now.price_source})" if now.price_source else ""
    rows = {"cost": f"${now.cost_usd:,.4f}{source}", **parts}
    if now.cost_per_record_usd is not None and now.target_cost_usd is not None:
        rows["  per record"] = f"${now.cost_per_record_usd:,.6f}"
        rows["  the target at this rate"] = f"${now.target_cost_usd:,.2f} for {now.target:,} records"
    return rows


def _shares(word: str, used: dict[str, dict[str, float]], priced: bool) -> dict[str, str]:
    return {
        f"  {word} {name}": f"{each['requests']:,.0f} requests, {each['prompt_tokens']:,.0f} + "
        f"{each['completion_tokens']:,.0f} tokens" + (f", ${each['cost_usd']:,.4f}" if priced else "")
        for name, each in used.items()
    }
