"""The values of reading: a document with its text, what was not read and why, and the limits of a parser."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading in a document's text: its characters `start` to `end`, its level from 1, and its words."""

    start: int
    end: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document that was read.

    Attributes:
        name: The path below the folder that was given, with '/': 'pumps/guide.md'.
        format: 'PDF', 'Markdown', ...
        text: What was parsed: NFC, lines end with '\\n'. HTML, DOCX and EPUB are written as Markdown.
        title: Empty if the document has none.
        headings: In the order of the text.
        pages: From character `offset` on it is page `number`, counted from 1; empty for formats without pages.
        notes: What the reader left out: '40 running heads and page numbers'.
    """

    name: str
    format: str
    text: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    pages: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of the text: 32 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that was not read. reason: one line, for people."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, sorted by source and path, and what was not."""

    documents: tuple[Document, ...]
    skipped: tuple[SkippedFile, ...]


@dataclass(frozen=True, slots=True)
class ParseLimits:
    """What one document may use: memory (address space) in MB, CPU time and time in seconds, characters of text."""

    memory_mb: int = 2048
    cpu_s: int = 120
    wall_s: int = 240
    chars: int = 50_000_000


class Parsed(NamedTuple):
    """What a parser returns; `Document` describes the fields."""

    text: str
    title: str = ""
    headings: tuple[Heading, ...] = ()
    pages: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()


class Unreadable(Exception):
    """A document can't be read; the message says why, and what to do if there is something."""
