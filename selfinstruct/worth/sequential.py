"""An interval for the difference of two shares that stays valid however often one looks at it.

A reader grades rows of two datasets in turn, and may stop at any row. An ordinary 95% interval, looked at after each
row, would exclude the truth far more often than one time in twenty. This one is made of e-values (Turner and Grünwald
2023, 'Safe sequential testing and effect estimation in stratified count data'): for each possible difference, the
evidence against it is multiplied up pair by pair, and a difference whose evidence has reached 20 is excluded. If that
is the true one, it happens at most one time in twenty, at whatever row the reader stops.
"""

from __future__ import annotations

import numpy as np

_DIFFERENCES = np.linspace(-0.995, 0.995, 399)
"""The differences that are told apart: steps of half a percentage point."""
_PRIOR = 0.18
"""Of the beta distribution that the first guesses come from; the value that Turner, Ly and Grünwald 2024 advise."""
_TINY = 1e-9


class Difference:
    """The difference between the shares of two datasets, from pairs of rows in the order of reading, one of each.

    pairs: how many were added.
    """

    def __init__(self, level: float = 0.95) -> None:
        self.pairs = 0
        self._limit = -np.log(1 - level)
        self._log_evidence = np.zeros(len(_DIFFERENCES))
        self._kept = np.zeros(2)

    def add(self, first: bool, second: bool) -> None:
        """Add a pair of rows: whether the one of each dataset is kept."""
        guess = (self._kept + _PRIOR) / (self.pairs + 2 * _PRIOR)  # from earlier pairs only
        nearest = _nearest(guess, _DIFFERENCES)
        under_each = [_log_chance(share, kept) for share, kept in zip(nearest, (first, second), strict=True)]
        under_guess = _log_chance(guess[0], first) + _log_chance(guess[1], second)
        self._log_evidence += under_guess - sum(under_each)
        self._kept += (first, second)
        self.pairs += 1

    @property
    def interval(self) -> tuple[float, float]:
        """Second share minus first: the lowest and the highest difference that isn't excluded."""
        held = _DIFFERENCES[self._log_evidence < self._limit]
        return (float(held[0]), float(held[-1])) if len(held) else (float("nan"), float("nan"))


def _log_chance(share: np.ndarray | np.float64, kept: bool) -> np.ndarray:
    chance: np.ndarray = np.log(np.clip(share if kept else 1 - share, _TINY, 1))
    return chance


def _nearest(guess: np.ndarray, differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each difference, the two shares with this difference that are nearest to a guess, by KL divergence.

    The divergence is convex in the first share, so bisection on its derivative finds the least.
    """
    first, second = guess
    low, high = np.maximum(0, -differences), np.minimum(1, 1 - differences)
    for _ in range(32):
        share = (low + high) / 2
        other = share + differences
        slope = (1 - first) / (1 - share) - first / share + (1 - second) / (1 - other) - second / other
        low, high = np.where(slope < 0, share, low), np.where(slope < 0, high, share)
    share = (low + high) / 2
    return share, share + differences
