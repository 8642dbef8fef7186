"""`verify` and `reward`: any row of a dataset, any answer, from any thread or event loop."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import selfinstruct as si
from conftest import NEEDS_SANDBOX, RECORD, ROOT
from selfinstruct.core.errors import SandboxMissing, UsageError
from selfinstruct.core.programs import Program, Ran
from selfinstruct.core.records import GroundTruth, Response
from selfinstruct.dataset import FORMATS
from selfinstruct.dataset.provenance_columns import ProvenanceColumns
from selfinstruct.dataset.rows import rows_of
from selfinstruct.verifiers import VERIFIERS

pytestmark = NEEDS_SANDBOX

SUM = {"language": "python", "function": "f", "cases": [{"input": [[1, 2]], "result": 3}]}
EXPECTED: dict[str, dict[str, Any]] = {
    "maths": {"value": "12 ½", "unit": "km"},
    "structured": {"format": "json", "value": {"name": "Ana", "age": 7}},
    "lists": {"form": "commas", "items": ["red", "blue"]},
    "constraints": {"constraints": [{"name": "words_at_least", "n": 3}]},
    "code": SUM,
}
TRUTHS = {name: GroundTruth(name, json.dumps(expected)) for name, expected in EXPECTED.items()}
RIGHT = {
    "maths": "The train goes 12.5 km.",
    "structured": '{"age": 7, "name": "Ana"}',
    "lists": "red, blue",
    "constraints": "One two three.",
    "code": "```python\nf = sum\n```",
}
WRONG = {
    "maths": "The train goes 12 km.",
    "structured": '{"age": "7", "name": "Ana"}',
    "lists": "blue, red",
    "constraints": "One two.",
    "code": "```python\nf = max\n```",
}
VERIFIER = [
    pytest.param(
        name, marks=pytest.mark.skipif(name == "code" and not shutil.which("bwrap"), reason="needs bubblewrap")
    )
    for name in TRUTHS
]
MATHS = {"ground_truth": TRUTHS["maths"].text}


@pytest.mark.parametrize("verifier", VERIFIER)
@pytest.mark.parametrize("format", [name for name, each in FORMATS.items() if each.traced and name != "reward"])
def test_a_row_of_any_format_is_checked(format: str, verifier: str) -> None:
    good, bad = Response("Paris", marks={"m": 5}), Response("Lima", sample=1, marks={"m": 1})
    example = replace(RECORD.examples[0], ground_truth=TRUTHS[verifier], responses=(good, bad))
    row, *_ = rows_of([replace(RECORD, examples=(example,))], FORMATS[format], ProvenanceColumns(checked=True))
    row = json.loads(json.dumps(row))  # as a file has it
    assert si.verify(row, RIGHT[verifier])
    assert not si.verify(row, WRONG[verifier])


def test_a_row_of_verl_needs_no_further_columns() -> None:
    model = {"style": "rule", "ground_truth": TRUTHS["maths"].text}
    assert si.verify({"reward_model": model}, "12.5")
    assert si.reward(["12.5", "13"], reward_model=[model, model]) == [1.0, 0.0]


@pytest.mark.parametrize(
    "answer",
    [
        "12.5 km",
        "<think>Is it 13? No.</think>\n\n12.5 km",
        "Is it 13? No.\n</think>\n12.5 km",  # the chat template opened the block
        [{"role": "assistant", "content": "12.5 km"}],
        [{"content": "12.5 km"}],
        [{"role": "assistant", "content": [{"type": "text", "text": "12.5 km"}]}],
        [{"role": "user", "content": "Sure?"}, {"role": "assistant", "content": "12.5 km"}],
        [
            {"role": "assistant", "content": None, "tool_calls": [{"name": "add"}]},
            {"role": "tool", "content": "13"},
            {"role": "assistant", "content": "12.5 km"},
        ],
    ],
)
def test_the_answer_is_what_the_assistant_says_last_after_its_reasoning(answer: Any) -> None:
    assert si.verify(MATHS, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "<think>It is 12.5 km.",
        [],
        [{"role": "user", "content": "12.5 km"}],
        [{"role": "assistant", "content": None}],
        [{"role": "assistant", "content": 12.5}],
        ["12.5 km"],
        None,
        12.5,
        b"12.5 km",
        "\ud800",
        "[" * 100_000,
        "9" * 100_000,
        "1e" + "9" * 1000,
        "\\frac{" * 10_000,
    ],
)
@pytest.mark.parametrize("verifier", VERIFIER)
def test_anything_else_is_wrong_and_raises_nothing(answer: Any, verifier: str) -> None:
    assert si.verify({"ground_truth": TRUTHS[verifier].text}, answer) is False


texts = st.text() | st.lists(
    st.sampled_from(["```", "json", "\n", "{", "}", "[", ":", "|", "12.5", "½", "/0", "\\boxed{", "km", "- "])
).map("".join)


@settings(max_examples=60, deadline=None)
@given(texts, st.sampled_from(["maths", "structured", "lists", "constraints"]))  # code runs in the sandbox
def test_no_text_raises(text: str, verifier: str) -> None:
    assert si.verify({"ground_truth": TRUTHS[verifier].text}, text) in (True, False)


def test_every_verifier_is_tested_here() -> None:
    assert TRUTHS.keys() == VERIFIERS.keys()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({}, "row: has no ground truth; pass a row of the format grpo, rlvr, or verl"),
        ({"ground_truth": None, "verifier": None}, "row: has no ground truth"),
        ({"reward_model": {"style": "rule"}}, "row: has no ground truth"),
        ({"reward_model": None}, "row: has no ground truth"),
        ({"ground_truth": "42"}, "ground truth: '42' was not written by selfinstruct"),
        ({"ground_truth": 42}, "ground truth: '42' was not written by selfinstruct"),
        ({"ground_truth": '{"verifier": "maths"}'}, "was not written by selfinstruct"),
        ({"ground_truth": "{" + "x" * 1000}, "^.{,150}$"),
        ({"ground_truth": '{"verifier": "math", "expected": 1}'}, r"'math' is unknown; did you mean 'maths'\?"),
    ],
)
def test_a_row_without_a_ground_truth_is_one_line(row: dict[str, Any], said: str) -> None:
    with pytest.raises(si.SelfInstructError, match=said):
        si.verify(row, "42")


def test_a_reward_for_each_completion_as_trl_asks_for_it() -> None:
    """TRL passes prompts, tokens, every column, and what a reward function may log with."""
    truth = TRUTHS["maths"].text
    rewards = si.reward(
        prompts=[[{"role": "user", "content": "How far?"}]] * 3,
        completions=[[{"role": "assistant", "content": text}] for text in ("12.5", "12", "12.5")],
        completion_ids=[[1], [2], [1]],
        ground_truth=[truth, truth, None],  # a row that another reward function is for
        id=["a", "b", "c"],
        trainer_state=object(),
        log_extra=print,
    )
    assert rewards == [1.0, 0.0, None]
    assert si.reward([], ground_truth=[]) == []


def test_without_a_column_of_ground_truths_there_is_no_reward() -> None:
    with pytest.raises(si.UsageError, match="reward: no column ground_truth or reward_model"):
        si.reward(["42"], answer=["42"])


def test_it_works_while_an_event_loop_is_running() -> None:
    async def in_a_notebook() -> tuple[bool, list[float | None]]:
        return si.verify(MATHS, "12.5"), si.reward(["12"], ground_truth=[MATHS["ground_truth"]])

    assert asyncio.run(in_a_notebook()) == (True, [0.0])


def test_it_works_in_threads() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: si.verify(MATHS, text), ["12.5", "12"] * 20)) == [True, False] * 20


def test_without_a_sandbox_code_is_an_error_and_rare_notation_is_wrong(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(program: Program) -> Ran:
        raise SandboxMissing("no bubblewrap; install it")

    monkeypatch.setattr("selfinstruct.verifiers.rewards.run_program", missing)
    with pytest.raises(SandboxMissing, match="install it"):
        si.verify({"ground_truth": TRUTHS["code"].text}, RIGHT["code"])
    root = GroundTruth("maths", '{"value": "\\\\sqrt{8}"}').text
    assert not si.verify({"ground_truth": root}, "2\\sqrt{2}")
    assert "an answer counts as wrong that only a program can read: no bubblewrap; install it" in caplog.text
    assert si.verify(MATHS, "12.5")


def test_the_function_for_verl_in_the_guide_is_one() -> None:
    guide = (ROOT / "docs" / "guide" / "rewards.md").read_text(encoding="utf-8")
    [source] = re.findall(r"(    import selfinstruct as si\n\n    def compute_score.*?)\n\n", guide, re.DOTALL)
    names: dict[str, Any] = {}
    exec(textwrap.dedent(source), names)
    asked = {"data_source": "selfinstruct/maths", "ground_truth": TRUTHS["maths"].text, "extra_info": {"id": "a"}}
    assert names["compute_score"](solution_str="12.5 km", **asked) == 1.0
    assert names["compute_score"](solution_str="12 km", **asked) == 0.0


@pytest.mark.parametrize(
    "truth",
    [
        *({"verifier": verifier, "expected": {}} for verifier in ("lists", "structured", "constraints")),
        {"verifier": ["x"], "expected": {}},
        {"verifier": None, "expected": {}},
        {"verifier": "constraints", "expected": {"constraints": []}},
        {"verifier": "constraints", "expected": {"constraints": ["x"]}},
        {"verifier": "constraints", "expected": {"constraints": [{"name": "nope"}]}},
        {"verifier": "constraints", "expected": {"constraints": [{"name": "bullets_exactly"}]}},
        {"verifier": "lists", "expected": {"form": "xx", "items": []}},
        {"verifier": "structured", "expected": {"format": "xml", "value": 1}},
        {"verifier": "structured", "expected": {"format": "csv", "value": 5}},
        {"verifier": "maths", "expected": {"value": "7", "marker": 5}},
    ],
)
def test_a_ground_truth_that_is_none_is_refused_in_one_line(truth: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="was not written by selfinstruct"):
        si.verify({"ground_truth": json.dumps(truth)}, "a\n1")


@pytest.mark.parametrize("row", [None, 1, [], "x", {"ground_truth": "[" * 100_000}, {"ground_truth": '"x"'}])
def test_a_row_that_is_none_is_refused_in_one_line(row: Any) -> None:
    with pytest.raises(UsageError, match=r"row: must be|was not written"):
        si.verify(row, "7")


@pytest.mark.parametrize(
    "answer", [r"\boxed{10^{10^{10}}}", r"\boxed{9!!}", r"\boxed{2^{100000}}", "The answer is 100000!."]
)
def test_numbers_of_astronomic_size_are_wrong_at_once(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_program(*_: object) -> Ran:
        raise AssertionError("nothing is run")

    monkeypatch.setattr("selfinstruct.verifiers.rewards.run_program", run_program)
    assert not si.verify(MATHS, answer)
