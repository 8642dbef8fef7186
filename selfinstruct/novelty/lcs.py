"""Compiled: the length of the longest common subsequence (LCS) of two texts, 64 tokens per step.

Bit-parallel dynamic programming (Crochemore et al. 2001, in the form of Hyyrö 2004): one bit per token of the query,
and an addition and a few bitwise operations per token of the other text. A query above 64 tokens is cut into words of
64, and each word scans the other text once; the carries of one scan are the input of the next. Memory is 65 bit masks
and one byte per token of the other text, whatever the length of the query. `search` and `nearest` call this module.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import Array, ensure_capacity
from .jit import compiled, i64, popcount, u64

_ALL_ONES = u64(0xFFFFFFFFFFFFFFFF)
# Query tokens per machine word. A query above this length is called long.
WORD = 64


class Scratch(NamedTuple):
    """Working memory of one thread for comparing a query with other texts; `spots` is all zeros between queries."""

    spots: Array  # int32[V]; the number of each token's match mask, 0 (the empty mask) for tokens not in the query
    # uint64[65]; bit k of a token's mask is set if the query has that token at position k. Mask 0 is empty.
    masks: Array
    carries: Array  # uint8[T]; the incoming carry at each token of the other text, for texts of up to T tokens
    seen: Array  # int64[R]; the long query that each row was last compared with, as turn << 32 | row
    near: Array  # int64[R]; the candidates that passed the filters in `sieves`


def scratch_for(vocabulary: int, longest: int, rows: int, before: Scratch | None = None) -> Scratch:
    """Allocate scratch memory for these capacities (`longest`: tokens of a text), or enlarge `before`."""
    before = before or Scratch(
        np.zeros(0, np.int32),
        np.zeros(WORD + 1, np.uint64),
        np.zeros(0, np.uint8),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
    )
    return Scratch(
        ensure_capacity(before.spots, vocabulary),
        before.masks,
        ensure_capacity(before.carries, longest),
        ensure_capacity(before.seen, rows),
        ensure_capacity(before.near, rows),
    )


@compiled
def set_masks(tokens: Array, begin: int, end: int, spots: Array, masks: Array) -> None:
    """Build the match masks of the tokens in [begin, end), at most 64; `common_subsequence` needs them.

    For the query "a b a" the mask of "a" is 0b101 and the mask of "b" is 0b010.
    """
    known = 0
    for k in range(end - begin):
        spot = i64(spots[tokens[begin + k]])
        if spot == 0:
            known += 1
            spot = known
            spots[tokens[begin + k]] = spot
            masks[spot] = 0
        masks[spot] |= u64(1) << u64(k)


@compiled
def clear_masks(tokens: Array, begin: int, end: int, spots: Array) -> None:
    """Reset `spots` to zeros for the tokens in [begin, end)."""
    for k in range(begin, end):
        spots[tokens[k]] = 0


@compiled
def common_subsequence(
    tokens: Array, query: int, m: int, other: int, n: int, spots: Array, masks: Array, carries: Array
) -> int:
    """Return the LCS length of a query and another text.

    Args:
        tokens: int32; the tokens of all rows.
        query, m: Where the query begins in `tokens`, and its length. For m <= 64, `set_masks` was called before.
        other, n: Where the other text begins in `tokens`, and its length.
        spots, masks, carries: See `Scratch`.
    """
    if m > WORD:
        return _lcs_of_long_query(tokens, query, m, other, n, spots, masks, carries)
    if m == 0:
        return 0
    # Hyyrö's recurrence. A zero at bit k means that the LCS grows at token k of the query, so the LCS is the number
    # of zeros at the end. The final mask drops the bits above m.
    bits = _ALL_ONES
    for k in range(other, other + n):
        match = bits & masks[spots[tokens[k]]]
        bits = (bits + match) | (bits - match)
    return popcount(~bits & (_ALL_ONES >> u64(WORD - m)))


@compiled
def _lcs_of_long_query(
    tokens: Array, query: int, m: int, other: int, n: int, spots: Array, masks: Array, carries: Array
) -> int:
    # The state of a long query spans several words. Words are processed one at a time; carries[k] passes the carry
    # of the addition at token k of the other text from one word to the next.
    carries[:n] = 0
    common = 0
    for start in range(0, m, WORD):
        size = min(m - start, WORD)
        set_masks(tokens, query + start, query + start + size, spots, masks)
        bits = _ALL_ONES
        for k in range(n):
            match = bits & masks[spots[tokens[other + k]]]
            half = bits + match
            total = half + u64(carries[k])
            carries[k] = (half < bits) | (total < half)  # an unsigned sum below a summand has overflowed
            bits = total | (bits - match)
        clear_masks(tokens, query + start, query + start + size, spots)
        common += popcount(~bits & (_ALL_ONES >> u64(WORD - size)))
    return common


@compiled
def same_sequence(ones: Array, one: int, m: int, others: Array, other: int, n: int) -> bool:
    """Return whether ones[one : one + m] equals others[other : other + n]."""
    if m != n:
        return False
    for k in range(m):
        if ones[one + k] != others[other + k]:
            return False
    return True
