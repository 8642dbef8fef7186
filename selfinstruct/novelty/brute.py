"""The engine for small pools: every text is compared, by `rapidfuzz`. It needs no compiling and says the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from ..errors import UsageError
from .score import rouge_l

if TYPE_CHECKING:
    from .arrays import Array

MOST_WORDS = 0x110000
"""Different tokens that this engine can tell apart: as many as there are characters."""


class BruteEngine:
    """Texts as strings of one character a token, by length. cutoff: F above it refuses."""

    def __init__(self, cutoff: float) -> None:
        self._cutoff = cutoff
        self._by_length: dict[int, tuple[list[str], list[int]]] = {}
        self._orders: dict[int, list[tuple[float, int]]] = {}
        self._size = 0
        self.postings = 0
        self.compared = 0

    def __len__(self) -> int:
        return self._size

    def find(self, tokens: Sequence[int], always: bool) -> tuple[float, int]:
        """The highest F and the first position that has it; (0.0, -1) when F is 0 or, without `always`, not above."""
        m, text = len(tokens), _as_string(tokens)
        best, nearest = (0.0 if always else self._cutoff), -1
        for bound, n in self._order(m):
            if bound < best:
                break
            texts, positions = self._by_length[n]
            row = _lcs(text, texts, int(best * (m + n) / 2))
            self.compared += len(texts)
            longest = max(row)
            score = rouge_l(longest, m, n)
            position = positions[row.index(longest)]
            if score > best or (score == best and -1 < position < nearest):
                best, nearest = score, position
        return (best, nearest) if nearest >= 0 else (0.0, -1)

    def add(self, tokens: Sequence[int]) -> None:
        """Put a text at the next position."""
        if len(tokens) not in self._by_length:
            self._by_length[len(tokens)] = [], []
            self._orders.clear()
        texts, positions = self._by_length[len(tokens)]
        texts.append(_as_string(tokens))
        positions.append(self._size)
        self._size += 1

    def _order(self, m: int) -> list[tuple[float, int]]:
        """The lengths of the pool's texts with the highest F that one of m tokens can have with them, best first."""
        if m not in self._orders:
            bounds = [(rouge_l(min(m, n), m, n), n) for n in self._by_length if min(m, n) > 0]
            self._orders[m] = sorted(bounds, reverse=True)
        return self._orders[m]

    def common_with_all(self, tokens: Sequence[int]) -> tuple[Array, Array]:
        """LCS with every text and every text's length, by position."""
        import numpy as np

        common, lengths = np.zeros(self._size, np.int32), np.zeros(self._size, np.int32)
        for n, (texts, positions) in self._by_length.items():
            common[positions] = _lcs(_as_string(tokens), texts)
            lengths[positions] = n
        return common, lengths

    def texts(self) -> list[list[int]]:
        """The tokens of every text, by position."""
        found: list[list[int]] = [[] for _ in range(self._size)]
        for texts, positions in self._by_length.values():
            for text, position in zip(texts, positions, strict=True):
                found[position] = [ord(char) for char in text]
        return found


def _as_string(tokens: Sequence[int]) -> str:
    """`rapidfuzz` reads strings many times faster than lists of numbers."""
    if tokens and max(tokens) >= MOST_WORDS:
        raise UsageError(
            f"more than {MOST_WORDS:,} different words; install numba: the compiled engine has no such limit"
        )
    return "".join(map(chr, tokens))


def _lcs(text: str, texts: list[str], least: int = 0) -> list[int]:
    """LCS with each of `texts`; 0 where it is below `least`, which is found out sooner."""
    if not text:
        return [0] * len(texts)
    row: list[int] = cdist([text], texts, scorer=LCSseq.similarity, score_cutoff=least)[0].tolist()
    return row
