"""Compiled: convert many texts to token numbers, on several threads, with the same tokens as `core.tokens.tokenize`.

`core.tokens.fold` does the folding (case, NFKC). This module splits the folded text, by a table with the kind of
every character, and interns the tokens in a hash table that compares characters, so distinct tokens never share a
number. `Join` uses `Encoder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
import regex

from ..core.tokens import CHARACTERS, fold
from .arrays import Array, ensure_capacity
from .jit import compiled, i64, u64
from .lcs import same_sequence
from .postings import count_tokens

# Kinds of characters, by their names in core.tokens.CHARACTERS; 0 is a character that belongs to no token.
_KINDS = {"word": 1, "spaceless": 2, "mark": 3, "joiner": 4}
_WORD, _SPACELESS, _MARK, _JOINER = _KINDS.values()
_LOW = u64(0xFFFFFFFF)
# Hash table slots to load at once in `_intern`, so that cache misses overlap.
_AHEAD = 32


class Interner:
    """Numbers tokens from 0 in the order in which they are first seen."""

    def __init__(self) -> None:
        # _slots: open-addressing hash table, upper half of the hash | number + 1; 0 is empty. _hashes, _begin: hash
        # of each token and where its characters begin in _codes. _size[0]: tokens; _size[1]: see `_intern`.
        self._slots = np.zeros(1 << 12, np.uint64)
        self._hashes = np.zeros(1 << 11, np.uint64)
        self._codes = np.zeros(1 << 14, np.uint32)
        self._begin = np.zeros((1 << 11) + 1, np.int64)
        self._size = np.zeros(2, np.int64)

    def __len__(self) -> int:
        return int(self._size[0])

    def encode(self, folded: FoldedTexts) -> tuple[Array, Array]:
        """Return the token numbers of all texts, int32, one text after another, and each text's count, int64[T]."""
        counts = np.zeros(len(folded.ends), np.int64)
        cuts = np.empty((len(folded.codes), 2), np.int64)
        hashes = np.empty(len(folded.codes), np.uint64)
        size = _split_tokens(folded.codes, folded.ends, folded.ascii_lettered, _character_kinds(), cuts, hashes, counts)
        return self._numbers(folded.codes, cuts[:size], hashes), counts

    def numbers_in(self, other: Interner) -> Array:
        """Return the number in `other` of each token in this interner, int32; add missing tokens to `other`."""
        size = len(self)
        cuts = np.stack((self._begin[:size], self._begin[1 : size + 1]), 1)
        return other._numbers(self._codes, cuts, self._hashes)

    def _numbers(self, codes: Array, cuts: Array, hashes: Array) -> Array:
        # Compiled code cannot allocate: `_intern` stops when an array is full, and continues once it has been enlarged.
        tokens = np.empty(len(cuts), np.int32)
        done = 0
        while done < len(tokens):
            self._make_room(int(cuts[done, 1] - cuts[done, 0]))
            known = (self._slots, self._hashes, self._codes, self._begin, self._size)
            done = _intern(codes, cuts, hashes, *known, tokens, done)
        return tokens

    def _make_room(self, room: int) -> None:
        """Make room for at least one more token of `room` characters; doubles what is full."""
        size = len(self)
        self._codes = ensure_capacity(self._codes, int(self._begin[size]) + room)
        self._hashes = ensure_capacity(self._hashes, size + 1)
        self._begin = ensure_capacity(self._begin, len(self._hashes) + 1)
        if len(self._slots) < 2 * len(self._hashes):
            self._slots = np.zeros(1 << (2 * len(self._hashes) - 1).bit_length(), np.uint64)
            _fill_slots(self._hashes, size, self._slots)


class FoldedTexts(NamedTuple):
    """Folded texts as arrays of characters."""

    codes: Array  # uint32; the characters of all texts, one text after another
    ends: Array  # int64[T]; where each text ends in `codes`
    ascii_lettered: Array  # uint8[T]; whether all letters are ASCII, so that only a-z and 0-9 form tokens

    @classmethod
    def of(cls, texts: Sequence[str]) -> FoldedTexts:
        """Fold texts; ASCII texts only need lower case."""
        folded = [(text.lower(), True) if text.isascii() else fold(text) for text in texts]
        codes = np.frombuffer("".join([text for text, _ in folded]).encode("utf-32-le", "surrogatepass"), np.uint32)
        ends = np.cumsum(np.fromiter((len(text) for text, _ in folded), np.int64, len(folded)))
        return cls(codes, ends, np.fromiter((rule for _, rule in folded), np.uint8, len(folded)))


@cache
def _character_kinds() -> Array:
    """Return the kind of every Unicode character, uint8[0x110000]; 0 for a character that belongs to no token."""
    every = "".join(map(chr, range(0x110000)))
    kinds = np.zeros(len(every), np.uint8)
    for name, kind in _KINDS.items():
        for match in regex.finditer(CHARACTERS[name] + "+", every, regex.V1):
            kinds[match.start() : match.end()] = kind
    return kinds


@compiled
def _split_tokens(
    codes: Array, ends: Array, ascii_lettered: Array, kinds: Array, cuts: Array, hashes: Array, counts: Array
) -> int:
    """Split texts (see `FoldedTexts`) into tokens, and return the number of tokens of all texts.

    Outputs: start and end of every token in `codes`, int64[N,2]; its hash, uint64[N]; tokens per text, int64[T].
    """
    size, at = 0, i64(0)
    for text in range(len(ends)):
        end, before = ends[text], size
        last = u64(127) if ascii_lettered[text] else u64(0x10FFFF)
        while at < end:
            # A token begins with a word character ("a", "7") or is one spaceless character ("字"). Skip the rest.
            kind = kinds[codes[at]]
            if (kind != _WORD and kind != _SPACELESS) or codes[at] > last:
                at += 1
                continue
            # Combining marks stay with their token. A word continues over word characters and zero-width joiners.
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
            # Mix once more, so that both halves of the hash are usable: the table stores the upper and probes by the
            # lower half.
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
    """Number tokens from `done` on, until an array has no room for a new token. Returns how many are done.

    `cuts` and `hashes` are outputs of `_split_tokens`; `slots` to `size` are the arrays of an `Interner`.
    """
    mask, warmed, sum = u64(len(slots) - 1), done, u64(0)
    while done < len(tokens):
        # Touch the next slots together, so that their cache misses overlap. Storing the sum in size[1] keeps the
        # compiler from removing the loop.
        if done == warmed:
            warmed = min(done + _AHEAD, len(tokens))
            for k in range(done, warmed):
                sum += u64(begin[i64(slots[hashes[k] & mask] & _LOW)])
            size[1] = i64(sum)
        start, end, mixed = cuts[done, 0], cuts[done, 1], hashes[done]
        # Probe linearly; compare characters only where the upper half of the hash agrees.
        slot, found = mixed & mask, i64(-1)
        while slots[slot] != 0 and found < 0:
            if (slots[slot] ^ mixed) >> u64(32) == 0:
                number = i64(slots[slot] & _LOW) - 1
                if same_sequence(codes, start, end - start, known, begin[number], begin[number + 1] - begin[number]):
                    found = number
            slot = (slot + u64(1)) & mask
        if found < 0:
            # A new token: stop if there is no room, otherwise append it.
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
def _fill_slots(hashes: Array, size: int, slots: Array) -> None:
    """Fill an empty hash table with tokens 0 to `size` - 1."""
    mask = u64(len(slots) - 1)
    for number in range(size):
        slot = hashes[number] & mask
        while slots[slot] != 0:
            slot = (slot + u64(1)) & mask
        slots[slot] = (hashes[number] & ~_LOW) | u64(number + 1)


# Texts per task of a thread.
_BATCH = 8192


class Encoder:
    """Accepts texts in order. Each thread numbers tokens on its own; `finish` merges the numberings."""

    def __init__(self, workers: int) -> None:
        self._interners = [Interner() for _ in range(workers)]
        self._threads = [ThreadPoolExecutor(1) for _ in range(workers)] if workers > 1 else []
        self._batches: list[Future[tuple[Array, Array]]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Encode texts, in the background if there are several workers; blocks while too many batches wait."""
        for start in range(0, len(texts), _BATCH):
            folded = FoldedTexts.of(texts[start : start + _BATCH])
            turn = len(self._batches) % len(self._interners)
            if self._threads:
                if len(self._batches) > 2 * len(self._threads):
                    self._batches[-2 * len(self._threads)].result()
                self._batches.append(self._threads[turn].submit(self._interners[turn].encode, folded))
            else:
                self._batches.append(Future())
                self._batches[-1].set_result(self._interners[turn].encode(folded))

    def finish(self) -> tuple[Array, Array]:
        """Merge the numberings: return all tokens, numbered by descending frequency, and where each text begins."""
        for thread in self._threads:
            thread.shutdown()
        batches = [batch.result() for batch in self._batches]
        self._batches.clear()
        # Map the numbers of every thread to those of the first one.
        first = self._interners[0]
        numbers = [other.numbers_in(first) for other in self._interners]
        often = np.zeros(len(first), np.int64)
        for turn, (tokens, _) in enumerate(batches):
            local = numbers[turn % len(numbers)]
            count_tokens(local[tokens], often)
        # Renumber by descending frequency: 0 is the most frequent token.
        rank = np.empty(len(often), np.int32)
        rank[np.argsort(-often, kind="stable")] = np.arange(len(often), dtype=np.int32)
        ranks = [rank[local] for local in numbers]
        # Concatenate the batches in order, releasing each one once it is copied.
        begin = np.zeros(sum(len(counts) for _, counts in batches) + 1, np.int64)
        np.cumsum(np.concatenate([counts for _, counts in batches]), out=begin[1:])
        flat = np.empty(int(begin[-1]), np.int32)
        at = 0
        for turn in range(len(batches)):
            tokens, _ = batches[turn]
            batches[turn] = (tokens[:0], tokens[:0])
            flat[at : at + len(tokens)] = ranks[turn % len(ranks)][tokens]
            at += len(tokens)
        return flat, begin
