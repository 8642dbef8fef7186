"""What an id names: 'q17.3' a task by its question and place, a record's id, 'q17' a question, or a seed's id."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...core.errors import UsageError
from ...journal.snapshot import Snapshot, TaskRow

_MOST_IDS = 5000
"""Record ids that a misspelled id is compared with."""
_TASK = re.compile(r"q(\d{1,12})\.(\d{1,6})")
_QUESTION = re.compile(r"q(\d{1,12})")
_RECORD = re.compile(r"(?P<run>[0-9a-f]{8})-(?P<question>\d{1,12})-(?P<index>\d{1,6})(\.\d+)?")


@dataclass(frozen=True, slots=True)
class Found:
    """A task of the run: its id, such as q17.3, and what became of it: 'record', a reason, or 'admitted'."""

    id: str
    question: int
    index: int
    instruction: str
    outcome: str


def find(snapshot: Snapshot, text: str, limit: int = 50) -> list[Found]:
    """The tasks whose instruction has `text` in it, in any case, in the order of the run; at most `limit`."""
    return [_named(row) for row in snapshot.tasks_containing(text, limit)]


def tasks_of(snapshot: Snapshot, question: int) -> list[Found]:
    """The tasks that were read from the answer to a question."""
    return [_named(row) for row in snapshot.tasks_of(question)]


def resolve(snapshot: Snapshot, id: str, seeds: Iterable[str]) -> tuple[int, int] | int | str:
    """A task's question and index, a question's number, or a seed's id.

    Raises UsageError, with ids that are near, when there is nothing of that name.
    """
    id, run_id = id.strip(), snapshot.run.id
    if id in seeds:
        return id
    if match := _TASK.fullmatch(id) or _RECORD.fullmatch(id):
        question, index = (int(part) for part in match.groups()[-2:]) if id[0] == "q" else _place(match)
        known = tasks_of(snapshot, question)
        if id[0] != "q" and match["run"] != run_id:
            raise UsageError(f"{id}: a task of another run; this one's ids begin with {run_id}")
        if any(task.index == index for task in known):
            return question, index
        if known:
            raise UsageError(f"{id}: q{question} brought {known[0].id} to {known[-1].id}")
        return _question(snapshot, id, question)
    if match := _QUESTION.fullmatch(id):
        return _question(snapshot, id, int(match[1]))
    near = difflib.get_close_matches(id, [*seeds, *snapshot.record_ids(_MOST_IDS)], n=3, cutoff=0.6)
    hint = f"near: {', '.join(near)}" if near else "name a record's id, a seed's, or a candidate such as q17.3"
    raise UsageError(f"{id}: nothing in this run has that id; {hint}; --text finds a task by its words")


def _place(match: re.Match[str]) -> tuple[int, int]:
    return int(match["question"]), int(match["index"])


def _question(snapshot: Snapshot, id: str, question: int) -> int:
    if snapshot.is_answered(question):
        return question
    last = snapshot.last_question()
    known = "no question was answered yet" if last is None else f"the questions of this run are q0 to q{last}"
    raise UsageError(f"{id}: {known}")


def _named(row: TaskRow) -> Found:
    return Found(f"q{row.question}.{row.idx}", *row)
