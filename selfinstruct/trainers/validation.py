"""`validate_dataset` and `config_stub`: check a dataset in one pass, and write a trainer's configuration for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ..core.counted import counted
from ..core.errors import UsageError
from ..core.records import record_of
from ..tables import find_source
from .check_pairs import Balance
from .check_rows import count_answers, find_defects, row_text, turn_key_of
from .config_files import Target
from .contract import UNREADABLE, Contract, Reading
from .findings import Finding, Report, Tally
from .open_dataset import OpenDataset, Split, contract_of, open_dataset

Name = str | os.PathLike[str]
# The columns that tell which record a row belongs to.
_TRACED = {"id", "run_id"}


def validate_dataset(
    dataset: Name,
    trainer: str,
    *,
    config: str | None = None,
    max_length: int | None = None,
    tokenizer: Name | None = None,
) -> Report:
    """Check a dataset against a trainer's contract.

    Args:
        dataset: A folder with a card, any folder of data files, a file or a hub name.
        trainer: A name in `TRAINERS`.
        config: The config of the dataset; the default config if None.
        max_length: Tokens per row; the trainer's default if None.
        tokenizer: A model's tokenizer.json; tokens are estimated if None.

    Raises:
        UsageError: The trainer or config is unknown, or the dataset can't be read.
    """
    contract, name = contract_of(trainer), os.fspath(dataset)
    measure = estimate_tokens if tokenizer is None else load_counter(Path(tokenizer))
    subject = open_dataset(name, contract, config)
    findings, splits, longest, records, dialogues = subject.schema_findings(), [], 0, 0, 0
    if subject.reading is not None:
        check = _RowChecker(contract, subject.reading, max_length or contract.max_length, measure)
        splits = [(split.name, check.run(split)) for split in subject.config.splits]
        findings += [*check.tally.findings(), *_check_row_count(subject, splits[0][1])]
        findings += check.balances[0].findings(subject.where)
        longest, records, dialogues = check.longest, check.records, check.dialogues
    return Report(
        trainer=contract.name,
        dataset=name,
        config=subject.config.name,
        layout=subject.reading.layout.name if subject.reading else None,
        splits=tuple(splits),
        findings=tuple(sorted(findings, key=lambda finding: finding.level)),
        suited=subject.suited,
        records=records,
        dialogues=dialogues,
        loss=subject.reading.loss if subject.reading else "",
        longest=longest,
        counted=tokenizer is not None,
    )


def config_stub(dataset: Name, trainer: str, *, config: str | None = None, max_length: int | None = None) -> str:
    """Return the trainer's own configuration for a dataset; `TRAINERS[trainer].stub_name` is the name of the file.

    Args:
        dataset, trainer, config, max_length: See `validate_dataset`.

    Raises:
        UsageError: See `validate_dataset`; also if the trainer has no such file or does not read this config.
    """
    contract, name = contract_of(trainer), os.fspath(dataset)
    if contract.stub is None:
        raise UsageError(f"--write-config: {contract.name} is set up without a file; {contract.docs} says how")
    subject = open_dataset(name, contract, config)
    if subject.reading is None:
        raise UsageError(f"--write-config: {contract.name} doesn't read {subject.where}; {subject.advice}")
    splits = [split.name for split in subject.config.splits]
    kind, layout = find_source(name).kind, subject.reading.layout
    return contract.stub(
        Target(
            path=name if kind == "hub" else str(Path(name).resolve()),
            is_file=kind == "file",
            config=subject.config.name,
            layout=layout,
            train="train" if kind == "file" else splits[0],  # a single file is split 'train', whatever its name
            test=splits[1] if len(splits) > 1 else None,
            roles=subject.reading.roles,
            optional=tuple(column for column in layout.optional if column in subject.row),
            turn_key=turn_key_of(subject.row, subject.reading, contract),
            max_length=max_length or contract.max_length,
        )
    )


class _RowChecker:
    """Checks the rows of all splits; only counts and first locations stay in memory."""

    def __init__(self, contract: Contract, reading: Reading, max_length: int, measure: Measure) -> None:
        self.tally = Tally()
        self.balances: list[Balance] = []
        self.longest = self.dialogues = self.records = 0
        self._contract, self._reading, self._max_length, self._measure = contract, reading, max_length, measure

    def run(self, split: Split) -> int:
        rows, balance = 0, Balance(self._reading.layout, self._contract)
        self.balances.append(balance)
        for row in split.rows(self._wanted(split)):
            rows += 1
            if row.problem:
                self.tally.add(split.name, "unreadable", UNREADABLE, row.where, row.problem)
                continue
            if row.values.keys() >= _TRACED:
                self.records += record_of(str(row.values["id"])) == row.values["id"]
            defects = list(find_defects(row.values, self._reading, self._contract))
            for code, rule, detail in defects:
                self.tally.add(split.name, code, rule, row.where, detail)
            if not any(code == "unreadable" for code, *_ in defects):
                balance.add(row.values)
                self.dialogues += count_answers(row.values, self._reading) > 1
            length = self._measure(row_text(row.values, self._reading))
            self.longest = max(self.longest, length)
            if length > self._max_length:
                detail = f"{length:,} tokens, above {self._max_length:,}"
                self.tally.add(split.name, "too_long", self._contract.too_long, row.where, detail)
        return rows

    def _wanted(self, split: Split) -> set[str] | None:
        """Return the columns that have to be read, None for all."""
        if self._contract.others is not None:  # the trainer minds further columns
            return None
        layout, first = self._reading.layout, next(split.rows(), None)
        return {*layout.columns, *(name for name in (*layout.optional, *_TRACED) if first and name in first.values)}


def _check_row_count(subject: OpenDataset, rows: int) -> list[Finding]:
    contract = subject.contract
    if rows >= contract.min_rows:
        return []
    what = f"{counted(rows, 'row')}; {contract.name} takes no fewer than {contract.min_rows}"
    return [Finding("error", "few_rows", subject.where, what, "make more records")]


# A crude average for English and code; other scripts differ.
BYTES_PER_TOKEN = 4

Measure = Callable[[str], int]


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a text: UTF-8 bytes / BYTES_PER_TOKEN, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def load_counter(tokenizer: Path) -> Measure:
    """Return a function that counts tokens with a model's `tokenizer.json`, without those of a chat template.

    Raises UsageError if the file can't be read, or the package `tokenizers` is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise UsageError("--tokenizer needs the package 'tokenizers': pip install 'selfinstruct[tokenizer]'") from None
    file = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    if not file.is_file():
        raise UsageError(f"--tokenizer {tokenizer}: no such file; name a model's tokenizer.json")
    try:
        loaded = Tokenizer.from_file(str(file))
    except Exception as error:  # the package raises anything on a foreign file
        raise UsageError(f"--tokenizer {tokenizer}: not a tokenizer.json: {' '.join(str(error).split())}") from None
    loaded.no_truncation()
    return lambda text: len(loaded.encode(text, add_special_tokens=False).ids)
