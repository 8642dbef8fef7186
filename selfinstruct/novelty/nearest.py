"""Compiled: the nearest row below the cutoff too, and the LCS with every row. Both read all rows; cost is linear.

`nearest_of` bounds every row's F by its signature, a few instructions each, and compares by LCS only the rows whose
bound reaches the best F found; the 24 or so best bounds come first, so that the best is high from the start.
"""

from __future__ import annotations

import numpy as np

from .arrays import ADMITTED, Array, Arrays
from .bounds import score_of
from .common import build_masks, common_subsequence, slots_for
from .jit import compiled, i64, popcount

_STEPS = 254
"""Bounds are kept as whole 254ths, rounded up."""
_AT_FIRST = 24


@compiled
def nearest_of(arrays: Arrays, row: int, rows: int, levels: Array) -> tuple[float, int]:
    """The highest F of `row` with rows 0 to `rows` - 1 and the first of them that reaches it; -1 when F is 0.

    levels uint8[rows]: room for the bounds.
    """
    tokens, begin = arrays.tokens, arrays.begin
    m = begin[row + 1] - begin[row]
    if m == 0:
        return 0.0, -1
    histogram = np.zeros(256, np.int64)
    _bound(arrays.signature, begin, arrays.state, row, rows, levels, histogram)
    start, found = 255, i64(0)
    while start > 1 and found < _AT_FIRST:
        start -= 1
        found += histogram[start]
    names, masks, bits = _tables(m)
    build_masks(tokens, begin[row], begin[row + 1], names, masks)
    best, nearest = 0.0, i64(-1)
    for again in range(2):
        floor = start if not again else max(int(best * _STEPS), 1)
        for other in range(rows):
            level = i64(levels[other])
            if level < floor or (again and level >= start):
                continue
            n = begin[other + 1] - begin[other]
            score = score_of(common_subsequence(tokens, m, begin[other], begin[other + 1], names, masks, bits), m, n)
            if score > best or (score == best and other < nearest):
                best, nearest = score, i64(other)
                floor = max(floor, int(best * _STEPS))
    return best, nearest


@compiled
def _bound(signature: Array, begin: Array, state: Array, row: int, rows: int, levels: Array, histogram: Array) -> None:
    """Bound every row's F from above, in whole steps; 0 where F is 0 or the row is not admitted."""
    m = begin[row + 1] - begin[row]
    low, high = signature[row, 0], signature[row, 1]
    scale = np.empty(256, np.float64)
    for n in range(256):
        scale[n] = 2.0 * _STEPS / (m + n)
    for other in range(rows):
        n = begin[other + 1] - begin[other]
        unshared = popcount(signature[other, 0] ^ low) + popcount(signature[other, 1] ^ high)
        common = min((m + n - unshared) >> 1, m, n)
        factor = scale[n] if n < 256 else 2.0 * _STEPS / (m + n)
        level = int(common * factor + 0.999) if state[other] == ADMITTED else 0
        levels[other] = level
        histogram[level] += 1


@compiled
def _tables(m: int) -> tuple[Array, Array, Array]:
    slots, words = slots_for(m), (m + 63) >> 6
    return np.empty(slots, np.int32), np.empty(slots * words, np.uint64), np.empty(words, np.uint64)


@compiled
def common_with_all(arrays: Arrays, row: int, rows: int, common: Array) -> None:
    """Write the LCS of `row` with each of rows 0 to `rows` - 1 into `common`, int32."""
    tokens, begin = arrays.tokens, arrays.begin
    m = begin[row + 1] - begin[row]
    common[:rows] = 0
    if m == 0:
        return
    names, masks, bits = _tables(m)
    build_masks(tokens, begin[row], begin[row + 1], names, masks)
    for other in range(rows):
        common[other] = common_subsequence(tokens, m, begin[other], begin[other + 1], names, masks, bits)
