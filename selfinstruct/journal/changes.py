"""What a start would change in its run, and whether it may.

Seeds that were added begin a generation by themselves. Another teacher, other prompts or sampling do so when that is
asked for. Everything else needs a run of its own: seeds that are gone or were edited, and what would judge the tasks
that are there anew (filters, similarity, the judge).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.run_config import digest_of, may_change
from ..config.sections import MayChange
from ..core.errors import ConfigChanged, UsageError
from ..core.tasks import SeedTask
from ..seeds.load import SeedChange, compare_seeds, seeds_digest
from .journal import Journal

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Change:
    """What a start brings to its run: what its configuration means, and the seeds that come with it.

    begins: whether a generation begins with it. afresh: the seeds stand in place of those that the run had.
    said: what whoever starts it should know, a line each.
    """

    meaning: dict[str, Any]
    added: list[SeedTask] = field(default_factory=list)
    begins: bool = True
    afresh: bool = False
    said: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The config digest."""
        return digest_of(self.meaning)


def change_of(
    path: Path, journal: Journal, meaning: dict[str, Any], seeds: Sequence[SeedTask], *, new_generation: bool
) -> Change:
    """What goes on in the run's own folder. Raises ConfigChanged, UsageError where jobs are open that it would orphan.

    new_generation: whether another teacher, other prompts or sampling are meant to begin one.
    """
    generations = journal.generations()
    if not generations:
        return Change(meaning, list(seeds))
    last, said, found = generations[-1], list[str](), compare_seeds(journal.arrivals.known(), seeds)
    meaning = meaning | {"seeds": seeds_digest(found.tasks)}
    changed = [key for key in sorted(last.meaning.keys() | meaning.keys()) if last.meaning.get(key) != meaning.get(key)]
    by_itself = set(changed) <= {"seeds"}
    possible = all(may_change(key) is MayChange.WITH_A_GENERATION for key in changed)
    possible = possible and not (found.removed or found.edited)
    if not possible or not (by_itself or new_generation):
        raise _refused(path, changed, last.meaning, meaning, found, possible)
    waiting = journal.jobs.standing()
    if waiting and not by_itself:
        raise UsageError(
            f"{path}: {len(waiting)} batch jobs are under way; start with the configuration that asked them until they"
            " are collected, then --new-generation"
        )
    if found.added:
        said.append(f"{len(found.added):,} new seeds, {_some([task.id for task in found.added])}: a new generation")
    said += [_line(key, last.meaning, meaning) + ": a new generation" for key in changed if key != "seeds"]
    return Change(meaning, found.added, begins=bool(changed), said=tuple(said))


def change_of_fork(source: Journal, meaning: dict[str, Any], seeds: Sequence[SeedTask]) -> Change:
    """What a fork begins with. The seeds of the source keep their times where all of them are still there."""
    found = compare_seeds(source.arrivals.known(), seeds)
    if found.removed or found.edited:
        return Change(meaning, list(seeds), afresh=True)
    return Change(meaning | {"seeds": seeds_digest(found.tasks)}, found.added)


def seeds_in_words(journal: Journal, seeds: Sequence[SeedTask]) -> str:
    """What has come, gone or changed in the seeds of a run, for `check`; empty where nothing has."""
    found = compare_seeds(journal.arrivals.known() or seeds, seeds)
    kinds = ("new", [task.id for task in found.added]), ("gone", found.removed), ("edited", found.edited)
    return "".join(f"; {len(ids):,} {kind}: {_some(ids)}" for kind, ids in kinds if ids)


def _refused(
    path: Path, changed: list[str], before: dict[str, Any], now: dict[str, Any], found: SeedChange, possible: bool
) -> ConfigChanged:
    lines = [_line(key, before, now) for key in changed if key != "seeds" or not (found.removed or found.edited)]
    lines += [f"seeds: {_some(ids)} {what}" for ids, what in ((found.removed, "gone"), (found.edited, "edited")) if ids]
    ways = ["start a new run (another run_dir)"]
    if found.removed or found.edited:
        ways.insert(0, "put the seeds back as they were (an edited one may stand beside, under a new id)")
    if possible:
        ways.append("`generate --new-generation` to go on here with it: what was made stays as it is")
    fork = "`generate --fork NEW_DIR` to take its answers over and go on there"
    text = "\n  ".join([f"{path}: this run was made with another configuration:", *lines])
    return ConfigChanged(f"{text}\n{', '.join(ways)}, or {fork}", lines)


def _line(key: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    return f"{key}: was {_shown(before.get(key))}, now {_shown(now.get(key))}"


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return ", ".join(map(_shown, ids[:_SHOWN])) + more


def _shown(value: object) -> str:
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 60 else text[:57] + "..."
