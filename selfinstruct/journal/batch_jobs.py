"""Questions in batch jobs: what a later start needs to collect their answers.

A question is stored here from before its file is uploaded until its answer is committed. A trigger deletes it in the
transaction of the answer. A job is open while one of its questions is stored.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..core.counted import counted
from ..core.prompts import BatchJob, MadeOf, Message, Prompt, Question, Sampling
from .store import Statement, Store

TABLES = (
    """CREATE TABLE batch_jobs (
    number INTEGER PRIMARY KEY, teacher TEXT NOT NULL, digest TEXT NOT NULL, planned_at REAL NOT NULL,
    questions INTEGER NOT NULL, batch TEXT, note TEXT NOT NULL DEFAULT '')""",
    """CREATE TABLE batch_questions (
    key TEXT PRIMARY KEY, job INTEGER NOT NULL, question INTEGER, tries INTEGER NOT NULL, prompt TEXT NOT NULL)
    WITHOUT ROWID""",
    """CREATE TRIGGER batch_answered AFTER INSERT ON answers
    BEGIN DELETE FROM batch_questions WHERE key = NEW.key; END""",
)
NAMES = ("batch_questions", "batch_jobs")

_INSERT_JOB = "INSERT INTO batch_jobs (number, teacher, digest, planned_at, questions) VALUES (?, ?, ?, ?, ?)"
_INSERT_QUESTION = "INSERT OR REPLACE INTO batch_questions VALUES (?, ?, ?, ?, ?)"
_TOKEN = "batch_run"  # noqa: S105 - a key of `meta`


class Jobs:
    """The batch jobs of a run with one of its teachers, as rows of its journal."""

    def __init__(self, store: Store, teacher: str = "") -> None:
        self._store, self._teacher = store, teacher

    def of(self, teacher: str) -> Jobs:
        """Return the jobs with the teacher of that name."""
        return Jobs(self._store, teacher)

    def standing(self) -> list[str]:
        """Describe the open jobs of all teachers, oldest first, one line each: waiting questions and last state."""
        rows = self._store.rows(
            "SELECT j.teacher, j.batch, j.note, count(*) FROM batch_jobs j JOIN batch_questions q ON q.job = j.number"
            " GROUP BY j.number ORDER BY j.number"
        )
        return [
            f"{counted(waiting, 'question')} at {teacher}: {batch or 'not made yet'}" + (f", {note}" if note else "")
            for teacher, batch, note, waiting in rows
        ]

    def run_token(self) -> str:
        """Return the run's name at the provider. It is drawn once, so that no other run finds its jobs."""
        row = self._store.row("SELECT value FROM meta WHERE key = ?", (_TOKEN,))
        if row is not None:
            return str(row[0])
        token = secrets.token_hex(8)
        self._store.at_once([("INSERT INTO meta VALUES (?, ?)", (_TOKEN, token))])
        return token

    def open(self) -> list[tuple[BatchJob, list[Question]]]:
        """Return every job with unanswered questions, oldest first, and those questions."""
        questions: dict[int, list[Question]] = {}
        rows = self._store.rows("SELECT job, key, prompt, question, tries FROM batch_questions ORDER BY job, key")
        for job, key, prompt, number, tries in rows:
            questions.setdefault(job, []).append(Question(key, _prompt(json.loads(prompt)), number, tries))
        jobs = self._store.rows(
            "SELECT number, digest, planned_at, batch FROM batch_jobs WHERE teacher = ? ORDER BY number",
            (self._teacher,),
        )
        return [(BatchJob(*row), questions[row[0]]) for row in jobs if row[0] in questions]

    def under_way(self) -> dict[str, int | None]:
        """Return the keys of the unanswered questions of all teachers, with the numbers of those that are proposals."""
        return dict(self._store.rows("SELECT key, question FROM batch_questions"))

    def plan(self, digest: str, questions: Sequence[Question]) -> BatchJob:
        """Store a new job and its questions, before anything is uploaded. A question leaves its earlier job.

        digest: the SHA-256 of the job's file.
        """
        number = int(self._store.row("SELECT coalesce(max(number), 0) + 1 FROM batch_jobs")[0])
        job = BatchJob(number, digest, time.time())
        rows: list[Statement] = [(_INSERT_JOB, (number, self._teacher, digest, job.planned_at, len(questions)))]
        for asked in questions:
            row = (asked.key, number, asked.number, asked.tries, json.dumps(asdict(asked.prompt)))
            rows.append((_INSERT_QUESTION, row))
        self._store.at_once(rows)
        return job

    def note(self, number: int, batch: str | None, note: str) -> None:
        """Store a job's state in words, and the provider's id of it, or None if it has none."""
        statement = "UPDATE batch_jobs SET batch = ?, note = ? WHERE number = ?"
        self._store.at_once([(statement, (batch, note, number))])


def _prompt(values: dict[str, Any]) -> Prompt:
    """Build a prompt from the values that `asdict` and JSON return: lists become tuples again."""
    sampling, made_of = values["sampling"], values["made_of"]
    stop = sampling["stop"]
    return Prompt(
        **values
        | {
            "messages": tuple(Message(**message) for message in values["messages"]),
            "sampling": Sampling(**sampling | {"stop": None if stop is None else tuple(stop)}),
            "made_of": MadeOf(**made_of | {name: tuple(made_of[name]) for name in ("demos", "passages")}),
        }
    )
