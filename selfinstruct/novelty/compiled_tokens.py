"""Compiled: texts into numbers of tokens, the same tokens as `text.tokenize`, many texts at a time.

Folding (case, NFKC) is left to `text.fold`. What is compiled here is the cutting, by a table with the kind of every
character, and the interning, by a hash table that compares the characters: no two tokens ever get one number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import regex

from ..core.tokens import CHARACTERS, fold
from .arrays import Array, grown
from .common import same_sequence
from .jit import compiled, i64, u64

_KINDS = {"word": 1, "spaceless": 2, "mark": 3, "joiner": 4}
_WORD, _SPACELESS, _MARK, _JOINER = _KINDS.values()
_LOW = u64(0xFFFFFFFF)
_AHEAD = 32


class Interner:
    """Numbers of tokens, in the order of first sight."""

    def __init__(self) -> None:
        self._slots = np.zeros(1 << 12, np.uint64)
        self._hashes = np.zeros(1 << 11, np.uint64)
        self._codes = np.zeros(1 << 14, np.uint32)
        self._begin = np.zeros((1 << 11) + 1, np.int64)
        self._size = np.zeros(2, np.int64)

    def __len__(self) -> int:
        return int(self._size[0])

    def encode(self, folded: Folded) -> tuple[Array, Array]:
        """The numbers of all tokens, int32, one text after the other, and each text's count, int64[texts]."""
        counts = np.zeros(len(folded.ends), np.int64)
        cuts = np.empty((len(folded.codes), 2), np.int64)
        hashes = np.empty(len(folded.codes), np.uint64)
        size = _cut(folded.codes, folded.ends, folded.ascii_lettered, _kinds(), cuts, hashes, counts)
        return self._numbers(folded.codes, cuts[:size], hashes), counts

    def numbers_in(self, other: Interner) -> Array:
        """The number that each of this one's tokens has in `other`, int32; it gets those that it lacks."""
        size = len(self)
        cuts = np.stack((self._begin[:size], self._begin[1 : size + 1]), 1)
        return other._numbers(self._codes, cuts, self._hashes)

    def _numbers(self, codes: Array, cuts: Array, hashes: Array) -> Array:
        tokens = np.empty(len(cuts), np.int32)
        done = 0
        while done < len(tokens):
            self._make_room(int(cuts[done, 1] - cuts[done, 0]))
            known = (self._slots, self._hashes, self._codes, self._begin, self._size)
            done = _intern(codes, cuts, hashes, *known, tokens, done)
        return tokens

    def _make_room(self, room: int) -> None:
        """Make room for one more token of `room` characters, or twice as many as there are."""
        size = len(self)
        self._codes = grown(self._codes, int(self._begin[size]) + room)
        self._hashes = grown(self._hashes, size + 1)
        self._begin = grown(self._begin, len(self._hashes) + 1)
        if len(self._slots) < 2 * len(self._hashes):
            self._slots = np.zeros(1 << (2 * len(self._hashes) - 1).bit_length(), np.uint64)
            _place(self._hashes, size, self._slots)


class Folded:
    """Folded texts as characters.

    codes uint32: one text after the other. ends int64[T]: where each ends. ascii_lettered uint8[T]: whether the first
    rule of `text` cuts it.
    """

    def __init__(self, codes: Array, ends: Array, ascii_lettered: Array) -> None:
        self.codes, self.ends, self.ascii_lettered = codes, ends, ascii_lettered

    @classmethod
    def of(cls, texts: Sequence[str]) -> Folded:
        """Fold texts."""
        folded = [(text.lower(), True) if text.isascii() else fold(text) for text in texts]
        codes = np.frombuffer("".join([text for text, _ in folded]).encode("utf-32-le", "surrogatepass"), np.uint32)
        ends = np.cumsum(np.fromiter((len(text) for text, _ in folded), np.int64, len(folded)))
        return cls(codes, ends, np.fromiter((rule for _, rule in folded), np.uint8, len(folded)))


@cache
def _kinds() -> Array:
    """The kind of every character, uint8[0x110000]; 0: none of a token."""
    every = "".join(map(chr, range(0x110000)))
    kinds = np.zeros(len(every), np.uint8)
    for name, kind in _KINDS.items():
        for match in regex.finditer(CHARACTERS[name] + "+", every, regex.V1):
            kinds[match.start() : match.end()] = kind
    return kinds


@compiled
def _cut(
    codes: Array, ends: Array, ascii_lettered: Array, kinds: Array, cuts: Array, hashes: Array, counts: Array
) -> int:
    """Write start, end and hash of every token and the number of tokens of every text; gives the number of all."""
    size, at = 0, i64(0)
    for text in range(len(ends)):
        end, before = ends[text], size
        last = u64(127) if ascii_lettered[text] else u64(0x10FFFF)
        while at < end:
            kind = kinds[codes[at]]
            if (kind != _WORD and kind != _SPACELESS) or codes[at] > last:
                at += 1
                continue
            start, mixed = at, u64(0)
            while True:
                mixed = (mixed ^ u64(codes[at])) * u64(0x9E3779B97F4A7C15)
                mixed ^= mixed >> u64(29)
                at += 1
                if at >= end or codes[at] > last:
                    break
                following = kinds[codes[at]]
                if following != _MARK and (kind != _WORD or (following != _WORD and following != _JOINER)):
                    break
            mixed *= u64(0xD6E8FEB86659FD93)
            hashes[size] = mixed ^ (mixed >> u64(32))
            cuts[size, 0], cuts[size, 1] = start, at
            size += 1
        counts[text] = size - before
    return size


@compiled
def _intern(
    codes: Array,
    cuts: Array,
    hashes: Array,
    slots: Array,
    known_hashes: Array,
    known: Array,
    begin: Array,
    size: Array,
    tokens: Array,
    done: int,
) -> int:
    """Number the tokens from `done` on until there is no room for a new one; gives how many are done."""
    mask, warmed, sum = u64(len(slots) - 1), done, u64(0)
    while done < len(tokens):
        if done == warmed:  # the next places are fetched at once, not one after the other
            warmed = min(done + _AHEAD, len(tokens))
            for k in range(done, warmed):
                sum += u64(begin[i64(slots[hashes[k] & mask] & _LOW)])
            size[1] = i64(sum)
        start, end, mixed = cuts[done, 0], cuts[done, 1], hashes[done]
        slot, found = mixed & mask, i64(-1)
        while slots[slot] != 0 and found < 0:
            if (slots[slot] ^ mixed) >> u64(32) == 0:
                number = i64(slots[slot] & _LOW) - 1
                if same_sequence(codes, start, end - start, known, begin[number], begin[number + 1] - begin[number]):
                    found = number
            slot = (slot + u64(1)) & mask
        if found < 0:
            found = size[0]
            if found == len(known_hashes) or begin[found] + end - start > len(known):
                return done
            slots[slot] = (mixed & ~_LOW) | u64(found + 1)
            known_hashes[found] = mixed
            for k in range(end - start):
                known[begin[found] + k] = codes[start + k]
            begin[found + 1] = begin[found] + end - start
            size[0] = found + 1
        tokens[done] = found
        done += 1
    return done


@compiled
def _place(hashes: Array, size: int, slots: Array) -> None:
    """Put the first `size` numbers into empty slots."""
    mask = u64(len(slots) - 1)
    for number in range(size):
        slot = hashes[number] & mask
        while slots[slot] != 0:
            slot = (slot + u64(1)) & mask
        slots[slot] = (hashes[number] & ~_LOW) | u64(number + 1)
