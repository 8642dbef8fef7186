"""Read the questions of evaluation sets from tables of any format, with the location of each and a digest of all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import UsageError
from ...tables import Column, Row, find_source, parse_columns, read_chunks

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
