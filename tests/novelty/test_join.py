"""The batch face of the novelty search: the same answers as one text after the other, whoever does the work."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from selfinstruct.core.errors import UsageError
from selfinstruct.core.tokens import tokenize
from selfinstruct.novelty import Join, Joined, NoveltyIndex, batch, encoder as tokens, join
from selfinstruct.novelty.encoder import FoldedTexts, Interner

EXAMPLES = 10_000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 75
CUTOFFS = st.sampled_from([0.3, 0.5, 0.7, 0.7, 0.8, 0.9, 1.0])
ALPHABETS = [list("ab"), list("abcdefghij"), list("用中文写一首诗"), [f"w{n}" for n in range(200)]]


@pytest.fixture(autouse=True)
def compiled_from_the_first_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small sets go through the compiled engine, too, in several blocks."""
    monkeypatch.setattr(join, "SWITCH_AT", 0)
    monkeypatch.setattr(batch, "_FIRST_BLOCK", 7)
    monkeypatch.setattr(batch, "_BLOCK", 16)


def one_by_one(references: list[str], texts: list[str], cutoff: float, equal: bool) -> list[tuple[bool, int, float]]:
    index = NoveltyIndex(cutoff, refuse_equal=equal, nearest="refused")
    for number, text in enumerate(references):
        index.admit(str(number), text)
    said = [(True, -1, 0.0)] * len(references)
    for number, text in enumerate(texts, len(references)):
        verdict = index.check(text)
        if verdict.ok:
            index.admit(str(number), text)
            said.append((True, -1, 0.0))
        else:
            said.append((False, int(verdict.nearest or 0), verdict.score or 0.0))
    return said


def joined(references: list[str], texts: list[str], cutoff: float, equal: bool, **options: object) -> Joined:
    made = Join(cutoff, refuse_equal=equal, **options)  # type: ignore[arg-type]
    made.add_references(references)
    made.add(texts)
    return made.run()


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9), cutoff=CUTOFFS, equal=st.booleans(), workers=st.sampled_from([1, 2, 3]))
def test_as_one_text_after_the_other(seed: int, cutoff: float, equal: bool, workers: int) -> None:
    draw = random.Random(seed)
    words, longest = draw.choice(ALPHABETS), draw.choice([3, 12, 12, 70, 150])
    texts = [" ".join(draw.choices(words, k=draw.randrange(longest))) for _ in range(draw.randrange(1, 90))]
    if draw.random() < 0.5:  # identical ones and near ones
        texts += [draw.choice(texts) + draw.choice(["", " a", " w1"]) for _ in range(20)]
        draw.shuffle(texts)
    references, texts = texts[: (cut := draw.choice([0, 0, 5, 30]))], texts[cut:]
    expected = one_by_one(references, texts, cutoff, equal)
    found = joined(references, texts, cutoff, equal, workers=workers)
    assert list(zip(found.admitted.tolist(), found.nearest.tolist(), found.score.tolist(), strict=True)) == expected
    decided = joined(references, texts, cutoff, equal, workers=workers, explain=False)
    assert decided.admitted.tolist() == found.admitted.tolist()
    assert set(decided.nearest.tolist()) <= {-1}


@pytest.mark.slow
def test_few_texts_are_decided_alike_without_the_compiled_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    texts = [" ".join(draw.choices("abcdef", k=draw.randrange(9))) for _ in range(300)]
    compiled = joined(texts[:9], texts[9:], 0.6, False)
    monkeypatch.setattr(join, "SWITCH_AT", len(texts) + 1)
    plain = joined(texts[:9], texts[9:], 0.6, False)
    assert compiled.admitted.tolist() == plain.admitted.tolist()
    assert compiled.nearest.tolist() == plain.nearest.tolist()
    assert compiled.score.tolist() == plain.score.tolist()


@pytest.mark.slow
def test_more_texts_than_a_batch_and_any_number_of_calls() -> None:
    draw = random.Random(11)
    words = [f"w{n}" for n in range(3000)]
    texts = [" ".join(draw.choices(words, k=draw.randint(1, 6))) for _ in range(20_000)]
    whole = joined([], texts, 0.5, False, workers=2)
    made = Join(0.5, workers=1)
    for start in range(0, len(texts), 777):
        made.add(texts[start : start + 777])
    parts = made.run()
    assert np.array_equal(whole.admitted, parts.admitted)
    assert np.array_equal(whole.nearest, parts.nearest)
    assert 0 < whole.admitted.sum() < len(texts)
    assert whole.work.checked == len(texts)


def test_many_identical_texts_take_no_more_than_many_others() -> None:
    texts = ["write a poem about the sea"] * 30_000 + ["summarize the following article"] * 30_000
    found = joined([], texts, 0.7, False)
    assert np.flatnonzero(found.admitted).tolist() == [0, 30_000]
    assert set(found.nearest.tolist()) == {-1, 0, 30_000}
    assert found.work.compared < 10


@pytest.mark.slow
def test_texts_of_any_length() -> None:
    words = [f"w{n}" for n in range(30_000)]
    texts = [" ".join(words), " ".join(words[:14_000]), " ".join(words[:16_000]), "w1", "w1 w2 w3", " ".join(words * 2)]
    expected = one_by_one([], texts, 0.6, False)
    found = joined([], texts, 0.6, False, workers=2)
    assert list(zip(found.admitted.tolist(), found.nearest.tolist(), found.score.tolist(), strict=True)) == expected
    assert found.admitted.tolist() == [True, False, False, True, True, False]


def test_nothing_at_all() -> None:
    assert Join().run().admitted.tolist() == []
    assert joined([], ["", "...", ""], 0.7, False).admitted.tolist() == [True] * 3


def test_references_come_first() -> None:
    made = Join()
    made.add(["a text"])
    with pytest.raises(UsageError):
        made.add_references(["too late"])
    with pytest.raises(UsageError):
        Join(workers=0)


def words_of(interner: Interner) -> list[str]:
    """All tokens, by their numbers."""
    text = interner._codes.tobytes().decode("utf-32-le", "surrogatepass")
    begin = interner._begin.tolist()
    return [text[begin[number] : begin[number + 1]] for number in range(len(interner))]


@settings(max_examples=EXAMPLES * 2, deadline=None)
@given(st.lists(st.text(st.one_of(st.characters(), st.sampled_from("aZ9 -é用ก्ิ\u0301\u200dﬁΣß"))), max_size=30))
def test_compiled_tokens_are_the_tokens(texts: list[str]) -> None:
    interner = Interner()
    numbers, counts = interner.encode(FoldedTexts.of(texts))
    words = words_of(interner)
    cut = np.split(numbers, np.cumsum(counts))[:-1]
    assert [[words[number] for number in text.tolist()] for text in cut] == [tokenize(text) for text in texts]
    assert len(set(words)) == len(words)


@pytest.mark.slow
def test_every_character_is_cut_as_tokenize_does() -> None:
    texts = [chr(code) for code in range(0x110000)]
    texts += [f"用{chr(code)}a" for code in range(0, 0x30000, 7)]
    interner = Interner()
    numbers, counts = interner.encode(FoldedTexts.of(texts))
    words = words_of(interner)
    ends = np.cumsum(counts).tolist()
    assert len(tokens._character_kinds()) == 0x110000
    for text, start, end in zip(texts, [0, *ends[:-1]], ends, strict=True):
        assert [words[number] for number in numbers[start:end].tolist()] == tokenize(text)
