"""The results of a validation: rules, findings, the report, and the tally that counts defects of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a defect does to the training, and how to fix the defect."""

    level: Level  # 'error' if the trainer fails, drops the row or learns the wrong thing; 'warning' if that depends
    what: str  # the effect
    change: str  # the remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of defect in one split.

    Attributes:
        level, what, change: 'error' or 'warning', the effect, and the remedy.
        code: The name of the defect in snake_case.
        where: config/split, or the first such row ('messages/train.jsonl:12').
        rows: Number of such rows; 0 for a defect of the whole split.
    """

    level: Level
    code: str
    where: str
    what: str
    change: str
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The result of checking a dataset against a trainer's contract.

    Attributes:
        trainer, dataset, config: What was checked.
        layout: The layout that the trainer reads ('messages', 'alpaca' ...); None if it reads none.
        splits: Name and number of rows of each split.
        findings: The findings, errors first.
        suited: Configs of the same dataset that the trainer reads, the best one first.
        records: Number of records that the rows belong to; 0 if the rows don't name theirs.
        dialogues: Number of rows with several answers.
        loss: Which answers of a conversation the trainer learns, and the settings that change it.
        longest: Tokens of the longest row.
        counted: Whether a tokenizer counted the tokens; otherwise they are estimated.
    """

    trainer: str
    dataset: str
    config: str | None
    layout: str | None
    splits: tuple[tuple[str, int], ...]
    findings: tuple[Finding, ...]
    suited: tuple[str, ...]
    records: int
    dialogues: int
    loss: str
    longest: int
    counted: bool

    @property
    def rows(self) -> int:
        """Number of rows in all splits."""
        return sum(rows for _, rows in self.splits)

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not any(finding.level == "error" for finding in self.findings)


class Tally:
    """Counts defects of rows, by split and kind, and keeps the first row of each kind."""

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], tuple[Rule, str, str]] = {}
        self._rows: dict[tuple[str, str], int] = {}

    def add(self, split: str, code: str, rule: Rule, where: str, detail: str = "") -> None:
        """Count a row that breaks a rule; the first row's `detail` precedes the effect in the message."""
        key = (split, code)
        if key not in self._first:
            self._first[key] = (rule, where, detail)
        self._rows[key] = self._rows.get(key, 0) + 1

    def findings(self) -> list[Finding]:
        """Return one finding per split and kind, in order of first occurrence."""
        return [
            Finding(rule.level, code, where, f"{detail}: {rule.what}" if detail else rule.what, rule.change, rows)
            for ((_, code), (rule, where, detail)), rows in zip(self._first.items(), self._rows.values(), strict=True)
        ]
