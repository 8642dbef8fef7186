"""Rules against what small models write in place of a task or an answer; they cost nothing.

By default they are on where a run loads its model itself. `benchmarks/rules.py` prints how many records that a strict
reader has graded they hit.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import regex
from pydantic import Field

from ..config.fields import Section
from ..core.language_tags import primary
from ..core.prompts import Ask
from ..core.records import Example
from ..core.sentences import split_sentences
from ..core.shipped import shipped_yaml
from ..core.tasks import PASS, Candidate, Verdict
from ..core.tokens import tokenize
from .instruction import Published

_NUMBERS = {
    word: number
    for number, words in enumerate("one 一|two 二 两|three 三|four 四|five 五|six 六|seven 七|eight 八".split("|"), 1)
    for word in words.split()
} | {"ten": 10, "十": 10}
_ITEM = regex.compile(r"^[ \t]*(?:[-*•]|\(?\d{1,2}[.)、．])[ \t]*\S", regex.MULTILINE)
# What an instruction works on, if it has no input: after a colon, in quotes, in code, or below it.
_OWN_TEXT = regex.compile(r"[:：]\s*\S|[\"“”'‘「『`][^\n]{3,}[\"“”'’」』`]|\n")
# What every line of code has somewhere, and an answer that only states what the code would return has not.
_CODE = regex.compile(r"[=(){}<>;]|\bselect\b", regex.IGNORECASE)
_LEAST_COPIED = 4
"""Words; shorter answers, such as 'Yes', may well be the same."""
_COMMA, _LEAST_ITEMS, _MOST_ITEM_WORDS = regex.compile(r"[,;，、；]|\band\b"), 4, 8
_MOST_ASKING_BACK = 80
"""Words; a longer answer that asks for something has said something, too."""


class UnusableOptions(Section):
    """Rules for small teachers."""

    unusable: bool | None = Field(
        default=None,
        description="Rules against what small models write in place of a task or an answer: 'placeholder', "
        "'missing_input', 'not_a_request', 'lowercase_start', 'asks_back', 'count_not_met', 'no_code', "
        "'copied_answer', 'repeated_item'; null: only where the run loads a model itself. A run keeps what null meant "
        "when it began.",
    )


class Unusable(Published):
    """Nine rules. Three of them need no patterns, and hold in any language: 'lowercase_start', 'copied_answer', and
    'repeated_item'.
    """

    def __init__(self, language: str) -> None:
        self._find, self._language = _patterns(primary(language)), language

    def check(self, candidate: Candidate) -> Verdict:
        text = candidate.instruction
        if found := self._search("placeholder", f"{text}\n{candidate.input or ''}"):
            return Verdict("placeholder", found[0])
        if text[:1].islower():
            return Verdict("lowercase_start", text[:40])
        if "?" not in text and "？" not in text and (pattern := self._find.get("statement")) and pattern.match(text):
            return Verdict("not_a_request", text[:40])
        material = self._search("material", text)
        if material and not candidate.input and not _OWN_TEXT.search(text):
            return Verdict("missing_input", material[0])
        return PASS

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        output = example.output
        # A program that knows the answer has the last word; that the form is right says nothing about the rest.
        if example.ground_truth is not None and example.ground_truth.verifier != "constraints":
            return PASS
        asked = f"{candidate.instruction}\n{example.given}"
        if (found := self._search("placeholder", output)) and "[" not in asked:
            return Verdict("placeholder", found[0])
        if (found := self._search("asks_back", output)) and len(tokenize(output)) <= _MOST_ASKING_BACK:
            return Verdict("asks_back", found[0])
        if (found := self._search("code", candidate.instruction)) and not _CODE.search(output):
            return Verdict("no_code", found[0])
        words = tokenize(output)
        for demo in candidate.material.demos if candidate.material and len(words) >= _LEAST_COPIED else ():
            if words == tokenize(demo.output):
                return Verdict("copied_answer", f"the answer of {demo.id}")
        if not example.given and (item := _repeated_item(output)) and item not in " ".join(tokenize(asked)):
            return Verdict("repeated_item", item)
        return self._count(candidate.instruction, output)

    def _count(self, instruction: str, output: str) -> Verdict:
        """Compare what the instruction asks for with the sentences, words, and items of the output."""
        for kind, wanted, phrase in stated_counts(instruction, self._language):
            there = _COUNTED[kind](output)
            if there > wanted if kind == "words" else there not in (0, wanted):
                return Verdict("count_not_met", f"{there} {kind}, asked for {phrase!r}")
        return PASS

    def _search(self, kind: str, text: str) -> regex.Match[str] | None:
        pattern = self._find.get(kind)
        return pattern.search(text) if pattern else None


def _repeated_item(text: str) -> str | None:
    """Return an item that a list of four or more has twice: lines with bullets or numbers, or short parts of a line."""
    items = [line[found.end() - 1 :] for line in text.split("\n") if (found := _ITEM.match(line))]
    if not items and "\n" not in text:
        items = _COMMA.split(text)
    words = [tuple(tokenize(item)) for item in items]
    if len(words) < _LEAST_ITEMS or max(map(len, words)) > _MOST_ITEM_WORDS:
        return None
    return next((" ".join(each) for each in words if words.count(each) > 1 and any(map(str.isalpha, each))), None)


def _sentences(text: str) -> int:
    return len(split_sentences(text))


def _words(text: str) -> int:
    return len(text.split()) if text.isascii() else len(tokenize(text))


def _items(text: str) -> int:
    """Count the items of a list; 0 where the text has none, and so nothing can be said."""
    return len(_ITEM.findall(text))


_COUNTED = {"sentences": _sentences, "words": _words, "items": _items}


def stated_counts(instruction: str, language: str) -> Iterator[tuple[str, int, str]]:
    """Yield how many 'sentences', 'words' (at most), and 'items' an instruction asks for, each with its phrase."""
    for kind in _COUNTED:
        pattern = _patterns(primary(language)).get(kind)
        if pattern and (asked := pattern.search(instruction)):
            yield kind, _NUMBERS.get(asked["n"].lower()) or int(asked["n"]), asked[0].strip()


@lru_cache
def _patterns(language: str) -> dict[str, regex.Pattern[str]]:
    written = shipped_yaml(__package__, "unusable.yaml").get(language, {})
    return {
        kind: regex.compile("".join(map(str.lstrip, pattern.split("\n"))), regex.IGNORECASE)
        for kind, pattern in written.items()
    }
