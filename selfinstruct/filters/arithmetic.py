"""The check 'wrong_arithmetic': rejects an answer with a false equation between numbers, such as '12 × 3 = 35'.

The evaluator below knows the four operations and powers, in exact fractions; nothing is passed to `eval`. An equation
counts only from the beginning of a line, or from a word or mark that introduces one ('so', ':', '共'), to the end of
the line or a full stop. The check therefore skips variables, units, money, percentages, functions, code, and binary
numbers, and misses errors there: a false alarm costs a good task.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict
from .answers import without_code

MOST_CHARACTERS = 2000
"""Longer lines are skipped."""
MOST_DIGITS = 30
"""Longer numbers are skipped, and so are larger exponents."""
# Numbers may have thousands separators and decimals: '1,234.5'. Versions and dates, '1.2.3', are no numbers.
_TOKEN = re.compile(
    r"(?P<number>(?>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?![\d.,]\d))|(?P<op>\*\*|[-−–+*×·÷/^])"
    r"|(?P<paren>[()（）])|(?P<eq>[=＝])|(?P<gap>[ \t]+)|(?P<other>.)",
    re.ASCII,
)
_OPERATORS = {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "**": "^", "（": "(", "）": ")"}
_SIGNS = frozenset("+-*/^")
# What may precede an equation: 'The area is 3 × 4 = 12.', '共 3 + 4 = 7'.
_OPENED_BY = re.compile(
    r"(?:^|[:：,，。;；]|\b(?:so|thus|therefore|hence|then|is|are|was|have|has|had|get|gets|got|gives|makes|made|equals|because|since"
    r"|that|with|calculate|compute|compare|total)|[是有共为得即剩])\s*$",
    re.IGNORECASE,
)
# What may follow: the end of the line, or punctuation; not a unit, as in '3 + 4 = 7 apples'.
_CLOSED_BY = re.compile(r"\s*(?:$|[.,;!?。，；！？](?!\d)|[)）])")
# Markdown around equations: '**2 + 2 = 4**', '- 2 + 2 = 4', '1) 2 + 2 = 4'. Bold must not be read as a power.
_BOLD = re.compile(r"(?<![\w)])\*\*(?=\S)(.+?)(?<=\S)\*\*(?!\w)")
_BULLET = re.compile(r"^\s*(?:[-*•+]\s+|\(?\d{1,3}[.)、]\s+|[>#]+\s*)+")


class WrongArithmetic:
    """Rejects false equations. Quotients and decimals may be rounded to the digits shown; integers must be exact."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        wrong = first_wrong(example.output)
        # A task that contains a false equation itself asks to correct it, or is a riddle.
        if wrong is None or first_wrong(f"{candidate.instruction}\n{example.given}") is not None:
            return PASS
        return Verdict("wrong_arithmetic", wrong)


def first_wrong(text: str) -> str | None:
    """Describe the first false equation in a text, or return None."""
    if "=" not in text and "＝" not in text:
        return None
    found = (equation for line in without_code(text).split("\n") for equation in equations(line))
    return next((wrong for left, right in found if (wrong := disprove(left, right))), None)


class EquationSide(NamedTuple):
    """One side of an equation: the text, and its tokens (numbers without commas, ASCII operators, parentheses)."""

    text: str
    tokens: tuple[str, ...]

    @property
    def is_number(self) -> bool:
        return len(self.tokens) == 1 or (len(self.tokens) == 2 and self.tokens[0] == "-")


def equations(line: str) -> Iterator[tuple[EquationSide, EquationSide]]:
    """Yield the two sides of each equation in a line; 'a = b = c' gives two equations."""
    if ("=" not in line and "＝" not in line) or len(line) > MOST_CHARACTERS:
        return
    line = _BULLET.sub("", _BOLD.sub(r"\1", line))
    start, stretch = 0, list[re.Match[str]]()
    for token in [*_TOKEN.finditer(line), None]:
        # Collect the longest stretch of numbers, operators, parentheses and equals signs.
        if token is not None and token.lastgroup != "other":
            stretch.append(token)
            continue
        # Split the stretch at its equals signs, if the text around it allows that.
        if stretch and any(t.lastgroup == "eq" for t in stretch):
            text, end = line[stretch[0].start() : stretch[-1].end()], stretch[-1].end()
            if (
                _OPENED_BY.search(line[:start])
                and _CLOSED_BY.match(line[end:])
                and not text.lstrip().startswith(("=", "＝"))
            ):
                sides = [_parse_side(part) for part in re.split("[=＝]", text)]
                yield from ((a, b) for a, b in pairwise(sides) if a.tokens and b.tokens)
        stretch = []
        start = token.end() if token else len(line)


def disprove(left: EquationSide, right: EquationSide) -> str | None:
    """Return '2 + 2 = 5, but 2 + 2 is 4' if the sides differ by more than rounding; None if not, or if in doubt."""
    if left.is_number and right.is_number:
        return None
    # Skip numbers that may be identifiers ('007'), and digits that may be binary or Boolean ('1 + 1 = 1').
    numbers = [token for token in (*left.tokens, *right.tokens) if token[0].isdigit()]
    if any(len(number) > MOST_DIGITS or re.match(r"0\d", number) for number in numbers):
        return None
    if all(set(number) <= {"0", "1"} for number in numbers):
        return None
    # Compare the values.
    one, other = _evaluate(left.tokens), _evaluate(right.tokens)
    if one is None or other is None or abs(one - other) <= _tolerance(left, right):
        return None
    # Skip a range with a label, '90-100 = 4', and a percentage without its sign, '1/4 = 25'.
    asked, value = (right, other) if left.is_number else (left, one)
    result = one if left.is_number else other
    if (set(asked.tokens) & _SIGNS == {"-"} and value < 0 <= result) or result == 100 * value:
        return None
    return f"{left.text} = {right.text}, but {asked.text} is {_format(value)}"


def _parse_side(text: str) -> EquationSide:
    tokens = []
    for token in _TOKEN.finditer(text):
        if token.lastgroup != "gap":
            tokens.append(_OPERATORS.get(token.group(), token.group().replace(",", "")))
    return EquationSide(" ".join(text.split()), tuple(tokens))


def _tolerance(left: EquationSide, right: EquationSide) -> Fraction:
    """Return one unit of the last digit shown if a side may be rounded, as in '2 / 3 = 0.67'; otherwise 0."""
    tokens = (*left.tokens, *right.tokens)
    if not {"/", "^"} & {*tokens} and not any("." in token for token in tokens):
        return Fraction(0)
    results = [side.tokens[-1] for side in (left, right) if side.is_number]
    decimals = min((len(result.partition(".")[2]) for result in results), default=2)
    return Fraction(1, 10**decimals)


def _format(value: Fraction) -> str:
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.6g}"


def _evaluate(tokens: tuple[str, ...]) -> Fraction | None:
    """Return the value by the usual precedence, or None if the tokens are no expression."""
    text = " ".join(tokens).replace("^", "**")
    try:
        return _value(ast.parse(text, mode="eval").body, text)
    except (ArithmeticError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr, text: str) -> Fraction:
    match node:
        case ast.Constant():
            return Fraction(text[node.col_offset : node.end_col_offset])
        case ast.UnaryOp(op=ast.USub(), col_offset=0):  # a sign at the beginning only
            return -_value(node.operand, text)
        case ast.BinOp():
            left, right = _value(node.left, text), _value(node.right, text)
            match node.op:
                case ast.Add():
                    return left + right
                case ast.Sub():
                    return left - right
                case ast.Mult():
                    return left * right
                case ast.Div():
                    return left / right
                case ast.Pow() if (
                    right.denominator == 1 and abs(right) <= MOST_DIGITS and left.numerator.bit_length() <= 64
                ):
                    return left ** int(right)
    raise ValueError("not an expression, or too large")
