"""Compiled: a block of rows into the lists at once, decided in order, and the refused ones out again.

Everything goes token by token, in the order of `Visits`: so a list stays in the processor's cache while it is used, and
threads that take a stretch of tokens each never touch the same list.
"""

from __future__ import annotations

from .arrays import ADMITTED, LENGTH_BITS, REFUSED, Array, Arrays
from .bounds import length_class
from .common import Scratch, same_sequence
from .jit import compiled, i64, u64
from .postings import append, copy_posting, list_of
from .search import NONE, Found, Visits, compare, fetch_ahead


@compiled
def insert_block(arrays: Arrays, visits: Visits) -> None:
    """Put postings into their lists, which have room."""
    for number in range(len(visits.order)):
        fetch_ahead(arrays, visits.order, number, True)
        entry = visits.order[number] & 0xFFFFFFFF
        row, place = i64(visits.row[entry]), i64(visits.place[entry])
        append(arrays, _list(arrays, row, place), row, place)


@compiled
def remove_refused(arrays: Arrays, visits: Visits, first: int) -> None:
    """Take the postings of refused rows out of their lists, whose last ones are those of rows from `first` on."""
    heads, posting, state = arrays.heads, arrays.posting, arrays.state
    for number in range(len(visits.order)):
        fetch_ahead(arrays, visits.order, number, True)
        entry = visits.order[number] & 0xFFFFFFFF
        row = i64(visits.row[entry])
        if state[row] != REFUSED:
            continue
        which = _list(arrays, row, i64(visits.place[entry]))
        if heads[which, 3] > first:
            continue
        heads[which, 3] = first + 1
        top = heads[which, 0] + heads[which, 1]
        at = top
        while at > heads[which, 0] and posting[at - 1] >> LENGTH_BITS >= first:
            at -= 1
        kept = at
        for k in range(at, top):
            if state[posting[k] >> LENGTH_BITS] != REFUSED:
                copy_posting(arrays, k, kept)
                kept += 1
        heads[which, 1] = kept - heads[which, 0]


@compiled
def settle(
    arrays: Arrays,
    rows: Array,
    visits: Visits,
    ends: Array,
    cutoff: float,
    found: Found,
    scratch: Scratch,
    turn: int,
    counts: Array,
) -> None:
    """Decide `rows`, in order, after `compare` with `stop`. visits: theirs, row by row; `ends`: of `list_visits`.

    A row that has only undecided ones above it is compared again, when all before it are decided.
    """
    start = i64(0)
    for number in range(len(rows)):
        row, end = rows[number], ends[number]
        if found.nearest[row] == NONE and found.undecided[row]:
            own = Visits(visits.row, visits.place, visits.order[start:end], visits.first)
            compare(arrays, own, cutoff, True, found, scratch, turn, counts)
        arrays.state[row] = ADMITTED if found.nearest[row] == NONE else REFUSED
        start = end


@compiled
def find_twins(tokens: Array, begin: Array, slots: Array, twins: Array) -> None:
    """Write for each row the first row with the same tokens, or NONE; rows without a token have none.

    slots uint64: an empty hash table with a power of two of places, at most half of which will be taken.
    """
    mask = u64(len(slots) - 1)
    for row in range(len(begin) - 1):
        twins[row] = NONE
        m = begin[row + 1] - begin[row]
        if m == 0:
            continue
        mixed = u64(m)
        for k in range(begin[row], begin[row + 1]):
            mixed = (mixed ^ u64(tokens[k])) * u64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> u64(29)
        slot = mixed & mask
        while slots[slot] != 0 and twins[row] == NONE:
            if (slots[slot] ^ mixed) >> u64(32) == 0:
                other = i64(slots[slot] & u64(0xFFFFFFFF)) - 1
                if same_sequence(tokens, begin[row], m, tokens, begin[other], begin[other + 1] - begin[other]):
                    twins[row] = other
            slot = (slot + u64(1)) & mask
        if twins[row] == NONE:
            slots[slot] = (mixed & ~u64(0xFFFFFFFF)) | u64(row + 1)


@compiled
def _list(arrays: Arrays, row: int, place: int) -> int:
    begin, prefix_begin = arrays.begin, arrays.prefix_begin
    kind = length_class(begin[row + 1] - begin[row])
    return list_of(arrays.first_list, arrays.prefix, prefix_begin[row], prefix_begin[row + 1], place, kind)
