"""Turn the losses of a trial's students into effects with 95% intervals.

Two things are random: which held-out tasks there are, and what each student was trained on, in which order. Tasks are
resampled (a bootstrap), the same ones for all arms. Three students are too few to resample: their variance would come
out a third too small. So their mean varies by Student's t, with one variance for all arms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .trial import Interval, PairEffect

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of the held-out answers in nats per token: arrays of floats, students by tasks.

    own: after the task's own prompt. wrong: after that of another task.
    """

    own: np.ndarray
    wrong: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """The pairing gap of each task."""
        gap: np.ndarray = self.wrong - self.own
        return gap


@dataclass(frozen=True, slots=True)
class Effects:
    """Draws of the mean effect of each arm, from which intervals are read."""

    means: Mapping[str, float]
    draws: Mapping[str, np.ndarray]

    def of(self, arm: str) -> Interval:
        """Return the effect of an arm."""
        return _interval(self.means[arm], self.draws[arm], LEVEL)

    def between(self, first: str, second: str, comparisons: int = 1) -> Interval:
        """Return the second arm's effect minus the first one's; so many such intervals hold together."""
        difference = self.draws[second] - self.draws[first]
        return _interval(self.means[second] - self.means[first], difference, 1 - (1 - LEVEL) / comparisons)


def effects(changes: Mapping[str, np.ndarray], seed: int = 0) -> Effects:
    """Return the effect of each arm.

    Args:
        changes: By arm, trained minus untrained: arrays of floats, students by tasks.
        seed: Decides the draws.
    """
    random = np.random.default_rng(seed)
    students, tasks = next(iter(changes.values())).shape
    weights = random.multinomial(tasks, np.full(tasks, 1 / tasks), DRAWS) / tasks
    by_student = {arm: change.mean(axis=1) for arm, change in changes.items()}
    variance = float(np.mean([means.var(ddof=1) for means in by_student.values()]))
    freedom = len(changes) * (students - 1)
    # Of one draw, all arms share the variance, so that the difference of two has as many degrees of freedom.
    spread = np.sqrt(variance / students * freedom / random.chisquare(freedom, DRAWS))
    draws = {
        arm: weights @ change.mean(axis=0) + spread * random.standard_normal(DRAWS) for arm, change in changes.items()
    }
    return Effects({arm: float(means.mean()) for arm, means in by_student.items()}, draws)


def pair_effects(names: list[str], d_nll: Effects, d_gap: Effects) -> list[PairEffect]:
    """Return the difference between each two arms."""
    pairs = list(combinations(names, 2))
    return [
        PairEffect(*pair, *(each.between(*pair, comparisons=len(pairs)) for each in (d_nll, d_gap))) for pair in pairs
    ]


def _interval(value: float, draws: np.ndarray, level: float) -> Interval:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))
