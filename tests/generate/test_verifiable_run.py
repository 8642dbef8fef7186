"""Whole runs of tasks that a program draws and checks, alone and mixed with other strategies."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from conftest import NEEDS_SANDBOX, ROOT, KnowsSolutions
from selfinstruct.core.errors import SandboxMissing
from selfinstruct.core.programs import Program, Ran
from selfinstruct.core.prompts import Asking, Completion, Prompt
from selfinstruct.core.records import Record
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read
from selfinstruct.sandbox import run_program
from selfinstruct.strategies.factory import build_strategy
from selfinstruct.strategies.material import View
from selfinstruct.strategies.protocol import mean_tasks, task_tokens
from selfinstruct.strategies.verifiable.verifiable import KINDS, SOLVED, Kind, Programs, shots
from selfinstruct.verifiers import verdict_on

pytestmark = NEEDS_SANDBOX

VERIFIABLE = {"kind": "verifiable", "kinds": {"maths": 1, "structured": 1}}


def config_of(folder: Path, **values: Any) -> si.RunConfig:
    common = {"run_dir": folder, "target": 20, "teacher": {"kind": "fake", "model": "fake"}, "lookahead": 8}
    return si.RunConfig.parse({**common, "dataset": {"license": "apache-2.0"}, **values})


def records_of(folder: Path, **values: Any) -> list[Record]:
    with read(run(config_of(folder, **values))) as snapshot:
        return list(snapshot.records)


def test_every_record_was_checked_and_has_its_ground_truth_whatever_the_timing(tmp_path: Path) -> None:
    records = records_of(tmp_path / "one", strategy=VERIFIABLE, concurrency=1)
    assert len(records) == 20
    truths = [each.examples[0].ground_truth for each in records]
    assert {each.verifier for each in truths if each} == {"maths", "structured"}
    again = records_of(tmp_path / "many", strategy=VERIFIABLE, concurrency=8)
    assert [each.examples for each in again] == [each.examples for each in records]
    # The fake teacher gives one wrong answer in eight.
    with read(tmp_path / "one") as snapshot:
        assert ("instance", "wrong_answer") in {(stage, reason) for stage, reason, _ in snapshot.rejections()}


class RightAtLast(KnowsSolutions):
    """Answers wrongly at first, and rightly when asked again."""

    async def complete(self, prompt: Prompt) -> Completion:
        solution = self.solution(prompt)
        text = "I do not know which one it is." if prompt.made_of.unit else solution
        return Completion(text, model="fake")


def test_a_wrong_answer_is_asked_again(tmp_path: Path) -> None:
    answers = {"samples": 2, "until": "pass"}
    with read(run(config_of(tmp_path, strategy=VERIFIABLE, answers=answers), teacher=RightAtLast())) as snapshot:
        records = list(snapshot.records)
    assert len(records) == 20
    [response] = records[0].examples[0].responses
    assert response.sample == 1
    [other] = records[0].examples[0].others
    assert other.verdicts["wrong_answer"].reason == "wrong_answer"


class Listens(RightAtLast):
    """Keeps the messages of every question."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, ...]] = []

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose != "probe":
            self.heard.append(tuple(message.content for message in prompt.messages))
        return await super().complete(prompt)


def test_solved_tasks_come_before_each_question_and_are_in_no_record(tmp_path: Path) -> None:
    strategy = {"kind": "verifiable", "kinds": {"maths": 1}, "shots": {"maths": 2, "code": 1}}
    teacher = Listens()
    config = config_of(tmp_path, strategy=strategy, answers={"samples": 2, "until": "pass"}, target=10)
    with read(run(config, teacher=teacher)) as snapshot:
        records = list(snapshot.records)
    assert {len(heard) for heard in teacher.heard} == {5}
    assert len({heard[:4] for heard in teacher.heard}) == 1  # the same, so that a server keeps them in its cache
    asked = Counter(heard[4] for heard in teacher.heard)
    assert all(asked[record.instruction] == 2 for record in records)  # at first, and again
    assert all(len(record.examples[0].messages) == 1 for record in records)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_solved_tasks_pass_their_own_check(kind: Kind, language: str) -> None:
    shown = shots(kind, language, 3, "python" if kind == "code" else "")
    user, assistant = shown[::2], shown[1::2]
    assert len({message.content for message in user}) == len(assistant) == 3
    draws = [SOLVED.get(kind, KINDS[kind])(random.Random(number), language) for number in range(20)]
    for task in draws:
        if task.solution:
            assert asyncio.run(verdict_on(task.solution, task.ground_truth, run_here)).ok, task


def test_solved_tasks_about_code_are_in_the_language_of_the_task() -> None:
    def solutions(code_language: str) -> list[str]:
        return [message.content for message in shots("code", "en", 3, code_language)[1::2]]

    assert all("def " in each for each in solutions("python"))
    assert all("SELECT" in each for each in solutions("sql"))
    assert not any("def " in each or "SELECT" in each for each in solutions("regex"))
    assert all(map(len, map(solutions, ("python", "sql", "regex"))))


def test_a_task_has_at_most_the_parts_that_are_configured(tmp_path: Path) -> None:
    def parts(**more: object) -> dict[str, set[int]]:
        strategy = {**VERIFIABLE, "kinds": {"code": 1, "constraints": 1}, **more}
        config = config_of(tmp_path, strategy=strategy)
        source = Programs(config, build_strategy(config, Asking()))
        found: dict[str, set[int]] = {"python": set(), "constraints": set()}
        for number in range(60):
            drawn = source.draw(number, View((), ()))
            assert drawn is not None
            task = json.loads(drawn.unit)
            expected = json.loads(task["ground_truth"]["expected"])
            if "constraints" in expected:
                found["constraints"].add(len(expected["constraints"]))
            elif expected["language"] == "python":
                found["python"].add(len(task["meaning"].split()))
        return found

    assert parts(max_parts={"code": 2, "constraints": 1}) == {"python": {2}, "constraints": {1}}
    assert parts() == {"python": {2, 3, 4}, "constraints": {1, 2, 3}}


def test_a_mix_draws_by_weight_and_labels_each_record(tmp_path: Path) -> None:
    parts = [{"strategy": "alpaca"}, {"strategy": VERIFIABLE, "weight": 9}]
    mix = {"kind": "mix", "parts": parts}
    seeds = str(ROOT / "seeds" / "en.jsonl")
    records = records_of(tmp_path / "run", seeds=seeds, strategy=mix, target=60)
    parts_of = Counter(record.labels["part"] for record in records)
    assert len(records) == 60
    assert parts_of["alpaca"] > 5  # several tasks a question
    assert parts_of["verifiable"] > 5
    assert all((r.examples[0].ground_truth is not None) == (r.labels["part"] == "verifiable") for r in records)


def test_a_mix_needs_seeds_only_if_a_part_does(tmp_path: Path) -> None:
    alone = {"kind": "mix", "parts": [{"strategy": "verifiable"}, {"strategy": VERIFIABLE}]}
    assert config_of(tmp_path, strategy=alone).seeds is None
    for parts, said in (
        ([{"strategy": "verifiable"}, {"strategy": "alpaca"}], "seeds: is missing"),
        ([{"strategy": "verifiabel"}], r"^\S+ strategy.parts\S*: [^\n]*verifiable[^\n]*$"),
    ):
        with pytest.raises(si.ConfigError, match=said):
            config_of(tmp_path, strategy={"kind": "mix", "parts": parts})


def test_the_estimate_of_a_mix_counts_the_tasks_of_each_part(tmp_path: Path) -> None:
    parts = [{"strategy": {"kind": "alpaca", "tasks_per_question": 5}}, {"strategy": VERIFIABLE, "weight": 3}]
    config = config_of(tmp_path, seeds=str(ROOT / "seeds" / "en.jsonl"), strategy={"kind": "mix", "parts": parts})
    strategy = build_strategy(config, Asking.over("chat"))
    assert mean_tasks(strategy) == (5 + 3 * 1) / 4
    assert task_tokens(strategy) == (5 * 90 + 3 * 150) // (5 + 3)


def test_a_part_asks_about_documents_without_gaps(tmp_path: Path) -> None:
    handbook = ROOT / "examples" / "handbuch"
    mix = {"kind": "mix", "parts": [{"strategy": "grounded"}, {"strategy": VERIFIABLE}]}
    alone = {"strategy": "grounded", "documents": str(handbook), "documents_license": "apache-2.0", "target": 1000}
    asked = [record.origin.demos for record in records_of(tmp_path / "alone", **alone)]
    mixed = records_of(tmp_path / "mixed", **{**alone, "strategy": mix}, language="en")
    assert sorted(r.origin.demos for r in mixed if r.labels["part"] == "grounded") == sorted(asked)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_solution_of_a_drawn_task_passes_its_own_check(kind: Kind, language: str) -> None:
    draw = random.Random(7)
    tasks = [KINDS[kind](draw, language) for _ in range(40)]
    assert len({task.meaning for task in tasks}) > 30
    for task in (task for task in tasks if task.solution):
        verdict = asyncio.run(verdict_on(task.solution, task.ground_truth, run_here))
        assert verdict.ok, (task, verdict.detail)
        assert not asyncio.run(verdict_on("I don't know.", task.ground_truth, run_here)).ok, task


async def run_here(program: Program) -> Ran:
    return await asyncio.to_thread(run_program, program)


def test_without_a_weight_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(si.ConfigError, match="every weight is 0"):
        run(config_of(tmp_path, strategy={"kind": "verifiable", "kinds": {"maths": 0}}))


def test_another_language_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(si.ConfigError, match="words tasks in en and zh; it is de"):
        run(config_of(tmp_path, strategy=VERIFIABLE, language="de"))


def test_a_replay_on_a_machine_without_a_sandbox_runs_nothing_and_gives_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = {"kind": "verifiable", "kinds": {"code": 1}}
    records = records_of(tmp_path / "run", strategy=code, target=10)
    files = {path: path.read_bytes() for path in (tmp_path / "run" / "dataset").rglob("*.parquet")}
    with read(tmp_path / "run") as snapshot:
        assert ("instance", "wrong_answer") in {(stage, reason) for stage, reason, _ in snapshot.rejections()}

    monkeypatch.setenv("PATH", "")
    shutil.rmtree(tmp_path / "run" / "dataset")
    assert records_of(tmp_path / "run", strategy=code, target=10) == records
    assert {path: path.read_bytes() for path in files} == files
    # A run that isn't complete asks nothing there, because no answer could be checked.
    for name, strategy in {"code": code, "mix": {"kind": "mix", "parts": [{"strategy": code}]}}.items():
        with pytest.raises(SandboxMissing, match="bubblewrap isn't installed"):
            records_of(tmp_path / name, strategy=strategy, seeds=str(ROOT / "seeds" / "en.jsonl"))
        with read(tmp_path / name) as snapshot:
            assert snapshot.requests_by_error() == []
    # Kinds that are checked without a program need no sandbox.
    assert records_of(tmp_path / "structured", strategy={"kind": "verifiable", "kinds": {"structured": 1}}, target=3)


def test_an_unknown_kind_is_named_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(si.ConfigError, match=r"strategy\.kinds\.math: must be .*did you mean 'maths'\?"):
        config_of(tmp_path, strategy={"kind": "verifiable", "kinds": {"math": 1}})
