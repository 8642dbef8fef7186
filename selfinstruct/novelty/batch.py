"""The engine for whole sets: decide many rows at once, with the same result as one `check` and `admit` per row.

Rows are processed in blocks. All rows of a block enter the index as undecided; several threads compare them with the
index and with each other; then they are decided in order, and refused rows are removed from the index. The result
does not depend on the number of threads or their timing. `Join` uses this engine.
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
from .blocks import decide_block, find_duplicates, insert_block, remove_refused
from .bounds import fill_bounds
from .lcs import WORD, Scratch, scratch_for
from .online import rank_tokens, with_empty_postings
from .postings import place_prefixes, prepare, reserve
from .search import NONE, Visits, compare, list_visits, no_hits

# Rows of the first and of the largest block. Early blocks are small: most pairs would be within the block.
_FIRST_BLOCK, _BLOCK = 1024, 8192
# Values of `turn`: why a row is compared.
_FIRST_PASS, _RECHECK, _EXPLAIN = 1, 2, 3
# Token ranges per thread, and chunks per range: small tasks let the threads finish together.
_RANGES, _CHUNKS = 4, 4


class BatchEngine:
    """Decides rows given as tokens. Call `decide`, then optionally `explain`."""

    def __init__(self, tokens: Array, begin: Array, references: int, cutoff: float, workers: int) -> None:
        """Build the index over all rows (`tokens`, `begin`: see `Arrays`; tokens are numbered by descending frequency).

        The first `references` rows are in the pool without being checked. `workers` is the number of threads.
        """
        rows = len(begin) - 1
        self._cutoff, self._references, self._workers = cutoff, references, workers
        vocabulary = int(tokens.max()) + 1 if len(tokens) else 0
        self._lengths = np.diff(begin)
        self._longest = longest = int(self._lengths.max()) if rows else 0
        check_length(longest)
        self._pool = ThreadPoolExecutor(workers)
        self._duplicate_of = np.full(rows, NONE, np.int32)
        # An exact duplicate needs no search: the earlier row refuses it, or whatever refuses the earlier row refuses
        # the duplicate too. At a cutoff of 1.0 nothing is refused.
        slots = np.zeros(1 << max(2 * rows, 1).bit_length(), np.uint64)
        duplicates = self._submit(find_duplicates, tokens, begin, slots, self._duplicate_of) if cutoff < 1.0 else tuple
        frequency, first_list, heads = rank_tokens(tokens, vocabulary)
        duplicates()
        self._arrays = empty_arrays(rows, 0, 0, 0)._replace(
            tokens=tokens, begin=begin, frequency=frequency, first_list=first_list, heads=heads
        )
        fill_bounds(self._arrays.bounds, cutoff)
        self._arrays.state[:] = np.where(self._duplicate_of < 0, UNDECIDED, REFUSED)
        self._found = no_hits(rows, cutoff)
        self._counts = np.zeros(2, np.int64)
        self._scratches: SimpleQueue[tuple[Scratch, Array]] = SimpleQueue()
        for _ in range(workers):
            self._scratches.put((scratch_for(vocabulary, longest, rows), np.zeros(2, np.int64)))
        self._index(longest)

    def decide(self, progress: Callable[[int, int], None]) -> Array:
        """Decide all rows. Returns which rows are admitted, bool[rows]; calls `progress` with rows done and total."""
        arrays, rows = self._arrays, len(self._arrays.state)
        blocks = list(self._block_edges())
        prepared: Callable[[], Any] = partial(self._plan_block, *blocks[0]) if blocks else tuple
        for (first, end), following in zip_longest(blocks, blocks[1:]):
            block, visits, ends, ranges = prepared()
            if following:  # a block's visits depend on no decision: list the next block's while this one is decided
                prepared = self._submit(self._plan_block, *following)
            # Insert the block, compare it in parallel, decide it in order, then remove the refused rows.
            self._run_all(partial(insert_block, arrays), ranges)
            if first < self._references:
                arrays.state[block] = ADMITTED
            else:
                finer = [piece for part in ranges for piece in self._split_evenly(part)]
                self._compare(self._separate_long_rows(finer, visits), True, _FIRST_PASS)
                with self._scratch() as (scratch, counts):
                    decide_block(arrays, block, visits, ends, self._cutoff, self._found, scratch, _RECHECK, counts)
                self._run_all(partial(remove_refused, arrays, first=first), ranges)
            progress(end, rows)
        admitted: Array = arrays.state == ADMITTED
        admitted[: self._references] = True
        return admitted

    def explain(self) -> tuple[Array, Array]:
        """Return each refused row's nearest earlier admitted row and the F; -1 and 0.0 for admitted rows.

        Call after `decide`.
        """
        found, state, references = self._found, self._arrays.state, self._references
        found.nearest[:], found.score[:] = NONE, self._cutoff
        # A duplicate of an admitted row has F = 1 with that row. Duplicates of refused rows are searched like others.
        same = self._duplicate_of >= 0
        same[same] = state[self._duplicate_of[same]] == ADMITTED
        found.nearest[same], found.score[same] = self._duplicate_of[same], 1.0
        rows = references + np.flatnonzero((state[references:] == REFUSED) & ~same[references:])
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK]
            # All visits of a row stay with one thread, the only writer of that row's entries in `found`.
            pieces = np.array_split(block, 1 if self._workers == 1 else self._workers * _RANGES)
            parts = [
                part
                for some in (self._visits(piece)[0] for piece in pieces)
                for part in self._separate_long_rows([self._sort_by_token(some)], some)
            ]
            self._compare(parts, False, _EXPLAIN)
        found.nearest[:references] = NONE
        return found.nearest.astype(np.int64), np.where(found.nearest != NONE, found.score, 0.0)

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of postings read and of pairs compared by LCS so far."""
        return int(self._counts[0]), int(self._counts[1])

    def __enter__(self) -> BatchEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def _index(self, longest: int) -> None:
        """Compute signatures and prefixes of all rows, and lay out empty lists. longest: tokens of the longest row."""
        rows = len(self._arrays.state)
        place_prefixes(self._arrays, 0, rows, self._cutoff)
        self._arrays = self._arrays._replace(prefix=np.empty(int(self._arrays.prefix_begin[-1]), np.int32))
        edges = np.linspace(0, rows, self._workers * _RANGES + 1).astype(np.int64).tolist()
        self._run_all(
            lambda ends: prepare(self._arrays, ends[0], ends[1], np.empty(longest, np.int64)), list(pairwise(edges))
        )
        self._arrays = with_empty_postings(self._arrays, reserve(self._arrays, 0, rows, 0))

    def _block_edges(self) -> Iterator[tuple[int, int]]:
        """Yield the first row and the end of each block; no block spans the end of the references."""
        rows, done = len(self._arrays.state), 0
        while done < rows:
            end = min(rows, done + max(_FIRST_BLOCK, min(_BLOCK, done // 4)))
            end = self._references if done < self._references else end
            yield done, end
            done = end

    def _plan_block(self, first: int, end: int) -> tuple[Array, Visits, Array, list[Visits]]:
        """Return a block's undecided rows, their visits, where each row's visits end, and the visits by token range."""
        rows = first + np.flatnonzero(self._duplicate_of[first:end] < 0)
        visits, ends = self._visits(rows)
        return rows, visits, ends, self._split_by_token(visits)

    def _visits(self, rows: Array) -> tuple[Visits, Array]:
        """List the visits of `rows`, one row after another, and where each row's visits end."""
        begin = self._arrays.prefix_begin
        room = int((begin[rows + 1] - begin[rows]).sum())
        visits = Visits(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int64), 0)
        ends = np.empty(len(rows), np.int64)
        entries = list_visits(self._arrays, rows, visits.row, visits.place, visits.order, ends)
        return visits._replace(order=visits.order[:entries]), ends

    def _sort_by_token(self, visits: Visits) -> Visits:
        return visits._replace(order=np.sort(visits.order))

    def _split_by_token(self, visits: Visits) -> list[Visits]:
        """Sort visits by token and split them into ranges without a common token."""
        visits = self._sort_by_token(visits)
        changes = np.flatnonzero(np.diff(visits.order >> 32)) + 1
        if self._workers == 1 or not len(changes):
            return [visits]
        # Move each evenly spaced cut to the next change of token (the upper 32 bits of `order`).
        wanted = np.linspace(0, len(visits.order), self._workers * _RANGES + 1)[1:-1]
        cuts = np.unique(changes[np.minimum(np.searchsorted(changes, wanted), len(changes) - 1)])
        return [visits._replace(order=part) for part in np.split(visits.order, cuts)]

    def _split_evenly(self, visits: Visits) -> list[Visits]:
        """Split visits further, across tokens: frequent tokens, which come last, dominate the cost of comparing."""
        count = 1 if self._workers == 1 else _CHUNKS
        return [visits._replace(order=part) for part in np.array_split(visits.order, count)]

    def _separate_long_rows(self, ranges: list[Visits], visits: Visits) -> list[Visits]:
        """Move the visits of long rows into one range per row: `compare` remembers pairs of long rows only that way."""
        if self._longest <= WORD:
            return ranges
        long = self._lengths[visits.row[: len(visits.order)]] > WORD
        if not long.any():
            return ranges
        short = [part._replace(order=part.order[~long[part.order & 0xFFFFFFFF]]) for part in ranges]
        order = visits.order[long]
        rows = visits.row[order & 0xFFFFFFFF]
        return [*short, *(visits._replace(order=part) for part in np.split(order, np.flatnonzero(np.diff(rows)) + 1))]

    def _compare(self, parts: list[Visits], stop: bool, turn: int) -> None:
        def task(part: Visits) -> None:
            with self._scratch() as (scratch, counts):
                compare(self._arrays, part, self._cutoff, stop, self._found, scratch, turn, counts)

        self._run_all(task, parts)

    def _run_all(self, task: Callable[[Any], None], parts: list[Any]) -> None:
        if self._workers == 1:
            for part in parts:
                task(part)
        else:
            list(self._pool.map(task, parts))

    def _submit(self, task: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        """Start a task on another thread, if there is one. Returns a function that waits for the result."""
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
