"""Convert batches of texts to token numbers on several threads. `Join` uses this class."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from .arrays import Array
from .compiled_tokens import FoldedTexts, Interner
from .postings import count_tokens

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
