"""The index as plain arrays, in the shape the compiled functions read it.

Row: a text, by its number, in the order in which the texts came. Token: a number, interned in the order of first
sight. Prefix: the first of a row's tokens in the global order, rarest first, among which any partner above
the cutoff must have one, too. Posting: a row's entry in the list of a token of its prefix. A token that is frequent has
many lists, split by the row's length and by the token's place in the prefix, one beside the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError

Array = npt.NDArray[Any]

REFUSED, ADMITTED, UNDECIDED = 0, 1, 2
NEEDED, READ, LONGEST = 0, 1, 2

EXACT_LENGTHS = 48
"""Lengths below have a class of their own in the lists of frequent tokens."""
CLASSES = 72
"""Classes of lengths: from EXACT_LENGTHS on, eight an octave; the last takes all that is longer."""
GROUPS = 4
"""Groups of places in the prefix within a class of lengths."""
LISTS = CLASSES * GROUPS
"""Lists of a frequent token."""
FREQUENT = 1024
"""A token that stands at least this often in the texts is frequent. Below, splitting costs more than it saves."""
MOST_FREQUENT = 8192
"""At most this many tokens are treated as frequent, which bounds the memory of their lists' heads (36 MB)."""
MARK_BITS, LENGTH_BITS = 56, 24
"""A posting is two words. The mark, low bits first: signature; the token's place in the prefix, at most 255. And: the
row's length; the row's number."""
LANES = 8
"""Postings that are read at a time; so many places behind the last one may be read, too."""
LONGEST_TEXT = (1 << LENGTH_BITS) - 1
"""Tokens of the longest text that can be held."""


class Arrays(NamedTuple):
    """Everything a search reads and writes. Sizes are capacities: R rows, V tokens, L lists, P postings.

    tokens int32: the rows' tokens, one row after the other; begin int64[R+1]: where each row begins there.
    prefix int32, prefix_begin int64[R+1]: the same for the rows' prefixes.
    details uint64[R,4]: for each of 128 hash values whether the row has an odd number of tokens with it; where the row
    begins; the same for MARK_BITS other hash values.
    state uint8[R]: REFUSED, ADMITTED or UNDECIDED.
    frequency int32[V]: how often each token stood in the texts when the order was made; 0 for later ones.
    first_list int32[V]: number of the token's list, or ~number of the first of its LISTS lists.
    heads int32[L,4]: where a list starts, its size, its capacity; the last marks a list that was cleaned for a block.
    marks uint64[P+LANES], posting int64[P]: the two words of the postings. The signature of a mark is that of the
    tokens from its place on, in the row's rarest-first order.
    used int64[1]: places given out to lists.
    bounds int16[3,EXACT_LENGTHS,EXACT_LENGTHS]: see `bounds.fill_bounds`.
    """

    tokens: Array
    begin: Array
    prefix: Array
    prefix_begin: Array
    details: Array
    state: Array
    frequency: Array
    first_list: Array
    heads: Array
    marks: Array
    posting: Array
    used: Array
    bounds: Array


def empty_arrays(rows: int, tokens: int, vocabulary: int, postings: int) -> Arrays:
    """Arrays of the given capacities, without a row, a frequent token or a posting; `bounds` is not filled."""
    return Arrays(
        tokens=np.empty(tokens, np.int32),
        begin=np.zeros(rows + 1, np.int64),
        prefix=np.empty(tokens, np.int32),
        prefix_begin=np.zeros(rows + 1, np.int64),
        details=np.zeros((rows, 4), np.uint64),
        state=np.zeros(rows, np.uint8),
        frequency=np.zeros(vocabulary, np.int32),
        first_list=np.arange(vocabulary, dtype=np.int32),
        heads=np.zeros((vocabulary, 4), np.int32),
        marks=np.zeros(postings + LANES, np.uint64),
        posting=np.empty(postings, np.int64),
        used=np.zeros(1, np.int64),
        bounds=np.zeros((3, EXACT_LENGTHS, EXACT_LENGTHS), np.int16),
    )


def check_length(longest: int) -> None:
    """Raise UsageError for a text that can't be held."""
    if longest > LONGEST_TEXT:
        raise UsageError(f"a text of {longest:,} tokens; at most {LONGEST_TEXT:,} can be compared, so break it up")


def grown(array: Array, size: int) -> Array:
    """`array` with room for `size` entries: at least doubled when it is too small; the new ones are zero."""
    if size <= len(array):
        return array
    larger = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
