"""Read a judge's marks from its answer: from the values of its JSON, or from its text where there is no JSON.

A mark is an integer from 1 to 5. An answer that states none, another scale, or two different marks for the same
criterion has no mark for it: a missing mark is better than a wrong one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

CRITERIA = ("clarity", "correctness", "helpfulness", "safety")

_MOST_OBJECTS = 100
"""Try to decode JSON at this many opening braces at most: each attempt may scan the rest of the answer."""


def _agreed(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a key that it has twice, with two values, has none."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        found[key] = value if found.get(key, value) == value else None
    return found


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_agreed)
# Keys of the mark in {"clarity": {"score": 5}}, of the scale in {"max_score": 10}, and of texts such as "clarity_note".
_VALUE_KEYS = "score mark rating value points grade 得分 分数 评分 punkte puntos 点数".split()
_SCALE_KEYS = re.compile(r"scale|max(?:imum)?(?:[_ ]?(?:score|mark|rating|points))?|out[_ ]of", re.IGNORECASE)
_TEXT_KEYS = r"(?!.*(?:reason|comment|expla|note|justif|rational|feedback|begründ|raison|motivo|理由|说明))"
_REASON_KEYS = re.compile(
    r"reason(?:ing)?|explanation|comment|justification|begründung|raison|motivo|理由", re.IGNORECASE
)

_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "一": 1, "二": 2, "三": 3, "四": 4, "五": 5}
_RANGE = r"\s*+(?:[-–—~～]|to|or|至|到|或)\s*+"
# The rubric's scale before a mark: '(1-5): 4', '1-5 scale: 5', 'out of 5: 4'.
_SCALE = rf"(?:[^\d\n:：=|]{{0,20}}(?:1{_RANGE}|(?:out of|/)\s*+)5(?!\d)[^\d\n]{{0,16}})?"
# A mark and what may follow: '4', '4.0', '**4**/5', 'four out of five', '5分', '4 (clear)'; not '4.5' or '4 typos'.
_MARK = re.compile(
    rf"[\s\"'*_`|(\[]*+(?:(?:score|mark|rating|得分|分数|评分)\W{{0,4}})?{_SCALE}"
    rf"(?P<mark>[1-5](?:\.0++)?(?!\d)|{'|'.join(_WORDS)})"
    rf"(?![.,]\d|{_RANGE}\d)[*_`\"']*+(?:\s*+(?:/|／|out of|of)\s*+(?:5|five|五)(?!\w|\.\d))?+"
    r"(?:\s*+(?:points?|stars?|分)(?!\w))?+"
    rf"(?=[ \t]*+(?:$|[\"'*_`|)\]}},;:.!<，。；：！、\\]|[-–—(（#]))",
    re.IGNORECASE | re.MULTILINE,
)
# Marks of another scale, wherever the text says so.
_OTHER_SCALE = re.compile(
    rf"(?:\b[01]{_RANGE}|out of |scale of |[/／]\s?|满分\s?)(?:10|20|100)\b|10\s?分制", re.IGNORECASE
)
# 'Total: 17/20': the sum of four marks
_TOTAL = re.compile(
    r"(?:total|sum|overall|总分|总计|合计)[^\d\n]{0,20}\d{1,2}(?:\.\d++)?\s?(?:[/／]|out of|of)\s?20\b", re.IGNORECASE
)
_FULL_WIDTH = {0xFF10 + digit: 0x30 + digit for digit in range(10)}
_NAMED = {
    name: re.compile(rf"[\"']?\b{name}\b[^\d\n:：=|]{{0,14}}{_SCALE}(?:[:：=|]| [-–—] )\s*+", re.IGNORECASE)
    for name in CRITERIA
}
_STATED_REASON = re.compile(
    r'"reason"\s*+:\s*+("(?:[^"\\]|\\.)*+")'
    r"|'reason'\s*+:\s*+[\"']((?:[^\"'\\\n]|\\.|[\"'](?!\s*+[,}]))*+)"
    r"|^(?![^\w\n]*+(?<=')reason')[^\w\n]*+(?:reason|理由)[^\w\n:：]*+[:：]\W*+(.+)",
    re.IGNORECASE | re.MULTILINE,
)


def read_marks(text: str) -> tuple[dict[str, int], str]:
    """Return the marks of an answer by criterion, without those that it doesn't state clearly, and the reason."""
    objects = list(json_objects(text))
    found = {name: [mark for each in objects for mark in _in_json(each, name)] for name in CRITERIA}
    if any(found.values()):
        if any(_other_scale(each) for each in objects):
            found = {}
        reason = next((value for each in objects for key, value in json_items(each) if _is_reason(key, value)), "")
    else:
        plain = text.translate(_FULL_WIDTH)
        other = _OTHER_SCALE.search(_TOTAL.sub("", plain))
        found = {} if other else {name: list(_in_text(plain, name)) for name in CRITERIA}
        reason = _reason_in(text)
    agreed = {name: marks[0] for name, marks in found.items() if len(set(marks)) == 1}
    return {name: mark for name, mark in agreed.items() if mark is not None}, " ".join(reason.split())


def json_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a text that aren't inside another one, in order."""
    place = -1
    for _ in range(_MOST_OBJECTS):
        place = text.find("{", place + 1)
        if place < 0:
            return
        try:
            value, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        yield value
        place = end - 1


def json_items(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of an object and of all objects and lists inside, outer ones first."""
    nodes = [value]
    for node in nodes:
        if isinstance(node, dict):
            yield from node.items()
            nodes += node.values()
        elif isinstance(node, list):
            nodes += node


def _in_json(value: dict[str, Any], name: str) -> Iterator[int | None]:
    """Yield what an object says about one criterion: a mark, or None for a value that is no mark.

    {"scores": {"Clarity": "5/5"}}, {"clarity": {"score": 5, "reason": "..."}}, [{"criterion": "clarity", "score": 5}]
    """
    named = re.compile(rf"\W*{name}(?![a-z]){_TEXT_KEYS}", re.IGNORECASE)
    for node in (value, *(inner for _, inner in json_items(value))):
        for each in node if isinstance(node, list) else [node]:
            if isinstance(each, dict):
                yield from (_value(inner) for key, inner in each.items() if named.match(key))
                if any(isinstance(inner, str) and inner.strip().lower() == name for inner in each.values()):
                    yield _value(each)


def _value(value: Any) -> int | None:
    """Return the mark that a JSON value stands for: 5, 5.0, "five", "5/5", {"score": 5}; None for others."""
    if isinstance(value, dict):
        return next((_value(inner) for key, inner in value.items() if key.strip().lower() in _VALUE_KEYS), None)
    if isinstance(value, str):
        match = _MARK.match(value := value.translate(_FULL_WIDTH))
        return _number(match["mark"]) if match and not _OTHER_SCALE.search(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value in (1, 2, 3, 4, 5) else None


def _in_text(text: str, name: str) -> Iterator[int | None]:
    """Yield what a text says about one criterion: a mark, or None for a number that is no mark.

    'Clarity (1-5): **4**', '| clarity | 4 |', "'clarity': 4". Of broken JSON, only quoted keys count: its reason
    may discuss the criterion, too.
    """
    matches = list(_NAMED[name].finditer(text))
    quoted = [match for match in matches if len(re.findall("[\"']", match[0])) > 1]
    for match in quoted or matches:
        mark = _MARK.match(text, match.end())
        if mark:
            yield _number(mark["mark"])
        elif re.compile(r"[\s\"'*_`|(\[]*+\d").match(text, match.end()):
            yield None


def _number(written: str) -> int:
    return _WORDS.get(written.lower()) or int(written[0])


def _other_scale(value: dict[str, Any]) -> bool:
    """Return whether an object names a scale that doesn't end at 5: {"scale": "1-10"}, {"max_score": 10}."""
    scales = [str(inner) for key, inner in json_items(value) if _SCALE_KEYS.fullmatch(key.strip())]
    return any(number[-1] != "5" for scale in scales if (number := re.findall(r"\d+", scale)))


def _is_reason(key: str, value: Any) -> bool:
    return isinstance(value, str) and _REASON_KEYS.fullmatch(key.strip()) is not None


def _reason_in(text: str) -> str:
    """Return the reason in a text; a local model may escape it wrongly, and then there is none."""
    stated = _STATED_REASON.search(text)
    try:
        if stated is not None and stated[1]:
            return str(json.loads(stated[1], strict=False))
        return "" if stated is None else stated[2] or stated[3] or ""
    except ValueError:
        return ""
