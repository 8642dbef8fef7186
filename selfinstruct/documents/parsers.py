"""The formats that are read, and their parsers; each runs in the process of `sandbox`."""

from __future__ import annotations

import posixpath
import re
import unicodedata
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from .document import Heading, Parsed, Unreadable
from .headings import FRONT_MATTER, find_headings
from .html import read_html
from .pdf import read_pdf

MAX_UNPACKED = 1024**3
"""The most bytes that a DOCX or EPUB file may unpack to."""

_TITLE = re.compile(r"^title:[ \t]*(\S.*)$", re.MULTILINE)
# Marks without width, which would hide a word from a search: byte order mark, soft hyphen. Control characters and
# halves of surrogate pairs go too.
_REMOVED = dict.fromkeys([*range(9), *range(14, 28), 31, 127, 0xAD, 0xFEFF, *range(0xD800, 0xE000)])
_LINE_ENDS = re.compile(r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")


class DocumentFormat(NamedTuple):
    """A format: its name, its parser, and the libraries that it needs."""

    name: str
    parse: Callable[[Path], Parsed]
    needs: tuple[str, ...] = ()


def _markdown(path: Path) -> Parsed:
    parsed = _marked(path, "Markdown")
    front = FRONT_MATTER.match(parsed.text)
    title = _TITLE.search(front.group()) if front else None
    return parsed._replace(title=title[1].strip("\"' ")) if title else parsed


def _marked(path: Path, format: str) -> Parsed:
    """Read a text; headings are found by their characters."""
    raw = path.read_bytes()
    name = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = clean(raw.decode(name))
    except UnicodeDecodeError as error:
        raise Unreadable(f"isn't UTF-8 text (byte {error.start:,}); save it as UTF-8") from None
    if b"\0" in raw and name == "utf-8-sig":
        raise Unreadable("holds binary data, not text")
    headings = tuple(find_headings(text, format))
    highest = [each for each in headings if each.level == min(other.level for other in headings[:50])]
    title = highest[0].text if len(highest) == 1 and highest[0] == headings[0] else ""
    return Parsed(text, title, headings)


def _html(path: Path) -> Parsed:
    return read_html(path.read_bytes())


def _docx(path: Path) -> Parsed:
    import mammoth

    with _unpack(path) as archive, path.open("rb") as file:
        style = "p[style-name='Title'] => h1:fresh"
        page = mammoth.convert_to_html(file, convert_image=lambda image: [], style_map=style).value
        title = ""
        if "docProps/core.xml" in archive.namelist():
            title = _texts(archive.read("docProps/core.xml"), "title")
    parsed = read_html(f"<body>{page}</body>".encode("utf-8", "replace"))
    return parsed._replace(title=title or parsed.title)


def _epub(path: Path) -> Parsed:
    """Read the chapters in the order of the book."""
    with _unpack(path) as archive:
        try:
            names = set(archive.namelist())
            if "META-INF/encryption.xml" in names and b"html" in archive.read("META-INF/encryption.xml"):
                raise Unreadable("is protected against copying; use a file without protection")
            package = _xml(archive.read("META-INF/container.xml")).find(".//{*}rootfile").get("full-path")
            book = _xml(archive.read(package))
            items = {each.get("id"): each for each in book.iterfind(".//{*}manifest/{*}item")}
            order = [items.get(each.get("idref")) for each in book.iterfind(".//{*}spine/{*}itemref")]
        except (KeyError, AttributeError):
            raise Unreadable("lacks the list of its chapters; is it an EPUB file?") from None
        text, headings, links = "", list[Heading](), list[str]()
        for item in order:
            if item is None or "html" not in item.get("media-type", "") or "nav" in item.get("properties", "").split():
                continue
            name = posixpath.normpath(posixpath.join(posixpath.dirname(package), unquote(item.get("href", ""))))
            if name not in names:
                continue
            chapter = read_html(archive.read(name), xml=True)
            text += "\n\n" if text and chapter.text else ""
            at = len(text)
            headings += [Heading(at + each.start, at + each.end, each.level, each.text) for each in chapter.headings]
            text += chapter.text
            links += chapter.notes
        title = " ".join((book.findtext(".//{*}metadata/{*}title") or "").split())
    return Parsed(text, title, tuple(headings), (), tuple(dict.fromkeys(links)))


def _unpack(path: Path) -> zipfile.ZipFile:
    """Open an archive, unless its content is too large. Raises Unreadable."""
    archive = zipfile.ZipFile(path)
    size = sum(each.file_size for each in archive.infolist())
    if size > MAX_UNPACKED:
        raise Unreadable(f"unpacks to {size // 1024**2:,} MB, more than {MAX_UNPACKED // 1024**2:,} MB")
    return archive


def _xml(raw: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(raw, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))


def _texts(raw: bytes, tag: str) -> str:
    return " ".join((_xml(raw).findtext(f".//{{*}}{tag}") or "").split())


FORMATS: dict[str, DocumentFormat] = {
    "pdf": DocumentFormat("PDF", read_pdf, ("pypdfium2",)),
    "html": DocumentFormat("HTML", _html, ("lxml",)),
    "docx": DocumentFormat("DOCX", _docx, ("mammoth", "lxml")),
    "epub": DocumentFormat("EPUB", _epub, ("lxml",)),
    "md": DocumentFormat("Markdown", _markdown),
    "rst": DocumentFormat("reStructuredText", lambda path: _marked(path, "reStructuredText")),
    "adoc": DocumentFormat("AsciiDoc", lambda path: _marked(path, "AsciiDoc")),
    "txt": DocumentFormat("text", lambda path: _marked(path, "text")),
}
SUFFIXES = {f".{key}": key for key in FORMATS}
SUFFIXES |= {".htm": "html", ".xhtml": "html", ".markdown": "md", ".text": "txt", ".asciidoc": "adoc"}


def check_content(path: Path, key: str) -> None:
    """Raise Unreadable if a file is empty, or its first bytes are of another format than its name says."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not head.strip(b"\0 \t\r\n"):
        raise Unreadable("is empty" if len(head) < 1024 else "begins with 1,024 empty bytes; is it damaged?")
    found = _sniff(path, head)
    if (key in ("pdf", "docx", "epub") and found != key) or (key not in ("pdf", "docx", "epub") and found in _BINARY):
        if found == "ole":
            raise Unreadable("is encrypted, or in the format of Word 97; save it as .docx without a password")
        what = f"holds {FORMATS[found].name}" if found in FORMATS else "is an archive" if found == "zip" else "is not"
        raise Unreadable(f"is named .{key}, but {what}; rename it, or export it again")


_BINARY = ("pdf", "zip", "docx", "epub", "ole")


def _sniff(path: Path, head: bytes) -> str | None:
    if (b"%PDF-" in head and head.lstrip()[:1] == b"%") or head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return "ole"
    if head.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = set(archive.namelist())
        except zipfile.BadZipFile:
            raise Unreadable("is damaged, or not complete") from None
        return "docx" if "word/document.xml" in names else "epub" if "META-INF/container.xml" in names else "zip"
    return "html" if re.match(rb"\s*(<!doctype html|<html)", head, re.IGNORECASE) else None


def clean(text: str) -> str:
    """Return a text in NFC with line ends '\\n', without marks of no width and control characters."""
    return unicodedata.normalize("NFC", _LINE_ENDS.sub("\n", text).translate(_REMOVED))


def cleaned(parsed: Parsed) -> Parsed:
    """Clean a parser's text, piece by piece, and move headings and pages to where they are then."""
    text = parsed.text
    cuts = {0, len(text)} | {at for each in parsed.headings for at in (each.start, each.end)}
    moved, pieces, length = {0: 0}, list[str](), 0
    for start, end in pairwise(sorted(cuts | {at for at, _ in parsed.pages})):
        pieces.append(clean(text[start:end]))
        length += len(pieces[-1])
        moved[end] = length
    headings = tuple(Heading(moved[h.start], moved[h.end], h.level, clean(h.text)) for h in parsed.headings)
    pages = tuple((moved[at], number) for at, number in parsed.pages)
    return Parsed("".join(pieces), clean(parsed.title).strip(), headings, pages, parsed.notes)
