"""Whole runs with a `task`: which requests it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import ROOT
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.core.records import Record
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.teacher import FakeTeacher


class Recording(FakeTeacher):
    """The fake teacher; keeps the prompts."""

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        return await super().complete(prompt)


@pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])
def test_the_law_example_tells_its_purpose_with_every_request_for_new_tasks(tmp_path: Path, strategy: str) -> None:
    def records_at(concurrency: int) -> tuple[list[Record], Recording]:
        changes = {
            "run_dir": tmp_path / str(concurrency),
            "concurrency": concurrency,
            "target": 30,
            "max_cost_usd": None,
        }
        config = RunConfig.load(ROOT / "configs" / "law.yaml", [f"strategy.kind={strategy}"], **changes)
        teacher = Recording()
        with read(run(config, teacher=teacher)) as snapshot:
            return list(snapshot.records), teacher

    records, teacher = records_at(1)
    assert len(records) == 30
    asked = [prompt for prompt in teacher.prompts if prompt.purpose == "propose"]
    assert asked
    assert all("Out of bounds: advice on real disputes" in prompt.messages[0].content for prompt in asked)
    # One system message for all of them, so a server that caches prompts reads the task once.
    assert len({prompt.messages[0] for prompt in asked}) == 1
    others = [prompt for prompt in teacher.prompts if prompt.purpose not in ("propose", "probe")]
    assert not any("Out of bounds" in prompt.text for prompt in others)
    again, _ = records_at(16)
    assert [(each.instruction, each.examples) for each in again] == [
        (each.instruction, each.examples) for each in records
    ]
