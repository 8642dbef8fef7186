"""Where a run's records come from: teachers, hosts, times, checks and costs, joined from the journal's answers.

The cost of a record: all tasks of a proposal, including rejected ones, share its tokens and dollars equally. A question
that developed a task counts fully for the task; tasks that share such a question share its cost equally. So the costs
of all records, of rejected tasks, of answers without a task, and of probes add up to the cost of all answers (`Spent`).
Inherited answers count with what they cost in the run that asked them.
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

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..core.records import Record
from .journal import Journal
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Share:
    """Tokens and dollars, in fractions, because proposals are shared. cost_usd: None if a price was unknown."""

    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    cost_usd: float | None = 0.0

    def __add__(self, other: Share) -> Share:
        cost = None if self.cost_usd is None or other.cost_usd is None else self.cost_usd + other.cost_usd
        return Share(self.prompt_tokens + other.prompt_tokens, self.completion_tokens + other.completion_tokens, cost)

    def part(self, some: int, of: int) -> Share:
        """Return the part of `some` out of `of` equal parts."""
        factor = some / of
        cost = None if self.cost_usd is None else self.cost_usd * factor
        return Share(self.prompt_tokens * factor, self.completion_tokens * factor, cost)


@dataclass(frozen=True, slots=True)
class Start:
    """A start of the run.

    number: counted from 1. began_at: seconds of the epoch. program: the version of this package. hosts: the host of
    each teacher by its name; None if the teachers were the caller's objects. checks: the checks that tasks had to pass,
    in order.
    """

    number: int
    began_at: float
    program: str
    hosts: dict[str, str] | None
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """What the journal knows about one record besides the record itself.

    questions: keys in `answers`: the proposal, then the questions that developed the task. prompt_hash: the hash of the
    proposal's prompt; see `_prompt_hashes`. host: where the proposal was asked; None for a teacher that isn't a server.
    output_host: where the answer that contains the instances was asked; None also if the author is unknown. asked_at:
    when the proposal was asked, in seconds of the epoch. generation, config_digest: of the proposal. passed: the checks
    that the record has passed, in order. share: what the record cost.
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

    refused: into tasks that are no records, including the questions that developed them. without_task: into answers
    without a readable task. probes: into finding out how to ask the teachers.
    """

    records: Share = Share()
    refused: Share = Share()
    without_task: Share = Share()
    probes: Share = Share()

    @property
    def total(self) -> Share:
        """The sum of all four."""
        return self.records + self.refused + self.without_task + self.probes


@dataclass(frozen=True, slots=True)
class Paid:
    """An answer's origin, and what it cost. teacher: the name of the teacher. asked_at: seconds of the epoch."""

    purpose: str
    generation: int
    teacher: str
    asked_at: float
    share: Share


class Trail:
    """The lineages and costs of a run's records, read from its journal once and at one instant."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._run = run = snapshot.run
        journal = snapshot.journal
        self._digests = {generation.number: generation.digest for generation in run.generations}
        self.starts = starts_of(journal)

        # Answers by key, and how many tasks each proposal brought.
        self._answers = dict(_answers(journal))
        self._prompts = dict(_prompt_hashes(journal))
        tasks = journal.query(
            "SELECT question, count(DISTINCT idx) FROM verdicts WHERE idx >= 0"
            " AND stage NOT IN ('instance', 'review') GROUP BY 1"
        )
        self._tasks = Counter({int(question): int(count) for question, count in tasks})

        # The questions that developed each task, and how many tasks each of these questions developed.
        self._developments = {
            (question, index): tuple(json.loads(keys))
            for question, index, keys in journal.query("SELECT question, idx, keys FROM developments")
        }
        self._users = Counter(key for keys in self._developments.values() for key in set(keys))  # each task counts once

    def of(self, record: Record) -> Lineage:
        """Return the lineage of a record."""
        keys = self.keys(record.question, record.index)
        paid = self._answers[keys[0]]
        output = self._answers.get(record.examples[0].responses[0].key or "")
        return Lineage(
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
        """The checks that every record has passed, in order: those of the last start, and a judge with a threshold."""
        judged = self._run.config.judge is not None and self._run.config.judge.min_score is not None
        named = self.starts[-1].checks if self.starts else ()
        return (*named, *(["judge"] if judged else []))

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters of the last start, in order."""
        return tuple(takewhile(lambda name: name != "novelty", self.checks))

    @property
    def last_at(self) -> float:
        """When the last answer was asked, in seconds of the epoch; 0 without answers."""
        return max((paid.asked_at for paid in self._answers.values()), default=0.0)

    def keys(self, question: int, index: int) -> tuple[str, ...]:
        """Return the keys of the questions behind a task: its proposal, then those that developed it."""
        return (f"p:{question}", *self._developments.get((question, index), ()))

    def share(self, question: int, index: int) -> Share:
        """Return what a task has cost."""
        proposal, *developed = self.keys(question, index)
        total = self._share(proposal).part(1, max(1, self._tasks[question]))
        for key in dict.fromkeys(developed):
            total += self._share(key).part(1, max(1, self._users[key]))
        return total

    def start(self, moment: float) -> Start | None:
        """Return the start that was running at `moment`, in seconds of the epoch; None before the first one."""
        place = bisect_right([start.began_at for start in self.starts], moment)
        return self.starts[place - 1] if place else None

    def host(self, moment: float, teacher: str) -> str | None:
        """Return the host of a teacher at `moment`; None for a teacher that isn't a server."""
        start = self.start(moment)
        return None if start is None or start.hosts is None else start.hosts.get(teacher)

    def spent(self, records: Iterable[Record]) -> Spent:
        """Return where the run's tokens and dollars went, if `records` are its records."""
        # How many of the records came from each proposal and each developing question.
        kept = [(record.question, record.index) for record in records]
        of_proposal = Counter(question for question, _ in kept)
        of_key = Counter(key for place in kept for key in set(self._developments.get(place, ())))

        # Keys are 'p:17' (a proposal), 'd:…' (a development), 'probe:…', and 'failed:…' (an attempt set aside).
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
        return Spent(sum((self.share(*place) for place in kept), Share()), refused, without, probes)

    def _share(self, key: str) -> Share:
        paid = self._answers.get(key)
        return paid.share if paid else Share()


def teacher_of(config: RunConfig, name: str) -> TeacherOptions:
    """Return the teacher called `name`, or the first one if none is: names may change between starts."""
    return next((teacher for teacher in config.all_teachers if teacher.label == name), config.all_teachers[0])


def starts_of(journal: Journal) -> list[Start]:
    """Return the starts of a run, oldest first, including those of the runs that it was forked from."""
    rows = journal.query("SELECT number, began_at, program, hosts, checks FROM starts ORDER BY began_at, number")
    return [Start(row[0], row[1], row[2], json.loads(row[3]), tuple(json.loads(row[4]))) for row in rows]


def iso(moment: float) -> str:
    """Format seconds of the epoch as UTC in ISO 8601, such as '2026-03-01T12:00:00Z'."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _prompt_hashes(journal: Journal) -> Iterator[tuple[str, str]]:
    """Yield the key of every proposal, and 32 hex digits of the SHA-256 of its prompt as stored in `answers`.

    The stored prompt names a shared first message by the hash of its text, so the hash covers that text, too.
    """
    for key, prompt in journal.query("SELECT key, prompt FROM answers WHERE purpose = 'propose'"):
        yield key, hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _answers(journal: Journal) -> Iterator[tuple[str, Paid]]:
    """Yield every answer by its key. A failed answer without a price cost nothing."""
    rows = journal.query(
        "SELECT key, purpose, generation, teacher, asked_at, prompt_tokens, completion_tokens,"
        " CASE WHEN cost_usd IS NULL AND failed = 1 THEN 0.0 ELSE cost_usd END FROM answers"
    )
    for key, purpose, generation, teacher, asked_at, prompt_tokens, completion_tokens, cost in rows:
        yield key, Paid(purpose, generation, teacher, asked_at, Share(prompt_tokens, completion_tokens, cost))
