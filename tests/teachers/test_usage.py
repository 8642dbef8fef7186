"""`read_usage` reads every shape in which servers state tokens; `charge` never lets an answer count for too little."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.teachers.counting import charge
from selfinstruct.teachers.openai.usage import read_usage

SHAPES: dict[str, tuple[dict[str, Any], Usage]] = {
    "openai": (
        {
            "prompt_tokens": 500,
            "completion_tokens": 400,
            "total_tokens": 900,
            "prompt_tokens_details": {"cached_tokens": 128, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 300, "rejected_prediction_tokens": 20},
        },
        Usage(500, 400, 128),
    ),
    "reasoning beside the completion, in the total": (
        {
            "prompt_tokens": 500,
            "completion_tokens": 400,
            "total_tokens": 12_900,
            "completion_tokens_details": {"reasoning_tokens": 12_000},
        },
        Usage(500, 12_400),
    ),
    "reasoning beside the completion, not in the total": (
        {
            "prompt_tokens": 33,
            "completion_tokens": 7_000,
            "total_tokens": 7_033,
            "citation_tokens": 20_000,
            "reasoning_tokens": 73_000,
        },
        Usage(33, 100_000),
    ),
    "reasoning and no total": (
        {"prompt_tokens": 5, "completion_tokens": 40, "completion_tokens_details": {"reasoning_tokens": 30}},
        Usage(5, 70),
    ),
    "only reasoning, the completion is 0": (
        {
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "total_tokens": 81,
            "completion_tokens_details": {"reasoning_tokens": 60},
        },
        Usage(21, 60),
    ),
    "a total with hidden tokens that nothing names": (
        {"prompt_tokens": 20, "completion_tokens": 424, "total_tokens": 1016},
        Usage(20, 996),
    ),
    "a total below the sum": ({"prompt_tokens": 375, "completion_tokens": 40, "total_tokens": 300}, Usage(375, 40)),
    "anthropic, cached tokens beside the input": (
        {
            "input_tokens": 100,
            "cache_read_input_tokens": 300,
            "cache_creation_input_tokens": 50,
            "output_tokens": 40,
        },
        Usage(450, 40, 300),
    ),
    "cached tokens beside the input, in the total": (
        {"inputTokens": 9, "outputTokens": 40, "totalTokens": 349, "cacheReadInputTokens": 300},
        Usage(309, 40, 300),
    ),
    "cached tokens inside the prompt, under both names": (
        {
            "prompt_tokens": 450,
            "completion_tokens": 40,
            "total_tokens": 490,
            "cache_read_input_tokens": 300,
            "prompt_tokens_details": {"cached_tokens": 300},
        },
        Usage(450, 40, 300),
    ),
    "cached tokens that are more than the prompt": (
        {
            "prompt_tokens": 10,
            "completion_tokens": 40,
            "total_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 300},
        },
        Usage(310, 40, 300),
    ),
    "audio that is more than the completion": (
        {"prompt_tokens": 10, "completion_tokens": 40, "completion_tokens_details": {"audio_tokens": 90}},
        Usage(10, 130),
    ),
    "deepseek": (
        {
            "prompt_tokens": 12,
            "prompt_cache_hit_tokens": 8,
            "prompt_cache_miss_tokens": 4,
            "completion_tokens": 3,
            "total_tokens": 15,
        },
        Usage(12, 3, 8),
    ),
    "cohere": (
        {
            "billed_units": {"input_tokens": 5, "output_tokens": 418},
            "tokens": {"input_tokens": 71, "output_tokens": 418},
        },
        Usage(71, 418),
    ),
    "text": ({"prompt_tokens": "500", "completion_tokens": " 40 ", "total_tokens": "540"}, Usage(500, 40)),
    "text with separators": ({"prompt_tokens": "4,000", "completion_tokens": "1 234 567"}, Usage(4000, 1_234_567)),
    "dollars": (
        {"prompt_tokens": 500, "completion_tokens": 60, "total_tokens": 560, "cost": 0.05},
        Usage(500, 60, cost_usd=0.05),
    ),
    "dollars as text": ({"prompt_tokens": 500, "completion_tokens": 60, "cost": "0.05"}, Usage(500, 60, cost_usd=0.05)),
    "dollars, with those of the provider": (
        {"prompt_tokens": 5, "completion_tokens": 6, "cost": 0.05, "cost_details": {"upstream_inference_cost": 0.04}},
        Usage(5, 6, cost_usd=0.05),
    ),
    "a fee beside the provider's dollars": (
        {"prompt_tokens": 5, "completion_tokens": 6, "cost": 0.5, "cost_details": {"upstream_inference_cost": 10}},
        Usage(5, 6, cost_usd=10.5),
    ),
    "ticks": (
        {"prompt_tokens": 500, "completion_tokens": 60, "cost_in_usd_ticks": 50_000_000_000},
        Usage(500, 60, cost_usd=5.0),
    ),
    "dollars in parts": (
        {"prompt_tokens": 5, "completion_tokens": 6, "cost": {"request_cost": 0.25, "total_cost": 0.5}},
        Usage(5, 6, cost_usd=0.5),
    ),
    "no dollars": ({"prompt_tokens": 5, "completion_tokens": 6, "cost": None, "total_cost": -1}, Usage(5, 6)),
    "floats": ({"prompt_tokens": 500.0, "completion_tokens": 39.2}, Usage(500, 40)),
    "no completion, but a total": (
        {"prompt_tokens": 500, "completion_tokens": None, "total_tokens": 540},
        Usage(500, 40),
    ),
    "no prompt, but a total": ({"completion_tokens": 40, "total_tokens": 540}, Usage(500, 40)),
    "only a total": ({"total_tokens": 540}, Usage(0, 540)),
    "a total that is the prompt": ({"prompt_tokens": 540, "total_tokens": 540}, Usage(540, partial=True)),
    "only reasoning": (
        {"prompt_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 30}},
        Usage(5, 30, partial=True),
    ),
}
UNKNOWN: list[Any] = [None, -1, -0.5, True, "", "many", "12 tokens", "nan", "inf", float("nan"), float("inf"), 10**30]
UNKNOWN += ["9" * 5000, [], [12], {"value": 12}, b"12"]


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape(name: str) -> None:
    stated, expected = SHAPES[name]
    assert read_usage({"usage": stated}) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"usage": [{"prompt_tokens": 500, "completion_tokens": 40}]},
        {"choices": [{"usage": {"prompt_tokens": 500, "completion_tokens": 40}}]},
        {"x_groq": {"id": "req", "usage": {"prompt_tokens": 500, "completion_tokens": 40}}, "usage": None},
        {"usage_metadata": {"input_tokens": 500, "output_tokens": 40, "total_tokens": 540}},
        {"usage": {"prompt_tokens": 500}, "x_groq": {"usage": {"prompt_tokens": 500, "completion_tokens": 40}}},
    ],
)
def test_a_place(body: dict[str, Any]) -> None:
    assert read_usage(body) == Usage(500, 40)


def test_geminis_own_names() -> None:
    stated = {
        "promptTokenCount": 500,
        "candidatesTokenCount": 400,
        "thoughtsTokenCount": 12_000,
        "totalTokenCount": 12_900,
        "cachedContentTokenCount": 100,
    }
    assert read_usage({"usageMetadata": stated}) == read_usage({"usage": stated}) == Usage(500, 12_400, 100)
    del stated["totalTokenCount"]
    assert read_usage({"usageMetadata": stated}) == Usage(500, 12_400, 100)


@pytest.mark.parametrize("value", UNKNOWN, ids=[repr(each)[:12] for each in UNKNOWN])
def test_a_value_that_is_no_count_is_unknown(value: Any) -> None:
    assert read_usage({"usage": value}) == Usage(partial=True)
    assert read_usage({"usage": {"prompt_tokens": value, "completion_tokens": 7}}) == Usage(0, 7)
    assert read_usage({"usage": {"prompt_tokens": 7, "completion_tokens": value}}) == Usage(7, partial=True)
    assert read_usage({"usage": {"prompt_tokens": 7, "completion_tokens": 7, "total_tokens": value}}) == Usage(7, 7)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
names = st.sampled_from(
    "prompt_tokens completion_tokens total_tokens input_tokens output_tokens prompt_tokens_details reasoning_tokens "
    "completion_tokens_details cached_tokens cache_read_input_tokens".split()
)


@given(st.dictionaries(names, json_values | st.dictionaries(names, json_values, max_size=4), max_size=6))
def test_no_reading_is_below_a_main_number(stated: dict[str, Any]) -> None:
    usage = read_usage({"usage": stated})
    for name, value in (("prompt_tokens", usage.prompt_tokens), ("completion_tokens", usage.completion_tokens)):
        given = stated.get(name)
        if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= 10**9:
            assert value >= given
    assert usage.cached_tokens >= 0


# --- what is charged ------------------------------------------------------------------------------

TEXT = "A sentence of eight words for the test. " * 25  # 200 words, 1,000 characters
PROMPT = Prompt("propose", (Message("system", "Rules."), Message("user", "word " * 100)), Sampling(max_tokens=700))
WORST = Usage(600, 700)

CHARGES: dict[str, tuple[Completion, Usage, bool]] = {
    "a stated count": (Completion(TEXT, usage=Usage(130, 250, 40)), Usage(130, 250, 40), False),
    "a count above the worst case": (Completion(TEXT, usage=Usage(900, 1000)), Usage(900, 1000), False),
    "one token for two words": (Completion(TEXT, usage=Usage(51, 100)), Usage(51, 100), False),
    "nothing": (Completion(TEXT, usage=Usage(partial=True)), WORST, True),
    "a teacher of one's own that states nothing": (Completion(TEXT), WORST, True),
    "no count of the answer": (Completion(TEXT, usage=Usage(130, partial=True)), Usage(130, 700), True),
    "no count of the prompt": (Completion(TEXT, usage=Usage(0, 250)), Usage(600, 250), True),
    "an impossible prompt": (Completion(TEXT, usage=Usage(50, 250, 40)), Usage(600, 250), True),
    "an impossible answer": (Completion(TEXT, usage=Usage(130, 99)), Usage(130, 700), True),
    "an impossible answer, with its reasoning": (
        Completion("Yes.", usage=Usage(130, 99), reasoning=TEXT),
        Usage(130, 700),
        True,
    ),
    "an answer without blanks": (Completion("好" * 1000, usage=Usage(130, 3)), Usage(130, 700), True),
    "Chinese that fits": (Completion("好" * 1000, usage=Usage(130, 125)), Usage(130, 125), False),
    "Chinese that doesn't": (Completion("好" * 1000, usage=Usage(130, 124)), Usage(130, 700), True),
    "Japanese that doesn't": (Completion("これはテストです。" * 100, usage=Usage(130, 60)), Usage(130, 700), True),
    "Thai that doesn't": (Completion("สวัสดีครับ" * 100, usage=Usage(130, 60)), Usage(130, 700), True),
    "Korean that doesn't": (Completion("안녕하세요" * 100, usage=Usage(130, 60)), Usage(130, 700), True),
    "lines and accents": (Completion("═" * 1000 + "é" * 1000, usage=Usage(130, 8)), Usage(130, 8), False),
    "a tool call that doesn't": (Completion("", usage=Usage(130, 9), unread=(TEXT,)), Usage(130, 700), True),
    "dollars": (
        Completion(TEXT, usage=Usage(130, 250, cost_usd=0.5)),
        Usage(130, 250, cost_usd=0.5),
        False,
    ),
    "dollars without tokens": (
        Completion(TEXT, usage=Usage(partial=True, cost_usd=0.5)),
        Usage(600, 700, cost_usd=0.5),
        True,
    ),
    "an empty answer, stated": (Completion("", usage=Usage(130, 0)), Usage(130, 0), False),
    "an empty answer, not stated": (Completion("", usage=Usage(130, partial=True)), Usage(130, 700), True),
    "no answer": (Completion("", error="broken_json", failed=True), WORST, True),
    "reasoning beyond the limit": (
        Completion("", usage=Usage(130, 9000, partial=True)),
        Usage(130, 9000),
        True,
    ),
    "a server that ignores the limit": (
        Completion(TEXT * 10, usage=Usage(130, partial=True)),
        Usage(130, 10_000),
        True,
    ),
}


@pytest.mark.parametrize("name", CHARGES)
def test_what_an_answer_is_charged(name: str) -> None:
    completion, expected, is_assumed = CHARGES[name]
    assert charge(completion, PROMPT, WORST) == (expected, is_assumed)
    assert charge(replace(completion, usage=expected), PROMPT, WORST)[0] == expected, "charged once, it stays"


def test_without_a_limit_each_byte_may_be_a_token() -> None:
    assert charge(Completion("é" * 300, reasoning="é"), PROMPT, Usage(600, 0)) == (Usage(600, 602), True)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans(), st.text(max_size=200))
def test_no_charge_is_below_what_is_stated(prompt: int, answer: int, partial: bool, text: str) -> None:
    usage, is_assumed = charge(Completion(text, usage=Usage(prompt, answer, partial=partial)), PROMPT, WORST)
    assert usage.prompt_tokens >= prompt
    assert usage.completion_tokens >= answer
    assert is_assumed or usage == Usage(prompt, answer)
