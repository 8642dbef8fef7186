"""`NoveltyIndex`: a growing pool of texts that finds the text most similar to a new one, by ROUGE-L F.

Tokens are those of `core.tokens.tokenize`; `score` defines F. Of several texts with the same F, the text admitted
first is the nearest. Two engines give the same answers: `brute` scans every text and needs no start-up; from
`SWITCH_AT` texts on, `online` takes over, compiled by numba. Generation, filters and the report use this class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..core.errors import UsageError
from ..core.records import Neighbour
from ..core.tasks import Verdict
from ..core.tokens import tokenize
from .brute import MOST_WORDS, BruteEngine
from .score import refusal_cutoff, rouge_l

if TYPE_CHECKING:
    import numpy as np

    from .online import OnlineEngine

# Pool size at which the compiled engine pays for its start: about 1 s with cached code, 10 s without.
SWITCH_AT = 4096


@dataclass(frozen=True, slots=True)
class Similar:
    """The `k` most similar texts, best first (ties: the one admitted first), and the mean F over the whole pool."""

    neighbours: tuple[Neighbour, ...]
    mean: float


@dataclass(frozen=True, slots=True)
class Work:
    """The work done so far, in counts that do not depend on the machine, to show how the cost grows."""

    checked: int  # texts checked
    postings: int  # entries of the index read
    compared: int  # pairs compared by LCS


class NoveltyIndex:
    """A pool of texts with ids, in order of admission.

    Args:
        max_similarity: Refuse a text whose highest F with the pool is above this, 0 to 1. Equality is kept.
        refuse_equal: Refuse equality too, as the Self-Instruct paper words the rule ('less than 0.7').
        nearest: 'always', or 'refused' to find the nearest text for refused texts only. This is faster: a search
            below the cutoff reads one signature per text of the pool.

    Raises:
        UsageError: `max_similarity` is out of range.
    """

    def __init__(
        self,
        max_similarity: float = 0.7,
        *,
        refuse_equal: bool = False,
        nearest: Literal["always", "refused"] = "always",
    ) -> None:
        if not 0.0 <= max_similarity <= 1.0 or (refuse_equal and max_similarity == 0.0):
            raise UsageError(f"max_similarity: {max_similarity} is out of range; use a number above 0 and at most 1")
        self.max_similarity = max_similarity
        self._cutoff = refusal_cutoff(max_similarity, refuse_equal)
        self._always = nearest == "always"
        self._vocabulary = _Vocabulary()
        self._ids: list[str] = []
        self._engine: BruteEngine | OnlineEngine = BruteEngine(self._cutoff)
        self._switch_at: float = SWITCH_AT
        self._last: tuple[str, list[int]] = ("", [])
        self._checked = 0

    def __len__(self) -> int:
        return len(self._ids)

    def check(self, text: str) -> Verdict:
        """Return the verdict 'too_similar' with the score and the nearest text's id, or a passing verdict.

        With nearest='always' a passing verdict also carries the nearest text and its score: the first text and 0.0 if
        no text has a common token; None and 0.0 for an empty pool.
        """
        self._checked += 1
        tokens = self._encode(text)
        score, position = self._engine.find(tokens, self._always)
        if position >= 0 and score > self._cutoff:
            return Verdict("too_similar", score=score, nearest=self._ids[position])
        if not self._always:
            return Verdict()
        return Verdict(score=score, nearest=self._ids[max(position, 0)] if self._ids else None)

    def refuses(self, score: float) -> bool:
        """Return whether a text whose highest F with the pool is this is refused."""
        return score > self._cutoff

    def nearest(self, text: str) -> Neighbour | None:
        """Return the nearest text at any score; the first text if none has a common token; None for an empty pool."""
        tokens = self._encode(text)
        score, position = self._engine.find(tokens, True)
        return Neighbour(self._ids[max(position, 0)], score) if self._ids else None

    def admit(self, id: str, text: str) -> None:
        """Add `text` to the pool under `id`, without checking it."""
        tokens = self._encode(text)
        self._engine.add(tokens)
        self._ids.append(id)
        if len(self._ids) >= self._switch_at:
            self._switch_engine()

    def check_batch(self, candidates: Iterable[tuple[str, str]]) -> list[Verdict]:
        """Check (id, text) pairs against the pool and each other, in order, and admit the pairs that pass."""
        verdicts = []
        for id, text in candidates:
            verdicts.append(self.check(text))
            if verdicts[-1].ok:
                self.admit(id, text)
        return verdicts

    def most_similar(self, text: str, k: int = 10) -> Similar:
        """Return the `k` nearest texts and the mean F over the whole pool, as the published code records them."""
        if not self._ids:
            return Similar((), 0.0)
        import numpy as np

        by_text = self.scores(text)
        mean = math.fsum(by_text) / len(by_text)
        # Keep everything at or above the k-th highest score, then sort stably, so that ties stay in pool order.
        k = min(k, len(by_text))
        least = np.partition(by_text, len(by_text) - k)[len(by_text) - k] if k else 2.0
        positions = np.flatnonzero(by_text >= least)
        best = positions[np.argsort(-by_text[positions], kind="stable")][:k]
        return Similar(tuple(Neighbour(self._ids[p], float(by_text[p])) for p in best.tolist()), mean)

    def scores(self, text: str) -> np.ndarray:
        """Return the F of a text with each text of the pool, in the order of admission; the pool must not be empty."""
        import numpy as np

        tokens = self._encode(text)
        common, lengths = self._engine.common_with_all(tokens)
        # F depends only on the pair (LCS, length), and pairs repeat often: score each distinct pair once.
        width = int(lengths.max()) + 1
        pairs, which = np.unique(common.astype(np.int64) * width + lengths, return_inverse=True)
        scores = [rouge_l(lcs, len(tokens), n) for lcs, n in (divmod(pair, width) for pair in pairs.tolist())]
        return np.array(scores)[which]

    @property
    def work(self) -> Work:
        """Counts of the work done so far."""
        return Work(self._checked, self._engine.postings, self._engine.compared)

    def _encode(self, text: str) -> list[int]:
        """Return the token numbers of `text`; caches the last text, since `admit` usually follows `check`.

        Switches to the compiled engine when there are more distinct words than `brute` can encode.
        """
        if self._last[0] != text:
            self._last = (text, list(map(self._vocabulary.__getitem__, tokenize(text))))
            if len(self._vocabulary) > MOST_WORDS and isinstance(self._engine, BruteEngine):
                self._switch_engine()
        return self._last[1]

    def _switch_engine(self) -> None:
        """Move the pool to the compiled engine."""
        from .online import OnlineEngine

        self._switch_at = math.inf
        assert isinstance(self._engine, BruteEngine)
        self._engine = OnlineEngine(self._cutoff, self._engine.texts())


class _Vocabulary(dict[str, int]):
    """Maps tokens to numbers, assigned when a token is first looked up."""

    def __missing__(self, token: str) -> int:
        number = self[token] = len(self)
        return number
