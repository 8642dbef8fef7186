"""Novelty: the rule at the cutoff, and both engines against brute force with `rouge_score` itself."""

from __future__ import annotations

import os
import pickle
import random

import pytest
from hypothesis import given, settings, strategies as st
from rouge_score.rouge_scorer import RougeScorer

from selfinstruct.core.errors import UsageError
from selfinstruct.novelty import NoveltyIndex, rouge_l
from selfinstruct.novelty.online import OnlineEngine
from selfinstruct.novelty.score import least_lcs, refusal_cutoff

EXAMPLES = 10_000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 75
SCORER = RougeScorer(["rougeL"], use_stemmer=False)
CUTOFFS = st.sampled_from([0.3, 0.5, 0.6, 0.7, 0.7, 0.7, 0.8, 0.9, 1.0])
TEXTS = st.lists(st.lists(st.sampled_from("a b c d e".split()), max_size=14).map(" ".join), min_size=1, max_size=40)


def index(engine: str, cutoff: float = 0.7, **options: object) -> NoveltyIndex:
    """An index that is held to one engine."""
    made = NoveltyIndex(cutoff, **options)  # type: ignore[arg-type]
    made._switch_at = float("inf")
    if engine == "compiled":
        made._engine = OnlineEngine(made._cutoff)
    return made


@pytest.mark.parametrize("cutoff", [0.3, 0.5, 0.7, 0.85, 1.0])
def test_least_lcs_is_decided_by_the_published_expression(cutoff: float) -> None:
    for m in range(201):
        for n in range(m + 1):
            refusing = [lcs for lcs in range(1, n + 1) if rouge_l(lcs, m, n) > cutoff]
            assert least_lcs(m, n, cutoff) == (refusing[0] if refusing else max(n + 1, least_lcs(m, n, cutoff)))
            assert len(refusing) == max(n + 1 - least_lcs(m, n, cutoff), 0)


def test_at_the_cutoff_the_float_decides() -> None:
    exact = [
        (lcs, m, n) for m in range(1, 65) for n in range(m, 65) for lcs in range(1, m + 1) if 20 * lcs == 7 * (m + n)
    ]
    above = [triple for triple in exact if rouge_l(*triple) > 0.7]
    assert (9, 11) in [(m, n) for _, m, n in above]
    assert (len(above), len(exact)) == (27, 54)
    assert all(rouge_l(*triple) > refusal_cutoff(0.7, True) for triple in exact if rouge_l(*triple) >= 0.7)


@pytest.mark.parametrize("engine", ["brute", "compiled"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(texts=TEXTS, cutoff=CUTOFFS, equal=st.booleans())
def test_as_rouge_score_by_brute_force(engine: str, texts: list[str], cutoff: float, equal: bool) -> None:
    made = index(engine, cutoff, refuse_equal=equal)
    pool: list[str] = []
    for text in texts:
        scores = [SCORER.score(other, text)["rougeL"].fmeasure for other in pool]
        best = max(scores, default=0.0)
        verdict = made.check(text)
        assert verdict.ok == (best < cutoff if equal else best <= cutoff)
        assert verdict.score == best
        assert verdict.nearest == (str(scores.index(best)) if scores else None)
        if verdict.ok:
            made.admit(str(len(pool)), text)
            pool.append(text)
    assert len(made) == len(pool)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None)
@given(seed=st.integers(0, 10**9), cutoff=CUTOFFS)
def test_the_engines_agree_on_any_interleaving(seed: int, cutoff: float) -> None:
    draw = random.Random(seed)
    words = draw.choice([list("ab"), list("abcdefghij"), list("用中文写一首诗"), [f"w{n}" for n in range(300)]])
    longest = draw.choice([3, 12, 60, 150])
    first, second = index("brute", cutoff), index("compiled", cutoff)
    for number in range(60):
        text = " ".join(draw.choice(words) for _ in range(draw.randrange(longest)))
        verdict = first.check(text)
        assert verdict == second.check(text)
        if draw.random() < 0.1:
            assert first.most_similar(text, 4) == second.most_similar(text, 4)
        if draw.random() < 0.1:
            second = pickle.loads(pickle.dumps(second))
        if draw.random() < 0.1:
            second._engine._rebuild()  # type: ignore[attr-defined]
        if verdict.ok or draw.random() < 0.2:
            first.admit(str(number), text)
            second.admit(str(number), text)


def test_the_engine_changes_without_changing_an_answer() -> None:
    draw = random.Random(3)
    texts = [" ".join(draw.choices([f"w{n}" for n in range(400)], k=draw.randint(0, 9))) for _ in range(900)]
    changing, brute = NoveltyIndex(0.6), index("brute", 0.6)
    changing._switch_at = 100
    for number, text in enumerate(texts):
        assert changing.check_batch([(str(number), text)]) == brute.check_batch([(str(number), text)])
    assert isinstance(changing._engine, OnlineEngine)


@pytest.mark.parametrize("engine", ["brute", "compiled"])
def test_edges(engine: str) -> None:
    made = index(engine)
    assert made.check("").nearest is None
    made.admit("empty", "")
    assert made.check("...").ok
    made.admit("one", "word")
    assert made.check("Word!").score == 1.0
    words = [f"w{n}" for n in range(10_000)]
    made.admit("long", " ".join(words))
    verdict = made.check(" ".join(words[:6000]))
    assert (verdict.nearest, verdict.score) == ("long", rouge_l(6000, 6000, 10_000))
    assert not verdict.ok


def test_ties_go_to_the_text_admitted_first() -> None:
    for engine in ("brute", "compiled"):
        made = index(engine, 0.5)
        made.check_batch([("x", "q r s"), ("first", "a b c d e"), ("second", "a b c x y z")])
        made.admit("third", "a b c d e")
        assert made.check("a b c d e").nearest == "first"
        assert [n.id for n in made.most_similar("a b c d e", 2).neighbours] == ["first", "third"]


def test_only_refused_ones_when_asked() -> None:
    made = index("compiled", 0.7, nearest="refused")
    made.admit("a", "one two three four")
    assert made.check("one two five six").nearest is None
    assert made.check("one two three four five").nearest == "a"
    assert made.work.checked == 2


def test_a_cutoff_must_be_one() -> None:
    with pytest.raises(UsageError):
        NoveltyIndex(1.5)
