"""Whole runs of the strategies that ask for one task at a time, with the shipped configurations and a fake teacher."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import datasets
import pytest

from conftest import ROOT, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.core.records import Record
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.teacher import FakeTeacher

FAKE = ["teacher.kind=fake", "dataset.formats=[alpaca]"]
RUNS = {
    "evolve": ("evolve.yaml", FAKE),
    "plan": ("evolve.yaml", [*FAKE, "strategy=plan", "source=demonstrations"]),
    "magpie": ("magpie.yaml", FAKE),
}


class SometimesTheParent(FakeTeacher):
    """The fake teacher; one in four of its new tasks is the one that it was shown."""

    async def complete(self, prompt: Prompt) -> Completion:
        completion = await super().complete(prompt)
        shown = re.match("Task: (.*)", prompt.messages[-1].content)
        same = shown and prompt.purpose == "propose" and len(completion.text) % 4 == 0
        return replace(completion, text=shown[1]) if shown and same else completion


def config_of(folder: Path, name: str, concurrency: int, target: int = 12) -> RunConfig:
    file, overrides = RUNS[name]
    changes = {"run_dir": folder, "concurrency": concurrency, "target": target, "lookahead": 16, "max_cost_usd": None}
    return RunConfig.load(ROOT / "configs" / file, overrides, **changes)


@pytest.mark.parametrize("name", RUNS)
def test_a_shipped_configuration_reaches_its_target_whatever_the_timing(tmp_path: Path, name: str) -> None:
    def records_of(concurrency: int) -> list[Record]:
        with read(run(config_of(tmp_path / str(concurrency), name, concurrency))) as snapshot:
            return list(snapshot.records)

    records = records_of(1)
    assert len(records) == 12
    assert [(r.instruction, r.examples, r.facets) for r in records_of(16)] == [
        (r.instruction, r.examples, r.facets) for r in records
    ]
    # The analysis before a task is in no row.
    assert not any("task:" in record.instruction.lower() for record in records)


def test_a_row_of_evolve_has_its_parent_and_its_operator_and_children_are_evolved_again(tmp_path: Path) -> None:
    run(config_of(tmp_path / "run", "evolve", 4, target=36), teacher=SometimesTheParent())
    with read(tmp_path / "run") as snapshot:
        records, rejections = snapshot.records, {(stage, reason) for stage, reason, _ in snapshot.rejections()}
        yields = {each.value: each.tasks_per_question for each in snapshot.coverage}
    parents = {record.id: record.origin.demos for record in records}
    assert all(len(demos) == 1 for demos in parents.values())
    assert any(demos[0] in parents for demos in parents.values())
    rows = datasets.load_dataset(str(tmp_path / "run" / "dataset"), "alpaca", split="train")
    assert set(rows["facet_operator"]) == {"constraint", "deepen", "concretize", "reasoning", "input", "breadth"}
    assert yields.keys() == set(rows["facet_operator"])
    assert all(0 < (each or 0) <= 1 for each in yields.values())
    assert {("filter", "nothing_new"), ("instance", "not_evolved")} <= rejections


@pytest.mark.parametrize("name", RUNS)
def test_check_warns_of_a_small_teacher(tmp_path: Path, name: str) -> None:
    strategy = f"strategy={{kind: {name}, template: qwen2.5}}" if name == "magpie" else f"strategy={name}"
    demo = ["check", ROOT / "configs" / "local.yaml", "--set", f"run_dir={tmp_path}/run"]
    done = cli(*demo, "--set", strategy)
    assert done.returncode == 0, done.stderr
    assert f"warning: strategy {name} is for strong teachers, and qwen2.5-coder-1.5b is a small one" in done.stderr
    assert "strong teachers" not in cli(*demo).stderr


def test_magpie_by_chat_is_one_line() -> None:
    done = cli("check", ROOT / "configs" / "magpie.yaml", "--set", "teacher.endpoint=chat")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
