"""How many records a start works towards: a number of its own, or so many more than there were (`target: +500`).

What a start takes on is written down before anything is asked, and marked as met when its dataset is written. Until
then whoever starts again goes on to the same number: a start that was killed, or ended by a cap, adds nothing twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..config.run_config import RunConfig
from .journal import Journal

_NOTE = "growth"


@dataclass(frozen=True, slots=True)
class Aim:
    """What a start works towards. target: records that the dataset shall have.

    more: those that it adds, None where the target is a number of its own. met: that many are there and written out.
    """

    target: int
    more: int | None = None
    met: bool = False

    @property
    def base(self) -> int:
        """Records that were there when it was taken on."""
        return self.target - (self.more or 0)

    @property
    def notes(self) -> dict[str, str]:
        """It, as notes of the journal."""
        stored = None if self.more is None else [self.target, self.more, self.met]
        return {"target": str(self.target), _NOTE: json.dumps(stored)}

    @property
    def words(self) -> str:
        """How `status` and `check` say it."""
        if self.more is None:
            return f"{self.target:,} records"
        return f"{self.target:,} records (+{self.more:,}: from {self.base:,} on)"


def aim_of(journal: Journal) -> Aim | None:
    """What the last start took on; None before the first one."""
    target = journal.meta("target")
    if target is None:
        return None
    stored = json.loads(journal.meta(_NOTE) or "null")
    return Aim(int(target)) if stored is None else Aim(*stored)


def next_aim(config: RunConfig, journal: Journal | None) -> Aim:
    """What a start with `config` takes on, by the run's journal, or by that of the run it is forked from.

    A relative target that is not met yet is gone on with as it was taken on, whatever number stands there now.
    """
    if config.more is None:
        return Aim(int(config.target))
    last = aim_of(journal) if journal is not None else None
    if last is not None and last.more is not None and not last.met:
        return last
    return Aim(made(journal) + config.more, config.more)


def made(journal: Journal | None) -> int:
    """Records of the dataset that stand in the journal."""
    last = aim_of(journal) if journal is not None else None
    return 0 if journal is None or last is None else min(last.target, journal.ledger.finished())


def note_met(journal: Journal) -> None:
    """Write down that what was taken on is there and written out: the next start takes on its own."""
    last = aim_of(journal)
    if last is not None and last.more is not None:
        journal.set_meta(**Aim(last.target, last.more, met=True).notes)
