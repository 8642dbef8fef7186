"""Compiled: which rows are above the cutoff with a given one, and which is nearest.

For every token of a row's prefix its lists are read. A posting costs one exclusive-or, one count of ones and one
comparison: the tokens that two texts don't share number at least the ones in the exclusive-or of their signatures.
What passes is compared by its longest common subsequence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import (
    ADMITTED,
    EXACT_LENGTHS,
    GROUPS,
    LENGTH_BITS,
    LONGEST,
    LONGEST_TEXT,
    NEEDED,
    PLACE_BITS,
    READ,
    UNDECIDED,
    Array,
    Arrays,
)
from .bounds import least_common, length_class, longest_partner, place_group, score_of, shortest_partner
from .common import WORD, Scratch, clear_masks, common_subsequence, set_masks
from .jit import compiled, i64, popcount
from .postings import place_prefixes, prepare

NONE = -1

_TABLED = 0.01
"""Below this cutoff any text may be a partner of a short one, and lengths don't fit into the table."""
_PLACE_MASK = (1 << PLACE_BITS) - 1


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
    tokens, begin, prefix, prefix_begin = arrays.tokens, arrays.begin, arrays.prefix, arrays.prefix_begin
    first_list, heads, signatures, postings = arrays.first_list, arrays.heads, arrays.signatures, arrays.posting
    signature, details, state, bounds = arrays.signature, arrays.details, arrays.state, arrays.bounds
    visit_row, visit_place, order, first = visits.row, visits.place, visits.order, visits.first
    best, nearest, undecided = found.score, found.nearest, found.undecided
    spots, masks, carries, seen = scratch.spots, scratch.masks, scratch.carries, scratch.seen
    read, compared = 0, 0
    for key in order:
        entry = key & 0xFFFFFFFF
        row, place = i64(visit_row[entry]), i64(visit_place[entry])
        at = row - first
        if stop and nearest[at] >= 0:
            continue
        m, query = begin[row + 1] - begin[row], begin[row]
        shortest = m - (prefix_begin[row + 1] - prefix_begin[row]) + 1
        longest = _longest(bounds, m, place, cutoff)
        if longest < shortest:
            continue
        low, high = signature[row, 0], signature[row, 1]
        third, fourth = details[row, 0], details[row, 1]
        base = i64(first_list[prefix[prefix_begin[row] + place]])
        first_class, last_class = (length_class(shortest), length_class(longest)) if base < 0 else (0, 0)
        ready = False
        for kind in range(first_class, last_class + 1):
            limit, which, lists = _unshared(m + longest, cutoff), base, 1
            if base < 0:
                which = ~base + kind * GROUPS
                limit, lists = _lists(bounds, m, kind, limit, cutoff)
            for number in range(which, which + lists):
                k = i64(heads[number, 0]) - 1
                end = k + heads[number, 1]
                read += end - k
                while k < end:
                    k += 1
                    unshared = popcount(signatures[k, 0] ^ low) + popcount(signatures[k, 1] ^ high)
                    if unshared > limit:
                        continue
                    posting = postings[k]
                    other, n = posting >> (LENGTH_BITS + PLACE_BITS), (posting >> PLACE_BITS) & LONGEST_TEXT
                    if other >= row:
                        break
                    if n < shortest or n > longest:
                        continue
                    needed = _needed(bounds, m, n, cutoff)
                    if unshared > m + n - 2 * needed or max(place - m, (posting & _PLACE_MASK) - n) > -needed:
                        continue
                    unshared = popcount(details[other, 0] ^ third) + popcount(details[other, 1] ^ fourth)
                    if unshared > m + n - 2 * needed:
                        continue
                    if stop and undecided[at] and state[other] == UNDECIDED:
                        continue
                    if m > WORD:
                        if seen[other] == (i64(turn) << 32) | row:
                            continue
                        seen[other] = (i64(turn) << 32) | row
                    elif not ready:
                        set_masks(tokens, query, query + m, spots, masks)
                        ready = True
                    compared += 1
                    common = common_subsequence(tokens, query, m, i64(details[other, 2]), n, spots, masks, carries)
                    if common < needed:
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
        if ready:
            clear_masks(tokens, query, query + m, spots)
    counts[0] += read
    counts[1] += compared


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
def _unshared(both: int, cutoff: float) -> int:
    """F above the cutoff leaves fewer of the `both` = m + n tokens unshared than this lets pass."""
    return int((1.0 - cutoff) * both + 1e-6)


@compiled
def _lists(bounds: Array, m: int, kind: int, limit: int, cutoff: float) -> tuple[int, int]:
    """For the lists of a class of lengths: how many tokens may be unshared, and how many lists are to be read."""
    if kind >= EXACT_LENGTHS:
        return limit, GROUPS
    needed = _needed(bounds, m, kind, cutoff)
    if m < EXACT_LENGTHS:
        return m + kind - 2 * needed, i64(bounds[READ, m, kind])
    return m + kind - 2 * needed, place_group(kind - needed, kind - shortest_partner(kind, cutoff) + 1) + 1


@compiled
def _longest(bounds: Array, m: int, place: int, cutoff: float) -> int:
    if m < EXACT_LENGTHS and cutoff >= _TABLED:
        longest: int = i64(bounds[LONGEST, m, place])
        return longest
    return longest_partner(m, m - place, cutoff)


@compiled
def _needed(bounds: Array, m: int, n: int, cutoff: float) -> int:
    if m < EXACT_LENGTHS and n < EXACT_LENGTHS:
        needed: int = i64(bounds[NEEDED, m, n])
        return needed
    return least_common(m, n, cutoff)
