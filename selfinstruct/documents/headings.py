"""Find headings in texts whose format marks them by characters: Markdown, reStructuredText, AsciiDoc, plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .document import Heading

FENCE = re.compile(r" {0,3}(`{3,}|~{3,}|-{4,}\s*$|\.{4,}\s*$)")
"""The line around code: '```' and '~~~' of Markdown, '----' and '....' of AsciiDoc."""
FRONT_MATTER = re.compile(r"---\n.*?^(?:---|\.\.\.)$\n?", re.DOTALL | re.MULTILINE)
"""Lines of YAML above a Markdown text; they are not part of what it says."""
_ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(?=\S)")
_ADOC = re.compile(r"(={1,6})[ \t]+(?=\S)")
_UNDERLINE = re.compile(r"([^\w\s])\1{2,}[ \t]*\Z", re.ASCII)
# '2.1 Naming', 'Chapter 3: Valves', 'Kapitel 3', '第三章 阀门'
_NUMBERED = re.compile(
    r"(?:(?P<number>\d{1,2}(?:\.\d{1,3}){1,4})\.?\s+\S|\d{1,2}\s+[^\W\d_]"
    r"|(?:chapter|section|part|appendix|kapitel|abschnitt|teil|anhang|chapitre|partie|capítulo|sección)\s+[\dIVXA-Z]"
    r"|第[\d一二三四五六七八九十百]+[章节節部条])",
    re.IGNORECASE,
)
_MOST_WORDS = 14


def find_headings(text: str, format: str) -> list[Heading]:
    """Return the headings of a text in 'Markdown', 'reStructuredText', 'AsciiDoc' or plain 'text'."""
    lines = list(_lines(text))
    found: list[Heading] = []
    # reStructuredText and plain text have no fixed levels: the first kind of underline is level 1, and so on.
    styles: list[str] = []
    fence = ""
    front = FRONT_MATTER.match(text) if format == "Markdown" else None
    for index, (start, line) in enumerate(lines):
        before = lines[index - 1][1] if index and not (front and start == front.end()) else ""
        after = lines[index + 1][1] if index + 1 < len(lines) else ""
        end = start + len(line)
        if format in ("Markdown", "AsciiDoc") and (mark := FENCE.match(line)) and (format, mark[1][0]) not in _NO_FENCE:
            opened = mark[1].strip()
            fence = "" if fence and opened.startswith(fence) else fence or opened
            continue
        if fence or not line.strip() or (front and start < front.end()):
            continue
        if match := (_ATX if format == "Markdown" else _ADOC if format == "AsciiDoc" else _NEVER).match(line):
            found.append(Heading(start, end, len(match[1]), line[match.end() :].rstrip().rstrip(match[1][0]).rstrip()))
        elif (
            (mark := _UNDERLINE.match(after)) and not _UNDERLINE.match(line) and _is_title(line, after, before, format)
        ):
            style = mark[1] * 2 if before.startswith(mark[1] * 3) else mark[1]
            styles += [style] if style not in styles else []
            level = styles.index(style) + 1 if format != "Markdown" else "=-".index(mark[1]) + 1
            first = lines[index - 1][0] if len(style) == 2 else start
            found.append(Heading(first, end + 1 + len(after), level, line.strip()))
        elif format == "text" and not before.strip() and _stands_out(line, after):
            numbered = _NUMBERED.match(line)
            level = numbered["number"].count(".") + 1 if numbered and numbered["number"] else 1
            found.append(Heading(start, end, level, line.strip()))
    return found


_NEVER = re.compile(r"(?!)")
# '----' is a rule in Markdown, and '~~~~' an underline in AsciiDoc.
_NO_FENCE = {("Markdown", "-"), ("Markdown", "."), ("AsciiDoc", "~")}


def _is_title(line: str, underline: str, before: str, format: str) -> bool:
    """Return whether a line above an underline is a title, not the end of a paragraph, a list item or a table."""
    if format == "Markdown":
        return underline.strip()[0] in "=-" and not before.strip() and not re.match(r"\s|[-*+>|]|\d+[.)]", line)
    own = not before.strip() or _UNDERLINE.match(before) is not None
    return format != "AsciiDoc" and own and line[:1] != " " and 0.6 <= len(underline.strip()) / len(line.strip()) <= 2.5


def _stands_out(line: str, after: str) -> bool:
    """Return whether a line below an empty one is a heading of a plain text: 'NAME' of a manual page, '2.1 Naming'."""
    if line[0].isspace() or len(line.split()) > _MOST_WORDS or line.rstrip()[-1] in ".,;:!?。":
        return False
    capitals = line.isupper() and sum(map(str.isalpha, line)) > 2
    return (capitals and (not after.strip() or after[0].isspace())) or (
        not after.strip() and _NUMBERED.match(line) is not None
    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the start and the content of each line."""
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1
