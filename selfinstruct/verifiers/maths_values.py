r"""Reads a mathematical value from a short text: numbers, units, choices, intervals, sets, tuples, ratios, times.

Everything is exact: '0.1' is 1/10, '1/3' stays 1/3, and '1.5 km' are 1500 m. A text that isn't understood completely
is no value (None), so that a comparison never rests on half of it: '2\sqrt{3}' isn't 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import NamedTuple

import regex

from ..core.shipped import shipped_yaml
from .notation import digits_for_words, spell, western_clock

MOST_CHARACTERS = 400
"""Longer texts are no value."""
_MOST_DIGITS = 100
_MOST_POWER = 1000  # the largest exponent that is computed


@dataclass(frozen=True)
class Value:
    """What a text says.

    kind: 'number', 'choice', 'words', 'ratio', 'clock', 'tuple', 'list', 'set', 'interval', or 'union'.
    content: a Fraction in base units, a letter, a text, or a tuple or frozenset of further values.
    unit: the dimension of a number, such as 'length'; '' for none.
    written: the number as it is written, before units are converted.
    optional: whether an answer may leave the unit out, because the expected value has it in brackets: '12 [km]'.
    """

    kind: str
    content: object
    unit: str = ""
    written: Fraction = field(default=Fraction(0), compare=False)
    optional: bool = field(default=False, compare=False)


def equal(expected: Value, answer: Value) -> bool:
    """Return whether an answer has the expected value; not symmetric: the expected value says if a unit is needed."""
    kinds = {expected.kind, answer.kind}
    if kinds == {"number"}:
        if answer.unit == expected.unit or (expected.unit == "" and answer.unit == "share"):
            return answer.content == expected.content
        if answer.unit == "" and expected.unit == "share" and not expected.optional:
            return answer.content == expected.content
        # The expected value decides: with a unit, the same is required; without one, the answer's is ignored.
        return answer.written == expected.written and (not expected.unit or (expected.optional and not answer.unit))
    if "list" in kinds and kinds <= {"list", "set", "tuple"}:
        # '1 and 2' may stand for the set {1, 2} or for the tuple (1, 2).
        one, other = (list(each.content) for each in (expected, answer))  # type: ignore[call-overload]
        return _pairwise(one, other) or ("tuple" not in kinds and _same_set(one, other))
    if kinds == {"set"}:
        return _same_set(list(expected.content), list(answer.content))  # type: ignore[call-overload]
    if len(kinds) == 1 and isinstance(expected.content, tuple) and isinstance(answer.content, tuple):
        return _pairwise(expected.content, answer.content)
    return expected.kind == answer.kind and expected.content == answer.content


def _pairwise(one: list[Value] | tuple[object, ...], other: list[Value] | tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(
        equal(a, b) if isinstance(a, Value) and isinstance(b, Value) else a == b
        for a, b in zip(one, other, strict=True)
    )


def _same_set(one: list[Value], other: list[Value]) -> bool:
    return all(any(equal(a, b) for b in other) for a in one) and all(any(equal(a, b) for a in one) for b in other)


_DECIMAL = (
    r"(?:\d{1,3}(?:[,']\d{3})+(?:\.\d+)?|\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}"
    r"|\d+(?:\.\d+)?|\.\d+)"
)
_SCALES = {
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "千": 10**3,
    "万": 10**4,
    "亿": 10**8,
}


@cache
def units() -> dict[str, tuple[str, Fraction]]:
    """Return the dimension and the factor to its base unit for each name."""
    return {
        spelling: (dimension, Fraction(str(factor)))
        for dimension, factors in shipped_yaml(__package__, "units.yaml").items()
        for factor, names in factors.items()
        for name in names.split()
        for spelling in (name.replace("_", " "), name.replace("_", " ").lower())
        if spelling == name.replace("_", " ") or len(name) > 2
    }


@cache
def _quantity() -> regex.Pattern[str]:
    """Return the pattern of a number with everything that belongs to it: '-$1,200.50', '2 1/2 cups'."""
    names = sorted(units(), key=len, reverse=True)
    spelled = "|".join(
        (rf"(?-i:{regex.escape(name)})" if len(name) < 3 else regex.escape(name))
        + (r"(?![A-Za-z])" if name[-1].isascii() and name[-1].isalpha() else "")
        for name in names
    )
    return regex.compile(
        rf"(?<![A-Za-z0-9_^/\\.'])(?:(?P<sign>(?<![\w)%]\s*)[-+])\s*)?(?:(?P<money>US\$|[$€£¥￥₹])\s*)?(?P<inner>-)?"
        rf"(?:(?P<whole>\d+)(?:\s+|-|\s+and\s+)(?P<top>\d+)\s*/\s*(?P<bottom>\d+)(?![\d.])"
        rf"|(?P<number>{_DECIMAL})(?![\d]|[.,]\d)(?:\s*/\s*(?P<over>{_DECIMAL})(?![\d]|[.,]\d))?"
        rf"(?:\^(?P<power>-?\d+)(?!\d)|[eE](?P<e>[-+]?\d+)(?!\d)|\s*[*xX]\s*10\^(?P<ten>-?\d+)(?!\d))?)"
        rf"(?:\s*(?P<scale>thousand|million|billion|trillion|千(?![米克])|万|亿)(?![a-z]))?"
        rf"(?:[\s-]*(?P<unit>(?i:{spelled})))?",
    )


def _number(found: regex.Match[str]) -> Fraction | None:
    """Return the number of a match of `_quantity`, without its unit; None if it is too large or divides by zero."""
    try:
        if found["whole"]:
            value = int(found["whole"]) + Fraction(int(found["top"]), int(found["bottom"]))
        else:
            value = _decimal(found["number"]) / (_decimal(found["over"]) if found["over"] else 1)
            exponent = int(found["power"] or found["e"] or found["ten"] or 0)
            if abs(exponent) > _MOST_POWER or len(found["number"]) > _MOST_DIGITS:
                return None
            value = value**exponent if found["power"] else value * Fraction(10) ** exponent
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    negative = (found["sign"] == "-") != bool(found["inner"])
    return (-value if negative else value) * _SCALES.get(found["scale"] or "", 1)


def _decimal(digits: str) -> Fraction:
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", digits):  # '1.234,56', '1.234.567'
        digits = digits.replace(".", "").replace(",", ".")
    return Fraction(digits.replace(",", "").replace("'", ""))


# What may follow a number without a meaning of its own: '12 apples', '3 more red pens'. Not '3 or 4' or '2 per day'.
_NOUN = re.compile(
    r"\s*(?:[-\s]?(?!(?:or|and|to|per|plus|minus|times|of|over|x|或|和|到|至|每)\b)[^\W\d_]{2,}[.,]?){0,8}"
)
_HAN_NOUN = re.compile(r"\s*(?![或和到至每])[\u4e00-\u9fff]{0,12}")
# A number that is part of a formula is no value: '2 * 3', '4!', '3x', '2√3'.
_PER = re.compile(r"\s*(?:/\s*|per\s+|an?\s+|每)([^\W\d_]+)")
_BELOW_ZERO = re.compile(r"(?:\s*(?:celsius|fahrenheit))?\s+below\s+(?:zero|0)\b", re.IGNORECASE)
_JOINED = re.compile(r"\s*(?:,|and|,\s*and)?\s*|零")
_FORMULA_BEFORE = re.compile(r"[+*/^√(\\]\s*$|[\d)]\s*-\s*$")
_FORMULA_AFTER = re.compile(r"\s*[+*^!√\\(/]|[A-Za-z_{]|\s*-\s*\d")


class Quantity(NamedTuple):
    """A value, and its place in a spelled text, a unit such as 'per hour' included."""

    value: Value
    start: int
    end: int


def quantities(text: str) -> list[Quantity]:
    """Return the quantities of a spelled text that aren't part of a formula."""
    found: list[Quantity] = []
    for match in _quantity().finditer(text):
        start, end = match.span()
        number = _number(match)
        if number is None or _FORMULA_BEFORE.search(text, 0, start):
            continue
        name = (match["money"] or "").removeprefix("US") or match["unit"] or ""
        # '60 miles per gallon' has a unit of its own, which is compared as it is written; '$5 per person' are dollars.
        per = _PER.match(text, end) if name else None
        end = per.end() if per else end
        if per and per[1].lower() in units():
            rate = f"{name} per {per[1]}".lower()
            dimension, factor = units().get(rate, (rate, Fraction(1)))  # '20 km an hour' is '20 km/h'
            value = Value("number", number * factor, dimension, number)
        elif _FORMULA_AFTER.match(text, end):
            continue
        else:
            dimension, factor = _unit(name)
            if dimension.startswith(("angle", "temperature")) and (below := _BELOW_ZERO.match(text, end)):
                number, end = -abs(number), below.end()
            value = Value("number", number * factor, dimension, number)
        # '2 hours and 30 minutes' is one quantity.
        if found and not match["money"] and _JOINED.fullmatch(text, found[-1].end, start):
            last = found[-1].value
            if last.unit == value.unit != "" and _factor(value) < _factor(last):
                value = Value("number", _fraction(last) + _fraction(value), value.unit, last.written)
                start = found.pop().start
        found.append(Quantity(value, start, end))
    return found


def _unit(name: str) -> tuple[str, Fraction]:
    """Return the dimension of a unit and its factor to the base unit."""
    known = units()
    return known.get(name) or known.get(name.lower()) or ("", Fraction(1))


def _fraction(value: Value) -> Fraction:
    assert isinstance(value.content, Fraction)
    return value.content


def _factor(value: Value) -> Fraction:
    return _fraction(value) / value.written if value.written else Fraction(0)


_NAMED = re.compile(r"^\s*\\?[A-Za-z](?:_\{?\w+\}?|\([a-z]\))?\s*(?:=|∈)\s*(?=\S)")
_ABOUT = re.compile(r"^(?:≈|about|approximately|around|roughly|exactly|约|大约|共|一共)\s*", re.IGNORECASE)
_CHOICE = re.compile(
    r"(?:(?:option|choice|answer|选项?|答案)\s*)?(?:\(([A-Ja-j])\)|([A-J])(?![\w'’])[.):,]?)(?:\s.*|[.):、,].*)?",
    re.IGNORECASE,
)
_PLAIN_CHOICE = re.compile(r"\(?([A-J])\)?\.?")
_WORDS = re.compile(r"[^\W\d_]{2,}(?:[ '’-][^\W\d_]+)*")
_SHORT_WORDS = frozenset("yes no sat sun mon tue wed thu fri odd even red".split())
_WEEKDAY = re.compile(r"(?:星期|礼拜|周)([一二三四五六日天])")
_PROSE = re.compile(r"[^\W\d_]{2,} [^\W\d_]{2,}")
_MATHS_WORDS = frozenset(
    "pi sqrt sin cos tan log ln exp infinity inf infty theta alpha beta cot sec csc det deg".split()
)
_CLOCK = re.compile(
    r"(\d{1,2})(?::(\d{2}))?\s*([ap])\.?\s?m\.?|(\d{1,2}):(\d{2})(?:\s*(?:o'clock|hours))?", re.IGNORECASE
)
_RATIO = re.compile(r"(\d+(?:\.\d+)?)(?:\s*:\s*|\s+to\s+)(\d+(?:\.\d+)?)")
_OPTIONAL_UNIT = re.compile(r"(?<=\S)\s*\[([^\[\]\d][^\[\],]*)\]$")
_INFINITE = {
    "∞": "inf",
    "+∞": "inf",
    "-∞": "-inf",
    "inf": "inf",
    "-inf": "-inf",
    "infinity": "inf",
    "-infinity": "-inf",
}
_INEQUALITY = re.compile(
    r"(?:(?P<low>[^<>≤≥]+?)\s*(?P<left><=?|≤))?\s*[A-Za-z]\s*(?P<right><=?|≤|>=?|≥)\s*(?P<high>[^<>≤≥]+)"
)


def parse_value(text: str, choice: bool = False) -> Value | None:
    """Return the value that a whole text says, or None. choice: whether one of the letters A to J is expected."""
    if len(text) > MOST_CHARACTERS:
        return None
    text = spell(text).strip(' 。,;?？"“”').removesuffix(".")
    text = re.sub(r"(?<=[^\W\d_]{2})!$", "", text)  # '12 apples!', but '4!' is a factorial
    if choice:
        found = _CHOICE.fullmatch(text) or re.fullmatch(r"([a-j])()", text)
        return Value("choice", (found[1] or found[2]).upper()) if found else None
    text = _ABOUT.sub("", _NAMED.sub("", text))
    if found := _PLAIN_CHOICE.fullmatch(text):
        return Value("choice", found[1])
    if optional := _OPTIONAL_UNIT.search(text):
        value = parse_value(f"{text[: optional.start()]} {optional[1]}")
        return value and Value(value.kind, value.content, value.unit, value.written, optional=True)
    return _clock(text) or _several(text) or _single(text)


def _weekday(found: re.Match[str]) -> str:
    return "星期" + found[1].replace("天", "日")


def _clock(text: str) -> Value | None:
    """Return '3:45 PM' and '15:45' as minutes after midnight, and '3:4' or '3 to 4' as a ratio."""
    text = western_clock(text)
    if (found := _CLOCK.fullmatch(text)) and int(found[1] or found[4]) < 24 and int(found[2] or found[5] or 0) < 60:
        hour, minute = int(found[1] or found[4]), int(found[2] or found[5] or 0)
        if found[3]:
            hour = hour % 12 + 12 * (found[3].lower() == "p")
        return Value("clock", hour * 60 + minute)
    if (found := _RATIO.fullmatch(text)) and Fraction(found[2]):
        return Value("ratio", Fraction(found[1]) / Fraction(found[2]))
    return None


def _single(text: str) -> Value | None:
    """Return a text that is one quantity, with a noun or without, or a few words."""
    if _WORDS.fullmatch(text) and not _MATHS_WORDS & set(text.lower().split()):
        words = digits_for_words(text)
        if not words.lstrip("-")[:1].isdigit():  # '星期五' has a numeral, but is no number
            # Two or three letters may be a product of variables.
            known = len(text) > 3 or not text.isascii() or text.lower() in _SHORT_WORDS
            return Value("words", _WEEKDAY.sub(_weekday, text.casefold())) if known else None
        text = words
    if not any(map(str.isdigit, text)):
        text = digits_for_words(text)
    found = quantities(text)
    if len(found) != 1 or found[0].start > 0:
        return None
    noun = text[found[0].end :]
    return found[0].value if _NOUN.fullmatch(noun) or _HAN_NOUN.fullmatch(noun) else None


def _several(text: str) -> Value | None:
    """Return an interval, a union, a set, a tuple, or a list of values."""
    if "∪" in text:
        members = [parse_value(part) for part in text.split("∪")]
        known = [part for part in members if part and part.kind in ("interval", "set")]
        return Value("union", frozenset(map(_comparable, known))) if len(known) == len(members) else None
    if found := _INEQUALITY.fullmatch(text):
        return _inequality(found)
    if text.startswith("±"):
        value = _single(text[1:].strip())
        return value and _of("set", [value, Value("number", -_fraction(value), value.unit, -value.written)])
    opening, closing = text[:1], text[-1:]
    if opening in "([{" and closing in ")]}" and opening and len(text) > 2:
        parts = _split(text[1:-1])
        if opening == "{" and closing == "}":
            return _of("set", [_end(part) for part in parts])
        if len(parts) == 2 and (opening + closing != "()" or any(part.strip() in _INFINITE for part in parts)):
            ends = [_end(part) for part in parts]
            return None if None in ends else Value("interval", (opening, *ends, closing))
        return _of("tuple", [_end(part) for part in parts]) if opening + closing == "()" and len(parts) > 1 else None
    parts = re.split(r"\s*[,;](?!\d{3}\b)\s*(?:and\b|or\b)?|\s+(?:and|or)\s+|\s*[和或]\s*", text)
    if len(parts) > 1 and (re.search(r"\d\s+and\s+\d+/\d", text) is None):
        one = _single(text)  # '2 hours and 30 minutes', '1,234 and 5/6'
        return one or _of("list", [None if _PROSE.search(part) else parse_value(part) for part in parts])
    return None


def _split(inner: str) -> list[str]:
    """Return the members of a set, a tuple, or an interval: split at ', ' or ';', or at every comma without these."""
    return re.split(r"\s*;\s*|,\s+", inner) if re.search(r";|,\s", inner) else inner.split(",")


def _end(text: str) -> Value | None:
    text = text.strip()
    return Value("words", _INFINITE[text]) if text in _INFINITE else parse_value(text)


def _of(kind: str, members: list[Value | None]) -> Value | None:
    known = [member for member in members if member is not None]
    return Value(kind, tuple(known)) if known and len(known) == len(members) else None


def _inequality(found: re.Match[str]) -> Value | None:
    """Return '1 < x ≤ 2' and 'x > 3' as intervals."""
    low, left, right, high = (found[name] for name in ("low", "left", "right", "high"))
    first, second = _end(low) if low else None, _end(high)
    if second is None or (low and (first is None or right.startswith((">", "≥")))):
        return None
    closed = right in ("<=", "≤", ">=", "≥")
    if right.startswith((">", "≥")):
        return Value("interval", ("[" if closed else "(", second, Value("words", "inf"), ")"))
    opening = "[" if left in ("<=", "≤") else "("
    return Value("interval", (opening, first or Value("words", "-inf"), second, "]" if closed else ")"))


def _comparable(value: Value) -> Value:
    return Value(value.kind, frozenset(value.content)) if value.kind == "set" else value  # type: ignore[call-overload]
