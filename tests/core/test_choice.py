"""The order of sampled responses: checks first, comparisons second, marks third, and ties are explicit."""

from __future__ import annotations

import os
import time
import unicodedata
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from selfinstruct.core.choice import Choice, choose, difference, net_wins, normalized
from selfinstruct.core.records import Response
from selfinstruct.core.tasks import Verdict

EXAMPLES = 10_000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 200
FAILED = {"repetition": Verdict("repetition")}

MARKS = [{}, {}] + [{"clarity": one, "safety": two} for one, two in product((1, 4, 5), repeat=2)]
ANSWERS = list(product("abc", ({}, {}, {"runs": Verdict()}, FAILED), MARKS, ((), (0,), (1, 2), (0, 1, 3, 3))))
"""Every combination of a text, verdicts, marks, and wins, so that one number draws a response."""

tables = st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=6).map(
    lambda answers: tuple(
        Response(text, sample=number, verdicts=verdicts, marks=marks, beats=beats)
        for number, (text, verdicts, marks, beats) in enumerate(answers)
    )
)


def test_a_response_that_passed_comes_before_one_with_better_marks_that_failed() -> None:
    failed, passed = Response("a", marks={"m": 5}, verdicts=FAILED), Response("b", sample=1, marks={"m": 1})
    assert choose([failed, passed]) == Choice((passed, failed), "checks", 1.0)


def test_comparisons_count_before_marks() -> None:
    first, second = Response("a", marks={"m": 5}), Response("b", sample=1, marks={"m": 1}, beats=(0,))
    assert choose([first, second]) == Choice((second, first), "comparisons", 2.0)


def test_the_unbeaten_winner_comes_before_a_winner_that_lost() -> None:
    third, second, first = Response("c"), Response("b", sample=1, beats=(0,)), Response("a", sample=2, beats=(1,))
    assert choose([third, second, first]).order == (first, second, third)


def test_marks_decide_by_their_mean() -> None:
    first, second = Response("a", marks={"m": 4, "n": 5}), Response("b", sample=1, marks={"m": 5, "n": 5})
    assert choose([first, second]) == Choice((second, first), "marks", 0.5)


@pytest.mark.parametrize("marks", [({}, {}), ({"m": 3}, {"m": 3}), ({"m": 3}, {})])
def test_equal_responses_are_a_tie_in_the_order_of_their_samples(marks: tuple[dict[str, float], ...]) -> None:
    first, second = (Response("a", sample=number, marks=each) for number, each in enumerate(marks))
    assert choose([second, first]) == Choice((first, second), None, 0.0)


def test_a_response_without_marks_comes_after_one_with_a_low_mark() -> None:
    unmarked, low = Response("a"), Response("b", sample=1, marks={"m": 1})
    assert choose([unmarked, low]) == Choice((low, unmarked), None, 0.0)


def test_no_response_and_one_response_have_an_order_too() -> None:
    assert choose([]) == Choice(())
    assert choose([Response("a")]) == Choice((Response("a"),))


def test_wins_over_samples_that_were_not_kept_do_not_count() -> None:
    assert net_wins([Response("a", beats=(0, 2, 7, 7)), Response("b", sample=2)]) == {0: 1, 2: -1}


@settings(max_examples=EXAMPLES, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_depends_on_the_responses_alone(table: tuple[Response, ...], random: object) -> None:
    shuffled = list(table)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(shuffled) == choose(table)


@settings(max_examples=EXAMPLES, deadline=None)
@given(tables)
def test_every_pair_in_the_order_follows_the_rules(table: tuple[Response, ...]) -> None:
    choice, wins = choose(table), net_wins(table)
    assert sorted(choice.order, key=lambda each: each.sample) == list(table)
    for better, worse in zip(choice.order, choice.order[1:], strict=False):
        assert better.passed >= worse.passed
        if better.passed == worse.passed:
            assert wins[better.sample] >= wins[worse.sample]
            if wins[better.sample] == wins[worse.sample]:
                assert difference(better.mark, worse.mark) >= 0
    assert (choice.by is None) == (choice.margin == 0)
    assert choice.margin >= 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(tables)
def test_net_wins_sum_to_zero(table: tuple[Response, ...]) -> None:
    assert sum(net_wins(table).values()) == 0


@pytest.mark.parametrize(
    "text",
    [
        "Paris",
        " Paris\n",
        "PARIS",
        "Paris.",
        "“Paris”",
        "**Paris**",
        "Ｐａｒｉｓ",
        "Pa\u00adris",
        "\ufeffParis",
        "'Paris!'",
        "¿Paris?",
        "¡Paris!",
        "Paris؟",
        "Paris।",
        "Paris —",
        "# Paris",
        "- Paris",
        "**- Paris**",
        "• Paris",
        "Paris~",
        "《Paris》",
        "(Paris)",
        "(Paris.).",
        *(f"Pa{char}ris{char}" for char in "\u200c\u200d\u200e\u2063\u180e\ufe0f"),
    ],
)
def test_texts_that_differ_in_nothing_a_reader_would_mind_are_equal(text: str) -> None:
    assert normalized(text) == "paris"


@pytest.mark.parametrize("other", ["5", "-5.1", "(-5)", "- 5", "-5 m"])
def test_signs_numbers_and_words_make_a_difference(other: str) -> None:
    assert normalized("-5") != normalized(other)


@pytest.mark.parametrize("text", ["(a, b)", "(x + 1)", "(5)", "f(x)", ".5", "#5", "5%", "~5", "- x", "c#", "$5", "[a]"])
def test_formulas_and_units_stay(text: str) -> None:
    assert normalized(f" {text}. ") == text


@pytest.mark.parametrize("text", ["!" * 50_000, "(" + "a " * 50_000, "(" * 2_000 + "a" + ")" * 2_000, "- # " * 2_000])
def test_normalizing_long_texts_takes_no_time(text: str) -> None:
    started = time.perf_counter()
    normalized(text)
    assert time.perf_counter() - started < 2


def test_composed_and_decomposed_letters_are_equal() -> None:
    assert normalized(unicodedata.normalize("NFD", "Élodie Straße")) == normalized("élodie STRASSE")


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(max_size=30))
def test_normalizing_twice_changes_nothing(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)


def test_differences_have_no_noise() -> None:
    assert difference(4.2, 3.7) == difference(4 + 2 / 3, 4 + 1 / 6) == 0.5
    assert difference(None, 3) == difference(3, None) == 0


def test_a_choice_is_the_same_after_a_tied_response_is_added_behind() -> None:
    first = Response("a", marks={"m": 4})
    assert choose([first, replace(first, sample=3)]).order[0] == first
