"""Compiled: compute the signature and prefix of a row, and insert rows into the lists.

Prefix filter (Chaudhuri et al. 2006; Bayardo et al. 2007; Xiao et al. 2008, PPJoin): sort the tokens of every text by
one global order, rarest first. Two texts of m and n tokens with at least t tokens in common share a token among the
first m - t + 1 tokens of the first text and the first n - t + 1 of the second. The LCS is at most the number of common
tokens, so t = `least_lcs(m, n)` loses no pair. Any global order is exact; a good order makes the lists short. Both
compiled engines use this module.
"""

from __future__ import annotations

from .arrays import GROUPS, LENGTH_BITS, MARK_BITS, REFUSED, Array, Arrays
from .bounds import length_class, place_group, shortest_partner
from .jit import compiled, i64, u64

# Marks hold positions up to 255; later positions count as 255, which only weakens the filter.
_LAST_PLACE = (1 << (64 - MARK_BITS)) - 1


@compiled
def count_tokens(tokens: Array, often: Array) -> None:
    """Add the number of occurrences of each token in `tokens`, int32, to `often`, int64[V]."""
    for k in range(len(tokens)):
        often[tokens[k]] += 1


@compiled
def place_prefixes(arrays: Arrays, first: int, last: int, cutoff: float) -> None:
    """Set where the prefixes of rows `first` to `last` - 1 end, in `prefix_begin`; a lower cutoff makes them longer."""
    begin, prefix_begin = arrays.begin, arrays.prefix_begin
    for row in range(first, last):
        m = begin[row + 1] - begin[row]
        prefix_begin[row + 1] = prefix_begin[row] + m - shortest_partner(m, cutoff) + 1


@compiled
def prepare(arrays: Arrays, first: int, last: int, keys: Array) -> None:
    """Compute signatures and prefixes of rows `first` to `last` - 1, after `place_prefixes`.

    Bit h of a signature is the parity of the number of tokens with hash h. Common tokens cancel out in the xor of two
    signatures, so its set bits are at most the tokens not in common, m + n - 2 * common. `keys`, int64, has room for
    the tokens of the longest row.
    """
    tokens, begin, details = arrays.tokens, arrays.begin, arrays.details
    prefix, prefix_begin, frequency = arrays.prefix, arrays.prefix_begin, arrays.frequency
    for row in range(first, last):
        low, high, mark = u64(0), u64(0), u64(0)
        for k in range(begin[row], begin[row + 1]):
            # Bits 32 to 63 of the hash choose the mark bit, bit 25 the word and bits 26 to 31 the bit in the word.
            mixed = _hash_token(tokens[k])
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
    """Return the mark of the token at `place` in a row's prefix: signature of the tokens from there on, and place."""
    place = min(place, _LAST_PLACE)
    prefix, start = arrays.prefix, arrays.prefix_begin[row]
    mark: int = arrays.details[row, 3] | (u64(place) << u64(MARK_BITS))
    # Start from the signature of all tokens and cancel the tokens before `place`.
    for k in range(start, start + place):
        mark ^= _bit(_hash_token(prefix[k]))
    return mark


@compiled
def _hash_token(token: int) -> int:
    # Multiply by 2**64 / golden ratio, fold the upper half in, and multiply by an odd constant.
    mixed = u64(token + 1) * u64(0x9E3779B97F4A7C15)
    hashed: int = (mixed ^ (mixed >> u64(32))) * u64(0xD6E8FEB86659FD93)
    return hashed


@compiled
def _bit(mixed: int) -> int:
    """Map the upper half of a token's hash to one of MARK_BITS bits, by multiply and shift instead of a modulo."""
    bit: int = u64(1) << (((mixed >> u64(32)) * u64(MARK_BITS)) >> u64(32))
    return bit


@compiled
def _sort_rarest_first(tokens: Array, frequency: Array, begin: int, end: int, keys: Array) -> None:
    """Sort tokens[begin:end], rarest first, into `keys`, int64, as frequency << 32 | token.

    Shell sort with Knuth's gaps (1, 4, 13, ...); plain insertion sort up to 64 tokens.
    """
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
    """Return the list for the token at `place` of the prefix [start, end) of a row of class `kind`; -1 for a repeat."""
    token = prefix[start + place]
    if place > 0 and prefix[start + place - 1] == token:
        return -1
    # A complement (~number, negative) marks a frequent token: pick its list by length class and position group.
    which: int = i64(first_list[token])
    return which if which >= 0 else ~which + kind * GROUPS + place_group(place, end - start)


@compiled
def reserve(arrays: Arrays, first: int, last: int, spare: int) -> int:
    """Lay out empty lists, in order of their numbers, for the rows `first` to `last` - 1 that are not refused.

    Each list gets 1 + `spare` times the room it needs. Returns the postings allocated to all lists.
    """
    heads, prefix, first_list = arrays.heads, arrays.prefix, arrays.first_list
    prefix_begin, begin = arrays.prefix_begin, arrays.begin
    # Count the postings of each list, then assign the starts.
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
    """Insert `row` into its lists. Returns False, with nothing changed, if `posting` has no room."""
    heads, prefix, first_list = arrays.heads, arrays.prefix, arrays.first_list
    start, end = arrays.prefix_begin[row], arrays.prefix_begin[row + 1]
    kind = length_class(arrays.begin[row + 1] - arrays.begin[row])
    # First pass: postings needed to relocate full lists. Second pass: insert.
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
    """Insert rows 0 to `rows` - 1 into their lists, which have room."""
    for row in range(rows):
        insert(arrays, row)


@compiled
def append(arrays: Arrays, which: int, row: int, place: int) -> None:
    """Append the posting of the token at `place` in the prefix of `row` to list `which`, which has room."""
    heads = arrays.heads
    at = heads[which, 0] + heads[which, 1]
    arrays.marks[at] = mark_of(arrays, row, place)
    arrays.posting[at] = (i64(row) << LENGTH_BITS) | (arrays.begin[row + 1] - arrays.begin[row])
    heads[which, 1] += 1


@compiled
def _move(arrays: Arrays, which: int) -> None:
    """Move a full list to the end of the postings, with twice the capacity."""
    heads, used = arrays.heads, arrays.used
    start, size, moved = heads[which, 0], heads[which, 1], used[0]
    for k in range(size):
        copy_posting(arrays, start + k, moved + k)
    heads[which, 0] = moved
    heads[which, 2] = 2 * size + 1
    used[0] += 2 * size + 1


@compiled
def copy_posting(arrays: Arrays, source: int, target: int) -> None:
    """Copy a posting from index `source` to index `target`."""
    arrays.marks[target], arrays.posting[target] = arrays.marks[source], arrays.posting[source]
