"""Open a dataset for a trainer: choose the config, find how the trainer reads it, and find other configs that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ..core.errors import UsageError
from ..core.suggest import closest
from .check_rows import find_defects
from .contract import LABELED, LINES, Contract, Reading
from .contracts import TRAINERS
from .dataset_configs import Config, as_lines, configs_of, pick
from .findings import Finding
from .layouts import layout_of

# Rows at the beginning of a config to look at for the kind of its columns.
_SAMPLE_ROWS = 100


@dataclass(frozen=True, slots=True)
class OpenDataset:
    """A config of a dataset, and how a trainer reads it."""

    contract: Contract  # the trainer's rules
    config: Config  # the config
    where: str  # config/split of the sample row
    row: Mapping[str, Any]  # a row that shows what the columns hold
    reading: Reading | None  # how the trainer reads the row, or None
    suited: tuple[str, ...]  # other configs that the trainer reads, in its order of preference

    @property
    def advice(self) -> str:
        """Advice on which config to use instead."""
        return f"use --config {self.suited[0]}" if self.suited else "none of its configs has columns that it reads"

    def schema_findings(self) -> list[Finding]:
        """Return the findings about the columns themselves, whatever they hold."""
        found = _schema_findings(self.config, self.where, self.row, self.contract, self.reading)
        if self.reading is None:
            found.append(self._unread_columns())
        elif self.reading.note:
            code, rule = self.reading.note
            found.append(Finding(rule.level, code, self.where, rule.what, rule.change))
        # If another config fits, recommend it for each error.
        if self.suited:
            errors = (finding.level == "error" for finding in found)
            found = [
                replace(finding, change=f"{self.advice}, or {finding.change}") if error else finding
                for finding, error in zip(found, errors, strict=True)
            ]
        return found

    def _unread_columns(self) -> Finding:
        """Return the finding about columns that the trainer does not read."""
        layout = layout_of(self.row)
        usual = LABELED if layout and layout.label else self.contract.unread
        rule = self.contract.misses.get(layout.name if layout else "", usual)
        names = ", ".join(list(self.row)[:8]) + (", ..." if len(self.row) > 8 else "")
        return Finding(rule.level, "columns", self.where, f"columns {names}: {rule.what}", rule.change)


def open_dataset(dataset: str, contract: Contract, config: str | None) -> OpenDataset:
    """Open the config of that name, or the default. Raises UsageError: no such config, or nothing to read."""
    configs = configs_of(dataset)
    if contract.files and contract.files[0] == LINES:
        configs = [as_lines(each) for each in configs]
    chosen = pick(configs, config, dataset)
    where, row = _first_row(chosen, contract)
    suited = tuple(name for name in _matching_configs(configs, contract) if name != chosen.name)
    return OpenDataset(contract, chosen, where, row, contract.reading_of(row), suited)


def contract_of(trainer: str) -> Contract:
    """Return a trainer's contract by name. Raises UsageError with the known names."""
    if trainer not in TRAINERS:
        guess = closest(trainer, TRAINERS)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(TRAINERS)}"
        raise UsageError(f"--for {trainer}: unknown trainer; {hint}")
    return TRAINERS[trainer]


def _first_row(config: Config, contract: Contract) -> tuple[str, dict[str, Any]]:
    """Return config/split (or file/split) and a sample row of a config. Raises UsageError without a readable row.

    The sample is the first of some rows that the trainer reads, since the very first row may be an empty one.
    """
    for split in config.splits:
        rows = [row.values for row in islice(split.rows(), _SAMPLE_ROWS) if not row.problem]
        if rows:
            row = next((row for row in rows if contract.reading_of(row)), rows[0])
            return f"{config.name or split.sources[0].name}/{split.name}", row
    raise UsageError(f"{config.splits[0].sources[0].name}: holds no readable row; write one example per row")


def _schema_findings(
    config: Config, where: str, row: Mapping[str, Any], contract: Contract, reading: Reading | None
) -> list[Finding]:
    found = []
    columns, rule = (reading.clash if reading else None) or (frozenset(), None)
    if reading and rule and (others := columns & row.keys()):
        what = f"{', '.join(sorted(others | reading.layout.columns.keys()))} in one schema: {rule.what}"
        found.append(Finding(rule.level, "mixed_columns", where, what, rule.change))
    paths = [source.path for split in config.splits for source in split.sources]
    endings, rule = contract.files or ("", None)
    if rule and not all(path.endswith(endings) for path in paths):
        found.append(Finding(rule.level, "file_kind", where, rule.what, rule.change))
    return found


def _matching_configs(configs: Sequence[Config], contract: Contract) -> list[str]:
    """Return the named configs whose sample row the trainer accepts without an error, in its order of preference."""
    ranks = {reading.layout: rank for rank, reading in enumerate(contract.readings)}
    found = []
    for config in configs:
        if config.name is None:
            continue
        where, row = _first_row(config, contract)
        reading = contract.reading_of(row)
        levels = [finding.level for finding in _schema_findings(config, where, row, contract, reading)]
        if reading:
            levels += [rule.level for _, rule, _ in find_defects(row, reading, contract)]
        if reading and "error" not in levels:
            found.append((ranks[reading.layout], config.name))
    return [name for _, name in sorted(found)]
