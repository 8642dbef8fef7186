"""Decide over a whole set of texts at once: which are admitted, in order, and what refused the others.

`dedup`, `merge` and the benchmarks use `Join`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..core.errors import UsageError
from .index import SWITCH_AT, NoveltyIndex, Work
from .score import refusal_cutoff

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .encoder import Encoder


@dataclass(frozen=True, slots=True)
class Joined:
    """The decisions, one entry per text, references first."""

    admitted: npt.NDArray[np.bool_]  # bool[T]
    # int64[T]; the number of the nearest earlier admitted text (ties: the first one). -1 for admitted texts, and for
    # all texts without `explain`.
    nearest: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]  # float64[T]; the F of that pair, 0.0 where nearest is -1
    work: Work  # counts of the work done


class Join:
    """Collects texts in batches, then decides all of them as `NoveltyIndex` would, one by one.

    The texts themselves are not kept. A million instructions of 12 tokens take about 0.5 GB.

    Args:
        max_similarity, refuse_equal: See `NoveltyIndex`.
        workers: Threads. The result does not depend on this number.
        explain: Also find the nearest text of each refused text, which about doubles the time.
    """

    def __init__(
        self, max_similarity: float = 0.7, *, refuse_equal: bool = False, workers: int = 1, explain: bool = True
    ) -> None:
        self._small = NoveltyIndex(max_similarity, refuse_equal=refuse_equal, nearest="refused")
        self._cutoff = refusal_cutoff(max_similarity, refuse_equal)
        if workers < 1:
            raise UsageError(f"workers: {workers} is not at least 1")
        self._workers, self._explain = workers, explain
        self._held: list[str] = []
        self._encoder: Encoder | None = None
        self._references = self._texts = 0

    def add(self, texts: Sequence[str]) -> None:
        """Append texts."""
        # Hold the texts until there are enough to pay for starting compiled code.
        self._texts += len(texts)
        if self._encoder is None:
            self._held.extend(texts)
            if len(self._held) < SWITCH_AT:
                return
            from .encoder import Encoder

            self._encoder = Encoder(self._workers)
            texts, self._held = self._held, []
        self._encoder.add(texts)

    def add_references(self, texts: Sequence[str]) -> None:
        """Append texts that refuse others but are never refused. Raises UsageError after the first `add`."""
        if self._texts > self._references:
            raise UsageError("references come too late: add all references before the first text")
        self._references += len(texts)
        self.add(texts)

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Joined:
        """Decide over all texts; call once. `progress` is called with the texts done and the total."""
        if self._encoder is None:
            return self._run_uncompiled(progress)
        import numpy as np

        from .batch import BatchEngine

        tokens, begin = self._encoder.finish()
        with BatchEngine(tokens, begin, self._references, self._cutoff, self._workers) as engine:
            admitted = engine.decide(progress)
            rows = len(admitted)
            nearest, score = engine.explain() if self._explain else (np.full(rows, -1, np.int64), np.zeros(rows))
        return Joined(admitted, nearest, score, Work(self._texts - self._references, *engine.counts))

    def _run_uncompiled(self, progress: Callable[[int, int], None]) -> Joined:
        """Decide one text at a time with `NoveltyIndex`, for few texts."""
        import numpy as np

        index, texts = self._small, self._held
        admitted = np.ones(len(texts), np.bool_)
        nearest, score = np.full(len(texts), -1, np.int64), np.zeros(len(texts))
        for number, text in enumerate(texts):
            verdict = index.check(text) if number >= self._references else None
            if verdict is None or verdict.ok:
                index.admit(str(number), text)
            else:
                admitted[number] = False
                if self._explain:
                    nearest[number], score[number] = int(verdict.nearest or 0), verdict.score
            if number % 256 == 255:
                progress(number + 1, len(texts))
        progress(len(texts), len(texts))
        return Joined(admitted, nearest, score, index.work)
