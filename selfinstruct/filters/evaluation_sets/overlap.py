"""Find the question that a text overlaps with: a shared run of tokens (`ngrams`), or ROUGE-L above a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import LCSseq

from ...core.tokens import tokenize
from ...novelty import NoveltyIndex, rouge_l
from .ngrams import NgramIndex
from .sets import EvaluationQuestion


@dataclass(frozen=True, slots=True)
class Hit:
    """The question that a text overlaps with.

    ngram: 8 to 13 shared tokens, or () if the texts are similar as a whole. score: in that case, their ROUGE-L F.
    """

    question: EvaluationQuestion
    ngram: tuple[str, ...] = ()
    score: float | None = None


class Overlap:
    """An index of questions.

    Args:
        questions: Of several questions with the same tokens, the first counts.
        max_similarity: A higher ROUGE-L F is a hit, 0 to 1.
        template: Wording that more than this many questions have in common is a template, and no hit.
    """

    def __init__(
        self, questions: Sequence[EvaluationQuestion], *, max_similarity: float = 0.7, template: int = 3
    ) -> None:
        self._max_similarity, self._template = max_similarity, template
        distinct: dict[tuple[str, ...], EvaluationQuestion] = {}
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
        """Return the question that `text` overlaps with, or None. A shared run takes precedence over similarity."""
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
        """Return whether the similarity of `text` to its nearest question comes from a template alone."""
        if tuple(tokens) == self._texts[nearest]:
            return False
        # A template needs more than `template` questions above the threshold.
        similar = self._index.most_similar(text, self._template + 1).neighbours
        if len(similar) <= self._template or similar[-1].score <= self._max_similarity:
            return False
        # Take the tokens shared with the last of them for the template, and compare what is left.
        common = self._texts[int(similar[-1].id)]
        own, other = _subtract(tokens, common), _subtract(self._texts[nearest], common)
        return rouge_l(int(LCSseq.similarity(own, other)), len(own), len(other)) <= self._max_similarity


def _subtract(tokens: Sequence[str], common: Sequence[str]) -> list[str]:
    """Return the tokens that are not part of a longest common subsequence of both."""
    blocks = LCSseq.opcodes(tokens, common)
    return [token for block in blocks if block.tag != "equal" for token in tokens[block.src_start : block.src_end]]
