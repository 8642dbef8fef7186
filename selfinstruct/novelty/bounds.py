"""Compiled: which lengths and how many common tokens a pair above the cutoff must have. See `score` for the rule."""

from __future__ import annotations

from .arrays import CLASSES, EXACT_LENGTHS, GROUPS, LONGEST, NEEDED, READ, Array
from .jit import compiled
from .score import rouge_l as _rouge_l

_FAR = 32_000
"""Stands in the table for any greater length: only texts longer than the table holds can be that long."""

_TINY = 1e-9
"""Below this cutoff texts of any length can be partners."""

score_of = compiled(_rouge_l)


@compiled
def least_common(m: int, n: int, cutoff: float) -> int:
    """`score.least_lcs`, compiled."""
    lcs = max(int(cutoff * (m + n) / 2) - 1, 1)
    while lcs <= min(m, n) and score_of(lcs, m, n) <= cutoff:
        lcs += 1
    return lcs


@compiled
def shortest_partner(m: int, cutoff: float) -> int:
    """The least length of a text that can be above `cutoff` with one of `m` tokens; m + 1 when none can.

    It is also the least number of tokens that any such partner has in common with it.
    """
    n = max(int(cutoff * m / (2 - cutoff)) - 1, 1)
    while n <= m and score_of(n, m, n) <= cutoff:
        n += 1
    return n


@compiled
def longest_partner(m: int, common: int, cutoff: float) -> int:
    """The greatest length of a text that is above `cutoff` with one of `m` tokens by `common` tokens; 0: none."""
    if common < 1:
        return 0
    if cutoff < _TINY:
        return 1 << 30
    n = int(2 * common / cutoff) - m + 2
    while n >= common and score_of(common, m, n) <= cutoff:
        n -= 1
    return n if n >= common else 0


@compiled
def length_class(n: int) -> int:
    """The class of texts of `n` tokens in the lists of a frequent token; never smaller for a longer text."""
    kind = n
    if n >= EXACT_LENGTHS:
        scaled, octave = n, 0
        while scaled >= 2 * EXACT_LENGTHS:
            scaled >>= 1
            octave += 1
        kind = min(EXACT_LENGTHS + octave * 8 + (scaled - EXACT_LENGTHS) * 8 // EXACT_LENGTHS, CLASSES - 1)
    return kind


@compiled
def place_group(place: int, prefix: int) -> int:
    """The group of a token at `place` of a prefix of `prefix` tokens; never smaller for a later place."""
    return min(place * GROUPS // max(prefix, 1), GROUPS - 1)


@compiled
def fill_bounds(table: Array, cutoff: float) -> None:
    """Fill the table of bounds for texts of m tokens, m below EXACT_LENGTHS.

    table[NEEDED, m, n]: `least_common`. table[READ, m, n]: how many groups of places a query of m tokens has to
    read in the lists of class n. table[LONGEST, m, p]: the longest partner that lacks the query's first p tokens.
    """
    for m in range(EXACT_LENGTHS):
        for n in range(EXACT_LENGTHS):
            needed = least_common(m, n, cutoff)
            table[NEEDED, m, n] = needed
            if needed <= min(m, n):
                table[READ, m, n] = place_group(n - needed, n - shortest_partner(n, cutoff) + 1) + 1
            else:
                table[READ, m, n] = 0
            table[LONGEST, m, n] = min(longest_partner(m, m - n, cutoff), _FAR)
