"""The pool, asked one question: which text in it is most like this one, by ROUGE-L F?

The tokens are those of `text.tokenize`, the rule is that of `score`. Ties: of several texts with the same F,
the one admitted first is the nearest. Two engines give the same answers: `brute` looks at every text and needs no
start-up; from `SWITCH_AT` texts on `online` takes over, compiled by numba. Without numba the first one stays.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from ..core.errors import UsageError
from ..core.tasks import Neighbour, Verdict
from ..core.tokens import tokenize
from .brute import MOST_WORDS, BruteEngine
from .score import refusal_cutoff, rouge_l

if TYPE_CHECKING:
    from .arrays import Array

SWITCH_AT = 4096
"""Texts from which on the compiled engine pays for its start: about 1 s with compiled code at hand, 10 s without."""

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """What finds the nearest among texts given as tokens. Positions count from 0 in the order of adding."""

    @property
    def postings(self) -> int: ...
    @property
    def compared(self) -> int: ...
    def __len__(self) -> int: ...
    def find(self, tokens: Sequence[int], always: bool) -> tuple[float, int]: ...
    def add(self, tokens: Sequence[int]) -> None: ...
    def common_with_all(self, tokens: Sequence[int]) -> tuple[Array, Array]: ...


@dataclass(frozen=True, slots=True)
class Similar:
    """The `k` most similar texts, best first (ties: the one admitted first), and the mean over the whole pool."""

    neighbours: tuple[Neighbour, ...]
    mean: float


@dataclass(frozen=True, slots=True)
class Work:
    """What was done so far, in counts that don't depend on the machine: growth shows in them.

    postings: entries of the index read. compared: pairs compared token by token.
    """

    checked: int
    postings: int
    compared: int


class NoveltyIndex:
    """Texts by id, in the order of their admission.

    max_similarity: a text is refused when its highest F to the pool is above it, 0 to 1; equal is kept.
    refuse_equal: refuse what is equal, too, as the Self-Instruct paper words it ('less than 0.7').
    nearest: 'always', or 'refused' to look for the nearest text of refused ones only, which is faster: the
    search below the cutoff reads one signature of every text.
    """

    def __init__(
        self,
        max_similarity: float = 0.7,
        *,
        refuse_equal: bool = False,
        nearest: Literal["always", "refused"] = "always",
    ) -> None:
        if not 0.0 <= max_similarity <= 1.0 or (refuse_equal and max_similarity == 0.0):
            raise UsageError(f"max_similarity: {max_similarity} is not above 0 and at most 1")
        self.max_similarity = max_similarity
        self._cutoff = refusal_cutoff(max_similarity, refuse_equal)
        self._always = nearest == "always"
        self._vocabulary = _Vocabulary()
        self._ids: list[str] = []
        self._engine: Engine = BruteEngine(self._cutoff)
        self._switch_at: float = SWITCH_AT
        self._last: tuple[str, list[int]] = ("", [])
        self._checked = 0

    def __len__(self) -> int:
        return len(self._ids)

    def check(self, text: str) -> Verdict:
        """'too_similar' with the score and the nearest text's id, or a verdict without objection.

        With nearest='always' the passing verdict carries its nearest neighbour, too: id and score; the first text
        and 0.0 where nothing has a token in common; 0.0 and None for an empty pool.
        """
        self._checked += 1
        tokens = self._encode(text)
        score, position = self._engine.find(tokens, self._always)
        if position >= 0 and score > self._cutoff:
            return Verdict("too_similar", score=score, nearest=self._ids[position])
        if not self._always:
            return Verdict()
        return Verdict(score=score, nearest=self._ids[max(position, 0)] if self._ids else None)

    def nearest(self, text: str) -> Neighbour | None:
        """The nearest text, whatever its score; the first one where nothing has a token in common; None of none."""
        tokens = self._encode(text)
        score, position = self._engine.find(tokens, True)
        return Neighbour(self._ids[max(position, 0)], score) if self._ids else None

    def admit(self, id: str, text: str) -> None:
        """Put `text` into the pool under `id`, whatever `check` says of it."""
        tokens = self._encode(text)
        self._engine.add(tokens)
        self._ids.append(id)
        if len(self._ids) >= self._switch_at:
            self._switch()

    def check_batch(self, candidates: Iterable[tuple[str, str]]) -> list[Verdict]:
        """Check (id, text) pairs against the pool and each other, in order, and admit those that pass."""
        verdicts = []
        for id, text in candidates:
            verdicts.append(self.check(text))
            if verdicts[-1].ok:
                self.admit(id, text)
        return verdicts

    def most_similar(self, text: str, k: int = 10) -> Similar:
        """The `k` nearest texts and the mean F over the whole pool, as the published code records them."""
        if not self._ids:
            return Similar((), 0.0)
        import numpy as np

        tokens = self._encode(text)
        common, lengths = self._engine.common_with_all(tokens)
        width = int(lengths.max()) + 1
        pairs, which, counts = np.unique(
            common.astype(np.int64) * width + lengths, return_inverse=True, return_counts=True
        )
        scores = [rouge_l(lcs, len(tokens), n) for lcs, n in (divmod(pair, width) for pair in pairs.tolist())]
        mean = math.fsum(score * count for score, count in zip(scores, counts.tolist(), strict=True)) / len(self._ids)
        by_text = np.array(scores)[which]
        k = min(k, len(by_text))
        least = np.partition(by_text, len(by_text) - k)[len(by_text) - k] if k else 2.0
        positions = np.flatnonzero(by_text >= least)
        best = positions[np.argsort(-by_text[positions], kind="stable")][:k]
        return Similar(tuple(Neighbour(self._ids[p], float(by_text[p])) for p in best.tolist()), mean)

    @property
    def work(self) -> Work:
        """Counts of what was done so far."""
        return Work(self._checked, self._engine.postings, self._engine.compared)

    def _encode(self, text: str) -> list[int]:
        """The numbers of the tokens; those of the text asked last are at hand when it is admitted.

        May change the engine: the small one can't tell any number of words apart.
        """
        if self._last[0] != text:
            self._last = (text, list(map(self._vocabulary.__getitem__, tokenize(text))))
            if len(self._vocabulary) > MOST_WORDS and isinstance(self._engine, BruteEngine):
                self._switch()
        return self._last[1]

    def _switch(self) -> None:
        """Go over to the compiled engine, once."""
        self._switch_at = math.inf
        try:
            from .online import OnlineEngine
        except ImportError:
            _log.warning("numba is not installed: novelty stays exact, but takes time that grows with the pool")
            return
        assert isinstance(self._engine, BruteEngine)
        self._engine = OnlineEngine(self._cutoff, self._engine.texts())


class _Vocabulary(dict[str, int]):
    """Numbers of tokens, given at first sight."""

    def __missing__(self, token: str) -> int:
        number = self[token] = len(self)
        return number
