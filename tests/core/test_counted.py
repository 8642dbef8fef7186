"""How numbers are written: no amount of money is in exponent notation, or zero where it isn't."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from selfinstruct.core.counted import compact, counted, dollars, dollars_per_1000_records


@pytest.mark.parametrize(
    ("amount", "written"),
    [
        (0, "$0.00"),
        (6.189e-05, "$0.000062"),
        (3e-9, "<$0.000001"),
        (0.000246, "$0.00025"),
        (0.0619, "$0.062"),
        (0.1, "$0.10"),
        (2.724, "$2.72"),
        (1234567.891, "$1,234,567.89"),
        (None, "unknown"),
    ],
)
def test_an_amount_of_money(amount: float | None, written: str) -> None:
    assert dollars(amount) == written


@given(st.floats(0, 1e12))
def test_any_amount_is_plain_digits_and_close(amount: float) -> None:
    written = re.fullmatch(r"(<?)\$(\d{1,3}(,\d{3})*\.\d{2,6})", dollars(amount))
    assert written is not None
    value = float(written[2].replace(",", ""))
    if written[1]:
        assert 0 < amount < value
    else:
        assert value == pytest.approx(amount, rel=0.051, abs=5e-7)


def test_a_thousand_records_cost_a_thousand_times_one() -> None:
    assert dollars_per_1000_records(6.189e-05) == "$0.062 per 1,000 records"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (2e-6, "0.000002"), (0.05, "0.05"), (3400, "3,400"), (52000, "52k"), (1.25e6, "1.2M")],
)
def test_a_short_number(value: float, written: str) -> None:
    assert compact(value) == written


def test_a_count_of_one_is_singular() -> None:
    assert [counted(count, "request") for count in (0, 1, 2000)] == ["0 requests", "1 request", "2,000 requests"]
