"""Whether a text overlaps with a question: a shared run of tokens (`ngrams`), or ROUGE-L above a bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq

from ...core.tokens import tokenize
from ...novelty import NoveltyIndex, rouge_l
from .ngrams import NgramIndex
from .sets import Question


@dataclass(frozen=True, slots=True)
class Hit:
    """The question that a text overlaps with.

    ngram: the tokens shared, 8 to 13 of them; () where the texts are alike as a whole. score: then their ROUGE-L F.
    """

    question: Question
    ngram: tuple[str, ...] = ()
    score: float | None = None


class Overlap:
    """The questions of all sets. max_similarity: ROUGE-L F above it is a hit, 0 to 1.

    template: wording that more questions have in common counts for none of them. Questions of the same tokens
    are one, the first.
    """

    def __init__(self, questions: Sequence[Question], *, max_similarity: float = 0.7, template: int = 3) -> None:
        self._max_similarity, self._template = max_similarity, template
        distinct: dict[tuple[str, ...], Question] = {}
        for question in questions:
            tokens = tuple(tokenize(question.text))
            if tokens:
                distinct.setdefault(tokens, question)
        self._texts, self._questions = list(distinct), list(distinct.values())
        self._runs = NgramIndex(self._texts, template)
        self._index = NoveltyIndex(max_similarity, nearest="refused")
        for number, question in enumerate(self._questions):
            self._index.admit(str(number), question.text)

    def __len__(self) -> int:
        return len(self._questions)

    def find(self, text: str) -> Hit | None:
        """The question that `text` overlaps with, or None. A shared run is told before likeness as a whole."""
        tokens = tokenize(text)
        run = self._runs.find(tokens)
        if run is not None:
            return Hit(self._questions[run.text], run.tokens)
        verdict = self._index.check(text)
        if verdict.ok or verdict.nearest is None or verdict.score is None:
            return None
        nearest = int(verdict.nearest)
        if self._only_template(text, tokens, nearest):
            return None
        return Hit(self._questions[nearest], score=verdict.score)

    def _only_template(self, text: str, tokens: Sequence[str], nearest: int) -> bool:
        """Whether a text is above the bound by nothing but what many questions have in common.

        That is so when more than `template` questions are above it, and what is left of the text and of the nearest
        one, each without what it shares with the last of those, is not alike any more.
        """
        if tuple(tokens) == self._texts[nearest]:
            return False
        similar = self._index.most_similar(text, self._template + 1).neighbours
        if len(similar) <= self._template or similar[-1].score <= self._max_similarity:
            return False
        common = self._texts[int(similar[-1].id)]
        own, other = _without(tokens, common), _without(self._texts[nearest], common)
        return rouge_l(_common(own, other), len(own), len(other)) <= self._max_similarity


def _without(tokens: Sequence[str], common: Sequence[str]) -> list[str]:
    """The tokens that are no part of a longest common subsequence of both."""
    blocks = LCSseq.opcodes(tokens, common)
    return [token for block in blocks if block.tag != "equal" for token in tokens[block.src_start : block.src_end]]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    return int(LCSseq.similarity(one, other))
