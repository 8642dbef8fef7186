"""What a start would change in its run, and whether it may.

New seeds and documents begin a generation automatically. Another teacher, other prompts or other sampling begin one on
request. Everything else needs a new run: removed or edited seeds and documents, and settings that existing tasks would
be judged by again (filters, similarity, the judge).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config.fields import MayChange
from ..config.run_config import default_of, digest_of, may_change
from ..core.counted import counted
from ..core.documents import Passage, passages_digest
from ..core.errors import ConfigChanged, UsageError
from ..core.tasks import SeedTask
from ..seeds.load import SeedChange, compare_seeds, seeds_digest
from .journal import Journal

_MOST_IDS = 5
"""Ids that a message lists."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the questions of a run are made from: seeds, and passages of documents.

    files: a hash of the documents' names, sizes, and times; see `documents.files_digest`.
    """

    seeds: Sequence[SeedTask] = ()
    passages: Sequence[Passage] = ()
    files: str = ""

    @property
    def meaning(self) -> dict[str, Any]:
        """The hashes of the content, which are part of what the configuration means."""
        return {"seeds": seeds_digest(self.seeds), "documents": passages_digest(self.passages)}


@dataclass(frozen=True, slots=True)
class InputChange:
    """The difference between the given inputs and those of a run."""

    seeds: SeedChange
    passages: PassageChange

    @property
    def given(self) -> Inputs:
        """The run's inputs that are still given, in the run's order, then the new ones."""
        return Inputs(self.seeds.tasks, [*self.passages.kept, *self.passages.added])

    @property
    def added(self) -> Inputs:
        """The new inputs."""
        return Inputs(self.seeds.added, self.passages.added)

    @property
    def losses(self) -> list[tuple[str, str, Sequence[str]]]:
        """What has changed besides additions: ('seeds', 'gone', their ids), for each kind that has any."""
        kinds = (
            ("seeds", "gone", self.seeds.removed),
            ("seeds", "edited", self.seeds.edited),
            ("documents", "gone", self.passages.gone),
            ("documents", "edited", self.passages.edited),
        )
        return [each for each in kinds if each[2]]


def compare_inputs(known: Inputs, now: Inputs) -> InputChange:
    """Return how the given seeds and passages differ from those that a run knows."""
    return InputChange(compare_seeds(known.seeds, now.seeds), compare_passages(known.passages, now.passages))


@dataclass(frozen=True, slots=True)
class Change:
    """What a start changes in its run.

    meaning: the values of the configuration that decide what the answers are. added: the new seeds and passages.
    begins: whether a generation begins. replaces: whether the seeds that are added replace the run's. gone: the ids of
    passages that are no longer there. messages: what to tell the user, one line each.
    """

    meaning: dict[str, Any]
    added: Inputs = Inputs()
    begins: bool = True
    replaces: bool = False
    gone: Sequence[str] = ()
    messages: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The config digest."""
        return digest_of(self.meaning)


def known_inputs(journal: Journal) -> Inputs:
    """Return what the questions of a run are made from so far."""
    arrivals = journal.arrivals.all()
    gone = {id for each in arrivals for id in each.gone}
    passages = [passage for each in arrivals for passage in each.passages if passage.id not in gone]
    return Inputs([task for each in arrivals for task in each.tasks], passages)


def change_of(path: Path, journal: Journal, meaning: dict[str, Any], inputs: Inputs, *, new_generation: bool) -> Change:
    """Return what a start changes in an existing run, given the new configuration's meaning and all of its inputs.

    new_generation: whether another teacher, other prompts or other sampling may begin a generation.

    Raises:
        ConfigChanged: The change needs a new run, or `new_generation`.
        UsageError: The change would leave open batch jobs without a configuration to collect them.
    """
    generations = journal.history.generations()
    if not generations:
        return Change(meaning, inputs)

    # What differs from the newest generation, and whether that may begin a generation.
    last, messages, change = generations[-1], list[str](), compare_inputs(known_inputs(journal), inputs)
    meaning = meaning | change.given.meaning
    before = {key: default_of(key) for key in meaning} | last.meaning  # the run may be older than a key
    changed = [key for key in sorted(before.keys() | meaning.keys()) if before.get(key) != meaning.get(key)]
    only_inputs = set(changed) <= {"seeds", "documents"}
    possible = not change.losses and all(may_change(key) is MayChange.WITH_A_GENERATION for key in changed)
    if not possible or not (only_inputs or new_generation):
        raise _config_changed(path, _differences(changed, before, meaning, change), change, possible)

    # Open batch jobs can only be collected with the configuration that made them; new inputs don't affect that.
    waiting = journal.jobs.standing()
    if waiting and not only_inputs:
        raise UsageError(
            f"{path}: {len(waiting)} batch jobs are under way; start with the configuration that asked them until they"
            " are collected, then --new-generation"
        )

    seeds, passages = change.added.seeds, change.added.passages
    if seeds:
        messages.append(f"{counted(len(seeds), 'new seed')}, {_some([task.id for task in seeds])}: a new generation")
    if passages:
        new = list(dict.fromkeys(each.document for each in passages))
        messages.append(
            f"{counted(len(passages), 'new passage')} of {counted(len(new), 'document')}, {_some(new)}: a new "
            "generation"
        )
    others = [key for key in changed if key not in ("seeds", "documents")]
    messages += [_line(key, before, meaning) + ": a new generation" for key in others]
    return Change(meaning, change.added, begins=bool(changed), messages=tuple(messages))


def change_of_fork(source: Journal, meaning: dict[str, Any], inputs: Inputs) -> Change:
    """Return what a fork changes. If no seed is gone or edited, each keeps the question from which it counts.

    Passages always keep it, so that nothing is asked about them twice; those that are gone lose their records.
    """
    change = compare_inputs(known_inputs(source), inputs)
    replaces = bool(change.seeds.removed or change.seeds.edited)
    given = Inputs(inputs.seeds, change.given.passages) if replaces else change.given
    added = Inputs(inputs.seeds, change.added.passages) if replaces else change.added
    return Change(meaning | given.meaning, added, replaces=replaces, gone=[each.id for each in change.passages.removed])


def inputs_in_words(journal: Journal, inputs: Inputs) -> str:
    """Describe new, missing and edited seeds and documents of a run, for `check`; empty if there are none."""
    known = known_inputs(journal)
    if not known.seeds and not known.passages:
        return ""
    change = compare_inputs(known, inputs)
    new = list(dict.fromkeys(each.document for each in change.added.passages))
    kinds = [("seeds", "new", [task.id for task in change.added.seeds]), ("documents", "new", new), *change.losses]
    return "".join(f"; {len(ids):,} {kind} {what}: {_some(ids)}" for what, kind, ids in kinds if ids)


def _differences(changed: list[str], before: dict[str, Any], now: dict[str, Any], change: InputChange) -> list[str]:
    """Describe what differs, one line each: every changed key, and the ids of what is gone or edited."""
    named = {what for what, _, _ in change.losses}
    lines = [_line(key, before, now) for key in changed if key not in named]
    return lines + [f"{what}: {_some(ids)} {kind}" for what, kind, ids in change.losses]


def _config_changed(path: Path, lines: list[str], change: InputChange, possible: bool) -> ConfigChanged:
    ways = ["start a new run (another run_dir)"]
    if change.seeds.removed or change.seeds.edited:
        ways.insert(0, "put the seeds back as they were (add an edited seed under a new id)")
    if change.passages.gone or change.passages.edited:
        ways.insert(0, "put the documents back as they were (add an edited document under a new name)")
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


@dataclass(frozen=True, slots=True)
class PassageChange:
    """The difference between given passages and known ones.

    Attributes:
        kept: Known passages whose text is still there, as they are known, in that order.
        added: The new passages, in the order of the documents.
        removed: Known passages whose text is gone.
        gone: Documents that are no longer there, under any name, of which there are known passages.
        edited: Documents of which some text is gone while the document is still there.
    """

    kept: tuple[Passage, ...]
    added: tuple[Passage, ...]
    removed: tuple[Passage, ...]
    gone: tuple[str, ...]
    edited: tuple[str, ...]


def compare_passages(known: Sequence[Passage], now: Sequence[Passage]) -> PassageChange:
    """Return which passages were added, removed, or edited since `known`.

    A passage is recognized by its text, in the same document first. So it stays the same if other parts of its document
    grow, or the document is moved or renamed.
    """
    places: dict[str, list[Passage]] = {}
    for each in now:
        places.setdefault(each.text, []).append(each)
    there = {each.document for each in now}
    kept, removed, used, moved = list[Passage](), list[Passage](), set[str](), dict[str, str]()
    for each in known:
        found = sorted(places.get(each.text, ()), key=lambda place: (place.id in used, place.document != each.document))
        if not found or found[0].id in used:
            removed.append(each)
            continue
        kept.append(each)
        used.add(found[0].id)
        if each.document not in there:
            moved.setdefault(each.document, found[0].document)
    added = tuple(each for each in now if each.id not in used)
    lost = dict.fromkeys(each.document for each in removed)
    edited = tuple(name for name in lost if moved.get(name, name) in there)
    gone = tuple(name for name in lost if name not in edited)
    return PassageChange(tuple(kept), added, tuple(removed), gone, edited)
