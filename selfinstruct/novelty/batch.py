"""Compiled decisions over many rows at once: the same as one `check` and `admit` after the other.

Rows go through in blocks. All rows of a block enter the index as undecided and are compared, with the index and
with each other, by several threads; then they are decided in order, and the refused ones leave the index again.
Which thread does what never shows in the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise, zip_longest
from queue import SimpleQueue
from typing import Any

import numpy as np

from .arrays import ADMITTED, REFUSED, UNDECIDED, Array, check_length, empty_arrays
from .blocks import find_twins, insert_block, remove_refused, settle
from .bounds import fill_bounds
from .common import WORD, Scratch, scratch_for
from .online import ordered, with_postings
from .postings import place_prefixes, prepare, reserve
from .search import NONE, Visits, compare, list_visits, nothing_found

_FIRST_BLOCK, _BLOCK = 1024, 8192
"""Rows of a block: small at first, while most pairs are within the block."""
_ALL, _AGAIN, _NEAREST = 1, 2, 3
"""Why a row is compared."""
_STRETCHES, _PIECES = 4, 4
"""Pieces of a block for each thread, so that the threads end together."""


class BatchEngine:
    """Decides rows that are given as tokens. references: so many first rows are in the pool whatever they are."""

    def __init__(self, tokens: Array, begin: Array, references: int, cutoff: float, workers: int) -> None:
        rows = len(begin) - 1
        self._cutoff, self._references, self._workers = cutoff, references, workers
        vocabulary = int(tokens.max()) + 1 if len(tokens) else 0
        self._lengths = np.diff(begin)
        self._longest = longest = int(self._lengths.max()) if rows else 0
        check_length(longest)
        self._pool = ThreadPoolExecutor(workers)
        self._twins = np.full(rows, NONE, np.int32)
        slots = np.zeros(1 << max(2 * rows, 1).bit_length(), np.uint64)
        twins = self._beside(find_twins, tokens, begin, slots, self._twins) if cutoff < 1.0 else tuple
        frequency, first_list, heads = ordered(tokens, vocabulary)
        twins()
        self._arrays = empty_arrays(rows, 0, 0, 0)._replace(
            tokens=tokens, begin=begin, frequency=frequency, first_list=first_list, heads=heads
        )
        fill_bounds(self._arrays.bounds, cutoff)
        self._arrays.state[:] = np.where(self._twins < 0, UNDECIDED, REFUSED)
        self._found = nothing_found(rows, cutoff)
        self._counts = np.zeros(2, np.int64)
        self._scratches: SimpleQueue[tuple[Scratch, Array]] = SimpleQueue()
        for _ in range(workers):
            self._scratches.put((scratch_for(vocabulary, longest, rows), np.zeros(2, np.int64)))
        self._index(longest)

    def decide(self, progress: Callable[[int, int], None]) -> Array:
        """Which rows are admitted, bool[rows]."""
        arrays, rows = self._arrays, len(self._arrays.state)
        blocks = list(self._blocks())
        prepared: Callable[[], Any] = partial(self._work, *blocks[0]) if blocks else tuple
        for (first, end), following in zip_longest(blocks, blocks[1:]):
            block, visits, ends, stretches = prepared()
            if following:  # what it reads depends on no decision: a free thread lists it while this one is decided
                prepared = self._beside(self._work, *following)
            self._each(partial(insert_block, arrays), stretches)
            if first < self._references:
                arrays.state[block] = ADMITTED
            else:
                finer = [piece for part in stretches for piece in self._pieces(part)]
                self._compare(self._one_long_row_after_the_other(finer, visits), True, _ALL)
                with self._scratch() as (scratch, counts):
                    settle(arrays, block, visits, ends, self._cutoff, self._found, scratch, _AGAIN, counts)
                self._each(partial(remove_refused, arrays, first=first), stretches)
            progress(end, rows)
        admitted: Array = arrays.state == ADMITTED
        admitted[: self._references] = True
        return admitted

    def explain(self) -> tuple[Array, Array]:
        """After `decide`: each refused row's nearest earlier admitted row, and the F; -1 and 0 for admitted ones."""
        found, state, references = self._found, self._arrays.state, self._references
        found.nearest[:], found.score[:] = NONE, self._cutoff
        same = self._twins >= 0
        same[same] = state[self._twins[same]] == ADMITTED
        found.nearest[same], found.score[same] = self._twins[same], 1.0
        rows = references + np.flatnonzero((state[references:] == REFUSED) & ~same[references:])
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            # a row's visits stay with one thread, which alone writes what is found for it
            pieces = np.array_split(block, 1 if self._workers == 1 else self._workers * _STRETCHES)
            parts = [
                part
                for some in (self._visits(piece)[0] for piece in pieces)
                for part in self._one_long_row_after_the_other([self._by_token(some)], some)
            ]
            self._compare(parts, False, _NEAREST)
        found.nearest[:references] = NONE
        return found.nearest.astype(np.int64), np.where(found.nearest != NONE, found.score, 0.0)

    def unexplained(self) -> tuple[Array, Array]:
        """What `explain` gives, when nobody asks."""
        rows = len(self._arrays.state)
        return np.full(rows, NONE, np.int64), np.zeros(rows)

    @property
    def counts(self) -> tuple[int, int]:
        """Postings read and pairs compared by LCS so far."""
        return int(self._counts[0]), int(self._counts[1])

    def __enter__(self) -> BatchEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def _index(self, longest: int) -> None:
        """Signatures, prefixes and empty lists for all rows."""
        rows = len(self._arrays.state)
        place_prefixes(self._arrays, 0, rows, self._cutoff)
        self._arrays = self._arrays._replace(prefix=np.empty(int(self._arrays.prefix_begin[-1]), np.int32))
        edges = np.linspace(0, rows, self._workers * _STRETCHES + 1).astype(np.int64).tolist()
        self._each(
            lambda ends: prepare(self._arrays, ends[0], ends[1], np.empty(longest, np.int64)),
            list(pairwise(edges)),
        )
        self._arrays = with_postings(self._arrays, reserve(self._arrays, 0, rows, 0))

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """The blocks' first rows and ends; the references are the first one."""
        rows, done = len(self._arrays.state), 0
        while done < rows:
            end = min(rows, done + max(_FIRST_BLOCK, min(_BLOCK, done // 4)))
            end = self._references if done < self._references else end
            yield done, end
            done = end

    def _work(self, first: int, end: int) -> tuple[Array, Visits, Array, list[Visits]]:
        """The rows of a block that are to be decided, their visits, where each one's end, and the stretches of them."""
        rows = first + np.flatnonzero(self._twins[first:end] < 0)
        visits, ends = self._visits(rows)
        return rows, visits, ends, self._stretches(visits)

    def _visits(self, rows: Array) -> tuple[Visits, Array]:
        """The visits of rows, one row after the other, and where each row's end."""
        begin = self._arrays.prefix_begin
        room = int((begin[rows + 1] - begin[rows]).sum())
        visits = Visits(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int64), 0)
        ends = np.empty(len(rows), np.int64)
        entries = list_visits(self._arrays, rows, visits.row, visits.place, visits.order, ends)
        return visits._replace(order=visits.order[:entries]), ends

    def _by_token(self, visits: Visits) -> Visits:
        return visits._replace(order=np.sort(visits.order))

    def _stretches(self, visits: Visits) -> list[Visits]:
        """Visits by token, in pieces that have no token in common."""
        visits = self._by_token(visits)
        changes = np.flatnonzero(np.diff(visits.order >> 32)) + 1
        if self._workers == 1 or not len(changes):
            return [visits]
        wanted = np.linspace(0, len(visits.order), self._workers * _STRETCHES + 1)[1:-1]
        cuts = np.unique(changes[np.minimum(np.searchsorted(changes, wanted), len(changes) - 1)])
        return [visits._replace(order=part) for part in np.split(visits.order, cuts)]

    def _pieces(self, visits: Visits) -> list[Visits]:
        """Visits in more pieces than `_stretches` may cut: the most frequent tokens, which come last, cost the most."""
        count = 1 if self._workers == 1 else _PIECES
        return [visits._replace(order=part) for part in np.array_split(visits.order, count)]

    def _one_long_row_after_the_other(self, stretches: list[Visits], visits: Visits) -> list[Visits]:
        """The stretches without those of long rows, which come row by row in stretches of their own."""
        if self._longest <= WORD:
            return stretches
        long = self._lengths[visits.row[: len(visits.order)]] > WORD
        if not long.any():
            return stretches
        short = [part._replace(order=part.order[~long[part.order & 0xFFFFFFFF]]) for part in stretches]
        order = visits.order[long]
        rows = visits.row[order & 0xFFFFFFFF]
        return [*short, *(visits._replace(order=part) for part in np.split(order, np.flatnonzero(np.diff(rows)) + 1))]

    def _compare(self, parts: list[Visits], stop: bool, turn: int) -> None:
        def task(part: Visits) -> None:
            with self._scratch() as (scratch, counts):
                compare(self._arrays, part, self._cutoff, stop, self._found, scratch, turn, counts)

        self._each(task, parts)

    def _each(self, task: Callable[[Any], None], parts: list[Any]) -> None:
        if self._workers == 1:
            for part in parts:
                task(part)
        else:
            list(self._pool.map(task, parts))

    def _beside(self, task: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        """Let a thread do it meanwhile, if there is one; gives a function that waits for the result."""
        if self._workers == 1:
            return partial(task, *arguments)
        return self._pool.submit(task, *arguments).result

    @contextmanager
    def _scratch(self) -> Iterator[tuple[Scratch, Array]]:
        scratch, counts = self._scratches.get()
        try:
            yield scratch, counts
        finally:
            self._counts += counts
            counts[:] = 0
            self._scratches.put((scratch, counts))
