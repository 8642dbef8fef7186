"""Asking again only on failure: almost every task gets a good answer, for few more questions than tasks."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from conftest import FIGURES
from selfinstruct.config.run_config import RunConfig
from selfinstruct.generate.start import arun
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.teachers.fake.fake_server import FakeServer, serving

FAILS = 0.4
REFUSAL = "I'm sorry, but I can't help with that."


class Unreliable(FakeServer):
    """Refuses 40% of the answers to tasks; everything else is answered as by the fake server."""

    async def _answer(self, body: dict[str, Any], text: str) -> str:
        answer = await super()._answer(body, text)
        if re.search(r"from \d+ to \d+\.\s*$", text):  # new tasks
            return answer
        if "Classification?" in text:
            return "No"
        draw = hashlib.sha256(f"{text} {body.get('seed')}".encode()).digest()[0] / 256
        said = REFUSAL if draw < FAILS else "The tide follows the moon."
        return f"Output: {said}" if "Output: " in text else said


@pytest.mark.slow
def test_asking_again_on_failure_brings_almost_every_task_to_a_good_answer(seed_file: Path, tmp_path: Path) -> None:
    async def course() -> Run:
        async with serving(Unreliable()) as base_url:
            values = {
                "seeds": str(seed_file),
                "run_dir": str(tmp_path / "run"),
                "target": 400,
                "strategy": "self_instruct",
                "answers": {"samples": 6, "until": "pass"},
                "teacher": {"model": "fake", "base_url": base_url, "api_key_env": None, "structured": "text"},
                "concurrency": 16,
                "lookahead": 32,
            }
            return await arun(RunConfig.parse(values), export=False, progress=None)

    run = asyncio.run(course())
    with contextlib.closing(sqlite3.connect(run.path / JOURNAL)) as journal:
        asked = dict(journal.execute("SELECT purpose, count(*) FROM answers GROUP BY 1"))
        developed = dict(journal.execute("SELECT question || '-' || idx, keys FROM developments"))
        kept = {f"{question}-{index}" for question, index in journal.execute("SELECT question, idx FROM records")}
    # Two questions belong to the task itself: is it a classification, and what is its answer?
    questions = [len(json.loads(keys)) - 1 for keys in developed.values()]
    a_task, share = sum(questions) / len(questions), len(kept & developed.keys()) / len(developed)
    FIGURES.append(
        f"until pass: {asked['instances']:,} tasks and {asked['answer']:,} further answers asked; {share:.1%} of "
        f"{len(developed):,} tasks have a good answer after {a_task:.2f} questions on average"
    )
    assert len(developed) >= 400
    assert share >= 0.97
    assert a_task <= 1.75
