"""Cut documents into passages: by heading, then paragraph, then sentence, each short enough for a prompt.

Text that makes no question is left out, and every part that is left out has a reason: contents, indexes, licenses,
navigation, and near-duplicates, which the index of `novelty` finds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise, takewhile

from ..core.documents import Passage
from ..core.errors import UsageError
from ..core.sentences import split_sentences
from ..core.tokens import tokenize
from .document import Document
from .units import TextSection, Unit, sections

MAX_WORDS = 300
"""About 400 tokens of English."""
_SHORT = 40
"""Words of a section that is joined with the next one."""
_LEAST_WORDS = 8
_MOST_CHARS = 4000  # of a section, to see what it is
_CHARS_PER_WORD = 8
"""Code and tables have few words, so characters count as well."""

# '2.1 Naming . . . . . 3', '2.1 Naming ........ iv'
_LEADERS = re.compile(r"(?:\.[ \u00a0]?){4,}\s*(?:\d+|[ivxlc]+)\b|…{2,}\s*\d+")
_PAGE_AT_END = re.compile(r"[^\d\s].*?[\s,\t]\d{1,4}(?:[,–-]\s?\d{1,4})*\s*\Z")
_CONTENTS = re.compile(
    r"(?:table of )?contents|list of (?:figures|tables)|inhalt(?:sverzeichnis)?|abbildungsverzeichnis"
    r"|tabellenverzeichnis|table des matières|sommaire|índice(?: general)?|contenido|目\s*录|目\s*次|목차",
    re.IGNORECASE,
)
_INDEX = re.compile(
    r"(?:\w+ ){0,4}index|stichwortverzeichnis|sachregister|índice (?:alfabético|analítico)|索引", re.IGNORECASE
)
# In lower case, like that of the navigation: ignoring case takes ten times as long.
_LICENSE = re.compile(
    r"permission is (?:hereby )?granted|without warranty|warranties? of (?:any kind|merchantability)|terms of the gnu"
    r"|all rights reserved|redistribution and use in source|licen[sc]ed under|copyright (?:©|\(c\)|holder|notice)"
    r"|©\s*\d{4}|in no event shall|derivative works?|invariant sections?|alle rechte vorbehalten|tous droits réservés"
)
_LICENSE_HEADING = re.compile(
    r"(?:the )?(?:software )?(?:licen[sc](?:e|es|ing)|lizenz(?:en)?|copyright|copying)"
    r"(?: (?:notices?|information|terms|agreement))?|impressum|imprint|legal(?: notices?| information)?|notices?"
    r"|disclaimer|haftungsausschluss|mentions légales|aviso legal",
    re.IGNORECASE,
)
_NAMED_LICENSE = re.compile(
    r"(?:the )?(?:gnu|mit|apache|bsd|mozilla|creative commons)\b.{0,50}licen[sc]e.{0,20}", re.IGNORECASE
)
_NAVIGATION = re.compile(
    r"\b(?:home|next|prev(?:ious)?|up|back|menu|search|log ?in|sign (?:in|up)|skip to \w+|site ?map|share|weiter|zurück"
    r"|nächste|vorherige|startseite|suche|anmelden|accueil|suivant|précédent|inicio|siguiente|anterior)\b"
)
# The number before the words of a heading: '2.1 ', 'A.1 ', 'Appendix B: '.
_NUMBER = re.compile(
    r"\A(?:(?:appendix|annex|chapter|anhang|kapitel)\s+)?(?:[A-Z]|[\dIVX]+)(?:\.\d+)*[.:)]?\s+(?=\S)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class SkippedPart:
    """A part of a document that is no passage.

    reason: contents, index, license, navigation, too_short, or near_duplicate. nearest: the id of the passage that a
    near-duplicate is similar to.
    """

    id: str
    document: str
    start: int
    end: int
    reason: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True)
class Chunks:
    """The passages of some documents, and the parts that were left out, both in the order of the documents."""

    passages: tuple[Passage, ...]
    skipped: tuple[SkippedPart, ...]


def chunk_documents(
    documents: Iterable[Document],
    *,
    max_words: int = MAX_WORDS,
    max_similarity: float = 0.8,
    known: Iterable[Passage] = (),
) -> Chunks:
    """Cut documents into passages; `document.text[p.start : p.end] == p.text` for each.

    Args:
        documents: The documents, with different names.
        max_words: The longest passage. In scripts without spaces a character counts as a word. Only a sentence, item,
            or block of code that is longer itself is cut.
        max_similarity: Leave out passages that are more similar than this, as ROUGE-L F, to one that is kept.
        known: Passages that were kept before: of two similar ones they stay, whatever the order.

    Raises:
        UsageError: `max_words` is less than 20, or `max_similarity` is out of range.
    """
    if max_words < 20:
        raise UsageError(f"max_words: {max_words} is too short for a passage; use at least 20")
    passages, skipped, places = list[Passage](), list[SkippedPart](), dict[str, int]()
    for document in documents:
        places[document.name] = len(places)
        for section, start, end in _parts(document, max_words):
            id = f"{document.name}:{start}-{end}"
            text = document.text[start:end]
            if reason := _reason(text, section):
                skipped.append(SkippedPart(id, document.name, start, end, reason))
                continue
            pages = _pages_of(document, start, end)
            headings = tuple(each for each in section.path if not _CONTENTS.fullmatch(_plain(each)))
            passages.append(Passage(id, document.name, start, end, text, document.title, headings, pages))
    kept, similar = _distinct(passages, max_similarity, {each.text for each in known})
    skipped = sorted([*skipped, *similar], key=lambda each: (places[each.document], each.start))
    return Chunks(tuple(kept), tuple(skipped))


def _distinct(
    passages: Sequence[Passage], max_similarity: float, known: set[str]
) -> tuple[list[Passage], list[SkippedPart]]:
    """Divide passages into those that are kept and near-duplicates of them."""
    from ..novelty import NoveltyIndex

    index = NoveltyIndex(max_similarity, nearest="refused")
    kept, skipped = set[str](), list[SkippedPart]()
    for each in sorted(passages, key=lambda each: each.text not in known):
        verdict = index.check(each.text)
        if verdict.ok:
            index.admit(each.id, each.text)
            kept.add(each.id)
        else:
            skipped.append(SkippedPart(each.id, each.document, each.start, each.end, "near_duplicate", verdict.nearest))
    return [each for each in passages if each.id in kept], skipped


def _pages_of(document: Document, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return the page that a passage begins on, and those that begin inside."""
    before = [each for each in document.pages if each[0] <= start]
    return (*before[-1:], *(each for each in document.pages if start < each[0] < end))


def _parts(document: Document, max_words: int) -> Iterator[tuple[TextSection, int, int]]:
    """Yield the section, start and end of each part of a document."""
    text = document.text
    for section in _joined(text, sections(document), max_words):
        for start, end in _packed(text, section.units, max_words):
            yield section, start, end


def _joined(text: str, found: Iterable[TextSection], max_words: int) -> Iterator[TextSection]:
    """Join a short section with the next ones, as long as they have the same heading above."""
    last: TextSection | None = None
    size = 0  # words of `last`; none may be added to a license and the like
    for section in found:
        words = _words(text[section.start : section.end])
        plain = _reason(text[section.body : section.end][:_MOST_CHARS], section) in (None, "too_short")
        siblings = last is not None and section.path[: len(last.path) - 1] == last.path[:-1]
        if last and plain and siblings and size < _SHORT and size + words <= max_words:
            last = _join(last, section)
            size += words
            continue
        if last:
            yield last
        last, size = section, words if plain else _SHORT
    if last:
        yield last


def _join(first: TextSection, second: TextSection) -> TextSection:
    """Join two sections; a heading that isn't above both becomes part of the text."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first.path, second.path, strict=False))
    path = tuple(heading for heading, _ in same)
    head = Unit(first.start, first.body, "sentence", -1)
    units = first.units if path == first.path else (head, *first.units)
    return TextSection(
        first.start,
        first.body,
        second.end,
        path,
        (*units, Unit(second.start, second.body, "sentence", -2), *second.units),
    )


def _packed(text: str, units: Sequence[Unit], max_words: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of chunks: whole paragraphs and lists as long as they fit, then sentences and items."""
    if not units:
        return
    # Chunks of about the same size, rather than a short rest.
    total = _words(text[units[0].start : units[-1].end]) or 1
    most = min(max_words, total / math.ceil(total / max_words) * 1.15)
    pieces = [piece for unit in units for piece in _cut(text, unit, max_words)]
    start = end = -1
    for _, group in groupby(pieces, key=lambda each: each.block):
        block = [(each.start, each.end) for each in group]
        whole = (block[0][0], block[-1][1])
        # A paragraph that fits, but not with what is before it, begins a chunk.
        for first, last in [whole] if _words(text[slice(*whole)]) <= most else block:
            if start >= 0 and _words(text[start:last]) > most:
                yield start, end
                start = -1
            start, end = first if start < 0 else start, last
    if start >= 0:
        yield start, end


def _cut(text: str, unit: Unit, max_words: int) -> Iterator[Unit]:
    """Cut a unit that is too long itself, until its pieces fit."""
    stack = [(unit.start, unit.end)]
    while stack:
        start, end = stack.pop()
        if _words(text[start:end]) <= max_words:
            yield Unit(start, end, unit.kind, unit.block)
            continue
        at = _middle(text, start, end)
        stack += [(end - len(text[at:end].lstrip()), end), (start, start + len(text[start:at].rstrip()))]


def _middle(text: str, start: int, end: int) -> int:
    """Return where to cut: near the middle, after a sentence, else after a line, a comma, a word; else there."""
    middle = (start + end) // 2
    inside = text[start:end]
    ends = [start + at for _, at in split_sentences(inside)[:-1]]
    for places in (
        ends,
        *([start + m.start() for m in re.finditer(p, inside)] for p in (r"\n", r"[,;:，、；：]\s*", r"\s")),
    ):
        fitting = [at for at in places if start + (end - start) // 4 <= at <= end - (end - start) // 4]
        if fitting:
            return min(fitting, key=lambda at: abs(at - middle))
    return middle


def _words(text: str) -> int:
    return max(len(tokenize(text)), len(text) // _CHARS_PER_WORD)


def _reason(text: str, section: TextSection) -> str | None:
    """Return why a part is no passage, or None."""
    heads = list(map(_plain, section.path))
    lines = [line for line in text.splitlines() if line.strip()]
    paged = sum(_PAGE_AT_END.match(line.strip()) is not None for line in lines)
    words = tokenize(text)
    head = heads[-1] if heads else ""
    if _INDEX.fullmatch(head):
        return "index"
    if _CONTENTS.fullmatch(head) or len(_LEADERS.findall(text)) > 2:
        return "contents"
    if len(lines) > 5 and paged > 0.7 * len(lines) and "```" not in text:
        return "contents" if _sorted_pages(lines) else "index"
    phrases = len(_LICENSE.findall(text.lower()))
    generic = phrases and any(_LICENSE_HEADING.fullmatch(head) for head in heads)
    if generic or any(_NAMED_LICENSE.fullmatch(head) for head in heads) or phrases > max(1, len(words) / 60):
        return "license"
    if len(words) < _LEAST_WORDS:
        return "too_short"
    if sum(map(str.isalpha, text)) < 0.4 * len("".join(text.split())):
        return "no_words"
    if not re.search(r"[.!?:;。！？：；।۔؟]", text) and len(_NAVIGATION.findall(text.lower())) > 1:
        return "navigation"
    return None


def _plain(heading: str) -> str:
    """Return a heading without its number."""
    return _NUMBER.sub("", heading).strip()


def _sorted_pages(lines: Sequence[str]) -> bool:
    """Return whether the page numbers at the ends of lines grow, as in a table of contents."""
    pages = [int(found[-1]) for line in lines if (found := re.findall(r"\d+", line))]
    return all(one <= other for one, other in pairwise(pages))
