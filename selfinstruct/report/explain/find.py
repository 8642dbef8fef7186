"""Find tasks by text, and resolve ids: 'q17.3' or a record's id (a task), 'q17' (a question), or a seed's id."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...core.errors import UsageError
from ...journal.snapshot import Snapshot, TaskRow

# Maximum number of record ids to compare a misspelled id with.
_MAX_IDS = 5000
_TASK = re.compile(r"q(?P<question>\d{1,12})\.(?P<index>\d{1,6})")
_QUESTION = re.compile(r"q(\d{1,12})")
# '3f2a9c01-17-3', also with the number of an instance, '3f2a9c01-17-3.1', as in the rows of some formats.
_RECORD = re.compile(r"(?P<run>[0-9a-f]{8})-(?P<question>\d{1,12})-(?P<index>\d{1,6})(\.\d+)?")


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A task of the run. id: such as 'q17.3'. outcome: 'record', 'admitted', or the reason of the refusal."""

    id: str
    question: int
    index: int
    instruction: str
    outcome: str


def find(snapshot: Snapshot, text: str, limit: int = 50) -> list[FoundTask]:
    """Return the first `limit` tasks with `text` in the instruction, ignoring case."""
    # SQLite ignores the case of ASCII letters only: 'überprüfe' is also looked for as 'Überprüfe' and 'ÜBERPRÜFE'.
    forms = {text, text.lower(), text.upper(), text.capitalize()}
    rows = {row for form in forms for row in snapshot.tasks_containing(form, limit)}
    return [_found_task(row) for row in sorted(rows)[:limit]]


def tasks_of(snapshot: Snapshot, question: int) -> list[FoundTask]:
    """Return the tasks in the answer to a question."""
    return [_found_task(row) for row in snapshot.tasks_of(question)]


def resolve(snapshot: Snapshot, id: str, seeds: Iterable[str]) -> tuple[int, int] | int | str:
    """Return (question, index) of a task, the number of a question, or the id of a seed.

    Raises UsageError, with similar ids, if nothing has that id.
    """
    id, run_id = id.strip(), snapshot.run.id
    if id in seeds:
        return id
    # A task, or the answered question if its answer contained no task.
    if match := _TASK.fullmatch(id) or _RECORD.fullmatch(id):
        if id[0] != "q" and match["run"] != run_id:
            raise UsageError(f"{id}: a task of another run; ids of this run begin with {run_id}")
        question, index = int(match["question"]), int(match["index"])
        known = tasks_of(snapshot, question)
        if any(task.index == index for task in known):
            return question, index
        if known:
            raise UsageError(f"{id}: not in the answer; q{question} has tasks {known[0].id} to {known[-1].id}")
        return _check_question(snapshot, id, question)
    if match := _QUESTION.fullmatch(id):
        return _check_question(snapshot, id, int(match[1]))
    # The id is unknown; suggest similar ones.
    similar = difflib.get_close_matches(id, [*seeds, *snapshot.record_ids(_MAX_IDS)], n=3, cutoff=0.6)
    hint = f"similar: {', '.join(similar)}" if similar else "give the id of a record, a seed, or a task such as q17.3"
    raise UsageError(f"{id}: nothing in this run has that id; {hint}; --text finds a task by its words")


def _check_question(snapshot: Snapshot, id: str, question: int) -> int:
    if snapshot.is_answered(question):
        return question
    last = snapshot.last_question()
    known = "this run has no answers yet" if last is None else f"not answered; this run has questions q0 to q{last}"
    raise UsageError(f"{id}: {known}")


def _found_task(row: TaskRow) -> FoundTask:
    return FoundTask(f"q{row.question}.{row.idx}", *row)
