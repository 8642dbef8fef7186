"""The published instruction filters of Self-Instruct and Alpaca, extended to other scripts.

Published (`post_process_gpt3_response` of both): three words or fewer, or more than 150; words that a text
model can't serve; 'Write a program' (it leaves open which); a first character that is punctuation, or
outside ASCII. Blanks before the first word don't count.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import regex
from pydantic import Field, ValidationInfo, field_validator

from ..config.fields import Names, Section
from ..core.counted import counted
from ..core.language_tags import primary
from ..core.shipped import shipped_yaml
from ..core.tasks import PASS, Candidate, Verdict
from ..core.tokens import tokenize

_OPENERS = frozenset("¿¡“‘«„‚《〈「『")
"""Characters outside ASCII that a well-formed sentence may begin with: '¿Qué ...', '《红楼梦》 ...'."""


class InstructionOptions(Section):
    """The rules for instructions: the published ones by default, but for two that don't suit teachers that can code."""

    min_words: Annotated[int, Field(ge=0)] | None = Field(
        default=4, description="'too_short': fewer words than this (published: 3 or fewer); null: off."
    )
    max_words: Annotated[int, Field(ge=1)] | None = Field(
        default=150, description="'too_long': more words than this; null: off."
    )
    keywords: bool | Names | None = Field(
        default=None,
        description="'keyword': what a text model can't serve; true: the language's list (not for questions about "
        "documents; published), or a list; null: true unless the teachers can code: those that chat on a server, and "
        "local ones with 'code' in their names. A run keeps what null meant when it began.",
    )
    prefixes: bool | Names | None = Field(
        default=None,
        description="'prefix': openings such as 'Write a program'; true: the language's list (published), or a list; "
        "null: as for `keywords`.",
    )
    punctuation_start: bool = Field(default=True, description="'punctuation_start': begins with punctuation.")
    ascii_start: bool | None = Field(
        default=None, description="'not_ascii_start': first character outside ASCII; null: only when language is en."
    )

    @field_validator("max_words")
    @classmethod
    def _above_min_words(cls, value: int | None, info: ValidationInfo) -> int | None:
        least = info.data.get("min_words")
        if value is not None and least is not None and value < least:
            raise ValueError("is below filters.min_words: no task would pass")
        return value


class Truncated:
    """'truncated': the token limit cut the answer off inside this task."""

    def check(self, candidate: Candidate) -> Verdict:
        return Verdict("truncated") if candidate.truncated else PASS


class Published:
    """A rule against what models write as tasks; a task that a program words is not held to it."""


class Length(Published):
    """'too_short', 'too_long': counts words between spaces in English, and tokens in other languages."""

    def __init__(self, least: int, most: int | None, language: str) -> None:
        self._least, self._most, self._language = least, most, language

    def check(self, candidate: Candidate) -> Verdict:
        text = candidate.instruction
        count = len(text.split()) if primary(self._language) == "en" else len(tokenize(text))
        if count < self._least:
            return Verdict("too_short", f"{counted(count, 'word')}, at least {self._least}")
        if self._most is not None and count > self._most:
            return Verdict("too_long", f"{counted(count, 'word')}, at most {self._most}")
        return PASS


class Keywords(Published):
    """'keyword': the instruction asks for something that text can't provide (images, files, links).

    ASCII words match as whole words in any case, also between Chinese characters; other words match anywhere.
    """

    def __init__(self, language: str, words: Sequence[str] | None = None) -> None:
        words = words if words is not None else shipped_words(language, "keywords")
        self._lower = [word.lower() for word in words if word.isascii()]
        self._plain = all(word.isascii() or word.lower() == word.upper() for word in words)
        self._pattern = any_of(words)

    def check(self, candidate: Candidate) -> Verdict:
        text = candidate.instruction
        # Most texts contain none of the words, and a substring search finds that out much faster.
        if self._plain and text.isascii():
            lower = text.lower()
            if not any(word in lower for word in self._lower):
                return PASS
        found = self._pattern.search(text) if self._pattern else None
        return Verdict("keyword", found.group().lower()) if found else PASS


class Prefixes(Published):
    """'prefix': an opening that is known to give poor tasks, in any case."""

    def __init__(self, language: str, prefixes: Sequence[str] | None = None) -> None:
        found = prefixes if prefixes is not None else shipped_words(language, "prefixes")
        self._prefixes = tuple(found)

    def check(self, candidate: Candidate) -> Verdict:
        text = candidate.instruction.lstrip().casefold()
        for prefix in self._prefixes:
            if text.startswith(prefix.casefold()):
                return Verdict("prefix", prefix)
        return PASS


class PunctuationStart(Published):
    """'punctuation_start': the first character is punctuation or a symbol that doesn't open sentences."""

    def check(self, candidate: Candidate) -> Verdict:
        first = candidate.instruction.lstrip()[:1]
        if first and unicodedata.category(first)[0] in "PS" and first not in _OPENERS:
            return Verdict("punctuation_start", first)
        return PASS


class AsciiStart(Published):
    """'not_ascii_start': the first character is outside ASCII."""

    def check(self, candidate: Candidate) -> Verdict:
        first = candidate.instruction.lstrip()[:1]
        return PASS if first.isascii() else Verdict("not_ascii_start", first)


def any_of(words: Sequence[str]) -> regex.Pattern[str] | None:
    """Compile one pattern for all words, or return None without words."""
    if not words:
        return None
    # A word may touch Chinese characters, but no letter of a script with spaces: '画image。', not 'imagery'.
    letter = r"[\w--[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]]"
    whole = [regex.escape(word) for word in words if word.isascii()]
    parts = [regex.escape(word) for word in words if not word.isascii()]
    if whole:
        parts.insert(0, rf"(?<!{letter})(?:{'|'.join(whole)})(?!{letter})")
    return regex.compile("|".join(parts), regex.IGNORECASE | regex.V1)


def shipped_words(language: str, kind: str) -> list[str]:
    """Return the shipped list of a language; kind: 'keywords' or 'prefixes'."""
    # A language without lists has none: 'Image' and 'Plot' are harmless words in German.
    languages = ["en", "zh"] if language == "any" else [primary(language)]
    return [word for name in languages for word in _lists().get(name, {}).get(kind, ())]


@lru_cache
def _lists() -> dict[str, Any]:
    lists: dict[str, Any] = shipped_yaml(__package__, "words.yaml")
    return lists
