"""Preference data: the rules for pairs, labels, and scores hold for any table of marks and verdicts.

SELFINSTRUCT_PROOF=full tries 10,000 tables for each rule.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, pairwise, product
from pathlib import Path
from random import Random
from statistics import fmean, pstdev
from typing import Any

import datasets
import pytest
from hypothesis import given, settings, strategies as st

from conftest import RECORD, KnowsSolutions
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.choice import failed, normalized
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.dataset import FORMATS
from selfinstruct.dataset.formats import formats_of
from selfinstruct.dataset.preferences import (
    KtoOptions,
    Preference,
    PreferenceOptions,
    control_length,
    draw_of,
    labels_of,
    pair_of,
    scores_of,
)
from selfinstruct.dataset.provenance_columns import ProvenanceColumns
from selfinstruct.dataset.rows import Wording, rows_of
from selfinstruct.filters.judge import CRITERIA
from selfinstruct.filters.judge.read_marks import read_marks
from selfinstruct.generate.start import run
from selfinstruct.teachers.fake.teacher import FakeTeacher
from selfinstruct.verifiers.rewards import verify

EXAMPLES = 10_000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 150
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
VERDICTS: list[dict[str, Verdict]] = [{}] * 12 + [{"runs": Verdict()}] * 2
VERDICTS += [{reason: Verdict(reason)} for reason in (*INCOMPLETE, *COMPLETE)]
# What a program finds: right, wrong, and wrong where that is only a label.
VERDICTS += [
    {"wrong_answer": Verdict(reason, score=score)} for reason, score in ((None, 1), ("wrong_answer", 0), (None, 0))
]
MARKS = [{}] * 10 + [{"quality": float(mark)} for mark in (1, 2, 3, 4, 5)] * 3
MARKS += [dict(zip("abc", map(float, each), strict=True)) for each in product((1, 3, 4, 5), repeat=3)]
ANSWERS = list(product(MEANING, VERDICTS, MARKS))
"""Every combination of a text, verdicts, and marks, so that one number draws an answer: many draws would be slow."""


@st.composite
def tables(draw: st.DrawFn, *, compared: bool = True) -> Example:
    """A prompt with up to seven responses: random texts, verdicts, marks, and wins that no two have over each other."""
    answers = [ANSWERS[number] for number in draw(st.lists(st.integers(0, len(ANSWERS) - 1), max_size=7))]
    wins = draw(st.integers(0, 3**21 - 1)) if compared and draw(st.booleans()) else 0
    beats: list[set[int]] = [set() for _ in answers]
    for one, other in combinations(range(len(answers)), 2):
        wins, winner = divmod(wins, 3)  # 0: a tie
        if winner:
            beats[one if winner == 1 else other].add(other if winner == 1 else one)
    return Example.of(
        "Name it.",
        "",
        *(
            Response(text, None, sample, None, "", verdicts, marks, tuple(sorted(beats[sample])))
            for sample, (text, verdicts, marks) in enumerate(answers)
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
    assert chosen.verified is not False
    assert chosen.text.strip()
    # Rejected is a complete text; if it failed a check, marks or an option speak against it.
    assert rejected.text.strip()
    assert not {verdict.reason for verdict in rejected.verdicts.values()} & set(INCOMPLETE)
    evidence = [options.failed_as_rejected and not rejected.passed, rejected.verified is False]
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
    passed = [each for each in example.responses if not failed(each) and each.text.strip() and each.mark is not None]
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
    assert 100 * sum(each.longer for each in kept) <= 55 * len(kept)
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


# --- rows ------------------------------------------------------------------------------------------

USER = [{"role": "user", "content": "Name it."}]


def said(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


PLAIN = Wording()


def rows(format: str, *examples: Example, wording: Wording = PLAIN, **options: Any) -> list[dict[str, Any]]:
    """The rows of one record for each example: the id and the format's own columns."""
    chosen = FORMATS[format]
    wording = replace(wording, options=chosen.Options(kind=format, **options))
    records = [replace(RECORD, id=f"r{n}", instruction="Name it.", examples=(e,)) for n, e in enumerate(examples)]
    columns = ("id", *chosen.columns(wording))
    return [{name: row[name] for name in columns} for row in rows_of(records, chosen, wording=wording)]


def test_a_row_of_each_format() -> None:
    example, marked = responses(3, 5, None, 4), Wording(marked=True)
    marks = {"score_chosen": 5.0, "score_rejected": 3.0, "margin": 2.0}
    assert rows("preference", example, wording=marked) == [
        {"id": "r0", "prompt": USER, "chosen": said("b"), "rejected": said("a"), **marks}
    ]
    assert rows("preference_flat", example, wording=marked) == [
        {"id": "r0", "prompt": "Name it.\n\n", "chosen": "b", "rejected": "a", **marks}
    ]
    assert rows("kto", example) == [
        {"id": "r0", "prompt": USER, "completion": said("a"), "label": False},
        {"id": "r0.1", "prompt": USER, "completion": said("b"), "label": True},
        {"id": "r0.2", "prompt": USER, "completion": said("d"), "label": True},
    ]
    assert rows("reward", example) == [
        {"id": "r0", "prompt": USER, "completions": [said("b"), said("d"), said("a")], "scores": [5.0, 4.0, 3.0]}
    ]


def test_the_system_prompt_is_part_of_the_prompt() -> None:
    wording = Wording(system_prompt="Be brief.")
    (row,) = rows("preference", responses(5, 1), wording=wording)
    assert row["prompt"] == [{"role": "system", "content": "Be brief."}, *USER]
    (row,) = rows("preference_flat", responses(5, 1), wording=wording)
    assert row["prompt"] == "Be brief.\n\nName it.\n\n"


def test_an_example_without_a_pair_has_no_row() -> None:
    assert [row["id"] for row in rows("preference", responses(3, 3), responses(5, 1), responses(4))] == ["r1"]
    assert rows("reward", responses(3, 3), responses(4), responses(None, None)) == []
    assert rows("kto", responses(None, None)) == []


def test_there_are_columns_of_marks_only_if_every_row_has_marks() -> None:
    scores = {"score_chosen", "score_rejected", "margin"}
    (row,) = rows("preference", responses(5, 1), wording=Wording(marked=True))
    assert scores <= row.keys()
    for marked, options in ((False, {}), (True, {"failed_as_rejected": True})):
        (row,) = rows("preference", responses(5, 1), wording=Wording(marked=marked), **options)
        assert not scores & row.keys()


def test_a_row_names_the_teacher_and_the_sample_of_its_own_answer() -> None:
    answers = (Response("a", "model a", 0, marks={"m": 1}), Response("b", "model b", 1, marks={"m": 5}))
    example = Example.of("Name it.", "", *answers)
    record, columns = replace(RECORD, examples=(example,)), ProvenanceColumns(sampled=True)
    for format, expected in (("preference", ["model b"]), ("kto", ["model a", "model b"])):
        found = list(rows_of([record], FORMATS[format], columns))
        assert [row["output_teacher"] for row in found] == expected
        assert [row["samples"] for row in found] == [2] * len(expected)


def test_the_rows_of_a_record_share_its_cost() -> None:
    found = FORMATS["kto"].select([replace(RECORD, examples=(responses(5, 1),))], Wording())
    assert [each.rows for each in found] == [2, 2]


def test_rows_of_kto_that_follow_each_other_answer_different_prompts() -> None:
    """Trainers pair each prompt with the answer of the row before, and learn from the labels of a batch."""
    records = [replace(RECORD, id=f"q{number}.0", examples=(responses(5, 1, 4, 2),)) for number in range(8)]
    found = FORMATS["kto"].select(records, Wording())
    assert [each.record.id for each in found] == [record.id for record in records] * 4
    assert len({each.id for each in found}) == 32
    for start in range(0, 32, 8):
        marks = [each.example.responses[0].mark for each in found[start : start + 8]]
        assert sorted(marks) == [1, 1, 2, 2, 4, 4, 5, 5], "each batch has good and bad answers"


@pytest.mark.parametrize("sizes", [(1, 1, 4, 2), (5, 1, 1, 1, 1), (1, 2, 3), (2, 5, 2, 2), (4,)])
def test_a_record_with_many_rows_of_kto_has_no_neighbors_either(sizes: tuple[int, ...]) -> None:
    records = [
        replace(RECORD, id=f"q{number}.0", examples=(responses(*[5, 1, 4, 2, 3][:size]),))
        for number, size in enumerate(sizes)
    ]
    ids = [each.record.id for each in FORMATS["kto"].select(records, Wording())]
    assert [ids.count(record.id) for record in records] == list(sizes)
    neighbors = sum(one == other for one, other in pairwise(ids))
    assert neighbors == max(0, 2 * max(sizes) - sum(sizes) - 1)


def test_length_control_prefers_another_rejected_answer_to_no_pair() -> None:
    def example(*texts: tuple[str, float]) -> Example:
        return Example.of("?", "", *(Response(t, sample=n, marks={"m": m}) for n, (t, m) in enumerate(texts)))

    longer = example(("a long answer", 5), ("short", 1), ("a longer bad answer", 2))
    only_longer = example(("a long answer", 5), ("short", 1))
    assert [row["rejected"] for row in rows("preference", longer, longer)] == [said("short")] * 2
    controlled = rows("preference", longer, longer, only_longer, length_control=True)
    # Of three pairs, one may have a longer chosen answer: 1 of 3 is below 55%, 2 of 3 is above.
    assert [row["rejected"] for row in controlled] == [said("a longer bad answer")] * 2 + [said("short")]
    assert [row["id"] for row in rows("preference", longer, only_longer, length_control=True)] == ["r0", "r1"]
    assert rows("preference", only_longer, length_control=True) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": None}, "preference needs several answers to a prompt; set answers: {samples: 4, until: all"),
        ({"answers": {"samples": 4}}, "needs several answers to a prompt"),
        ({"answers": {"samples": 4, "keep": "all"}}, "needs several answers to a prompt"),
        ({"answers": {"samples": 4, "keep": "all"}}, "set answers: {until: all} (pass stops at the first good one)"),
        ({"judge": None, "dataset": {"formats": ["kto"]}}, "kto needs to know which answer is better; set judge: {}"),
        ({"dataset": {"formats": [{"kind": "preference", "margin": 4.5}]}}, "margin: must be at most 4"),
        ({"dataset": {"formats": [{"kind": "kto", "threshold": 9}]}}, "threshold: must be at most 5"),
        ({"dataset": {"formats": [{"kind": "kto", "threshold": 0}]}}, "threshold: must be at least 1"),
        ({"judge": None}, "preference needs to know which answer is better; set judge: {} or judge: {compare: true}"),
        ({"filters": {"answer_refusal": False}}, "must not praise refusals; set filters.answer_refusal to true"),
    ],
)
def test_a_run_without_preferences_is_refused_before_it_asks(
    make_config: Callable[..., RunConfig], changes: dict[str, Any], message: str
) -> None:
    values = {"answers": KEEP_ALL, "judge": {}, "dataset": {"formats": ["preference"]}}
    formats_of(make_config(**values))
    with pytest.raises(ConfigError, match=re.escape(message)):
        formats_of(make_config(**values | changes))


def test_answers_that_failed_by_their_marks_make_pairs(make_config: Callable[..., RunConfig]) -> None:
    until_pass = {"samples": 4, "keep": "all"}
    formats_of(make_config(answers=until_pass, judge={"min_score": 3}, dataset={"formats": ["preference"]}))


def test_checks_alone_make_pairs_if_failed_answers_may_be_rejected(make_config: Callable[..., RunConfig]) -> None:
    formats_of(make_config(answers=KEEP_ALL, dataset={"formats": [{"kind": "preference", "failed_as_rejected": True}]}))


KEEP_ALL = {"samples": 4, "until": "all", "keep": "all"}
NAMES = ("preference", "preference_flat", "kto", "reward")


@pytest.mark.parametrize("judge", [{}, {"compare": True}])
def test_a_run_with_the_fake_teacher_has_preferences(
    make_config: Callable[..., RunConfig], judge: dict[str, Any]
) -> None:
    formats = ["messages", {"kind": "preference", "length_control": True}, *NAMES[1:]]
    made = run(make_config(target=30, answers=KEEP_ALL, judge=judge, dataset={"formats": formats}))
    loaded = {name: datasets.load_dataset(str(made.dataset_path), name, split="train") for name in NAMES}
    assert all(len(found) > 10 for found in loaded.values())
    pairs = loaded["preference"]
    for row in pairs:
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
        assert normalized(chosen) != normalized(rejected)
        assert judge or row["score_chosen"] - row["score_rejected"] == row["margin"] >= 0.5
    assert not any(None in pairs[name] for name in pairs.column_names if name.startswith("score") or name == "margin")
    longer = sum(len(row["chosen"][0]["content"]) > len(row["rejected"][0]["content"]) for row in pairs) / len(pairs)
    assert longer <= 0.55
    card = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    assert f"In `preference`, split `train`, the chosen text is longer in {longer:.0%} of the rows." in card
    assert len(set(loaded["kto"]["id"])) == len(loaded["kto"])
    assert set(loaded["kto"]["label"]) == {True, False}


def test_a_run_without_any_pair_says_so(
    make_config: Callable[..., RunConfig], caplog: pytest.LogCaptureFixture
) -> None:
    formats = ["messages", {"kind": "preference", "margin": 4, "rejected": "lowest", "length_control": True}]
    made = run(make_config(target=10, answers=KEEP_ALL, judge={}, dataset={"formats": formats}))
    options = "margin: 4.0, length_control: true"
    assert f"dataset: preference has no rows, because no record fits its options ({options})" in caplog.text
    card = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    assert "The config `preference` has no rows, because no record fits its options." in card
    assert len(datasets.load_dataset(str(made.dataset_path), split="train")) == 10


class EveryOther(KnowsSolutions):
    """Gives the right answer in every other sample; it thinks first."""

    async def complete(self, prompt: Prompt) -> Completion:
        solution = self.solution(prompt)
        text = "I can only guess: it is 0.5." if prompt.sample % 2 else solution
        return Completion(f"<think>\nSample {prompt.sample}.\n</think>\n\n{text}", model="fake")


def checked_by_program(make_config: Callable[..., RunConfig], **changes: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of a run without a judge, whose answers a program checks, by format."""
    strategy = {"kind": "verifiable", "kinds": {"maths": 1}}
    formats = [{"kind": kind, "reasoning": True} for kind in ("messages", "preference", "kto")]
    values: dict[str, Any] = {"strategy": strategy, "target": 12, "answers": KEEP_ALL, "dataset": {"formats": formats}}
    folder = run(make_config(**values | changes), teacher=EveryOther()).dataset_path
    kinds = [path.name for path in folder.iterdir() if path.is_dir() and path.name != "provenance"]
    return {kind: datasets.load_dataset(str(folder), kind, split="train").to_list() for kind in kinds}


@pytest.mark.parametrize("wrong_answer", [True, "label"])
def test_what_a_program_finds_right_and_wrong_makes_pairs_and_labels(
    make_config: Callable[..., RunConfig], wrong_answer: bool | str
) -> None:
    rows = checked_by_program(make_config, filters={"wrong_answer": wrong_answer})
    assert len(rows["preference"]) == 12
    for row in rows["preference"]:
        chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
        assert chosen.startswith("<think>\nSample")
        assert verify(row, chosen)
        assert not verify(row, rejected)
        assert row["verified"]
    assert {row["label"] for row in rows["kto"]} == {True, False}
    for row in rows["kto"]:
        assert verify(row, row["completion"]) is row["label"] is row["verified"]


def test_without_the_check_there_is_no_pair(make_config: Callable[..., RunConfig]) -> None:
    with pytest.raises(ConfigError, match="preference needs to know which answer is better"):
        checked_by_program(make_config, filters={"wrong_answer": False})


def test_a_wrong_answer_is_a_row_if_it_is_only_labeled(make_config: Callable[..., RunConfig]) -> None:
    answers = {"samples": 1}
    dataset = {"formats": ["messages"]}

    class Wrong(FakeTeacher):
        async def complete(self, prompt: Prompt) -> Completion:
            return Completion("It is 0.5.", model="fake")

    strategy = {"kind": "verifiable", "kinds": {"maths": 1}}
    values = {"strategy": strategy, "target": 8, "answers": answers, "dataset": dataset}
    made = run(make_config(**values, filters={"wrong_answer": "label"}), teacher=Wrong())
    rows = datasets.load_dataset(str(made.dataset_path), split="train").to_list()
    assert [row["verified"] for row in rows] == [False] * 8
    assert not any(verify(row, row["messages"]) for row in rows)


class FirstIsBetter(FakeTeacher):
    """A judge that looks at nothing but the position."""

    async def complete(self, prompt: Prompt) -> Completion:
        said = await super().complete(prompt)
        return replace(said, text='{"better": "A"}') if prompt.purpose == "judge" else said


def test_a_judge_that_prefers_a_position_makes_no_pair(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(target=8, answers=KEEP_ALL, judge={"compare": True}, dataset={"formats": ["messages", *NAMES]})
    made = run(config, teacher=FirstIsBetter())
    # All that kto says is which answers failed a check.
    names = {path.name for path in made.dataset_path.iterdir() if not path.name.startswith(".")}
    assert names - {"kto"} == {"README.md", "messages", "provenance"}
    if (made.dataset_path / "kto").exists():
        assert not any(datasets.load_dataset(str(made.dataset_path), "kto", split="train")["label"])


class Unsteady(FakeTeacher):
    """A fake teacher that needs a random time for each answer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._draw = Random(seed)

    async def complete(self, prompt: Prompt) -> Completion:
        await asyncio.sleep(self._draw.random() / 100)
        return await super().complete(prompt)


@pytest.mark.parametrize("judge", [{}, {"compare": True}])
def test_preferences_do_not_depend_on_timing(
    make_config: Callable[..., RunConfig], tmp_path: Path, judge: dict[str, Any]
) -> None:
    def rows(concurrency: int) -> list[list[dict[str, Any]]]:
        values = {"run_dir": str(tmp_path / f"run-{concurrency}"), "dataset": {"formats": list(NAMES)}}
        config = make_config(target=15, concurrency=concurrency, answers=KEEP_ALL, judge=judge, **values)
        folder = run(config, teacher=Unsteady(concurrency)).dataset_path
        return [datasets.load_dataset(str(folder), name, split="train").to_list() for name in NAMES]

    assert rows(1) == rows(16)


class Named(FakeTeacher):
    """A fake teacher whose answers name it."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model = model

    async def complete(self, prompt: Prompt) -> Completion:
        said = await super().complete(prompt)
        return replace(said, text=f"{self.model}: {said.text}") if prompt.purpose == "answer" else said


def test_answers_of_several_teachers_are_mixed(make_config: Callable[..., RunConfig]) -> None:
    roles = {"large": ["propose", "answer"], "student": ["answer"], "critic": ["judge"]}
    teachers = [{"kind": "fake", "model": name, "roles": each} for name, each in roles.items()]
    values = {"teacher": None, "teachers": teachers, "dataset": {"formats": ["kto", "preference"]}}
    config = make_config(target=30, answers=KEEP_ALL, judge={}, **values)
    made = run(config, teacher={name: Named(name) for name in roles})
    labeled = datasets.load_dataset(str(made.dataset_path), "kto", split="train")
    assert {row["output_teacher"] for row in labeled} == {"large", "student"}
    for row in labeled:
        # The first answer came with the task.
        named = row["completion"][0]["content"].startswith(f"{row['output_teacher']}: ")
        assert named == (row["sample"] > 0)
        assert row["judge"] == "critic"
    pairs = datasets.load_dataset(str(made.dataset_path), "preference", split="train")
    assert {row["output_teacher"] for row in pairs} == {"large", "student"}


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


@pytest.mark.parametrize("kind", NAMES)
def test_reasoning_is_in_a_row_only_if_the_format_asks_for_it(kind: str) -> None:
    good = Response("Rome", reasoning="On the Tiber.", marks={"m": 5})
    bad = Response("Oslo", sample=1, reasoning="In the north.", marks={"m": 1})
    record = replace(RECORD, examples=(Example.of("Name it.", "", good, bad, Response("Bern", sample=2)),))
    for wanted in (False, True):
        options = FORMATS[kind].Options.of(kind).model_copy(update={"reasoning": wanted})
        text = json.dumps([*rows_of([record], FORMATS[kind], wording=Wording(options=options))])
        for answer in ("On the Tiber.\n</think>\n\nRome", "In the north.\n</think>\n\nOslo"):
            assert (json.dumps(f"<think>\n{answer}")[1:-1] in text) is wanted
        assert "<think>\\n\\n" not in text
