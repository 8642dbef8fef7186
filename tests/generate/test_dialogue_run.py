"""Whole runs with `answers: {turns: k}` and the fake teacher: what they ask, keep, explain, and report."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.generate.expectation import check
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]
Rows = list[tuple[Any, ...]]


class Recording(FakeTeacher):
    """The fake teacher; keeps the prompts, and answers after a moment that differs from prompt to prompt."""

    def __init__(self, hurry: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self._hurry, self._draw = hurry, random.Random(seed)
        self.prompts: list[Prompt] = []

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        await asyncio.sleep(self._hurry * self._draw.random())
        return await super().complete(prompt)


def rows_of(made: Run) -> Rows:
    with read(made) as snapshot:
        return [(each.id.partition("-")[2], each.examples, dict(each.labels)) for each in snapshot.records]


class Telling(Recording):
    """Its user tells an address."""

    async def complete(self, prompt: Prompt) -> Completion:
        completion = await super().complete(prompt)
        return (
            replace(completion, text="May I write to jane.doe@mailbox.org?") if prompt.purpose == "user" else completion
        )


@pytest.mark.parametrize(("personal_data", "turns"), [("redact", 2), ("refuse", 1)])
def test_the_messages_of_the_user_are_filtered_like_tasks(
    make_config: MakeConfig, personal_data: str, turns: int
) -> None:
    config = make_config(target=6, answers={"turns": 2}, filters={"personal_data": personal_data})
    with read(run(config, teacher=Telling())) as snapshot:
        records = snapshot.records
    assert max(int(record.labels["turns"]) for record in records) == turns
    assert {record.labels["ended"] for record in records if record.labels["turns"] == 1} & {"personal_data"} == (
        {"personal_data"} if turns == 1 else set()
    )
    assert "jane.doe" not in repr(records)


@pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])
def test_a_run_asks_what_its_dialogues_need_and_keeps_the_plan_from_the_assistant(
    make_config: MakeConfig, strategy: str
) -> None:
    teacher = Recording()
    made = run(make_config(target=20, strategy=strategy, answers={"turns": 4}), teacher=teacher)
    asked = Counter(prompt.purpose for prompt in teacher.prompts)
    with read(made) as snapshot:
        records = snapshot.records
    examples = [example for record in records for example in record.examples]
    assert len(records) == 20
    assert asked["plan"] >= len(examples)  # tasks beyond the target are asked for, too
    assert max(len(example.messages) for example in examples) == 7
    for prompt in teacher.prompts:
        if prompt.purpose == "answer":
            assert [each.role for each in prompt.messages] == ["user", "assistant"] * (len(prompt.messages) // 2) + [
                "user"
            ]
    # Two requests for each turn after the first, but for dialogues that the user ended, or that no answer continued.
    assert asked["answer"] <= asked["user"] <= 3 * asked["plan"]
    for record in records:
        assert record.labels["turns"] == len(record.examples[0].messages) // 2 + 1
        assert (record.labels["ended"] == "complete") == (record.labels["turns"] == 4)


def test_the_same_answers_give_the_same_dialogues_at_any_timing(make_config: MakeConfig, tmp_path: Path) -> None:
    found = []
    for number, (concurrency, hurry) in enumerate([(1, 0.0), (16, 0.02), (16, 0.02)]):
        config = make_config(
            run_dir=str(tmp_path / str(number)), target=15, concurrency=concurrency, answers={"turns": 3}
        )
        found.append(rows_of(run(config, teacher=Recording(hurry, number))))
    assert found[0] == found[1] == found[2]


def test_a_finished_run_of_dialogues_asks_nothing_again(make_config: MakeConfig) -> None:
    first, second = Recording(), Recording()
    before = rows_of(run(make_config(target=8, answers={"turns": 3}), teacher=first))
    after = rows_of(run(make_config(target=8, answers={"turns": 3}), teacher=second))
    assert (before, second.prompts) == (after, [])


def test_every_sample_of_every_turn_is_checked(make_config: MakeConfig) -> None:
    answers = {"turns": 3, "samples": 3, "until": "all", "keep": "all"}
    made = run(make_config(target=10, answers=answers))
    with read(made) as snapshot:
        for record in snapshot.records:
            # The samples of the last turn; the turns before it have the best answer each.
            assert len(record.examples[0].responses) == 3
            assert record.examples[0].responses[0].passed


def test_a_dialogue_is_explained_and_reported(make_config: MakeConfig, tmp_path: Path) -> None:
    made = run(make_config(target=10, answers={"turns": 3}))
    with read(made) as snapshot:
        record = next(each for each in snapshot.records if each.labels["turns"] == 3)
    story = cli("explain", made.path, record.id).stdout
    assert "labels  turns 3, ended complete\n" in story
    assert story.count("plan over chat") == 1
    assert story.count("user over chat") == story.count("answer over chat") == 2
    assert story.count("example 1, user\n") == 3
    page = tmp_path / "page.html"
    assert cli("report", made.path, "--output", page).returncode == 0
    assert "turns per dialogue" in page.read_text(encoding="utf-8")


def test_check_counts_the_requests_of_dialogues(make_config: MakeConfig) -> None:
    config = make_config(target=40, answers={"turns": 3})
    estimate = {share.purpose: share.requests for share in check(config).estimate.shares}
    teacher = Recording()
    run(config, teacher=teacher)
    asked = Counter(prompt.purpose for prompt in teacher.prompts)
    for purpose in ("plan", "user", "answer"):
        assert 0.6 * asked[purpose] <= estimate[purpose] <= 1.4 * asked[purpose]


def test_the_user_side_may_be_another_teacher(tmp_path: Path, seed_file: Path) -> None:
    roles = {"assistant": ["propose", "answer"], "user": ["plan", "user"]}
    teachers = [{"kind": "fake", "model": "fake", "name": name, "roles": roles[name]} for name in roles]
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 6, "answers": {"turns": 2}}
    made = run(RunConfig.parse({**values, "teachers": teachers}))
    with read(made) as snapshot:
        asked = snapshot.journal.query("SELECT DISTINCT teacher, purpose FROM answers WHERE purpose != 'probe'")
        assert set(asked) == {(name, purpose) for name, purposes in roles.items() for purpose in purposes}


def test_a_model_that_only_continues_text_gets_every_prompt_as_text(make_config: MakeConfig) -> None:
    made = run(make_config(target=6, answers={"turns": 3}, teacher={"kind": "fake", "endpoint": "completions"}))
    with read(made) as snapshot:
        sent = snapshot.journal.query("SELECT purpose, prompt ->> '$.endpoint' FROM answers")
        assert {(purpose, endpoint) for purpose, endpoint in sent if purpose != "probe"} == {
            (purpose, "completions") for purpose in ("propose", "plan", "user", "answer")
        }
        assert max(len(record.examples[0].messages) for record in snapshot.records) == 5


def test_every_trainer_takes_the_dialogues_of_a_run(make_config: MakeConfig) -> None:
    formats = ["messages", "sharegpt", "alpaca", "openai", "prompt_completion_chat"]
    made = run(make_config(target=12, answers={"turns": 3}, dataset={"formats": formats}))
    for trainer, name in (
        ("trl-sft", "messages"), ("trl-sft", "prompt_completion_chat"), ("axolotl", "messages"),
        ("axolotl", "sharegpt"), ("llama-factory", "sharegpt"), ("llama-factory", "alpaca"),
        ("torchtune", "messages"), ("mlx-lm", "messages"), ("openai", "openai"),
    ):  # fmt: skip
        folder = made.dataset_path / "openai" / "train.jsonl" if name == "openai" else made.dataset_path
        config = [] if name == "openai" else ["--config", name]
        done = cli("validate", folder, "--for", trainer, *config)
        assert done.returncode == 0, done.stdout
        assert "rows with several answers\n" in done.stdout
