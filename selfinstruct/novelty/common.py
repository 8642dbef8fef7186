"""Compiled: the length of the longest common subsequence of two texts, 64 tokens a step.

Bit-parallel dynamic programming (Crochemore et al. 2001, in the form of Hyyrö 2004): one bit for each token of the
query, one step of addition and bitwise operations for each token of the other text; carries go from word to word.
"""

from __future__ import annotations

from .arrays import Array
from .jit import compiled, i64, popcount, u64

_ALL_ONES = u64(0xFFFFFFFFFFFFFFFF)


@compiled
def slots_for(m: int) -> int:
    """Size of the hash table of match masks for a text of `m` tokens: a power of two, at most half full."""
    slots = 32
    while slots < 2 * m:
        slots *= 2
    return slots


@compiled
def find_slot(names: Array, slots: int, token: int) -> int:
    """The slot that holds `token`, or the free one where it belongs."""
    slot: int = i64((u64(token) * u64(0x9E3779B97F4A7C15)) >> u64(40)) & (slots - 1)
    while names[slot] != token and names[slot] >= 0:
        slot = (slot + 1) & (slots - 1)
    return slot


@compiled
def build_masks(tokens: Array, begin: int, end: int, names: Array, masks: Array) -> None:
    """For each token in [begin, end) the places where it stands, as bits. names: tokens by slot, -1 where free."""
    m = end - begin
    slots, words = slots_for(m), (m + 63) >> 6
    names[:slots] = -1
    for k in range(m):
        token = tokens[begin + k]
        slot = find_slot(names, slots, token)
        if names[slot] < 0:
            names[slot] = token
            masks[slot * words : (slot + 1) * words] = 0
        masks[slot * words + (k >> 6)] |= u64(1) << u64(k & 63)


@compiled
def common_subsequence(tokens: Array, m: int, begin: int, end: int, names: Array, masks: Array, state: Array) -> int:
    """LCS of the text of `m` tokens whose masks are given with the text in [begin, end). state: room for its words."""
    if m > 64:
        return _of_many_words(tokens, m, begin, end, names, masks, state)
    slots = slots_for(m)
    bits = _ALL_ONES
    for k in range(begin, end):
        slot = find_slot(names, slots, tokens[k])
        if names[slot] >= 0:
            match = bits & masks[slot]
            bits = (bits + match) | (bits - match)
    return popcount(~bits & _lowest(m))


@compiled
def _of_many_words(tokens: Array, m: int, begin: int, end: int, names: Array, masks: Array, state: Array) -> int:
    slots, words = slots_for(m), (m + 63) >> 6
    state[:words] = _ALL_ONES
    for k in range(begin, end):
        slot = find_slot(names, slots, tokens[k])
        if names[slot] < 0:
            continue
        carry = u64(0)
        for word in range(words):
            old = state[word]
            match = old & masks[slot * words + word]
            half = old + match
            total = half + carry
            carry = u64(half < old) | u64(total < half)
            state[word] = total | (old & ~match)
    state[words - 1] |= ~_lowest(m - 64 * (words - 1))
    common = 0
    for word in range(words):
        common += popcount(~state[word])
    return common


@compiled
def _lowest(count: int) -> int:
    """A word with its `count` lowest bits set, 0 < count <= 64."""
    word: int = _ALL_ONES >> u64(64 - count)
    return word
