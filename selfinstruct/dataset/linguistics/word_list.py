"""Verbs and objects without a parser: the first known verb that stands where a request begins, and what follows it.

It reads English and Chinese and needs nothing installed. It misses verbs that `words.yaml` doesn't know, takes the
last word before a preposition for the object, and finds none in questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import regex

from ...core.shipped import shipped_yaml
from .verb_noun import VerbNoun

_CHARS = 400
_TOKEN = re.compile(r"[a-z]+(?:['’-][a-z]+)*|\d[\w.,-]*\w|\d|[^\w\s]|\n")
_HAN = regex.compile(r"\p{Script=Han}")
_LONGEST_PHRASE = 8
"""Words between a verb and the end of its object, at most; characters, in Chinese, times three."""


class WordList:
    """A finder that takes some microseconds a text."""

    name = "a word list, without a parser"
    most: int | None = None

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """One answer for each text, in order."""
        for text in texts:
            yield _in_chinese(text[:_CHARS]) if is_chinese(text) else _in_english(text[:_CHARS])


def is_chinese(text: str) -> bool:
    """Whether a Chinese character stands where the request does."""
    return _HAN.search(text[:_CHARS]) is not None


def _in_english(text: str) -> VerbNoun:
    words = _words()["en"]
    tokens = _TOKEN.findall(text.lower())
    before = None
    for place, token in enumerate(tokens):
        begins = before is None or before in words["before"] or not before[0].isalnum() or before.endswith("ly")
        verb = words["spelling"].get(token, token)
        if begins and verb in words["verbs"]:
            return VerbNoun(verb, _object(tokens[place + 1 :]))
        before = token
    return VerbNoun()


def _object(tokens: Sequence[str]) -> str | None:
    """The head of the noun phrase that `tokens` begin with, in the singular."""
    words = _words()["en"]
    place = 0
    while place < len(tokens) and tokens[place] in words["particles"]:
        place += 1
    if place and tokens[place : place + 1] == ["with"]:  # 'come up with', 'fill in with'
        place += 1
    phrase: list[str] = []
    for token in tokens[place : place + _LONGEST_PHRASE]:
        if not phrase and (token in words["pronouns"] or token in words["determiners"] or token[0].isdigit()):
            continue
        if token in words["stops"] or not token[0].isalpha() or token in words["determiners"]:
            break
        phrase.append(token)
    while phrase and (phrase[-1] in words["trailing"] or phrase[-1].endswith("ly")):
        phrase.pop()
    return _singular(phrase[-1]) if phrase else None


def _singular(noun: str) -> str:
    """By the rules of English spelling, and a list of what they don't fit."""
    noun = re.sub(r"['’]s$", "", noun)
    irregular: dict[str, str] = _words()["en"]["irregular"]
    if noun in irregular:
        return irregular[noun]
    if len(noun) > 4 and noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("sses", "xes", "zes", "ches", "shes")):
        return noun[:-2]
    if len(noun) > 3 and noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun


def _in_chinese(text: str) -> VerbNoun:
    """The first known verb, and the last known noun of its clause: what stands before it qualifies it."""
    verbs, nouns = _chinese()
    found = verbs.search(text)
    if found is None:
        return VerbNoun()
    clause = re.split(r"[，。；：！？\n,.;:!?]", text[found.end() :], maxsplit=1)[0][: 3 * _LONGEST_PHRASE]
    named = nouns.findall(clause)
    return VerbNoun(found.group(), named[-1] if named else None)


@lru_cache
def _chinese() -> tuple[re.Pattern[str], re.Pattern[str]]:
    lists = _words()["zh"]
    verbs, nouns = ("|".join(sorted(lists[kind], key=len, reverse=True)) for kind in ("verbs", "nouns"))
    return re.compile(verbs), re.compile(nouns)


@lru_cache
def _words() -> dict[str, dict[str, Any]]:
    """The lists, split; what maps one word to another stays a dict."""
    return {
        language: {name: frozenset(words.split()) if isinstance(words, str) else words for name, words in lists.items()}
        for language, lists in shipped_yaml(__package__, "words.yaml").items()
    }
