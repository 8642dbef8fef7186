"""Rows for training with verifiable rewards: their columns, and which tasks become rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

import selfinstruct as si
from conftest import ANSWER_FORMATS, NEEDS_SANDBOX, RECORD, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.records import GroundTruth, Record
from selfinstruct.dataset import FORMATS
from selfinstruct.dataset.card_figures import verified
from selfinstruct.dataset.card_words import WORDS
from selfinstruct.dataset.provenance_columns import ProvenanceColumns
from selfinstruct.dataset.reward_formats import REWARD_FORMATS
from selfinstruct.dataset.rows import Wording, columns_of, rows_of
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.snapshot import read
from selfinstruct.strategies.alpaca import Alpaca
from selfinstruct.verifiers import VERIFIERS
from selfinstruct.verifiers.constraints import HELD_OUT

pytestmark = NEEDS_SANDBOX

PLAIN = Wording()
TRUTH = GroundTruth("maths", '{"value": "4 ½", "unit": "km"}')
TEXT = '{"verifier": "maths", "expected": {"value": "4 ½", "unit": "km"}}'
PROMPT = [{"role": "user", "content": "Name the capital.\n\nFrance"}]
first, second = RECORD.examples
CHECKED = replace(RECORD, examples=(replace(first, ground_truth=TRUTH), second))
"""A record with two examples, of which a program checks the first."""


def rows(format: str, *records: Record, wording: Wording = PLAIN) -> list[dict[str, Any]]:
    """The rows of some records in a run that has ground truths."""
    return list(rows_of(records, FORMATS[format], ProvenanceColumns(checked=True), wording))


@pytest.mark.parametrize(
    ("format", "own"),
    [
        ("rlvr", {"messages": PROMPT, "ground_truth": TEXT, "dataset": "selfinstruct"}),
        ("grpo", {"prompt": PROMPT, "verifier": "maths", "ground_truth": TEXT}),
        (
            "verl",
            {
                "data_source": "selfinstruct/maths",
                "prompt": PROMPT,
                "ability": "maths",
                "reward_model": {"style": "rule", "ground_truth": TEXT},
                "extra_info": {"id": "abc-0-1"},
            },
        ),
    ],
)
def test_a_row_of_each_format(format: str, own: dict[str, Any]) -> None:
    [row] = rows(format, CHECKED)
    assert list(row)[: len(own) + 1] == ["id", *own]
    assert {name: row[name] for name in own} == own
    assert (row["verifier"], row["ground_truth"]) == ("maths", TEXT)
    assert json.loads(row["ground_truth"]) == {"verifier": "maths", "expected": {"value": "4 ½", "unit": "km"}}


@pytest.mark.parametrize("format", REWARD_FORMATS)
def test_the_system_prompt_is_part_of_the_prompt_and_the_answer_is_not(format: str) -> None:
    [row] = rows(format, CHECKED, wording=Wording(system_prompt="Be brief."))
    messages = row["messages" if format == "rlvr" else "prompt"]
    assert messages == [{"role": "system", "content": "Be brief."}, *PROMPT]
    assert "Paris" not in json.dumps(row)


@pytest.mark.parametrize("format", REWARD_FORMATS)
def test_only_examples_that_a_program_checks_become_rows(format: str) -> None:
    assert rows(format, RECORD) == []
    [row] = rows(format, RECORD, CHECKED, wording=Wording(all_examples=True))
    assert row["id"] == RECORD.id


def test_the_cost_of_a_record_is_shared_by_the_rows_that_it_has() -> None:
    wording = Wording(all_examples=True)
    assert [each.rows for each in FORMATS["rlvr"].select([CHECKED], wording)] == [1]
    assert [each.rows for each in FORMATS["messages"].select([CHECKED], wording)] == [2, 2]


@pytest.mark.parametrize("format", [name for name in ANSWER_FORMATS if FORMATS[name].traced])
def test_every_row_states_its_ground_truth(format: str) -> None:
    checked, unchecked = rows(format, CHECKED, wording=Wording(all_examples=True))
    assert (checked["verifier"], checked["ground_truth"]) == ("maths", TEXT)
    assert (unchecked["verifier"], unchecked["ground_truth"]) == (None, None)


@pytest.mark.parametrize("format", FORMATS)
def test_without_ground_truths_a_run_has_no_columns_for_them(
    make_config: Callable[..., RunConfig], format: str
) -> None:
    columns = columns_of(FORMATS[format], Wording(), ProvenanceColumns.of(make_config(), [RECORD]))
    assert format in REWARD_FORMATS or "ground_truth" not in columns
    wanted = columns_of(FORMATS[format], Wording(), ProvenanceColumns.of(make_config(), [CHECKED]))
    assert ("ground_truth" in wanted) == FORMATS[format].traced


VERIFIABLE = {"kind": "verifiable", "kinds": {"maths": 1, "structured": 1}}
MIX = {"kind": "mix", "parts": [{"strategy": "alpaca"}, {"strategy": VERIFIABLE, "weight": 4}]}
ALL = ["messages", *REWARD_FORMATS]


@pytest.fixture
def made(make_config: Callable[..., RunConfig]) -> Run:
    return run(make_config(strategy=MIX, dataset={"formats": ALL, "test_share": 0.25}))


def test_each_config_loads_and_the_card_says_what_is_left_out(made: Run) -> None:
    everything = datasets.load_dataset(str(made.dataset_path), split="train+test")
    checked = everything.filter(lambda row: row["ground_truth"])
    assert 5 < len(checked) < len(everything) == 40
    card = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    for format in REWARD_FORMATS:
        loaded = datasets.load_dataset(str(made.dataset_path), format, split="train+test")
        assert loaded["id"] == checked["id"]
        assert f"`{format}` leaves out {40 - len(checked)} of 40 tasks, whose answers no program checks." in card


def test_every_answer_of_a_row_is_right_for_the_reward_function(made: Run) -> None:
    answers = {row["id"]: row["messages"] for row in datasets.load_dataset(str(made.dataset_path), split="train")}
    for format in REWARD_FORMATS:
        for row in datasets.load_dataset(str(made.dataset_path), format, split="train"):
            assert si.verify(row, answers[row["id"]])
            assert row["verified"]


def test_a_run_whose_tasks_no_program_checks_is_refused_before_anything_is_asked(
    make_config: Callable[..., RunConfig],
) -> None:
    for strategy in ("alpaca", {"kind": "mix", "parts": [{"strategy": "alpaca"}]}):
        config = make_config(strategy=strategy, dataset={"formats": ALL})
        with pytest.raises(ConfigError, match="rlvr needs tasks whose answers a program checks; set"):
            run(config)
        assert not Path(config.run_dir).exists()


class Unchecked(Alpaca):
    """A strategy of one's own may have ground truths, as far as its configuration tells."""


def test_a_run_without_ground_truths_says_so(
    make_config: Callable[..., RunConfig], caplog: pytest.LogCaptureFixture
) -> None:
    made = run(make_config(dataset={"formats": ["messages", "grpo"]}), strategy=Unchecked)
    problem = "has no rows, because no record has an answer that a program checks"
    assert f"dataset: grpo {problem}" in caplog.text
    card = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    assert f"The config `grpo` {problem}." in card


# --- what is said about the checks ------------------------------------------------------------------


def half_right(make_config: Callable[..., RunConfig], **changes: Any) -> Run:
    """A run with two answers to each task. The fake teacher knows most first ones, and guesses at the others."""
    values = {"strategy": VERIFIABLE, "answers": {"samples": 2, "until": "all"}, "target": 20}
    return run(make_config(**values | changes))


def test_the_card_and_the_report_count_what_programs_checked(make_config: Callable[..., RunConfig]) -> None:
    made = half_right(make_config)
    with read(made) as snapshot:
        found = verified(snapshot)
        wrong = sum(count for _, reason, count in snapshot.rejections() if reason == "wrong_answer")
    assert [each.verifier for each in found] == ["maths", "structured"]
    assert sum(each.records for each in found) == sum(each.right for each in found) == 20
    kept = [
        each for record in made_records(made) for each in (*record.examples[0].responses, *record.examples[0].others)
    ]
    wrong += sum(each.verified is False for each in kept)
    assert sum(each.answers - each.right for each in found) == wrong > 0
    card = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    for each in found:
        assert f"| `{each.verifier}` | {each.answers} | {each.right / each.answers:.1%} | {each.records} |" in card
        assert f"- `{each.verifier}`: " in card
    assert "Tasks without a right answer are left out." in card
    assert "follow their instruction, beyond what programs checked" in card
    total = sum(each.answers for each in found)
    page = si.write_report(made).read_text(encoding="utf-8")
    assert f"{20 / total:.1%} of {total} answers that programs checked are right" in page


def made_records(made: Run) -> Sequence[Record]:
    with read(made) as snapshot:
        return list(snapshot.records)


def test_without_ground_truths_neither_says_anything(make_config: Callable[..., RunConfig]) -> None:
    made = run(make_config(target=5))
    assert "hecked by programs" not in (made.dataset_path / "README.md").read_text(encoding="utf-8")
    assert "programs checked" not in si.write_report(made).read_text(encoding="utf-8")


def test_labeled_answers_are_not_said_to_be_left_out(make_config: Callable[..., RunConfig]) -> None:
    made = half_right(make_config, filters={"wrong_answer": "label"})
    card = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    assert "Rows with wrong answers have `verified: false`." in card
    rows = datasets.load_dataset(str(made.dataset_path), split="train")
    assert {True, False} == set(rows["verified"])
    assert all(si.verify(row, row["messages"]) is row["verified"] for row in rows)


def test_the_card_says_what_each_verifier_shows_and_which_constraints_are_held_out() -> None:
    assert WORDS["verified"].keys() == VERIFIERS.keys()
    assert all(f"`{family}`" in WORDS["verified"]["constraints"] for family in HELD_OUT)


def test_explain_shows_the_ground_truth_and_each_verdict(
    make_config: Callable[..., RunConfig],
) -> None:
    made = half_right(make_config, strategy={"kind": "verifiable", "kinds": {"maths": 1}})
    told = next(
        text
        for text in (cli("explain", made.path, record.id).stdout for record in made_records(made))
        if "sample 1  rejected, wrong_answer" in text
    )
    assert "example 1, ground truth of maths\n  | {" in told
    assert "example 1, checked by maths: right" in told
    assert re.search(r"sample 0  passed, maths: right", told)
    assert re.search(r"sample 1  rejected, wrong_answer: maths: ", told)
