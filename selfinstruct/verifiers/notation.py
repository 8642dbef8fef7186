"""Brings mathematical notation into one spelling: digits of any script, LaTeX, and words become plain ASCII."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

_SIGNS = str.maketrans(dict(zip("−–‒﹣×✕✖⋅∙÷∕⁄٫٬٪’′≦≧、", "----*****///.,%''≤≥,", strict=True)))
_SUPERSCRIPT = re.compile("[⁰¹²³⁴-⁹⁻]+")
_THIN_SPACE = re.compile("(?<=\\d)[\u00a0\u2009\u202f\u2007](?=\\d{3})")
_LATEX: list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = [
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\left\s*|\\right\s*|\\[bB]igg?[lr]?\s*|\\displaystyle|\\[()\[\]]"), ""),
    (re.compile(r"\\[,;:! ]|~|\\quad|\\qquad|&nbsp;"), " "),
    (re.compile(r"\\([%$&#{}])"), r"\1"),
    (re.compile(r"\^\s*\{?\s*\\circ\s*\}?|\\degree|\\textdegree"), "°"),
    (re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|operatorname|textrm|mathit)\s*\{([^{}]*)\}"), r" \1"),
    (re.compile(r"\\(?:times|cdot|ast)\b"), "*"),
    (re.compile(r"\\(?:infty|infin)\b"), "∞"),
    (re.compile(r"\\(?:le|leq|leqslant)\b"), "≤"),
    (re.compile(r"\\(?:ge|geq|geqslant)\b"), "≥"),
    (re.compile(r"\\(?:lt)\b"), "<"),
    (re.compile(r"\\(?:gt)\b"), ">"),
    (re.compile(r"\\(?:cup)\b"), "∪"),
    (re.compile(r"\\(?:pm)\b"), "±"),
    (re.compile(r"\\in\b"), "∈"),
    (re.compile(r"\\(?:div)\b"), "/"),
    (re.compile(r"\\(?:approx|simeq)\b"), "≈"),
    (re.compile(r"\\[dtc]frac"), r"\\frac"),
    (re.compile(r"\\frac\s*(\d)\s*(\d)"), r" \1/\2"),
    (re.compile(r"\\frac\s*\{\s*([\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}"), r" \1/\2"),
    (re.compile(r"\\frac\s*\{\s*-\s*([\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}"), r" -\1/\2"),
    (re.compile(r"\^\s*\{\s*(-?\d+)\s*\}|\^\s*\((-?\d+)\)"), lambda found: "^" + (found[1] or found[2])),
    (re.compile(r"\*\*(?=-?\d)(?<=\d\*\*)"), "^"),
    (re.compile(r"(\d)\s*角\s*(\d)\s*分"), r"\1.\2角"),
]
_DOLLARS = re.compile(r"\$\$?([^$]*)\$\$?(?!\d)")
_LONG_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{3,}")
_MARKDOWN = re.compile(r"\*\*|__|`")


def spell(text: str) -> str:
    r"""Return a text with its digits, signs, and LaTeX in one spelling.

    >>> spell("$\\dfrac{3}{4}$"), spell("１２½ km²"), spell("٣٫٥")
    ('3/4', '12 1/2 km^2', '3.5')
    """
    text = "".join(map(_plain, text)) if not text.isascii() else text
    text = _THIN_SPACE.sub("'", text.translate(_SIGNS))
    # '$12$' and '$$x$$' are formulas; '$12 and $3' are two amounts.
    text = _DOLLARS.sub(lambda found: found[0] if _LONG_WORD.search(found[1]) else f" {found[1]} ", text)
    for pattern, replacement in _LATEX:
        text = pattern.sub(replacement, text)
    return _MINUS.sub(lambda found: f"{found[1] or ''}-", " ".join(_MARKDOWN.sub("", text).split()))


def _plain(char: str) -> str:
    """Return digits of any script in ASCII: '३' is '3', '½' is ' 1/2', '²' is '^2', 'Ａ' is 'A'."""
    if _SUPERSCRIPT.fullmatch(char):
        return "^-" if char == "⁻" else "^" + unicodedata.normalize("NFKC", char)
    if unicodedata.category(char) == "Nd":
        return str(unicodedata.digit(char))
    if unicodedata.category(char) == "No" and "⁄" in (split := unicodedata.normalize("NFKC", char)):
        return " " + split.replace("⁄", "/")
    return chr(ord(char) - 0xFEE0) if "\uff01" <= char <= "\uff5e" else char  # full width


_HAN_DIGITS = {
    char: value
    for value, chars in enumerate(("零〇", "一", "二两", "三", "四", "五", "六", "七", "八", "九"))
    for char in chars
}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1000}
_HAN_SCALES = {"万": 10**4, "亿": 10**8}
_HAN = "零〇一二两三四五六七八九十百千万亿"
_HAN_NUMBER = re.compile(
    rf"(负?)(?:(百)分之)?(?!一[共起样些定般直])([{_HAN}]{{1,40}})(?:点([零〇一二三四五六七八九]{{1,40}}))?(?:分之([{_HAN}]{{1,40}}))?"
)
_HAN_CLOCK = re.compile(r"(\d{1,2})[时点](\d{1,2})分?", re.ASCII)
_SMALL = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split(),
        range(20),
        strict=True,
    )
) | dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
_WORD_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
_WORD = "|".join([*_SMALL, *_WORD_SCALES])
# 'minus 20', 'is negative twenty', '零下20'; not '10 minus 3'
_MINUS = re.compile(
    r"((?:^|[:=,(（：，]|\b(?:is|was|are|be|to|at|of|about|equals|reads|and|or|than|not))\s*)"
    rf"(?:\b(?:minus|negative)\s+(?=[\d.$€£¥]|(?:{_WORD})\b))|零下(?=\s*\d)",
    re.IGNORECASE,
)
_IN_WORDS = re.compile(rf"\b(?:{_WORD})(?:(?:[\s-]+|\s+and\s+)(?:{_WORD})){{0,40}}\b", re.IGNORECASE)


def digits_for_words(text: str) -> str:
    """Return a text with the numbers that are written as words, in English or Chinese, in digits.

    >>> digits_for_words("one hundred and twenty-five"), digits_for_words("三百零五"), digits_for_words("四分之三")
    ('125', '305', '3/4')
    """
    return _IN_WORDS.sub(lambda found: str(_english(found[0].lower())), _HAN_NUMBER.sub(_chinese, text))


def western_clock(text: str) -> str:
    """Return a text with times of day such as '13点05分' as '13:05'."""
    return _HAN_CLOCK.sub(lambda found: f"{found[1]}:{int(found[2]):02}", text)


def _english(words: str) -> int:
    total = part = 0
    for word in re.findall(_WORD, words):
        if word in _SMALL:
            part += _SMALL[word]
        elif word == "hundred":
            part = (part or 1) * 100
        else:
            total, part = total + (part or 1) * _WORD_SCALES[word], 0
    return total + part


def _chinese(found: re.Match[str]) -> str:
    sign, share, number, decimals, over = found.groups()
    whole = str(_han(number))
    if over:  # '四分之三': the denominator comes first
        whole = f"{_han(over)}/{whole}"
    if decimals:
        whole += "." + "".join(str(_HAN_DIGITS[char]) for char in decimals)
    return ("-" if sign else "") + whole + ("%" if share else "")


def _han(number: str) -> int:
    if all(char in _HAN_DIGITS for char in number):  # '二〇二六', digit by digit
        return int("".join(str(_HAN_DIGITS[char]) for char in number))
    total = section = digit = 0
    for char in number:
        if char in _HAN_DIGITS:
            digit = _HAN_DIGITS[char]
        elif char in _HAN_UNITS:
            section, digit = section + (digit or 1) * _HAN_UNITS[char], 0
        else:
            total, section, digit = (total + section + digit or 1) * _HAN_SCALES[char], 0, 0
    return total + section + digit
