"""The engine for small pools: every text is looked at, the promising ones compared by `rapidfuzz`. Nothing is compiled.

What is looked at is a signature: the parity of how many of the text's tokens have each of 128 hash values. The bits in
which two signatures differ are at most the tokens that the two texts don't have in common, which bounds F from above.
The texts with the highest bounds are compared first, and those whose bound is below the best F found never.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .score import rouge_l

if TYPE_CHECKING:
    from .arrays import Array

MOST_WORDS = 0x110000
"""Different tokens that this engine can tell apart: as many as there are characters."""
_BITS = 128
_ROUND = 0.8
"""Texts are compared at once whose bounds are at least this share of the highest one."""
_ROUNDING = 1e-9
"""More than the floating-point expressions of a bound and of F can differ by where the two are equal."""


class BruteEngine:
    """Texts as strings of one character a token. cutoff: F above it refuses."""

    def __init__(self, cutoff: float) -> None:
        import numpy as np

        self._cutoff = cutoff
        self._strings: list[str] = []
        self._lengths = np.zeros(64, np.int64)
        self._signatures = np.zeros((_BITS // 64, 64), np.uint64)
        self._last: tuple[Sequence[int], Array] = (), np.zeros(0)
        """The text asked last and its bounds: the nearest one of a text that passed is looked for next."""
        self.postings = 0
        self.compared = 0

    def __len__(self) -> int:
        return len(self._strings)

    def find(self, tokens: Sequence[int], always: bool) -> tuple[float, int]:
        """The highest F and the first position that has it; (0.0, -1) when F is 0 or, without `always`, not above."""
        best, nearest = (0.0 if always else self._cutoff), -1
        if not tokens or not self._strings:
            return 0.0, -1
        text, bounds = _as_string(tokens), self._bounds(tokens)
        while (highest := float(bounds.max())) >= best - _ROUNDING and highest > 0.0:
            some = (bounds >= max(best, _ROUND * highest) - _ROUNDING).nonzero()[0]
            bounds[some] = -1.0
            common = self._lcs(text, some.tolist())
            shares = common / (self._lengths[some] + len(tokens))
            for k in (shares >= shares.max() - _ROUNDING).nonzero()[0].tolist():
                position = int(some[k])
                score = rouge_l(int(common[k]), len(tokens), len(self._strings[position]))
                if score > best or (score == best and position < nearest):
                    best, nearest = score, position
        return (best, nearest) if nearest >= 0 else (0.0, -1)

    def add(self, tokens: Sequence[int]) -> None:
        """Put a text at the next position."""
        import numpy as np

        size = len(self._strings)
        if size == len(self._lengths):
            self._lengths = np.concatenate((self._lengths, np.zeros_like(self._lengths)))
            self._signatures = np.concatenate((self._signatures, np.zeros_like(self._signatures)), axis=1)
        self._strings.append(_as_string(tokens))
        self._lengths[size] = len(tokens)
        self._signatures[:, size] = _signature(tokens)

    def common_with_all(self, tokens: Sequence[int]) -> tuple[Array, Array]:
        """LCS with every text and every text's length, by position."""
        import numpy as np

        every = range(len(self._strings))
        common = self._lcs(_as_string(tokens), every) if tokens else np.zeros(len(every), np.int32)
        return common.astype(np.int32), self._lengths[: len(every)].astype(np.int32)

    def texts(self) -> list[list[int]]:
        """The tokens of every text, by position."""
        return [list(map(ord, string)) for string in self._strings]

    def _bounds(self, tokens: Sequence[int]) -> Array:
        """For every text the highest F that its signature leaves possible."""
        import numpy as np

        size = len(self._strings)
        if self._last[0] is tokens and len(self._last[1]) == size:
            return self._last[1].copy()
        self.postings += size
        ours, (low, high) = _signature(tokens), self._signatures[:, :size]
        differing = np.bitwise_count(low ^ np.uint64(ours[0])) + np.bitwise_count(high ^ np.uint64(ours[1]))
        bounds: Array = 1.0 - differing / (self._lengths[:size] + len(tokens))
        self._last = tokens, bounds
        return bounds.copy()

    def _lcs(self, text: str, positions: Sequence[int]) -> Array:
        from rapidfuzz.distance import LCSseq
        from rapidfuzz.process import cdist

        self.compared += len(positions)
        row: Array = cdist([text], [self._strings[p] for p in positions], scorer=LCSseq.similarity)[0]
        return row


def _as_string(tokens: Sequence[int]) -> str:
    """`rapidfuzz` reads strings many times faster than lists of numbers."""
    if tokens and max(tokens) >= MOST_WORDS:
        raise UsageError(
            f"more than {MOST_WORDS:,} different words; install numba: the compiled engine has no such limit"
        )
    return "".join(map(chr, tokens))


def _signature(tokens: Sequence[int]) -> list[int]:
    """Words of 64 bits."""
    bits = 0
    for token in tokens:
        bits ^= 1 << (token * 0x9E3779B1 >> 15) % _BITS
    return [bits >> at & (1 << 64) - 1 for at in range(0, _BITS, 64)]
