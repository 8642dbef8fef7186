"""How unlike each other some texts are, by measures that only compare fairly over equally many texts."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.tokens import tokenize
from ...dataset.linguistics import Finder
from ...novelty import NoveltyIndex

SAMPLE = 1000
"""Texts that are compared with each other: half a million pairs, about 2 seconds."""
NGRAMS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Diversity:
    """Of `texts` texts; None where there are too few.

    self_rouge: mean ROUGE-L F over all pairs. nearest: mean F to the most similar other text.
    distinct_ngrams: share of different n-grams among all, for n = 1 to 4; ngram_diversity: their sum, 0 to 4.
    distinct_pairs: different verb-noun pairs.
    """

    texts: int
    self_rouge: float | None
    nearest: float | None
    distinct_ngrams: tuple[float, ...]
    ngram_diversity: float
    distinct_pairs: int


def draw(texts: Sequence[str], most: int) -> list[str]:
    """At most `most` of the texts, always the same ones."""
    return list(texts) if len(texts) <= most else random.Random("diversity").sample(texts, most)


def diversity_of(texts: Sequence[str], finder: Finder) -> Diversity:
    """Measure all of the texts, each pair exactly."""
    self_rouge, nearest = _self_rouge(texts)
    shares = _distinct_ngrams(texts)
    pairs = {found for found in finder.find(texts) if found.noun is not None}
    return Diversity(len(texts), self_rouge, nearest, shares, math.fsum(shares), len(pairs))


def _self_rouge(texts: Sequence[str]) -> tuple[float | None, float | None]:
    """Mean F over all pairs, and of the nearest."""
    if len(texts) < 2:
        return None, None
    index = NoveltyIndex(1.0)
    for number, text in enumerate(texts):
        index.admit(str(number), text)
    means, nearest = [], []
    for number, text in enumerate(texts):
        similar = index.most_similar(text, 2)
        itself = 1.0 if tokenize(text) else 0.0  # in the pool, too
        means.append((similar.mean * len(texts) - itself) / (len(texts) - 1))
        nearest.append(next(other.score for other in similar.neighbours if other.id != str(number)))
    return math.fsum(means) / len(texts), math.fsum(nearest) / len(texts)


def _distinct_ngrams(texts: Sequence[str]) -> tuple[float, ...]:
    tokens = [tokenize(text) for text in texts]
    shares = []
    for n in NGRAMS:
        found = [tuple(words[at : at + n]) for words in tokens for at in range(len(words) - n + 1)]
        shares.append(len(set(found)) / len(found) if found else 0.0)
    return tuple(shares)
