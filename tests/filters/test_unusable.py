"""Rules against what small models write in place of a task or an answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import selfinstruct as si
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Candidate, Demonstration, Material
from selfinstruct.filters import build_checks, name_of
from selfinstruct.filters.unusable import Unusable

NOTHING: Any = None


@pytest.mark.parametrize(
    ("language", "instruction", "given", "reason"),
    [
        ("en", "Write a letter to [Your Name] about the party.", "", "placeholder"),
        ("en", "Reply to this email.", "Dear <your name>, see you.", "placeholder"),
        ("en", "Explain what arr[i] means in C.", "", None),
        ("en", "summarize the plot of Hamlet", "", "lowercase_start"),
        ("en", "The sky is blue because of the air.", "", "not_a_request"),
        ("en", "The capital of Peru is which city?", "", None),
        ("en", "Summarize the following article.", "", "missing_input"),
        ("en", "Summarize the following article.", "Lima is the capital of Peru.", None),
        ("en", "Summarize the following article: Lima is the capital of Peru.", "", None),
        ("en", 'Correct this sentence: "She go home."', "", None),
        ("en", "Rewrite this paragraph in plain words.", "", "missing_input"),
        ("en", "Write a paragraph about bees.", "", None),
        ("zh", "给[您的姓名]写一封信。", "", "placeholder"),
        ("zh", "总结以下文章。", "", "missing_input"),
        ("zh", "总结以下文章。", "利马是秘鲁的首都。", None),
        ("zh", "我今天很高兴。", "", "not_a_request"),
        ("de", "fasse Hamlet zusammen", "", "lowercase_start"),
        ("de", "Fasse den folgenden Text zusammen.", "", None),
    ],
)
def test_an_instruction(language: str, instruction: str, given: str, reason: str | None) -> None:
    assert Unusable(language).check(Candidate(instruction, given)).reason == reason


@pytest.mark.parametrize(
    ("instruction", "output", "reason"),
    [
        ("Write a short invitation.", "Dear [Name], please come on [Date].", "placeholder"),
        ("Write to a friend.", "Dear [Friend's Name], see you at [the meeting place].", "placeholder"),
        ("Write a Python function that adds 2 and 3.", "5", "no_code"),
        ("Write a Python function that adds 2 and 3.", "def add():\n    return 2 + 3", None),
        ("Write an SQL query that counts all rows of t.", "SELECT COUNT(*) FROM t", None),
        ("Write a Python joke.", "It slithers.", None),
        ("Suggest gifts.", "a small book, a plant, a candle, a book, a plant, a candle", "repeated_item"),
        ("Suggest gifts.", "- A book\n- A plant\n- A candle\n- A book", "repeated_item"),
        ("Suggest gifts.", "A book, a plant, a candle, and a calendar.", None),
        ("Sort: plant, book, plant, mug.", "book, mug, plant, plant", None),
        ("Write the first Fibonacci numbers.", "1, 1, 2, 3, 5, 8", None),
        ("Improve my essay.", "Sure! Please provide the essay.", "asks_back"),
        ("Write a sentence for a form.", "Please provide your address below.", "asks_back"),
        ("Explain rain in two sentences.", "Water rises. It cools. It falls.", "count_not_met"),
        ("Explain rain in two sentences.", "Water rises and cools, e.g. at night. Then it falls.", None),
        ("Describe rain in at most 5 words.", "Water falls from the clouds above.", "count_not_met"),
        ("Describe rain in at most 5 words.", "Water falls from the clouds.", None),
        ("List three fruits.", "1. Fig\n2. Plum", "count_not_met"),
        ("List three fruits.", "- Fig\n- Plum\n- Pear", None),
        ("List three fruits.", "Fig, plum, and pear.", None),
        ("Write a list of three fruits.", "- Fig\n- Plum", "count_not_met"),
    ],
)
def test_an_answer(instruction: str, output: str, reason: str | None) -> None:
    example = Example.of(instruction, "", Response(output))
    assert asyncio.run(Unusable("en").check_answer(Candidate(instruction), example, NOTHING)).reason == reason


@pytest.mark.parametrize(
    ("output", "reason"),
    [("Coffee is  stronger, tea is gentler.", "copied_answer"), ("Coffee is stronger.", None), ("Yes", None)],
)
def test_an_answer_copied_from_a_demonstration(output: str, reason: str | None) -> None:
    demos = (Demonstration("seed_1", "Compare both.", "", "Coffee is stronger, tea is gentler."),)
    demos += (Demonstration("seed_2", "Is it?", "", "Yes"),)
    candidate = Candidate("Compare coffees.", material=Material(demos))
    example = Example.of(candidate.instruction, "", Response(output))
    assert asyncio.run(Unusable("de").check_answer(candidate, example, NOTHING)).reason == reason


def test_the_rules_are_on_where_the_run_loads_its_model() -> None:
    def names_of(**values: Any) -> list[str]:
        config = si.RunConfig.parse({"seeds": "s.jsonl", "run_dir": "run", **values})
        return [name_of(each) for each in build_checks(config).instructions]

    local = {"teacher": {"kind": "local", "model": "qwen2.5-coder-1.5b"}}
    assert "unusable" in names_of(**local)
    assert "unusable" not in names_of(**local, filters={"unusable": False})
    assert "unusable" not in names_of()
