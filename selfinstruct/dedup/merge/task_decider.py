"""Rows that are several instances of one task share its fate, which is that of the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ...novelty.join import Join, Joined
from .merge_inputs import MergeInput


class TaskDecider:
    """Decides by a `Join`, then lets each input's followers follow."""

    def __init__(self, join: Join, inputs: Sequence[MergeInput]) -> None:
        self._join, self._inputs = join, inputs

    def add(self, texts: Sequence[str]) -> None:
        """As that of `Join`."""
        self._join.add(texts)

    def add_references(self, texts: Sequence[str]) -> None:
        """As that of `Join`."""
        self._join.add_references(texts)

    def run(self, progress: Callable[[int, int], None]) -> Joined:
        """As that of `Join`."""
        joined = self._join.run(progress)
        start = 0
        for given in self._inputs:
            if given.followers:
                rows, leaders = (np.array(given.followers, np.int64) + start).T
                for values in (joined.admitted, joined.nearest, joined.score):
                    values[rows] = values[leaders]
            start += given.rows
        return joined

    def firsts(self) -> npt.NDArray[np.bool_]:
        """Which rows are the first, or the only one, of their task."""
        firsts, start = np.ones(sum(given.rows for given in self._inputs), np.bool_), 0
        for given in self._inputs:
            firsts[[start + row for row, _ in given.followers]] = False
            start += given.rows
        return firsts
