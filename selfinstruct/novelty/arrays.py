"""The index as plain NumPy arrays, in the layout that the compiled functions of this package read.

Row: a text, numbered in order of arrival. Token: an integer, assigned when a word is first seen. Prefix: the first
tokens of a row in the global order, rarest first; any partner above the cutoff shares at least one of them. Posting:
the entry of a row in the list of one of its prefix tokens. A frequent token has many adjacent lists, split by the
row's length and by the token's position in the prefix.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..core.errors import UsageError

Array = npt.NDArray[Any]

REFUSED, ADMITTED, UNDECIDED = 0, 1, 2  # values of Arrays.state
NEEDED, READ, LONGEST = 0, 1, 2  # first index of Arrays.bounds

# Each length below this one has a length class of its own in the lists of a frequent token.
EXACT_LENGTHS = 48
# Length classes. From EXACT_LENGTHS on there are eight per octave; the last class holds everything longer.
CLASSES = 72
# Groups of prefix positions within a length class.
GROUPS = 4
# Lists of a frequent token.
LISTS = CLASSES * GROUPS
# Occurrences that make a token frequent. Splitting the lists of rarer tokens costs more than it saves.
FREQUENT = 1024
# Cap on frequent tokens: bounds the memory of their list headers at 36 MB.
MOST_FREQUENT = 8192
# A posting is two words. The mark, from the low bit: a 56-bit signature, then the prefix position (at most 255).
# The posting proper, from the low bit: the row's length (24 bits), then the row's number.
MARK_BITS, LENGTH_BITS = 56, 24
# Postings compared per vector operation. Reads may run this far past the last posting, so `marks` is padded.
LANES = 8
# Tokens of the longest text that fits into LENGTH_BITS.
LONGEST_TEXT = (1 << LENGTH_BITS) - 1


class Arrays(NamedTuple):
    """Everything that a search reads and writes. Sizes are capacities: R rows, V tokens, L lists, P postings."""

    tokens: Array  # int32; the tokens of all rows, one row after another
    begin: Array  # int64[R+1]; where each row begins in `tokens`
    prefix: Array  # int32; the prefixes of all rows, one row after another
    prefix_begin: Array  # int64[R+1]; where each row begins in `prefix`
    # uint64[R,4]; columns 0 and 1 are the 128-bit parity signature of the row, column 2 is where the row begins in
    # `tokens`, column 3 is its MARK_BITS-bit parity signature, made with other hash values.
    details: Array
    state: Array  # uint8[R]; REFUSED, ADMITTED or UNDECIDED
    frequency: Array  # int32[V]; occurrences of each token when the global order was made; 0 for later tokens
    first_list: Array  # int32[V]; the number of the token's list, or ~number of the first of its LISTS lists
    # int32[L,4]; start, size and capacity of each list; column 3 marks a list cleaned for the current block.
    heads: Array
    # uint64[P+LANES]; the mark of each posting. Its signature covers the row's tokens from the posting's prefix
    # position on, in rarest-first order.
    marks: Array
    posting: Array  # int64[P]; row number << LENGTH_BITS | row length
    used: Array  # int64[1]; postings allocated to lists so far
    bounds: Array  # int16[3,EXACT_LENGTHS,EXACT_LENGTHS]; see `bounds.fill_bounds`


def empty_arrays(rows: int, tokens: int, vocabulary: int, postings: int) -> Arrays:
    """Allocate arrays of the given capacities, with no rows, frequent tokens or postings; `bounds` is all zeros."""
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
    """Raise UsageError for a text that is too long for a posting."""
    if longest > LONGEST_TEXT:
        raise UsageError(f"a text has {longest:,} tokens, more than the limit of {LONGEST_TEXT:,}; split the text")


def ensure_capacity(array: Array, size: int) -> Array:
    """Return `array`, or a zero-padded copy of at least twice its length if it holds fewer than `size` entries."""
    if size <= len(array):
        return array
    larger = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
