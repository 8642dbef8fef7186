"""Find the parts of a sentence that a question can ask for: numbers, paths, options, names; each with its type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .statements import words

_FILE = (
    "conf|cfg|ini|ya?ml|json|toml|txt|log|py|sh|html?|xml|deb|dsc|changes|gz|xz|bz2|zip|md|csv|sql|db|pcapng?"
    "|service|lock"
)
# Written so that they are unmistakable without markup, too.
_CODE = re.compile(
    r"(?<![\w/.-])(?P<option>--?[A-Za-z][\w-]*)(?![\w/.-]*[\w/])"
    r"|(?<![\w.:/-])(?P<path>~?/[\w.@%+*~-]+(?:/[\w.@%+*~-]+)*/?|(?:[\w.@-]+/)+[\w.-]+\.\w+"
    rf"|[\w-]+(?:\.[\w-]+)*\.(?:{_FILE}))(?![\w/]|\.\w)"
    r"|(?<![\w.])(?P<function>[A-Za-z_][\w.]*\(\))"
    r"|(?<![\w-])(?P<variable>[A-Z][A-Z0-9]*_[A-Z0-9_]+|[a-z]\w*(?:\.(?!org\b|com\b|net\b)[a-zA-Z]\w+)+)"
    r"(?![\w-]|\()"
)
_UNIT = re.compile(r"[ -]?(%|[^\W\d]+)(?!\w)")
_QUOTED = re.compile(r"`(?P<code>[^`\n]{1,60})`|[“\"«„](?P<quoted>[^”“\"»„\n]{2,40})[”\"»“]")


class Span(NamedTuple):
    """A part of a sentence.

    kind: 'option', 'path', 'function', 'variable', 'number', 'command', 'code', or 'quoted'. text: without quotation
    marks. noun: what the sentence calls it, such as 'package'.
    """

    start: int
    end: int
    text: str
    kind: str
    noun: str = ""


def spans(sentence: str, language: str) -> list[Span]:
    """Return the spans of a sentence that occur once in it, in order."""
    marked = [each for pattern in (_QUOTED, _CODE) for each in pattern.finditer(sentence)]
    places = [(*each.span(), each.lastgroup or "", *each.span(each.lastgroup or 0)) for each in marked]
    places += [(start, end, "number", start, end) for start, end in _numbers(sentence, language)]
    found, taken = list[Span](), 0
    for begin, close, kind, start, end in sorted(places, key=lambda each: (each[0], -each[1])):
        if begin < taken:
            continue
        taken, text = close, sentence[start:end]
        if kind in ("code", "quoted") and (inside := _CODE.fullmatch(text)):
            kind = inside.lastgroup or kind
        elif kind == "code" and re.match(r"[a-z][\w-]* ", text):
            kind = "command"  # `git stash pop`
        if len(re.findall(rf"(?<!\w){re.escape(text)}(?!\w)", sentence)) == 1 and re.search(r"\w", text):
            found.append(Span(start, end, text, kind, _noun(sentence, begin, close, language)))
    return found


def _numbers(sentence: str, language: str) -> Iterator[tuple[int, int]]:
    """Yield the places of numbers with a unit: '3 days', '50%', 'two weeks'."""
    units, spelled = words(language, "units"), words(language, "numbers")
    for number in re.finditer(r"(?<![\w.,/-])(?:\d+(?:[.,]\d+)*|[a-z]+)", sentence):
        unit = _UNIT.match(sentence, number.end())
        known = number.group()[0].isdigit() or (spelled and spelled.fullmatch(number.group()))
        if known and unit and units and units.fullmatch(unit[1]):
            yield number.start(), unit.end()


def _noun(sentence: str, start: int, end: int, language: str) -> str:
    """Return the noun next to a span: 'package' for 'the `pbuilder` package' and for 'the package `pbuilder`'."""
    nouns = words(language, "nouns")
    if nouns is None:
        return ""
    after = nouns.match(sentence, end + 1) if sentence[end : end + 1] == " " else None
    before = [each for each in nouns.finditer(sentence, 0, start) if not sentence[each.end() : start].strip(' `"“')]
    found = after or (before[-1] if before else None)
    return found.group().lower() if found else ""
