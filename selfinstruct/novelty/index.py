"""The pool, asked one question: which text in it is most like this one, by ROUGE-L F?

F = 2pr / (p + r) with p = LCS/m and r = LCS/n (Lin 2004), over the tokens of `text.tokenize`, in
exactly the floating-point expression of `rouge_score`, so that a pair *at* the cutoff falls on the same
side as in the published codes. `rapidfuzz` computes the longest common subsequences; a bound from the lengths
alone leaves most of the pool out.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cdist

from ..schema import Neighbour, Verdict
from ..text import tokenize


def rouge_l(lcs: int, m: int, n: int) -> float:
    """ROUGE-L F of two texts of `m` and `n` tokens whose longest common subsequence has `lcs` tokens."""
    if lcs == 0:
        return 0.0
    precision, recall = lcs / m, lcs / n
    return 2 * precision * recall / (precision + recall)


@dataclass(frozen=True, slots=True)
class Similar:
    """The `k` most similar texts, best first (ties: the one admitted first), and the mean over the whole pool."""

    neighbours: tuple[Neighbour, ...]
    mean: float


class NoveltyIndex:
    """Texts by id, in the order of their admission.

    max_similarity: a text is refused when its highest F to the pool is above it; equal is kept.
    """

    def __init__(self, max_similarity: float = 0.7) -> None:
        self.max_similarity = max_similarity
        self._vocabulary: dict[str, int] = {}
        self._ids: list[str] = []
        self._by_length: dict[int, tuple[list[str], list[int]]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def check(self, text: str) -> Verdict:
        """'too_similar' with the score and the nearest text's id, or a verdict without objection.

        The passing verdict carries the nearest neighbour, too: id and score, None for an empty pool.
        """
        best, nearest = self._nearest(self._encode(text))
        name = None if nearest is None else self._ids[nearest]
        if best > self.max_similarity:
            return Verdict("too_similar", score=best, nearest=name)
        return Verdict(score=best, nearest=name)

    def admit(self, id: str, text: str) -> None:
        """Put `text` into the pool under `id`."""
        tokens = self._encode(text)
        texts, positions = self._by_length.setdefault(len(tokens), ([], []))
        texts.append(tokens)
        positions.append(len(self._ids))
        self._ids.append(id)

    def most_similar(self, text: str, k: int = 10) -> Similar:
        """The `k` nearest texts and the mean F over the whole pool, as the published code records them."""
        tokens = self._encode(text)
        scored: list[tuple[float, int]] = []
        for length, (texts, positions) in self._by_length.items():
            for lcs, position in zip(_lcs(tokens, texts), positions, strict=True):
                scored.append((-rouge_l(lcs, len(tokens), length), position))
        mean = -sum(score for score, _ in scored) / len(scored) if scored else 0.0
        best = sorted(scored)[:k]
        return Similar(tuple(Neighbour(self._ids[position], -score) for score, position in best), mean)

    def _encode(self, text: str) -> str:
        """One character a token: `rapidfuzz` reads strings many times faster than lists of numbers."""
        vocabulary = self._vocabulary
        return "".join([chr(vocabulary.setdefault(token, len(vocabulary))) for token in tokenize(text)])

    def _nearest(self, tokens: str) -> tuple[float, int | None]:
        """The highest F and the position of the first text that has it."""
        best, nearest = 0.0, None
        m = len(tokens)
        lengths = sorted(self._by_length, key=lambda n: -rouge_l(min(m, n), max(m, 1), max(n, 1)))
        for n in lengths:
            if n == 0 or m == 0 or rouge_l(min(m, n), m, n) < best:
                continue
            texts, positions = self._by_length[n]
            scores = _lcs(tokens, texts)
            longest = max(scores)
            score = rouge_l(longest, m, n)
            position = positions[scores.index(longest)]
            if score > best or (score == best and (nearest is None or position < nearest)):
                best, nearest = score, position
        if nearest is None and self._ids:
            nearest = 0  # nothing shares a token: every text is as near as the first
        return best, nearest


def _lcs(tokens: str, texts: list[str]) -> list[int]:
    if not tokens:
        return [0] * len(texts)
    row: list[int] = cdist([tokens], texts, scorer=LCSseq.similarity)[0].tolist()
    return row
