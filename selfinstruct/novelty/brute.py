"""The engine for small pools: scan the signatures of all texts and compare the promising texts with `rapidfuzz`.

Nothing is compiled. Bit h of a signature is the parity of the number of tokens with hash h, for 128 hash values. Two
signatures differ in at most as many bits as there are tokens that the texts do not share, which bounds F from above.
The texts with the highest bounds are compared first; a text whose bound is below the best F so far is skipped.

Of some hundred tokens, parities say little. So passages are bounded by 256 counts of hashed tokens: a common
subsequence is no longer than what the counts have in common. The cost of an LCS grows with the product of the lengths,
so long texts are bounded more closely still: the tokens are dealt into classes, and a common subsequence is no longer
than those of the classes together. Since each class has a fraction of both texts, 64 classes cost a 64th; where that
doesn't decide, 16 and 4 bound F more closely. `NoveltyIndex` uses this engine until the pool is large.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .score import rouge_l

if TYPE_CHECKING:
    from .arrays import Array

# Limit on distinct tokens: each token is one Unicode character.
MOST_WORDS = 0x110000
# Bits of a signature.
_BITS = 128
# One round compares all texts whose bounds are at least this share of the highest bound.
_ROUND = 0.8
# Tokens from which texts have counts, and the number of them.
_COUNTED, _COUNTS = 64, 256
# Tokens from which a text is long, and the numbers of classes to try. At 20,000 tokens, 64 classes rule out unrelated
# texts of code or of random words 100 times faster than an LCS.
_LONG = 2048
_CLASSES = (64, 16, 4)
# Larger than the difference between the floating-point bound and F where the two are equal in exact arithmetic.
_ROUNDING = 1e-9


class BruteEngine:
    """A pool of texts, each stored as a string with one character per token. An F above `cutoff` is a refusal."""

    def __init__(self, cutoff: float) -> None:
        import numpy as np

        self._cutoff = cutoff
        self._strings: list[str] = []
        self._lengths = np.zeros(64, np.int64)
        self._signatures = np.zeros((_BITS // 64, 64), np.uint64)
        self._counts = np.zeros((64, _COUNTS), np.uint8)
        self._classes: list[list[list[str]]] = []  # for each text and each of _CLASSES, the tokens of every class
        # The last text queried and its bounds: callers often ask for the nearest text of a text that just passed.
        self._last: tuple[Sequence[int], Array] = (), np.zeros(0)
        self.postings = 0
        self.compared = 0

    def __len__(self) -> int:
        return len(self._strings)

    def find(self, tokens: Sequence[int], always: bool) -> tuple[float, int]:
        """Return the highest F and its position; (0.0, -1) if F is 0 or, without `always`, not above the cutoff."""
        best, nearest = (0.0 if always else self._cutoff), -1
        if not tokens or not self._strings:
            return 0.0, -1
        text, bounds = _as_string(tokens), self._bounds(tokens)
        if len(tokens) >= _COUNTED:
            self._count(bounds, tokens, best)
        if len(tokens) >= _LONG:
            self._tighten(bounds, tokens, best)
        # Each round compares the texts with the highest remaining bounds, until no bound reaches the best F.
        while (highest := float(bounds.max())) >= best - _ROUNDING and highest > 0.0:
            some = (bounds >= max(best, _ROUND * highest) - _ROUNDING).nonzero()[0]
            bounds[some] = -1.0
            common = self._lcs(text, some.tolist())
            # F = 2L / (m + n), so L / (m + n) orders the texts by F. Only the top texts are scored exactly.
            shares = common / (self._lengths[some] + len(tokens))
            for k in (shares >= shares.max() - _ROUNDING).nonzero()[0].tolist():
                position = int(some[k])
                score = rouge_l(int(common[k]), len(tokens), len(self._strings[position]))
                if score > best or (score == best and position < nearest):
                    best, nearest = score, position
        return (best, nearest) if nearest >= 0 else (0.0, -1)

    def add(self, tokens: Sequence[int]) -> None:
        """Append a text to the pool."""
        import numpy as np

        size = len(self._strings)
        if size == len(self._lengths):
            self._lengths = np.concatenate((self._lengths, np.zeros_like(self._lengths)))
            self._signatures = np.concatenate((self._signatures, np.zeros_like(self._signatures)), axis=1)
            self._counts = np.concatenate((self._counts, np.zeros_like(self._counts)))
        self._strings.append(_as_string(tokens))
        self._classes.append([_deal(tokens, count) for count in _CLASSES] if len(tokens) >= _LONG else [])
        self._lengths[size] = len(tokens)
        self._signatures[:, size] = _signature(tokens)
        if len(tokens) >= _COUNTED:
            self._counts[size] = _counts(tokens)

    def common_with_all(self, tokens: Sequence[int]) -> tuple[Array, Array]:
        """Return the LCS with every text and the length of every text, both int32[texts] by position."""
        import numpy as np

        every = range(len(self._strings))
        common = self._lcs(_as_string(tokens), every) if tokens else np.zeros(len(every), np.int32)
        return common.astype(np.int32), self._lengths[: len(every)].astype(np.int32)

    def texts(self) -> list[list[int]]:
        """Return the tokens of every text, by position."""
        return [list(map(ord, string)) for string in self._strings]

    def _bounds(self, tokens: Sequence[int]) -> Array:
        """Return an upper bound of F for every text, float64[texts], from the signatures."""
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

    def _count(self, bounds: Array, tokens: Sequence[int], best: float) -> None:
        """Lower the bounds of texts that reach `best`, by what their counts have in common."""
        import numpy as np

        lengths, ours = self._lengths[: len(bounds)], _counts(tokens)
        some = ((bounds >= best - _ROUNDING) & (lengths >= _COUNTED)).nonzero()[0]
        common = np.minimum(self._counts[some], ours).sum(axis=1, dtype=np.uint16)
        if len(some) and int(ours.sum()) == len(tokens):
            bounds[some] = np.minimum(bounds[some], 2.0 * common / (lengths[some] + len(tokens)))

    def _tighten(self, bounds: Array, tokens: Sequence[int], best: float) -> None:
        """Lower the bounds of long texts that reach `best`."""
        import numpy as np
        from rapidfuzz.distance import LCSseq
        from rapidfuzz.process import cdist

        lengths = self._lengths[: len(bounds)]
        for level, count in enumerate(_CLASSES):
            some = ((bounds >= best - _ROUNDING) & (lengths >= _LONG)).nonzero()[0]
            if not len(some):
                return
            # At first, assume that the shorter of two classes is contained in the longer one.
            ours, theirs = _deal(tokens, count), [self._classes[p][level] for p in some.tolist()]
            shorter = np.array([list(map(len, each)) for each in theirs]).clip(max=list(map(len, ours)))
            common, ours_and_theirs = shorter.sum(axis=1), lengths[some] + len(tokens)
            # Small classes first: the texts that they rule out save the large ones, which cost the most.
            for number in sorted(range(count), key=lambda number: len(ours[number])):
                left = (2.0 * common / ours_and_theirs >= best - _ROUNDING).nonzero()[0]
                strings = [theirs[k][number] for k in left.tolist()]
                common[left] += cdist([ours[number]], strings, scorer=LCSseq.similarity)[0] - shorter[left, number]
            bounds[some] = np.minimum(bounds[some], 2.0 * common / ours_and_theirs)

    def _lcs(self, text: str, positions: Sequence[int]) -> Array:
        from rapidfuzz.distance import LCSseq
        from rapidfuzz.process import cdist

        self.compared += len(positions)
        row: Array = cdist([text], [self._strings[p] for p in positions], scorer=LCSseq.similarity)[0]
        return row


def _as_string(tokens: Sequence[int]) -> str:
    """Encode tokens as characters: `rapidfuzz` reads strings many times faster than lists of numbers."""
    return "".join(map(chr, tokens))


def _deal(tokens: Sequence[int], count: int) -> list[str]:
    """Deal the tokens into classes, in order; each class is a string.

    A character stands for several tokens, which may make the LCS longer but not shorter: strings of 256 different
    characters are the fastest to compare.
    """
    import numpy as np

    hashes = np.array(tokens, np.uint32) * np.uint32(0x9E3779B1)
    classes, characters = hashes >> np.uint32(26), (hashes >> np.uint32(19)).astype(np.uint8)
    return [characters[classes % count == number].tobytes().decode("latin-1") for number in range(count)]


def _counts(tokens: Sequence[int]) -> Array:
    """Return how many tokens have each hash value, uint8[_COUNTS]; 255 for all of them if a number is above 255."""
    import numpy as np

    hashes = np.array(tokens, np.uint32) * np.uint32(0x9E3779B1) >> np.uint32(24)
    counts = np.bincount(hashes, minlength=_COUNTS)
    return np.where(counts.max() > 255, 255, counts).astype(np.uint8)


def _signature(tokens: Sequence[int]) -> list[int]:
    """Return the parity signature of a text as two 64-bit words, low word first."""
    bits = 0
    for token in tokens:
        bits ^= 1 << (token * 0x9E3779B1 >> 15) % _BITS  # Fibonacci hashing: multiply by 2**32 / golden ratio
    return [bits >> at & (1 << 64) - 1 for at in range(0, _BITS, 64)]
