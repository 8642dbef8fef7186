"""'wrong_arithmetic': an equation between numbers, such as '12 × 3 = 35', that doesn't hold. Nothing is ever evaluated
but the four operations and powers, by the few lines below, in whole numbers and fractions.

An equation is read only where it stands for itself: from the beginning of a line, or after a word or mark that
introduces it ('so', ':', '共'), to the end of the line or a stop. So variables, units, money, percentages, functions,
code and binary numbers are passed over, and with them wrong equations in such company.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from ..core.tasks import PASS, Instance, Verdict
from .answers import without_code

MOST_CHARACTERS = 2000
"""A longer line is passed over."""
MOST_DIGITS = 30
"""Longer numbers, and powers with a larger exponent, are passed over."""
_TOKEN = re.compile(
    r"(?P<number>(?>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?![\d.,]\d))|(?P<op>\*\*|[-−–+*×·÷/^])"
    r"|(?P<paren>[()（）])|(?P<eq>[=＝])|(?P<gap>[ \t]+)|(?P<other>.)",
    re.ASCII,
)
_OPERATORS = {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "**": "^", "（": "(", "）": ")"}
_SIGNS = frozenset("+-*/^")
_OPENED_BY = re.compile(
    r"(?:^|[:：,，。;；]|\b(?:so|thus|therefore|hence|then|is|are|was|have|has|had|get|gets|got|gives|makes|made|equals|because|since"
    r"|that|with|calculate|compute|compare|total)|[是有共为得即剩])\s*$",
    re.IGNORECASE,
)
_CLOSED_BY = re.compile(r"\s*(?:$|[.,;!?。，；！？](?!\d)|[)）])")
_BOLD = re.compile(r"(?<![\w)])\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)")
_BULLET = re.compile(r"^\s*(?:[-*•+]\s+|\(?\d{1,3}[.)、]\s+|[>#]+\s*)+")


class WrongArithmetic:
    """Quotients and decimals may be rounded to the digits written, up or down; whole sums must be right.

    A task that brings a wrong equation itself, to be corrected or as a riddle, is passed over.
    """

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        wrong = first_wrong(instance.output)
        if wrong is None or first_wrong(f"{instruction}\n{instance.input}") is not None:
            return PASS
        return Verdict("wrong_arithmetic", wrong)


def first_wrong(text: str) -> str | None:
    """What is wrong with the first equation of a text that doesn't hold, or None."""
    if "=" not in text and "＝" not in text:
        return None
    found = (equation for line in without_code(text).split("\n") for equation in equations(line))
    return next((wrong for left, right in found if (wrong := disproved(left, right))), None)


class Side(NamedTuple):
    """One side of an equation, as it is written and as tokens: numbers without commas, ASCII operators, parentheses."""

    text: str
    tokens: tuple[str, ...]

    @property
    def is_number(self) -> bool:
        return len(self.tokens) == 1 or (len(self.tokens) == 2 and self.tokens[0] == "-")


def equations(line: str) -> Iterator[tuple[Side, Side]]:
    """The pairs of sides around each equals sign of the stretches in a line that stand for themselves."""
    if ("=" not in line and "＝" not in line) or len(line) > MOST_CHARACTERS:
        return
    line = _BULLET.sub("", _BOLD.sub(r"\1", line))
    start, stretch = 0, list[re.Match[str]]()
    for token in [*_TOKEN.finditer(line), None]:
        if token is not None and token.lastgroup != "other":
            stretch.append(token)
            continue
        if stretch and any(t.lastgroup == "eq" for t in stretch):
            text, end = line[stretch[0].start() : stretch[-1].end()], stretch[-1].end()
            if (
                _OPENED_BY.search(line[:start])
                and _CLOSED_BY.match(line[end:])
                and not text.lstrip().startswith(("=", "＝"))
            ):
                sides = [_side(part) for part in re.split("[=＝]", text)]
                yield from ((a, b) for a, b in pairwise(sides) if a.tokens and b.tokens)
        stretch = []
        start = token.end() if token else len(line)


def disproved(left: Side, right: Side) -> str | None:
    """'2 + 2 = 5, but 2 + 2 is 4' where the sides differ by more than rounding; None where not, or nobody knows."""
    if left.is_number and right.is_number:
        return None
    numbers = [token for token in (*left.tokens, *right.tokens) if token[0].isdigit()]
    if any(len(number) > MOST_DIGITS or re.match(r"0\d", number) for number in numbers):
        return None
    if all(set(number) <= {"0", "1"} for number in numbers):  # may be binary, or Boolean
        return None
    one, other = _value(left.tokens), _value(right.tokens)
    if one is None or other is None or abs(one - other) <= _tolerance(left, right):
        return None
    asked, value = (right, other) if left.is_number else (left, one)
    result = one if left.is_number else other
    if (set(asked.tokens) & _SIGNS == {"-"} and value < 0 <= result) or result == 100 * value:
        return None  # a range and what stands for it, '90-100 = 4'; a percentage without its sign
    return f"{left.text} = {right.text}, but {asked.text} is {_written(value)}"


def _side(text: str) -> Side:
    tokens = []
    for token in _TOKEN.finditer(text):
        if token.lastgroup != "gap":
            tokens.append(_OPERATORS.get(token.group(), token.group().replace(",", "")))
    return Side(" ".join(text.split()), tuple(tokens))


def _tolerance(left: Side, right: Side) -> Fraction:
    """One unit of the last digit written, where a side is a rounded number; else nothing."""
    if not {"/", "^"} & {*left.tokens, *right.tokens} and not any(
        "." in token for token in (*left.tokens, *right.tokens)
    ):
        return Fraction(0)
    results = [side.tokens[-1] for side in (left, right) if side.is_number]
    decimals = min((len(result.partition(".")[2]) for result in results), default=2)
    return Fraction(1, 10**decimals)


def _written(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"


def _value(tokens: tuple[str, ...]) -> Fraction | None:
    """The value by the usual precedence; None for what isn't an expression."""
    try:
        value, rest = _sum(tokens, 0)
    except (ArithmeticError, ValueError, IndexError, RecursionError):
        return None
    return value if rest == len(tokens) else None


def _sum(tokens: tuple[str, ...], at: int) -> tuple[Fraction, int]:
    value, at = _product(tokens, at)
    while at < len(tokens) and tokens[at] in "+-":
        operator = tokens[at]
        term, at = _product(tokens, at + 1)
        value = value + term if operator == "+" else value - term
    return value, at


def _product(tokens: tuple[str, ...], at: int) -> tuple[Fraction, int]:
    value, at = _power(tokens, at)
    while at < len(tokens) and tokens[at] in "*/":
        operator = tokens[at]
        factor, at = _power(tokens, at + 1)
        value = value * factor if operator == "*" else value / factor
    return value, at


def _power(tokens: tuple[str, ...], at: int) -> tuple[Fraction, int]:
    value, at = _atom(tokens, at)
    if at < len(tokens) and tokens[at] == "^":
        exponent, at = _power(tokens, at + 1)
        if exponent.denominator != 1 or abs(exponent) > MOST_DIGITS or value.numerator.bit_length() > 64:
            raise ValueError("too large a power to tell")
        value = value ** int(exponent)
    return value, at


def _atom(tokens: tuple[str, ...], at: int) -> tuple[Fraction, int]:
    if tokens[at] == "(":
        value, at = _sum(tokens, at + 1)
        if tokens[at] != ")":
            raise ValueError("a parenthesis isn't closed")
        return value, at + 1
    if tokens[at] == "-" and at == 0:
        value, at = _power(tokens, 1)
        return -value, at
    return Fraction(tokens[at]), at + 1
