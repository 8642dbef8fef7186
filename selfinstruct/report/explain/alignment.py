"""Two texts side by side, cut where their longest common subsequence of tokens begins and ends."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.tokens import fold, tokenize
from ...novelty.score import rouge_l


@dataclass(frozen=True, slots=True)
class Row:
    """A stretch of both texts: the same tokens in both (`common`), or what stands between two of these."""

    left: str
    right: str
    common: bool


@dataclass(frozen=True, slots=True)
class Alignment:
    """Both texts in rows; joined, the rows' sides are the texts again.

    score: ROUGE-L F. lcs: tokens in common, in order, of `left_tokens` and `right_tokens`.
    """

    rows: tuple[Row, ...]
    score: float
    lcs: int
    left_tokens: int
    right_tokens: int


def align(left: str, right: str) -> Alignment:
    """Align two texts by one of their longest common subsequences of tokens."""
    from rapidfuzz.distance import LCSseq

    ours, theirs = _Tokens(left), _Tokens(right)
    rows: list[Row] = []
    lcs = 0
    before: tuple[int, int] = (0, 0)  # where the stretch between two common ones began
    for code in LCSseq.opcodes(ours.tokens, theirs.tokens):
        if code.tag != "equal":
            continue
        if before != (code.src_start, code.dest_start):
            rows.append(Row(ours.text(before[0], code.src_start), theirs.text(before[1], code.dest_start), False))
        rows.append(Row(ours.text(code.src_start, code.src_end), theirs.text(code.dest_start, code.dest_end), True))
        lcs += code.src_end - code.src_start
        before = code.src_end, code.dest_end
    m, n = len(ours.tokens), len(theirs.tokens)
    if before != (m, n) or not rows:
        rows.append(Row(ours.text(before[0], m), theirs.text(before[1], n), False))
    return Alignment(tuple(rows), rouge_l(lcs, m, n), lcs, m, n)


class _Tokens:
    """The tokens of a text, each with the place in the text where it begins."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        folded, _ = fold(text)
        places = _places(text, folded)
        if places is None:  # characters that fold only together: shown as the tokens that are compared
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
        """From the beginning of token `first` to that of token `end`, what stands between them included."""
        return self._text[self._at(first) : self._at(end)]

    def _at(self, number: int) -> int:
        """Where token `number` begins; what stands before the first token belongs to it."""
        if number == 0:
            return 0
        return self._starts[number] if number < len(self._starts) else len(self._text)


def _places(text: str, folded: str) -> range | list[int] | None:
    """For each character of `folded` the one of `text` that it comes from; None where that can't be told."""
    if text.isascii():
        return range(len(text) + 1)
    parts = [fold(char)[0] for char in text]
    if "".join(parts) != folded:
        return None
    return [place for place, part in enumerate(parts) for _ in part]
