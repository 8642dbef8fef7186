"""Runs in the sandbox: reads pairs of texts as JSON from stdin, and prints for each whether `math-verify` and a numeric
comparison agree that both are equal. It imports nothing of this package; `maths.py` passes its text to the sandbox.
"""

import importlib.metadata
import json
import sys
from typing import Any

# `latex2sympy2_extended` asks for the version of ANTLR; the sandbox has the packages without their metadata.
importlib.metadata.version = lambda distribution_name: "4.13.2"

from math_verify import parse, verify  # noqa: E402
from sympy import FiniteSet, Interval, MatrixBase, N, Rational, Tuple, default_sort_key, nsimplify  # noqa: E402
from sympy.core.relational import Relational  # noqa: E402

_DIGITS = 60
# Formulas with variables are compared at these values, which are no root of anything that occurs in practice.
_PLACES = [Rational(3, 7), Rational(11, 5), Rational(-13, 9)]


def is_same(expected: str, answer: str) -> bool:
    """Whether both say so."""
    try:
        first, second = (parse(f"${text}$", parsing_timeout=None) for text in (expected, answer))
        # `parse` adds the text itself, which two texts of the same wrong reading would share.
        if not first or not second or isinstance(first[0], str) or isinstance(second[0], str):
            return False
        return bool(verify(first, second, timeout_seconds=None)) and _agree(first[0], second[0])
    except (Exception, RecursionError):
        return False


def _agree(one: Any, other: Any) -> bool:
    """Compare two values of SymPy number by number."""
    if isinstance(one, MatrixBase) or isinstance(other, MatrixBase):
        return getattr(one, "shape", 0) == getattr(other, "shape", 1) and all(map(_agree, one, other))
    if isinstance(one, FiniteSet) and isinstance(other, FiniteSet):
        return all(any(_agree(a, b) for b in other) for a in one) and all(any(_agree(a, b) for a in one) for b in other)
    if isinstance(one, Tuple | Interval | Relational) or isinstance(other, Tuple | Interval | Relational):
        return type(one) is type(other) and len(one.args) == len(other.args) and all(map(_agree, one.args, other.args))
    symbols = sorted(one.free_symbols | other.free_symbols, key=default_sort_key)
    if not hasattr(one, "evalf") or (not symbols and not one.is_number):
        return bool(one == other)
    return all(_close(_at(one, symbols, shift), _at(other, symbols, shift)) for shift in range(3 if symbols else 1))


def _at(value: Any, symbols: list[Any], shift: int) -> Any:
    places = {symbol: _PLACES[(i + shift) % 3] + i // 3 for i, symbol in enumerate(symbols)}
    # '0.1' is exactly 1/10, not a float of 15 digits.
    return N(nsimplify(value, rational=True).subs(places), _DIGITS + 10)


def _close(one: Any, other: Any) -> bool:
    return bool(one == other) or bool(abs(one - other) <= max(abs(one), abs(other)) * Rational(1, 10**_DIGITS))


if __name__ == "__main__":
    print(json.dumps([is_same(*pair) for pair in json.load(sys.stdin)]))
