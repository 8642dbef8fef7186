"""The engine for large pools: the compiled index, one candidate at a time.

`NoveltyIndex` switches to this engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .address_table import SearchBuffers, addresses_of, buffers_for, check_at, insert_at
from .arrays import (
    ADMITTED,
    FREQUENT,
    LANES,
    LISTS,
    MOST_FREQUENT,
    UNDECIDED,
    Array,
    Arrays,
    check_length,
    empty_arrays,
    ensure_capacity,
)  # fmt: skip
from .bounds import fill_bounds
from .lcs import scratch_for
from .nearest import common_with_all, nearest_of
from .postings import count_tokens, insert_all, place_prefixes, prepare, reserve
from .search import NONE

# Longest text that fits without enlarging the buffers.
_LENGTH = 256
# Extra room per list at a rebuild, in multiples of its size: the pool doubles before the next rebuild.
_SPARE = 1


class OnlineEngine:
    """A pool of texts as rows of `Arrays`. A text is staged in the row after the last one; `add` makes it permanent.

    The order of tokens, rarest first, is rebuilt whenever the pool has doubled. Tokens not seen by then count as the
    rarest. The order changes no result, only the length of the lists.
    """

    def __init__(self, cutoff: float, texts: Sequence[Sequence[int]] = ()) -> None:
        self._cutoff = cutoff
        arrays = empty_arrays(1024, 16384, 4096, 16384)
        fill_bounds(arrays.bounds, cutoff)
        scratch = scratch_for(len(arrays.frequency), _LENGTH, len(arrays.state))
        self._buffers = buffers_for(arrays, scratch, cutoff, _LENGTH)
        self._table: tuple[SearchBuffers, Array] | None = None
        self._levels = np.empty(0, np.uint8)
        self._level_bounds = np.empty(256, np.int64), np.empty(256, np.float64)
        self._turn = 0
        self._size = self._rebuilt_at = 0
        self._staged: Sequence[int] | None = None
        for tokens in texts:
            self._stage(tokens)
            self._size += 1
        self._arrays.state[: self._size] = ADMITTED
        self._rebuild()

    def __len__(self) -> int:
        return self._size

    @property
    def _arrays(self) -> Arrays:
        return self._buffers.arrays

    @_arrays.setter
    def _arrays(self, arrays: Arrays) -> None:
        self._buffers = self._buffers._replace(arrays=arrays)

    @property
    def postings(self) -> int:
        """The number of postings read so far."""
        return int(self._buffers.counts[0])

    @property
    def compared(self) -> int:
        """The number of pairs compared by LCS so far, except by `always` and `common_with_all`."""
        return int(self._buffers.counts[1])

    def find(self, tokens: Sequence[int], always: bool) -> tuple[float, int]:
        """Return the highest F and its position; (0.0, -1) if F is 0 or, without `always`, not above the cutoff."""
        self._prepare(tokens)
        found = self._buffers.found
        score, position = float(found.score[0]), int(found.nearest[0])
        if position == NONE:
            score = 0.0
            if always:  # nothing above the cutoff: scan all rows for the nearest
                self._levels = ensure_capacity(self._levels, self._size)
                score, position = nearest_of(
                    self._arrays, self._size, self._size, self._levels, *self._level_bounds, self._buffers.scratch
                )
        return score, position

    def add(self, tokens: Sequence[int]) -> None:
        """Append a text to the pool."""
        if self._staged is not tokens:
            self._prepare(tokens)
        row = self._size
        self._arrays.state[row] = ADMITTED
        # `insert_at` changes nothing if the postings are full; enlarge them and try again.
        while not insert_at(self._address_table(), row):
            self._grow_postings(2 * len(self._arrays.posting))
        self._staged = None
        self._size += 1
        if self._size >= 2 * max(self._rebuilt_at, 1024):
            self._rebuild()

    def common_with_all(self, tokens: Sequence[int]) -> tuple[Array, Array]:
        """Return the LCS with every text and the length of every text, both int32[texts] by position."""
        self._stage(tokens)
        common = np.empty(self._size, np.int32)
        common_with_all(self._arrays, self._size, self._size, common, self._buffers.scratch)
        return common, np.diff(self._arrays.begin[: self._size + 1]).astype(np.int32)

    def _prepare(self, tokens: Sequence[int]) -> None:
        self._stage(tokens)
        self._buffers.row[0] = self._size
        self._turn = self._turn % 0x7FFFFFFE + 1  # 1 to 2**31 - 2, see `search.compare`
        check_at(self._address_table(), self._cutoff, self._turn)
        self._staged = tokens

    def _address_table(self) -> Array:
        """Return the address table of the current buffers; built again only after the buffers have changed."""
        if self._table is None or self._table[0] is not self._buffers:
            self._table = self._buffers, addresses_of(self._buffers)
        return self._table[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_table": None}  # addresses are not valid in another process

    def _stage(self, tokens: Sequence[int]) -> None:
        """Write `tokens` into the row after the last one, enlarging the arrays if necessary."""
        arrays, row = self._arrays, self._size
        start = int(arrays.begin[row])
        end = start + len(tokens)
        check_length(len(tokens))
        most = max(tokens, default=-1) + 1
        if len(tokens) > len(self._buffers.keys):
            self._grow_texts(2 * len(tokens))
        short = row + 1 > len(arrays.state) or row + 2 > len(arrays.begin)
        if short or end > len(arrays.tokens) or most > len(arrays.frequency):
            arrays = self._grow_rows(row + 1, end, most)
        arrays.tokens[start:end] = tokens
        arrays.begin[row + 1] = end
        arrays.state[row] = UNDECIDED
        self._staged = None

    def _grow_texts(self, longest: int) -> None:
        """Enlarge the buffers for longer texts, keeping the counts."""
        scratch = scratch_for(0, longest, 0, self._buffers.scratch)
        counts, self._buffers = self._buffers.counts, buffers_for(self._arrays, scratch, self._cutoff, longest)
        self._buffers.counts[:] = counts

    def _grow_rows(self, rows: int, tokens: int, vocabulary: int) -> Arrays:
        arrays, scratch = self._arrays, self._buffers.scratch
        changes: dict[str, Any] = {name: ensure_capacity(getattr(arrays, name), rows) for name in ("details", "state")}
        scratch = scratch_for(0, 0, len(changes["state"]), scratch)
        changes |= {name: ensure_capacity(getattr(arrays, name), rows + 1) for name in ("begin", "prefix_begin")}
        changes |= {name: ensure_capacity(getattr(arrays, name), tokens) for name in ("tokens", "prefix")}
        # Each new token gets frequency 0 (the rarest) and an empty list after the existing ones.
        if vocabulary > len(arrays.frequency):
            known, first = len(arrays.frequency), len(arrays.heads) - len(arrays.frequency)
            frequency = ensure_capacity(arrays.frequency, vocabulary)
            later = np.arange(first + known, first + len(frequency), dtype=np.int32)
            heads = np.zeros((first + len(frequency), 4), np.int32)
            heads[: len(arrays.heads)] = arrays.heads
            scratch = scratch_for(len(frequency), 0, 0, scratch)
            changes |= {"frequency": frequency, "heads": heads, "first_list": np.append(arrays.first_list, later)}
        self._buffers = self._buffers._replace(arrays=arrays._replace(**changes), scratch=scratch)
        return self._arrays

    def _grow_postings(self, postings: int) -> None:
        arrays = self._arrays
        self._arrays = arrays._replace(
            marks=ensure_capacity(arrays.marks, postings + LANES), posting=ensure_capacity(arrays.posting, postings)
        )

    def _rebuild(self) -> None:
        """Order the tokens by their current frequency and rebuild all lists."""
        rows, arrays = self._size, self._arrays
        tokens = arrays.tokens[: arrays.begin[rows]]
        frequency, first_list, heads = rank_tokens(tokens, len(arrays.frequency))
        arrays = arrays._replace(frequency=frequency, first_list=first_list, heads=heads)
        place_prefixes(arrays, 0, rows, self._cutoff)
        prepare(arrays, 0, rows, self._buffers.keys)
        places = reserve(arrays, 0, rows, _SPARE)
        self._arrays = with_empty_postings(arrays, places + places // 2 + 1024)
        insert_all(self._arrays, rows)
        self._rebuilt_at = rows
        self._staged = None


def rank_tokens(tokens: Array, vocabulary: int) -> tuple[Array, Array, Array]:
    """Rank tokens by frequency: return `Arrays.frequency`, `first_list`, and `heads` with all lists empty."""
    often = np.zeros(vocabulary, np.int64)
    count_tokens(tokens, often)
    frequency = often.astype(np.int32)
    frequent = np.flatnonzero(frequency >= FREQUENT)
    if len(frequent) > MOST_FREQUENT:
        frequent = frequent[np.argsort(-frequency[frequent], kind="stable")[:MOST_FREQUENT]]
    # Lists of frequent tokens come first, LISTS for each, addressed by the complement of their number.
    others = len(frequent) * LISTS
    first_list = others + np.arange(vocabulary, dtype=np.int32)
    first_list[frequent] = ~(np.arange(len(frequent), dtype=np.int32) * LISTS)
    return frequency, first_list, np.zeros((others + vocabulary, 4), np.int32)


def with_empty_postings(arrays: Arrays, places: int) -> Arrays:
    """Return `arrays` with room for `places` postings, uninitialized."""
    return arrays._replace(marks=np.empty(places + LANES, np.uint64), posting=np.empty(places, np.int64))
