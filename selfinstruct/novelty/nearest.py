"""Compiled: the nearest row below the cutoff too, and the LCS with every row. Both read all rows; cost is linear.

`nearest_of` bounds every row's F by its signature, a few instructions each, and compares by LCS only the rows whose
bound reaches the best F found; the 24 or so best bounds come first, so that the best is high from the start.
"""

from __future__ import annotations

from .arrays import ADMITTED, Array, Arrays
from .bounds import score_of
from .common import WORD, Scratch, clear_masks, common_subsequence, set_masks
from .instructions import popcount
from .jit import compiled, i64

STEPS = 254
"""Bounds are kept as whole 254ths, rounded up."""
_AT_FIRST = 24


@compiled
def nearest_of(
    arrays: Arrays, row: int, rows: int, levels: Array, histogram: Array, scale: Array, scratch: Scratch
) -> tuple[float, int]:
    """The highest F of `row` with rows 0 to `rows` - 1 and the first of them that reaches it; -1 when F is 0.

    levels uint8[rows], histogram int64[256], scale float64[256]: room for the bounds.
    """
    tokens, begin = arrays.tokens, arrays.begin
    spots, masks, carries = scratch.spots, scratch.masks, scratch.carries
    query, m = begin[row], begin[row + 1] - begin[row]
    if m == 0:
        return 0.0, -1
    _bound(arrays, row, rows, levels, histogram, scale)
    start, found = 255, i64(0)
    while start > 1 and found < _AT_FIRST:
        start -= 1
        found += histogram[start]
    if m <= WORD:
        set_masks(tokens, query, query + m, spots, masks)
    best, nearest = 0.0, i64(-1)
    for again in range(2):
        floor = start if not again else max(int(best * STEPS), 1)
        for other in range(rows):
            level = i64(levels[other])
            if level < floor or (again and level >= start):
                continue
            n = begin[other + 1] - begin[other]
            score = score_of(common_subsequence(tokens, query, m, begin[other], n, spots, masks, carries), m, n)
            if score > best or (score == best and other < nearest):
                best, nearest = score, i64(other)
                floor = max(floor, int(best * STEPS))
    if m <= WORD:
        clear_masks(tokens, query, query + m, spots)
    return best, nearest


@compiled
def _bound(arrays: Arrays, row: int, rows: int, levels: Array, histogram: Array, scale: Array) -> None:
    """Bound every row's F from above, in whole steps; 0 where F is 0 or the row is not admitted."""
    begin, details, state = arrays.begin, arrays.details, arrays.state
    m = begin[row + 1] - begin[row]
    low, high = details[row, 0], details[row, 1]
    histogram[:] = 0
    for n in range(256):
        scale[n] = 2.0 * STEPS / (m + n)
    for other in range(rows):
        n = begin[other + 1] - begin[other]
        unshared = popcount(details[other, 0] ^ low) + popcount(details[other, 1] ^ high)
        common = min((m + n - unshared) >> 1, m, n)
        factor = scale[n] if n < 256 else 2.0 * STEPS / (m + n)
        level = min(int(common * factor) + 1, STEPS) if common > 0 and state[other] == ADMITTED else 0
        levels[other] = level
        histogram[level] += 1


@compiled
def common_with_all(arrays: Arrays, row: int, rows: int, common: Array, scratch: Scratch) -> None:
    """Write the LCS of `row` with each of rows 0 to `rows` - 1 into `common`, int32."""
    tokens, begin = arrays.tokens, arrays.begin
    spots, masks, carries = scratch.spots, scratch.masks, scratch.carries
    query, m = begin[row], begin[row + 1] - begin[row]
    if m <= WORD:
        set_masks(tokens, query, query + m, spots, masks)
    for other in range(rows):
        n = begin[other + 1] - begin[other]
        common[other] = common_subsequence(tokens, query, m, begin[other], n, spots, masks, carries)
    if m <= WORD:
        clear_masks(tokens, query, query + m, spots)
