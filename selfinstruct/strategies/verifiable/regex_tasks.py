"""Tasks for regular expressions: a form of texts, texts that have it, and texts that nearly have it."""

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from ...core.records import GroundTruth
from .python_tasks import MAX_PARTS, draw_wording
from .task import Task

_Class = tuple[str, str, str, str, str, str]
# Each class of characters: its pattern, its members, characters that nearly belong to it, and its name in English, one
# and several, and in Chinese.
_CLASSES: tuple[_Class, ...] = (
    ("[A-Z]", string.ascii_uppercase, "abz0", "upper-case letter A-Z", "upper-case letters A-Z", "大写字母 A-Z"),
    ("[a-z]", string.ascii_lowercase, "ABZ9", "lower-case letter a-z", "lower-case letters a-z", "小写字母 a-z"),
    ("[0-9]", string.digits, "aAx", "digit 0-9", "digits 0-9", "数字 0-9"),
    (
        *("[0-9a-f]", string.digits + "abcdef", "ghA"),
        *("digit or letter 0-9, a-f", "digits or letters 0-9, a-f", "字符 0-9 或 a-f"),
    ),
    ("[01]", "01", "2379", "digit 0 or 1", "digits 0 or 1", "数字 0 或 1"),
    ("[aeiou]", "aeiou", "bxyA", "vowel (a, e, i, o, u)", "vowels (a, e, i, o, u)", "元音字母（a、e、i、o、u）"),
)
_MARKS = {
    "-": ("a hyphen", "连字符"),
    "/": ("a slash", "斜杠"),
    ":": ("a colon", "冒号"),
    ".": ("a dot", "点"),
    "_": ("an underscore", "下划线"),
    "#": ("a hash sign", "井号"),
    "+": ("a plus sign", "加号"),
    "@": ("an at sign", " at 符号"),
}
_ENDINGS = (("kg", "g"), ("am", "pm"), ("px", "em"), ("GB", "MB", "KB"), ("north", "south"), ("yes", "no"))
_COUNTS_EN = ("no", "one", "two", "three", "four", "five", "six")
_MATCHING, _OTHERS = 10, 24
_STRANGER = 2


@dataclass(frozen=True, slots=True)
class _PatternPart:
    """A part of the form: its pattern, its words by language, its token, and a function that writes it.

    write: (random, what is wrong) -> text. -1: a character is missing; 1: there is one too many; `_STRANGER`: one only
    nearly belongs to the class; 0: nothing is wrong.
    """

    pattern: str
    words: Mapping[str, str]
    token: str
    write: Callable[[Random, int], str]


def draw_regex(random: Random, language: str, max_parts: int = MAX_PARTS) -> Task:
    """Draw a task for a regular expression."""
    while True:
        parts = _draw_parts(random, max_parts)
        pattern = "".join(each.pattern for each in parts)
        matching, others = _texts(parts, pattern, random)
        if len(matching) == _MATCHING and len(others) == _OTHERS:
            break
    joiner = {"en": ", then ", "zh": "，接着是"}[language]
    form = joiner.join(each.words[language] for each in parts)
    cases = [{"input": text, "result": True} for text in matching]
    cases += [{"input": text, "result": False} for text in others]
    only, template = draw_wording("regex", language, random)
    return Task(
        template.format(form=form),
        "",
        GroundTruth("code", json.dumps({"language": "regex", "only": only, "cases": cases}, ensure_ascii=False)),
        " ".join(each.token for each in parts),
        f"```\n{pattern}\n```",
    )


def _draw_parts(random: Random, max_parts: int) -> list[_PatternPart]:
    """Draw characters of two to `max_parts` classes, most of them with a mark between, and perhaps an ending."""
    parts: list[_PatternPart] = []
    kinds = random.sample(_CLASSES, random.choice([each for each in (2, 3, 3, 4) if each <= max_parts]))
    for number, kind in enumerate(kinds):
        if number and (random.random() < 0.7 or _overlap(kinds[number - 1], kind)):
            parts.append(_mark(random.choice(list(_MARKS))))
        parts.append(random.choice((_some, _some, _some, _list))(kind, random))
    if random.random() < 0.5:
        ending = random.choice((_optional, _word))
        parts.append(ending(kinds[0], random))
    return parts


def _overlap(one: _Class, other: _Class) -> bool:
    return bool(set(one[1]) & set(other[1]))


def _mark(mark: str) -> _PatternPart:
    en, zh = _MARKS[mark]
    words = {"en": f"{en} ({mark})", "zh": f"一个{zh}（{mark}）"}
    return _PatternPart(f"\\{mark}" if mark in ".+" else mark, words, en.split()[1], lambda *_: mark)


def _some(kind: _Class, random: Random) -> _PatternPart:
    """Return a number of characters of one class: exactly so many, from so many to so many, or at least so many."""
    pattern, members, strangers, one, several, zh = kind
    least = random.choice((1, 2, 3, 4))
    most = random.choice((least, least, least + 1, least + 2, None))
    en = one if most == 1 else several
    if most is None:
        words, times = {"en": f"{_COUNTS_EN[least]} or more {several}", "zh": f"至少 {least} 个{zh}"}, f"{{{least},}}"
    elif most == least:
        words, times = {"en": f"{_COUNTS_EN[least]} {en}", "zh": f"{least} 个{zh}"}, f"{{{least}}}"
    else:
        words = {"en": f"{_COUNTS_EN[least]} to {_COUNTS_EN[most]} {several}", "zh": f"{least} 到 {most} 个{zh}"}
        times = f"{{{least},{most}}}"

    def write(random: Random, wrong: int) -> str:
        last = most or least + 3
        count = {-1: least - 1, 1: last + 1}.get(wrong, random.choice((least, last)))
        return _characters(members, strangers if wrong == _STRANGER else "", count, random)

    token = "".join(filter(str.isalnum, pattern)) + "x" + "".join(filter(str.isalnum, times))
    return _PatternPart(pattern + times.replace("{1}", ""), words, token.lower(), write)


def _characters(members: str, strangers: str, count: int, random: Random) -> str:
    """Return members of a class; if there are strangers, one is among them."""
    found = random.choices(members, k=count)
    if strangers:
        found[random.randrange(count)] = random.choice(strangers)
    return "".join(found)


def _list(kind: _Class, random: Random) -> _PatternPart:
    """Return groups of characters of one class, separated by commas."""
    pattern, members, strangers, _, several, zh = kind
    size = random.choice((2, 3))
    words = {
        "en": f"one or more groups of exactly {_COUNTS_EN[size]} {several}, separated by commas without spaces",
        "zh": f"一个或多个以英文逗号分隔（无空格）的组，每组恰好 {size} 个{zh}",
    }

    def write(random: Random, wrong: int) -> str:
        groups = [_characters(members, "", size, random) for _ in range(random.choice((1, 2, 3)))]
        at = random.randrange(len(groups))
        if wrong == _STRANGER:
            groups[at] = _characters(members, strangers, size, random)
        else:
            groups[at] = _characters(members, "", size + wrong, random)
        return ",".join(groups)

    group = f"{pattern}{{{size}}}"
    return _PatternPart(
        f"{group}(?:,{group})*", words, f"list{size}{''.join(filter(str.isalnum, pattern)).lower()}", write
    )


def _optional(kind: _Class, random: Random) -> _PatternPart:
    """Return a mark and characters that may both be missing."""
    mark, part = _mark(random.choice(list(_MARKS))), _some(kind, random)
    words = {
        "en": f"optionally {mark.words['en']} followed by {part.words['en']}",
        "zh": f"可选的{mark.words['zh']}加{part.words['zh']}",
    }

    def write(random: Random, wrong: int) -> str:
        return mark.write(random, 0) + part.write(random, wrong) if wrong or random.random() < 0.6 else ""

    return _PatternPart(f"(?:{mark.pattern}{part.pattern})?", words, f"optional{mark.token}{part.token}", write)


def _word(kind: _Class, random: Random) -> _PatternPart:
    drawn = random.choice(_ENDINGS)
    quoted = [f"'{each}'" for each in drawn]
    words = {"en": f"one of {', '.join(quoted)}", "zh": f"{'、'.join(quoted)} 之一"}
    return _PatternPart(f"(?:{'|'.join(drawn)})", words, "".join(drawn).lower(), lambda random, _: random.choice(drawn))


def _texts(parts: Sequence[_PatternPart], pattern: str, random: Random) -> tuple[list[str], list[str]]:
    """Return texts of the form, and texts that nearly have it."""
    found: dict[bool, dict[str, None]] = {True: {}, False: dict.fromkeys(["", " "])}

    def add(text: str) -> None:
        found[re.fullmatch(pattern, text) is not None][text] = None

    def write(at: int = -1, wrong: int = 0) -> str:
        return "".join(part.write(random, wrong if number == at else 0) for number, part in enumerate(parts))

    # First each thing that can be wrong with each part.
    for at in range(len(parts)):
        for wrong in (-1, 1, _STRANGER):
            add(write(at, wrong))
    text = write()
    for each in (text + "x", text + "\n", " " + text, text + text):
        add(each)
    for _ in range(100):
        if len(found[True]) >= _MATCHING and len(found[False]) >= _OTHERS:
            break
        text = write()
        at = random.randrange(len(text) or 1)
        nearly = (text[:at] + text[at + 1 :], text[:at] + random.choice(" -x7,") + text[at + 1 :])
        add(text)
        add(random.choice(nearly))
    return [*found[True]][:_MATCHING], [*found[False]][:_OTHERS]
