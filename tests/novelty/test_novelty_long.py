"""Passages and long texts: the bounds by counts and by classes of tokens change the cost, never an answer."""

from __future__ import annotations

import random

import pytest

from selfinstruct.novelty import brute
from selfinstruct.novelty.brute import BruteEngine
from selfinstruct.novelty.join import Join


def texts(draw: random.Random, vocabulary: int, count: int, most: int) -> list[list[int]]:
    """Random texts, some of them edits of earlier ones."""
    made: list[list[int]] = []
    for _ in range(count):
        fresh = [min(int(draw.paretovariate(0.8)), vocabulary) for _ in range(draw.randint(1, most))]
        if made and draw.random() < 0.7:
            keep = draw.random()
            old = draw.choice(made)
            fresh = [o if draw.random() < keep else f for o, f in zip(old, fresh, strict=False)] + old[len(fresh) :]
        made.append(fresh)
    return made


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("vocabulary", [2, 20, 3000])
@pytest.mark.parametrize(("bound", "most"), [("_LONG", 80), ("_COUNTED", 80), ("_COUNTED", 700)])
def test_the_answers_are_those_without_the_bound(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int, vocabulary: int, always: bool
) -> None:
    draw = random.Random(vocabulary)
    for cutoff in (0.3, 0.5, 0.7, 0.9):
        rows = texts(draw, vocabulary, 40, most)
        monkeypatch.setattr(brute, "_LONG", 10**9)
        monkeypatch.setattr(brute, "_COUNTED", 10**9)
        plain, expected = BruteEngine(cutoff), []
        for row in rows:
            expected.append(plain.find(row, always))
            plain.add(row)
        # From 40 tokens on: some texts of each comparison have the bound, others don't.
        monkeypatch.setattr(brute, bound, 40)
        dealt = BruteEngine(cutoff)
        for row, answer in zip(rows, expected, strict=True):
            assert dealt.find(row, always) == answer
            dealt.add(row)
        assert dealt.compared <= plain.compared


def test_unrelated_passages_are_not_compared() -> None:
    draw, engine, weights = random.Random(3), BruteEngine(0.8), [1 / (number + 10) for number in range(5000)]
    for _ in range(100):
        passage = draw.choices(range(5000), weights, k=300)
        assert engine.find(passage, False) == (0.0, -1)
        engine.add(passage)
    assert engine.compared == 0


@pytest.mark.slow
def test_unrelated_long_texts_are_never_compared_whole() -> None:
    draw = random.Random(7)
    words = [f"w{number}" for number in range(1000)]
    weights = [1 / number for number in range(1, 1001)]
    documents = [" ".join(draw.choices(words, weights, k=20_000)) for _ in range(20)]
    edited = " ".join("edited" if draw.random() < 0.1 else word for word in documents[3].split())
    join = Join(0.7)
    join.add([*documents, edited])
    joined = join.run()
    assert joined.admitted.tolist() == [True] * 20 + [False]
    assert joined.nearest[-1] == 3
    assert joined.work.compared == 1
