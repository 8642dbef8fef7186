"""Select some of a run's records for its dataset: a pure function of the records and their vectors."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..config.sections import SelectConfig
from ..core.counted import counted
from ..core.embeddings import embedding_request, vector_in
from ..core.errors import ConfigError
from ..core.prompts import Prompt
from ..core.records import Record
from ..core.tokens import tokenize
from ..journal.answer_values import Answer
from ..novelty import NoveltyIndex

_log = logging.getLogger(__name__)

Order = Callable[[Sequence[Record], int, int], Sequence[Record]]
"""(records, count, random seed) -> the records to keep come first."""
Recall = Callable[[str], Answer | None]
"""The key of an answer -> the answer in the run's journal."""


def select(
    records: Sequence[Record], chosen: SelectConfig | None, random_seed: int, recall: Recall = lambda key: None
) -> Sequence[Record]:
    """Return the selected records in their original order; all of them if there are no more than `chosen.count`.

    recall: returns the vectors of `chosen.embeddings`. Raises ConfigError if the records are to be selected by a figure
    that none of them has, or by vectors that some of them lack.
    """
    if chosen is None or len(records) <= chosen.count:
        return records
    if (needed := _NEEDED.get(chosen.by)) and not any(map(needed.is_in, records)):
        raise ConfigError(f"dataset.select.by: {chosen.by} needs {needed.what}, and no record has any; {needed.advice}")
    if requests := embeddings_of(records, chosen):
        ordered = _by_meaning(records, chosen, (recall(key) for key, _ in requests))
    else:
        ordered = ORDERS[chosen.by](records, chosen.count, random_seed)
    kept = {record.id for record in ordered[: chosen.count]}
    return [record for record in records if record.id in kept]


def embeddings_of(records: Sequence[Record], chosen: SelectConfig | None) -> list[tuple[str, Prompt]]:
    """Return the key and the request of each record's vector, if a selection needs them."""
    if chosen is None or chosen.by != "spread" or chosen.embeddings is None or len(records) <= chosen.count:
        return []
    return [embedding_request(chosen.embeddings.label, record.instruction) for record in records]


def _by(key: Callable[[Record], float]) -> Order:
    """Sort by a figure, the highest first; equal ones stay in the order of the run."""
    return lambda records, count, random_seed: sorted(records, key=key, reverse=True)


def _random(records: Sequence[Record], count: int, random_seed: int) -> Sequence[Record]:
    return sorted(records, key=lambda record: hashlib.sha256(f"{random_seed}:{record.id}".encode()).digest())


def _length(record: Record) -> float:
    return sum(len(tokenize(example.output)) for example in record.examples)


def _checked(record: Record) -> float:
    """The share of answers that a program found right; an answer that none checked counts as half of one."""
    found = [example.responses[0].verified for example in record.examples]
    return fmean({True: 1.0, False: 0.0, None: 0.5}[each] for each in found)


def _mark(is_agreement: bool) -> Callable[[Record], float]:
    """The mean of the judge's marks, or that of agreement; -1 without any."""

    def mean(record: Record) -> float:
        marks = [example.responses[0].marks.items() for example in record.examples]
        found = [value for each in marks for name, value in each if (name == "agreement") == is_agreement]
        return fmean(found) if found else -1.0

    return mean


def _spread(records: Sequence[Record], count: int, random_seed: int) -> Sequence[Record]:
    """Begin with the first record; then always add the one whose nearest chosen instruction is the farthest away.

    Farthest-first traversal (Gonzalez 1985) by ROUGE-L F, exact; equal ones stay in the order of the run.
    """
    index = NoveltyIndex(1.0)
    for record in records:
        index.admit(record.id, record.instruction)
    return [records[at] for at in _farthest_first(count, lambda at: index.scores(records[at].instruction))]


def _farthest_first(count: int, similarities: Callable[[int], NDArray[Any]]) -> list[int]:
    """Return the first place and those that come next. similarities: those of one place to all places, at most 1."""
    chosen, nearest = [0], similarities(0)
    while len(chosen) < min(count, len(nearest)):
        nearest[chosen[-1]] = 2.0  # never again
        chosen.append(int(nearest.argmin()))
        nearest = nearest.clip(min=similarities(chosen[-1]))
    return chosen


def _by_meaning(records: Sequence[Record], chosen: SelectConfig, answers: Iterable[Answer | None]) -> Sequence[Record]:
    """Do what `_spread` does by the cosine of vectors. A record without one, because the request failed, comes last.

    answers: to the requests for the vectors; None for one that wasn't asked for. Raises ConfigError.
    """
    where = f"dataset.select.embeddings: {chosen.embeddings.label if chosen.embeddings else ''}"
    given = [answer.completion for answer in answers if answer is not None]
    vectors = [vector_in(completion.text) for completion in given]
    if len(vectors) < len(records):
        missing = f"{len(records) - len(vectors):,} of {counted(len(records), 'record')} have no vector yet"
        raise ConfigError(
            f"{where}: {missing}; put this setting into the configuration, and `selfinstruct generate` asks for them"
        )
    found = [at for at, vector in enumerate(vectors) if vector is not None]
    lengths = sorted({len(vector) for vector in vectors if vector is not None})
    if len(lengths) != 1:
        what = f"every request failed, the last one with {given[-1].error or 'no vector'}"
        if lengths:
            what = f"its vectors have {lengths[0]:,} to {lengths[-1]:,} numbers"
        raise ConfigError(f"{where}: {what}; check the server, and set another name to ask for all vectors again")
    lost = [record for record, vector in zip(records, vectors, strict=True) if vector is None]
    if lost:
        _log.warning("selfinstruct: warning: %s: %s without a vector come last", where, counted(len(lost), "record"))

    # Rounded: the last bits, which differ between processors, must not decide.
    units = np.array([vectors[at] for at in found], float)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    near = _farthest_first(chosen.count, lambda at: (units @ units[at]).round(9))
    return [*(records[found[at]] for at in near), *lost]


class _Figure(NamedTuple):
    """What a way to select needs. is_in: whether a record has it. what, advice: for the error if none has."""

    is_in: Callable[[Record], bool]
    what: str
    advice: str


_NEEDED: Mapping[str, _Figure] = {
    "checks": _Figure(
        lambda record: any(example.responses[0].verified is not None for example in record.examples),
        "answers that a program checked",
        "use the strategy verifiable or answers.constrained, or select by random",
    ),
    "marks": _Figure(
        lambda record: _mark(is_agreement=False)(record) >= 0,
        "marks of a judge",
        "add `judge` to the configuration, or select by random",
    ),
    "agreement": _Figure(
        lambda record: _mark(is_agreement=True)(record) >= 0,
        "several answers that were compared",
        "set answers.min_agreement, or select by random",
    ),
}

ORDERS: Mapping[str, Order] = {
    "first": lambda records, count, random_seed: records,
    "random": _random,
    "longest": _by(_length),
    "checks": _by(_checked),
    "marks": _by(_mark(is_agreement=False)),
    "agreement": _by(_mark(is_agreement=True)),
    "spread": _spread,
}
"""The ways to select, by the name in the configuration."""
