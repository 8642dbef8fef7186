"""The engine for large pools: the compiled index, one candidate at a time. Import it only where numba is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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
    grown,
)
from .bounds import fill_bounds
from .common import scratch_for
from .handover import Desk, check_at, desk_for, insert_at, table_of
from .nearest import common_with_all, nearest_of
from .postings import count_tokens, insert_all, place_prefixes, prepare, reserve
from .search import NONE

_LENGTH = 256
"""Tokens of a text for which there is room from the start."""
_SPARE = 1
"""Room reserved for a list when the order is renewed, in times its size: the pool doubles until the next time."""


class OnlineEngine:
    """Texts as rows of `Arrays`. A text is staged as the row after the last; adding it makes it one of them.

    The order of tokens, rarest first, is made anew whenever the pool has doubled. Tokens not seen at that time
    count as rarest. Neither changes any result, only the length of the lists.
    """

    def __init__(self, cutoff: float, texts: Sequence[Sequence[int]] = ()) -> None:
        self._cutoff = cutoff
        arrays = empty_arrays(1024, 16384, 4096, 16384)
        fill_bounds(arrays.bounds, cutoff)
        scratch = scratch_for(len(arrays.frequency), _LENGTH, len(arrays.state))
        self._desk = desk_for(arrays, scratch, cutoff, _LENGTH)
        self._table: tuple[Desk, Array] | None = None
        self._levels = np.empty(0, np.uint8)
        self._bounds = np.empty(256, np.int64), np.empty(256, np.float64)
        self._turn = 0
        self._size = self._renewed_at = 0
        self._staged: Sequence[int] | None = None
        for tokens in texts:
            self._stage(tokens)
            self._size += 1
        self._arrays.state[: self._size] = ADMITTED
        self._renew()

    def __len__(self) -> int:
        return self._size

    @property
    def _arrays(self) -> Arrays:
        return self._desk.arrays

    @_arrays.setter
    def _arrays(self, arrays: Arrays) -> None:
        self._desk = self._desk._replace(arrays=arrays)

    @property
    def postings(self) -> int:
        """Postings read so far."""
        return int(self._desk.counts[0])

    @property
    def compared(self) -> int:
        """Pairs compared by LCS so far, without those that `always` and `common_with_all` take."""
        return int(self._desk.counts[1])

    def find(self, tokens: Sequence[int], always: bool) -> tuple[float, int]:
        """The highest F and the first position that has it; (0.0, -1) when F is 0 or, without `always`, not above."""
        self._prepare(tokens)
        found = self._desk.found
        score, position = float(found.score[0]), int(found.nearest[0])
        if position == NONE:
            score = 0.0
            if always:
                self._levels = grown(self._levels, self._size)
                score, position = nearest_of(
                    self._arrays, self._size, self._size, self._levels, *self._bounds, self._desk.scratch
                )
        return score, position

    def add(self, tokens: Sequence[int]) -> None:
        """Put a text at the next position."""
        if self._staged is not tokens:
            self._prepare(tokens)
        row = self._size
        self._arrays.state[row] = ADMITTED
        while not insert_at(self._where(), row):
            self._grow_postings(2 * len(self._arrays.posting))
        self._staged = None
        self._size += 1
        if self._size >= 2 * max(self._renewed_at, 1024):
            self._renew()

    def common_with_all(self, tokens: Sequence[int]) -> tuple[Array, Array]:
        """LCS with every text and every text's length, by position."""
        self._stage(tokens)
        common = np.empty(self._size, np.int32)
        common_with_all(self._arrays, self._size, self._size, common, self._desk.scratch)
        return common, np.diff(self._arrays.begin[: self._size + 1]).astype(np.int32)

    def _prepare(self, tokens: Sequence[int]) -> None:
        """Stage a text and compare it with all others."""
        self._stage(tokens)
        self._desk.row[0] = self._size
        self._turn = self._turn % 0x7FFFFFFE + 1
        check_at(self._where(), self._cutoff, self._turn)
        self._staged = tokens

    def _where(self) -> Array:
        """The table of the desk as it is now."""
        if self._table is None or self._table[0] is not self._desk:
            self._table = self._desk, table_of(self._desk)
        return self._table[1]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_table": None}  # in another process the arrays lie elsewhere

    def _stage(self, tokens: Sequence[int]) -> None:
        """Write `tokens` behind the last row."""
        arrays, row = self._arrays, self._size
        start = int(arrays.begin[row])
        end = start + len(tokens)
        check_length(len(tokens))
        most = max(tokens, default=-1) + 1
        if len(tokens) > len(self._desk.keys):
            self._lengthen(2 * len(tokens))
        short = row + 1 > len(arrays.state) or row + 2 > len(arrays.begin)
        if short or end > len(arrays.tokens) or most > len(arrays.frequency):
            arrays = self._grow_rows(row + 1, end, most)
        arrays.tokens[start:end] = tokens
        arrays.begin[row + 1] = end
        arrays.state[row] = UNDECIDED
        self._staged = None

    def _lengthen(self, longest: int) -> None:
        """Make room for longer texts."""
        scratch = scratch_for(0, longest, 0, self._desk.scratch)
        counts, self._desk = self._desk.counts, desk_for(self._arrays, scratch, self._cutoff, longest)
        self._desk.counts[:] = counts

    def _grow_rows(self, rows: int, tokens: int, vocabulary: int) -> Arrays:
        arrays, scratch = self._arrays, self._desk.scratch
        changes: dict[str, Any] = {name: grown(getattr(arrays, name), rows) for name in ("details", "state")}
        scratch = scratch_for(0, 0, len(changes["state"]), scratch)
        changes |= {name: grown(getattr(arrays, name), rows + 1) for name in ("begin", "prefix_begin")}
        changes |= {name: grown(getattr(arrays, name), tokens) for name in ("tokens", "prefix")}
        if vocabulary > len(arrays.frequency):
            known, first = len(arrays.frequency), len(arrays.heads) - len(arrays.frequency)
            frequency = grown(arrays.frequency, vocabulary)
            later = np.arange(first + known, first + len(frequency), dtype=np.int32)
            heads = np.zeros((first + len(frequency), 4), np.int32)
            heads[: len(arrays.heads)] = arrays.heads
            scratch = scratch_for(len(frequency), 0, 0, scratch)
            changes |= {"frequency": frequency, "heads": heads, "first_list": np.append(arrays.first_list, later)}
        self._desk = self._desk._replace(arrays=arrays._replace(**changes), scratch=scratch)
        return self._arrays

    def _grow_postings(self, postings: int) -> None:
        arrays = self._arrays
        self._arrays = arrays._replace(
            marks=grown(arrays.marks, postings + LANES),
            posting=grown(arrays.posting, postings),
        )

    def _renew(self) -> None:
        """Order the tokens by their frequency now and build the lists anew."""
        rows, arrays = self._size, self._arrays
        tokens = arrays.tokens[: arrays.begin[rows]]
        frequency, first_list, heads = ordered(tokens, len(arrays.frequency))
        arrays = arrays._replace(frequency=frequency, first_list=first_list, heads=heads)
        place_prefixes(arrays, 0, rows, self._cutoff)
        prepare(arrays, 0, rows, self._desk.keys)
        places = reserve(arrays, 0, rows, _SPARE)
        self._arrays = with_postings(arrays, places + places // 2 + 1024)
        insert_all(self._arrays, rows)
        self._renewed_at = rows
        self._staged = None


def ordered(tokens: Array, vocabulary: int) -> tuple[Array, Array, Array]:
    """`Arrays.frequency`, `first_list` and empty `heads` for the frequencies of the tokens given."""
    often = np.zeros(vocabulary, np.int64)
    count_tokens(tokens, often)
    frequency = often.astype(np.int32)
    frequent = np.flatnonzero(frequency >= FREQUENT)
    if len(frequent) > MOST_FREQUENT:
        frequent = frequent[np.argsort(-frequency[frequent], kind="stable")[:MOST_FREQUENT]]
    others = len(frequent) * LISTS
    first_list = others + np.arange(vocabulary, dtype=np.int32)
    first_list[frequent] = ~(np.arange(len(frequent), dtype=np.int32) * LISTS)
    return frequency, first_list, np.zeros((others + vocabulary, 4), np.int32)


def with_postings(arrays: Arrays, places: int) -> Arrays:
    """`arrays` with new, unwritten postings."""
    return arrays._replace(
        marks=np.empty(places + LANES, np.uint64),
        posting=np.empty(places, np.int64),
    )
