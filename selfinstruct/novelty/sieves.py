"""Compiled: from the lists of one token to the few rows that are worth an LCS, in three sieves.

Each sieve goes over all that the one before let through and writes what it lets through itself to the front of
`near`. They hardly branch on what they read, so the processor fetches the next entries while it waits for one.
None drops a row that is above the cutoff, unless a rarer token of the prefix meets it as well.
"""

from __future__ import annotations

from .arrays import EXACT_LENGTHS, GROUPS, LANES, LENGTH_BITS, LONGEST_TEXT, MARK_BITS, NEEDED, READ, Array, Arrays
from .bounds import least_common, length_class, place_group, shortest_partner
from .instructions import first_one, popcount, prefetch, within
from .jit import compiled, i64, u64
from .postings import mark_of

_SIGNATURE = u64((1 << MARK_BITS) - 1)


@compiled
def near_postings(
    arrays: Arrays, row: int, place: int, shortest: int, longest: int, cutoff: float, near: Array
) -> tuple[int, int]:
    """First sieve: the postings whose mark is near that of `row`; their number, and that of all read.

    Reads the lists of the token at `place` of the row's prefix, as far as its texts have `shortest` to `longest`
    tokens. near int64: room for as many postings as a token can have.
    """
    heads = arrays.heads
    m = arrays.begin[row + 1] - arrays.begin[row]
    limit, own = _unshared(m + longest, cutoff), mark_of(arrays, row, place)
    ahead, own = i64(own >> u64(MARK_BITS)), own & _SIGNATURE
    base = i64(arrays.first_list[arrays.prefix[arrays.prefix_begin[row] + place]])
    if base >= 0:
        return _scan(arrays, base, own, limit - ahead, near, i64(0)), i64(heads[base, 1])
    base = ~base
    first_class, last_class = length_class(shortest), length_class(longest)
    for which in range(base + first_class * GROUPS, base + (last_class + 1) * GROUPS):
        prefetch(arrays.marks, i64(heads[which, 0]))
    count, read = i64(0), i64(0)
    for kind in range(first_class, last_class + 1):
        allowed, lists = _lists(arrays.bounds, m, kind, limit, cutoff)
        for which in range(base + kind * GROUPS, base + kind * GROUPS + lists):
            count = _scan(arrays, which, own, allowed - ahead, near, count)
            read += heads[which, 1]
    return count, read


@compiled
def fitting_rows(
    arrays: Arrays, row: int, place: int, shortest: int, longest: int, cutoff: float, near: Array, count: int
) -> int:
    """Second sieve: the rows of the first `count` postings in `near`, as far as length, mark and place may fit.

    Writes `number << LENGTH_BITS | length` of earlier rows only, and gives how many.

    Place: if the token is the rarest that the two have in common, at most what stands from it on in either
    prefix order can be in common. A pair that needs more is met by a rarer token, too, or fails.
    """
    marks, postings, bounds, own = arrays.marks, arrays.posting, arrays.bounds, mark_of(arrays, row, place)
    m, ahead, kept = arrays.begin[row + 1] - arrays.begin[row], i64(own >> u64(MARK_BITS)), 0
    for k in range(count):
        at = near[k]
        posting, mark = postings[at], marks[at]
        n, other_place = posting & LONGEST_TEXT, i64(mark >> u64(MARK_BITS))
        needed = least(bounds, m, n, cutoff)
        unshared = ahead + other_place + popcount((mark ^ own) & _SIGNATURE)
        fits = (
            (posting >> LENGTH_BITS < row)
            & (n >= shortest)
            & (n <= longest)
            & (unshared <= m + n - 2 * needed)
            & (max(place - m, other_place - n) <= -needed)
        )
        near[kept] = posting
        kept += int(fits)
    return kept


@compiled
def alike_rows(arrays: Arrays, row: int, cutoff: float, near: Array, count: int) -> int:
    """Third sieve: those of the first `count` rows in `near` that may be above by the 128 bits of `details`, too."""
    details, bounds = arrays.details, arrays.bounds
    own_low, own_high = details[row, 0], details[row, 1]
    m, kept = arrays.begin[row + 1] - arrays.begin[row], 0
    for k in range(count):
        entry = near[k]
        other, n = entry >> LENGTH_BITS, entry & LONGEST_TEXT
        unshared = popcount(details[other, 0] ^ own_low) + popcount(details[other, 1] ^ own_high)
        near[kept] = entry
        kept += int(unshared <= m + n - 2 * least(bounds, m, n, cutoff))
    return kept


@compiled
def least(bounds: Array, m: int, n: int, cutoff: float) -> int:
    """The least number of common tokens above the cutoff, from the table where it reaches."""
    if m < EXACT_LENGTHS and n < EXACT_LENGTHS:
        needed: int = i64(bounds[NEEDED, m, n])
        return needed
    return least_common(m, n, cutoff)


@compiled
def _scan(arrays: Arrays, which: int, own: int, limit: int, near: Array, count: int) -> int:
    """Write behind the first `count` of `near` which postings of a list leave at most `limit` tokens unshared.

    own: the mark to compare with, without a place.
    """
    marks, heads = arrays.marks, arrays.heads
    start, end = i64(heads[which, 0]), i64(heads[which, 0]) + heads[which, 1]
    for at in range(start, end, LANES):
        bits = within(marks, at, own, limit)
        if end - at < LANES:
            bits &= (u64(1) << u64(end - at)) - u64(1)
        while bits:
            near[count] = at + first_one(bits)
            count += 1
            bits &= bits - u64(1)
    return count


@compiled
def _unshared(both: int, cutoff: float) -> int:
    """F above the cutoff leaves fewer of the `both` = m + n tokens unshared than this lets pass."""
    return int((1.0 - cutoff) * both + 1e-6)


@compiled
def _lists(bounds: Array, m: int, kind: int, limit: int, cutoff: float) -> tuple[int, int]:
    """For the lists of a class of lengths: how many tokens may be unshared, and how many lists are to be read."""
    if kind >= EXACT_LENGTHS:
        return limit, GROUPS
    needed = least(bounds, m, kind, cutoff)
    if m < EXACT_LENGTHS:
        return m + kind - 2 * needed, i64(bounds[READ, m, kind])
    return m + kind - 2 * needed, place_group(kind - needed, kind - shortest_partner(kind, cutoff) + 1) + 1
