"""What `selfinstruct validate` finds for each trainer, what it tells to change, and the configurations it writes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from conftest import ANSWER_FORMATS, ROOT, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.dataset.preference_formats import PREFERENCE_FORMATS
from selfinstruct.dataset.reward_formats import REWARD_FORMATS
from selfinstruct.generate.start import run
from selfinstruct.trainers import TRAINERS, Report, config_stub, validate_dataset
from selfinstruct.trainers.layouts import layout_of
from selfinstruct.trainers.validation import estimate_tokens

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's folder of a run in every format of one answer per row, 40 records in two splits."""
    values: dict[str, Any] = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(tmp_path_factory.mktemp("exported") / "run"),
        "target": 40,
        "teacher": {"kind": "fake", "model": "fake"},
        "dataset": {"formats": list(ANSWER_FORMATS), "test_share": 0.25},
    }
    return run(RunConfig.parse(values)).dataset_path


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of `exported` that a test may change."""
    return Path(shutil.copytree(exported, tmp_path / "dataset"))


def written(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def chat(*turns: str, key: str = "messages", names: tuple[str, str] = ("role", "content")) -> dict[str, Any]:
    """A conversation of 'role: content' turns."""
    parts = [turn.partition(": ") for turn in turns]
    return {key: [{names[0]: role, names[1]: content} for role, _, content in parts]}


def codes(report: Report, level: str = "error") -> list[str]:
    return [finding.code for finding in report.findings if finding.level == level]


GOOD = chat("user: Hi", "assistant: Hello")

QUESTION = {"prompt": [{"role": "user", "content": "2 + 2?"}], "ground_truth": "4"}
ANSWERED = {"prompt": [*QUESTION["prompt"], {"role": "assistant", "content": "5"}]}
RULE = {"data_source": "sums", "reward_model": {"style": "rule", "ground_truth": "4"}}
LONG = [{"role": "user", "content": "a " * 600}]
RLVR = {"messages": QUESTION["prompt"], "ground_truth": "4", "dataset": "sums"}

DEFECTS: dict[str, tuple[str, Rows, list[str], list[str]]] = {
    "good": ("axolotl", [GOOD], [], []),
    "a prompt for rewards": ("trl-grpo", [QUESTION], [], []),
    "a text prompt for rewards": ("trl-grpo", [{"prompt": "2 + 2?", "answer": "4"}], [], []),
    "an empty prompt for rewards": ("trl-grpo", [{"prompt": " "}], [], ["empty_prompt"]),
    "an answered prompt": ("trl-grpo", [QUESTION | ANSWERED], ["answered"], []),
    "an argument of TRL's": ("trl-grpo", [QUESTION | {"completions": "5"}], ["mixed_columns"], []),
    "rewards without a prompt": ("trl-grpo", [RLVR], ["columns"], []),
    "open-instruct": ("open-instruct", [RLVR], [], []),
    "open-instruct drops the answer": ("open-instruct", [RLVR | {"messages": ANSWERED["prompt"]}], [], []),
    "several verifiers": ("open-instruct", [RLVR | {"ground_truth": ["4", "5"], "dataset": ["a", "b"]}], [], []),
    "no verifier": ("open-instruct", [RLVR, {"messages": QUESTION["prompt"], "ground_truth": "4"}], ["unreadable"], []),
    "a long prompt": (
        "open-instruct",
        [RLVR | {"messages": LONG}],
        [],
        ["too_long"],
    ),
    "verl reads no lines": ("verl", [QUESTION | RULE], ["file_kind"], []),
    "verl without a rule": ("verl", [QUESTION], ["file_kind", "columns"], []),
    "verl, answered": ("verl", [ANSWERED | RULE], ["file_kind", "answered"], []),
    "a prompt alone is no answer to learn": ("trl-sft", [RLVR], ["no_answer"], ["whole_text_loss"]),
    "with a system message": ("axolotl", [chat("system: S", "user: Hi", "assistant: Hello")], [], []),
    "whole text": ("trl-sft", [GOOD], [], ["whole_text_loss"]),
    "alpaca": ("trl-sft", [{"instruction": "A", "input": "", "output": "B"}], ["columns"], []),
    "role/content under conversations": (
        "trl-sft",
        [chat("user: Hi", "assistant: Hello", key="conversations")],
        ["columns"],
        [],
    ),
    "sharegpt roles": (
        "trl-sft",
        [chat("human: Hi", "gpt: Hello", key="conversations", names=("from", "value"))],
        ["foreign_role"],
        ["whole_text_loss"],
    ),
    "sharegpt roles under messages": ("trl-sft", [chat("human: Hi", "gpt: Yo")], ["foreign_role"], ["whole_text_loss"]),
    "sharegpt where it is read": (
        "llama-factory",
        [chat("human: Hi", "gpt: Hello", key="conversations", names=("from", "value"))],
        [],
        [],
    ),
    "mixed": ("trl-sft", [GOOD | {"prompt": "Hi", "completion": "Hello"}], ["mixed_columns"], []),
    "mixed for mlx": (
        "mlx-lm",
        [GOOD | {"prompt": "Hi", "completion": "Yo"}],
        [],
        ["mixed_columns", "whole_text_loss"],
    ),
    "order": ("torchtune", [chat("user: A", "user: B", "assistant: C")], ["alternation"], []),
    "order where the template decides": (
        "axolotl",
        [chat("user: A", "assistant: B", "assistant: C")],
        [],
        ["alternation"],
    ),
    "late system": ("llama-factory", [chat("user: A", "system: S", "assistant: B")], ["alternation"], []),
    "assistant first": ("llama-factory", [chat("assistant: A", "user: A", "assistant: B")], ["alternation"], []),
    "no answer": ("llama-factory", [chat("user: A")], ["no_answer"], []),
    "empty answer": ("axolotl", [chat("user: A", "assistant:  ")], [], ["empty_answer"]),
    "empty answer refused": ("openai", [chat("user: A", "assistant:  ")] * 10, ["empty_answer"], []),
    "empty prompt": ("axolotl", [{"instruction": " ", "output": "B"}], [], ["empty_prompt"]),
    "null content": (
        "axolotl",
        [GOOD, {"messages": [{"role": "user", "content": None}, {"role": "assistant", "content": "B"}]}],
        ["unreadable"],
        [],
    ),
    "content of parts": (
        "axolotl",
        [GOOD, {"messages": [{"role": "user", "content": [1]}, {"role": "assistant", "content": "B"}]}],
        ["unreadable"],
        [],
    ),
    "a tool call has no content": (
        "axolotl",
        [
            {
                "messages": [
                    {"role": "user", "content": "A"},
                    {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                    {"role": "tool", "content": "42"},
                    {"role": "assistant", "content": "B"},
                ]
            }
        ],
        [],
        [],
    ),
    "a message without role": ("axolotl", [GOOD, {"messages": [{"content": "A"}]}], ["unreadable"], []),
    "no messages in the first row": ("axolotl", [{"messages": []}, GOOD], ["no_answer"], []),
    "no messages": ("axolotl", [GOOD, {"messages": []}], ["no_answer"], []),
    "another layout below": ("axolotl", [GOOD, {"text": "A"}], ["unreadable"], []),
    "messages are text": ("axolotl", [GOOD, {"messages": "A"}], ["unreadable"], []),
    "few rows": ("openai", [GOOD] * 9, ["few_rows"], []),
    "enough rows": ("openai", [GOOD] * 10, [], []),
    "more columns": ("openai", [GOOD] * 9 + [GOOD | {"id": "1"}], ["extra_columns"], []),
    "begin mark": ("trl-sft", [{"text": "<|begin_of_text|>Hi"}], [], ["twice_begun"]),
    "preference": ("trl-dpo", [{"prompt": "A", "chosen": "B", "rejected": "C"}], [], []),
    "preference of chats": (
        "trl-dpo",
        [
            {
                "prompt": chat("user: A")["messages"],
                "chosen": chat("assistant: B")["messages"],
                "rejected": chat("assistant: C")["messages"],
            }
        ],
        [],
        [],
    ),
    "whole preference": (
        "trl-dpo",
        [{"chosen": chat("user: A", "assistant: B")["messages"], "rejected": chat("user: A")["messages"]}],
        ["two_prompts", "no_answer"],
        [],
    ),
    "no preference": ("trl-dpo", [{"prompt": "A", "chosen": "B", "rejected": "B"}], [], ["same_answers"]),
    "one answer": ("trl-dpo", [GOOD], ["columns"], []),
    "chat pairs where text is wanted": (
        "mlx-lm",
        [{"prompt": chat("user: A")["messages"], "completion": chat("assistant: B")["messages"]}],
        ["columns"],
        [],
    ),
    "a system prompt that is not looked at": (
        "torchtune",
        [{"instruction": "A", "input": "", "output": "B", "system": "S"}],
        [],
        ["whole_text_loss", "ignored_columns"],
    ),
    "nothing known": ("torchtune", [{"question": "A", "answer": "B"}], ["columns"], []),
}


CALL = '{"name": "weather", "arguments": {}}'
SHAREGPT: dict[str, Any] = {"key": "conversations", "names": ("from", "value")}
TOOLS = chat("human: A", f"function_call: {CALL}", "observation: rain", "gpt: B", **SHAREGPT)
TOOL_ROLE = chat("user: A", f"assistant: {CALL}", "tool: rain", "assistant: B")
TOOL_CALLS = {
    "messages": [
        {"role": "user", "content": "A"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "weather"}}]},
        *chat("tool: rain", "assistant: B")["messages"],
    ]
}
PARTS = {"messages": [{"role": "user", "content": [{"type": "text", "text": "A"}]}, *chat("assistant: B")["messages"]]}

DEFECTS |= {
    "llama: tools": ("llama-factory", [TOOLS | {"tools": "[]"}], [], []),
    "llama: role tool": ("llama-factory", [TOOL_ROLE], [], []),
    "llama: role function_call": (
        "llama-factory",
        [chat("user: A", f"function_call: {CALL}", "tool: rain", "assistant: B")],
        [],
        [],
    ),
    "llama: ends with a call": ("llama-factory", [chat("human: A", f"function_call: {CALL}", **SHAREGPT)], [], []),
    "llama: chats under conversations": (
        "llama-factory",
        [chat("system: S", "user: A", "assistant: B", key="conversations")],
        [],
        [],
    ),
    "llama: tool_calls": ("llama-factory", [TOOL_CALLS], ["tool_calls", "unreadable"], []),
    "llama: a call that is none": (
        "llama-factory",
        [chat("human: A", "function_call: weather()", "observation: rain", "gpt: B", **SHAREGPT)],
        ["unreadable_call"],
        [],
    ),
    "llama: a call after reasoning": (
        "llama-factory",
        [chat("human: A", f"function_call: <think>Hm</think>[{CALL}]", **SHAREGPT)],
        [],
        [],
    ),
    "llama: two results": (
        "llama-factory",
        [chat("human: A", f"function_call: {CALL}", "observation: rain", "observation: sun", "gpt: B", **SHAREGPT)],
        ["alternation"],
        [],
    ),
    "llama: the user after a result": (
        "llama-factory",
        [chat("human: A", f"function_call: {CALL}", "observation: rain", "human: C", "gpt: B", **SHAREGPT)],
        ["alternation"],
        [],
    ),
    "llama: an answer after an answer": (
        "llama-factory",
        [chat("human: A", "gpt: B", "gpt: C", "human: D", "gpt: E", **SHAREGPT)],
        ["alternation"],
        [],
    ),
    "llama: tools that are no text": ("llama-factory", [TOOLS | {"tools": []}], ["unreadable"], []),
    "llama: role developer": ("llama-factory", [chat("developer: A", "assistant: B")], ["foreign_role"], []),
    "llama: content of parts": ("llama-factory", [PARTS], ["unreadable"], []),
    "axolotl: tools": ("axolotl", [TOOL_CALLS | {"tools": [], "system": "S"}], [], []),
    "axolotl: role observation": ("axolotl", [TOOLS], ["foreign_role"], []),
    "axolotl: content of text parts": ("axolotl", [PARTS], [], []),
    "torchtune: an answer to a tool": (
        "torchtune",
        [chat("user: A", "assistant: {}", "ipython: 4", "assistant: B")],
        ["alternation"],
        [],
    ),
    "torchtune: tool_calls": ("torchtune", [TOOL_CALLS], ["tool_calls", "unreadable", "foreign_role"], []),
    "torchtune: columns that it does not read": (
        "torchtune",
        [GOOD | {"system": "S", "tools": "[]"}],
        [],
        ["ignored_columns"],
    ),
    "mlx: tools": ("mlx-lm", [TOOL_CALLS | {"tools": [{"type": "function"}]}], [], ["whole_text_loss"]),
    "mlx: tools as text": ("mlx-lm", [GOOD | {"tools": "[]"}], ["unreadable"], ["whole_text_loss"]),
    "trl: tools": ("trl-sft", [TOOL_CALLS | {"tools": "[]"}], [], ["whole_text_loss"]),
    "trl: a system column": ("trl-sft", [GOOD | {"system": "S"}], [], ["whole_text_loss", "ignored_columns"]),
    "openai: tools and parts": ("openai", [TOOL_CALLS | {"tools": []}] * 5 + [PARTS] * 5, [], []),
}


def pair(prompt: str, chosen: str, rejected: str, **more: Any) -> dict[str, Any]:
    """A row of the format `preference`; `prompt` holds turns of 'role: content', separated by ' | '."""
    answers = {
        name: chat(f"assistant: {text}")["messages"] for name, text in (("chosen", chosen), ("rejected", rejected))
    }
    return {"prompt": chat(*prompt.split(" | "))["messages"], **answers, **more}


def labeled(prompt: str, answer: str, label: bool) -> dict[str, Any]:
    """A row of the format `kto`."""
    return {
        "prompt": chat(*prompt.split(" | "))["messages"],
        "completion": chat(f"assistant: {answer}")["messages"],
        "label": label,
    }


def whole(*chosen: str, rejected: list[str]) -> dict[str, Any]:
    return {"chosen": chat(*chosen)["messages"], "rejected": chat(*rejected)["messages"]}


FLAT = {"prompt": "A", "chosen": "B", "rejected": "C"}
PAIR = pair("user: A", "B", "C")
KTO = [labeled("user: A", "B", True), labeled("user: C", "D", False)]
KTO_FLAT = [{"prompt": "A", "completion": "B", "label": True}, {"prompt": "C", "completion": "D", "label": False}]
TALK = ("user: A", "assistant: B", "user: C", "assistant: D")
FOUR_TO_TWO = [labeled(f"user: {n}", "B", n < 4) for n in range(6)]
HISTORY = {"instruction": "C", "input": "", "output": "D", "history": [["A", "B"]]}
RANKED = chat("user: A") | {
    "chosen": chat("assistant: B")["messages"][0],
    "rejected": chat("assistant: C")["messages"][0],
}
FROM = chat("human: A", **SHAREGPT) | {
    "chosen": {"from": "gpt", "value": "B"},
    "rejected": {"from": "gpt", "value": "C"},
}
LONGER = [pair(f"user: {n}", "long" if n < 12 else "l", "cut") for n in range(20)]

for trainer in ("trl-dpo", "trl-reward", "trl-kto"):
    DEFECTS |= {
        f"{trainer}: flat": (trainer, [FLAT], [], []),
        f"{trainer}: pair": (trainer, [PAIR], [], []),
        f"{trainer}: pair of dialogues": (trainer, [pair(" | ".join(TALK[:3]), "D", "E")], [], []),
        f"{trainer}: whole conversations": (trainer, [whole(*TALK, rejected=[*TALK[:3], "assistant: E"])], [], []),
        f"{trainer}: pair equal but for case, space and full stop": (
            trainer,
            [pair("user: A", "It is B.", "it  is b")],
            [],
            ["same_answers"],
        ),
        f"{trainer}: signs are no mere punctuation": (trainer, [pair("user: A", "-5", "5")], [], []),
        f"{trainer}: other prompts": (
            trainer,
            [whole(*TALK, rejected=["user: X", *TALK[1:3], "assistant: E"])],
            ["two_prompts"],
            [],
        ),
        f"{trainer}: text beside whole conversations": (
            trainer,
            [whole("user: A", "assistant: B", rejected=["user: A", "assistant: C"]) | {"prompt": "A"}],
            ["mixed_columns"],
            [],
        ),
        f"{trainer}: the prompt again in the answers": (
            trainer,
            [PAIR | whole("user: A", "assistant: B", rejected=["user: A", "assistant: C"])],
            ["split"],
            ["alternation"],
        ),
        f"{trainer}: whole texts": (trainer, [{"chosen": "A B", "rejected": "A C"}], [], []),
        f"{trainer}: empty answer": (trainer, [pair("user: A", "B", " ")], [], ["empty_answer"]),
        f"{trainer}: roles in a row": (trainer, [pair("user: A | user: B", "C", "D")], [], ["alternation"]),
        f"{trainer}: contradiction": (
            trainer,
            [pair("user: A", "B", "C", score_chosen=2.0, score_rejected=4.5)],
            [],
            ["contradiction"],
        ),
        f"{trainer}: equal scores": (trainer, [pair("user: A", "B", "C", score_chosen=2, score_rejected=2)], [], []),
        f"{trainer}: no scores": (trainer, [pair("user: A", "B", "C", score_chosen=None, score_rejected=None)], [], []),
        f"{trainer}: longer answers": (trainer, LONGER, [], ["longer_chosen"]),
        f"{trainer}: not too many longer answers": (trainer, [*LONGER[:11], *LONGER[12:], PAIR], [], []),
        f"{trainer}: demonstrations": (trainer, [GOOD], ["columns"], []),
    }
DEFECTS |= {
    "reward: margin": ("trl-reward", [PAIR | {"margin": 1.5}, PAIR | {"margin": 2}], [], []),
    "reward: margin missing in a row": (
        "trl-reward",
        [PAIR | {"margin": 1.5}, PAIR | {"margin": None}],
        ["unreadable"],
        [],
    ),
    "dpo: margin missing in a row": ("trl-dpo", [PAIR | {"margin": 1.5}, PAIR | {"margin": None}], [], []),
    "reward: labels": ("trl-reward", KTO, ["columns"], []),
    "kto": ("trl-kto", KTO, [], []),
    "kto: flat": ("trl-kto", KTO_FLAT, [], []),
    "kto: dialogue": ("trl-kto", [*KTO, labeled(" | ".join(TALK[:3]), "D", True)], [], ["label_weights"]),
    "kto: one label": ("trl-kto", KTO[:1], ["one_label"], []),
    "kto: a label that is none": ("trl-kto", [*KTO, KTO[0] | {"label": None}], ["unreadable"], []),
    "kto: labels of different number": ("trl-kto", FOUR_TO_TWO, [], ["label_weights"]),
    "kto: four to three": ("trl-kto", [*FOUR_TO_TWO, labeled("user: X", "B", False)], [], []),
    "kto: one prompt twice in a row": ("trl-kto", [KTO[0], labeled("user: A", "E", False)], [], ["neighbors"]),
    "kto: sorted by label": (
        "trl-kto",
        [labeled(f"user: {n}", "B", n < 9) for n in range(18)],
        [],
        ["label_blocks"],
    ),
    "kto: in short blocks": ("trl-kto", [labeled(f"user: {n}", "B", n % 16 < 8) for n in range(16)], [], []),
    "kto: no labels": ("trl-kto", [{"prompt": "A", "completion": "B"}], ["columns"], []),
    "sft: labels": ("trl-sft", KTO, ["columns"], []),
    "mlx: labels": ("mlx-lm", KTO_FLAT, ["columns"], []),
    "axolotl: pair": ("axolotl", [PAIR], [], []),
    "axolotl: flat": ("axolotl", [FLAT], [], []),
    "axolotl: whole": ("axolotl", [whole(*TALK, rejected=[*TALK[:3], "assistant: E"])], [], []),
    "axolotl: white space around": ("axolotl", [pair("user: A", "B\n", "C")], [], ["untrimmed"]),
    "axolotl: labels": ("axolotl", KTO, ["columns"], []),
    "axolotl: labels of text": ("axolotl", KTO_FLAT, [], []),
    "axolotl: history": ("axolotl", [HISTORY], ["lost_turns"], []),
    "torchtune: history": ("torchtune", [HISTORY], ["lost_turns"], ["whole_text_loss"]),
    "torchtune: empty history": ("torchtune", [HISTORY | {"history": []}], [], ["whole_text_loss"]),
    "llama: history": ("llama-factory", [HISTORY, HISTORY | {"history": []}], [], []),
    "llama: history of messages": ("llama-factory", [HISTORY | {"history": GOOD["messages"]}], ["unreadable"], []),
    "llama: flat": ("llama-factory", [FLAT], [], []),
    "llama: pair as lists": ("llama-factory", [PAIR], ["columns"], []),
    "llama: pair": ("llama-factory", [RANKED], [], []),
    "llama: pair of sharegpt": ("llama-factory", [FROM], [], []),
    "llama: labels": ("llama-factory", KTO, ["columns"], []),
    "llama: labels of text": (
        "llama-factory",
        [*KTO_FLAT, KTO_FLAT[1] | {"completion": "E"}],
        [],
        ["label_weights", "neighbors"],
    ),
    "llama: labels of messages": (
        "llama-factory",
        [chat(*TALK) | {"kto_tag": True}, GOOD | {"kto_tag": False}],
        [],
        [],
    ),
    "llama: labels of alpaca": (
        "llama-factory",
        [HISTORY | {"kto_tag": True}, HISTORY | {"kto_tag": False}],
        [],
        ["neighbors"],
    ),
}

# A dialogue whose first answer isn't to be learned, as Axolotl and as OpenAI say it.
for key, value in (("train", False), ("weight", 0)):
    SKIPPED = chat(*TALK)
    SKIPPED["messages"][1][key] = value
    DEFECTS |= {
        f"{key}: axolotl": ("axolotl", [SKIPPED], [], []),
        f"{key}: openai": ("openai", [SKIPPED] * 10, [], [] if key == "weight" else ["ignored_turn_key"]),
        f"{key}: llama-factory": ("llama-factory", [SKIPPED], [], ["ignored_turn_key"]),
        f"{key}: torchtune": ("torchtune", [SKIPPED], [], ["ignored_turn_key"]),
        f"{key}: trl-sft": ("trl-sft", [SKIPPED], [], ["whole_text_loss", "ignored_turn_key"]),
        f"{key}: mlx-lm": ("mlx-lm", [SKIPPED], [], ["whole_text_loss", "ignored_turn_key"]),
    }


@pytest.mark.parametrize("name", DEFECTS)
def test_what_is_found(tmp_path: Path, name: str) -> None:
    trainer, rows, errors, warnings = DEFECTS[name]
    report = validate_dataset(written(tmp_path / "rows.jsonl", rows), trainer)
    assert (codes(report), codes(report, "warning")) == (errors, warnings)
    assert report.ok == (not errors)
    assert all(finding.what and finding.change for finding in report.findings)


CELLS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 9)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "A", " B\n", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "train", "weight", "tool_calls"]), inner)
    ),
    max_leaves=8,
)
COLUMNS = """messages conversations prompt completion chosen rejected label kto_tag instruction output history margin
    score_chosen score_rejected tools system text ground_truth dataset data_source reward_model""".split()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(list(DEFECTS)), st.dictionaries(st.sampled_from(COLUMNS), CELLS, max_size=4))
def test_any_row_has_findings_and_no_exception(tmp_path: Path, name: str, changed: dict[str, Any]) -> None:
    """A row of any layout with any values in some of its columns, or in all of its messages."""
    trainer, rows, _, _ = DEFECTS[name]
    path = written(tmp_path / "rows.jsonl", [*rows, rows[0] | changed, changed])
    assert validate_dataset(path, trainer).rows in (0, len(rows) + 2)
    for each in ("axolotl", "llama-factory"):
        with suppress(UsageError):
            config_stub(path, each)


def test_a_finding_is_counted_and_names_its_first_row(tmp_path: Path) -> None:
    rows = [GOOD, chat("human: Hi", "gpt: A"), GOOD, chat("human: Hi", "assistant: B")]
    (finding,) = validate_dataset(written(tmp_path / "r.jsonl", rows), "torchtune").findings
    assert (finding.code, finding.rows, finding.where) == ("foreign_role", 2, f"{tmp_path}/r.jsonl:2")
    assert "role 'human'" in finding.what


def test_a_line_that_is_no_json_is_a_finding_like_any_other(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [GOOD])
    path.write_text(path.read_text() + "{not json\n")
    (finding,) = validate_dataset(path, "axolotl").findings
    assert (finding.code, finding.where) == ("unreadable", f"{path}:2")
    assert "not valid JSON" in finding.what


READS = {
    "trl-sft": ("prompt_completion_chat", {"prompt_completion", "messages", "openai", "text"}),
    "axolotl": ("messages", {"openai", "sharegpt", "alpaca", "prompt_completion", "text"}),
    "llama-factory": ("sharegpt", {"messages", "openai", "alpaca", "prompt_completion"}),
    "torchtune": ("messages", {"openai", "sharegpt", "prompt_completion", "alpaca", "text"}),
    "mlx-lm": ("messages", {"openai", "prompt_completion", "text"}),
    "openai": ("openai", set()),
}


@pytest.mark.parametrize("trainer", READS)
def test_every_trainer_takes_the_configs_that_are_made_for_it(folder: Path, trainer: str) -> None:
    best, others = READS[trainer]
    reports = {config: validate_dataset(folder, trainer, config=config) for config in ANSWER_FORMATS}
    accepted = {config for config, report in reports.items() if report.ok}
    assert accepted == {best} | others
    for config, report in reports.items():
        assert set(report.suited) == accepted - {config}
        if config != best:
            assert report.suited[0] == best, "the one that it prefers stands first"
        if report.layout is None:
            assert f"use --config {best}" in report.findings[0].change


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's folder of a run of dialogues, of which only the last answers are to be learned."""
    kinds = [{"kind": name, "loss": "last"} if name in LOSS_OF_TURNS else name for name in ANSWER_FORMATS]
    values: dict[str, Any] = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(tmp_path_factory.mktemp("dialogues") / "run"),
        "target": 40,
        "teacher": {"kind": "fake", "model": "fake"},
        "answers": {"turns": 3},
        "dataset": {"formats": kinds},
    }
    return run(RunConfig.parse(values)).dataset_path


LOSS_OF_TURNS = {"messages", "sharegpt", "openai"}


@pytest.mark.parametrize("trainer", READS)
def test_every_trainer_takes_dialogues(dialogues: Path, trainer: str) -> None:
    best, others = READS[trainer]
    # Only LLaMA-Factory reads the earlier turns of an Alpaca row.
    lost = set() if trainer == "llama-factory" else {"alpaca"}
    reports = {config: validate_dataset(dialogues, trainer, config=config) for config in ANSWER_FORMATS}
    assert {config for config, report in reports.items() if report.ok} == {best, *others} - lost
    for config, report in reports.items():
        if not report.ok or config in ("text", "prompt_completion"):
            continue
        assert 0 < report.dialogues < report.rows
        assert report.longest > 60
        ignored = config in LOSS_OF_TURNS and trainer not in ("axolotl", "openai")
        assert ("ignored_turn_key" in codes(report, "warning")) == ignored


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's folder of a run with several answers to each task, in every format that grades them."""
    values: dict[str, Any] = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(tmp_path_factory.mktemp("graded") / "run"),
        "target": 40,
        "teacher": {"kind": "fake", "model": "fake"},
        "answers": {"samples": 4, "until": "all", "keep": "all"},
        "judge": {},
        "dataset": {"formats": list(PREFERENCE_FORMATS)},
    }
    return run(RunConfig.parse(values)).dataset_path


READS_GRADED = {
    "trl-dpo": {"preference", "preference_flat"},
    "trl-reward": {"preference", "preference_flat"},
    "trl-kto": {"preference", "preference_flat", "kto"},
    "axolotl": {"preference", "preference_flat"},
    "llama-factory": {"preference_flat"},
    # It reads the prompts only; the column 'completions' of the format reward is in the way of its own.
    "trl-grpo": {"preference", "preference_flat", "kto"},
    "trl-sft": set(),
    "torchtune": set(),
    "mlx-lm": set(),
    "openai": set(),
    "open-instruct": set(),
    "verl": set(),
}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_trainers_take_graded_answers_only_if_they_learn_from_grades(graded: Path, trainer: str) -> None:
    reports = {config: validate_dataset(graded, trainer, config=config) for config in PREFERENCE_FORMATS}
    assert {config for config, report in reports.items() if report.ok} == READS_GRADED[trainer]
    assert all(report.rows > 20 for report in reports.values() if report.ok)
    found = {finding.code for report in reports.values() if report.ok for finding in report.findings}
    assert found <= {"label_weights", "longer_chosen"}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's folder of a run whose answers a program checks, in every format for rewards."""
    values: dict[str, Any] = {
        "strategy": {"kind": "verifiable", "kinds": {"maths": 1}},
        "run_dir": str(tmp_path_factory.mktemp("checked") / "run"),
        "target": 20,
        "teacher": {"kind": "fake", "model": "fake"},
        "dataset": {"formats": ["messages", *REWARD_FORMATS], "test_share": 0.25},
    }
    return run(RunConfig.parse(values)).dataset_path


@pytest.mark.parametrize(
    ("trainer", "best", "others"),
    [("trl-grpo", "grpo", {"verl"}), ("open-instruct", "rlvr", set()), ("verl", "verl", set())],
)
def test_trainers_with_rewards_take_the_configs_that_are_made_for_them(
    checked: Path, trainer: str, best: str, others: set[str]
) -> None:
    reports = {config: validate_dataset(checked, trainer, config=config) for config in ["messages", *REWARD_FORMATS]}
    assert {config for config, report in reports.items() if report.ok} == {best, *others}
    assert reports[best].rows == 20
    assert not reports[best].findings
    assert reports["messages"].suited[0] == best
    assert f"use --config {best}" in reports["messages"].findings[0].change


def test_trainers_of_answers_refuse_prompts_without_any(checked: Path) -> None:
    for trainer in TRAINERS.keys() - {"trl-grpo", "open-instruct", "verl"}:
        assert not any(validate_dataset(checked, trainer, config=config).ok for config in REWARD_FORMATS)


def test_the_default_config_is_read_unless_another_is_named(folder: Path) -> None:
    report = validate_dataset(folder, "trl-sft")
    assert (report.config, report.layout, report.rows) == ("messages", "messages", 40)
    assert [split for split, _ in report.splits] == ["train", "test"]
    with pytest.raises(UsageError, match=r"no config 'mesages'; did you mean 'messages'\?"):
        validate_dataset(folder, "trl-sft", config="mesages")


def test_openai_reads_the_lines_beside_the_parquet_files(folder: Path) -> None:
    assert validate_dataset(folder, "openai", config="openai").ok
    assert set(codes(validate_dataset(folder, "openai"))) == {"file_kind", "extra_columns"}
    (folder / "openai" / "train.jsonl").unlink()
    assert codes(validate_dataset(folder, "openai", config="openai")) == ["file_kind"]


def test_any_table_can_be_read(tmp_path: Path) -> None:
    rows = [{"instruction": "A", "input": "", "output": "B"}] * 3
    data = datasets.Dataset.from_list(rows)
    data.to_parquet(tmp_path / "rows.parquet")
    data.to_csv(tmp_path / "rows.csv")
    data.save_to_disk(str(tmp_path / "saved"))
    (tmp_path / "plain").mkdir()
    written(tmp_path / "plain" / "train.jsonl", rows)
    written(tmp_path / "plain" / "test.jsonl", rows[:1])
    for name in ("rows.parquet", "rows.csv", "saved"):
        assert validate_dataset(tmp_path / name, "axolotl").splits == (("train", 3),)
    assert validate_dataset(tmp_path / "plain", "axolotl").splits == (("train", 3), ("test", 1))


@pytest.mark.parametrize(
    "files",
    ['"*.jsonl"', "[a.jsonl, b.jsonl]", "[{split: train, path: a.jsonl}, {split: test, path: [b.jsonl, a.jsonl]}]"],
)
def test_a_card_may_name_its_files_in_every_way_that_datasets_reads(tmp_path: Path, files: str) -> None:
    for name in ("a", "b"):
        written(tmp_path / f"{name}.jsonl", [GOOD])
    configs = f"- config_name: x\n  data_files: a.jsonl\n- config_name: y\n  default: true\n  data_files: {files}\n"
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    loaded = datasets.load_dataset(str(tmp_path))
    report = validate_dataset(tmp_path, "axolotl")
    assert report.config == "y"
    assert dict(report.splits) == {split: rows.num_rows for split, rows in loaded.items()}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "no such file or folder"),
        ("-", "name a file or folder"),
        ("empty", "holds no data files"),
        ("run", "is a run's folder; name the dataset in it"),
        ("card", "the card names gone-*.parquet, but there is no such file"),
        ("torn", "its configs can't be read"),
        ("outside", "its configs can't be read"),
        ("none.jsonl", "holds no readable row"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    for folder in ("empty", "run", "card", "torn", "outside"):
        (tmp_path / folder).mkdir()
    (tmp_path / "run" / "journal.sqlite").touch()
    (tmp_path / "none.jsonl").write_text("1\n2\n")
    card = "---\nconfigs:\n- config_name: a\n  data_files: gone-*.parquet\n---\n"
    (tmp_path / "card" / "README.md").write_text(card)
    (tmp_path / "outside" / "README.md").write_text(card.replace("gone-*", "/gone-*"))
    (tmp_path / "torn" / "README.md").write_text("---\nconfigs: [{a\n---\n")
    with pytest.raises(UsageError, match=re.escape(said)) as error:
        validate_dataset(name if name == "-" else tmp_path / name, "axolotl")
    assert len(str(error.value).splitlines()) == 1


def test_lengths_are_estimated_or_counted(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    tokenizer = Tokenizer(WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(3)  # as many model files have it
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    path = written(tmp_path / "r.jsonl", [{"prompt": "a a a", "completion": "b b"}])
    assert validate_dataset(path, "trl-sft").longest == estimate_tokens("a a a\nb b") == 3
    counted = validate_dataset(path, "trl-sft", tokenizer=tmp_path / "tokenizer.json", max_length=4)
    assert (counted.longest, counted.counted, codes(counted, "warning")) == (5, True, ["too_long"])
    assert "5 tokens, above 4" in counted.findings[0].what
    assert not validate_dataset(path, "trl-sft", tokenizer=tmp_path, max_length=5).findings
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UsageError, match=r"not a tokenizer\.json"):
        validate_dataset(path, "trl-sft", tokenizer=tmp_path / "tokenizer.json")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Ten times the rows, about the same peak: a table of any size passes."""

    def peak(rows: int, name: str) -> int:
        path = tmp_path / name
        one = {"prompt": "word " * 20, "completion": "word " * 20}
        datasets.Dataset.from_list([one] * rows).to_parquet(path)
        tracemalloc.start()
        assert validate_dataset(path, "trl-sft").rows == rows
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(10, "warm.parquet")
    assert peak(40_000, "large.parquet") < 2 * peak(4_000, "small.parquet")


@pytest.mark.parametrize("config", ["messages", "sharegpt", "alpaca", "prompt_completion", "text"])
def test_axolotls_yaml(folder: Path, config: str) -> None:
    values = yaml.safe_load(config_stub(folder, "axolotl", config=config, max_length=512))
    (entry,) = values["datasets"]
    loaded = datasets.load_dataset(entry["path"], entry["name"], split=entry["split"])
    assert values["sequence_len"] == 512
    assert values["test_datasets"][0]["split"] == "test"
    if config in ("messages", "sharegpt"):
        message = loaded[0][entry["field_messages"]][0]
        assert set(entry["message_property_mappings"].values()) == set(message)
        assert entry["type"] == "chat_template"
    elif config == "prompt_completion":
        assert {entry["type"]["field_instruction"], entry["type"]["field_output"]} <= set(loaded.column_names)
    else:
        assert entry["type"] == {"alpaca": "alpaca", "text": "completion"}[config]


@pytest.mark.parametrize("config", ["messages", "sharegpt", "alpaca", "prompt_completion"])
def test_llama_factorys_dataset_info(folder: Path, config: str) -> None:
    entries = json.loads(config_stub(folder, "llama-factory", config=config))
    assert [entry["split"] for entry in entries.values()] == ["train", "test"]
    for entry in entries.values():
        loaded = datasets.load_dataset(entry["script_url"], entry["subset"], split=entry["split"])
        assert set(entry["columns"].values()) <= set(loaded.column_names)
        if entry["formatting"] == "sharegpt":
            tags, (user, assistant) = entry["tags"], loaded[0][entry["columns"]["messages"]]
            assert (user[tags["role_tag"]], assistant[tags["role_tag"]]) == (tags["user_tag"], tags["assistant_tag"])
            assert tags["content_tag"] in user


@pytest.mark.parametrize(
    ("row", "columns", "tags"),
    [
        (TOOLS | {"tools": "[]"}, ["tools"], ["from", "value", "human", "gpt", "observation", "function_call"]),
        (TOOL_ROLE | {"system": "S"}, ["system"], ["role", "content", "user", "assistant", "tool", "function_call"]),
    ],
)
def test_llama_factorys_dataset_info_names_every_role_and_column_that_is_read(
    tmp_path: Path, row: dict[str, Any], columns: list[str], tags: list[str]
) -> None:
    (entry,) = json.loads(config_stub(written(tmp_path / "r.jsonl", [row]), "llama-factory")).values()
    assert entry["columns"] == {"messages": next(iter(row)), **{name: name for name in columns}}
    # LLaMA-Factory has no default for a tag once another one is named.
    names = ("role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag")
    assert entry["tags"] == {**dict(zip(names, tags, strict=True)), "system_tag": "system"}


@pytest.mark.parametrize(
    ("row", "entry"),
    [
        (FLAT, {"ranking": True, "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}}),
        (RANKED, {"ranking": True, "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"}}),
        (FROM, {"ranking": True, "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"}}),
        (KTO_FLAT[0], {"columns": {"prompt": "prompt", "response": "completion", "kto_tag": "label"}}),
        (chat(*TALK) | {"kto_tag": True}, {"columns": {"messages": "messages", "kto_tag": "kto_tag"}}),
        (
            HISTORY,
            {"columns": {"prompt": "instruction", "response": "output", "history": "history", "query": "input"}},
        ),
    ],
)
def test_llama_factorys_entries_for_preferences_and_dialogues(
    tmp_path: Path, row: dict[str, Any], entry: dict[str, Any]
) -> None:
    (written_entry,) = json.loads(config_stub(written(tmp_path / "r.jsonl", [row]), "llama-factory")).values()
    assert written_entry.get("ranking", False) == entry.get("ranking", False)
    assert written_entry["columns"] == entry["columns"]


@pytest.mark.parametrize(
    ("row", "method", "kind"),
    [
        (PAIR, "dpo", {"type": "chat_template.default", "field_messages": "prompt"}),
        (whole(*TALK, rejected=[*TALK[:3], "assistant: E"]), "dpo", {"type": "chat_template.argilla_chat"}),
        (FLAT, "dpo", {"type": "passthrough"}),
        (KTO_FLAT[0], "kto", {}),
    ],
)
def test_axolotls_entries_for_preferences_keep_the_configs_name(
    tmp_path: Path, row: dict[str, Any], method: str, kind: dict[str, str]
) -> None:
    """Of the keys in such an entry, Axolotl's model for DPO doesn't know `name`, and that for SFT does."""
    written(tmp_path / "rows.jsonl", [row])
    (tmp_path / "README.md").write_text("---\nconfigs:\n- config_name: pairs\n  data_files: rows.jsonl\n---\n")
    values = yaml.safe_load(config_stub(tmp_path, "axolotl"))
    assert values["rl"] == method
    assert values["datasets"] == [{"path": str(tmp_path), "name": "pairs", "split": "train", **kind}]
    assert not values["datasets"][0].keys() & {"field_chosen", "field_rejected", "field_prompt"}


def test_the_loss_of_each_turn_is_in_the_configuration_and_the_report(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [chat(*TALK), GOOD])
    (entry,) = yaml.safe_load(config_stub(path, "axolotl"))["datasets"]
    assert (entry["roles_to_train"], entry["train_on_eos"]) == (["assistant"], "turn")
    assert "message_field_training" not in entry
    settings = {
        "axolotl": "message_field_training",
        "llama-factory": "mask_history: true",
        "mlx-lm": "mask_prompt: true",
        "openai": '"weight": 0',
        "torchtune": "train_on_input",
        "trl-sft": "assistant_only_loss=True",
    }
    for trainer, setting in settings.items():
        report = validate_dataset(path, trainer)
        assert report.dialogues == 1
        assert setting in report.loss
    done = command(path, "--for", "llama-factory")
    assert "dialogues    1 row with several answers" in done.stdout
    assert "loss on      every answer; the last answer: mask_history: true" in done.stdout
    assert "dialogues" not in command(written(path, [GOOD]), "--for", "llama-factory").stdout


@pytest.mark.parametrize(("key", "value"), [("train", False), ("weight", 0)])
def test_axolotl_is_told_the_key_that_says_which_answers_to_learn(tmp_path: Path, key: str, value: object) -> None:
    row = chat(*TALK)
    row["messages"][1][key] = value
    (entry,) = yaml.safe_load(config_stub(written(tmp_path / "r.jsonl", [row]), "axolotl"))["datasets"]
    assert entry["message_field_training"] == key


def test_a_message_that_is_null_does_not_stop_the_configuration(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [{"messages": [*GOOD["messages"], None]}])
    assert "message_field_training" not in config_stub(path, "axolotl")
    assert codes(validate_dataset(path, "axolotl")) == ["unreadable"]


DIALOGUES: dict[str, tuple[str, dict[str, Any]]] = {
    "messages": ("trl-sft", chat(*TALK)),
    "sharegpt": ("axolotl", chat("human: A", "gpt: B", "human: C", "gpt: D", **SHAREGPT)),
    "prompt_completion_chat": (
        "trl-sft",
        {"prompt": chat(*TALK[:3])["messages"], "completion": chat(TALK[3])["messages"]},
    ),
    "preference": ("trl-dpo", pair(" | ".join(TALK[:3]), "D", "EE")),
    "kto": ("trl-kto", labeled(" | ".join(TALK[:3]), "D", True)),
    "alpaca": ("llama-factory", HISTORY),
}


@pytest.mark.parametrize("layout", DIALOGUES)
def test_the_length_of_a_dialogue_is_that_of_all_its_turns(tmp_path: Path, layout: str) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Split("\n", "removed")  # a token for each turn
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    trainer, row = DIALOGUES[layout]
    report = validate_dataset(written(tmp_path / "r.jsonl", [row]), trainer, tokenizer=tmp_path)
    assert (report.layout, report.longest, report.dialogues) == (layout, 4, 1)


def test_a_system_prompt_beside_alpaca_columns_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [{"instruction": "A", "input": "", "output": "B", "system": "S"}])
    (entry,) = json.loads(config_stub(path, "llama-factory")).values()
    assert entry["columns"] == {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    assert yaml.safe_load(config_stub(path, "axolotl"))["datasets"][0]["type"] == "alpaca_w_system"


def test_trls_command(folder: Path) -> None:
    command = shlex.split(config_stub(folder, "trl-sft").replace("\\\n", " "))
    options = dict(zip(command[2::2], command[3::2], strict=True))
    assert command[:2] == ["trl", "sft"]
    assert options["--dataset_name"] == str(folder.resolve())
    assert (options["--dataset_config"], options["--assistant_only_loss"]) == ("messages", "true")
    assert "--assistant_only_loss" not in config_stub(folder, "trl-sft", config="prompt_completion")


def test_torchtunes_and_mlx_lms_yaml(folder: Path) -> None:
    section = yaml.safe_load(config_stub(folder, "torchtune", config="sharegpt"))["dataset"]
    assert section["_component_"] == "torchtune.datasets.chat_dataset"
    assert (section["conversation_column"], section["conversation_style"]) == ("conversations", "sharegpt")
    entry = yaml.safe_load(config_stub(folder, "mlx-lm"))["hf_dataset"]
    for split in (entry["train_split"], entry["valid_split"]):
        assert datasets.load_dataset(entry["path"], split=split, **entry["config"]).num_rows > 0


@pytest.mark.parametrize("trainer", ["axolotl", "llama-factory", "torchtune"])
def test_a_lone_file_has_its_configuration_too(tmp_path: Path, trainer: str) -> None:
    path = written(tmp_path / "rows.jsonl", [GOOD])
    assert str(path) in config_stub(path, trainer)
    if trainer == "axolotl":
        assert yaml.safe_load(config_stub(path, trainer))["datasets"][0]["ds_type"] == "json"


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ("openai", "is set up without a file"),
        ("trl-sft", "reads a folder or hub name"),
        ("mlx-lm", "reads a folder"),
        ("trl-dpo", "trl-dpo doesn't read"),
        ("trl-stf", r"did you mean 'trl-sft'\?"),
    ],
)
def test_a_configuration_that_cannot_be_written_says_why(tmp_path: Path, trainer: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        config_stub(written(tmp_path / "rows.jsonl", [GOOD]), trainer)


def test_layouts_of_the_formats_are_told_apart(folder: Path) -> None:
    for name in ANSWER_FORMATS:
        row = next(iter(datasets.load_dataset(str(folder), name, split="train")))
        layout = layout_of(row)
        assert layout is not None
        assert layout.name == ("messages" if name == "openai" else name)


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return cli("validate", *arguments, NO_COLOR="1")


def test_the_command_prints_what_to_change_and_ends_with_its_code(folder: Path, tmp_path: Path) -> None:
    done = command(folder, "--for", "trl-sft", "--config", "alpaca")
    assert (done.returncode, done.stderr) == (2, "")
    assert "error: columns, alpaca/train" in done.stdout
    assert "to change: use --config prompt_completion_chat" in done.stdout
    stub = tmp_path / "dataset_info.json"
    done = command(folder, "--for", "llama-factory", "--write-config", stub)
    assert done.returncode == 0
    assert json.loads(stub.read_text())
    done = command(folder, "--for", "llama-factory", "--write-config", stub)
    assert (done.returncode, "already exists" in done.stderr) == (2, True)
    done = command(folder, "--for", "unsloth")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--for unsloth: unknown trainer; one of trl-sft, trl-dpo" in done.stderr


def test_the_report_as_json(folder: Path) -> None:
    report = json.loads(command(folder, "--for", "trl-sft", "--json").stdout)
    assert (report["ok"], report["rows"], report["layout"]) == (True, 40, "messages")
    assert report["findings"][0]["code"] == "whole_text_loss"


def test_what_stands_in_a_row_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    path = written(tmp_path / "r.jsonl", [chat("\x1b[31mevil\u202e: Hi", "assistant: Hello")])
    done = command(path, "--for", "axolotl")
    assert done.returncode == 2
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout


def test_every_contract_names_what_it_was_read_from() -> None:
    for name, contract in TRAINERS.items():
        assert contract.name == name
        assert contract.version
        assert contract.docs.startswith("https://")
        assert (contract.stub is None) == (not contract.stub_name)


def test_the_documented_versions_and_codes_are_those_of_the_contracts() -> None:
    page = (ROOT / "docs" / "guide" / "trainers.md").read_text(encoding="utf-8")
    for name, contract in TRAINERS.items():
        assert f"| `{name}` | {contract.version} |" in page
    source = "".join(path.read_text() for path in (ROOT / "selfinstruct" / "trainers").rglob("*.py"))
    documented = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`\w+`.*?) \| (?:error|warn)", page, re.MULTILINE)))
    )
    used = {code for code in documented if f'"{code}"' in source}
    assert documented == used
    assert {code for _, _, errors, warnings in DEFECTS.values() for code in errors + warnings} <= documented
