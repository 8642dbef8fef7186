"""All pairs above the cutoff that meet in one shard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import UsageError
from ..novelty.arrays import Array
from ..novelty.common import Scratch, scratch_for
from .kernel import Lists, Owned, Texts, find_twins, scan, sign
from .pieces import Piece

MOST_PAIRS = 50_000_000
"""Pairs above the cutoff that one shard may have; they take 24 bytes each."""
_ROOM = 1 << 20


class Pairs(NamedTuple):
    """Rows by their numbers among all texts.

    earlier int64, later int64, score float64: pairs above the cutoff, each once, among texts that differ.
    twin int64, original int64: a row, and the first row with the same tokens. work int64[2]: postings read and
    pairs compared.
    """

    earlier: Array
    later: Array
    score: Array
    twin: Array
    original: Array
    work: Array


def find_pairs(pieces: Sequence[Piece], cutoff: float) -> Pairs:
    """The pairs of one shard, of which `pieces` are all, in the order of the texts. Raises UsageError for too many.

    All rows with the same tokens have the same prefix, and so meet in the same shards; of each lot only the first
    one is compared.
    """
    rows, lengths, tokens, posting_row, posting_token, posting_place = _together(pieces)
    begin = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
    twins = np.empty(len(rows), np.int64)
    find_twins(tokens, begin, np.zeros(1 << max(2 * len(rows), 1).bit_length(), np.int64), twins)
    kept = twins[posting_row] < 0
    posting_row, posting_token, posting_place = posting_row[kept], posting_token[kept], posting_place[kept]
    signature = np.empty((len(rows), 2), np.uint64)
    sign(tokens, begin, signature)
    texts = Texts(tokens, begin, signature)
    owned = Owned(posting_token, posting_place, np.searchsorted(posting_row, np.arange(len(rows) + 1)).astype(np.int64))
    lists = _lists(texts, posting_row, posting_token, posting_place, lengths)
    counts = np.zeros(2, np.int64)
    vocabulary, longest = int(tokens.max(initial=-1)) + 1, int(lengths.max(initial=0))
    parts = list(_scanned(texts, lists, owned, cutoff, scratch_for(vocabulary, longest, 0), counts))
    earlier, later, score = once(parts)
    same = np.flatnonzero(twins >= 0)
    return Pairs(rows[earlier], rows[later], score, rows[same], rows[twins[same]], counts)


def once(parts: Iterable[tuple[Array, Array, Array]]) -> tuple[Array, Array, Array]:
    """Pairs (earlier, later, score) of several finds, each pair once, by the later row, then by the earlier one."""
    found = list(parts)
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    earlier, later, score = (np.concatenate([part[k] for part in found]) for k in range(3))
    order = order_of(later, earlier)
    earlier, later, score = earlier[order], later[order], score[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (earlier[1:] != earlier[:-1]) | (later[1:] != later[:-1])
    return earlier[new], later[new], score[new]


def order_of(first: Array, second: Array) -> Array:
    """What sorts rows by `first`, then by `second`. One key is sorted several times as fast as two."""
    if max(first.max(initial=0), second.max(initial=0)) < 1 << 31:
        return np.argsort((first << 32) | second, kind="stable")
    return np.lexsort((second, first))


def _together(pieces: Sequence[Piece]) -> tuple[Array, ...]:
    """All pieces as one, with the postings' places in `rows` moved accordingly."""
    starts = np.cumsum([0, *(len(piece.rows) for piece in pieces)])[:-1]
    moved = [piece.posting_row + start for piece, start in zip(pieces, starts.tolist(), strict=True)]
    joined = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    joined[3] = np.concatenate(moved)
    return tuple(joined)


def _lists(texts: Texts, row: Array, token: Array, place: Array, lengths: Array) -> Lists:
    length = lengths[row].astype(np.int64)
    dense = np.unique(token, return_inverse=True)[1].astype(np.uint64)
    if dense.max(initial=0) >> np.uint64(24):
        raise UsageError("more than 16,777,216 different tokens in one shard; use more shards")
    keys = (dense << np.uint64(40)) | (length.astype(np.uint64) << np.uint64(16)) | place.astype(np.uint64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    groups = keys >> np.uint64(16)
    starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1]))) if len(keys) else np.zeros(0, np.int64)
    group_token = keys[starts] >> np.uint64(40)
    return Lists(
        row=row[order].astype(np.int32),
        place=place[order].astype(np.int32),
        signature=texts.signature[row[order]],
        begin=np.concatenate((starts, [len(keys)])).astype(np.int64),
        length=length[order][starts],
        end=np.searchsorted(group_token, group_token, side="right").astype(np.int64),
    )


def _scanned(
    texts: Texts, lists: Lists, owned: Owned, cutoff: float, scratch: Scratch, counts: Array
) -> Iterable[tuple[Array, Array, Array]]:
    """Pairs in parts of at most `_ROOM`, or of as many as one posting has, each once within its part."""
    at, total, room = np.zeros(2, np.int64), 0, _ROOM
    while at[0] < len(lists.length):
        earlier, later, score = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room)
        found = scan(texts, lists, owned, cutoff, scratch, at, earlier, later, score, counts)
        if not found and at[0] < len(lists.length):
            room *= 2
            continue
        part = once([(earlier[:found], later[:found], score[:found])])
        total += len(part[0])
        if total > MOST_PAIRS:
            raise UsageError(
                f"more than {MOST_PAIRS:,} pairs above the threshold in one shard: whole groups of texts are alike; "
                "use --engine local, which never holds them, or `selfinstruct dedup` each input first"
            )
        yield part
