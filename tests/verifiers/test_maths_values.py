"""Values are read exactly, and the final answer of a text is found wherever it is stated."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given, settings, strategies as st

from selfinstruct.verifiers.final_answer import final_answer
from selfinstruct.verifiers.maths_values import equal, parse_value
from selfinstruct.verifiers.notation import spell

NOTATION = st.text(alphabet="0123456789.,/%$€^{}()[]\\ -+*=:xABkmfrac三百点分之½²٣'apples\n", max_size=40)


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("1,234.5", "1234.5", ""),
        ("1.234,56 €", "1234.56", "euro"),
        ("2½ hours", "9000", "time"),
        ("$5 and 30 cents", "5.3", "dollar"),
        ("5 ft 3 inches", "1.6002", "length"),
        ("三百零五元", "305", "yuan"),
        ("12 cm²", "0.0012", "area"),
        ("90 km/h", "25", "speed"),
        ("-3 × 10^{-2}", "-0.03", ""),
        ("33 1/3%", "1/3", "share"),
    ],
)
def test_a_number_is_exact_and_in_base_units(text: str, number: str, unit: str) -> None:
    value = parse_value(text)
    assert value is not None
    assert (value.content, value.unit) == (Fraction(number), unit)


@pytest.mark.parametrize("text", ["2\\sqrt{3}", "7x", "4!", "2 * 3", "5 - 7", "3/0", "between 7 and 8", "10^10^10", ""])
def test_what_is_more_than_a_value_is_none(text: str) -> None:
    assert parse_value(text) is None


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("First 3 + 4 = 7.\nSo \\boxed{\\frac{3}{4}} of it.", "3/4", "\\frac{3}{4}"),
        ("Each costs $3, so 12 of them cost $36.\n\n**Answer:** $36", "36 [$]", "$36"),
        ("The answer is 2\\sqrt{3}.", "3", "2\\sqrt{3}"),
        ("12 * 3 = 36\n#### 36", "36", "36"),
        ("一共有 3 × 12 = 36 个。答案是36。", "36", "36。"),
        ("所以小明一共花了三十五元。", "35 [元]", "35元"),
        ("Therefore Tom paid **$12** for 3 notebooks.", "12", "$12"),
        ("Therefore Tom paid $12 for 3 notebooks.", "12 [$]", "$12"),
        ("So she has 3 + 4 = 7 apples left.", "7", "7 apples left"),
        ("That makes 7 apples.\n\nLet me know if you need more help!", "7", "7"),
        ("The ride takes 2 hours and 30 minutes.", "150 [minutes]", "2 hours and 30 minutes"),
        ("It leaves at 2:10 PM, so it arrives at 3:45 PM.", "15:45", "3:45 PM"),
        ("Not on Monday, but on Thursday.", "Thursday", "thursday"),
        ("Option A is too small, so the correct answer is (C).", "C", "(C)."),
        ("所以选B。", "B", "B。"),
        ("The answer is 7.\n\nI hope this answer is helpful!", "7", "7."),
        ("So 3 + 4 = 7. Your answer is correct.", "7", "7"),
        ("It is 7 or 8.", "7", None),
        ("I don't know.", "7", None),
    ],
)
def test_the_final_answer_is_found(text: str, expected: str, found: str | None) -> None:
    assert final_answer(text, expected) == found


def test_the_expected_value_decides_which_unit_is_needed() -> None:
    def says(expected: str, answer: str) -> bool:
        return equal(*(value for text in (expected, answer) if (value := parse_value(text)) is not None))

    assert says("12", "12 km")
    assert not says("12 km", "12")
    assert says("12 [km]", "12")
    assert not says("12 [km]", "12 m")


@settings(max_examples=150)
@given(NOTATION, NOTATION)
def test_no_text_raises(text: str, expected: str) -> None:
    spell(text)
    for choice in (False, True):
        parse_value(text, choice)
    final_answer(text, expected)
    value = parse_value(text)
    assert value is None or equal(value, value)


@settings(max_examples=50)
@given(st.fractions(-10000, 10000, max_denominator=200))
def test_every_spelling_of_a_number_is_the_same_value(number: Fraction) -> None:
    whole, rest = divmod(abs(number), 1)
    sign = "-" if number < 0 else ""
    spellings = [str(number), f"\\frac{{{number.numerator}}}{{{number.denominator}}}", f"${number}$"]
    if whole and rest:
        spellings.append(f"{sign}{whole} {rest}")
    for spelling in spellings:
        value = parse_value(spelling)
        assert value is not None
        assert value.content == number


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["1 ", "$", "{", "[1,", "**", "一", "1 and ", "one hundred ", "½", "\\boxed{", "answer is ", "=1", "9" * 90]
)
def test_long_texts_are_read_in_linear_time(part: str) -> None:
    text = part * (50_000 // len(part))
    started = time.process_time()
    for expected in ("12 [km]", "B", "13:25"):
        final_answer(text, expected)
    parse_value(text[:400])
    assert time.process_time() - started < 5
