"""Compiled: which rows are above the cutoff with a given one, and which is nearest.

For every token of a row's prefix its lists are read; what comes through the sieves is compared by its longest common
subsequence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import ADMITTED, EXACT_LENGTHS, LENGTH_BITS, LONGEST, LONGEST_TEXT, UNDECIDED, Array, Arrays
from .bounds import longest_partner, score_of
from .common import WORD, Scratch, clear_masks, common_subsequence, set_masks
from .instructions import prefetch
from .jit import compiled, i64
from .postings import place_prefixes, prepare
from .sieves import alike_rows, fitting_rows, least, near_postings

NONE = -1

_TABLED = 0.01
"""Below this cutoff any text may be a partner of a short one, and lengths don't fit into the table."""
_AHEAD = 8
"""So many visits ahead a list is fetched into the cache, and its head twice as many."""


class Visits(NamedTuple):
    """The lists to be read: one entry for each different token of the prefixes of some rows.

    row int32[E], place int32[E]: whose, and where in its prefix. order int64[E]: the entries in the order in which
    they are to be read, in the low 32 bits. first: the row that the first places of `Found` stand for.
    """

    row: Array
    place: Array
    order: Array
    first: int


class Found(NamedTuple):
    """What is known of the rows from `Visits.first` on, R of them.

    score float64[R]: the highest F above the cutoff with an earlier admitted row; the cutoff without any.
    nearest int32[R]: the first row that has it, or NONE. undecided uint8[R]: whether an undecided row is above, too.
    """

    score: Array
    nearest: Array
    undecided: Array


def nothing_found(rows: int, cutoff: float) -> Found:
    """`Found` for so many rows before any is compared."""
    return Found(np.full(rows, cutoff), np.full(rows, NONE, np.int32), np.zeros(rows, np.uint8))


@compiled
def list_visits(arrays: Arrays, rows: Array, row: Array, place: Array, order: Array, ends: Array) -> int:
    """Write the entries of `rows`, one row after the other, and give their number. ends: behind each row's last one.

    order: sorted as it is, by token, the greatest number first: in a batch the rarest.
    """
    prefix, prefix_begin = arrays.prefix, arrays.prefix_begin
    entries = 0
    for number in range(len(rows)):
        start, end = prefix_begin[rows[number]], prefix_begin[rows[number] + 1]
        for k in range(start, end):
            if k > start and prefix[k] == prefix[k - 1]:
                continue
            row[entries], place[entries] = rows[number], k - start
            order[entries] = (-i64(prefix[k]) << 32) | entries
            entries += 1
        ends[number] = entries
    return entries


@compiled
def compare(
    arrays: Arrays, visits: Visits, cutoff: float, stop: bool, found: Found, scratch: Scratch, turn: int, counts: Array
) -> None:
    """Read the lists of `visits` and write what is above the cutoff into `found`.

    stop: any admitted row above the cutoff will do, and the score is not kept. turn: another number whenever a
    row is compared anew, 0 < turn < 2**31. counts int64[2]: postings read and pairs compared by LCS are added.

    A pair that shares several tokens is met several times. Short ones are compared every time, which costs less
    than remembering them; long ones once, if the row's visits come one after the other.
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
        m, query = begin[row + 1] - begin[row], begin[row]
        shortest = m - (prefix_begin[row + 1] - prefix_begin[row]) + 1
        longest = _longest(bounds, m, place, cutoff)
        if longest < shortest:
            continue
        count, read = near_postings(arrays, row, place, shortest, longest, cutoff, near)
        counts[0] += read
        count = fitting_rows(arrays, row, place, shortest, longest, cutoff, near, count)
        count = alike_rows(arrays, row, cutoff, near, count)
        if count == 0:
            continue
        for k in range(count):
            prefetch(tokens, i64(details[near[k] >> LENGTH_BITS, 2]))
        if m <= WORD:
            set_masks(tokens, query, query + m, spots, masks)
        for k in range(count):
            other, n = near[k] >> LENGTH_BITS, near[k] & LONGEST_TEXT
            if stop and undecided[at] and state[other] == UNDECIDED:
                continue
            if m > WORD:
                if seen[other] == (i64(turn) << 32) | row:
                    continue
                seen[other] = (i64(turn) << 32) | row
            counts[1] += 1
            common = common_subsequence(tokens, query, m, i64(details[other, 2]), n, spots, masks, carries)
            if common < least(bounds, m, n, cutoff):
                continue
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
    """Fetch a list that a later visit than the `number`th will read, or write at its `end`, into the cache."""
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
    found: Found,
    scratch: Scratch,
    turn: int,
    counts: Array,
) -> None:
    """Prepare the one row of `rows`, whose tokens are in place, and compare it with all before it.

    keys, visits and ends: room for its tokens and entries.
    """
    row = rows[0]
    found.score[0], found.nearest[0] = cutoff, NONE
    place_prefixes(arrays, row, row + 1, cutoff)
    prepare(arrays, row, row + 1, keys)
    entries = list_visits(arrays, rows, visits.row, visits.place, visits.order, ends)
    compare(
        arrays,
        Visits(visits.row, visits.place, visits.order[:entries], row),
        cutoff,
        False,
        found,
        scratch,
        turn,
        counts,
    )


@compiled
def _longest(bounds: Array, m: int, place: int, cutoff: float) -> int:
    if m < EXACT_LENGTHS and cutoff >= _TABLED:
        longest: int = i64(bounds[LONGEST, m, place])
        return longest
    return longest_partner(m, m - place, cutoff)
