"""Passages: the parts of documents that questions are asked about, and quotes from them. Every package uses these."""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_HYPHENS = "[-\u2010\u2011\u2012\u2013\u2212]"
# A word as PDF files hold it may be broken at the end of a line: 'documen-\ntation'.
_BREAK = r"(?:\u00ad|[-\u2010]\s*\n\s*)?"


@dataclass(frozen=True, slots=True)
class Quote:
    """A passage that supports an answer: characters `start` to `end` of a document. page: counted from 1, or None."""

    document: str
    start: int
    end: int
    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a document, short enough for a prompt.

    Attributes:
        id: The document and the range of characters: 'guide.md:120-980'.
        document: The document's path within the folder that was given.
        start, end: The first character in the text of the document, and the one after the last.
        text: These characters.
        title: The title of the document; empty if it has none.
        headings: The headings above the passage, the outermost first.
        pages: The page breaks that matter: from character `offset` of the document on, it is page `number`, counted
            from 1. Empty for a document without pages.
    """

    id: str
    document: str
    start: int
    end: int
    text: str
    title: str = ""
    headings: tuple[str, ...] = ()
    pages: tuple[tuple[int, int], ...] = ()

    def quote(self, start: int, end: int) -> Quote:
        """Return characters `start` to `end` of the document. Raises ValueError if they are not in the passage."""
        if not self.start <= start <= end <= self.end:
            raise ValueError(f"characters {start}-{end} are not in {self.id}")
        text = self.text[start - self.start : end - self.start]
        return Quote(self.document, start, end, text, self.page_of(start))

    def page_of(self, offset: int) -> int | None:
        """Return the page of a character of the document; None for a document without pages."""
        index = bisect_right(self.pages, offset, key=lambda each: each[0])
        return self.pages[max(index - 1, 0)][1] if self.pages else None

    def find(self, text: str) -> Quote | None:
        """Return where the passage contains a text: as it is, else with white space and hyphens folded; or None."""
        if not text.strip():
            return None
        at = self.text.find(text)
        if at >= 0:
            return self.quote(self.start + at, self.start + at + len(text))
        found = _folded(text).search(self.text)
        return self.quote(self.start + found.start(), self.start + found.end()) if found else None


@lru_cache(1024)
def _folded(text: str) -> re.Pattern[str]:
    """Return a pattern that finds a text whatever white space and line breaks it contains."""

    def word(letters: str) -> str:
        return _BREAK.join(_HYPHENS + r"\s*" if re.fullmatch(_HYPHENS, each) else re.escape(each) for each in letters)

    return re.compile(r"\s+".join(map(word, text.replace("\u00ad", "").split())))


def passages_digest(passages: Sequence[Passage]) -> str | None:
    """Return a hash of the passages' content, wherever their folder is: 32 hex digits. None without passages."""
    if not passages:
        return None
    sha = hashlib.sha256()
    for each in passages:
        sha.update(json.dumps([each.id, each.text]).encode() + b"\n")
    return sha.hexdigest()[:32]


def holds(passage: Passage, quote: Quote) -> bool:
    """Return whether a quote is from the passage, and the passage has its text at its place."""
    if quote.document != passage.document or not passage.start <= quote.start < quote.end <= passage.end:
        return False
    return passage.text[quote.start - passage.start : quote.end - passage.start] == quote.text
