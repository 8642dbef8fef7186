"""Expressions of data files: their values, and the steps of a calculation."""

from __future__ import annotations

from fractions import Fraction

import pytest

from selfinstruct.verifiers.expressions import calculation, evaluate


@pytest.mark.parametrize(
    ("expression", "steps"),
    [
        ("a - b * c", ["4 × 2.5 = 10", "12 - 10 = 2"]),
        ("a + b + c + 1", ["12 + 4 + 2.5 + 1 = 19.5"]),
        ("a - b - c", ["12 - 4 = 8", "8 - 2.5 = 5.5"]),
        ("b * c * (100 - a) / 100", ["100 - 12 = 88", "4 × 2.5 × 88 = 880", "880 / 100 = 8.8"]),
        ("a / 7", []),  # no finite decimal
        ("ceil(a / 5)", []),
        ("a", []),
    ],
)
def test_a_calculation_has_one_step_for_each_operation(expression: str, steps: list[str]) -> None:
    values = {"a": Fraction(12), "b": Fraction(4), "c": Fraction(5, 2)}
    assert calculation(expression, values) == steps
    if steps:
        assert Fraction(steps[-1].rpartition(" = ")[2]) == evaluate(expression, values)
