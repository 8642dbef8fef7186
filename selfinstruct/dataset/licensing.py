"""Whose outputs a run holds, under which terms, and what follows for its dataset: `terms` applied to a run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..journal.provenance import starts_of, teacher_of
from ..journal.snapshot import Snapshot
from .terms import SeedTerms, Statement, TeacherTerms, consequences, seed_terms, terms_of


@dataclass(frozen=True, slots=True)
class UsedTeacher:
    """A teacher that answered questions of the run. model: as its answers name it, else as it is configured.

    host: where it was asked, None where it isn't a server. own: it was an object in the caller's code.
    purposes: what it was asked for. first_at, last_at: when, seconds of the epoch.
    """

    config: TeacherOptions
    model: str
    host: str | None
    own: bool
    purposes: tuple[str, ...]
    answers: int
    first_at: float
    last_at: float


@dataclass(frozen=True, slots=True)
class Licensing:
    """What is known of seeds and outputs, the licence that is stated for the dataset (or None), and what follows."""

    seeds: SeedTerms
    teachers: tuple[TeacherTerms, ...]
    stated: str | None
    statements: tuple[Statement, ...]

    @property
    def warnings(self) -> tuple[Statement, ...]:
        """What whoever makes or uses the dataset must know: restrictions, conflicts, conditions."""
        return tuple(s for s in self.statements if s.kind in ("restriction", "conflict", "condition"))


def used_teachers(snapshot: Snapshot) -> list[UsedTeacher]:
    """The teachers that answered, in the order of their first question."""
    starts = {start.began_at: start for start in starts_of(snapshot.journal)}
    configs = {generation.number: RunConfig.parse(generation.config) for generation in snapshot.run.generations}
    found: dict[tuple[object, ...], UsedTeacher] = {}
    for generation, began_at, name, model, purpose, answers, first_at, last_at in snapshot.answers_by_teacher():
        config, start = teacher_of(configs[generation], name), None if began_at is None else starts.get(began_at)
        own = start is not None and start.hosts is None
        host = start.hosts.get(name) if start is not None and start.hosts is not None else None
        used = UsedTeacher(config, model or config.model, host, own, (purpose,), answers, first_at, last_at)
        key = (config.kind, config.model, config.license, used.model, host, own)
        found[key] = _both(found[key], used) if key in found else used
    return list(found.values())


def licensing(snapshot: Snapshot, stated: str | None = None) -> Licensing:
    """The licence of a run's dataset as far as it is known; stated: in place of the run's own `dataset.license`."""
    config = snapshot.run.config
    digests = {str(generation.meaning.get("seeds")) for generation in snapshot.run.generations}
    seeds = seed_terms(config.seeds_license, digests.pop() if len(digests) == 1 else None)
    teachers = tuple(dict.fromkeys(_terms(used) for used in used_teachers(snapshot)))
    stated = config.dataset.license if stated is None else stated
    return Licensing(seeds, teachers, stated, tuple(consequences(seeds, teachers, stated)))


def _both(one: UsedTeacher, other: UsedTeacher) -> UsedTeacher:
    """The same teacher at two times, or asked for two things."""
    return replace(
        one,
        purposes=tuple(dict.fromkeys((*one.purposes, *other.purposes))),
        answers=one.answers + other.answers,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
    )


def _terms(used: UsedTeacher) -> TeacherTerms:
    """By the configured name, as the catalogue knows a local model; of an object in code by what its answers say."""
    if used.own:
        return terms_of(TeacherOptions(kind="own", model=used.model, license=used.config.license))
    return terms_of(used.config, used.host)
