"""What every command does around its work: plain errors with exit codes, tables, lines that can't hurt a terminal."""

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

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_json_lines: ContextVar[JsonLines | None] = ContextVar("json_lines", default=None)

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@contextlib.contextmanager
def plain_errors(debug: bool) -> Iterator[None]:
    """The library's errors as plain lines and their exit codes; anything else is a defect, and says so."""
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
        say("interrupted; what is committed is kept, the same command goes on")
        raise typer.Exit(3) from None
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        if debug:
            _show_traceback()
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            _give_up_output()
            say(f"error: {error.filename or 'the output'}: {error.strerror}; make room, then the same command goes on")
            raise typer.Exit(3) from None
        said = " ".join(f"{type(error).__name__}: {printable(str(error))}".split())[:500]
        place = _own_code(error)
        if place is not None:
            say(f"error: your code, {place}: {said}{'' if debug else '; --debug shows the traceback'}")
        else:
            hint = "" if debug else "; run it again with --debug and report the traceback"
            say(f"error: a defect in selfinstruct: {said}{hint}")
        raise typer.Exit(1) from None


def _give_up_output() -> None:
    """What standard output still holds is lost; Python's own attempt at the end would only fail again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_traceback() -> None:
    if (lines := _json_lines.get()) is not None:
        lines.write("traceback", "error", lines=printable(traceback.format_exc()).splitlines())
        return
    print(printable(traceback.format_exc()), file=sys.stderr, end="")


def _own_code(error: BaseException) -> str | None:
    """File and line of the user's own code (a plugin) that the error passed through last, or None."""
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
    """Print one line to standard error, if it takes one: a full disk under a log ends no run."""
    if (lines := _json_lines.get()) is not None:
        lines.say(printable(line))
        return
    with contextlib.suppress(OSError):
        print(f"selfinstruct: {printable(line)}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def speaking_json(on: bool = True) -> Iterator[None]:
    """Everything that goes to standard error in here, of Python's libraries, too, is a JSON object a line; if `on`."""
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
    """JSON for people and machines: what can't be printed is escaped, everything else stands as it is."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def printable(text: str) -> str:
    """Without control characters and terminal escapes, whoever wrote them."""
    return "".join(char if char in "\n\t" or char.isprintable() else "\ufffd" for char in text)


def spending(now: Status) -> dict[str, str]:
    """Rows of names and values: the sum, each purpose, each teacher where there are several, one record, the target."""
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
