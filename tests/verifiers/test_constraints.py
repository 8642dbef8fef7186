"""Each constraint is met by texts made for it and violated by others; what is attached can hold together."""

from __future__ import annotations

import asyncio
import json
import time
from itertools import combinations
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from conftest import FULL
from selfinstruct.core.shipped import shipped_yaml
from selfinstruct.core.tasks import Verdict
from selfinstruct.verifiers import constraints
from selfinstruct.verifiers.constraints import HELD_OUT, Constraint, attach, conflict, draw_parameters, families
from selfinstruct.verifiers.measures import language_of
from texts_for_constraints import TEXTS, Writer, word_like

ENTRIES = constraints._entries()
CASES = [(name, language) for name, entry in ENTRIES.items() for language in ("en", "zh") if language in entry]

EVERY_WORD = "time friend morning idea week plan small simple careful together important quiet help day"
POSSIBLE = [
    {"words_between", "sentences_at_most"},
    {"line_length", "bold_at_least"},
    {"line_length", "start_phrase"},
    {"line_length", "end_phrase"},
]
"""Pairs that a person finds easy to satisfy, and our mixtures of texts don't."""


async def run(program: Any) -> Any:
    raise AssertionError("nothing is run")


def verify(expected: str, answer: str) -> Verdict:
    return asyncio.run(constraints.verify(json.loads(expected), answer, run))


def drawn(name: str, language: str, seed: int) -> Constraint:
    return Constraint(name, draw_parameters(name, Random(seed), language, "Describe a walk in the park."))


def test_there_are_enough_constraints_in_both_languages() -> None:
    assert len(ENTRIES) >= 45
    assert sum(language == "zh" for _, language in CASES) >= 35
    assert all(len(entry["en"]) >= 2 for entry in ENTRIES.values())
    assert ENTRIES.keys() == TEXTS.keys()
    assert set(HELD_OUT) < families().keys()


@pytest.mark.parametrize(("name", "language"), CASES)
def test_a_constraint_tells_satisfying_texts_from_violating_ones(name: str, language: str) -> None:
    satisfying, violating = TEXTS[name]
    for seed in range(100 if FULL else 12):
        constraint, writer = drawn(name, language, seed), Writer(Random(seed), language)
        good, bad = satisfying(writer, constraint.parameters), violating(writer, constraint.parameters)
        assert constraint.problem(good) is None, good
        problem = constraint.problem(bad)
        assert problem is not None, bad
        assert "\n" not in problem
        assert name in problem


@pytest.mark.parametrize(("name", "language"), CASES)
def test_a_wording_states_every_parameter(name: str, language: str) -> None:
    for seed in range(6):
        constraint = drawn(name, language, seed)
        text = constraint.worded(Random(seed), language)
        assert "{" not in text.replace("{mark}", "")
        for key, value in constraint.parameters.items():
            if key not in ("request", "code", "marker", "k"):
                assert str(value) in text, key


@settings(max_examples=40)
@given(st.text(max_size=60) | st.text(alphabet='*-#[]<>|`"\n.!?aA1,', max_size=60))
def test_no_text_raises(text: str) -> None:
    for name, language in CASES:
        drawn(name, language, 1).problem(text)


@pytest.mark.parametrize(
    ("name", "parameters", "right", "wrong"),
    [
        ("numbered_exactly", {"n": 3}, "1. a\n2. b\n3. c", "3. a\n2. b\n1. c"),
        ("numbered_exactly", {"n": 3}, "1、狼\n2、羊\n3、菜", "1. a\n1. b\n1. c"),
        ("numbered_exactly", {"n": 1}, "1. Add 2 cups.", "1.5 cups"),
        ("sections", {"n": 2, "marker": "Section"}, "Section 1\na\n## Section 2: b", "Section 1\na\n\nSection 1\nb"),
        ("sections", {"n": 1, "marker": "Part"}, "Part 1\nPart of it is new.", "Part of it is new."),
        (
            "sections",
            {"n": 2, "marker": "部分"},
            "第1部分\n早上。\n第 2 部分\n晚上。",
            "第一部分\n早上。\n第二部分\n晚上。",
        ),
        ("sections", {"n": 1, "marker": "部分"}, "**第１部分**：早上。", "这是第1部分。"),
        ("start_phrase", {"phrase": "Here we go"}, "**Here we go**: on.", "Here we going"),
        ("start_phrase", {"phrase": "先说结论"}, "先说结论吧。", "结论"),
        ("end_phrase", {"phrase": "Thank you."}, "Good. _Thank you._", "Good. IThank you."),
        ("repeat_request", {"request": "Say hello."}, "Say hello.Hello!", "Say hell"),
        ("quotation", {}, '"He said "go" and left."', '"Hello" and "bye"'),
        ("quotation", {}, "“他说：“走。””", "“你好”和“再见”"),
        ("quotation", {}, '"He said: \\"go\\"."', '"One." Two. "Three."'),
        ("json_only", {}, '{"a": null}', '{"a": NaN}'),
        ("no_markdown", {}, "[name] (the manager)", "See [a](http://b)."),
        ("no_markdown", {}, "It is 5 o'clock.", "Run `ls` now."),
        ("no_markdown", {}, "a | b", "| a | b |\n| --- | --- |"),
        ("headings_exactly", {"n": 1}, "```\n# a\n```\n# b", "```\n# a\n```\nb"),
        ("bullets_exactly", {"n": 1}, "- a\n```\n- b\n```", "- a\n- b"),
        ("exclude_word", {"word": "good"}, "goodness", "a _good_ day"),
        ("uppercase", {}, "ABC 123", "123"),
        ("different_starts", {}, "We go. Well done.", "We go. We see."),
        ("different_starts", {}, "我们走。他在。", "我们走。我在。"),
        ("words_at_most", {"n": 3}, "Use 3.5 cups", "Use 3.5 cups, e.g."),
        ("words_at_most", {"n": 2}, "U.S. law", "Go.Then stop"),
        ("sentences_exactly", {"n": 2}, '"Go!" she said. He left.', '"Go!" She left. He stayed.'),
        ("sentences_exactly", {"n": 2}, 'He asked, "Why?" and left. Then silence.', "Why? He left. Then silence."),
    ],
)
def test_corner_cases(name: str, parameters: dict[str, Any], right: str, wrong: str) -> None:
    constraint = Constraint(name, parameters)
    assert constraint.problem(right) is None
    assert constraint.problem(wrong) is not None


def test_a_verdict_names_the_constraint_and_what_was_counted() -> None:
    expected = json.dumps({"constraints": [{"name": "no_commas"}, {"name": "words_at_least", "n": 4}]})
    assert verify(expected, "One two three four").ok
    assert verify(expected, "One two three").detail == "words_at_least (n 4): words 3"
    assert verify(expected, "One, two").detail == "no_commas: commas 1"
    assert verify(expected, " ").detail == "the answer is empty"
    assert verify(expected, "a" * 20_001).detail == "more than 20,000 characters"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_attached_does_not_conflict(language: str) -> None:
    for seed in range(60):
        count = 1 + seed % 5
        text, truth = attach("Say hello.", Random(seed), language, count, ("prose", "list", "letter", None)[seed % 4])
        assert text.startswith("Say hello.\n\n")
        chosen = [Constraint(each.pop("name"), each) for each in json.loads(truth.expected)["constraints"]]
        assert len(chosen) == count or count > 3
        assert not any(conflict(a, b) for a, b in combinations(chosen, 2))
        assert not {each.name for each in chosen} & {name for family in HELD_OUT for name in families()[family]}


def test_held_out_families_are_used_on_request() -> None:
    texts = [
        attach("Say hello.", Random(seed), "en", 1, held_out=set(families()) - {"letters"})[1] for seed in range(20)
    ]
    assert {json.loads(each.expected)["constraints"][0]["name"] for each in texts} <= set(families()["letters"])


@pytest.mark.parametrize(
    ("one", "other", "conflicts"),
    [
        (Constraint("words_at_least", {"n": 60}), Constraint("words_at_most", {"n": 90}), True),
        (Constraint("words_at_least", {"n": 100}), Constraint("sentences_exactly", {"n": 2}), True),
        (Constraint("words_at_least", {"n": 40}), Constraint("sentences_exactly", {"n": 4}), False),
        (Constraint("lowercase", {}), Constraint("postscript", {"marker": "P.S."}), True),
        (Constraint("without_letter", {"letter": "k"}), Constraint("include_word", {"word": "week"}), True),
        (Constraint("without_letter", {"letter": "z"}), Constraint("include_word", {"word": "week"}), False),
        (Constraint("no_digits", {}), Constraint("numbers_at_least", {"n": 2}), True),
        (Constraint("no_mark", {"mark": "?"}), Constraint("question_at_end", {}), True),
        (Constraint("no_mark", {"mark": "!"}), Constraint("question_at_end", {}), False),
        (Constraint("exclude_word", {"word": "just"}), Constraint("include_word", {"word": "time"}), True),
        (Constraint("uppercase", {}), Constraint("question_at_end", {}), False),
        (Constraint("uppercase", {}), Constraint("include_word", {"word": "time"}), True),
        (Constraint("json_only", {}), Constraint("bullets_exactly", {"n": 3}), True),
        (Constraint("bold_at_least", {"n": 1}), Constraint("end_phrase", {"phrase": "Bye."}), False),
    ],
)
def test_conflicts(one: Constraint, other: Constraint, conflicts: bool) -> None:
    assert conflict(one, other) == conflict(other, one) == conflicts


def together(writer: Writer, one: Constraint, other: Constraint) -> list[str]:
    """Texts made for either constraint, and mixtures of them, of which some may satisfy both."""
    made = [TEXTS[each.name][0](writer, each.parameters) for each in (one, other)]
    texts = [*made, *(between.join(order) for between in ("\n", "\n\n", " ") for order in (made, made[::-1]))]
    for text in made:
        texts += [text.lower(), text.upper(), text.replace(",", ""), f'"{text}"']
        for more in ("**a b** **a b** **a b**", "NASA NASA NASA NASA", "[a] [b] [c]", EVERY_WORD):
            texts += [f"{text} {more}", f"{text.rstrip('.')} {more}."]
    return texts


@pytest.mark.slow
def test_whatever_does_not_conflict_can_hold_together() -> None:
    language = "en"
    impossible = []
    for one, other in combinations([name for name, each in CASES if each == language], 2):
        kinds = [set(ENTRIES[name].get("fits", ("prose", "list", "letter"))) for name in (one, other)]
        drawn_pairs = [(drawn(one, language, seed), drawn(other, language, seed + 50)) for seed in range(8)]
        pairs = [pair for pair in drawn_pairs if not conflict(*pair)]
        if not pairs or not kinds[0] & kinds[1] or {one, other} in POSSIBLE:
            continue
        texts = ((text, pair) for pair in pairs for text in together(Writer(Random(3), language), *pair))
        if not any(all(each.problem(text) is None for each in pair) for text, pair in texts):
            impossible.append((one, other))
    assert impossible == []


def test_the_card_names_the_held_out_families() -> None:
    method = shipped_yaml("selfinstruct.dataset", "card.yaml")["methods"]["verifiable"]
    assert " and ".join(f"`{family}`" for family in HELD_OUT) in method


def test_the_conflict_table_names_constraints() -> None:
    assert {name for pair in constraints._conflicts() for name in pair} <= ENTRIES.keys()


@pytest.mark.parametrize("code", ["en", "es", "fr", "de", "it", "pt", "zh"])
def test_the_language_of_a_text_is_told(code: str) -> None:
    assert language_of(word_like(code)) == code


def test_in_doubt_a_text_has_no_language() -> None:
    assert language_of("") == ""
    assert language_of("OK 123") == ""


@pytest.mark.slow
@pytest.mark.parametrize("part", ["\n", "*", "- ", "#", "[a", "1. ", "a ", "“", "<<", "|", "?", "1,", "P.S."])
def test_long_texts_are_read_in_linear_time(part: str) -> None:
    text = part * (20_000 // len(part))
    started = time.process_time()
    for name, language in CASES:
        drawn(name, language, 1).problem(text)
    assert time.process_time() - started < 10
