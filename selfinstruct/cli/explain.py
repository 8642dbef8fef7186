"""The command `explain`: where a record or a rejected task comes from."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .console import AsJson, Debug, RunPath, in_color, plain_errors, print_styled, printable_json, say

if TYPE_CHECKING:
    from ..journal.snapshot import Snapshot
    from ..report.explain import FoundTask

_MOST_FOUND = 50


def explain(
    run: RunPath,
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="A record's id, a candidate such as q17.3 (task 3 of question 17), a question such as q17, "
            "or a seed's id.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Find the tasks with these words in the instruction.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also show the prompts that were sent.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show where a task comes from and what each check decided.

    Also shows the most similar text, the requests that developed the task, and their cost.
    """
    with plain_errors(debug):
        from dataclasses import asdict

        from ..core.errors import UsageError
        from ..journal.snapshot import read
        from ..report.explain import explain_in
        from ..report.explain.describe import describe, task_lines

        if (id is None) == (text is None):
            raise UsageError("explain: needs a task; give its ID, or search with --text WORDS, but not both")
        # Find the task: `--text` lists the matches unless there is only one.
        with read(run) as snapshot:
            if text is not None:
                tasks = _search(snapshot, text)
                if len(tasks) > 1:
                    if as_json:
                        print(printable_json([asdict(task) for task in tasks]))
                    else:
                        print("\n".join(task_lines(tasks)))
                        more = " or more" if len(tasks) == _MOST_FOUND else ""
                        say(f"{len(tasks)}{more} tasks; give the ID of one to see its story")
                    return
                id = tasks[0].id
            assert id is not None
            story = explain_in(snapshot, id)

            # Print its story while the journal is open: a value that can't be shown may be damaged.
            if as_json:
                print(printable_json(asdict(story)))
                return
            width, bold = shutil.get_terminal_size((100, 24)).columns, in_color(sys.stdout)
            lines = describe(story, width=min(width, 140), bold=bold, full=full)
        if bold:
            print_styled("\n".join(lines), sys.stdout)
        else:
            print("\n".join(lines))


def _search(snapshot: Snapshot, text: str) -> list[FoundTask]:
    from ..core.errors import UsageError
    from ..report.explain import find

    tasks = find(snapshot, text, _MOST_FOUND)
    if not tasks:
        raise UsageError(f"--text {text!r}: no task of this run has these words in its instruction; try fewer words")
    return tasks
