"""A run in numbers: how far it is, what it has used, what was refused and how its last start ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from ..config.run_config import RunConfig
from .journal import Generation, Journal
from .target import Aim, aim_of

_ASKED = "SELECT count(*) FROM answers WHERE inherited = 0 AND key NOT LIKE 'failed:%'"
"""Without the failures that were set aside: somebody else was asked, or somebody at another time."""
_RECORDS_ASKED = "SELECT count(*) FROM records r JOIN answers a ON a.key = 'p:' || r.question WHERE a.inherited = 0"
_RECORDS_BY_GENERATION = (
    "SELECT a.generation, count(*) FROM (SELECT question FROM records ORDER BY question, idx LIMIT ?) r"
    " JOIN answers a ON a.key = 'p:' || r.question GROUP BY 1"
)


_WORDS = {
    "target": "target met",
    "max_runtime": "max_runtime is over",
    "teacher_down": "the teacher was down",
    "teacher_refused": "the teacher refused",
    "storage": "nothing could be written",
    "recall_only": "refiltered",
}
"""Reasons that say more in other words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run's last start ended.

    reason: 'target', 'budget', 'exhausted', 'interrupted', 'max_runtime', 'teacher_down', 'teacher_refused', 'storage',
    'detached' (questions wait in batch jobs), 'recall_only' (a refilter), 'running' or 'killed'.
    exit_code: what the command line ends with.
    """

    reason: str
    detail: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """One generation of a run: the question it begins with, who is asked and how, its seeds and records of the dataset.

    new_seeds: those that came with it, of the first one all that it had.
    near: those of them that earlier tasks are nearly the same as.
    """

    number: int
    first_question: int
    teacher: str
    strategy: str
    new_seeds: int
    near: int
    records: int


@dataclass(frozen=True, slots=True)
class Status:
    """A run in numbers. Counts are of the whole run, all starts together; tokens and dollars are its own.

    questions: proposals answered. proposed: tasks read from them; admitted: those that entered the pool;
    records: those with their instances, at most `target`. refused: by reason, of tasks, answers and instances.
    requests: that were sent, retries included, for so many questions `asked`; unanswered: those that got no answer.
    taken_over: answers of another run, at no cost to this one. records_asked: records that don't come from such.
    by_purpose, by_teacher: requests, tokens, dollars. waiting: open batch jobs, a line each.
    """

    run_dir: str
    run_id: str
    target: int
    records: int
    proposed: int
    admitted: int
    questions: int
    seed_tasks: int
    refused: dict[str, int]
    requests: int
    asked: int
    unanswered: int
    taken_over: int
    records_asked: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    by_purpose: dict[str, dict[str, float]]
    by_teacher: dict[str, dict[str, float]]
    waiting: list[str]
    outcome: Outcome
    running: bool
    generations: int = 1
    by_generation: list[GenerationStatus] = field(default_factory=list)
    aim: Aim | None = None
    teacher: str = ""
    strategy: str = ""
    price_source: str | None = None

    @property
    def last_start(self) -> str:
        """How the last start ended, in words."""
        reason = _WORDS.get(self.outcome.reason, self.outcome.reason)
        return f"{reason}: {self.outcome.detail}".rstrip(": ")

    @property
    def acceptance(self) -> float:
        """Share of the proposed tasks that were admitted, 0 to 1."""
        return self.admitted / self.proposed if self.proposed else 0.0

    @property
    def records_free(self) -> int:
        """Records from answers that were taken over."""
        return max(0, self.records - self.records_asked)

    @property
    def cost_per_record_usd(self) -> float | None:
        """Dollars for one record so far, everything that was refused for it included; None where nobody knows.

        Records from answers that were taken over have cost nothing here, and say nothing of what the next one will.
        """
        made = self.records - self.records_free
        return self.cost_usd / made if self.cost_usd is not None and made else None

    @property
    def target_cost_usd(self) -> float | None:
        """Dollars for the whole target at the rate so far."""
        each = self.cost_per_record_usd
        return None if each is None or self.cost_usd is None else self.cost_usd + each * (self.target - self.records)


class _Told(Protocol):
    """What is to be known of a run besides its journal."""

    @property
    def path(self) -> Path: ...
    @property
    def id(self) -> str: ...
    @property
    def config(self) -> RunConfig: ...
    @property
    def generations(self) -> Sequence[Generation]: ...


def status_of(run: _Told, journal: Journal, running: bool) -> Status:
    """A run in numbers, as its journal has them."""

    def count(sql: str) -> int:
        return int(journal.query(sql)[0][0])

    refused = journal.query(
        "SELECT reason, count(*) FROM verdicts WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, 1"
    )
    totals = journal.totals()
    unpriced = count("SELECT count(*) FROM answers WHERE inherited = 0 AND cost_usd IS NULL AND failed = 0")
    target = target_of(journal, run.config)
    return Status(
        run_dir=str(run.path),
        run_id=run.id,
        target=target,
        records=min(target, count("SELECT count(*) FROM records")),
        seed_tasks=int(journal.meta("seed_tasks") or 0),
        proposed=count("SELECT count(*) FROM verdicts WHERE idx >= 0 AND stage <> 'instance'"),
        admitted=count("SELECT count(*) FROM verdicts WHERE stage = 'admission' AND reason IS NULL"),
        questions=count("SELECT count(*) FROM answers WHERE question IS NOT NULL"),
        refused=dict(refused),
        requests=totals.requests,
        asked=count(_ASKED),
        unanswered=count(f"{_ASKED} AND failed = 1"),
        taken_over=count("SELECT count(*) FROM answers WHERE inherited = 1"),
        records_asked=count(_RECORDS_ASKED),
        prompt_tokens=totals.prompt_tokens,
        completion_tokens=totals.completion_tokens,
        cost_usd=None if unpriced else totals.cost_usd,
        by_purpose=_used_by(journal, "purpose"),
        by_teacher=_used_by(journal, "teacher"),
        waiting=journal.jobs.standing(),
        outcome=outcome_of(journal, running),
        running=running,
        generations=len(run.generations),
        by_generation=_by_generation(run, journal, target),
        aim=aim_of(journal),
        teacher=_names(run.config),
        strategy=run.config.strategy,
        price_source=journal.meta("price_source"),
    )


def outcome_of(journal: Journal, running: bool) -> Outcome:
    """How the last start ended; one that could write nothing down before it ended was killed."""
    stored = journal.meta("outcome")
    outcome = Outcome(*json.loads(stored)) if stored else Outcome("running", "", 3)
    if outcome.reason == "running" and not running:
        return Outcome(
            "killed", "it ended without a word (killed, or no room to write one); the same command goes on", 3
        )
    return outcome


def note_outcome(journal: Journal, outcome: Outcome) -> None:
    """Write down how this start ended."""
    journal.set_meta(outcome=json.dumps([outcome.reason, outcome.detail, outcome.exit_code]))


def target_of(journal: Journal, config: RunConfig) -> int:
    """How many records the run works towards."""
    return int(journal.meta("target") or config.target)  # a journal that was never started has no aim yet


def _by_generation(run: _Told, journal: Journal, target: int) -> list[GenerationStatus]:
    made = dict(journal.query(_RECORDS_BY_GENERATION, (target,)))
    came = {arrival.generation: len(arrival.tasks) for arrival in journal.arrivals.all()}
    rows = []
    for generation in run.generations:
        number, config = generation.number, RunConfig.parse(generation.config)
        near = json.loads(journal.meta(f"near_seeds:{number}") or "[]")
        numbers = came.get(number, 0), len(near), made.get(number, 0)
        rows.append(GenerationStatus(number, generation.first_question, _names(config), config.strategy, *numbers))
    return rows


def _names(config: RunConfig) -> str:
    """Who is asked. A fake teacher may bear any model's name; nobody shall take its answers for that one's."""
    return ", ".join(f"{each.label} (fake)" * (each.kind == "fake") or each.label for each in config.all_teachers)


def _used_by(journal: Journal, column: Literal["purpose", "teacher"]) -> dict[str, dict[str, float]]:
    """What the run has used itself, by who or what it was for."""
    names = ("requests", "prompt_tokens", "completion_tokens", "cost_usd")
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
    rows = journal.query(f"SELECT {column}, {sums} FROM answers WHERE inherited = 0 GROUP BY 1 ORDER BY 1")  # noqa: S608
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
