"""Cut a document's text into what stays together in a chunk: sentences, list items, code, and rows of tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..core.sentences import split_sentences
from .document import Document
from .headings import FENCE, FRONT_MATTER

ITEM = re.compile(r"\s*(?:[-*+•‣◦▪●○■∙·–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)]|#\.)\s+\S")


@dataclass(frozen=True, slots=True)
class Unit:
    """Characters `start` to `end` that stay together. block: the number of its paragraph, list or table."""

    start: int
    end: int
    kind: str  # sentence, item, code, or row
    block: int


@dataclass(frozen=True, slots=True)
class TextSection:
    """The text below a heading, up to the next one. path: the headings above, the outermost first."""

    start: int  # of the heading
    body: int  # of the text
    end: int
    path: tuple[str, ...]
    units: tuple[Unit, ...]


def sections(document: Document) -> list[TextSection]:
    """Return the sections of a document in order; the text above the first heading is one without a path."""
    text, path = document.text, list[tuple[int, str]]()
    front = FRONT_MATTER.match(text) if document.format == "Markdown" else None
    found = []
    starts = [(front.end() if front else 0,) * 2, *((each.start, each.end) for each in document.headings)]
    for number, (start, body) in enumerate(starts):
        end = starts[number + 1][0] if number + 1 < len(starts) else len(text)
        if number:
            heading = document.headings[number - 1]
            path = [each for each in path if each[0] < heading.level] + [(heading.level, heading.text)]
        if end > body:
            names = tuple(name for _, name in path if name != document.title)
            found.append(TextSection(start, body, end, names, tuple(_units(text, body, end, document.format))))
    return found


def _units(text: str, start: int, end: int, format: str) -> Iterator[Unit]:
    """Cut a section at lines first: code, items with their continuation, rows, and paragraphs of sentences."""
    block, open_kind, open_start, open_end, fence, indent = 0, "", start, start, "", 0

    def close() -> Iterator[Unit]:
        if open_kind == "paragraph":
            for a, b in split_sentences(text[open_start:open_end]):
                yield Unit(open_start + a, open_start + b, "sentence", block)
        elif open_kind in ("item", "code", "row"):
            yield Unit(open_start, open_end, open_kind, block)

    blank = True
    at = start
    while at < end:
        stop = text.find("\n", at, end)
        stop = end if stop < 0 else stop
        line = text[at:stop].rstrip()
        first = at + len(line) - len(line.lstrip())
        depth = first - at
        mark = FENCE.match(line.lstrip()) if format != "text" else None
        if fence:
            open_end = at + len(line) if line else open_end
            if line.strip().startswith(fence):
                yield from close()
                open_kind, fence = "", ""
        elif not line:
            blank = True
        elif mark and (mark[1][0] in "`~" or format == "AsciiDoc"):
            yield from close()
            open_kind, open_start, open_end, fence = "code", first, at + len(line), mark[1].strip()
            block += 1
        elif ITEM.match(line) and (blank or open_kind in ("item", "row", "") or _is_bullet(line)):
            yield from close()
            block += open_kind != "item"
            open_kind, open_start, open_end, indent = "item", first, at + len(line), depth
        elif line.lstrip().startswith("|"):
            yield from close()
            block += open_kind != "row" or blank
            open_kind, open_start, open_end = "row", first, at + len(line)
        elif open_kind == "item" and (not blank or depth > indent):
            open_end = at + len(line)
        elif depth >= 4 and (blank or open_kind == "code"):
            # Code that is marked by its indentation; empty lines may be in it.
            if open_kind != "code":
                yield from close()
                open_kind, open_start = "code", first
                block += 1
            open_end = at + len(line)
        elif open_kind == "paragraph" and not blank:
            open_end = at + len(line)
        else:
            yield from close()
            open_kind, open_start, open_end = "paragraph", first, at + len(line)
            block += 1
        blank = not line
        at = stop + 1
    yield from close()


def _is_bullet(line: str) -> bool:
    """A number in the middle of a paragraph may just begin a line; a bullet doesn't."""
    return line.lstrip()[0] in "•‣◦▪●○■∙*+-"
