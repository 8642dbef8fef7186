"""What a start would change in its run, and whether it may.

New seeds begin a generation automatically. Another teacher, other prompts or other sampling begin one on request.
Everything else needs a new run: removed or edited seeds, and settings that existing tasks would be judged by again
(filters, similarity, the judge).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config.fields import MayChange
from ..config.run_config import default_of, digest_of, may_change
from ..core.counted import counted
from ..core.errors import ConfigChanged, UsageError
from ..core.tasks import SeedTask
from ..seeds.load import SeedChange, compare_seeds, seeds_digest
from .journal import Journal

_MOST_IDS = 5
"""Ids that a message lists."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a start changes in its run.

    meaning: the values of the configuration that decide what the answers are. added: the new seeds. begins: whether a
    generation begins. replace_seeds: whether the new seeds replace the run's seeds. messages: what to tell the user,
    one line each.
    """

    meaning: dict[str, Any]
    added: list[SeedTask] = field(default_factory=list)
    begins: bool = True
    replace_seeds: bool = False
    messages: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The config digest."""
        return digest_of(self.meaning)


def change_of(
    path: Path, journal: Journal, meaning: dict[str, Any], seeds: Sequence[SeedTask], *, new_generation: bool
) -> Change:
    """Return what a start changes in an existing run.

    Args:
        path: The run's folder.
        journal: The run's journal.
        meaning: The values of the new configuration that decide what the answers are.
        seeds: All seeds of the new configuration.
        new_generation: Whether another teacher, other prompts or other sampling may begin a generation.

    Raises:
        ConfigChanged: The change needs a new run, or `new_generation`.
        UsageError: The change would leave open batch jobs without a configuration to collect them.
    """
    generations = journal.history.generations()
    if not generations:
        return Change(meaning, list(seeds))

    # What differs from the newest generation, and whether that may begin a generation.
    last, messages, seed_change = generations[-1], list[str](), compare_seeds(journal.arrivals.known(), seeds)
    meaning = meaning | {"seeds": seeds_digest(seed_change.tasks)}
    before = {key: default_of(key) for key in meaning} | last.meaning  # the run may be older than a key
    changed = [key for key in sorted(before.keys() | meaning.keys()) if before.get(key) != meaning.get(key)]
    only_seeds = set(changed) <= {"seeds"}
    possible = all(may_change(key) is MayChange.WITH_A_GENERATION for key in changed)
    possible = possible and not (seed_change.removed or seed_change.edited)
    if not possible or not (only_seeds or new_generation):
        raise _config_changed(path, _differences(changed, before, meaning, seed_change), seed_change, possible)

    # Open batch jobs can only be collected with the configuration that made them; new seeds don't affect that.
    waiting = journal.jobs.standing()
    if waiting and not only_seeds:
        raise UsageError(
            f"{path}: {len(waiting)} batch jobs are under way; start with the configuration that asked them until they"
            " are collected, then --new-generation"
        )

    added = seed_change.added
    if added:
        messages.append(f"{counted(len(added), 'new seed')}, {_some([task.id for task in added])}: a new generation")
    messages += [_line(key, before, meaning) + ": a new generation" for key in changed if key != "seeds"]
    return Change(meaning, added, begins=bool(changed), messages=tuple(messages))


def change_of_fork(source: Journal, meaning: dict[str, Any], seeds: Sequence[SeedTask]) -> Change:
    """Return what a fork changes. If the source's seeds are unchanged, each keeps the question from which it counts.

    Args:
        source: The journal that is forked.
        meaning: The values of the new configuration that decide what the answers are.
        seeds: All seeds of the new configuration.
    """
    seed_change = compare_seeds(source.arrivals.known(), seeds)
    if seed_change.removed or seed_change.edited:
        return Change(meaning, list(seeds), replace_seeds=True)
    return Change(meaning | {"seeds": seeds_digest(seed_change.tasks)}, seed_change.added)


def seeds_in_words(journal: Journal, seeds: Sequence[SeedTask]) -> str:
    """Describe new, missing and edited seeds of a run, for `check`; empty if there are none."""
    change = compare_seeds(journal.arrivals.known() or seeds, seeds)
    kinds = ("new", [task.id for task in change.added]), ("gone", change.removed), ("edited", change.edited)
    return "".join(f"; {len(ids):,} {kind}: {_some(ids)}" for kind, ids in kinds if ids)


def _differences(changed: list[str], before: dict[str, Any], now: dict[str, Any], seeds: SeedChange) -> list[str]:
    """Describe what differs, one line each: every changed key, and the ids of removed and edited seeds."""
    lines = [_line(key, before, now) for key in changed if key != "seeds" or not (seeds.removed or seeds.edited)]
    kinds = (seeds.removed, "gone"), (seeds.edited, "edited")
    return lines + [f"seeds: {_some(ids)} {kind}" for ids, kind in kinds if ids]


def _config_changed(path: Path, lines: list[str], seeds: SeedChange, possible: bool) -> ConfigChanged:
    """Build the error that says what differs and what to do. possible: whether a new generation could begin."""
    ways = ["start a new run (another run_dir)"]
    if seeds.removed or seeds.edited:
        ways.insert(0, "put the seeds back as they were (add an edited seed under a new id)")
    if possible:
        ways.append("`generate --new-generation` to continue this run with it: existing records stay as they are")
    fork = "`generate --fork NEW_DIR` to copy its answers and continue there"
    text = "\n  ".join([f"{path}: this run was made with another configuration:", *lines])
    return ConfigChanged(f"{text}\n{', '.join(ways)}, or {fork}", lines)


def _line(key: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    return f"{key}: was {_printable(before.get(key))}, now {_printable(now.get(key))}"


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _MOST_IDS:,} more" if len(ids) > _MOST_IDS else ""
    return ", ".join(map(_printable, ids[:_MOST_IDS])) + more


def _printable(value: object) -> str:
    """Format a value as JSON of at most 60 characters, with control characters escaped."""
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in json.dumps(value, ensure_ascii=False))
    return text if len(text) <= 60 else text[:57] + "..."
