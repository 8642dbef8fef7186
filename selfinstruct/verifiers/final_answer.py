"""Finds the part of an answer that states its result: boxed, marked, in bold, or at the end of its last line."""

from __future__ import annotations

import re

from .maths_values import Value, parse_value, quantities
from .notation import digits_for_words, spell, western_clock

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
# 'The final answer is: 12', '**Answer:** B', '#### 42', '答案是12', '所以选B'.
_MARKED = re.compile(
    r"(?:(?<!this )(?<!your )\banswer\b\W{0,6}(?:is|was|would be|=|:|：)|####"
    r"|(?:答案|结果)\s*\W{0,4}(?:是|为|应为|：|:)"
    r"|(?:应选|故选|所以选|选择|选)(?=\s*[（(]?[A-J]))"
    r"[\s:：*_]*(?P<rest>[^\n]+)",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_FORMULA = re.compile(r"\$\$?([^$\n]+)\$\$?(?!\d)|\\[(\[](.+?)\\[)\]]", re.DOTALL)
# The end of a sentence, but not the point of a decimal or the colon of a time.
_SENTENCE_END = re.compile(r"[.!?](?:\s+|$)|[。！？；]|;\s")
_REMARK = re.compile(r"\([^()]*\)")
_EQUALS = re.compile(r"(?<![<>≤≥!])[=＝≈]")
_HEDGED = re.compile(r"\b(?:or|either)\b|或", re.IGNORECASE)
_TIMES = re.compile(r"\d{1,2}[:：]\d{2}(?:\s*[ap]\.?m\b\.?)?|\d{1,2}\s*[ap]\.?m\b\.?|\d+\s*[:：]\s*\d+", re.IGNORECASE)
# Words of which a sentence may name several; the last one is the answer: 'not on Monday but on Tuesday'.
_ALIKE = [
    tuple(words.split())
    for words in (
        "monday tuesday wednesday thursday friday saturday sunday",
        "星期一 星期二 星期三 星期四 星期五 星期六 星期日 星期天",
        "周一 周二 周三 周四 周五 周六 周日",
        "january february march april may june july august september october november december",
        "yes no true false",
    )
]
MOST_ANSWER_CHARACTERS = 50_000
"""Only the end of a longer answer is read."""
_MOST_LINES, _MOST_LINE_CHARACTERS = 100, 600


def final_answer(text: str, expected: str | None) -> str | None:
    """Return the part of a text that states its final answer, or None.

    In this order: the last \\\\boxed{}; what follows the last 'The answer is' or '答案是'; the last bold text, or else
    the last formula, quantity, or letter of a choice, in the last line that has one.

    Args:
        text: An answer.
        expected: The expected value, of which only the kind matters: of several quantities in a sentence, the
            last one of the expected unit answers.
    """
    text = text[-MOST_ANSWER_CHARACTERS:]
    wanted = parse_value(expected) if expected is not None else None
    if boxed := list(_BOXED.finditer(text)):
        return _braced(text, boxed[-1].end()).strip() or None
    for marked in reversed(list(_MARKED.finditer(text))[-_MOST_LINES:]):
        if phrase := _phrase(marked["rest"][:_MOST_LINE_CHARACTERS], wanted, marked=True):
            return phrase
    lines = [line for line in text.split("\n") if line.strip()]
    for line in reversed(lines[-_MOST_LINES:]):
        if phrase := _stated(line[-_MOST_LINE_CHARACTERS:], wanted):
            return phrase
    return None


def states_result(text: str) -> bool:
    """Return whether a text says which value is its result: in a box, behind a marker or '=', or as all of its text."""
    text = text[-MOST_ANSWER_CHARACTERS:].strip()
    last = text.rpartition("\n")[2][-_MOST_LINE_CHARACTERS:]
    marked = _BOXED.search(text) or _MARKED.search(text) or _EQUALS.search(last) or _is_answer(text, None, False)
    return bool(marked and re.search(r"\d|\\|^\W*[A-J]\W*$", final_answer(text, None) or ""))


def _stated(line: str, wanted: Value | None) -> str | None:
    """Return the answer that a line without any marker states."""
    for bold in reversed(_BOLD.findall(line)):
        if phrase := _phrase(bold, wanted):
            return phrase
    return _phrase(line, wanted)


def _phrase(text: str, wanted: Value | None, marked: bool = False) -> str | None:
    """Return the value in a phrase: all of it, what follows its last '=', or its last quantity of the expected unit."""
    choice = wanted is not None and wanted.kind == "choice"
    text = text.strip(" \t*_#>")
    if _is_answer(text, wanted, marked):
        return text
    if choice:
        letters = re.findall(r"(?<![\w'’])\(?([A-J])\)?(?![\w'’])(?!\s+[a-z])|\(([A-J])\)", text)
        return letters[-1][0] or letters[-1][1] if letters else None
    sentences = [sentence for sentence in _SENTENCE_END.split(text) if sentence and sentence.strip()]
    for sentence in reversed(sentences):
        if phrase := _in_sentence(sentence.strip(), wanted):
            return phrase
    return None


def _is_answer(text: str, wanted: Value | None, marked: bool) -> bool:
    """Return whether a whole text is a value; words are one only behind a marker, or where one or two are expected."""
    value = parse_value(text, wanted is not None and wanted.kind == "choice")
    if value is None or not (value.kind == "words" or (value.kind == "list" and "words" in str(value.content))):
        return value is not None
    return marked if wanted is None else wanted.kind == value.kind and text.count(" ") < 2


def _in_sentence(text: str, wanted: Value | None) -> str | None:
    if _EQUALS.search(text) and not parse_value(text):
        text = _EQUALS.split(text)[-1].strip(" *_")
    if _is_answer(text, wanted, False):
        return text
    if wanted is not None and wanted.kind == "words":
        alike = next((words for words in _ALIKE if wanted.content in words), ())
        return (
            max(alike, key=text.casefold().rfind, default=text)
            if any(word in text.casefold() for word in alike)
            else text
        )
    if wanted is not None and wanted.kind in ("clock", "ratio"):
        times = _TIMES.findall(western_clock(text))
        return str(times[-1]) if times else None
    formulas = [first or second for first, second in _FORMULA.findall(text)]
    if formulas and not _looks_like_money(text):
        return str(formulas[-1]).split("=")[-1].strip()
    spelled = spell(text)
    if "\\" in spelled or re.search(r"[√π∪]", spelled) or (wanted is not None and wanted.kind not in ("number",)):
        return text
    outside = _REMARK.sub(" ", spelled)  # '48 boxes (47 full ones, and one with 6 mugs)'
    spelled = outside if quantities(outside) else spelled
    if not (found := quantities(spelled)):
        found = quantities(spelled := digits_for_words(spelled))
    if not found or _HEDGED.search(spelled):
        return None
    of_unit = [each for each in found if wanted is not None and wanted.unit and each.value.unit == wanted.unit]
    chosen = (of_unit or found)[-1]
    return spelled[chosen.start : chosen.end]


def _braced(text: str, start: int) -> str:
    """Return what is in braces that opened before `start`; the rest of the text if they aren't closed."""
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return text[start:]


def _looks_like_money(text: str) -> bool:
    """Return whether the dollar signs of a sentence are amounts: 'from $12 to $15'."""
    return "$" in spell(text)
