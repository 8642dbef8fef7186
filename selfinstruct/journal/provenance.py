"""Where a run's records come from: who was asked when, past which checks they came, and what each has cost.

Nothing of it is stored with the records; it is joined from the journal's answers when it is asked for.

What a record has cost: a proposal's tokens and dollars are shared equally among all tasks that were read from its
answer, the refused ones included; a question that developed a task counts for it whole, equally for those that share
it. So the sum over all records, plus what went into refused tasks, into answers without a task and into probes, is the
sum over all answers (`Spent`). Answers taken over from another run count with what they cost there.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

from ..config.run_config import ListedTeacher, RunConfig
from ..core.tasks import Record
from .journal import Journal
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens and dollars; fractions, since a proposal is shared. cost_usd: None where no price was known."""

    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    cost_usd: float | None = 0.0

    def __add__(self, other: Share) -> Share:
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        return Share(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens, cost)

    def part(self, some: int, of: int) -> Share:
        """What falls to `some` of `of` who share it equally."""
        factor = some / of
        cost = None if self.cost_usd is None else self.cost_usd * factor
        return Share(self.prompt_tokens * factor, self.completion_tokens * factor, cost)


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the run: when, by which version, at which host each teacher was asked, which checks tasks had to pass.

    hosts: None when the teacher was an object of the caller's own.
    """

    number: int
    began_at: float
    program: str
    hosts: dict[str, str] | None
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of one record beyond the record itself.

    questions: keys in `answers`, the proposal's first. host, output_host: where the proposal was asked, and the
    question whose answer contains its instances; None for a teacher that isn't a server, or if the author is unknown.
    asked_at: of the proposal, seconds of the epoch;
    generation, prompt_hash (see `_prompt_hashes`): of the proposal. passed: the checks, in order.
    """

    run_id: str
    questions: tuple[str, ...]
    prompt_hash: str
    host: str | None
    output_host: str | None
    asked_at: float
    generation: int
    config_digest: str
    passed: tuple[str, ...]
    share: Share


@dataclass(frozen=True, slots=True)
class Spent:
    """Where a run's tokens and dollars went.

    refused: into tasks that are no records, what developed them included. without_task: into answers from which no task
    was read. probes: into finding out how the teacher is best asked.
    """

    records: Share = Share()
    refused: Share = Share()
    without_task: Share = Share()
    probes: Share = Share()

    @property
    def total(self) -> Share:
        """All of it."""
        return self.records + self.refused + self.without_task + self.probes


@dataclass(frozen=True, slots=True)
class Paid:
    """An answer's place in the run, and what it cost. teacher: what the one who gave it is called."""

    purpose: str
    generation: int
    teacher: str
    asked_at: float
    share: Share


class Trail:
    """What the journal tells of a run's answers, read once and at one time."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._run = run = snapshot.run
        journal = snapshot.journal
        self._digests = {generation.number: generation.digest for generation in run.generations}
        self.starts = starts_of(journal)
        self._answers = dict(_answers(journal))
        self._prompts = dict(_prompt_hashes(journal))
        tasks = journal.query(
            "SELECT question, count(DISTINCT idx) FROM verdicts WHERE idx >= 0 AND stage <> 'instance' GROUP BY 1"
        )
        self._tasks = Counter({int(question): int(count) for question, count in tasks})
        self._developments = {
            (question, index): tuple(json.loads(keys))
            for question, index, keys in journal.query("SELECT question, idx, keys FROM developments")
        }
        self._users = Counter(key for keys in self._developments.values() for key in set(keys))

    def of(self, record: Record) -> Origin:
        """Where a record comes from."""
        keys = self.keys(record.question, record.index)
        paid = self._answers[keys[0]]
        output = self._answers.get(record.output_key or "")
        return Origin(
            run_id=self._run.id,
            questions=keys,
            prompt_hash=self._prompts[keys[0]],
            host=self.host(paid.asked_at, paid.teacher),
            output_host=None if output is None else self.host(output.asked_at, output.teacher),
            asked_at=paid.asked_at,
            generation=paid.generation,
            config_digest=self._digests[paid.generation],
            passed=self.checks,
            share=self.share(record.question, record.index),
        )

    @property
    def checks(self) -> tuple[str, ...]:
        """What every record has passed, in order: the checks of the last start, and a judge."""
        judged = self._run.config.judge is not None and self._run.config.judge.min_score is not None
        named = self.starts[-1].checks if self.starts else ()
        return (*named, *(["judge"] if judged else []))

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters of the last start, in order."""
        return tuple(takewhile(lambda name: name != "novelty", self.checks))

    @property
    def last_at(self) -> float:
        """When the last answer was asked for, seconds of the epoch."""
        return max((paid.asked_at for paid in self._answers.values()), default=0.0)

    def keys(self, question: int, index: int) -> tuple[str, ...]:
        """The questions that a task came from: its proposal and what developed it."""
        return (f"p:{question}", *self._developments.get((question, index), ()))

    def share(self, question: int, index: int) -> Share:
        """What a task has cost."""
        proposal, *developed = self.keys(question, index)
        total = self._share(proposal).part(1, max(1, self._tasks[question]))
        for key in dict.fromkeys(developed):
            total += self._share(key).part(1, max(1, self._users[key]))
        return total

    def start(self, moment: float) -> Start | None:
        """The start that a moment belongs to."""
        place = bisect_right([start.began_at for start in self.starts], moment)
        return self.starts[place - 1] if place else None

    def host(self, moment: float, teacher: str) -> str | None:
        """The host that the teacher of that name was asked at then."""
        start = self.start(moment)
        return None if start is None or start.hosts is None else start.hosts.get(teacher)

    def spent(self, records: Iterable[Record]) -> Spent:
        """Where everything went, when these are the records."""
        kept = [(record.question, record.index) for record in records]
        of_proposal = Counter(question for question, _ in kept)
        of_key = Counter(key for place in kept for key in set(self._developments.get(place, ())))
        spent = Spent(records=sum((self.share(*place) for place in kept), Share()))
        refused, without, probes = Share(), Share(), Share()
        for key, paid in self._answers.items():
            kind, _, rest = key.partition(":")
            if kind == "p" and (tasks := self._tasks[int(rest)]):
                refused += paid.share.part(tasks - of_proposal[int(rest)], tasks)
            elif kind == "d":
                users = self._users[key]
                refused += paid.share.part(users - of_key[key], users) if users else paid.share
            elif kind == "probe":
                probes += paid.share
            else:
                without += paid.share
        return Spent(spent.records, refused, without, probes)

    def _share(self, key: str) -> Share:
        paid = self._answers.get(key)
        return paid.share if paid else Share()


def teacher_of(config: RunConfig, name: str) -> ListedTeacher:
    """The teacher of a configuration that answers under `name`; names may change, then it is the first."""
    return next((teacher for teacher in config.all_teachers if teacher.label == name), config.all_teachers[0])


def starts_of(journal: Journal) -> list[Start]:
    """The starts of a run, those of the runs it was forked from included, oldest first."""
    rows = journal.query("SELECT number, began_at, program, hosts, checks FROM starts ORDER BY began_at, number")
    return [Start(row[0], row[1], row[2], json.loads(row[3]), tuple(json.loads(row[4]))) for row in rows]


def iso(moment: float) -> str:
    """Seconds of the epoch as UTC in ISO 8601, to the second."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _prompt_hashes(journal: Journal) -> Iterator[tuple[str, str]]:
    """Of every proposal, by its key: 32 hex digits of the SHA-256 of its prompt as `answers` holds it.

    A system text that many share stands there by a name that is made from its content.
    """
    for key, prompt in journal.query("SELECT key, prompt FROM answers WHERE purpose = 'propose'"):
        yield key, hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _answers(journal: Journal) -> Iterator[tuple[str, Paid]]:
    """Every answer by its key. One that failed and has no price cost nothing."""
    rows = journal.query(
        "SELECT key, purpose, generation, teacher, asked_at, prompt_tokens, completion_tokens,"
        " CASE WHEN cost_usd IS NULL AND failed = 1 THEN 0.0 ELSE cost_usd END FROM answers"
    )
    for key, purpose, generation, teacher, asked_at, prompt_tokens, completion_tokens, cost in rows:
        yield key, Paid(purpose, generation, teacher, asked_at, Share(prompt_tokens, completion_tokens, cost))
