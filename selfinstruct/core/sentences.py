"""Split a text into sentences, in any script, without a model. Chunks of documents and questions about them use it."""

from __future__ import annotations

import re

# The mark, closing quotes, and the white space after it; after a mark of full width there need be none: '。」'.
_END = re.compile(r"""(?:[.!?…]+["'”’»)\]`*]*(?=\s)|[。！？｡]+[」』”’）]*|[।۔؟](?=\s)|\n\s*\n)\s*""")
_EMPTY_LINE = re.compile(r"\n\s*\n")
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“„«]*\Z")
# Abbreviations that no sentence ends with, in lower case and without the last period.
_ABBREVIATIONS = frozenset(
    "e.g i.e cf vs viz dr mr mrs ms prof st approx resp incl esp eds jr sr z.b d.h u.a o.ä bzw ca vgl inkl ggf evtl "
    "sog hrsg i.d.r s.o s.u p.ex c.-à-d env núm sra ud uds dra ee.uu".split()
)
# Those that stand before a number: 'Fig. 3', 'No. 5', 'Art. 12'.
_BEFORE_NUMBERS = frozenset(
    "no nr fig figs sec sect ch chap vol p pp art abs abb tab kap bd seite núm pág eq ver".split()
)
_MONTHS = frozenset(
    "januar februar märz april mai juni juli august september oktober november dezember jahrhundert".split()
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Return start and end of each sentence of `text`, in order, without the white space between them.

    An empty line ends a sentence too. A text in a script without marks for the end of a sentence, such as Thai, is one
    sentence for each paragraph.

    >>> text = "See Fig. 3, e.g. the valve. Open it! 然后关闭。完成。"
    >>> [text[start:end] for start, end in split_sentences(text)]
    ['See Fig. 3, e.g. the valve.', 'Open it!', '然后关闭。', '完成。']
    """
    found = []
    start = len(text) - len(text.lstrip())
    for match in _END.finditer(text):
        if match.end() <= start or not _ends(text, match, start):
            continue
        end = match.start() + len(match.group().rstrip())
        if end > start:
            found.append((start, end))
        start = match.end()
    end = len(text.rstrip())
    return [*found, (start, end)] if end > start else found


def _ends(text: str, match: re.Match[str], start: int) -> bool:
    """Return whether a mark ends the sentence that begins at `start`.

    'the valve. Open' does, but not 'e.g. the', 'Fig. 3', 'J. Smith', 'am 3. Mai', the '1.' that numbers a step, or the
    mark inside the quotation of '"Go!" she said'.
    """
    mark, following = match.group(), text[match.end() : match.end() + 16]
    if _EMPTY_LINE.search(mark):
        return True
    if following[:1].islower() and (mark[0] in ".…" or (mark[0] in "!?" and mark.rstrip()[-1] not in ".!?…")):
        return False
    if mark[0] not in ".…":
        return True
    before = _WORD_BEFORE.search(text, max(0, match.start() - 24), match.start())
    word = before.group().lower() if before else ""
    if mark.rstrip() != ".":
        return True
    if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()):
        return False
    if word in _BEFORE_NUMBERS:
        return not following[:1].isdigit()
    if word.isdigit() and len(word) < 3:
        return text[start : match.start()].strip() != word and re.split(r"\W", following.lower())[0] not in _MONTHS
    return True
