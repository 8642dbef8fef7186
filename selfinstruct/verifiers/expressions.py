"""Evaluates arithmetic expressions and conditions from data files exactly; nothing is passed to `eval`."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import cache, lru_cache

Number = Fraction | bool
_MOST_POWER, _MOST_BITS = 30, 64


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if exponent.denominator > 1 or abs(exponent) > _MOST_POWER or bits > _MOST_BITS:
        raise ValueError("no whole exponent, or too large")
    return base ** int(exponent)


_OPERATORS: dict[type[ast.AST], Callable[[Fraction, Fraction], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda a, b: Fraction(a // b),
    ast.Mod: operator.mod,
    ast.Pow: _power,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "×", ast.Div: "/"}
_FUNCTIONS: dict[str, Callable[..., Fraction]] = {
    "ceil": lambda number: Fraction(math.ceil(number)),
    "floor": lambda number: Fraction(math.floor(number)),
    "min": min,
    "max": max,
}


def evaluate(expression: str, values: Mapping[str, Fraction]) -> Fraction:
    """Return the value of an expression such as 'ceil(total / box)', in which names stand for numbers.

    Raises:
        ValueError: The expression has something else than numbers, names, operators, and a few functions.
    """
    return Fraction(_value(_parse(expression), values))


def calculation(expression: str, values: Mapping[str, Fraction]) -> list[str]:
    """Return the steps from the numbers to the value: ['9 × 2.25 = 20.25', '50 - 20.25 = 29.75'].

    Returns nothing where a step isn't one of the four operations, or has no finite decimal.
    """
    steps: list[str] = []

    def shown(node: ast.expr) -> str:
        if isinstance(node, ast.BinOp):
            sign = _SIGNS[type(node.op)]
            text = f" {sign} ".join(shown(part) for part in _operands(node))
            steps.append(f"{text} = {decimal(Fraction(_value(node, values)))}")
            return steps[-1].rpartition(" = ")[2]
        return {ast.Name: decimal, ast.Constant: decimal}[type(node)](Fraction(_value(node, values)))

    try:
        shown(_parse(expression))
    except (KeyError, ValueError):
        return []
    return steps


def decimal(number: Fraction) -> str:
    """Return a number as a plain decimal: '12', '2.5'. Raises ValueError if it has infinitely many decimals."""
    if number.denominator == 1:
        return str(number.numerator)
    text = f"{(Decimal(number.numerator) / Decimal(number.denominator)).normalize():f}"
    if Fraction(text) != number:
        raise ValueError(f"{number} is no finite decimal")
    return text


def holds(condition: str, values: Mapping[str, Fraction]) -> bool:
    """Return whether a condition such as 'n > 2 and n % 5 != 0' is true; an empty one is."""
    return not condition or bool(_value(_parse(condition), values))


def _operands(node: ast.expr, op: type[ast.operator] | None = None) -> list[ast.expr]:
    """Return the operands of a sum or product: [a, b, c] for a + b + c; the two of a difference or quotient."""
    if not isinstance(node, ast.BinOp) or op not in {None, type(node.op)}:
        return [node]
    chained = type(node.op) if isinstance(node.op, ast.Add | ast.Mult) else ast.Pow  # none of ours is a power
    return [*_operands(node.left, chained), *_operands(node.right, chained)]


@cache
def number_range(spec: str) -> list[Fraction]:
    """Return the numbers that '3..12', '5..60/5', or '[10, 20]' stand for."""
    if spec.startswith("["):
        return [Fraction(part.strip()) for part in spec[1:-1].split(",")]
    low, _, rest = spec.partition("..")
    high, _, step = rest.partition("/")
    first, width = Fraction(low), Fraction(step or 1)
    return [first + i * width for i in range(int((Fraction(high) - first) / width) + 1)]


@lru_cache(4096)
def _parse(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _value(node: ast.expr, values: Mapping[str, Fraction]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number):
            return Fraction(str(number))
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -Fraction(_value(operand, values))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](Fraction(_value(left, values)), Fraction(_value(right, values)))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](Fraction(_value(left, values)), Fraction(_value(right, values)))
        case ast.BoolOp(op=op, values=parts):
            found = (bool(_value(part, values)) for part in parts)
            return all(found) if isinstance(op, ast.And) else any(found)
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*(Fraction(_value(argument, values)) for argument in arguments))
    raise ValueError(f"can't be evaluated: {ast.unparse(node)}")
