"""Find verbs and objects without a parser: the first known verb where a request can begin, and the phrase after it.

The word list handles English and Chinese and needs no extra package. It is crude: it misses verbs that are not in
`words.yaml`, takes the last word before a preposition as the object, and finds no verb in questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

import regex

from ...core.shipped import shipped_yaml
from .verb_noun import VerbNoun

_CHARS = 400
# A word such as "don't" or 'role-play', a number such as '3.14', punctuation, or a line break.
_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*|\d[\w.,-]*\w|\d|[^\w\s]|\n")
_HAN, _LATIN = regex.compile(r"\p{Script=Han}"), regex.compile(r"\p{Script=Latin}")
_KANA = regex.compile(r"[\p{Script=Hiragana}\p{Script=Katakana}]")
_LONGEST_PHRASE = 8
"""Maximum number of words from a verb to the end of its object; in Chinese, three times as many characters."""


class WordList:
    """A finder that takes a few microseconds per text."""

    name = "a word list, without a parser"
    most: int | None = None

    def find(self, texts: Sequence[str]) -> Iterator[VerbNoun]:
        """Yield one result per text, in order."""
        for text in texts:
            find = {"zh": _find_chinese, "en": _find_english}.get(written_in(text))
            yield find(text[:_CHARS]) if find else VerbNoun()


def written_in(text: str) -> Literal["en", "zh", "other"]:
    """Return the language whose finder reads a text, by its script: English for Latin letters, Chinese without kana."""
    text = text[:_CHARS]
    if _HAN.search(text) and not _KANA.search(text):
        return "zh"
    return "en" if _LATIN.search(text) and not _KANA.search(text) else "other"


def _find_english(text: str) -> VerbNoun:
    words = _words()["en"]
    tokens = _TOKEN.findall(text.lower())
    before = None
    for place, token in enumerate(tokens):
        # A request can begin a text, follow punctuation ('Given a list, sort it'), or follow an adverb ('briefly').
        begins = before is None or before in words["before"] or not before[0].isalnum() or before.endswith("ly")
        verb = words["spelling"].get(token, token)
        if begins and verb in words["verbs"]:
            return VerbNoun(verb, _object(tokens[place + 1 :]))
        before = token
    return VerbNoun()


def _object(tokens: Sequence[str]) -> str | None:
    """Return the head, in the singular, of the noun phrase at the start of `tokens`."""
    words = _words()["en"]
    place = 0
    # Skip particles: 'sum up the text'.
    while place < len(tokens) and tokens[place] in words["particles"]:
        place += 1
    if place and tokens[place : place + 1] == ["with"]:  # 'come up with', 'fill in with'
        place += 1
    # Collect words up to a preposition, punctuation, or a second determiner: 'a short story about dragons'.
    phrase: list[str] = []
    for token in tokens[place : place + _LONGEST_PHRASE]:
        if not phrase and (token in words["pronouns"] or token in words["determiners"] or token[0].isdigit()):
            continue
        if token in words["stops"] or not token[0].isalpha() or token in words["determiners"]:
            break
        phrase.append(token)
    # Drop trailing adverbs and similar words: 'the sentence correctly'.
    while phrase and (phrase[-1] in words["trailing"] or phrase[-1].endswith("ly")):
        phrase.pop()
    return _singular(phrase[-1]) if phrase else None


def _singular(noun: str) -> str:
    """Return the singular by English spelling rules and a list of exceptions."""
    noun = re.sub(r"['’]s$", "", noun)
    irregular: dict[str, str] = _words()["en"]["irregular"]
    if noun in irregular:
        return irregular[noun]
    # 'stories' -> 'story', 'boxes' -> 'box', 'cats' -> 'cat'; 'class', 'virus' and 'basis' are singular.
    if len(noun) > 4 and noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("sses", "xes", "zes", "ches", "shes")):
        return noun[:-2]
    if len(noun) > 3 and noun.endswith("s") and not noun.endswith(("ss", "us", "is")):
        return noun[:-1]
    return noun


def _find_chinese(text: str) -> VerbNoun:
    """Return the first known verb and the last known noun of its clause, since Chinese modifiers precede the noun."""
    verbs, nouns = _chinese()
    verb = verbs.search(text)
    if verb is None:
        return VerbNoun()
    clause = re.split(r"[，。；：！？\n,.;:!?]", text[verb.end() :], maxsplit=1)[0][: 3 * _LONGEST_PHRASE]
    objects = nouns.findall(clause)
    return VerbNoun(verb.group(), objects[-1] if objects else None)


@lru_cache
def _chinese() -> tuple[re.Pattern[str], re.Pattern[str]]:
    lists = _words()["zh"]
    # Longer words first, because a pattern takes the first alternative that matches.
    verbs, nouns = ("|".join(sorted(lists[kind], key=len, reverse=True)) for kind in ("verbs", "nouns"))
    return re.compile(verbs), re.compile(nouns)


@lru_cache
def _words() -> dict[str, dict[str, Any]]:
    """Return the word lists as sets; mappings from word to word stay dicts."""
    return {
        language: {name: frozenset(words.split()) if isinstance(words, str) else words for name, words in lists.items()}
        for language, lists in shipped_yaml(__package__, "words.yaml").items()
    }
