"""Frequent tokens, whose lists are split by length and place: the same answers as brute force.

In small sets no token stands often enough for that, so here every token that stands three times counts as frequent.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings, strategies as st

from selfinstruct.novelty import Join, NoveltyIndex, batch, join, online
from selfinstruct.novelty.brute import BruteEngine

EXAMPLES = 5000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 60
CUTOFFS = st.sampled_from([0.0, 0.005, 0.1, 0.3, 0.5, 0.7, 0.7, 0.8, 0.9])


@pytest.fixture(autouse=True)
def frequent_from_the_third_time_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "SWITCH_AT", 0)
    monkeypatch.setattr(batch, "_FIRST_BLOCK", 7)
    monkeypatch.setattr(batch, "_BLOCK", 16)
    monkeypatch.setattr(online, "FREQUENT", 3)
    monkeypatch.setattr(online, "MOST_FREQUENT", 20)


def corpus(draw: random.Random) -> list[str]:
    """Texts of two to 200 tokens by few words, a third of them changed in one place from an earlier one."""
    words = draw.choice([list("abc"), list("abcdefghij"), [f"w{n}" for n in range(60)]])
    longest = draw.choice([4, 14, 55, 120, 200])
    texts: list[list[str]] = []
    for _ in range(draw.randrange(2, 70)):
        if texts and draw.random() < 0.4:
            text = list(draw.choice(texts))
            text.insert(draw.randrange(len(text) + 1), draw.choice(words))
            del text[: draw.choice([0, 0, 1, 5])]
        else:
            text = draw.choices(words, k=draw.randrange(longest))
        texts.append(text)
    return [" ".join(text) for text in texts]


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9), cutoff=CUTOFFS, workers=st.sampled_from([1, 2]))
def test_in_a_batch(seed: int, cutoff: float, workers: int) -> None:
    texts = corpus(random.Random(seed))
    brute = NoveltyIndex(cutoff, nearest="refused")
    verdicts = brute.check_batch([(str(number), text) for number, text in enumerate(texts)])
    assert isinstance(brute._engine, BruteEngine)
    made = Join(cutoff, workers=workers)
    made.add(texts)
    found = made.run()
    assert found.admitted.tolist() == [verdict.ok for verdict in verdicts]
    assert found.nearest.tolist() == [-1 if verdict.ok else int(verdict.nearest or 0) for verdict in verdicts]
    assert found.score.tolist() == [0.0 if verdict.ok else verdict.score for verdict in verdicts]


@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9), cutoff=CUTOFFS, always=st.booleans())
def test_one_at_a_time(seed: int, cutoff: float, always: bool) -> None:
    draw = random.Random(seed)
    texts = corpus(draw)
    nearest = "always" if always else "refused"
    brute, compiled = NoveltyIndex(cutoff, nearest=nearest), NoveltyIndex(cutoff, nearest=nearest)
    compiled._switch_at = draw.randrange(1, len(texts) + 1)
    for number, text in enumerate(texts):
        candidate = [(str(number), text)]
        assert compiled.check_batch(candidate) == brute.check_batch(candidate)
        if number == len(texts) // 2 and isinstance(compiled._engine, online.OnlineEngine):
            compiled._engine._rebuild()
