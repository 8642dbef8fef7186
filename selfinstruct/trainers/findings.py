"""What a validation says, as values: findings, each with its place and what to change, and the report of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a trainer makes of a defect, and what to do about it.

    level: 'error' when the trainer fails, drops the row or learns the wrong thing; 'warning' when that depends.
    """

    level: Level
    what: str
    change: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of defect in one split.

    code: its name in snake_case. where: config/split, or the first row that has it ('messages/train.jsonl:12').
    rows: how many rows have it; 0 for what concerns the whole split.
    """

    level: Level
    code: str
    where: str
    what: str
    change: str
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """A dataset against a trainer's contract.

    layout: the columns that the trainer reads ('messages', 'alpaca' ...), or None when there are none for it.
    suited: configs of the same dataset that the trainer reads, the best one first. longest: tokens of the longest
    row, counted by a tokenizer or estimated (`counted` tells).
    """

    trainer: str
    dataset: str
    config: str | None
    layout: str | None
    splits: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]
    suited: tuple[str, ...]
    longest: int
    counted: bool

    @property
    def rows(self) -> int:
        """Rows of all splits."""
        return sum(rows for _, rows in self.splits)

    @property
    def ok(self) -> bool:
        """True when there is no error."""
        return not any(finding.level == "error" for finding in self.findings)


class Tally:
    """Defects of rows, each kind counted and told once, with the first row that has it."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], tuple[Rule, str, str]] = {}
        self._rows: dict[tuple[str, str], int] = {}

    def add(self, split: str, code: str, rule: Rule, where: str, detail: str = "") -> None:
        """Note that the row at `where` breaks `rule`; `detail` (of the first one only) is put before what it means."""
        key = (split, code)
        if key not in self._first:
            self._first[key] = (rule, where, detail)
        self._rows[key] = self._rows.get(key, 0) + 1

    def findings(self) -> list[Finding]:
        """One finding a kind and split, in the order in which they were met."""
        return [
            Finding(rule.level, code, where, f"{detail}: {rule.what}" if detail else rule.what, rule.change, rows)
            for ((_, code), (rule, where, detail)), rows in zip(self._first.items(), self._rows.values(), strict=True)
        ]
