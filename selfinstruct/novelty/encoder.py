"""Texts as numbers of tokens, many at a time, by several threads."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from .arrays import Array
from .compiled_tokens import Folded, Interner
from .postings import count_tokens

_BATCH = 8192
"""Texts that one thread encodes at a time."""


class Encoder:
    """Takes texts in order. Each thread has numbers of its own until the end."""

    def __init__(self, workers: int) -> None:
        self._interners = [Interner() for _ in range(workers)]
        self._threads = [ThreadPoolExecutor(1) for _ in range(workers)] if workers > 1 else []
        self._batches: list[Future[tuple[Array, Array]]] = []

    def add(self, texts: Sequence[str]) -> None:
        """Take texts; at most a few batches of them are waiting at a time."""
        for start in range(0, len(texts), _BATCH):
            folded = Folded.of(texts[start : start + _BATCH])
            turn = len(self._batches) % len(self._interners)
            if self._threads:
                if len(self._batches) > 2 * len(self._threads):
                    self._batches[-2 * len(self._threads)].result()
                self._batches.append(self._threads[turn].submit(self._interners[turn].encode, folded))
            else:
                self._batches.append(Future())
                self._batches[-1].set_result(self._interners[turn].encode(folded))

    def finish(self) -> tuple[Array, Array]:
        """All tokens, int32, numbered by how often they stand in the texts, and where each text begins, int64[T+1]."""
        for thread in self._threads:
            thread.shutdown()
        batches = [batch.result() for batch in self._batches]
        self._batches.clear()
        first = self._interners[0]
        numbers = [other.numbers_in(first) for other in self._interners]
        often = np.zeros(len(first), np.int64)
        for turn, (tokens, _) in enumerate(batches):
            local = numbers[turn % len(numbers)]
            count_tokens(local[tokens], often)
        rank = np.empty(len(often), np.int32)
        rank[np.argsort(-often, kind="stable")] = np.arange(len(often), dtype=np.int32)
        ranks = [rank[local] for local in numbers]
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
