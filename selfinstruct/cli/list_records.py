"""The command `list`: the records of a run, or its refused tasks, as lines of a terminal or of JSON."""

from __future__ import annotations

import json
import shutil
from enum import StrEnum
from typing import Annotated

import typer

from .console import Debug, RunPath, plain_errors, say


class ListFormat(StrEnum):
    """How to print tasks: a table for people, or JSON lines."""

    TABLE = "table"
    JSONL = "jsonl"


def list_records(
    run: RunPath,
    refused: Annotated[bool, typer.Option("--refused", help="List refused tasks instead of records.")] = False,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="Only tasks refused for this reason; implies --refused.")
    ] = None,
    topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="Only tasks whose question asked for this topic or other facet.")
    ] = "",
    text: Annotated[str, typer.Option(metavar="WORDS", help="Only tasks that contain each of these words.")] = "",
    format: Annotated[ListFormat, typer.Option(help="A table that fits the terminal, or JSON lines.")] = (
        ListFormat.TABLE
    ),
    debug: Debug = False,
) -> None:
    """List the records of a run, or its refused tasks."""
    with plain_errors(debug):
        from dataclasses import asdict

        from ..core.errors import UsageError
        from ..core.visible import visible
        from ..journal.folder import Run
        from ..journal.snapshot import read
        from ..report.listing import list_tasks

        with read(Run(run)) as snapshot:
            if reason is not None and reason not in (known := {name for _, name, _ in snapshot.rejections()}):
                raise UsageError(
                    f"--reason {reason}: refused no task; this run has {', '.join(sorted(known)) or 'none'}"
                )
            tasks = list(
                list_tasks(snapshot, refused=refused or reason is not None, reason=reason, topic=topic, text=text)
            )
        if format is ListFormat.JSONL:
            for task in tasks:
                print(json.dumps(asdict(task), ensure_ascii=False))
            return
        width = max(60, shutil.get_terminal_size((100, 24)).columns)
        ids = max((len(task.id) for task in tasks), default=0)
        reasons = max((len(task.reason or task.outcome) for task in tasks), default=0)
        for task in tasks:
            line = f"{task.id:<{ids}}  {task.reason or task.outcome:<{reasons}}  "
            instruction = visible(" ".join(task.instruction.split()))
            room = width - len(line)
            print(line + (instruction if len(instruction) <= room else f"{instruction[: room - 3]}..."))
        say(
            f"{len(tasks):,} of them; `selfinstruct explain {run} ID` tells the story of one"
            if tasks
            else "no such task"
        )
