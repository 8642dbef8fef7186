"""A dataset opened for a trainer: which config is meant, how the trainer reads it, and which others would suit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from ..core.errors import UsageError
from ..core.suggest import closest
from .check_rows import defects
from .contract import Contract, Reading
from .contracts import TRAINERS
from .findings import Finding
from .layouts import layout_of
from .parts import Config, as_lines, configs_of, pick

_LOOKED_AT = 100
"""Rows at a config's beginning that are looked at to tell what its columns hold."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A config of a dataset, in the eyes of a trainer.

    where: config/split of its first row. row: that row. reading: how the trainer reads it, or None. suited: the other
    configs that the trainer reads, in its own order of preference.
    """

    contract: Contract
    config: Config
    where: str
    row: Mapping[str, Any]
    reading: Reading | None
    suited: tuple[str, ...]

    @property
    def advice(self) -> str:
        """Which config to take instead."""
        return f"use --config {self.suited[0]}" if self.suited else "none of its configs has columns that it reads"

    def of_schema(self) -> list[Finding]:
        """What is wrong with the columns as such, whatever stands in them."""
        found = _of_schema(self.config, self.where, self.row, self.contract)
        if self.reading is None:
            found.append(self._unread())
        elif self.reading.note:
            code, rule = self.reading.note
            found.append(Finding(rule.level, code, self.where, rule.what, rule.change))
        if self.reading and (ignored := [name for name in self.reading.ignored if self.row.get(name)]):
            what = f"{self.contract.name} doesn't look at {', '.join(ignored)}"
            found.append(Finding("warning", "ignored_columns", self.where, what, "use a layout of messages"))
        if self.suited:
            errors = (finding.level == "error" for finding in found)
            found = [
                replace(finding, change=f"{self.advice}, or {finding.change}") if error else finding
                for finding, error in zip(found, errors, strict=True)
            ]
        return found

    def _unread(self) -> Finding:
        """What the trainer does with columns that it doesn't read."""
        layout = layout_of(self.row)
        rule = self.contract.misses.get(layout.name, self.contract.unread) if layout else self.contract.unread
        names = ", ".join(list(self.row)[:8]) + (", ..." if len(self.row) > 8 else "")
        return Finding(rule.level, "columns", self.where, f"columns {names}: {rule.what}", rule.change)


def opened(dataset: str, contract: Contract, config: str | None) -> Opened:
    """Open the config of that name, or the default. Raises UsageError: no such config, or nothing to read."""
    configs = configs_of(dataset)
    if contract.lines_only:
        configs = [as_lines(each) for each in configs]
    chosen = pick(configs, config, dataset)
    where, row = _first_row(chosen, contract)
    suited = tuple(name for name in _suited(configs, contract) if name != chosen.name)
    return Opened(contract, chosen, where, row, _reading(row, contract), suited)


def contract_of(trainer: str) -> Contract:
    """A trainer's contract by its name. Raises UsageError with the names that there are."""
    if trainer not in TRAINERS:
        guess = closest(trainer, TRAINERS)
        hint = f"did you mean {guess!r}?" if guess else f"one of {', '.join(TRAINERS)}"
        raise UsageError(f"--for {trainer}: unknown trainer; {hint}")
    return TRAINERS[trainer]


def _first_row(config: Config, contract: Contract) -> tuple[str, dict[str, Any]]:
    """A config's name (its file's, without configs) and split, and the row that tells what its columns hold.

    That is the first one that the trainer reads, of some: a first row may be an empty one. UsageError without any.
    """
    for part in config.parts:
        rows = [row.values for row in islice(part.rows(), _LOOKED_AT) if not row.problem]
        if rows:
            row = next((row for row in rows if _reading(row, contract)), rows[0])
            return f"{config.name or part.sources[0].name}/{part.split}", row
    raise UsageError(f"{config.parts[0].sources[0].name}: holds no readable row; a row an example is expected")


def _reading(row: Mapping[str, Any], contract: Contract) -> Reading | None:
    return contract.reading_of(layout_of(row, [reading.layout for reading in contract.readings]))


def _of_schema(config: Config, where: str, row: Mapping[str, Any], contract: Contract) -> list[Finding]:
    found = []
    for some, others, rule in contract.clashes:
        if some & row.keys() and others & row.keys():
            names = ", ".join(sorted((some | others) & row.keys()))
            what = f"{names} in one schema: {rule.what}"
            found.append(Finding(rule.level, "mixed_columns", where, what, rule.change))
    paths = [source.path for part in config.parts for source in part.sources]
    if contract.lines_only and not all(path.endswith((".jsonl", ".ndjson")) for path in paths):
        rule = contract.lines_only
        found.append(Finding(rule.level, "file_kind", where, rule.what, rule.change))
    return found


def _suited(configs: Sequence[Config], contract: Contract) -> list[str]:
    """The named configs whose first row the trainer takes without an error, the one it prefers first."""
    ranks = {reading.layout: rank for rank, reading in enumerate(contract.readings)}
    found = []
    for config in configs:
        if config.name is None:
            continue
        where, row = _first_row(config, contract)
        reading = _reading(row, contract)
        levels = [finding.level for finding in _of_schema(config, where, row, contract)]
        if reading:
            levels += [rule.level for _, rule, _ in defects(row, reading, contract)]
        if reading and "error" not in levels:
            found.append((ranks[reading.layout], config.name))
    return [name for _, name in sorted(found)]
