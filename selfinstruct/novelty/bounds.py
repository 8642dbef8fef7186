"""Compiled: bounds on the lengths and the number of common tokens of a pair above the cutoff.

`score` states the rule in plain Python. `sieves`, `search` and `postings` call the functions here.
"""

from __future__ import annotations

from .arrays import CLASSES, EXACT_LENGTHS, GROUPS, LONGEST, NEEDED, READ, Array
from .jit import compiled
from .score import rouge_l as _rouge_l

# Table entry for "longer than any text in the table"; the table's int16 cannot hold the real bound.
_FAR = 32_000

# Below this cutoff, texts of any length can be partners.
_TINY = 1e-9

score_of = compiled(_rouge_l)


@compiled
def least_common(m: int, n: int, cutoff: float) -> int:
    """Return `score.least_lcs`, compiled."""
    lcs = max(int(cutoff * (m + n) / 2) - 1, 1)
    while lcs <= min(m, n) and score_of(lcs, m, n) <= cutoff:
        lcs += 1
    return lcs


@compiled
def shortest_partner(m: int, cutoff: float) -> int:
    """Return the length of the shortest text that can exceed `cutoff` with a text of `m` tokens; m + 1 if none can.

    The result is also the smallest number of common tokens of any partner (the length filter of PPJoin).
    """
    # The best case for n <= m is L = n, so F = 2n / (m + n) and n = cutoff * m / (2 - cutoff). Start one lower,
    # because the floating-point F decides.
    n = max(int(cutoff * m / (2 - cutoff)) - 1, 1)
    while n <= m and score_of(n, m, n) <= cutoff:
        n += 1
    return n


@compiled
def longest_partner(m: int, common: int, cutoff: float) -> int:
    """Return the length of the longest partner of a query of `m` tokens, with `common` tokens in common; 0 if none."""
    if common < 1:
        return 0
    if cutoff < _TINY:
        return 1 << 30
    # 2 * common / (m + n) = cutoff, solved for n; start two higher, because the floating-point F decides.
    n = int(2 * common / cutoff) - m + 2
    while n >= common and score_of(common, m, n) <= cutoff:
        n -= 1
    return n if n >= common else 0


@compiled
def length_class(n: int) -> int:
    """Return the length class of a text of `n` tokens in the lists of a frequent token; monotonic in `n`."""
    kind = n
    if n >= EXACT_LENGTHS:
        # Octave k holds lengths 48 * 2**k to 48 * 2**(k+1) - 1, in eight equal classes.
        scaled, octave = n, 0
        while scaled >= 2 * EXACT_LENGTHS:
            scaled >>= 1
            octave += 1
        kind = min(EXACT_LENGTHS + octave * 8 + (scaled - EXACT_LENGTHS) * 8 // EXACT_LENGTHS, CLASSES - 1)
    return kind


@compiled
def place_group(place: int, prefix: int) -> int:
    """Return the group of position `place` in a prefix of `prefix` tokens; monotonic in `place`."""
    return min(place * GROUPS // max(prefix, 1), GROUPS - 1)


@compiled
def fill_bounds(table: Array, cutoff: float) -> None:
    """Fill the table of bounds for queries of m tokens, m below EXACT_LENGTHS.

    table[NEEDED, m, n] is `least_common`. table[READ, m, n] is the number of position groups to read in the lists of
    length class n. table[LONGEST, m, p] is the longest partner that lacks the first p tokens of the query's prefix.
    """
    for m in range(EXACT_LENGTHS):
        for n in range(EXACT_LENGTHS):
            needed = least_common(m, n, cutoff)
            table[NEEDED, m, n] = needed
            # A shared token at position p of the partner leaves n - p tokens, and `needed` of them must match, so
            # only positions up to n - needed matter.
            if needed <= min(m, n):
                table[READ, m, n] = place_group(n - needed, n - shortest_partner(n, cutoff) + 1) + 1
            else:
                table[READ, m, n] = 0
            table[LONGEST, m, n] = min(longest_partner(m, m - n, cutoff), _FAR)
