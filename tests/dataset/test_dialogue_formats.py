"""Dialogues in every format: whole conversations, pairs of earlier turns, labeled text, and marks of the loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from conftest import RECORD
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Message
from selfinstruct.core.records import Example, Record, Response
from selfinstruct.dataset import FORMATS
from selfinstruct.dataset.formats import DialogueOptions, formats_of
from selfinstruct.dataset.rows import Wording, rows_of
from selfinstruct.generate.start import run

SAID = ("Name the capital.\n\nFrance", "Paris", "And its river?", "The Seine.", "How long is it?")
TURNS = Example(
    tuple(Message(("user", "assistant")[at % 2], text) for at, text in enumerate(SAID)), (Response("777 km"),)
)
SPOKEN = replace(RECORD, examples=(TURNS, *RECORD.examples[1:]))
CHAT = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(SAID)]
ANSWER = {"role": "assistant", "content": "777 km"}
LABELED = (
    "User:\nName the capital.\n\nFrance\n\nAssistant:\nParis\n\nUser:\nAnd its river?\n\nAssistant:\nThe Seine.\n\n"
)


def row(format: str, record: Record = SPOKEN, **settings: Any) -> dict[str, Any]:
    """Return the row of a dialogue, own columns only."""
    wording = Wording(dialogues=True, **settings)
    (whole,) = rows_of([record], FORMATS[format], wording=wording)
    return {name: whole[name] for name in FORMATS[format].columns(wording)}


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        ("messages", {"messages": [*CHAT, ANSWER]}),
        ("openai", {"messages": [*CHAT, ANSWER]}),
        ("prompt_completion_chat", {"prompt": CHAT, "completion": [ANSWER]}),
        (
            "sharegpt",
            {
                "conversations": [
                    {"from": "human", "value": SAID[0]},
                    {"from": "gpt", "value": SAID[1]},
                    {"from": "human", "value": SAID[2]},
                    {"from": "gpt", "value": SAID[3]},
                    {"from": "human", "value": SAID[4]},
                    {"from": "gpt", "value": "777 km"},
                ]
            },
        ),
        ("prompt_completion", {"prompt": LABELED + "User:\nHow long is it?\n\nAssistant:\n", "completion": "777 km"}),
        (
            "alpaca",
            {
                "instruction": "How long is it?",
                "input": "",
                "output": "777 km",
                "history": [["Name the capital.\n\nFrance", "Paris"], ["And its river?", "The Seine."]],
            },
        ),
        (
            "text",
            {"text": "".join(f"<|im_start|>{each['role']}\n{each['content']}<|im_end|>\n" for each in [*CHAT, ANSWER])},
        ),
    ],
)
def test_a_dialogue_in_each_format(format: str, expected: dict[str, Any]) -> None:
    assert row(format) == expected


def test_with_dialogues_a_single_turn_has_the_same_columns() -> None:
    assert row("alpaca", RECORD, system_prompt="Be brief.") == {
        "instruction": "Name the capital.", "input": "France", "output": "Paris", "history": [], "system": "Be brief."
    }  # fmt: skip
    prompt = "Be brief.\n\nUser:\nName the capital.\n\nFrance\n\nAssistant:\n"
    assert row("prompt_completion", RECORD, system_prompt="Be brief.") == {"prompt": prompt, "completion": "Paris"}


@pytest.mark.parametrize("format", ["messages", "sharegpt"])
def test_the_loss_is_on_the_last_answer_by_a_mark_in_each_message(format: str) -> None:
    (messages,) = row(format, options=DialogueOptions(kind=format, loss="last"), system_prompt="Be brief.").values()
    assert [each["train"] for each in messages] == [False] * 6 + [True]


def test_the_loss_is_on_the_last_answer_by_weights_of_openai() -> None:
    messages = row("openai", options=DialogueOptions(kind="openai", loss="last"), system_prompt="Be brief.")["messages"]
    weights = [(each["role"], each.get("weight")) for each in messages]
    user, earlier = ("user", None), ("assistant", 0)
    assert weights == [("system", None), user, earlier, user, earlier, user, ("assistant", 1)]


def test_marks_of_the_loss_reach_the_files(make_config: Callable[..., RunConfig], tmp_path: Path) -> None:
    formats = [{"kind": kind, "loss": "last"} for kind in ("messages", "sharegpt", "openai")]
    made = run(make_config(target=6, answers={"turns": 3}, dataset={"formats": [*formats, "alpaca"]}))
    for name, column in (("messages", "messages"), ("sharegpt", "conversations")):
        rows = datasets.load_dataset(str(made.dataset_path), name, split="train", cache_dir=str(tmp_path))
        assert all([each["train"] for each in row[column]][-1] is True for row in rows)
        assert all(not any(each["train"] for each in row[column][:-1]) for row in rows)
    rows = datasets.load_dataset(str(made.dataset_path), "alpaca", split="train", cache_dir=str(tmp_path))
    assert [1 + len(row["history"]) for row in rows] == list(rows["turns"])
    lines = [json.loads(line) for line in (made.dataset_path / "openai" / "train.jsonl").read_text().splitlines()]
    for line in lines:
        assert [each.get("weight") for each in line["messages"] if each["role"] == "assistant"][-1] == 1
        assert all("weight" not in each for each in line["messages"] if each["role"] == "user")
    assert max(len(line["messages"]) for line in lines) == 6


def test_a_strategy_of_ones_own_may_write_dialogues(make_config: Callable[..., RunConfig]) -> None:
    config = make_config()
    assert not formats_of(config)["messages"][1].dialogues
    assert formats_of(config, [RECORD, SPOKEN])["messages"][1].dialogues
