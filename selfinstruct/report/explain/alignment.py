"""Align two texts by their longest common subsequence of tokens, to show them side by side."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.tokens import fold, tokenize
from ...novelty.score import rouge_l


@dataclass(frozen=True, slots=True)
class AlignedRow:
    """A stretch of both texts, either with the same tokens (`common`), or between two such stretches."""

    left: str
    right: str
    common: bool


@dataclass(frozen=True, slots=True)
class Alignment:
    """Two texts in rows; the left sides joined are the left text, and likewise for the right.

    score: ROUGE-L F, 0 to 1. lcs: length of the longest common subsequence in tokens.
    """

    rows: tuple[AlignedRow, ...]
    score: float
    lcs: int
    left_tokens: int
    right_tokens: int


def align(left: str, right: str) -> Alignment:
    """Align two texts by one of their longest common subsequences of tokens."""
    from rapidfuzz.distance import LCSseq

    a, b = _Tokens(left), _Tokens(right)
    rows: list[AlignedRow] = []
    lcs = 0
    end: tuple[int, int] = (0, 0)  # end of the last common stretch
    for code in LCSseq.opcodes(a.tokens, b.tokens):
        if code.tag != "equal":
            continue
        # Add what differs before the common stretch, then the stretch.
        if end != (code.src_start, code.dest_start):
            rows.append(AlignedRow(a.text(end[0], code.src_start), b.text(end[1], code.dest_start), False))
        rows.append(AlignedRow(a.text(code.src_start, code.src_end), b.text(code.dest_start, code.dest_end), True))
        lcs += code.src_end - code.src_start
        end = code.src_end, code.dest_end
    # Add what differs at the end.
    m, n = len(a.tokens), len(b.tokens)
    if end != (m, n) or not rows:
        rows.append(AlignedRow(a.text(end[0], m), b.text(end[1], n), False))
    return Alignment(tuple(rows), rouge_l(lcs, m, n), lcs, m, n)


class _Tokens:
    """The tokens of a text, each with its position in the text."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        folded, _ = fold(text)
        places = _source_positions(text, folded)
        if places is None:  # the positions are unknown, so show the folded tokens instead of the text
            text = folded = " ".join(self.tokens)
            places = range(len(text) + 1)
        self._text = text
        self._starts: list[int] = []
        position = 0
        for token in self.tokens:
            position = folded.index(token, position)
            self._starts.append(places[position])
            position += len(token)

    def text(self, first: int, end: int) -> str:
        """Return the text from the start of token `first` to the start of token `end`."""
        return self._text[self._start(first) : self._start(end)]

    def _start(self, number: int) -> int:
        if number == 0:  # include any punctuation before the first token
            return 0
        return self._starts[number] if number < len(self._starts) else len(self._text)


def _source_positions(text: str, folded: str) -> range | list[int] | None:
    """Return, for each character of `folded`, the position in `text` that it comes from; None if that is unknown."""
    if text.isascii():
        return range(len(text) + 1)
    # Folding one character at a time gives the positions, unless characters compose: 'e' and a combining accent.
    parts = [fold(char)[0] for char in text]
    if "".join(parts) != folded:
        return None
    return [place for place, part in enumerate(parts) for _ in part]
