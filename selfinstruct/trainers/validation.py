"""A dataset against a trainer's contract, read once from end to end, some megabytes at a time."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.errors import UsageError
from ..tables import find_source
from .check_rows import defects, texts
from .contract import UNREADABLE, Contract, Reading, Target
from .findings import Finding, Report, Tally
from .lengths import Measure, counter, estimated
from .open_dataset import Opened, contract_of, opened
from .parts import Part

Name = str | os.PathLike[str]


def validate_dataset(
    dataset: Name,
    trainer: str,
    *,
    config: str | None = None,
    max_length: int | None = None,
    tokenizer: Name | None = None,
) -> Report:
    """Check a dataset (a folder with a card, any folder of data files, a file or a hub name) for a trainer.

    config: which subset, the default one otherwise. max_length: tokens, the trainer's default otherwise. tokenizer: a
    model's tokenizer.json; tokens are estimated without one.
    Raises UsageError: an unknown trainer or config, or a dataset that can't be read at all.
    """
    contract, name = contract_of(trainer), os.fspath(dataset)
    measure = estimated if tokenizer is None else counter(Path(tokenizer))
    subject = opened(name, contract, config)
    findings, splits, longest = subject.of_schema(), [], 0
    if subject.reading is not None:
        check = _Check(contract, subject.reading, max_length or contract.max_length, measure)
        splits = [(part.split, check.part(part)) for part in subject.config.parts]
        findings += [*check.tally.findings(), *_few_rows(subject, splits[0][1])]
        longest = check.longest
    return Report(
        trainer=contract.name,
        dataset=name,
        config=subject.config.name,
        layout=subject.reading.layout.name if subject.reading else None,
        splits=tuple(splits),
        findings=tuple(sorted(findings, key=lambda finding: finding.level)),
        suited=subject.suited,
        longest=longest,
        counted=tokenizer is not None,
    )


def config_stub(dataset: Name, trainer: str, *, config: str | None = None, max_length: int | None = None) -> str:
    """The text of the trainer's own configuration for this dataset (`TRAINERS[trainer].stub_name` names the file).

    Raises UsageError as `validate_dataset`, and when the trainer has none or doesn't read this config of the dataset.
    """
    contract, name = contract_of(trainer), os.fspath(dataset)
    if contract.stub is None:
        raise UsageError(f"--write-config: {contract.name} is set up without a file; {contract.docs} says how")
    subject = opened(name, contract, config)
    if subject.reading is None:
        raise UsageError(f"--write-config: {contract.name} doesn't read {subject.where}; {subject.advice}")
    splits = [part.split for part in subject.config.parts]
    kind, layout = find_source(name).kind, subject.reading.layout
    return contract.stub(
        Target(
            path=name if kind == "hub" else str(Path(name).resolve()),
            is_file=kind == "file",
            config=subject.config.name,
            layout=layout,
            train="train" if kind == "file" else splits[0],  # the only split that a lone file has, whatever its name
            test=splits[1] if len(splits) > 1 else None,
            optional=tuple(column for column in layout.optional if column in subject.row),
            max_length=max_length or contract.max_length,
        )
    )


class _Check:
    """The rows of all splits against a reading; only counts and first places stay in memory."""

    def __init__(self, contract: Contract, reading: Reading, max_length: int, measure: Measure) -> None:
        self.tally = Tally()
        self.longest = 0
        self._contract, self._reading, self._max_length, self._measure = contract, reading, max_length, measure

    def part(self, part: Part) -> int:
        """Check one split; the number of its rows."""
        rows = 0
        for row in part.rows(self._wanted(part)):
            rows += 1
            if row.problem:
                self.tally.add(part.split, "unreadable", UNREADABLE, row.where, row.problem)
                continue
            for code, rule, detail in defects(row.values, self._reading, self._contract):
                self.tally.add(part.split, code, rule, row.where, detail)
            length = self._measure(texts(row.values, self._reading))
            self.longest = max(self.longest, length)
            if length > self._max_length:
                detail = f"{length:,} tokens, above {self._max_length:,}"
                self.tally.add(part.split, "too_long", self._contract.too_long, row.where, detail)
        return rows

    def _wanted(self, part: Part) -> set[str] | None:
        """The columns that have to be read, None for all."""
        if self._contract.others is not None:
            return None
        layout, first = self._reading.layout, next(part.rows(), None)
        return {*layout.columns, *(name for name in layout.optional if first and name in first.values)}


def _few_rows(subject: Opened, rows: int) -> list[Finding]:
    contract = subject.contract
    if rows >= contract.min_rows:
        return []
    what = f"{rows:,} rows; {contract.name} takes no fewer than {contract.min_rows}"
    return [Finding("error", "few_rows", subject.where, what, "make more records")]
