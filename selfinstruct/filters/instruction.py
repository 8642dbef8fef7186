"""The instruction filters of Self-Instruct and Alpaca, as published, and their counterparts in other scripts.

Published: three words or fewer, or more than 150; words that a text model can't serve; 'Write a
program' (it leaves open which); a first character that is punctuation, or outside ASCII.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import regex
import yaml

from ..schema import PASS, Candidate, Verdict
from ..text import tokenize


class Truncated:
    """'truncated': the token limit cut the answer off inside this task."""

    def check(self, candidate: Candidate) -> Verdict:
        return Verdict("truncated") if candidate.truncated else PASS


class Length:
    """'too_short', 'too_long': words between blanks in English, tokens of the script elsewhere."""

    def __init__(self, least: int, most: int | None, language: str) -> None:
        self._least, self._most, self._language = least, most, language

    def check(self, candidate: Candidate) -> Verdict:
        text = candidate.instruction
        count = len(text.split()) if self._language == "en" else len(tokenize(text))
        if count < self._least:
            return Verdict("too_short", f"{count} words, at least {self._least}")
        if self._most is not None and count > self._most:
            return Verdict("too_long", f"{count} words, at most {self._most}")
        return PASS


class Keywords:
    """'keyword': a whole word, in any case, that stands for what text can't serve (images, files, links)."""

    def __init__(self, language: str, words: Sequence[str] | None = None) -> None:
        self._pattern = _any_of(words if words is not None else _shipped(language, "keywords"))

    def check(self, candidate: Candidate) -> Verdict:
        found = self._pattern.search(candidate.instruction) if self._pattern else None
        return Verdict("keyword", found.group().lower()) if found else PASS


class Prefixes:
    """'prefix': an opening that is known to give poor tasks."""

    def __init__(self, language: str, prefixes: Sequence[str] | None = None) -> None:
        found = prefixes if prefixes is not None else _shipped(language, "prefixes")
        self._prefixes = tuple(found)

    def check(self, candidate: Candidate) -> Verdict:
        for prefix in self._prefixes:
            if candidate.instruction.startswith(prefix):
                return Verdict("prefix", prefix)
        return PASS


class PunctuationStart:
    """'punctuation_start': the first character is punctuation or a symbol, of any script."""

    def check(self, candidate: Candidate) -> Verdict:
        first = candidate.instruction[:1]
        if first and unicodedata.category(first)[0] in "PS":
            return Verdict("punctuation_start", first)
        return PASS


class AsciiStart:
    """'not_ascii_start': the first character is outside ASCII."""

    def check(self, candidate: Candidate) -> Verdict:
        first = candidate.instruction[:1]
        return PASS if first.isascii() else Verdict("not_ascii_start", first)


def _any_of(words: Sequence[str]) -> regex.Pattern[str] | None:
    """One pattern for all words: with word boundaries where words are written with blanks between."""
    if not words:
        return None
    parts = [rf"\b{regex.escape(word)}\b" if word.isascii() else regex.escape(word) for word in words]
    return regex.compile("|".join(parts), regex.IGNORECASE)


def _shipped(language: str, kind: str) -> list[str]:
    lists = _lists()
    languages = ["en", "zh"] if language == "any" else [language]
    return [word for name in languages for word in lists[name][kind]]


@lru_cache
def _lists() -> dict[str, Any]:
    text = (resources.files(__package__) / "words.yaml").read_text(encoding="utf-8")
    lists: dict[str, Any] = yaml.safe_load(text)
    return lists
