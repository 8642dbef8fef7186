"""Select some of a run's records for its dataset: a pure function of the records, so it can be changed at no cost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from ..config.sections import SelectConfig
from ..core.errors import ConfigError
from ..core.records import Record
from ..core.tokens import tokenize
from ..novelty import NoveltyIndex

Order = Callable[[Sequence[Record], int, int], Sequence[Record]]
"""(records, count, random seed) -> the records to keep come first."""


def select(records: Sequence[Record], chosen: SelectConfig | None, random_seed: int) -> Sequence[Record]:
    """Return the selected records in their original order; all of them if there are no more than `chosen.count`.

    Raises ConfigError if they are to be selected by a figure that no record has.
    """
    if chosen is None or len(records) <= chosen.count:
        return records
    if (needed := _NEEDED.get(chosen.by)) and not any(map(needed.is_in, records)):
        raise ConfigError(f"dataset.select.by: {chosen.by} needs {needed.what}, and no record has any; {needed.advice}")
    kept = {record.id for record in ORDERS[chosen.by](records, chosen.count, random_seed)[: chosen.count]}
    return [record for record in records if record.id in kept]


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
    chosen = [0]
    nearest = index.scores(records[0].instruction)
    while len(chosen) < count:
        nearest[chosen[-1]] = 2.0  # never again
        chosen.append(int(nearest.argmin()))
        nearest = nearest.clip(min=index.scores(records[chosen[-1]].instruction))
    return [records[at] for at in chosen]


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
