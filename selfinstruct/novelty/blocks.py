"""Compiled: insert a block of rows into the lists, decide the rows in order, and remove the refused rows.

`BatchEngine` calls these functions. Insertion and removal run token by token, in the order of `Visits`: a list stays
in the processor's cache while it is in use, and threads that handle disjoint ranges of tokens never touch the same
list.
"""

from __future__ import annotations

from .arrays import ADMITTED, LENGTH_BITS, REFUSED, Array, Arrays
from .bounds import length_class
from .jit import compiled, i64, u64
from .lcs import Scratch, same_sequence
from .postings import append, copy_posting, list_of
from .search import NONE, Hits, Visits, compare, fetch_ahead


@compiled
def insert_block(arrays: Arrays, visits: Visits) -> None:
    """Append the postings of `visits` to their lists, which have room for them."""
    for number in range(len(visits.order)):
        fetch_ahead(arrays, visits.order, number, True)
        entry = visits.order[number] & 0xFFFFFFFF
        row, place = i64(visits.row[entry]), i64(visits.place[entry])
        append(arrays, _list_of_row(arrays, row, place), row, place)


@compiled
def remove_refused(arrays: Arrays, visits: Visits, first: int) -> None:
    """Remove the postings of refused rows; those of the block, rows from `first` on, are at the ends of the lists."""
    heads, posting, state = arrays.heads, arrays.posting, arrays.state
    for number in range(len(visits.order)):
        fetch_ahead(arrays, visits.order, number, True)
        entry = visits.order[number] & 0xFFFFFFFF
        row = i64(visits.row[entry])
        if state[row] != REFUSED:
            continue
        which = _list_of_row(arrays, row, i64(visits.place[entry]))
        # Clean each list once per block, at its first refused row.
        if heads[which, 3] > first:
            continue
        heads[which, 3] = first + 1
        # Find where the block's postings begin, then keep those of rows that were not refused.
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
def decide_block(
    arrays: Arrays,
    rows: Array,
    visits: Visits,
    ends: Array,
    cutoff: float,
    found: Hits,
    scratch: Scratch,
    turn: int,
    counts: Array,
) -> None:
    """Decide `rows`, in order, after `compare` with `stop`; the other parameters are those of `compare`.

    `visits` holds the visits of these rows, row by row, and `ends` where the visits of each row end.
    """
    start = i64(0)
    for number in range(len(rows)):
        row, end = rows[number], ends[number]
        # All earlier rows are decided by now. A row that met only undecided rows above the cutoff is compared again.
        if found.nearest[row] == NONE and found.undecided[row]:
            own = Visits(visits.row, visits.place, visits.order[start:end], visits.first)
            compare(arrays, own, cutoff, True, found, scratch, turn, counts)
        arrays.state[row] = ADMITTED if found.nearest[row] == NONE else REFUSED
        start = end


@compiled
def find_duplicates(tokens: Array, begin: Array, slots: Array, duplicates: Array) -> None:
    """Write the first row with the same tokens into `duplicates`, int32[R]; NONE for a first row or one without tokens.

    `slots`, uint64, is an empty hash table; its length is a power of two and at least twice R.
    """
    mask = u64(len(slots) - 1)
    for row in range(len(begin) - 1):
        duplicates[row] = NONE
        m = begin[row + 1] - begin[row]
        if m == 0:
            continue
        # Hash the row: xor, multiply by 2**64 / golden ratio, shift.
        mixed = u64(m)
        for k in range(begin[row], begin[row + 1]):
            mixed = (mixed ^ u64(tokens[k])) * u64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> u64(29)
        # Probe linearly. A slot holds the upper half of a hash, then row + 1 in the lower half; 0 is empty. Equal
        # hashes are confirmed by comparing the tokens.
        slot = mixed & mask
        while slots[slot] != 0 and duplicates[row] == NONE:
            if (slots[slot] ^ mixed) >> u64(32) == 0:
                other = i64(slots[slot] & u64(0xFFFFFFFF)) - 1
                if same_sequence(tokens, begin[row], m, tokens, begin[other], begin[other + 1] - begin[other]):
                    duplicates[row] = other
            slot = (slot + u64(1)) & mask
        if duplicates[row] == NONE:
            slots[slot] = (mixed & ~u64(0xFFFFFFFF)) | u64(row + 1)


@compiled
def _list_of_row(arrays: Arrays, row: int, place: int) -> int:
    begin, prefix_begin = arrays.begin, arrays.prefix_begin
    kind = length_class(begin[row + 1] - begin[row])
    return list_of(arrays.first_list, arrays.prefix, prefix_begin[row], prefix_begin[row + 1], place, kind)
