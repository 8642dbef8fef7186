"""Preference data: the rules for pairs, labels, and scores hold for any table of marks and verdicts.

SELFINSTRUCT_PROOF=full tries 10,000 tables for each rule.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, pstdev
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.dataset.preferences import (
    KtoOptions,
    Preference,
    PreferenceOptions,
    control_length,
    draw_of,
    labels_of,
    longer_share,
    pair_of,
    scores_of,
)
from selfinstruct.filters.judge import CRITERIA
from selfinstruct.filters.judge.read_marks import read_marks

EXAMPLES = 10_000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 500
proof = settings(max_examples=EXAMPLES, deadline=None)

# Texts by what they say: those of one row differ in nothing but case, white space, form, and punctuation at the edges.
SAYINGS = (
    ("Rome", "rome.", " ROME\n", "“Rome”", "Ｒｏｍｅ"),
    ("Oslo is the capital.", "oslo is  the capital"),
    ("-5",),
    ("5", "5."),
    ("A long answer that goes on and on, to show that length is no merit.",),
    ("", "  \n"),
)
MEANING = {text: number for number, texts in enumerate(SAYINGS) for text in texts}
INCOMPLETE = ("truncated", "cut_off", "empty_output", "scaffolding", "personal_data", "unjudged")
COMPLETE = ("repetition", "answer_refusal", "low_score", "wrong_arithmetic", "of_my_own")
verdicts = st.one_of(
    st.just({}),
    st.just({"runs": Verdict()}),
    st.sampled_from((*INCOMPLETE, *COMPLETE)).map(lambda reason: {reason: Verdict(reason)}),
)
marks = st.one_of(
    st.just({}),
    st.integers(1, 5).map(lambda mark: {"quality": float(mark)}),
    st.lists(st.integers(1, 5), min_size=3, max_size=3).map(
        lambda each: dict(zip("abc", map(float, each), strict=True))
    ),
)


@st.composite
def tables(draw: st.DrawFn, *, compared: bool | None = None) -> Example:
    """A prompt with up to seven responses: random texts, verdicts, marks, and wins that no two have over each other."""
    count = draw(st.integers(0, 7))
    with_wins = draw(st.booleans()) if compared is None else compared
    beats: list[set[int]] = [set() for _ in range(count)]
    for one in range(count if with_wins else 0):
        for other in range(one):
            winner, loser = draw(st.sampled_from(((one, other), (other, one), (one, one))))
            beats[winner] |= {loser} - {winner}
    texts = st.sampled_from(tuple(MEANING))
    return Example.of(
        "Name it.",
        "",
        *(
            Response(draw(texts), None, sample, None, "", draw(verdicts), draw(marks), tuple(sorted(beats[sample])))
            for sample in range(count)
        ),
    )


options = st.builds(
    PreferenceOptions,
    margin=st.sampled_from((0.0, 0.25, 0.5, 1.0, 2.0)),
    rejected=st.sampled_from(("lowest", "random", "mean-2sigma")),
    failed_as_rejected=st.booleans(),
)
draws = st.integers(0, 2**64 - 1)


def responses(*values: Any) -> Example:
    """An example with responses 'a', 'b' ..., each with one mark, or None for none."""
    texts = "abcdefghijklmnop"
    return Example.of(
        "Name it.",
        "",
        *(
            Response(texts[number], sample=number, marks={} if mark is None else {"quality": mark})
            for number, mark in enumerate(values)
        ),
    )


def pair(example: Example, draw: int = 0, **given: Any) -> tuple[str, str] | None:
    """The texts of the pair of an example."""
    found = pair_of(example, PreferenceOptions(**given), draw)
    return found and (found.chosen.text, found.rejected.text)


# --- what is never a pair ------------------------------------------------------------------------


@proof
@given(tables(), options, draws, st.booleans())
def test_no_pair_breaks_a_rule(example: Example, options: PreferenceOptions, draw: int, not_longer: bool) -> None:
    found = pair_of(example, options, draw, not_longer=not_longer)
    if found is None:
        return
    chosen, rejected = found.chosen, found.rejected
    # Chosen and rejected differ in what they say.
    assert MEANING[chosen.text] != MEANING[rejected.text]
    # Chosen passed every check, and is no empty text.
    assert all(verdict.ok for verdict in chosen.verdicts.values())
    assert chosen.text.strip()
    # Rejected is a complete text; if it failed a check, marks or an option speak against it.
    assert rejected.text.strip()
    assert not {verdict.reason for verdict in rejected.verdicts.values()} & set(INCOMPLETE)
    evidence = [options.failed_as_rejected and not rejected.passed]
    # Where both have marks, they differ by the margin, and never tie.
    if chosen.marks and rejected.marks:
        lead = fmean(chosen.marks.values()) - fmean(rejected.marks.values())
        assert lead > 1e-9
        assert lead >= options.margin - 1e-6
        evidence.append(True)
    # Where there are comparisons, chosen won in both orders.
    if any(each.beats for each in example.responses) and rejected.passed:
        assert rejected.sample in chosen.beats
        evidence.append(True)
    assert any(evidence)
    assert not (not_longer and found.longer)


@proof
@given(tables(compared=False), options)
def test_no_answer_that_passed_has_better_marks_than_the_chosen_one(
    example: Example, options: PreferenceOptions
) -> None:
    found = pair_of(example, options, 0)
    passed = [each for each in example.responses if each.passed and each.text.strip() and each.mark is not None]
    if found is not None and found.chosen.mark is not None:
        assert found.chosen.mark >= max(each.mark or 0 for each in passed) - 1e-9


@proof
@given(tables(), options, draws, st.randoms(use_true_random=False))
def test_the_pair_depends_on_the_responses_and_the_draw_alone(
    example: Example, options: PreferenceOptions, draw: int, random: Any
) -> None:
    shuffled = list(example.responses)
    random.shuffle(shuffled)
    assert pair_of(replace(example, responses=tuple(shuffled)), options, draw) == pair_of(example, options, draw)


@proof
@given(st.lists(st.one_of(st.none(), st.integers(1, 5)), max_size=7), options)
def test_where_marks_differ_by_the_margin_there_is_a_pair(
    values: list[float | None], options: PreferenceOptions
) -> None:
    given = [value for value in values if value is not None]
    clear = bool(given) and max(given) > min(given) and max(given) - min(given) >= options.margin
    assert (pair_of(responses(*values), options, 0) is not None) == clear


def test_equal_ratings_are_no_pair() -> None:
    # A formatter that takes the first of the highest and the first of the lowest ratings makes a pair of one answer.
    assert pair(responses(4, 4, 4)) is None
    assert pair(responses(4, 4), margin=0) is None
    assert pair(responses(5, 5, 1)) == ("a", "c")


@pytest.mark.parametrize("given", SAYINGS[0])
def test_answers_that_say_the_same_are_no_pair(given: str) -> None:
    example = Example.of("?", "", Response("Rome", marks={"m": 5}), Response(given, sample=1, marks={"m": 1}))
    assert pair(example) is None


def test_of_equal_texts_the_better_one_counts() -> None:
    table = (
        Response("a", marks={"m": 5}),
        Response("b", sample=1, marks={"m": 1}),
        Response("B", sample=2, marks={"m": 5}),
    )
    assert pair(Example.of("?", "", *table)) is None


@pytest.mark.parametrize("reason", ["answer_refusal", "truncated", "low_score"])
def test_a_failed_answer_is_never_chosen(reason: str) -> None:
    failed = Response("I can't.", verdicts={reason: Verdict(reason)}, marks={"m": 5})
    passed = Response("Rome", sample=1, marks={"m": 3})
    assert pair(Example.of("?", "", failed, passed)) is None
    both = pair_of(Example.of("?", "", failed, passed), PreferenceOptions(failed_as_rejected=True), 0)
    # Its marks contradict the check, so it isn't rejected either.
    assert both is None


@pytest.mark.parametrize("reason", INCOMPLETE)
def test_an_incomplete_answer_is_never_rejected(reason: str) -> None:
    failed = Response("Rome is", verdicts={"it": Verdict(reason)}, marks={"m": 1})
    example = Example.of("?", "", failed, Response("Rome", sample=1, marks={"m": 5}))
    assert pair(example, failed_as_rejected=True) is None


def test_a_complete_answer_that_failed_is_rejected_on_request() -> None:
    failed = Response("2 + 2 = 5", verdicts={"wrong_arithmetic": Verdict("wrong_arithmetic")})
    example = Example.of("?", "", failed, Response("2 + 2 = 4", sample=1))
    assert pair(example) is None
    assert pair(example, failed_as_rejected=True) == ("2 + 2 = 4", "2 + 2 = 5")


def test_an_answer_below_the_least_score_of_the_judge_is_rejected_by_its_marks() -> None:
    low = Response("Oslo", marks={"m": 1}, verdicts={"judge": Verdict("low_score", score=1)})
    assert pair(Example.of("?", "", Response("Rome", sample=1, marks={"m": 5}), low)) == ("Rome", "Oslo")


def test_a_win_in_one_order_is_no_pair() -> None:
    # `beats` has the wins in both orders only, so the second answer, which nothing beats, is no pair with the first.
    table = (Response("a", beats=(2,)), Response("b", sample=1), Response("c", sample=2))
    assert pair(Example.of("?", "", *table)) == ("a", "c")
    assert pair(Example.of("?", "", *table[:2])) is None


def test_answers_without_marks_are_no_pair() -> None:
    assert pair(responses(None, None)) is None
    assert pair(responses(5, None)) is None
    assert pair(responses(None, 3, 1)) == ("b", "c")


def test_no_answer_and_one_answer_are_no_pair() -> None:
    assert pair(responses()) is None
    assert pair(responses(5)) is None


# --- the rejected answer ---------------------------------------------------------------------------


def test_the_lowest_is_the_worst_of_all() -> None:
    assert pair(responses(3, 5, 1, 4, 1)) == ("b", "e")


def test_a_margin_keeps_close_answers_apart() -> None:
    assert pair(responses(5, 4.5, 4.75)) == ("a", "b")
    assert pair(responses(5, 4.5, 4.75), margin=1) is None
    # Thirds have no exact binary form: 14/3 - 25/6 is 0.4999...96 in floating point.
    assert pair(responses(4 + 2 / 3, 4 + 1 / 6)) == ("a", "b")


def test_a_random_answer_depends_on_the_seed_and_the_row_alone() -> None:
    def texts(seed: int) -> list[str]:
        found = [pair(responses(5, 4, 3, 2, 5), draw_of(seed, f"q{n}.0"), rejected="random") for n in range(300)]
        return [each[1] for each in found if each]

    assert texts(0) == texts(0) != texts(1)
    # Three answers are worse, and each is drawn for about a third of the rows.
    assert {text: texts(0).count(text) > 70 for text in "bcd"} == dict.fromkeys("bcd", True)
    assert len(texts(0)) == 300


@pytest.mark.parametrize(
    ("values", "rejected"),
    [
        # Nineteen fours and fives and a one: two deviations below the mean is nearer to 3 than to the outlier at 1.
        ([5] * 8 + [4] * 6 + [3, 1], "o"),
        ([5, 4, 3, 2, 1], "e"),
        ([5, 1], "b"),
        ([5, 5, 5], None),
    ],
)
def test_mean_minus_two_sigma_passes_over_outliers(values: list[float], rejected: str | None) -> None:
    found = pair(responses(*values), rejected="mean-2sigma")
    assert (found and found[1]) == rejected


@proof
@given(st.lists(st.integers(1, 5), min_size=2, max_size=12))
def test_mean_minus_two_sigma_is_the_nearest_sample(values: list[int]) -> None:
    found = pair_of(responses(*values), PreferenceOptions(rejected="mean-2sigma"), 0)
    target = fmean(values) - 2 * pstdev(values)
    worse = [value for value in values if max(values) - value >= 0.5]
    assert (found is None) == (not worse)
    if found is not None:
        assert found.rejected.mark is not None
        assert abs(found.rejected.mark - target) <= min(abs(value - target) for value in worse) + 1e-5
        # With few samples, none is further from the mean than two deviations.
        if len(values) <= 5:
            assert found.rejected.mark == min(values)


# --- length ----------------------------------------------------------------------------------------

texts = st.integers(0, 5).map(lambda length: Response("x" * length))


@st.composite
def with_alternative(draw: st.DrawFn) -> tuple[Preference, Preference | None]:
    first = Preference(draw(texts), draw(texts))
    second = Preference(first.chosen, draw(texts))
    return first, None if second.longer or draw(st.booleans()) else second


@proof
@given(st.lists(with_alternative(), max_size=60), st.lists(with_alternative(), max_size=5))
def test_the_share_of_longer_chosen_texts_is_bounded(
    pairs: list[tuple[Preference, Preference | None]], more: list[tuple[Preference, Preference | None]]
) -> None:
    result = control_length(pairs)
    kept = [each for each in result if each is not None]
    assert len(result) == len(pairs)
    assert longer_share(kept) <= 0.55
    for (first, second), each in zip(pairs, result, strict=True):
        assert each in (first, second, None)
        # Nothing is done to a pair that isn't longer, and no pair is dropped that has an alternative.
        assert first.longer or each == first
        assert each is not None or second is None
    # No pair is dropped or replaced without need: with one more of the longer pairs, the share would be too high.
    if len(kept) < len(pairs):
        longer = sum(each.longer for each in kept)
        assert 100 * (longer + 1) > 55 * (len(kept) + 1)
    # When more pairs follow, no pair of the first ones is dropped that was kept, unless they are longer themselves.
    if not any(first.longer for first, _ in more):
        after = control_length([*pairs, *more])
        assert all(now is not None for was, now in zip(result, after, strict=False) if was is not None)


def test_pairs_within_the_share_stay_as_they_are() -> None:
    longer, shorter = Preference(Response("xx"), Response("x")), Preference(Response("x"), Response("xx"))
    equal = Preference(Response("xx"), Response("yy"))
    assert control_length([(longer, equal), (shorter, None)]) == [longer, shorter]
    assert control_length([(longer, equal), (longer, None)]) == [equal, longer]
    assert control_length([(longer, equal), (longer, equal), (shorter, None)]) == [longer, equal, shorter]
    assert control_length([(longer, None), (longer, None), (shorter, None)]) == [longer, None, shorter]


def test_the_limit_is_exactly_55_percent() -> None:
    longer, shorter = Preference(Response("xx"), Response("x")), Preference(Response("x"), Response("xx"))
    assert None not in control_length([(longer, None)] * 11 + [(shorter, None)] * 9)
    assert control_length([(longer, None)] * 14 + [(shorter, None)] * 11).count(None) == 1  # 56%


# --- labels and scores -----------------------------------------------------------------------------


def labels(example: Example, **given: Any) -> list[tuple[str, bool]]:
    return [(response.text, label) for response, label in labels_of(example, KtoOptions(**given))]


def test_labels_follow_the_threshold() -> None:
    assert labels(responses(5, 3.5, 3, None)) == [("a", True), ("b", True), ("c", False)]
    assert labels(responses(5, 3.5, 3), threshold=5) == [("a", True), ("b", False), ("c", False)]


@pytest.mark.parametrize("reason", [*INCOMPLETE, *COMPLETE])
def test_a_failed_answer_is_bad_if_it_is_complete(reason: str) -> None:
    failed = Response("a", verdicts={"it": Verdict(reason)})
    assert labels(Example.of("?", "", failed)) == ([("a", False)] if reason in COMPLETE else [])


def test_without_marks_a_check_or_a_comparison_decides() -> None:
    table = (Response("a", beats=(1, 2)), Response("b", sample=1, beats=(2,)), Response("c", sample=2))
    assert labels(Example.of("?", "", *table)) == [("a", True), ("c", False)]
    assert labels(Example.of("?", "", Response("a", verdicts={"runs": Verdict()}))) == [("a", True)]
    assert labels(responses(None)) == []


@proof
@given(tables())
def test_no_text_has_two_labels_and_no_failed_answer_is_good(example: Example) -> None:
    found = labels_of(example, KtoOptions())
    assert len({MEANING[response.text] for response, _ in found}) == len(found)
    for response, label in found:
        assert response.text.strip()
        assert response.passed or not label
        assert not {verdict.reason for verdict in response.verdicts.values()} & set(INCOMPLETE)


def test_a_text_that_is_good_and_bad_has_no_label() -> None:
    assert labels(Example.of("?", "", Response("a", marks={"m": 5}), Response("A.", sample=1, marks={"m": 1}))) == []


def test_scores_are_marks_or_net_wins() -> None:
    assert scores_of(responses(5, None, 3)) == {0: 5, 2: 3}
    table = (Response("a", beats=(1,)), Response("b", sample=1), Response("c", sample=2))
    assert scores_of(Example.of("?", "", *table)) == {0: 1.0, 1: -1.0, 2: 0.0}
    assert scores_of(responses(None, None)) == {}


# --- marks -----------------------------------------------------------------------------------------


def stated(marks: Sequence[int], rationale: str) -> str:
    """Marks in the form of a rating and a rationale for each criterion."""
    return "\n\n".join(f"{name}: {mark}\nRationale: {rationale}" for name, mark in zip(CRITERIA, marks, strict=True))


@pytest.mark.parametrize(
    "rationale",
    [
        "Fine.",
        "Fine.\n\nIt could be shorter.",
        "\n\nFine.\n\n\n",
        "Fine.\n\nRating: 1\n\nIt isn't 5.",
        "1.\n\n2.\n\n3.",
    ],
)
def test_a_blank_line_in_a_rationale_shifts_no_mark(rationale: str) -> None:
    # A reader that splits at blank lines would give the second mark to the rest of the first rationale.
    expected = dict(zip(CRITERIA, (5, 2, 3, 4), strict=True))
    assert read_marks(stated((5, 2, 3, 4), rationale))[0] == expected


@given(st.lists(st.integers(1, 5), min_size=4, max_size=4), st.text("ab \n", max_size=40))
def test_marks_are_read_whatever_the_rationale_breaks_into(marks: list[int], rationale: str) -> None:
    assert read_marks(stated(marks, rationale))[0] == dict(zip(CRITERIA, marks, strict=True))
