"""Compiled: a row's signature and prefix, and putting rows into the lists and taking them out.

Prefix filter (Chaudhuri et al. 2006; Bayardo et al. 2007; Xiao et al. 2008, PPJoin): order every text's tokens by
one global order, rarest first. Two texts of m and n tokens with at least t in common share one among the first
m - t + 1 of the one and the first n - t + 1 of the other. The LCS is at most the number of common tokens,
so t = `least_lcs(m, n)` loses nothing. It holds for any order; a good one only makes the lists short.
"""

from __future__ import annotations

from .arrays import GROUPS, LENGTH_BITS, MARK_BITS, REFUSED, Array, Arrays
from .bounds import length_class, place_group, shortest_partner
from .jit import compiled, i64, u64

_LAST_PLACE = (1 << (64 - MARK_BITS)) - 1
"""Later places count as this one, so that a mark takes no longer for them."""


@compiled
def count_tokens(tokens: Array, often: Array) -> None:
    """Add to `often`, int64[V], how often each token stands in `tokens`, int32."""
    for k in range(len(tokens)):
        often[tokens[k]] += 1


@compiled
def place_prefixes(arrays: Arrays, first: int, last: int, cutoff: float) -> None:
    """Set where the prefixes of rows `first` to `last` - 1 stand, from prefix_begin[first] on."""
    begin, prefix_begin = arrays.begin, arrays.prefix_begin
    for row in range(first, last):
        m = begin[row + 1] - begin[row]
        prefix_begin[row + 1] = prefix_begin[row] + m - shortest_partner(m, cutoff) + 1


@compiled
def prepare(arrays: Arrays, first: int, last: int, keys: Array) -> None:
    """Compute signature and prefix of rows `first` to `last` - 1, whose prefixes have their places.

    keys int64: room for the longest row's tokens.

    Bit h of a signature is the parity of the number of tokens with hash h. So the ones in the exclusive-or of two
    signatures are at most the tokens that the two don't have in common: m + n - 2 * common.
    """
    tokens, begin, details = arrays.tokens, arrays.begin, arrays.details
    prefix, prefix_begin, frequency = arrays.prefix, arrays.prefix_begin, arrays.frequency
    for row in range(first, last):
        low, high, mark = u64(0), u64(0), u64(0)
        for k in range(begin[row], begin[row + 1]):
            mixed = _mixed(tokens[k])
            mark ^= _bit(mixed)
            bit = u64(1) << ((mixed >> u64(26)) & u64(63))
            if mixed >> u64(25) & u64(1):
                high ^= bit
            else:
                low ^= bit
        details[row, 0], details[row, 1], details[row, 2], details[row, 3] = low, high, u64(begin[row]), mark
        _sort_rarest_first(tokens, frequency, begin[row], begin[row + 1], keys)
        start = prefix_begin[row]
        for place in range(prefix_begin[row + 1] - start):
            prefix[start + place] = keys[place] & 0xFFFFFFFF


@compiled
def mark_of(arrays: Arrays, row: int, place: int) -> int:
    """A mark: the place, at most 255, and the signature of the tokens from there on, rarest first."""
    place = min(place, _LAST_PLACE)
    prefix, start = arrays.prefix, arrays.prefix_begin[row]
    mark: int = arrays.details[row, 3] | (u64(place) << u64(MARK_BITS))
    for k in range(start, start + place):
        mark ^= _bit(_mixed(prefix[k]))
    return mark


@compiled
def _mixed(token: int) -> int:
    mixed = u64(token + 1) * u64(0x9E3779B97F4A7C15)
    hashed: int = (mixed ^ (mixed >> u64(32))) * u64(0xD6E8FEB86659FD93)
    return hashed


@compiled
def _bit(mixed: int) -> int:
    """One of MARK_BITS bits, by the upper half of a token's hash."""
    bit: int = u64(1) << (((mixed >> u64(32)) * u64(MARK_BITS)) >> u64(32))
    return bit


@compiled
def _sort_rarest_first(tokens: Array, frequency: Array, begin: int, end: int, keys: Array) -> None:
    """Sort the tokens of a row into `keys`, as frequency << 32 | token. By Shell's method, with Knuth's gaps."""
    m, gap = end - begin, 1
    for k in range(m):
        keys[k] = (i64(frequency[tokens[begin + k]]) << 32) | tokens[begin + k]
    while m > 64 and gap < m // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(gap, m):
            key, place = keys[k], k
            while place >= gap and keys[place - gap] > key:
                keys[place] = keys[place - gap]
                place -= gap
            keys[place] = key
        gap //= 3


@compiled
def list_of(first_list: Array, prefix: Array, start: int, end: int, place: int, kind: int) -> int:
    """The list in which the token at `place` of the prefix [start, end) has its posting, for a row of class `kind`.

    -1 where the same token stood before.
    """
    token = prefix[start + place]
    if place > 0 and prefix[start + place - 1] == token:
        return -1
    which: int = i64(first_list[token])
    return which if which >= 0 else ~which + kind * GROUPS + place_group(place, end - start)


@compiled
def reserve(arrays: Arrays, first: int, last: int, spare: int) -> int:
    """Lay out empty lists with room for the rows that aren't refused, `1 + spare` times as much as these need.

    Lists lie in the order of their numbers, so those of one token lie together. Gives the places needed.
    """
    heads, prefix, first_list = arrays.heads, arrays.prefix, arrays.first_list
    prefix_begin, begin = arrays.prefix_begin, arrays.begin
    heads[:] = 0
    for row in range(first, last):
        if arrays.state[row] == REFUSED:
            continue
        start, end = prefix_begin[row], prefix_begin[row + 1]
        kind = length_class(begin[row + 1] - begin[row])
        for place in range(end - start):
            which = list_of(first_list, prefix, start, end, place, kind)
            if which >= 0:
                heads[which, 2] += 1
    used = 0
    for which in range(len(heads)):
        heads[which, 0] = used
        heads[which, 2] *= 1 + spare
        used += heads[which, 2]
    arrays.used[0] = used
    return used


@compiled
def insert(arrays: Arrays, row: int) -> bool:
    """Put `row` into its lists; False, and nothing done, where there is no room."""
    heads, prefix, first_list = arrays.heads, arrays.prefix, arrays.first_list
    start, end = arrays.prefix_begin[row], arrays.prefix_begin[row + 1]
    kind = length_class(arrays.begin[row + 1] - arrays.begin[row])
    room = 0
    for place in range(end - start):
        which = list_of(first_list, prefix, start, end, place, kind)
        if which >= 0 and heads[which, 1] == heads[which, 2]:
            room += 2 * heads[which, 1] + 1
    if arrays.used[0] + room > len(arrays.posting):
        return False
    for place in range(end - start):
        which = list_of(first_list, prefix, start, end, place, kind)
        if which >= 0:
            if heads[which, 1] == heads[which, 2]:
                _move(arrays, which)
            append(arrays, which, row, place)
    return True


@compiled
def insert_all(arrays: Arrays, rows: int) -> None:
    """Put the first `rows` rows into their lists, which have room."""
    for row in range(rows):
        insert(arrays, row)


@compiled
def append(arrays: Arrays, which: int, row: int, place: int) -> None:
    """Put a posting behind the last one of a list that has room."""
    heads = arrays.heads
    at = heads[which, 0] + heads[which, 1]
    arrays.marks[at] = mark_of(arrays, row, place)
    arrays.posting[at] = (i64(row) << LENGTH_BITS) | (arrays.begin[row + 1] - arrays.begin[row])
    heads[which, 1] += 1


@compiled
def _move(arrays: Arrays, which: int) -> None:
    """Give a full list new places, twice as many."""
    heads, used = arrays.heads, arrays.used
    start, size, moved = heads[which, 0], heads[which, 1], used[0]
    for k in range(size):
        copy_posting(arrays, start + k, moved + k)
    heads[which, 0] = moved
    heads[which, 2] = 2 * size + 1
    used[0] += 2 * size + 1


@compiled
def copy_posting(arrays: Arrays, source: int, target: int) -> None:
    """Copy a posting to another place."""
    arrays.marks[target], arrays.posting[target] = arrays.marks[source], arrays.posting[source]
