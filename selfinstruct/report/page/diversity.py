"""Measure the diversity of texts; the values of two sets are comparable only if the sets have the same size."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.tokens import tokenize
from ...dataset.linguistics import Finder
from ...novelty import NoveltyIndex

SAMPLE = 1000
"""Maximum number of texts to compare: half a million pairs, about 2 seconds."""
NGRAMS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Diversity:
    """The diversity of a number of texts.

    Attributes:
        texts: Number of texts.
        self_rouge: Mean ROUGE-L F over all pairs, 0 to 1; None for fewer than two texts.
        nearest: Mean ROUGE-L F to the most similar other text.
        distinct_ngrams: Number of distinct n-grams divided by their total number, for n = 1 to 4.
        ngram_diversity: Sum of `distinct_ngrams`, 0 to 4.
        distinct_pairs: Number of distinct verb-noun pairs; None in a language that the finder doesn't know.
    """

    texts: int
    self_rouge: float | None
    nearest: float | None
    distinct_ngrams: tuple[float, ...]
    ngram_diversity: float
    distinct_pairs: int | None


def draw(texts: Sequence[str], most: int) -> list[str]:
    """Return at most `most` of the texts, drawn with a fixed seed."""
    return list(texts) if len(texts) <= most else random.Random("diversity").sample(texts, most)


def diversity_of(texts: Sequence[str], finder: Finder) -> Diversity:
    """Measure texts, with an exact comparison of each pair."""
    self_rouge, nearest = _self_rouge(texts)
    shares = _distinct_ngrams(texts)
    pairs = {pair for pair in finder.find(texts) if pair.noun is not None}
    return Diversity(
        len(texts), self_rouge, nearest, shares, math.fsum(shares), None if finder.most == 0 else len(pairs)
    )


def _self_rouge(texts: Sequence[str]) -> tuple[float | None, float | None]:
    """Return the mean F over all pairs, and the mean F to the nearest other text."""
    if len(texts) < 2:
        return None, None
    index = NoveltyIndex(1.0)
    for number, text in enumerate(texts):
        index.admit(str(number), text)
    means, nearest = [], []
    for number, text in enumerate(texts):
        similar = index.most_similar(text, 2)
        # The index contains the text itself, with F = 1, or 0 without tokens.
        itself = 1.0 if tokenize(text) else 0.0
        means.append((similar.mean * len(texts) - itself) / (len(texts) - 1))
        nearest.append(next(other.score for other in similar.neighbours if other.id != str(number)))
    return math.fsum(means) / len(texts), math.fsum(nearest) / len(texts)


def _distinct_ngrams(texts: Sequence[str]) -> tuple[float, ...]:
    tokens = [tokenize(text) for text in texts]
    shares = []
    for n in NGRAMS:
        ngrams = [tuple(words[at : at + n]) for words in tokens for at in range(len(words) - n + 1)]
        shares.append(len(set(ngrams)) / len(ngrams) if ngrams else 0.0)
    return tuple(shares)
