"""Runs in which a share of the tasks gets constraints, which a program checks, whatever strategy they are from."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

import selfinstruct as si
from conftest import ROOT
from selfinstruct.core.documents import Quote
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.core.records import Example, Record, Response
from selfinstruct.core.tasks import Candidate
from selfinstruct.generate.constrain import constrained
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read
from selfinstruct.teachers.fake.teacher import FakeTeacher
from selfinstruct.verifiers.constraints import HELD_OUT, _entries, families

LONG = "Every morning the old market fills with people who talk about the weather and the price of bread and fruit."


class Careless(FakeTeacher):
    """The fake teacher with long answers: in lists of tasks, and bland ones when it is asked for an answer.

    Told to follow a rule about capital or bold letters, it does so.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reminders: list[str] = []

    async def complete(self, prompt: Prompt) -> Completion:
        completion = await super().complete(prompt)
        if prompt.purpose == "propose":
            return replace(completion, text=re.sub(r"(Output: |\"output\": \")", rf"\1{LONG} ", completion.text))
        if prompt.purpose != "answer":
            return completion
        asked, _, reminder = prompt.messages[-1].content.partition("Make sure that your answer follows this rule: ")
        self.reminders += [reminder] if reminder else []
        bold = "bold" in reminder.lower()
        text = (
            f"{asked[:9]} {LONG}"
            if not bold
            else f"**Every** **morning** {asked[:9]} **the** **old** **market** is full."
        )
        return replace(completion, text=text.upper() if "capital" in reminder else text)


def config_of(folder: Path, **values: Any) -> si.RunConfig:
    common = {"run_dir": folder, "target": 30, "teacher": {"kind": "fake", "model": "fake"}, "lookahead": 8}
    answers = {"samples": 3, "constrained": 0.5}
    seeds = str(ROOT / "seeds" / "en.jsonl")
    return si.RunConfig.parse(
        {**common, "seeds": seeds, "answers": answers, "dataset": {"license": "apache-2.0"}, **values}
    )


def records_of(folder: Path, teacher: Any = None, **values: Any) -> list[Record]:
    with read(run(config_of(folder, **values), teacher=teacher)) as snapshot:
        return list(snapshot.records)


def truths(records: list[Record]) -> list[dict[str, Any]]:
    return [json.loads(each.examples[0].ground_truth.expected) for each in records if each.examples[0].ground_truth]


@pytest.mark.parametrize("strategy", ["alpaca", "self_instruct", "plan", "evolve"])
def test_a_share_of_the_tasks_of_any_strategy_gets_constraints_that_their_answers_meet(
    tmp_path: Path, strategy: str
) -> None:
    make = Careless if strategy == "alpaca" else FakeTeacher
    answers = {"samples": 4, "constrained": 0.8, "most_constraints": 1}
    records = records_of(tmp_path / "one", make(), strategy=strategy, answers=answers, concurrency=1)
    found = truths(records)
    # Answers of the fake teacher to self_instruct are too short for constraints.
    assert (len(found) > 2) == (strategy != "self_instruct")
    held_out = {name for family in HELD_OUT for name in families()[family]}
    assert not held_out & {each["name"] for truth in found for each in truth["constraints"]}
    for record in records:
        example = record.examples[0]
        if example.ground_truth is None:
            assert example.responses[0].verified is None
            continue
        [*_, said] = example.messages
        told = json.loads(example.ground_truth.expected)["constraints"]
        assert all(each["text"] in record.instruction for each in told)
        assert (said.content, example.given) == (record.instruction, "")
        assert example.responses[0].verified
        assert si.verify({"ground_truth": example.ground_truth.text}, example.output)
    again = records_of(tmp_path / "many", make(), strategy=strategy, answers=answers, concurrency=8)
    assert [each.examples for each in again] == [each.examples for each in records]


def test_novelty_compares_the_task_without_constraints_and_rows_have_the_ground_truth(tmp_path: Path) -> None:
    formats = {"license": "apache-2.0", "formats": ["alpaca", "rlvr"]}
    done = run(config_of(tmp_path, dataset=formats), teacher=Careless())
    with read(done) as snapshot:
        records = [each for each in snapshot.records if each.examples[0].ground_truth]
        admitted = {task.instruction for task in snapshot.tasks_containing("", 1000) if task.outcome == "record"}
    assert records
    assert {each.instruction.partition("\n\n")[0] for each in records} <= admitted
    alpaca = datasets.load_dataset(str(tmp_path / "dataset"), "alpaca", split="all")
    outputs = {row["instruction"]: row["output"] for row in alpaca}
    assert all(outputs[each.instruction] == each.examples[0].output for each in records)
    rewarded = datasets.load_dataset(str(tmp_path / "dataset"), "rlvr", split="all")
    assert [row["ground_truth"] for row in rewarded] == [each.examples[0].ground_truth.text for each in records]  # type: ignore[union-attr]
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert "for about 50% of the tasks that leave it open" in card
    assert "`letters` and\n    `numbers`" in card or "`letters` and `numbers`" in card


def test_a_failed_answer_is_asked_again_with_the_constraint_that_it_violates(tmp_path: Path) -> None:
    teacher = Careless()
    answers = {"samples": 3, "constrained": 1.0, "most_constraints": 5}
    records = records_of(tmp_path, teacher, answers=answers)
    assert teacher.reminders
    mended = [each for each in records if each.examples[0].ground_truth and each.examples[0].responses[0].sample]
    assert mended
    for record in mended:
        # The record has the task, not the reminder.
        assert "Make sure" not in record.instruction + record.examples[0].messages[-1].content
        told = [each["text"] for each in json.loads(record.examples[0].ground_truth.expected)["constraints"]]  # type: ignore[union-attr]
        assert any(text in teacher.reminders for text in told)


def test_a_replay_gives_the_same_rows_and_asks_nothing(tmp_path: Path) -> None:
    records = records_of(tmp_path, Careless())
    again = run(config_of(tmp_path), recall_only=True)
    with read(again) as snapshot:
        assert list(snapshot.records) == records


def test_what_is_attached_depends_on_the_seed_and_the_place_alone(tmp_path: Path) -> None:
    answers = {"constrained": 1.0}
    config, task = config_of(tmp_path, answers=answers), Candidate("Describe a walk in the park.")
    example = Example.of(task.instruction, "", Response(LONG))

    def drawn(config: si.RunConfig, place: str) -> str:
        return constrained(config, task, [example], place)[0].instruction

    assert drawn(config, "3:1") == drawn(config, "3:1") != drawn(config, "3:2")
    assert drawn(config, "3:1") != drawn(config_of(tmp_path, answers=answers, random_seed=8), "3:1")


@pytest.mark.parametrize(
    ("instruction", "answer"),
    [
        ("Describe the capital of Peru.", "Lima."),
        ("Translate the letter below to French.", LONG),
        ("Write a Python function that adds two numbers.", LONG),
        ("Add two numbers.", f"{LONG}\n```\nprint(1 + 2)\n```"),
        ("Is a whale a fish? Answer yes or no.", LONG),
    ],
)
def test_a_task_that_fixes_the_form_of_its_answer_keeps_it(tmp_path: Path, instruction: str, answer: str) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0}), Candidate(instruction)
    examples = [Example.of(instruction, "", Response(answer))]
    assert constrained(config, task, examples, "1:0") == (task, examples)


def test_only_the_task_fixes_the_form_not_a_word_of_its_answer(tmp_path: Path) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0}), Candidate("Describe a walk in the park.")
    example = Example.of(task.instruction, "", Response(f"{LONG} They correct the program, and fix the table."))
    assert constrained(config, task, [example], "1:0")[0] != task


@pytest.mark.parametrize(
    ("answer", "kind", "fitting"),
    [
        (LONG * 3, "prose", "paragraphs_exactly"),
        (
            "- Walk slowly.\n- Look at the trees.\n- Feed no ducks, even if they ask you to do so again.\n" * 2,
            "list",
            "json_only",
        ),
        (LONG, None, "no_commas"),
    ],
)
def test_the_answer_that_came_with_a_task_says_what_suits_it(
    tmp_path: Path, answer: str, kind: str | None, fitting: str
) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0, "most_constraints": 5}), Candidate("Tell me of it.")
    names: set[str] = set()
    for number in range(150):
        _, [example] = constrained(config, task, [Example.of(task.instruction, "", Response(answer))], f"{number}:0")
        assert example.ground_truth is not None
        names |= {each["name"] for each in json.loads(example.ground_truth.expected)["constraints"]}
    suited = {name for name, each in _entries().items() if kind in each.get("fits", [kind])}
    assert fitting in names <= suited
    assert not names & {name for family in ("keywords", "language", *HELD_OUT) for name in families()[family]}


def test_a_task_that_works_on_an_input_is_left_alone(tmp_path: Path) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0}), Candidate("Explain the text to a child.", LONG)
    examples = [Example.of(task.instruction, LONG, Response(LONG))]
    assert constrained(config, task, examples, "1:0") == (task, examples)


def test_an_answer_from_a_document_is_kept(tmp_path: Path) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0}), Candidate("Describe a walk in the park.")
    quoted = replace(Example.of(task.instruction, "", Response(LONG)), evidence=(Quote("park.md", 0, 5, "A wal"),))
    assert constrained(config, task, [quoted], "1:0") == (task, [quoted])


@pytest.mark.parametrize(
    ("instruction", "never"),
    [
        ("Describe a walk in the park in two sentences.", {"sentences", "bullets", "sections"}),
        ("Describe a walk in the park in at most 50 words.", {"words_at_most", "words_at_least", "words_between"}),
        ("List five things to see in a park.", {"bullets", "numbered", "headings", "no_markdown", "table", "sections"}),
    ],
)
def test_no_constraint_conflicts_with_a_count_that_the_task_states(
    tmp_path: Path, instruction: str, never: set[str]
) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0, "most_constraints": 5}), Candidate(instruction)
    names: Counter[str] = Counter()
    for number in range(150):
        _, [example] = constrained(config, task, [Example.of(instruction, "", Response(LONG * 3))], f"{number}:0")
        assert example.ground_truth is not None
        names.update(each["name"] for each in json.loads(example.ground_truth.expected)["constraints"])
    assert len(names) > 8
    assert not [name for name in names if any(name.startswith(each) for each in never)]


def test_up_to_five_constraints_are_attached(tmp_path: Path) -> None:
    config, task = config_of(tmp_path, answers={"constrained": 1.0, "most_constraints": 5}), Candidate("Say hello.")
    counts = Counter(
        len(json.loads(example.ground_truth.expected)["constraints"])
        for number in range(100)
        for example in constrained(config, task, [Example.of("Say hello.", "")], f"{number}:0")[1]
        if example.ground_truth
    )
    assert set(counts) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"language": "de"}, "answers.constrained: constraints are worded in en and zh; language is de"),
        ({"answers": {"constrained": 0.5, "turns": 3}}, "answers.constrained: is for single answers; remove"),
        ({"answers": {"constrained": 1.5}}, "answers.constrained: must be at most 1"),
    ],
)
def test_what_cannot_be_constrained_is_an_error(tmp_path: Path, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(si.ConfigError, match=re.escape(problem)):
        config_of(tmp_path, **values)


def test_chinese_tasks_get_chinese_constraints(tmp_path: Path) -> None:
    config = config_of(tmp_path, answers={"constrained": 1.0}, language="zh", seeds=str(ROOT / "seeds" / "zh.jsonl"))
    task = Candidate("请介绍一下秋天的公园。")
    answer = Response("秋天的公园里到处都是金黄的树叶，" * 4)
    made, _ = constrained(config, task, [Example.of(task.instruction, "", answer)], "1:0")
    assert re.search("[一-鿿]", made.instruction.removeprefix(task.instruction))
