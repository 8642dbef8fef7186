"""The interval of a difference holds at whatever row a reader stops."""

from __future__ import annotations

import random

import pytest

from selfinstruct.worth.sequential import Difference


def read(first: float, second: float, pairs: int, seed: int) -> tuple[Difference, bool]:
    """Read pairs of rows that are kept with these chances. Returns whether the true difference was ever excluded."""
    draw, difference, excluded = random.Random(seed), Difference(), False
    for _ in range(pairs):
        difference.add(draw.random() < first, draw.random() < second)
        low, high = difference.interval
        excluded = excluded or not low - 1e-9 <= second - first <= high + 1e-9
    return difference, excluded


def test_before_the_first_row_anything_is_possible() -> None:
    assert Difference().interval == pytest.approx((-0.995, 0.995))


@pytest.mark.parametrize(("first", "second"), [(0.9, 0.9), (0.5, 0.5), (0.8, 0.6)])
def test_the_true_difference_is_excluded_in_one_of_twenty_readings_at_most(first: float, second: float) -> None:
    assert sum(read(first, second, 40, seed)[1] for seed in range(20)) <= 1


def test_a_large_difference_is_found_and_its_sign_is_right() -> None:
    low, high = read(0.9, 0.4, 80, 1)[0].interval
    assert low < -0.5 < high < 0
    low, high = read(0.4, 0.9, 80, 1)[0].interval
    assert 0 < low < 0.5 < high


def test_more_rows_make_the_interval_narrower_and_a_higher_level_wider() -> None:
    few, many = (read(0.7, 0.7, pairs, 3)[0].interval for pairs in (20, 120))
    assert many[1] - many[0] < few[1] - few[0]
    strict = Difference(0.99)
    usual = Difference(0.95)
    for number in range(50):
        for each in (strict, usual):
            each.add(number % 3 > 0, number % 4 > 0)
    assert strict.interval[0] < usual.interval[0] < usual.interval[1] < strict.interval[1]


def test_the_order_of_the_two_datasets_changes_only_the_sign() -> None:
    one, other, draw = Difference(), Difference(), random.Random(5)
    for _ in range(40):
        kept = draw.random() < 0.8, draw.random() < 0.5
        one.add(*kept)
        other.add(*kept[::-1])
    assert one.interval == pytest.approx(tuple(-value for value in reversed(other.interval)))
