"""Find the question that a text overlaps with: a shared run of tokens (`ngrams`), or ROUGE-L above a threshold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapidfuzz.distance import LCSseq

from ...core.errors import UsageError
from ...core.tokens import tokenize
from ...novelty import NoveltyIndex, rouge_l
from ...tables import Column, Row, find_source, parse_columns, read_chunks
from .ngrams import NgramIndex

SPLITS = ("test", "validation", "dev")
"""Splits to read from a dataset, best first; without any of them, its first split is read."""
_MAX_DEFECTS = 10


@dataclass(frozen=True, slots=True)
class EvaluationQuestion:
    """One text of an evaluation set. where: file and row, 'gsm8k.jsonl:12'."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class EvaluationSets:
    """All questions of all sets, in order. sizes: rows of each set. digest: hash of the texts, '' without a set."""

    questions: tuple[EvaluationQuestion, ...] = ()
    sizes: Mapping[str, int] | None = None
    digest: str = ""


def load_sets(sources: Sequence[str], columns: Sequence[str]) -> EvaluationSets:
    """Read evaluation sets; each of `columns` in a row gives one question.

    Raises UsageError, with up to ten lines, for an unreadable source and for rows with none of the columns.
    """
    if not sources:
        return EvaluationSets()
    parsed, sha = parse_columns(columns), hashlib.sha256()
    questions: list[EvaluationQuestion] = []
    sizes: dict[str, int] = {}
    defects: list[str] = []
    for source in sources:
        rows = 0
        for row in _rows(source):
            rows += 1
            texts = [text for column in parsed if isinstance(text := column.find(row.values), str)]
            if row.problem or not texts:
                defects.append(_defect(row, parsed))
                if len(defects) == _MAX_DEFECTS:
                    raise UsageError("\n".join(defects))
            questions += [EvaluationQuestion(row.where, text) for text in texts]
            sha.update(json.dumps(texts).encode() + b"\n")
        if not rows:
            defects.append(f"filters.decontaminate: {source}: contains no rows; name a set that has some")
        sizes[source] = rows
    if defects:
        raise UsageError("\n".join(defects))
    return EvaluationSets(tuple(questions), sizes, sha.hexdigest()[:32])


def _rows(source: str) -> Iterator[Row]:
    if source == "-":
        raise UsageError("filters.decontaminate: every start reads the evaluation sets again; name a file, not '-'")
    try:
        for chunk in read_chunks(find_source(source), splits=SPLITS):
            yield from chunk.rows()
    except UsageError as error:
        raise UsageError(f"filters.decontaminate: {error}") from None


def _defect(row: Row, columns: Sequence[Column]) -> str:
    if row.problem:
        return f"filters.decontaminate: {row.where}: {row.problem}"
    wanted, present = ", ".join(column.path for column in columns), _list_names(row.values)
    return f"filters.decontaminate: {row.where}: no text in {wanted}; columns here: {present}; set filters.eval_columns"


def _list_names(values: Mapping[str, Any]) -> str:
    names = [str(name) for name in values]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"


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
