"""An answer's text, reasoning, and ending, in every shape that servers use."""

from __future__ import annotations

import json
from typing import Any

import pytest

from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.teachers.counting import charge
from selfinstruct.teachers.openai.answer_body import decode, read_answer
from selfinstruct.teachers.openai.server_error import read_error

PROMPT = Prompt("propose", (Message("user", "Go on."),), Sampling(max_tokens=50))
TASK = "1. Name a tree."
DRAFT = "1. Draft of a task."


def read(message: Any, finish: Any = "stop", **choice: Any) -> Completion:
    return read_answer({"choices": [{"message": message, "finish_reason": finish} | choice]}, PROMPT)


CONTENTS: dict[str, Any] = {
    "text": TASK,
    "part": {"type": "text", "text": TASK},
    "parts": [{"type": "text", "text": "1. Name "}, {"type": "text", "text": "a tree."}],
    "texts": ["1. Name ", "a tree."],
    "untyped": [{"text": TASK}],
    "output_text": [{"type": "output_text", "text": {"value": TASK, "annotations": []}}],
    "message": {"type": "message", "content": [{"type": "output_text", "text": TASK}]},
    "with an image": [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": TASK}],
    "with a tool's call": [{"type": "text", "text": TASK}, {"type": "tool_use", "input": {"text": "no"}}],
}
THOUGHTS: dict[str, Any] = {
    "Mistral": [{"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]}, {"type": "text", "text": TASK}],
    "Anthropic": [{"type": "thinking", "thinking": DRAFT, "signature": "x"}, {"type": "text", "text": TASK}],
    "redacted": [{"type": "redacted_thinking", "data": "xyz"}, {"type": "text", "text": TASK}],
    "reasoning": [{"type": "reasoning", "text": DRAFT}, {"type": "text", "text": TASK}],
    "bare summary": [{"type": "summary_text", "text": DRAFT}, {"type": "text", "text": TASK}],
    "summary": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": DRAFT}]}, {"text": TASK}],
    "Gemini": [{"text": DRAFT, "thought": True}, {"text": TASK}],
    "tag in a part": [{"type": "text", "text": TASK}],
}


@pytest.mark.parametrize("name", CONTENTS)
def test_content(name: str) -> None:
    assert read({"content": CONTENTS[name]}) == Completion(TASK, usage=read({}).usage)


@pytest.mark.parametrize("name", THOUGHTS)
def test_reasoning_in_parts_is_no_content(name: str) -> None:
    completion = read({"content": THOUGHTS[name]})
    assert (completion.text, completion.error) == (TASK, None)
    assert completion.reasoning == ("" if name in ("redacted", "tag in a part") else DRAFT)


@pytest.mark.parametrize("name", ["data", "result"])
def test_a_completion_in_an_envelope(name: str) -> None:
    inner = {"choices": [{"message": {"content": TASK}}], "usage": {"prompt_tokens": 8, "completion_tokens": 4}}
    body = decode(json.dumps({"code": 0, "msg": "success", name: inner}))
    assert read_error(200, body) is None
    assert read_answer(body, PROMPT) == Completion(TASK, usage=Usage(8, 4))


BULK = "Far more than was counted. " * 40
BESIDE: dict[str, dict[str, Any]] = {
    "a refusal": {"choices": [{"message": {"content": TASK, "refusal": BULK}}]},
    "a tool call": {"choices": [{"message": {"content": TASK, "tool_calls": [{"function": {"arguments": BULK}}]}}]},
    "an old tool call": {"choices": [{"message": {"content": TASK, "function_call": {"arguments": BULK}}}]},
    "a tool call in parts": {"choices": [{"message": {"content": [{"type": "tool_use", "input": {"city": BULK}}]}}]},
    "a second choice": {"choices": [{"message": {"content": TASK}}, {"message": {"content": BULK}}]},
    "encrypted reasoning": {
        "choices": [{"message": {"content": TASK, "reasoning_details": [{"type": "x.encrypted", "data": BULK}]}}]
    },
}


@pytest.mark.parametrize("name", BESIDE)
def test_whatever_was_generated_counts(name: str) -> None:
    stated = {"usage": {"prompt_tokens": 8, "completion_tokens": 4}}
    worst = Usage(100, 500)
    assert charge(read_answer(BESIDE[name] | stated, PROMPT), PROMPT, worst) == (Usage(8, 500), True)


def test_what_was_not_generated_or_is_there_twice_does_not_count() -> None:
    beside = {"annotations": [{"content": BULK}], "images": [{"url": BULK}], "reasoning_content": DRAFT}
    message = {
        "role": "assistant",
        "content": TASK,
        "reasoning": DRAFT,
        "reasoning_details": [{"text": DRAFT}],
    } | beside
    completion = read(message, logprobs={"content": [{"token": BULK}]})
    assert completion.reasoning == DRAFT
    assert completion.unread == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": DRAFT},
        {"reasoning": DRAFT},
        {"thinking": DRAFT},
        {"reasoning": {"content": DRAFT}},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": DRAFT},
                {"type": "reasoning.encrypted", "data": "x"},
            ]
        },
        {"reasoning_details": [{"type": "reasoning.summary", "summary": DRAFT}]},
        {
            "reasoning": DRAFT,
            "reasoning_content": DRAFT,
            "reasoning_details": [{"type": "reasoning.text", "text": "x"}],
        },
    ],
)
def test_reasoning_beside_the_content(fields: dict[str, Any]) -> None:
    completion = read({"content": TASK} | fields)
    assert (completion.text, completion.reasoning, completion.error) == (TASK, DRAFT, None)
    completion = read({"content": None} | fields, "length")
    assert completion.reasoning == DRAFT
    assert (completion.error or "").startswith("only_reasoning: ")
    assert "length" in (completion.error or "")


@pytest.mark.parametrize("text", ["<think>for ever", "<think>a</think>\n\n", "<think>a</think>"])
def test_a_text_that_is_all_reasoning_is_no_answer(text: str) -> None:
    completion = read({"content": text})
    assert completion.text == text, "the journal keeps it"
    assert (completion.error or "").startswith("only_reasoning")


@pytest.mark.parametrize("choice", [{"text": TASK}, {"text": None, "message": {"content": TASK}}, {"text": [TASK]}])
def test_either_endpoint_is_read_in_either_shape(choice: dict[str, Any]) -> None:
    assert read_answer({"choices": [choice]}, PROMPT).text == TASK


@pytest.mark.parametrize(
    ("finish", "error", "truncated"),
    [
        ("STOP", None, False),
        ("eos", None, False),
        ("tool_calls", None, False),
        ("MAX_TOKENS", None, True),
        ("abort", None, True),
        ("brand_new", None, True),
        ("SAFETY", "content_filter: SAFETY", True),
        ("content_filter: RECITATION", "content_filter: content_filter: RECITATION", True),
        ("content_filter", "content_filter", True),
    ],
)
def test_how_an_answer_ends(finish: str, error: str | None, truncated: bool) -> None:
    completion = read({"content": TASK}, finish)
    assert (completion.error, completion.truncated, completion.failed) == (error, truncated, False)


@pytest.mark.parametrize(
    ("finish", "choice"),
    [
        ("error", {}),
        ("stop", {"error": {"code": 502, "message": "Upstream disconnected"}}),
        (None, {"error": "Upstream disconnected"}),
        ("error", {"error": {"code": 502, "message": "Upstream disconnected"}}),
    ],
)
def test_an_error_in_the_choice_discards_the_answer(finish: str | None, choice: dict[str, Any]) -> None:
    completion = read({"content": TASK}, finish, **choice)
    assert (completion.text, completion.failed) == ("", True)
    assert (completion.error or "").startswith("server_error: ")


@pytest.mark.parametrize(
    ("choice", "tokens", "finish"),
    [
        ({}, 3, "stop"),
        ({"finish_reason": None}, 3, "null"),
        ({"finish_reason": None}, 50, "length"),
        ({"finish_reason": ""}, 3, "null"),
        ({"finish_reason": ""}, 50, "length"),
        ({}, 50, "length"),
        ({"native_finish_reason": "MAX_TOKENS"}, 3, "MAX_TOKENS"),
        ({"finish_reason": None, "done_reason": "length"}, 3, "length"),
        ({"finish_reason": "stop"}, 50, "stop"),
    ],
)
def test_a_finish_reason_that_is_missing_or_null(choice: dict[str, Any], tokens: int, finish: str) -> None:
    answer = {"choices": [{"message": {"content": TASK}} | choice], "usage": {"completion_tokens": tokens}}
    completion = read_answer(answer, PROMPT)
    assert completion.finish_reason == finish
    assert completion.truncated is (finish != "stop")


def test_a_refusal_as_a_part() -> None:
    assert read({"content": [{"type": "refusal", "refusal": "I\ncan't."}]}).error == "refusal: I can't."


@pytest.mark.parametrize(
    ("message", "is_read"),
    [
        ({"content": "Yes"}, True),
        ({"content": "Yes", "reasoning": "Hm."}, False),
        ({"content": "<think>Hm.</think>Yes"}, False),
    ],
)
def test_the_first_token_of_reasoning_says_nothing_about_the_answer(message: dict[str, Any], is_read: bool) -> None:
    logprobs = {"content": [{"top_logprobs": [{"token": "Hm", "logprob": -0.1}]}]}
    prompt = Prompt("classify", PROMPT.messages, Sampling(), top_logprobs=5)
    completion = read_answer({"choices": [{"message": message, "logprobs": logprobs}]}, prompt)
    assert (completion.logprobs is not None) is is_read
