"""Texts as numbers of tokens, some at a time, each lot by itself; and one numbering for all of them afterwards.

A lot numbers its tokens as it meets them and carries the tokens themselves along. Those numbers mean nothing
elsewhere: whoever asks for the tokens in an order that all lots share gives `Vocabulary.ranks`. Tokens are compared as
strings there, so no two of them can ever be taken for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..novelty.arrays import Array
from ..text import tokenize


class Block(NamedTuple):
    """Some texts that stand one after the other. tokens int32: numbers in the lot's words; lengths int32[T]."""

    tokens: Array
    lengths: Array


class Words(NamedTuple):
    """A lot's different tokens, in the order of its numbers, and how often each stands there, int64."""

    words: list[str]
    counts: Array


def encode(texts: Sequence[str]) -> tuple[Block, Words]:
    """The same for the same texts, whenever and wherever: a lost lot can be made again."""
    known: dict[str, int] = {}
    numbers: list[int] = []
    lengths = np.empty(len(texts), np.int32)
    for place, text in enumerate(texts):
        tokens = tokenize(text)
        lengths[place] = len(tokens)
        numbers.extend([known.setdefault(token, len(known)) for token in tokens])
    flat = np.array(numbers, np.int32)
    return Block(flat, lengths), Words(list(known), np.bincount(flat, minlength=len(known)).astype(np.int64))


class Vocabulary:
    """All tokens of all lots, which are added in order."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._counts = np.zeros(1 << 16, np.int64)
        self._numbers: list[Array] = []

    def add(self, lot: Words) -> None:
        """Take the next lot's tokens."""
        known = self._known
        numbers = np.array([known.setdefault(word, len(known)) for word in lot.words], np.int32)
        if len(known) > len(self._counts):
            self._counts = np.concatenate((self._counts, np.zeros(len(known), np.int64)))
        self._counts[numbers] += lot.counts
        self._numbers.append(numbers)

    def ranks(self) -> list[Array]:
        """For each lot the rank of its tokens among all, int32: the rarest first, of equally rare ones the earlier."""
        counts = self._counts[: len(self._known)]
        rank = np.empty(len(counts), np.int32)
        rank[np.argsort(counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
        return [rank[numbers] for numbers in self._numbers]
