"""Compiled: which rows are above the cutoff with a given one, and which is nearest.

For every token of the query's prefix its lists are read. A posting costs one exclusive-or, one count of ones and one
comparison: the tokens that two texts don't share number at least the ones in the exclusive-or of their signatures.
What passes is compared by its longest common subsequence.
"""

from __future__ import annotations

import numpy as np

from .arrays import (
    EXACT_LENGTHS,
    GROUPS,
    LONGEST,
    NEEDED,
    PLACE_BITS,
    READ,
    REFUSED,
    UNDECIDED,
    Array,
    Arrays,
)
from .bounds import least_common, length_class, longest_partner, place_group, score_of, shortest_partner
from .common import build_masks, common_subsequence, slots_for
from .jit import compiled, i64, popcount
from .postings import longest_row, place_prefixes, prepare

_TABLED = 0.01
"""Below this cutoff any text may be a partner of a short one, and lengths don't fit into the table."""
_PLACE_MASK = (1 << PLACE_BITS) - 1


@compiled
def check_rows(
    arrays: Arrays, first: int, last: int, cutoff: float, stop: bool, best: Array, nearest: Array, counts: Array
) -> None:
    """For rows `first` to `last` - 1: the highest F above `cutoff` with an earlier admitted row.

    best float64: that F, or 0. nearest int32: the first row with it; -1: none; -2: it depends on an undecided row.
    stop: any row above the cutoff will do. counts int64[2]: postings read and pairs compared by LCS are added.
    """
    longest = max(longest_row(arrays.begin, first, last), 1)
    words = (longest + 63) >> 6
    names = np.empty(slots_for(longest), np.int32)
    masks = np.empty(len(names) * words, np.uint64)
    bits = np.empty(words, np.uint64)
    for row in range(first, last):
        best[row - first], nearest[row - first] = _check(arrays, row, cutoff, stop, names, masks, bits, counts)


@compiled
def _check(
    arrays: Arrays, row: int, cutoff: float, stop: bool, names: Array, masks: Array, bits: Array, counts: Array
) -> tuple[float, int]:
    tokens, begin, prefix, first_list = arrays.tokens, arrays.begin, arrays.prefix, arrays.first_list
    heads, signatures, rows, infos = arrays.heads, arrays.signatures, arrays.row, arrays.info
    state, bounds = arrays.state, arrays.bounds
    m = begin[row + 1] - begin[row]
    low, high = arrays.signature[row, 0], arrays.signature[row, 1]
    shortest = shortest_partner(m, cutoff)
    start = arrays.prefix_begin[row]
    best, nearest, ready, depends = cutoff, i64(-1), False, False
    scanned, compared = 0, 0
    for place in range(arrays.prefix_begin[row + 1] - start):
        token = prefix[start + place]
        if place > 0 and prefix[start + place - 1] == token:
            continue
        if m < EXACT_LENGTHS and cutoff >= _TABLED:
            longest = i64(bounds[LONGEST, m, place])
        else:
            longest = longest_partner(m, m - place, cutoff)
        if longest < shortest:
            break
        base = i64(first_list[token])
        first_class, last_class = 0, 0
        if base < 0:
            first_class, last_class = length_class(shortest), length_class(longest)
        for kind in range(first_class, last_class + 1):
            # F above c leaves less than (1 - c)(m + n) tokens unshared
            limit = int((1.0 - cutoff) * (m + longest) + 1e-6)
            at, lists = base, 1
            if base < 0:
                at, lists = ~base + kind * GROUPS, GROUPS
                if kind < EXACT_LENGTHS:
                    needed = _needed(bounds, m, kind, cutoff)
                    limit = m + kind - 2 * needed
                    if m < EXACT_LENGTHS:
                        lists = i64(bounds[READ, m, kind])
                    else:
                        lists = place_group(kind - needed, kind - shortest_partner(kind, cutoff) + 1) + 1
            for which in range(at, at + lists):
                k = i64(heads[which, 0]) - 1
                end = k + heads[which, 1]
                scanned += end - k
                while k < end:
                    k += 1
                    unshared = popcount(signatures[k, 0] ^ low) + popcount(signatures[k, 1] ^ high)
                    if unshared > limit:
                        continue
                    other, n = i64(rows[k]), infos[k] >> PLACE_BITS
                    if other >= row:
                        break
                    if n < shortest or n > longest:
                        continue
                    needed = _needed(bounds, m, n, cutoff)
                    if place > m - needed or (infos[k] & _PLACE_MASK) > n - needed:
                        continue
                    if unshared > m + n - 2 * needed or state[other] == REFUSED:
                        continue
                    if not ready:
                        build_masks(tokens, begin[row], begin[row + 1], names, masks)
                        ready = True
                    compared += 1
                    common = common_subsequence(tokens, m, begin[other], begin[other + 1], names, masks, bits)
                    if common < needed:
                        continue
                    if state[other] == UNDECIDED:
                        depends = True
                        continue
                    score = score_of(common, m, n)
                    if score > best or (score == best and other < nearest):
                        best, nearest = score, other
                        if stop:
                            counts[0] += scanned
                            counts[1] += compared
                            return best, nearest
    counts[0] += scanned
    counts[1] += compared
    if depends:
        return 0.0, -2
    return (best, nearest) if nearest >= 0 else (0.0, -1)


@compiled
def _needed(bounds: Array, m: int, n: int, cutoff: float) -> int:
    if m < EXACT_LENGTHS and n < EXACT_LENGTHS:
        needed: int = i64(bounds[NEEDED, m, n])
        return needed
    return least_common(m, n, cutoff)


@compiled
def check_one(arrays: Arrays, row: int, cutoff: float, counts: Array) -> tuple[float, int]:
    """Prepare `row`, whose tokens are in place, and check it against all before it: as `check_rows`, without stop."""
    place_prefixes(arrays, row, row + 1, cutoff)
    prepare(arrays, row, row + 1)
    best = np.zeros(1)
    nearest = np.zeros(1, np.int32)
    check_rows(arrays, row, row + 1, cutoff, False, best, nearest, counts)
    return best[0], i64(nearest[0])
