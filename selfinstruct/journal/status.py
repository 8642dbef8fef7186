"""A run in numbers: progress, usage, rejections, and how its last start ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..config.run_config import RunConfig
from .journal import Journal
from .reserved import AND_RESERVED, SPENT
from .target import Aim, aim_of

if TYPE_CHECKING:  # `folder` imports this module
    from .folder import Run

_ASKED = "SELECT count(*) FROM answers WHERE inherited = 0 AND key NOT LIKE 'failed:%'"
"""Failed attempts that were set aside don't count: another teacher was asked, or the same one later."""
_RECORDS_ASKED = "SELECT count(*) FROM records r JOIN answers a ON a.key = 'p:' || r.question WHERE a.inherited = 0"
_RECORDS_BY_GENERATION = (
    "SELECT a.generation, count(*) FROM (SELECT question FROM records ORDER BY question, idx LIMIT ?) r"
    " JOIN answers a ON a.key = 'p:' || r.question GROUP BY 1"
)


_WORDS = {
    "target": "target met",
    "all_asked": "everything has been asked",
    "max_runtime": "max_runtime is over",
    "teacher_down": "the teacher was down",
    "teacher_refused": "the teacher refused",
    "storage": "the journal couldn't be written",
    "recall_only": "refiltered",
}
"""Reasons that are shown in other words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run's last start ended.

    reason: 'target', 'all_asked' (there is nothing left to ask about), 'budget', 'exhausted', 'interrupted',
    'max_runtime', 'teacher_down', 'teacher_refused', 'storage', 'detached' (questions wait in batch jobs),
    'recall_only' (a refilter), 'running' or 'killed'. detail: the reason in one line. exit_code: the exit code of the
    command.
    """

    reason: str
    detail: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class GenerationStatus:
    """One generation of a run.

    number: counted from 1. first_question: the question that it begins with. teacher: the names of its teachers.
    strategy: the name of its strategy. new_seeds: how many seeds it added. near: how many of these are nearly the same
    as an earlier task. records: how many of the dataset's records it proposed.
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
    """A run in numbers. Counts cover all starts of the run; tokens and dollars exclude inherited answers.

    records: finished tasks, at most `target`. proposed: tasks read from answers. admitted: tasks that entered the pool.
    questions: answered proposals. refused: rejections of tasks, answers and instances, by reason. requests: requests
    sent, including retries. asked: questions that these requests were for. unanswered: questions among them without an
    answer. assumed: requests that count with the most that they may have taken, because the teacher didn't say
    how much. killed: the most requests that were in flight when a start was killed, included in all sums. taken_over:
    answers inherited from another run, at no cost to this one. records_asked: records that don't come from
    inherited answers. cost_usd: dollars spent; None if a price is unknown. by_purpose, by_teacher: requests,
    tokens and dollars. waiting: the open batch jobs, one line each. running: whether a process works on the run now.
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
    assumed: int = 0
    killed: int = 0

    @property
    def last_start(self) -> str:
        """How the last start ended, in words."""
        reason = _WORDS.get(self.outcome.reason, self.outcome.reason)
        return f"{reason}: {self.outcome.detail}".rstrip(": ")

    @property
    def acceptance(self) -> float:
        """The share of proposed tasks that were admitted, 0 to 1."""
        return self.admitted / self.proposed if self.proposed else 0.0

    @property
    def records_free(self) -> int:
        """The number of records that come from inherited answers."""
        return max(0, self.records - self.records_asked)

    @property
    def cost_per_record_usd(self) -> float | None:
        """Dollars per record so far, including what rejected tasks cost; None if unknown."""
        # Records from inherited answers cost nothing here, so they say nothing about the cost of the next record.
        made = self.records - self.records_free
        return self.cost_usd / made if self.cost_usd is not None and made else None

    @property
    def target_cost_usd(self) -> float | None:
        """Dollars for the whole target at the rate so far."""
        each = self.cost_per_record_usd
        return None if each is None or self.cost_usd is None else self.cost_usd + each * (self.target - self.records)


def status_of(run: Run, journal: Journal, running: bool) -> Status:
    """Return the numbers of a run. running: whether a process works on the run now."""

    def count(sql: str) -> int:
        return int(journal.query(sql)[0][0])

    # A run has a cost only if the price of all tokens is known.
    refused = journal.query(
        "SELECT reason, count(*) FROM verdicts WHERE reason IS NOT NULL GROUP BY reason ORDER BY 2 DESC, 1"
    )
    totals = journal.totals(killed=not running)
    unpriced = totals.unpriced.values()
    target = target_of(journal, run.config)
    return Status(
        run_dir=str(run.path),
        run_id=run.id,
        target=target,
        records=min(target, count("SELECT count(*) FROM records")),
        seed_tasks=int(journal.meta("seed_tasks") or 0),
        proposed=count("SELECT count(*) FROM verdicts WHERE idx >= 0 AND stage NOT IN ('instance', 'review')"),
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
        cost_usd=None if any(each.prompt_tokens for each in unpriced) else totals.cost_usd,
        assumed=totals.assumed,
        killed=count("SELECT coalesce(sum(requests), 0) FROM answers WHERE inherited = 0 AND error LIKE 'killed: %'")
        + (0 if running else sum(amounts.requests for _, amounts, _ in journal.reserved.left_behind())),
        by_purpose=_used_by(journal, "purpose", running=running),
        by_teacher=_used_by(journal, "teacher", running=running),
        waiting=journal.jobs.standing(),
        outcome=outcome_of(journal, running),
        running=running,
        generations=len(run.generations),
        by_generation=_by_generation(run, journal, target),
        aim=aim_of(journal),
        teacher=_names(run.config),
        strategy=run.config.strategy_kind,
        price_source=journal.meta("price_source"),
    )


def outcome_of(journal: Journal, running: bool) -> Outcome:
    """Return how the last start ended. running: whether a process works on the run now."""
    stored = journal.meta("outcome")
    outcome = Outcome(*json.loads(stored)) if stored else Outcome("running", "", 3)
    # Every start stores 'running' first, so a start that is over and still says so never got to store its outcome.
    if outcome.reason == "running" and not running:
        detail = "the process ended without recording why (killed, or the disk was full); run the same command again"
        return Outcome("killed", detail, 3)
    return outcome


def note_outcome(journal: Journal, outcome: Outcome) -> None:
    """Store how this start ended."""
    journal.set_meta(outcome=json.dumps([outcome.reason, outcome.detail, outcome.exit_code]))


def target_of(journal: Journal, config: RunConfig) -> int:
    """Return how many records the run works toward."""
    return int(journal.meta("target") or config.target)  # a journal without a start has no target yet


def _by_generation(run: Run, journal: Journal, target: int) -> list[GenerationStatus]:
    made = dict(journal.query(_RECORDS_BY_GENERATION, (target,)))
    came = {arrival.generation: len(arrival.tasks) for arrival in journal.arrivals.all()}
    rows = []
    for generation in run.generations:
        number, config = generation.number, RunConfig.parse(generation.config)
        near = json.loads(journal.meta(f"near_seeds:{number}") or "[]")
        numbers = came.get(number, 0), len(near), made.get(number, 0)
        rows.append(GenerationStatus(number, generation.first_question, _names(config), config.strategy_kind, *numbers))
    return rows


def _names(config: RunConfig) -> str:
    """Return the teachers' names. A fake teacher may have any model's name, so it is marked as fake."""
    return ", ".join(f"{each.label} (fake)" * each.is_fake or each.label for each in config.all_teachers)


def _used_by(journal: Journal, column: Literal["purpose", "teacher"], *, running: bool) -> dict[str, dict[str, float]]:
    """Return requests, tokens and dollars by the values of a column; inherited answers don't count."""
    names = ("requests", "prompt_tokens", "completion_tokens", "cost_usd")
    sums = ", ".join(f"coalesce(sum({name}), 0)" for name in names)
    spent = SPENT if running else SPENT + AND_RESERVED
    rows = journal.query(f"SELECT {column}, {sums} FROM ({spent}) GROUP BY 1 ORDER BY 1")  # noqa: S608
    return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows}
