"""Read a PDF file: lines with their geometry become paragraphs, headings, code, and pages.

PDF holds characters at places, and PDFium puts them into lines. What a line is follows from its place, its font,
and its neighbors. Heads, feet and page numbers are recognized by repeating from page to page.
"""

from __future__ import annotations

import ctypes
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..core.counted import counted
from .document import Heading, Parsed, Unreadable

_HYPHENS = "\ufffe\x02"  # PDFium's signs for a hyphen at the end of a line
_PRINTED = re.compile(rf"(.*?)(\r\n|[{_HYPHENS}](?:\r\n)?|\Z)", re.DOTALL)
_MONO = re.compile(r"mono|courier|consol|cmtt|typewriter|menlo", re.IGNORECASE)
_BOLD = re.compile(r"bold|black|heavy|cmbx|cmssbx|semibold", re.IGNORECASE)
_BULLET = re.compile(r"[•‣◦▪●○■–∙·*-]\s")
_ITEM = re.compile(r"[•‣◦▪●○■–∙·*-]\s+\S|\(?\d{1,2}[.)]\s+\S|\(?[a-z][.)]\s+\S")
_END = re.compile(r"""[.!?:;。！？：…]["'”’»)\]」]*\Z""")
_CJK = re.compile(r"[\u3000-\u9fff\uff00-\uffef]")
_NO_TITLE = re.compile(r"untitled|microsoft word|\.(docx?|tex|dvi|indd|odt|pdf|xml)\Z", re.IGNORECASE)
# Characters that a font without a table of its characters shows.
_NO_CHARACTER = re.compile(r"[\ue000-\uf8ff\ufffd\x00-\x08]")
_LEAST_CHARS = 8  # a page, on average; scanned pages have none, or a stamp
_EDGE = 0.15  # of the height of a page
_MOST_BEFORE = 12  # letters of 'Appendix A' and the like
_HEADING_SIZE = 1.12  # times the size of the body
_GAP = 1.12  # times the usual distance of lines


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    page: int  # from 0
    left: float  # points
    right: float
    bottom: float
    size: float
    bold: bool
    mono: bool
    edge: int  # 1 at the top of the page, where heads are, -1 at the bottom, else 0
    broken: bool  # at a hyphen, which is not in the text
    level: int = 0  # of a heading

    def follows(self, other: _Line) -> float:
        """The distance of two lines, in units of the font's size."""
        return (other.bottom - self.bottom) / max(self.size, 1)


def read_pdf(path: Path) -> Parsed:
    """Return the text of a PDF file with pages and headings. Raises Unreadable."""
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        protected = "assword" in str(error) or "ecurity" in str(error)
        raise Unreadable("is encrypted; save it without a password" if protected else "is damaged") from None
    lines = [line for number, page in enumerate(_pages(pdf)) for line in page]
    chars = sum(len(line.text) for line in lines)
    if chars < _LEAST_CHARS * len(pdf):
        raise Unreadable(
            f"has no text on {counted(len(pdf), 'page')}; if they are scanned, recognize their text first (OCR)"
        )
    if sum(len(_NO_CHARACTER.findall(line.text)) for line in lines) > chars / 5:
        raise Unreadable("its fonts don't say which characters they show; recognize its text first (OCR)")
    kept = _with_code(_without_edges(lines))
    levels = _levels_of_outline(pdf, kept) or _levels_of_fonts(kept)
    kept = [replace(line, level=levels.get(index, 0)) for index, line in enumerate(kept)]
    said = (pdf.get_metadata_dict().get("Title") or "").strip()
    title = said if said and not _NO_TITLE.search(said) else _first_title(kept)
    removed = len(lines) - len(kept)
    notes = (f"{removed:,} running heads and page numbers",) if removed else ()
    return _assemble(kept, title, notes)


def _pages(pdf: Any) -> Iterator[list[_Line]]:
    """Yield the lines of each page, in the order in which the page draws them."""
    from pypdfium2 import raw

    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    for number in range(len(pdf)):
        page = pdf[number]
        height = page.get_height()
        text = page.get_textpage()
        last, lines = text.count_chars() - 1, []
        for match in _PRINTED.finditer(text.get_text_range()):
            words = match[1].replace("\r", "").strip()
            if not words or match.start() > last:
                continue
            first = match.start() + len(match[1]) - len(match[1].lstrip())
            end, middle = (min(at, last) for at in (first + len(words) - 1, first + len(words) // 2))
            left, bottom, _, _ = text.get_charbox(first, loose=True)
            right = text.get_charbox(end, loose=True)[2]
            raw.FPDFText_GetFontInfo(text, middle, name, 128, ctypes.byref(flags))
            font = name.value.decode("latin-1")
            size = raw.FPDFText_GetFontSize(text, middle)
            bold = bool(_BOLD.search(font)) or raw.FPDFText_GetFontWeight(text, middle) >= 600
            mono = bool(flags.value & 1 or _MONO.search(font))
            edge = (bottom > (1 - _EDGE) * height) - (bottom < _EDGE * height)
            broken = match[2] != "" and match[2] in _HYPHENS
            lines.append(_Line(words, number, left, right, bottom, size, bold, mono, edge, broken))
        text.close()
        page.close()
        yield lines


def _without_edges(lines: list[_Line]) -> list[_Line]:
    """Remove heads and feet: lines at the edges that several pages share, but for the number of the page."""
    body, _ = _body(lines)
    pages = defaultdict[int, list[_Line]](list)
    for line in lines:
        pages[line.page].append(line)
    edges = list[_Line]()
    for page in pages.values():
        page.sort(key=lambda each: -each.bottom)
        outer = [*(each for each in page[:2] if each.edge > 0), *(each for each in page[-2:] if each.edge < 0)]
        edges += outer
    keys = {}
    for line in edges:
        # The title of a chapter is larger, and may begin with the number of its page: '1 Introduction'.
        numbered = line in (pages[line.page][0], pages[line.page][-1]) and line.size <= _HEADING_SIZE * body
        keys[id(line)] = _edge_keys(line, numbered)
    counts = Counter(key for found in keys.values() for key in found)
    least = min(3, max(2, len(pages)))
    removed = {line for line, found in keys.items() if any(counts[key] >= least for key in found)}
    return [line for line in lines if id(line) not in removed]


def _edge_keys(line: _Line, numbered: bool) -> set[tuple[str, int]]:
    """What a line may have in common with the edges of other pages: its words, or the distance of number and page."""
    text = " ".join(line.text.split())
    keys = {(text, 0)} if sum(map(str.isalpha, text)) > 3 else set()
    if re.fullmatch("[ivxl]+", text):
        keys.add(("roman", 0))
    # 'Chapter 2: Naming 3', '3 Pump guide', 'Page 3 of 12', '第 3 页'
    for pattern in (r".*?(\d{1,5})\W*", r"\W*(\d{1,5})\b.*", r"\D*(\d{1,5})\D+\d+", r"\D{0,12}(\d{1,5})\D{0,12}"):
        if numbered and (match := re.fullmatch(pattern, text)):
            keys.add(("#", int(match[1]) - line.page))
    return keys


def _with_code(lines: list[_Line]) -> list[_Line]:
    """Keep the font of code only where two lines of it follow each other, and restore their indentation."""
    mono = [line.mono and not _ITEM.match(line.text) for line in lines]
    found = []
    for index, line in enumerate(lines):
        near = [other for other in (index - 1, index + 1) if 0 <= other < len(lines)]
        found.append(replace(line, mono=mono[index] and any(mono[other] for other in near)))
    return found


def _levels_of_outline(pdf: Any, lines: list[_Line]) -> dict[int, int]:
    """Return the levels of the lines that the document's own outline names; nothing if it has none that fits."""
    pages = defaultdict[int, list[int]](list)
    for index, line in enumerate(lines):
        pages[line.page].append(index)
    levels: dict[int, int] = {}
    entries = 0
    for entry in pdf.get_toc():
        place, title = entry.get_dest(), _letters(entry.get_title())
        if place is None or not title:
            continue
        entries += 1
        for index in pages.get(place.get_index(), ()):
            one = _letters(lines[index].text)
            two = one + _letters(lines[index + 1].text) if index + 1 < len(lines) else one
            # The outline may lack what precedes the title: 'Appendix A Copying'. Titles may have two lines.
            alone = one.endswith(title) and len(one) - len(title) < _MOST_BEFORE
            if index not in levels and (alone or two == title):
                levels |= dict.fromkeys([index] if alone else [index, index + 1], entry.level + 1)
                break
    return levels if len(levels) >= max(3, entries / 2) else {}


def _letters(text: str) -> str:
    """Fold a heading: its number may be missing in the outline."""
    return re.sub(r"[\W\d_]+", "", text).casefold()


def _levels_of_fonts(lines: list[_Line]) -> dict[int, int]:
    """Return the levels of the lines whose font is larger than that of the body, or bold where the body isn't."""
    body, body_bold = _body(lines)
    usual = _leading(lines)
    found = {}
    for index, line in enumerate(lines):
        short = len(line.text) < 120 and not re.search(r"[.,;]\Z", line.text) and any(map(str.isalpha, line.text))
        after = lines[index + 1] if index + 1 < len(lines) else None
        # A bold line is a heading only if there is space between it and the paragraph before.
        apart = index == 0 or line.page != lines[index - 1].page or line.follows(lines[index - 1]) > _GAP * usual
        bold = line.bold and not body_bold and line.size >= 0.98 * body and apart and not (after and after.bold)
        if short and not line.mono and not _BULLET.match(line.text) and (line.size > _HEADING_SIZE * body or bold):
            found[index] = round(line.size, 1) if line.size > _HEADING_SIZE * body else 0.0
    if sum(len(lines[index].text) for index in found) > sum(len(line.text) for line in lines) / 3:
        return {}
    sizes = sorted(set(found.values()), reverse=True)
    return {index: sizes.index(size) + 1 for index, size in found.items()}


def _body(lines: list[_Line]) -> tuple[float, bool]:
    """Return the size of most characters, and whether it is bold."""
    sizes = Counter[tuple[float, bool]]()
    for line in lines:
        sizes[round(line.size, 1), line.bold] += len(line.text)
    return sizes.most_common(1)[0][0]


def _leading(lines: list[_Line]) -> float:
    """Return the usual distance of two lines of a paragraph."""
    gaps = [b.follows(a) for a, b in pairwise(lines) if a.page == b.page and abs(a.size - b.size) < 0.5]
    return statistics.median([gap for gap in gaps if 0.5 < gap < 2.5] or [1.2])


def _first_title(lines: list[_Line]) -> str:
    """Return the largest lines of the first page, if they stand out and follow each other."""
    first = [line for line in lines[:60] if line.page == lines[0].page]
    size = max(line.size for line in first)
    largest = [index for index, line in enumerate(first) if line.size > size - 0.5]
    together = largest[-1] - largest[0] + 1 == len(largest) < 4
    return " ".join(first[at].text for at in largest) if together and size > 1.3 * _body(lines)[0] else ""


def _assemble(lines: list[_Line], title: str, notes: tuple[str, ...]) -> Parsed:
    """Write lines as paragraphs, and note where pages and headings begin."""
    parts, length, usual = list[str](), 0, _leading(lines)
    pages, headings = list[tuple[int, int]](), list[Heading]()
    before: _Line | None = None
    margin = 0.0  # of the block of code
    words = {word for line in lines for word in re.findall(r"\w[\w-]*", line.text)}

    def put(text: str) -> None:
        nonlocal length
        parts.append(text)
        length += len(text)

    for line in lines:
        gap = _gap(before, line, usual) if before else ""
        if before and before.broken:
            put("-" if gap != " " or _keeps_hyphen(before.text, line.text, words) else "")
            gap = "" if gap == " " else gap
        elif before and gap == " " and re.search(r"\w-\Z", before.text):
            gap = ""
        if before and before.mono and (not line.mono or gap == "\n\n"):
            put("\n```")
        put(gap)
        if line.mono and (before is None or not before.mono or gap == "\n\n"):
            put("```\n")
            margin = line.left
        if before is None or before.page != line.page:
            pages.append((length, line.page + 1))
        start = length
        put(" " * max(0, round((line.left - margin) / max(line.size * 0.6, 1))) * line.mono + line.text)
        if line.level and gap == " " and before and before.level:
            last = headings.pop()
            headings.append(Heading(last.start, length, last.level, f"{last.text} {line.text}"))
        elif line.level:
            headings.append(Heading(start, length, line.level, line.text))
        before = line
    if before and before.mono:
        put("\n```")
    return Parsed("".join(parts), title, tuple(headings), tuple(pages), notes)


def _keeps_hyphen(before: str, after: str, words: set[str]) -> bool:
    """Return whether a broken word has a hyphen: if it has one elsewhere, or what follows isn't the rest of a word."""
    first, second = re.findall(r"[\w-]*\Z", before)[0], re.findall(r"\A\w*", after)[0]
    return first + second not in words and (f"{first}-{second}" in words or not second[:1].islower())


def _gap(before: _Line, line: _Line, usual: float) -> str:
    """Return what separates two lines: nothing, a space, the end of a line of code, or of a paragraph."""
    gap, turned = line.follows(before), before.page != line.page or line.bottom > before.bottom + line.size / 2
    same = abs(before.size - line.size) < 0.15 * line.size
    if before.level or line.level:
        together = before.level == line.level and same and not turned and gap < 1.25 * max(usual, 1.2)
        return " " if together else "\n\n"
    if before.mono or line.mono:
        return "\n" if before.mono and line.mono and (turned or gap < 2.2 * usual) else "\n\n"
    if _ITEM.match(line.text):
        return "\n" if _ITEM.match(before.text) or line.left > before.left + 2 else "\n\n"
    if turned:
        # A paragraph continues in the next column or on the next page, unless its last sentence has ended.
        return "\n\n" if _END.search(before.text) or not same else _space(before.text, line.text)
    in_item = _ITEM.match(before.text) is not None
    moved = line.left - before.left
    ended = _END.search(before.text) is not None
    indented = not in_item and moved > 0.8 * line.size and ended
    outdented = moved < -0.8 * line.size and ended
    if gap > _GAP * usual or gap < 0 or not same or indented or outdented:
        return "\n\n"
    return _space(before.text, line.text)


def _space(before: str, after: str) -> str:
    return "" if _CJK.match(before[-1]) or _CJK.match(after[0]) else " "
