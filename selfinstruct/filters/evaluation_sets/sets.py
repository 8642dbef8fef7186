"""Evaluation sets, read from any table: their questions, where each stands, and a digest of all of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.errors import UsageError
from ...tables import Column, Row, find_source, parse_columns, read_chunks

SPLITS = ("test", "validation", "dev")
"""Of a dataset with splits the first of these is read, or else the first one that it has."""
_MOST_DEFECTS = 10


@dataclass(frozen=True, slots=True)
class Question:
    """One text of an evaluation set. where: its set and its row, 'gsm8k.jsonl:12'."""

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class EvaluationSets:
    """All questions of the sets named, in order. sizes: rows of each set. digest: of the texts; '' without a set."""

    questions: tuple[Question, ...] = ()
    sizes: Mapping[str, int] | None = None
    digest: str = ""


def load_sets(sources: Sequence[str], columns: Sequence[str]) -> EvaluationSets:
    """Read the sets; every one of `columns` that a row has is a text of its own.

    Raises UsageError, up to ten lines, for a source that can't be read and for rows without any of the columns.
    """
    if not sources:
        return EvaluationSets()
    parsed, sha = parse_columns(columns), hashlib.sha256()
    questions: list[Question] = []
    sizes: dict[str, int] = {}
    defects: list[str] = []
    for source in sources:
        rows = 0
        for row in _rows(source):
            rows += 1
            texts = [text for column in parsed if isinstance(text := column.find(row.values), str)]
            if row.problem or not texts:
                defects.append(_defect(row, parsed))
                if len(defects) == _MOST_DEFECTS:
                    raise UsageError("\n".join(defects))
            questions += [Question(row.where, text) for text in texts]
            sha.update(json.dumps(texts).encode() + b"\n")
        if not rows:
            defects.append(f"filters.decontaminate: {source}: holds no row")
        sizes[source] = rows
    if defects:
        raise UsageError("\n".join(defects))
    return EvaluationSets(tuple(questions), sizes, sha.hexdigest()[:32])


def _rows(source: str) -> Iterator[Row]:
    if source == "-":
        raise UsageError("filters.decontaminate: an evaluation set is read at every start; name a file, not '-'")
    try:
        for chunk in read_chunks(find_source(source), splits=SPLITS):
            yield from chunk.rows()
    except UsageError as error:
        raise UsageError(f"filters.decontaminate: {error}") from None


def _defect(row: Row, columns: Sequence[Column]) -> str:
    if row.problem:
        return f"filters.decontaminate: {row.where}: {row.problem}"
    wanted, there = ", ".join(column.path for column in columns), _names(row.values)
    return f"filters.decontaminate: {row.where}: no text in {wanted}; columns here: {there}; set filters.eval_columns"


def _names(values: Mapping[str, Any]) -> str:
    names = [str(name) for name in values]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
