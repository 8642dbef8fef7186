"""How many records a start works toward: a fixed number, or so many more than there were (`target: +500`).

A start writes its target down before it asks anything, and marks it as met when the dataset is written. Until then
every start works toward the same number, so a start that was killed or ended by a cap adds nothing twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..config.run_config import RunConfig
from ..core.counted import counted
from .journal import Journal

_NOTE = "growth"


@dataclass(frozen=True, slots=True)
class Aim:
    """What a start works toward.

    target: how many records the dataset shall have. more: how many of them are added; None if the target is a fixed
    number. met: whether a relative target was reached and its dataset written.
    """

    target: int
    more: int | None = None
    met: bool = False

    @property
    def base(self) -> int:
        """The number of records when the target was set."""
        return self.target - (self.more or 0)

    @property
    def notes(self) -> dict[str, str]:
        """The target as notes of the journal."""
        stored = None if self.more is None else [self.target, self.more, self.met]
        return {"target": str(self.target), _NOTE: json.dumps(stored)}

    @property
    def words(self) -> str:
        """The target in words, as `status` and `check` print it."""
        if self.more is None:
            return counted(self.target, "record")
        return f"{counted(self.target, 'record')} (+{self.more:,}: from {self.base:,} on)"


def aim_of(journal: Journal) -> Aim | None:
    """Return what the last start works toward; None before the first start."""
    target = journal.meta("target")
    if target is None:
        return None
    stored = json.loads(journal.meta(_NOTE) or "null")
    return Aim(int(target)) if stored is None else Aim(*stored)


def next_aim(config: RunConfig, journal: Journal | None) -> Aim:
    """Return what a start with `config` works toward.

    journal: the run's; in a fork the source's; None for a new run.
    """
    if config.more is None:
        return Aim(int(config.target))
    # A relative target that was set and not met stays as it is, whatever the configuration says now.
    last = aim_of(journal) if journal is not None else None
    if last is not None and last.more is not None and not last.met:
        return last
    return Aim(made(journal) + config.more, config.more)


def made(journal: Journal | None) -> int:
    """Return the number of records in the dataset so far."""
    last = aim_of(journal) if journal is not None else None
    return 0 if journal is None or last is None else min(last.target, journal.ledger.finished())


def note_met(journal: Journal) -> None:
    """Mark a relative target as met, so that the next start sets a new one."""
    last = aim_of(journal)
    if last is not None and last.more is not None:
        journal.set_meta(**Aim(last.target, last.more, met=True).notes)
