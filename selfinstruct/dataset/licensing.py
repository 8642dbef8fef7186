"""Apply `terms` to a run: find the teachers that answered, their terms, and the consequences."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..journal.provenance import starts_of, teacher_of
from ..journal.snapshot import Snapshot
from .terms import SourceTerms, Statement, TeacherTerms, consequences, document_terms, seed_terms, terms_of


@dataclass(frozen=True, slots=True)
class UsedTeacher:
    """A teacher that answered questions of the run.

    Attributes:
        model: Name of the model in the answers, otherwise in the configuration.
        host: Host of the server, or None if the teacher is not a server.
        own: Whether the teacher was an object passed by the caller.
        first_at, last_at: Times of the first and the last question, Unix time in seconds.
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
    """The terms of sources and outputs, the license stated for the dataset (or None), and the resulting statements."""

    sources: tuple[SourceTerms, ...]
    teachers: tuple[TeacherTerms, ...]
    stated: str | None
    statements: tuple[Statement, ...]

    @property
    def warnings(self) -> tuple[Statement, ...]:
        """The statements that creators and users of the dataset must know: restrictions, conflicts, conditions."""
        return tuple(s for s in self.statements if s.kind in ("restriction", "conflict", "condition"))


def used_teachers(snapshot: Snapshot) -> list[UsedTeacher]:
    """Return the teachers that answered, in the order of their first questions."""
    starts = {start.began_at: start for start in starts_of(snapshot.journal)}
    configs = {generation.number: RunConfig.parse(generation.config) for generation in snapshot.run.generations}
    found: dict[tuple[object, ...], UsedTeacher] = {}
    for generation, began_at, name, model, purpose, answers, first_at, last_at in snapshot.answers_by_teacher():
        config, start = teacher_of(configs[generation], name), None if began_at is None else starts.get(began_at)
        # A start with a teacher object records no hosts.
        own = start is not None and start.hosts is None
        host = start.hosts.get(name) if start is not None and start.hosts is not None else None
        used = UsedTeacher(config, model or config.model, host, own, (purpose,), answers, first_at, last_at)
        # The same model under other settings has the same terms, so it is listed once.
        key = (config.kind, config.model, config.license, used.model, host, own)
        found[key] = _merge(found[key], used) if key in found else used
    return list(found.values())


def licensing(snapshot: Snapshot, stated: str | None = None) -> Licensing:
    """Return what is known about the license of a run's dataset. stated: overrides `dataset.license`."""
    config = snapshot.run.config
    # Bundled seeds are recognized by their digest, if no generation changed them.
    digests = {str(generation.meaning.get("seeds")) for generation in snapshot.run.generations}
    arrivals = snapshot.journal.arrivals.all()
    documents = list(dict.fromkeys(passage.document for each in arrivals for passage in each.passages))
    sources = document_terms(config.documents_license, documents)
    if any(each.tasks for each in arrivals):
        sources.insert(0, seed_terms(config.seeds_license, digests.pop() if len(digests) == 1 else None))
    teachers = tuple(dict.fromkeys(_terms(used) for used in used_teachers(snapshot)))
    stated = config.dataset.license if stated is None else stated
    return Licensing(tuple(sources), teachers, stated, tuple(consequences(sources, teachers, stated)))


def _merge(one: UsedTeacher, other: UsedTeacher) -> UsedTeacher:
    return replace(
        one,
        purposes=tuple(dict.fromkeys((*one.purposes, *other.purposes))),
        answers=one.answers + other.answers,
        first_at=min(one.first_at, other.first_at),
        last_at=max(one.last_at, other.last_at),
    )


def _terms(used: UsedTeacher) -> TeacherTerms:
    # The configuration of a teacher object is unrelated to its model, so look up the name in its answers instead.
    if used.own:
        return terms_of(TeacherOptions(kind="own", model=used.model, license=used.config.license))
    return terms_of(used.config, used.host)
