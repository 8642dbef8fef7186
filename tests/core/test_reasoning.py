"""Reasoning is separated from the answer, whatever the model's markers, and an answer about markers stays whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.reasoning import begins_inside, split_reasoning

ANSWER = "### 4\nInstruction: Plan a walk.\nInput: <none>\nOutput: Go north."
DRAFT = "Let me draft.\n\n### 4\nInstruction: Draft, discard.\nOutput: TODO\n\nNo, that is weak."
PAIRS = {
    "think": ("<think>", "</think>"),
    "upper case": ("<THINK>", "</THINK>"),
    "thinking": ("<thinking>", "</thinking>"),
    "thought": ("<thought>", "</thought>"),
    "Thought": ("<Thought>", "</Thought>"),
    "reasoning": ("<reasoning>", "</reasoning>"),
    "reflection": ("<reflection>", "</reflection>"),
    "seed": ("<seed:think>", "</seed:think>"),
    "longcat": ("<longcat_think>", "</longcat_think>"),
    "ant": ("<antThinking>", "</antThinking>"),
    "fast": ("<think_fast>", "</think_fast>"),
    "magistral": ("[THINK]", "[/THINK]"),
    "kimi": ("◁think▷", "◁/think▷"),
    "open thinker": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "command": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "s1": ("<|im_start|>think", "<|im_start|>answer"),
    "gemma": ("<|channel>thought", "<channel|>"),
    "harmony": ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    "harmony with a role": (
        "<|start|>assistant<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    "open web ui": ('<details type="reasoning" done="true">', "</details>"),
    "web ui with a summary": (
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 seconds</summary>',
        "</details>",
    ),
    "details": ("<details><summary>💭 Thinking</summary>", "</details>"),
    "details in single quotes": ("<details open type='reasoning'>", "</details>"),
    "blanks": ("< think >", "< / think >"),
    "entities": ("&lt;think&gt;", "&lt;/think&gt;"),
    "fence": ("```thinking", "```"),
    "medgemma": ("<unused94>thought", "<unused95>"),
    "solar": ("<|thought_start|>", "<|thought_end|>"),
    "analysis": ("<analysis>", "</analysis>"),
    "inner": ("<inner_thoughts>", "</inner_thoughts>"),
    "granite": ("Here is my thought process:", "Here is my response:"),
    "granite, short": ("Here's my thought process:", "Here's my response:"),
}
NOT_BARE = ("granite", "harmony", "open web", "web ui", "details", "fence", "medgemma")
BARE = [pair for name, pair in PAIRS.items() if not name.startswith(NOT_BARE)]


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    "before", ["", "\n\n", "Sure, let me think.\n", "assistant\n", "\ufeff", "**Thoughts**\n", "# My plan\n\n"]
)
def test_reasoning_before_the_answer(name: str, before: str) -> None:
    opening, closing = PAIRS[name]
    reasoning, answer = split_reasoning(f"{before}{opening}\n{DRAFT}\n{closing}\n\n{ANSWER}")
    assert answer == ANSWER
    assert "Draft, discard" in reasoning
    assert "think>" not in reasoning.lower().replace(before.lower(), "")


@pytest.mark.parametrize("name", PAIRS)
def test_unclosed_reasoning_has_no_answer(name: str) -> None:
    assert split_reasoning(f"{PAIRS[name][0]}\n{DRAFT}") == (DRAFT, "")


@pytest.mark.parametrize(("opening", "closing"), BARE)
@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_reasoning_that_the_template_opened(opening: str, closing: str, gap: str) -> None:
    text = f"{DRAFT}\n{closing}{gap}{ANSWER}"
    assert split_reasoning(text) == (DRAFT, ANSWER)
    assert begins_inside(text)
    assert not begins_inside(f"{opening}\n{text}")


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>a</think>\n<think>b</think>\nYes", "a\nb", "Yes"),
        ("<think></think>\n\nYes", "", "Yes"),
        ("<think>a <think> b</think> c\n</think>\nYes", "a <think> b\nc", "Yes"),
        ("<think>I must end with `</think>` now.</think>\nYes", "I must end with `</think>` now.", "Yes"),
        ("hm</think>yes", "hm", "yes"),
        ("so it is 4.</think>4", "so it is 4.", "4"),
        ("</think>\n\nYes", "", "Yes"),
        ("<think>a</think>\n<answer>\nYes\n</answer>\n", "a", "Yes"),
        ("<think>a</think>\n<answer>Ye", "a", "Ye"),
        ("<think>a</think>\n\n<response>\nYes\n</response>", "a", "Yes"),
        ("<Thought>a</Thought>\n<Output>\nYes\n</Output>", "a", "Yes"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Yes<|END_RESPONSE|>", "a", "Yes"),
        ("<|channel|>final<|message|>Yes", "", "Yes"),
        ("<|channel|>analysis<|message|>a<|end|>\nYes", "a", "Yes"),
        ("analysisWe need one.assistantfinalYes", "We need one.", "Yes"),
        ("<think>a</think>\n    x = 1", "a", "    x = 1"),
        ('<think time="3">a</think>\nYes', "a", "Yes"),
        ("< think >a</ think >\nYes", "a", "Yes"),
        ("<think>a<\\think>\nYes", "a", "Yes"),
        ("<think>a</thinking>\nYes", "a", "Yes"),
        ("```reasoning\na `b`\n```\nYes\n```\nx\n```", "a `b`", "Yes\n```\nx\n```"),
        ("a.\n&lt;/think&gt;\n\nYes &amp; no", "a.", "Yes &amp; no"),
    ],
)
def test_blocks_and_wrappers(text: str, reasoning: str, answer: str) -> None:
    assert split_reasoning(text) == (reasoning, answer)


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        "",
        "Yes",
        "Say <think> and </think>.",
        "### 4\nInstruction: Explain the </think> tag.\nOutput: It ends the thoughts.",
        "### 4\nInstruction: What does <think> mean?\nOutput: <think> opens a block, and </think> closes it.",
        "### 4\nInstruction: Show the format of R1.\nOutput: Write\n<think>\nsteps\n</think>\n\nresult",
        "### 4\nInstruction: End it.\nOutput: Write `</think>`\n\n### 5\nInstruction: Sing.",
        '{"tasks": [{"instruction": "Explain the end of thoughts.", "output": "It is marked.</think>"}]}',
        '```json\n{"output": "It is marked.</think>"}\n```',
        "<answer>42</answer>",
        "<details><summary>The answer</summary>42</details>",
        "```text\nthinking\n```\nYes",
        "&lt;b&gt; is bold",
        "analysis of a poem",
        "\n\n1. Plan a walk",
        "First line\nSecond line <|end|>",
    ],
)
def test_an_answer_without_reasoning_is_unchanged(text: str) -> None:
    assert split_reasoning(text) == ("", text)
    assert not begins_inside(text)


def test_a_response_that_began_inside_reasoning_and_never_closed_it() -> None:
    assert split_reasoning(DRAFT, prefilled=True) == (DRAFT, "")
    assert split_reasoning(f"{DRAFT} I may not use <think> here.\n</think>\n{ANSWER}", prefilled=True)[1] == ANSWER
    assert split_reasoning(f"<think>a</think>\n{ANSWER}", prefilled=True) == ("a", ANSWER)


_marks = st.sampled_from([*(mark for pair in PAIRS.values() for mark in pair), *"a \n.`{", "<answer>"])


@given(text=st.lists(_marks, max_size=12).map("".join), prefilled=st.booleans())
def test_any_text_can_be_split_and_an_answer_has_no_reasoning_left(text: str, prefilled: bool) -> None:
    reasoning, answer = split_reasoning(text, prefilled=prefilled)
    assert answer.strip() == "" or answer.strip() in text
    assert len(reasoning) + len(answer) <= len(text) + text.count("\n") + 12


@pytest.mark.parametrize("unit", ["<think>", "</think>", "<think>a</think>", " ", "\n", "a ", "<|end|>", "analysis"])
def test_linear_time(unit: str) -> None:
    started = time.perf_counter()
    for text in (unit * (400_000 // len(unit)), "<think>" + unit * (400_000 // len(unit)) + "<answer>"):
        split_reasoning(text)
        split_reasoning(text, prefilled=True)
    assert time.perf_counter() - started < 4
