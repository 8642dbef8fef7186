"""Compiled: find the nearest row, below the cutoff too, and compute the LCS with every row. Both scan all rows.

`nearest_of` bounds the F of every row by its signature, a few instructions per row, and compares by LCS only the rows
whose bound reaches the best F so far. The 24 or so highest bounds come first, so that the best F is high from the
start. `OnlineEngine` calls both functions.
"""

from __future__ import annotations

from .arrays import ADMITTED, Array, Arrays
from .bounds import score_of
from .jit import compiled, i64, popcount
from .lcs import WORD, Scratch, clear_masks, common_subsequence, set_masks

# Bounds are stored in one byte, as multiples of 1/254, rounded up.
STEPS = 254
# Rows to compare in the first pass, at least.
_AT_FIRST = 24


@compiled
def nearest_of(
    arrays: Arrays, row: int, rows: int, levels: Array, histogram: Array, scale: Array, scratch: Scratch
) -> tuple[float, int]:
    """Return the highest F of `row` with rows 0 to `rows` - 1, and the first row that reaches it, -1 if F is 0.

    The bounds use `levels`, uint8[rows], the bound of every row in steps; `histogram`, int64[256], the rows per bound;
    and `scale`, float64[256], the factor from common tokens to steps for each length.
    """
    tokens, begin = arrays.tokens, arrays.begin
    spots, masks, carries = scratch.spots, scratch.masks, scratch.carries
    query, m = begin[row], begin[row + 1] - begin[row]
    if m == 0:
        return 0.0, -1
    _bound_scores(arrays, row, rows, levels, histogram, scale)
    # Lower `start` until at least 24 rows have this bound or a higher one.
    start, found = 255, i64(0)
    while start > 1 and found < _AT_FIRST:
        start -= 1
        found += histogram[start]
    if m <= WORD:
        set_masks(tokens, query, query + m, spots, masks)
    # First pass: rows with the highest bounds. Second pass: the other rows whose bound reaches the best F.
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
def _bound_scores(arrays: Arrays, row: int, rows: int, levels: Array, histogram: Array, scale: Array) -> None:
    """Bound the F of every row from above, in whole steps; 0 where F is 0 or the row is not admitted."""
    begin, details, state = arrays.begin, arrays.details, arrays.state
    m = begin[row + 1] - begin[row]
    low, high = details[row, 0], details[row, 1]
    histogram[:] = 0
    for n in range(256):
        scale[n] = 2.0 * STEPS / (m + n)
    for other in range(rows):
        n = begin[other + 1] - begin[other]
        unshared = popcount(details[other, 0] ^ low) + popcount(details[other, 1] ^ high)
        # unshared <= m + n - 2L, so L <= (m + n - unshared) / 2. F = 2L / (m + n).
        common = min((m + n - unshared) >> 1, m, n)
        factor = scale[n] if n < 256 else 2.0 * STEPS / (m + n)
        level = min(int(common * factor) + 1, STEPS) if common > 0 and state[other] == ADMITTED else 0
        levels[other] = level
        histogram[level] += 1


@compiled
def common_with_all(arrays: Arrays, row: int, rows: int, common: Array, scratch: Scratch) -> None:
    """Write the LCS of `row` with each of rows 0 to `rows` - 1 into `common`, int32[rows]."""
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
