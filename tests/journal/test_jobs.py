"""What the run's file knows of batch jobs: every question whole, until the instant that its answer is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from selfinstruct.core.prompts import Completion, MadeOf, Message, Prompt, Question, Sampling
from selfinstruct.journal.answer_values import Receipt
from selfinstruct.journal.history import NewGeneration
from selfinstruct.journal.journal import Journal

PROMPTS = (
    Prompt(
        "instances",
        (Message("system", "Rules.\ud800"), Message("user", "任务：写一首诗。")),
        Sampling(0.7, 0.5, 1, 0, 300, ("\n\n", "Task")),
        "completions",
        MadeOf(("s1", "m2"), {"topic": "law"}, ("a.md:0-9",), 4),
        "v1",
        {"title": "tasks", "properties": {"tasks": {"type": "array"}}},
        5,
        3,
    ),
    Prompt("propose", (Message("user", "One more."),), Sampling()),
)
QUESTIONS = [Question("d:1", PROMPTS[0], None, 2), Question("p:7", PROMPTS[1], 7)]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def test_a_planned_job_is_read_as_it_was_written(journal: Journal, tmp_path: Path) -> None:
    job = journal.jobs.plan("digest", QUESTIONS)
    assert journal.jobs.open() == [(job, QUESTIONS)]
    journal.jobs.note(job.number, "batch_1", "in_progress")
    token = journal.jobs.run_token()
    journal.close()
    again = Journal(tmp_path / "journal.sqlite")
    assert again.jobs.open() == [(replace(job, batch="batch_1"), QUESTIONS)]
    assert [asked.prompt.key for _, rows in again.jobs.open() for asked in rows] == [p.key for p in PROMPTS]
    assert again.jobs.run_token() == token
    again.close()


def test_a_question_belongs_to_its_last_job_and_an_answer_takes_it_out(journal: Journal) -> None:
    first = journal.jobs.plan("one", QUESTIONS)
    second = journal.jobs.plan("two", [replace(QUESTIONS[1], tries=1)])
    assert (first.number, second.number) == (1, 2)
    assert journal.jobs.open() == [(first, QUESTIONS[:1]), (second, [replace(QUESTIONS[1], tries=1)])]

    async def answer(question: Question) -> None:
        await journal.commit(question.key, question.number, question.prompt, Completion("yes"), Receipt())

    asyncio.run(answer(QUESTIONS[1]))
    assert journal.jobs.open() == [(first, QUESTIONS[:1])]


def test_a_copy_has_no_jobs_and_a_name_of_its_own(journal: Journal, tmp_path: Path) -> None:
    journal.jobs.plan("digest", QUESTIONS)
    token = journal.jobs.run_token()
    journal.copy_to(tmp_path / "copy.sqlite", NewGeneration("d", {}, {}, "0"))
    copy = Journal(tmp_path / "copy.sqlite")
    assert copy.jobs.open() == []
    assert copy.jobs.run_token() != token
    copy.jobs.plan("digest", QUESTIONS)
    assert len(copy.jobs.open()) == 1
    copy.close()
