"""Compiled: the pairs of one shard's lists that are above the cutoff, and texts that are the same.

A list holds the texts with one token in their prefixes, by length, within a length by the token's place in the prefix.
From a token that is the first one that two texts of m and n tokens share, at most m - place of the one's tokens and
n - place of the other's can still be common; where less than `least_common` are left, the pair meets at an earlier
token, or is not above the cutoff. So only a stretch at the front of each length is read.
"""

from __future__ import annotations

from typing import NamedTuple

from ..novelty.arrays import Array
from ..novelty.bounds import least_common, longest_partner, score_of
from ..novelty.common import WORD, Scratch, clear_masks, common_subsequence, same_sequence, set_masks
from ..novelty.instructions import popcount
from ..novelty.jit import compiled, i64, u64


class Texts(NamedTuple):
    """R texts. tokens int32, begin int64[R+1]: where each begins. signature uint64[R,2]: see `sign`."""

    tokens: Array
    begin: Array
    signature: Array


class Lists(NamedTuple):
    """P postings by token, length and place, in G groups of one token and one length.

    row int32[P], place int32[P], signature uint64[P,2]: of the row. begin int64[G+1]: where each group begins;
    length int64[G]; end int64[G]: behind the last group of the same token.
    """

    row: Array
    place: Array
    signature: Array
    begin: Array
    length: Array
    end: Array


class Owned(NamedTuple):
    """The postings by row: token int32[P] and place int32[P], ascending within a row; begin int64[R+1]."""

    token: Array
    place: Array
    begin: Array


@compiled
def sign(tokens: Array, begin: Array, signature: Array) -> None:
    """Write for each row, for each of 128 hash values, whether an odd number of its tokens have it.

    The ones in the exclusive-or of two signatures are at most the tokens that two texts don't share.
    """
    for row in range(len(begin) - 1):
        low, high = u64(0), u64(0)
        for k in range(begin[row], begin[row + 1]):
            mixed = u64(tokens[k] + 1) * u64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> u64(32))) * u64(0xD6E8FEB86659FD93)
            bit = u64(1) << ((mixed >> u64(57)) & u64(63))
            if mixed >> u64(63):
                high ^= bit
            else:
                low ^= bit
        signature[row, 0], signature[row, 1] = low, high


@compiled
def find_twins(tokens: Array, begin: Array, slots: Array, twins: Array) -> None:
    """Write for each row the first row with the same tokens; -1 for that row itself.

    slots int64: zeros, a power of two of them, at least twice as many as rows. They hold numbers of rows, from 1.
    """
    mask = u64(len(slots) - 1)
    for row in range(len(begin) - 1):
        m = begin[row + 1] - begin[row]
        mixed = u64(m)
        for k in range(begin[row], begin[row + 1]):
            mixed = (mixed ^ u64(tokens[k])) * u64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> u64(29)
        slot = mixed & mask
        twins[row] = -1
        while slots[slot] != 0 and twins[row] < 0:
            other = slots[slot] - 1
            if same_sequence(tokens, begin[row], m, tokens, begin[other], begin[other + 1] - begin[other]):
                twins[row] = other
            slot = (slot + u64(1)) & mask
        if twins[row] < 0:
            slots[slot] = row + 1


@compiled
def scan(
    texts: Texts,
    lists: Lists,
    owned: Owned,
    cutoff: float,
    scratch: Scratch,
    at: Array,
    earlier: Array,
    later: Array,
    score: Array,
    counts: Array,
) -> int:
    """Write pairs above the cutoff until there is no room for a posting's; gives their number, and sets `at`.

    at int64[2]: the group and the posting to go on from; the number of groups when all is done. A pair that shares
    several tokens is written several times. counts int64[2]: postings read and pairs compared are added.
    """
    spots, masks = scratch.spots, scratch.masks
    found, first = i64(0), at[1]
    for group in range(at[0], len(lists.length)):
        m = lists.length[group]
        for posting in range(max(first, lists.begin[group]), lists.begin[group + 1]):
            before, row, place = found, i64(lists.row[posting]), i64(lists.place[posting])
            query = texts.begin[row]
            low, high = lists.signature[posting, 0], lists.signature[posting, 1]
            longest = longest_partner(m, m - place, cutoff)
            ready = False
            for other_group in range(group, lists.end[group]):
                n = lists.length[other_group]
                if n > longest:
                    break
                needed = least_common(m, n, cutoff)
                if m - place < needed:
                    continue
                start = posting + 1 if other_group == group else lists.begin[other_group]
                for k in range(start, lists.begin[other_group + 1]):
                    if lists.place[k] > n - needed:
                        break
                    counts[0] += 1
                    unshared = popcount(lists.signature[k, 0] ^ low) + popcount(lists.signature[k, 1] ^ high)
                    if unshared > m + n - 2 * needed:
                        continue
                    other = i64(lists.row[k])
                    if m > WORD and _met_before(owned, row, other, place):
                        continue
                    if m <= WORD and not ready:
                        set_masks(texts.tokens, query, query + m, spots, masks)
                        ready = True
                    counts[1] += 1
                    common = common_subsequence(
                        texts.tokens, query, m, texts.begin[other], n, spots, masks, scratch.carries
                    )
                    if common < needed:
                        continue
                    if found < len(earlier):
                        earlier[found], later[found] = min(row, other), max(row, other)
                        score[found] = score_of(common, m, n)
                    found += 1
            if ready:
                clear_masks(texts.tokens, query, query + m, spots)
            if found > len(earlier):
                at[0], at[1] = group, posting
                return int(before)
    at[0] = len(lists.length)
    return int(found)


@compiled
def _met_before(owned: Owned, one: int, other: int, place: int) -> bool:
    """Whether two rows share a token of this shard before the one at `place` of the first row's prefix."""
    first, second = owned.begin[one], owned.begin[other]
    first_end, second_end = owned.begin[one + 1], owned.begin[other + 1]
    while first < first_end and second < second_end:
        if owned.token[first] == owned.token[second]:
            return bool(owned.place[first] < place)
        if owned.token[first] < owned.token[second]:
            first += 1
        else:
            second += 1
    return False


@compiled
def decide(
    begin: Array,
    other: Array,
    score: Array,
    original: Array,
    references: int,
    admitted: Array,
    nearest: Array,
    best: Array,
) -> None:
    """The pool's rule over pairs: in order, a row is refused when an earlier admitted one is above the cutoff.

    The pairs of a row: other int64, ascending, and score float64, from begin[row] on. original int64[R]: the first
    row with the same tokens, or -1; such a row has the pairs of that one, which need the later rows, too.
    Writes admitted bool[R]; nearest int64[R] and best float64[R], which come with -1 and 0.
    """
    for row in range(len(original)):
        owner, first = i64(row), original[row]
        if first >= 0:
            owner = first
            if admitted[first]:
                nearest[row], best[row] = first, 1.0
        for k in range(begin[owner], begin[owner + 1]):
            if other[k] >= row:
                break
            if admitted[other[k]] and score[k] > best[row]:
                nearest[row], best[row] = other[k], score[k]
        admitted[row] = nearest[row] < 0 or row < references
        if row < references:
            nearest[row], best[row] = -1, 0.0
