"""The intervals of a student trial, on simulated students: how often they are wrong, and what they find."""

from __future__ import annotations

import numpy as np
import pytest

from selfinstruct.worth.student_intervals import effects, pair_effects

TASKS = 60


def changes(random: np.random.Generator, between: dict[str, float], of_student: float) -> dict[str, np.ndarray]:
    """Three students of each arm; some tasks change more than others, for all arms alike."""
    tasks = random.normal(0, 0.3, TASKS)
    return {
        name: effect + tasks + random.normal(0, of_student, (3, 1)) + random.normal(0, 0.1, (3, TASKS))
        for name, effect in between.items()
    }


@pytest.mark.parametrize("of_student", [0.0, 0.05, 0.5])
def test_equal_arms_differ_in_one_of_twenty_trials_at_most(of_student: float) -> None:
    random, wrong = np.random.default_rng(1), 0
    for _ in range(400):
        arms = changes(random, {"a": 0, "b": 0, "control": -0.5}, of_student)
        wrong += effects(arms).between("a", "b").is_decided
    assert wrong <= 0.05 * 400 + 8  # two standard deviations of chance


def test_three_intervals_hold_together() -> None:
    random, wrong = np.random.default_rng(2), 0
    for _ in range(400):
        found = effects(changes(random, dict.fromkeys("abcd", 0.0), 0.1))
        pairs = pair_effects(list("abc"), found, found)
        wrong += any(pair.d_gap.is_decided for pair in pairs)
    assert wrong <= 0.05 * 400 + 8


def test_a_difference_larger_than_that_of_students_is_found() -> None:
    arms = changes(np.random.default_rng(3), {"a": 0, "b": 0.2, "control": 0}, 0.02)
    found = effects(arms)
    assert found.between("a", "b").low > 0
    assert found.between("b", "a").high < 0
    assert found.between("a", "b").value == pytest.approx(arms["b"].mean() - arms["a"].mean())
    assert found.of("b").low < arms["b"].mean() < found.of("b").high


def test_differences_of_the_same_tasks_are_told_apart_better_than_effects() -> None:
    found = effects(changes(np.random.default_rng(4), {"a": 0, "b": 0}, 0.0))
    assert found.between("a", "b").high - found.between("a", "b").low < found.of("a").high - found.of("a").low


def test_the_same_losses_give_the_same_intervals() -> None:
    arms = changes(np.random.default_rng(5), {"a": 0, "b": 0}, 0.1)
    assert effects(arms).of("a") == effects(arms).of("a")
