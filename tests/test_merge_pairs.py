"""What the Ray engine is made of, without Ray: lots, pieces, pairs and order give what `Join` gives."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.errors import UsageError
from selfinstruct.merge import pairs as pairs_module
from selfinstruct.merge.blocks import Vocabulary, encode
from selfinstruct.merge.order import settle
from selfinstruct.merge.pairs import Pairs, find_pairs
from selfinstruct.merge.pieces import Piece, cut
from selfinstruct.novelty import Join, Joined
from selfinstruct.novelty.score import refusal_cutoff
from selfinstruct.text import tokenize

EXAMPLES = 10_000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 150
CUTOFFS = st.sampled_from([0.3, 0.5, 0.7, 0.7, 0.8, 0.9, 1.0])
ALPHABETS = [list("ab"), list("abcdefghij"), list("用中文写一首诗"), [f"w{n}" for n in range(200)]]


def adversarial(draw: random.Random) -> list[str]:
    """Few different tokens, so that nearly everything is near; texts without tokens; long ones; identical ones."""
    words, longest = draw.choice(ALPHABETS), draw.choice([3, 12, 12, 70, 150])
    texts = [" ".join(draw.choices(words, k=draw.randrange(longest))) for _ in range(draw.randrange(1, 90))]
    if draw.random() < 0.5:
        texts += [draw.choice(texts) + draw.choice(["", " a", " w1", "!", " 诗"]) for _ in range(20)]
        draw.shuffle(texts)
    return texts


def local(texts: Sequence[str], cutoff: float, equal: bool, references: int = 0) -> Joined:
    join = Join(cutoff, refuse_equal=equal)
    join.add_references(texts[:references])
    join.add(texts[references:])
    return join.run()


def pieces_of(texts: Sequence[str], cutoff: float, shards: int, lot: int) -> list[list[Piece]]:
    lots = [encode(texts[start : start + lot]) for start in range(0, len(texts), lot)]
    vocabulary = Vocabulary()
    for _, words in lots:
        vocabulary.add(words)
    return [
        cut(block, ranks, number * lot, cutoff, shards)
        for number, ((block, _), ranks) in enumerate(zip(lots, vocabulary.ranks(), strict=True))
    ]


def sharded(texts: Sequence[str], cutoff: float, shards: int, lot: int) -> list[Pairs]:
    pieces = pieces_of(texts, cutoff, shards, lot)
    return [find_pairs([lot[shard] for lot in pieces], cutoff) for shard in range(shards)]


def said(joined: Joined) -> list[tuple[bool, int, float]]:
    return list(zip(joined.admitted.tolist(), joined.nearest.tolist(), joined.score.tolist(), strict=True))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    cutoff=CUTOFFS,
    equal=st.booleans(),
    shards=st.sampled_from([1, 2, 5]),
    lot=st.sampled_from([1, 7, 1000]),
    room=st.sampled_from([1, 5, 1 << 20]),
)
def test_the_same_as_on_one_machine(seed: int, cutoff: float, equal: bool, shards: int, lot: int, room: int) -> None:
    draw = random.Random(seed)
    texts = adversarial(draw)
    references = draw.choice([0, 0, min(5, len(texts))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs_module, "_ROOM", room)
        found = sharded(texts, refusal_cutoff(cutoff, equal), shards, lot)
    draw.shuffle(found)
    again = found + found[:1]  # a task that ran twice
    assert said(settle(len(texts), again, references=references)) == said(local(texts, cutoff, equal, references))
    quiet = settle(len(texts), found, references=references, explain=False)
    assert quiet.admitted.tolist() == [admitted for admitted, _, _ in said(local(texts, cutoff, equal, references))]
    assert set(quiet.nearest.tolist()) == {-1}


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(seed=st.integers(0, 10**9), cutoff=CUTOFFS)
def test_every_pair_above_the_cutoff_is_found(seed: int, cutoff: float) -> None:
    """Not the nearest only: which of them is admitted is known at the end."""
    from rouge_score.rouge_scorer import RougeScorer

    class Tokens:
        def tokenize(self, text: str) -> list[str]:
            return tokenize(text)

    scorer = RougeScorer(["rougeL"], tokenizer=Tokens())
    texts = adversarial(random.Random(seed))[:25]
    found = sharded(texts, cutoff, 3, 4)
    pairs = {
        (int(a), int(b)): float(score)
        for each in found
        for a, b, score in zip(each.earlier, each.later, each.score, strict=True)
    }
    originals = {int(twin): int(first) for each in found for twin, first in zip(each.twin, each.original, strict=True)}
    tokens = [tokenize(text) for text in texts]
    for later in range(len(texts)):
        first = tokens.index(tokens[later])
        if cutoff < 1 and tokens[later]:
            assert originals.get(later, later) == first
        for earlier in range(later):
            score = float(scorer.score(texts[earlier], texts[later])["rougeL"].fmeasure)
            if score > cutoff and first == later and tokens.index(tokens[earlier]) == earlier:
                assert pairs.pop((earlier, later)) == score
    assert not pairs


def test_a_chain_where_only_admitted_texts_refuse() -> None:
    """b is like a and c like b; b is refused, so c stays, and d is refused by c, not by b, which is nearer."""
    texts = ["a b c d e f g h i j", "a b c d e f g h x y", "a b c d e f p q x y", "a b c d e f p h x y"]
    joined = settle(4, sharded(texts, 0.7, 2, 2))
    assert joined.admitted.tolist() == [True, False, True, False]
    assert joined.nearest.tolist() == [-1, 0, -1, 2]
    assert said(joined) == said(local(texts, 0.7, False))


def test_a_twin_of_a_refused_text_is_refused_by_what_came_between() -> None:
    texts = ["a b c d e f g h i j", "a b c d e f g h x y", "q b c d e f z h x y", "a b c d e f g h x y"]
    assert said(settle(4, sharded(texts, 0.7, 3, 1))) == said(local(texts, 0.7, False))


def test_a_lot_is_the_same_whenever_it_is_made() -> None:
    texts = adversarial(random.Random(3))
    (one, words), (other, again) = encode(texts), encode(texts)
    assert words.words == again.words
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_shard_of_nothing_has_no_pairs() -> None:
    found = find_pairs(pieces_of(["", "!", "..."], 0.7, 2, 2)[0][:1], 0.7)
    assert [len(part) for part in found] == [0, 0, 0, 0, 0, 2]


def test_too_many_pairs_are_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "MOST_PAIRS", 100)
    texts = [f"write a poem about the {n} sea and the sand" for n in range(40)]
    with pytest.raises(UsageError, match="--engine local"):
        sharded(texts, 0.7, 1, 40)
