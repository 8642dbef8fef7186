"""The command `explain`: a record's or a refused task's whole story."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Debug, plain_errors, printable_json, say

if TYPE_CHECKING:
    from ..journal.snapshot import Snapshot
    from ..report.explain import FoundTask

_SHOWN = 50


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run's folder.", show_default=False)],
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="A record's id, a candidate such as q17.3 (question, place), a question such as q17, or a seed's id.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Find tasks with these words in the instruction.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Show the prompts as they were sent, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    debug: Debug = False,
) -> None:
    """Tell where a task came from, what each check said, which text was nearest, what developed it, what it cost."""
    with plain_errors(debug):
        from dataclasses import asdict

        from ..core.errors import UsageError
        from ..journal.snapshot import read
        from ..report.explain import explain_in
        from ..report.explain.describe import describe, task_lines

        if (id is None) == (text is None):
            raise UsageError("name a task's ID, or find it with --text WORDS: one of both")
        with read(_stream(run, id)) as snapshot:
            if text is not None:
                tasks = _search(snapshot, text)
                if len(tasks) > 1:
                    if as_json:
                        print(printable_json([asdict(task) for task in tasks]))
                    else:
                        print("\n".join(task_lines(tasks)))
                        say(f"{len(tasks)} tasks{' or more' if len(tasks) == _SHOWN else ''}; name one for its story")
                    return
                id = tasks[0].id
            assert id is not None
            story = explain_in(snapshot, id)
        if as_json:
            print(printable_json(asdict(story)))
            return
        width = shutil.get_terminal_size((100, 24)).columns
        print("\n".join(describe(story, width=min(width, 140), bold=sys.stdout.isatty(), full=full)))


def _stream(path: Path, id: str | None) -> Path:
    """Of a scattered job the stream that the record is of, by the first part of its id; else `path` itself."""
    from ..journal.folder import begun_runs, streams_of

    streams = begun_runs(streams_of(path))
    return next((stream.path for stream in streams if stream.id == str(id).partition("-")[0]), path)


def _search(snapshot: Snapshot, text: str) -> list[FoundTask]:
    from ..core.errors import UsageError
    from ..report.explain import find

    tasks = find(snapshot, text, _SHOWN)
    if not tasks:
        raise UsageError(f"--text {text!r}: no task of this run has these words in its instruction")
    return tasks
