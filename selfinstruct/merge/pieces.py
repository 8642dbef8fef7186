"""A lot of texts into pieces, one for each shard of the index: a shard has every text that it needs, whole.

Prefix filter (Chaudhuri et al. 2006; Xiao et al. 2008): with each text's tokens in one order, rarest first, two texts
above the cutoff have a token in common among the first m - t + 1 of the one and n - t + 1 of the other, t being the
least number of tokens that any partner shares with it. So a text goes to the shards of those tokens only, and any
pair above the cutoff meets in at least one of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..novelty.arrays import Array, check_length
from ..novelty.bounds import shortest_partner
from .blocks import Block

LAST_PLACE = (1 << 16) - 1
"""Places in a prefix are kept up to this one; later ones count as this one, which filters less and loses nothing."""


class Piece(NamedTuple):
    """What one shard gets of a lot: R texts with T tokens, P postings.

    rows int64[R]: the texts' numbers among all, ascending. lengths int32[R]. tokens int32[T]: their ranks, in the
    texts' own order. A posting: row int32[P], a place in `rows`, ascending; token int32[P]; place int32[P]: in the
    prefix, ascending within a row. No token twice for a row.
    """

    rows: Array
    lengths: Array
    tokens: Array
    posting_row: Array
    posting_token: Array
    posting_place: Array


def shard_of(tokens: Array, shards: int) -> Array:
    """The shard of each token, int64, by a hash of its rank."""
    mixed = tokens.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed >> np.uint64(33)) % np.uint64(shards)).astype(np.int64)


def cut(block: Block, ranks: Array, first_row: int, cutoff: float, shards: int) -> list[Piece]:
    """The pieces of a lot for each shard, in order. ranks: of the lot's tokens; first_row: its first text's number."""
    lengths = block.lengths.astype(np.int64)
    check_length(int(lengths.max(initial=0)))
    begin = np.concatenate(([0], np.cumsum(lengths)))
    tokens = ranks[block.tokens]
    return pieces_of(first_row, lengths, tokens, *_prefixes(tokens, lengths, begin, cutoff), shards)


def pieces_of(
    first_row: int, lengths: Array, tokens: Array, row: Array, token: Array, place: Array, shards: int
) -> list[Piece]:
    """The pieces of a lot whose postings are given, by row: each goes to its token's shard, and with it the text."""
    begin = np.concatenate(([0], np.cumsum(lengths)))
    shard = shard_of(token, shards)
    order = np.argsort(shard, kind="stable")
    ends = np.searchsorted(shard[order], np.arange(1, shards + 1))
    return [
        _piece(first_row, lengths, tokens, begin, row[chosen], token[chosen], place[chosen])
        for chosen in np.split(order, ends[:-1])
    ]


def _prefixes(tokens: Array, lengths: Array, begin: Array, cutoff: float) -> tuple[Array, Array, Array]:
    """Row, token and place of each different token of each text's prefix, by row and place."""
    row = np.repeat(np.arange(len(lengths)), lengths)
    keys = (row << 32) | tokens
    keys.sort()
    place = np.arange(len(keys)) - begin[row]
    known, which = np.unique(lengths, return_inverse=True)
    size = np.array([m - shortest_partner(m, cutoff) + 1 for m in known.tolist()], np.int64)[which]
    chosen = place < size[row]
    chosen[1:] &= keys[1:] != keys[:-1]
    return row[chosen], keys[chosen] & 0xFFFFFFFF, place[chosen]


def _piece(
    first_row: int, lengths: Array, tokens: Array, begin: Array, row: Array, token: Array, place: Array
) -> Piece:
    rows, posting_row = np.unique(row, return_inverse=True)
    sizes = lengths[rows]
    ends = np.cumsum(sizes)
    starts = np.repeat(begin[rows] - (ends - sizes), sizes)
    return Piece(
        rows=rows + first_row,
        lengths=sizes.astype(np.int32),
        tokens=tokens[starts + np.arange(len(starts))],
        posting_row=posting_row.astype(np.int32),
        posting_token=token.astype(np.int32),
        posting_place=np.minimum(place, LAST_PLACE).astype(np.int32),
    )
