"""Compiled: three filters from the lists of one token to the few rows that are worth an LCS. `search` runs them.

Each filter reads the survivors of the one before and writes its own survivors to the front of `near`. The loops hardly
branch on the data, so the processor loads the next entries while it waits for one. No filter drops a row above the
cutoff, unless a rarer token of the prefix finds that row as well.
"""

from __future__ import annotations

from .arrays import EXACT_LENGTHS, GROUPS, LANES, LENGTH_BITS, LONGEST_TEXT, MARK_BITS, NEEDED, READ, Array, Arrays
from .bounds import least_common, length_class, place_group, shortest_partner
from .jit import compiled, i64, lowest_set_bit, marks_within, popcount, prefetch, u64
from .postings import mark_of

_SIGNATURE = u64((1 << MARK_BITS) - 1)


@compiled
def scan_marks(
    arrays: Arrays, row: int, place: int, shortest: int, longest: int, cutoff: float, near: Array
) -> tuple[int, int]:
    """First filter: write the postings whose mark is close to the mark of `row` into `near`, as indexes into `marks`.

    Reads the lists of the token at `place` of the row's prefix; for a frequent token, only the length classes of
    partners of `shortest` to `longest` tokens. Returns the number of survivors and the number of postings read.
    """
    heads = arrays.heads
    m = arrays.begin[row + 1] - arrays.begin[row]
    # `ahead` tokens of the row precede this one. They count as unshared: if one were shared, a rarer token would find
    # the pair.
    limit, own = _max_unshared(m + longest, cutoff), mark_of(arrays, row, place)
    ahead, own = i64(own >> u64(MARK_BITS)), own & _SIGNATURE
    base = i64(arrays.first_list[arrays.prefix[arrays.prefix_begin[row] + place]])
    if base >= 0:
        return _scan_list(arrays, base, own, limit - ahead, near, i64(0)), i64(heads[base, 1])
    # A frequent token: one list per length class and position group.
    base = ~base
    first_class, last_class = length_class(shortest), length_class(longest)
    for which in range(base + first_class * GROUPS, base + (last_class + 1) * GROUPS):
        prefetch(arrays.marks, i64(heads[which, 0]))
    count, read = i64(0), i64(0)
    for kind in range(first_class, last_class + 1):
        allowed, lists = _class_limits(arrays.bounds, m, kind, limit, cutoff)
        for which in range(base + kind * GROUPS, base + kind * GROUPS + lists):
            count = _scan_list(arrays, which, own, allowed - ahead, near, count)
            read += heads[which, 1]
    return count, read


@compiled
def filter_by_length(
    arrays: Arrays, row: int, place: int, shortest: int, longest: int, cutoff: float, near: Array, count: int
) -> int:
    """Second filter: keep earlier rows whose length, mark and position allow an F above the cutoff.

    The check by position is the positional filter of PPJoin: if the token is the rarest common one, at most the tokens
    from its position on, in either row, are in common. Reads `count` indexes into `marks` from `near`, and writes row
    number << LENGTH_BITS | row length. Returns the number of survivors.
    """
    marks, postings, bounds, own = arrays.marks, arrays.posting, arrays.bounds, mark_of(arrays, row, place)
    m, ahead, kept = arrays.begin[row + 1] - arrays.begin[row], i64(own >> u64(MARK_BITS)), 0
    for k in range(count):
        at = near[k]
        posting, mark = postings[at], marks[at]
        n, other_place = posting & LONGEST_TEXT, i64(mark >> u64(MARK_BITS))
        needed = least_shared(bounds, m, n, cutoff)
        unshared = ahead + other_place + popcount((mark ^ own) & _SIGNATURE)
        # `&` instead of `and`: no branches. The last test is min(m - place, n - other_place) >= needed.
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
def filter_by_signature(arrays: Arrays, row: int, cutoff: float, near: Array, count: int) -> int:
    """Third filter: keep rows whose 128-bit signature allows an F above the cutoff. Parameters as for the second."""
    details, bounds = arrays.details, arrays.bounds
    own_low, own_high = details[row, 0], details[row, 1]
    m, kept = arrays.begin[row + 1] - arrays.begin[row], 0
    for k in range(count):
        entry = near[k]
        other, n = entry >> LENGTH_BITS, entry & LONGEST_TEXT
        unshared = popcount(details[other, 0] ^ own_low) + popcount(details[other, 1] ^ own_high)
        near[kept] = entry
        kept += int(unshared <= m + n - 2 * least_shared(bounds, m, n, cutoff))
    return kept


@compiled
def least_shared(bounds: Array, m: int, n: int, cutoff: float) -> int:
    """Return `least_common`, from the table if both lengths are in it."""
    if m < EXACT_LENGTHS and n < EXACT_LENGTHS:
        needed: int = i64(bounds[NEEDED, m, n])
        return needed
    return least_common(m, n, cutoff)


@compiled
def _scan_list(arrays: Arrays, which: int, own: int, limit: int, near: Array, count: int) -> int:
    """Append the postings of list `which` that leave at most `limit` tokens unshared to the `count` entries of `near`.

    `own` is the signature of the query's mark, with position 0. Returns the new number of entries.
    """
    marks, heads = arrays.marks, arrays.heads
    start, end = i64(heads[which, 0]), i64(heads[which, 0]) + heads[which, 1]
    for at in range(start, end, LANES):
        bits = marks_within(marks, at, own, limit)
        if end - at < LANES:  # drop the lanes past the end of the list
            bits &= (u64(1) << u64(end - at)) - u64(1)
        while bits:
            near[count] = at + lowest_set_bit(bits)
            count += 1
            bits &= bits - u64(1)  # clear the lowest set bit
    return count


@compiled
def _max_unshared(both: int, cutoff: float) -> int:
    """Return an upper bound of the unshared tokens of a pair above the cutoff; `both` = m + n.

    F > c means 2L > c(m + n), so m + n - 2L < (1 - c)(m + n). The 1e-6 covers rounding.
    """
    return int((1.0 - cutoff) * both + 1e-6)


@compiled
def _class_limits(bounds: Array, m: int, kind: int, limit: int, cutoff: float) -> tuple[int, int]:
    """Return the unshared tokens allowed in length class `kind` (`limit` if inexact), and how many lists to read."""
    if kind >= EXACT_LENGTHS:
        return limit, GROUPS
    # A class below EXACT_LENGTHS holds texts of exactly `kind` tokens.
    needed = least_shared(bounds, m, kind, cutoff)
    if m < EXACT_LENGTHS:
        return m + kind - 2 * needed, i64(bounds[READ, m, kind])
    return m + kind - 2 * needed, place_group(kind - needed, kind - shortest_partner(kind, cutoff) + 1) + 1
