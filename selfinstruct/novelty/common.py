"""Compiled: the length of the longest common subsequence of two texts, 64 tokens a step.

Bit-parallel dynamic programming (Crochemore et al. 2001, in the form of Hyyrö 2004): one bit for each token of the
query, one step of addition and bitwise operations for each token of the other text. A longer query goes through the
other text once for every 64 of its tokens; the carries of one pass are the input of the next. So memory is one bit
mask for each of 64 tokens and one byte for each token of the other text, however long the query.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import Array, grown
from .instructions import popcount
from .jit import compiled, i64, u64

_ALL_ONES = u64(0xFFFFFFFFFFFFFFFF)
WORD = 64
"""Tokens of a query that are compared at once; a longer one is called long."""


class Scratch(NamedTuple):
    """What one thread needs to compare a query with other texts; clean between two queries.

    spots int32[V]: the number of a token's match mask; 0, the number of the empty mask, where the query lacks it.
    masks uint64[65]: for a token of the query the places where it stands, as bits; the first one is empty.
    carries uint8[T]: the carry that comes in at each token of the other text, for texts of up to T tokens.
    seen int64[R]: for each row which long query was last compared with it.
    near int64[R]: what the sieves let through.
    """

    spots: Array
    masks: Array
    carries: Array
    seen: Array
    near: Array


def scratch_for(vocabulary: int, longest: int, rows: int, before: Scratch | None = None) -> Scratch:
    """Scratch for tokens below `vocabulary`, texts of up to `longest` tokens and so many rows: `before`, grown."""
    before = before or Scratch(
        np.zeros(0, np.int32),
        np.zeros(WORD + 1, np.uint64),
        np.zeros(0, np.uint8),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
    )
    return Scratch(
        grown(before.spots, vocabulary),
        before.masks,
        grown(before.carries, longest),
        grown(before.seen, rows),
        grown(before.near, rows),
    )


@compiled
def set_masks(tokens: Array, begin: int, end: int, spots: Array, masks: Array) -> None:
    """Make the masks of the tokens in [begin, end), at most 64. `common_subsequence` needs them for a short query."""
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
    """Make `spots` clean again."""
    for k in range(begin, end):
        spots[tokens[k]] = 0


@compiled
def common_subsequence(
    tokens: Array, query: int, m: int, other: int, n: int, spots: Array, masks: Array, carries: Array
) -> int:
    """LCS of the m tokens from `query` on with the n tokens from `other` on; for m <= 64 the query's masks are set."""
    if m > WORD:
        return _of_many_words(tokens, query, m, other, n, spots, masks, carries)
    if m == 0:
        return 0
    bits = _ALL_ONES
    for k in range(other, other + n):
        match = bits & masks[spots[tokens[k]]]
        bits = (bits + match) | (bits - match)
    return popcount(~bits & (_ALL_ONES >> u64(WORD - m)))


@compiled
def _of_many_words(
    tokens: Array, query: int, m: int, other: int, n: int, spots: Array, masks: Array, carries: Array
) -> int:
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
            carries[k] = (half < bits) | (total < half)
            bits = total | (bits - match)
        clear_masks(tokens, query + start, query + start + size, spots)
        common += popcount(~bits & (_ALL_ONES >> u64(WORD - size)))
    return common


@compiled
def same_sequence(ones: Array, one: int, m: int, others: Array, other: int, n: int) -> bool:
    """Whether the m entries from `one` on are the n entries from `other` on."""
    if m != n:
        return False
    for k in range(m):
        if ones[one + k] != others[other + k]:
            return False
    return True
