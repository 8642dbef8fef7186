"""A lot of texts into pieces by MinHash-LSH: most pairs above the cutoff meet in a shard, at one cost for every text.

In place of the words of its prefix, a text has postings for its bands: the minima of its words under some permutations
each. Texts that share a band are compared exactly; those that share none are missed. docs/scale.md has the
share of near-duplicates that are found. The one file that imports `rensa`.
"""

from __future__ import annotations

import numpy as np

from ..errors import UsageError
from ..novelty.arrays import Array, check_length
from .blocks import Block
from .pieces import Piece, pieces_of

_PERMUTATIONS = 128
_SEED = 1
_LONGEST_BAND = 12
_LEAST_RECALL = 0.65
"""Of pairs just above the cutoff. Those well above it are found nearly always, and a text may have several."""


def bands_of(cutoff: float) -> tuple[int, int]:
    """How many bands, and of how many permutations each: the longest for which enough is found at the cutoff.

    Two texts of one length whose F is c have c of their words in common, which is c / (2 - c) of both together; a band
    of r permutations agrees with that share to the power of r (Leskovec et al., Mining of Massive Datasets, 3.4).
    """
    share = cutoff / (2 - cutoff)
    for length in range(_LONGEST_BAND, 1, -1):
        bands = _PERMUTATIONS // length
        if 1 - (1 - share**length) ** bands >= _LEAST_RECALL:
            return bands, length
    return _PERMUTATIONS, 1


def check_installed() -> None:
    """Raise UsageError, which names the extra, where the library is missing."""
    try:
        import rensa  # noqa: F401
    except ImportError:
        raise UsageError("--approximate: rensa isn't installed; pip install 'selfinstruct[approximate]'") from None


def cut_by_bands(block: Block, ranks: Array, first_row: int, cutoff: float, shards: int) -> list[Piece]:
    """As `pieces.cut`, with the keys of bands in place of tokens in the postings, all at place 0."""
    lengths = block.lengths.astype(np.int64)
    check_length(int(lengths.max(initial=0)))
    tokens = ranks[block.tokens]
    bands, _ = bands_of(cutoff)
    some = np.flatnonzero(lengths if cutoff < 1.0 else [])  # without words, or above 1, there is nothing to find
    row = np.repeat(some, bands)
    keys = np.sort(_keys(tokens, lengths, cutoff)[some], axis=1).ravel()
    fresh = np.ones(len(row), np.bool_)
    fresh[1:] = (row[1:] != row[:-1]) | (keys[1:] != keys[:-1])
    row, keys = row[fresh], keys[fresh]
    return pieces_of(first_row, lengths, tokens, row, keys, np.zeros(len(row), np.int64), shards)


def _keys(tokens: Array, lengths: Array, cutoff: float) -> Array:
    """The key of each band of each text, int64 below 2**31. Bands that get one key by chance only cost a comparison."""
    from rensa import RMinHash

    bands, length = bands_of(cutoff)
    hashes = (tokens.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    hashes = (hashes ^ (hashes >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    made = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, _PERMUTATIONS, _SEED)
    minima = np.array(made.to_rows(), np.uint64).reshape(len(lengths), _PERMUTATIONS)
    keys = np.empty((len(lengths), bands), np.int64)
    for band in range(bands):
        mixed = np.full(len(lengths), band + 1, np.uint64)
        for column in range(band * length, (band + 1) * length):
            mixed = (mixed ^ minima[:, column]) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        keys[:, band] = (mixed >> np.uint64(33)).astype(np.int64)
    return keys
