"""Compiled: find the rows above the cutoff for a query row, and the nearest of them.

For each token of the query's prefix, read the token's lists, filter the postings (`sieves`) and compare the remaining
rows by LCS. Both compiled engines search with this module.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import ADMITTED, EXACT_LENGTHS, LENGTH_BITS, LONGEST, LONGEST_TEXT, UNDECIDED, Array, Arrays
from .bounds import longest_partner, score_of
from .jit import compiled, i64, prefetch
from .lcs import WORD, Scratch, clear_masks, common_subsequence, set_masks
from .postings import place_prefixes, prepare
from .sieves import filter_by_length, filter_by_signature, least_shared, scan_marks

NONE = -1

# Below this cutoff, partners of short texts can be longer than the table of bounds can express.
_TABLED = 0.01
# Prefetch a list this many visits ahead, and its head twice as far ahead.
_AHEAD = 8


class Visits(NamedTuple):
    """The lists to read: one entry per distinct token in the prefix of each query row, E entries."""

    row: Array  # int32[E]; the query row
    place: Array  # int32[E]; the position of the token in the row's prefix
    order: Array  # int64[E]; the reading order: -token in the upper 32 bits, the number of the entry in the lower
    first: int  # the row of index 0 in `Hits`


class Hits(NamedTuple):
    """Search results for R query rows from `Visits.first` on."""

    # float64[R]; the highest F above the cutoff with an earlier admitted row, or the cutoff if there is none.
    score: Array
    nearest: Array  # int32[R]; the first row with that F, or NONE
    undecided: Array  # uint8[R]; whether an undecided row is also above the cutoff


def no_hits(rows: int, cutoff: float) -> Hits:
    """Allocate results for `rows` rows, with nothing found yet."""
    return Hits(np.full(rows, cutoff), np.full(rows, NONE, np.int32), np.zeros(rows, np.uint8))


@compiled
def list_visits(arrays: Arrays, rows: Array, row: Array, place: Array, order: Array, ends: Array) -> int:
    """List the visits of `rows`, one row after another, into `row`, `place` and `order` (see `Visits`).

    Sorting `order` puts the highest token first: in a batch the rarest. `ends`, int64[rows], receives where the
    entries of each row end. Returns the number of entries.
    """
    prefix, prefix_begin = arrays.prefix, arrays.prefix_begin
    entries = 0
    for number in range(len(rows)):
        start, end = prefix_begin[rows[number]], prefix_begin[rows[number] + 1]
        for k in range(start, end):
            if k > start and prefix[k] == prefix[k - 1]:
                continue  # a repeated token: equal tokens are adjacent in the sorted prefix
            row[entries], place[entries] = rows[number], k - start
            order[entries] = (-i64(prefix[k]) << 32) | entries
            entries += 1
        ends[number] = entries
    return entries


@compiled
def compare(
    arrays: Arrays, visits: Visits, cutoff: float, stop: bool, found: Hits, scratch: Scratch, turn: int, counts: Array
) -> None:
    """Read the lists of `visits` and write the rows above the cutoff into `found`.

    A pair that shares several tokens is met several times. Short queries compare it every time, which costs less than
    remembering it. Long queries (above 64 tokens) compare it once if the visits of a row are consecutive.

    Args:
        arrays: The index.
        visits: The lists to read.
        cutoff: F must be above this.
        stop: Stop at the first admitted row above the cutoff of each query, and do not record its score.
        found: Output.
        scratch: Working memory of this thread.
        turn: A number that changes whenever a row is compared again, 0 < turn < 2**31.
        counts: int64[2]; the numbers of postings read and of pairs compared by LCS are added.
    """
    tokens, begin, prefix_begin, details = arrays.tokens, arrays.begin, arrays.prefix_begin, arrays.details
    state, bounds, order, near = arrays.state, arrays.bounds, visits.order, scratch.near
    best, nearest, undecided = found.score, found.nearest, found.undecided
    spots, masks, carries, seen = scratch.spots, scratch.masks, scratch.carries, scratch.seen
    for number in range(len(order)):
        fetch_ahead(arrays, order, number, False)
        entry = order[number] & 0xFFFFFFFF
        row, place = i64(visits.row[entry]), i64(visits.place[entry])
        at = row - visits.first
        if stop and nearest[at] >= 0:
            continue
        # Length filter: partners have `shortest` to `longest` tokens.
        m, query = begin[row + 1] - begin[row], begin[row]
        shortest = m - (prefix_begin[row + 1] - prefix_begin[row]) + 1
        longest = _longest_for(bounds, m, place, cutoff)
        if longest < shortest:
            continue
        # Three filters, each on the survivors of the one before: mark, length and position, second signature.
        count, read = scan_marks(arrays, row, place, shortest, longest, cutoff, near)
        counts[0] += read
        count = filter_by_length(arrays, row, place, shortest, longest, cutoff, near, count)
        count = filter_by_signature(arrays, row, cutoff, near, count)
        if count == 0:
            continue
        # Compare the survivors by LCS; start loading their tokens first.
        for k in range(count):
            prefetch(tokens, i64(details[near[k] >> LENGTH_BITS, 2]))
        if m <= WORD:
            set_masks(tokens, query, query + m, spots, masks)
        for k in range(count):
            other, n = near[k] >> LENGTH_BITS, near[k] & LONGEST_TEXT
            if stop and undecided[at] and state[other] == UNDECIDED:
                continue
            if m > WORD:  # compare a pair once per turn
                if seen[other] == (i64(turn) << 32) | row:
                    continue
                seen[other] = (i64(turn) << 32) | row
            counts[1] += 1
            common = common_subsequence(tokens, query, m, i64(details[other, 2]), n, spots, masks, carries)
            if common < least_shared(bounds, m, n, cutoff):
                continue
            # Above the cutoff. Ties go to the row admitted first.
            if state[other] == UNDECIDED:
                undecided[at] = 1
            elif state[other] == ADMITTED:
                score = score_of(common, m, n)
                if stop:
                    nearest[at] = other
                    break
                if score > best[at] or (score == best[at] and 0 <= other < nearest[at]):
                    best[at], nearest[at] = score, other
        if m <= WORD:
            clear_masks(tokens, query, query + m, spots)


@compiled
def fetch_ahead(arrays: Arrays, order: Array, number: int, end: bool) -> None:
    """Prefetch the list of a later visit than `number`: its `end`, for appending, or its start."""
    if number + 2 * _AHEAD < len(order):
        which = i64(arrays.first_list[-(order[number + 2 * _AHEAD] >> 32)])
        prefetch(arrays.heads, which if which >= 0 else ~which)
    if number + _AHEAD < len(order):
        which = i64(arrays.first_list[-(order[number + _AHEAD] >> 32)])
        if which >= 0:
            start = i64(arrays.heads[which, 0])
            if end:
                start += arrays.heads[which, 1]
            prefetch(arrays.marks, start)
            prefetch(arrays.posting, start)


@compiled
def check_one(
    arrays: Arrays,
    rows: Array,
    keys: Array,
    visits: Visits,
    ends: Array,
    cutoff: float,
    found: Hits,
    scratch: Scratch,
    turn: int,
    counts: Array,
) -> None:
    """Prepare the row rows[0], whose tokens are in place, and compare it with all earlier rows; see `compare`.

    `keys`, `visits` and `ends` have room for the row's tokens, visits and their number.
    """
    row = rows[0]
    found.score[0], found.nearest[0] = cutoff, NONE
    place_prefixes(arrays, row, row + 1, cutoff)
    prepare(arrays, row, row + 1, keys)
    entries = list_visits(arrays, rows, visits.row, visits.place, visits.order, ends)
    own = Visits(visits.row, visits.place, visits.order[:entries], row)
    compare(arrays, own, cutoff, False, found, scratch, turn, counts)


@compiled
def _longest_for(bounds: Array, m: int, place: int, cutoff: float) -> int:
    # If the token at `place` is the rarest common one, at most m - place tokens are in common.
    if m < EXACT_LENGTHS and cutoff >= _TABLED:
        longest: int = i64(bounds[LONGEST, m, place])
        return longest
    return longest_partner(m, m - place, cutoff)
