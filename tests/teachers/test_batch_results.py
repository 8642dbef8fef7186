"""Result files of batch jobs: whatever is in them, an answer goes to the question whose key it bears, or nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.teachers.batch.batch_job import NoAnswer, read_results

PROMPTS = {f"p:{n}": Prompt("propose", (Message("user", f"question {n}"),), Sampling()) for n in range(4)}


def row(key: Any, text: str = "", **changes: Any) -> bytes:
    body = {"choices": [{"message": {"content": text or f"answer to {key}"}, "finish_reason": "stop"}]}
    values = {"custom_id": key, "response": {"status_code": 200, "body": body}, "error": None}
    return json.dumps(values | changes).encode()


def failed(key: str, status: int) -> bytes:
    return row(key, response={"status_code": status, "body": {"error": {"code": "c", "message": "m"}}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*PROMPTS, "p:9", "d:x", None, 7])
strange = st.fixed_dictionaries(
    {}, optional={"custom_id": keys | json_values, "response": json_values, "error": json_values}
).map(lambda value: json.dumps(value).encode())
whole = st.builds(row, keys)
torn = st.builds(lambda line, cut: line[: int(cut * len(line))], whole, st.floats(0, 1))
lines = st.lists(whole | torn | strange | st.binary(max_size=40) | json_values.map(lambda v: json.dumps(v).encode()))


@given(st.lists(lines, max_size=2))
def test_any_files_are_read_and_no_answer_is_another_questions(files: list[list[bytes]]) -> None:
    found, useless = read_results([b"\n".join(file) for file in files], PROMPTS)
    assert found.keys() <= PROMPTS.keys()
    assert useless >= 0
    for key, said in found.items():
        if isinstance(said, Completion) and not said.error:
            assert said.text == f"answer to {key}"


@given(st.permutations([*PROMPTS, *PROMPTS, "p:9"]))
def test_in_any_order_each_row_goes_to_its_question(order: list[str]) -> None:
    found, useless = read_results([b"\n".join(row(key) for key in order)], PROMPTS)
    assert {key: said.text for key, said in found.items() if isinstance(said, Completion)} == {
        key: f"answer to {key}" for key in PROMPTS
    }
    assert useless == len(PROMPTS) + 1


@pytest.mark.parametrize("answer_first", [True, False])
@pytest.mark.parametrize("other", [failed("p:0", 500), failed("p:0", 400)])
def test_of_two_rows_an_answer_counts_more_than_an_error(other: bytes, answer_first: bool) -> None:
    files = [row("p:0"), other] if answer_first else [other, row("p:0")]
    found, _ = read_results(files, PROMPTS)
    assert isinstance(found["p:0"], Completion)
    assert found["p:0"].text == "answer to p:0"


def test_of_two_answers_the_first_counts() -> None:
    found, useless = read_results([row("p:0", "one") + b"\n" + row("p:0", "two")], PROMPTS)
    assert found["p:0"] == Completion("one", usage=Usage(partial=True))
    assert useless == 1


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (failed("p:0", 400), Completion("", error="bad_request: c: m", failed=True)),
        (failed("p:0", 500), NoAnswer("status 500: c: m")),
        (failed("p:0", 429), NoAnswer("status 429: c: m", billed=False)),
        (
            row("p:0", response=None, error={"code": "batch_expired", "message": "late"}),
            NoAnswer("batch_expired: late", billed=False),
        ),
        (row("p:0", response=None), NoAnswer("a row without response and error")),
        (row("p:0", response={"body": {}}), NoAnswer("a row without a status")),
        (
            row("p:0", response={"status_code": 200, "body": {"error": None}}),
            Completion("", usage=Usage(partial=True), error="no_choices", failed=True),
        ),
    ],
)
def test_what_a_row_without_an_answer_means(line: bytes, expected: Completion | NoAnswer) -> None:
    assert read_results([line], PROMPTS)[0] == {"p:0": expected}
