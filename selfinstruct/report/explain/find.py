"""What an id names: 'q17.3' a task by its question and place, a record's id, 'q17' a question, or a seed's id."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...core.errors import UsageError
from ...journal.journal import Journal

_TASK = re.compile(r"q(\d{1,12})\.(\d{1,6})")
_QUESTION = re.compile(r"q(\d{1,12})")
_RECORD = re.compile(r"(?P<run>[0-9a-f]{8})-(?P<question>\d{1,12})-(?P<index>\d{1,6})(\.\d+)?")
_OUTCOME = (
    "CASE WHEN EXISTS (SELECT 1 FROM records r WHERE r.question = v.question AND r.idx = v.idx) THEN 'record'"
    " ELSE coalesce(max(v.reason), 'admitted') END"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A task of the run: its id, such as q17.3, and what became of it: 'record', a reason, or 'admitted'."""

    id: str
    question: int
    index: int
    instruction: str
    outcome: str


def find(journal: Journal, text: str, limit: int = 50) -> list[Found]:
    """The tasks whose instruction has `text` in it, in any case, in the order of the run; at most `limit`."""
    pattern = "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"
    return _found(journal, "v.instruction LIKE ? ESCAPE '\\'", (pattern,), limit)


def tasks_of(journal: Journal, question: int) -> list[Found]:
    """The tasks that were read from the answer to a question."""
    return _found(journal, "v.question = ?", (question,), -1)


def resolve(journal: Journal, id: str, run_id: str, seeds: Iterable[str]) -> tuple[int, int] | int | str:
    """A task's question and index, a question's number, or a seed's id.

    Raises UsageError, with ids that are near, when there is nothing of that name.
    """
    id = id.strip()
    if id in seeds:
        return id
    if match := _TASK.fullmatch(id) or _RECORD.fullmatch(id):
        question, index = (int(part) for part in match.groups()[-2:]) if id[0] == "q" else _place(match)
        known = tasks_of(journal, question)
        if id[0] != "q" and match["run"] != run_id:
            raise UsageError(f"{id}: a task of another run; this one's ids begin with {run_id}")
        if any(task.index == index for task in known):
            return question, index
        if known:
            raise UsageError(f"{id}: q{question} brought {known[0].id} to {known[-1].id}")
        return _question(journal, id, question)
    if match := _QUESTION.fullmatch(id):
        return _question(journal, id, int(match[1]))
    near = difflib.get_close_matches(id, [*seeds, *_some_ids(journal)], n=3, cutoff=0.6)
    hint = f"near: {', '.join(near)}" if near else "name a record's id, a seed's, or a candidate such as q17.3"
    raise UsageError(f"{id}: nothing in this run has that id; {hint}; --text finds a task by its words")


def _place(match: re.Match[str]) -> tuple[int, int]:
    return int(match["question"]), int(match["index"])


def _question(journal: Journal, id: str, question: int) -> int:
    if journal.query("SELECT 1 FROM answers WHERE question = ?", (question,)):
        return question
    last = journal.query("SELECT max(question) FROM answers")[0][0]
    known = "no question was answered yet" if last is None else f"the questions of this run are q0 to q{last}"
    raise UsageError(f"{id}: {known}")


def _some_ids(journal: Journal) -> list[str]:
    return [row[0] for row in journal.query("SELECT id FROM records ORDER BY question, idx LIMIT 5000")]


def _found(journal: Journal, where: str, parameters: tuple[object, ...], limit: int) -> list[Found]:
    rows = journal.query(
        f"SELECT v.question, v.idx, v.instruction, {_OUTCOME} FROM verdicts v WHERE v.idx >= 0 AND {where}"  # noqa: S608
        " GROUP BY v.question, v.idx ORDER BY v.question, v.idx LIMIT ?",
        (*parameters, limit),
    )
    return [Found(f"q{row[0]}.{row[1]}", *row) for row in rows]
