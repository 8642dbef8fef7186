"""Write HTML as Markdown, without what surrounds the content: for HTML files, chapters of EPUB files, and DOCX.

Extractors for news pages drop code, definition lists and headings, which are what a manual consists of. So everything
is kept but what HTML itself marks as navigation, what is hidden, and lists that consist of links.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from .document import Heading, Parsed, Unreadable

_DROPPED = (
    "script style noscript template svg nav form button select textarea dialog iframe object audio video canvas head"
).split()
# Outside of the main part, these surround the content.
_AROUND = ("footer", "aside", "header")
_ROLES = frozenset("navigation banner contentinfo search complementary menu menubar".split())
_CODE = frozenset("code kbd samp tt".split())
_INLINE = _CODE | frozenset(
    "a abbr acronym b bdi bdo big cite data del dfn em font i img input ins label mark math meter output q ruby rt rp "
    "s small span strike strong sub sup time u var wbr".split()
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CHARSET = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*;)")
# The signs that documentation tools put behind a heading as a link to it.
_PERMALINK = re.compile(r"\s*[¶§#🔗]\s*\Z")
_LEAST_LINKS = 4
_UNWANTED = "unwanted"
"""The tag that replaces those of elements that are removed."""


def read_html(raw: bytes, *, xml: bool = False) -> Parsed:
    """Return the content of a page as Markdown. xml: it is XHTML from an EPUB file. Raises Unreadable."""
    root = _tree(decode(raw), xml)
    titles = [_words(each) for each in root.iter("title")]
    first = [_words(each) for each in root.iter("h1")]
    content, links = _content(root)
    writer = _MarkdownWriter()
    _write(content, writer)
    title = _PERMALINK.sub("", first[0]) if len(first) == 1 else next(filter(None, titles), "")
    notes = (f"{links} lists of links",) if links else ()
    return Parsed("".join(writer.parts), title, tuple(writer.headings), (), notes)


def decode(raw: bytes) -> str:
    """Decode a page by its mark or declaration; UTF-8 takes precedence. Raises Unreadable."""
    declared = _CHARSET.search(raw[:2048])
    names = ["utf-16"] if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig"]
    for name in [*names, declared[1].decode("ascii") if declared else "windows-1252"]:
        try:
            return raw.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    raise Unreadable("its encoding is broken; save it as UTF-8")


def _tree(text: str, xml: bool) -> Any:
    """Parse a page. Tags have no name space."""
    from lxml import etree

    # The parser doesn't know the names of HTML's characters where there is no DTD: '&ouml;'.
    raw = (_ENTITY.sub(lambda match: unescape(match.group()), text) if xml else text).encode("utf-8", "replace")
    options = {"encoding": "utf-8", "remove_comments": True, "remove_pis": True, "recover": True, "no_network": True}
    parser = etree.XMLParser(resolve_entities=False, **options) if xml else etree.HTMLParser(**options)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from None
        raise Unreadable(f"isn't readable as HTML: {error.msg}") from None
    if root is None:
        raise Unreadable("holds no text")
    etree.strip_elements(root, etree.Entity, with_tail=False)  # of the document's own, which may name a file
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2].lower() if isinstance(each.tag, str) else "script"
    return root


def _content(root: Any) -> tuple[Any, int]:
    """Return the element with the content, after removing the rest of it, and how many lists of links were in it."""
    from lxml.etree import strip_elements

    whole = len(_words(root))
    mains = [each for each in root.iter() if each.tag == "main" or each.get("role") == "main"]
    mains = mains or list(root.iter("article"))
    inside = len(mains) == 1 and len(_words(mains[0])) > whole / 4
    content = mains[0] if inside else root
    for each in list(content.iter()):
        unwanted = each.tag in _DROPPED or each.get("hidden") is not None or each.get("role") in _ROLES
        unwanted |= (each.get("summary") or "").startswith("Navigation")  # tables of DocBook's pages
        around = not inside and each.tag in _AROUND and each.find(".//h1") is None
        if each is not content and (unwanted or around or _HIDDEN.search(each.get("style") or "")):
            each.tag = _UNWANTED
    strip_elements(content, _UNWANTED, with_tail=False)
    lists = [each for each in content.iter("ul", "ol", "dl", "table") if _is_links(each)]
    for each in lists:
        each.tag = _UNWANTED
    strip_elements(content, _UNWANTED, with_tail=False)
    return content, len(lists)


def _is_links(element: Any) -> bool:
    links = [_words(each) for each in element.iter("a") if each.get("href")]
    return len(links) >= _LEAST_LINKS and sum(map(len, links)) >= 0.8 * len(_words(element).replace(" ", ""))


def _is_layout(table: Any) -> bool:
    """Return whether a table arranges parts of the page, rather than values."""
    inside = sum(1 for _ in table.iter("h1", "h2", "h3", "h4", "pre", "ul", "ol", "dl", "table"))
    return inside > 1 or any(len(cell.findall("p")) > 1 for cell in table.iter("td", "th"))


def _words(element: Any) -> str:
    return " ".join("".join(element.itertext()).split())


def _write(content: Any, writer: _MarkdownWriter) -> None:
    from lxml import etree

    walker = etree.iterwalk(content, events=("start", "end"))
    numbers: list[Iterator[str]] = []  # the marks of the open lists
    for event, element in walker:
        tag = element.tag
        if event == "start":
            if _start(element, tag, writer, numbers):
                writer.text(element.text or "")
            else:
                walker.skip_subtree()
            continue
        if tag in ("ul", "ol", "dl"):
            numbers.pop()
            writer.break_lines(1 if numbers else 2)
        elif tag in ("li", "dt", "dd"):
            writer.end_item()
        elif re.fullmatch("h[1-6]", tag):
            writer.end_heading()
        elif tag not in _INLINE and tag not in ("br", "tr", "td", "th"):
            writer.break_lines(2)
        if element is not content:
            writer.text(element.tail or "")


def _start(element: Any, tag: str, writer: _MarkdownWriter, lists: list[Iterator[str]]) -> bool:
    """Write what precedes an element's content. Return False if the whole element is written."""
    if tag == "br":
        writer.break_lines(1)
    elif re.fullmatch("h[1-6]", tag):
        writer.begin_heading(int(tag[1]))
    elif tag in ("ul", "ol", "dl"):
        writer.break_lines(1 if lists else 2)
        lists.append(iter(f"{number}. " for number in range(1, 10**6)) if tag == "ol" else iter(lambda: "- ", None))
    elif tag in ("li", "dt", "dd"):
        # A definition belongs to its term: '- --force', and in the next line '  Overwrite files.'
        writer.begin_item("  " if tag == "dd" else next(lists[-1], "- ") if lists else "- ")
    elif tag == "pre":
        writer.code("".join(element.itertext()))
        return False
    elif tag in _CODE and (words := _words(element)) and "`" not in words:
        writer.text(f" `{words}`" if (element.text or "")[:1].isspace() else f"`{words}`")
        return False
    elif tag == "table" and not _is_layout(element):
        writer.break_lines(2)
        for row in element.iter("tr", "caption"):
            cells = [_words(cell).replace("|", "/") for cell in row if cell.tag in ("td", "th")]
            writer.text("| " + " | ".join(cells) + " |" if len(list(filter(None, cells))) > 1 else _words(row))
            writer.break_lines(1)
        return False
    elif tag not in _INLINE:
        writer.break_lines(1 if tag in ("tr", "td", "th") else 2)
    return True


class _MarkdownWriter:
    """Collects Markdown and the headings in it. White space is written only before the next words."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.headings: list[Heading] = []
        self._length = 0
        self._newlines = 0
        self._space = False
        self._mark = ""  # of a list item or heading whose first word is still to come
        self._indents: list[str] = []
        self._heading: tuple[int, int, int] | None = None  # level, start, number of parts before
        self._level = 0

    def text(self, text: str) -> None:
        """Write running text, with white space folded."""
        words = " ".join(text.split())
        if not words:
            self._space |= bool(text)
            return
        self._begin(" " if self._space or text[0].isspace() else "")
        self._put(words)
        self._space = text[-1].isspace()

    def code(self, code: str) -> None:
        """Write a block of code between fences."""
        if not code.strip():
            return
        fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", code)), 0)
        indent = "".join(self._indents)
        self.break_lines(2)
        self._begin("")
        lines = [fence, *code.strip("\r\n").split("\n"), fence]
        self._put(f"\n{indent}".join(line.rstrip() for line in lines))
        self.break_lines(2)

    def break_lines(self, count: int) -> None:
        """End the line, or, for 2, the paragraph."""
        if not self._mark:
            self._newlines = max(self._newlines, count)
        self._space = False

    def begin_heading(self, level: int) -> None:
        self._hold_item()
        self.break_lines(2)
        self._mark, self._level = "#" * level + " ", level

    def end_heading(self) -> None:
        if self._heading is not None:
            level, start, part = self._heading
            text = "".join(self.parts[part:]).lstrip("# ")
            self.headings.append(Heading(start, self._length, level, _PERMALINK.sub("", text)))
        if self._level:
            self._mark, self._level, self._heading = "", 0, None
        self.break_lines(2)

    def begin_item(self, mark: str) -> None:
        self._hold_item()
        self.break_lines(1)
        self._mark = mark

    def end_item(self) -> None:
        if self._mark:
            self._mark = ""
        elif self._indents:
            self._indents.pop()
        self.break_lines(1)

    def _hold_item(self) -> None:
        """Begin something inside of an item without words of its own, such as a list in a list: no mark is written."""
        if self._mark:
            self._mark = ""
            self._indents.append("")

    def _begin(self, space: str) -> None:
        """Write the white space and the mark that stand before the next words."""
        if self._length and (self._newlines or not self._mark):
            self._put("\n" * self._newlines + "".join(self._indents) if self._newlines else space)
        self._newlines = 0
        if self._level and self._mark:
            self._heading = (self._level, self._length, len(self.parts))
        elif self._mark:
            self._indents.append(" " * len(self._mark))
        mark, self._mark = self._mark, ""
        self._put(mark)

    def _put(self, text: str) -> None:
        self.parts.append(text)
        self._length += len(text)
