"""The run's one file: every answer that was paid for, and what is known about the run itself.

`answers` is the truth. What became of them (`ledger`) follows from it and is made anew at every start.
How the rows get to the disk is `store`'s business.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..core.prompts import Completion, Prompt, Usage
from ..core.tasks import Record, SeedTask, Verdict
from . import batch_jobs as jobs, ledger
from .batch_jobs import DROPPED, Jobs
from .ledger import EMPTY, Ledger
from .seeds_on_disk import FORGOTTEN, TABLE, Arrivals, coming
from .sent_prompts import TEXTS, Sent
from .store import Statement, Store

FORMAT = 6
"""Version of the file's tables; stands in `PRAGMA user_version`."""

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE generations (
    number INTEGER PRIMARY KEY, first_question INTEGER NOT NULL, digest TEXT NOT NULL,
    meaning TEXT NOT NULL, config TEXT NOT NULL, program TEXT NOT NULL)""",
    """CREATE TABLE starts (
    number INTEGER PRIMARY KEY, began_at REAL NOT NULL, program TEXT NOT NULL, hosts TEXT NOT NULL,
    checks TEXT NOT NULL)""",
    TEXTS,
    """CREATE TABLE answers (
    key TEXT PRIMARY KEY, question INTEGER, generation INTEGER NOT NULL, purpose TEXT NOT NULL,
    prompt TEXT NOT NULL, demos TEXT NOT NULL, version TEXT NOT NULL,
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, error TEXT, failed INTEGER NOT NULL, logprobs TEXT,
    teacher TEXT NOT NULL, model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, cost_usd REAL, asked_at REAL NOT NULL, latency_s REAL NOT NULL,
    requests INTEGER NOT NULL, inherited INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX answers_by_question ON answers (question) WHERE question IS NOT NULL",
    *ledger.TABLES,
    TABLE,
    *jobs.TABLES,
)
ANSWER_COLUMNS = (
    "key question generation purpose prompt demos version text finish_reason error failed logprobs teacher model "
    "prompt_tokens completion_tokens cached_tokens cost_usd asked_at latency_s requests"
).split()
"""What is written of an answer, in this order."""
_INSERT_ANSWER = f"INSERT INTO answers ({', '.join(ANSWER_COLUMNS)}) VALUES ({', '.join('?' * len(ANSWER_COLUMNS))})"
_RECALL = (
    "SELECT text, finish_reason, prompt_tokens, completion_tokens, cached_tokens, model, error, failed,"
    " logprobs, demos, version, generation, teacher FROM answers WHERE key = ?"
)
_FORGET = "UPDATE answers SET key = 'failed:' || rowid || ':' || key, question = NULL WHERE key = ? AND failed = 1"
_INSERT_GENERATION = (
    "INSERT INTO generations (first_question, digest, meaning, config, program)"
    " SELECT max(coalesce(max(question) + 1, 0), ?), ?, ?, ?, ? FROM answers"
)
_INSERT_START = "INSERT INTO starts (began_at, program, hosts, checks) VALUES (?, ?, ?, ?)"
_ASKED_UNDER = "asked_under"
_SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered question as the journal keeps it: what was shown, under which wording, and what came back.

    generation: the number of the configuration that it was asked under. teacher: what the one who answered is called.
    """

    completion: Completion
    demos: tuple[str, ...]
    version: str
    generation: int = 1
    teacher: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has spent itself (answers taken over from another run are not counted).

    unpriced: what of it each teacher used while its price was not known.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: Mapping[str, Usage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """A stretch of questions asked under one configuration. New seeds, a new teacher and a fork begin another.

    number: counted from 1. first_question: one more than the highest number answered, or under way, before it.
    """

    number: int
    first_question: int
    digest: str
    meaning: dict[str, Any]
    config: dict[str, Any]


class Journal:
    """One open journal. `commit` needs a running event loop; everything else doesn't.

    Raises StorageError when the file can't be read or written, UsageError when it isn't a journal.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._store = Store(path, _TABLES, FORMAT, read_only=read_only)
        self.ledger = Ledger(self._store)
        self.jobs = Jobs(self._store)
        self.arrivals = Arrivals(self._store)
        self.sent = Sent(self._store)
        self._in_flight = (0, 0.0)
        self._generation = self._latest_generation()
        self._asked_under: dict[str, int] = json.loads(self.meta(_ASKED_UNDER) or "{}")
        """Questions that were under way when a generation began, and the one they belong to."""

    # --- answers ------------------------------------------------------------------------------

    def recall(self, key: str) -> Answer | None:
        """The committed answer to question `key`, or None."""
        row = self._store.row(_RECALL, (key,))
        if row is None:
            return None
        completion = Completion(
            text=row[0],
            finish_reason=row[1],
            usage=Usage(row[2], row[3], row[4]),
            model=row[5],
            error=row[6],
            failed=bool(row[7]),
            logprobs=json.loads(row[8]) if row[8] else None,
            key=key,
        )
        return Answer(completion, tuple(json.loads(row[9])), row[10], row[11], row[12])

    async def commit(
        self,
        key: str,
        question: int | None,
        prompt: Prompt,
        completion: Completion,
        cost_usd: float | None,
        asked_at: float,
        latency_s: float,
        requests: int = 1,
        teacher: str = "",
    ) -> Answer:
        """Put an answer on disk. Returns it when it is durable; raises StorageError when it can't be.

        requests: how many were sent for it, the retries included. teacher: what the one who gave it is called.
        """
        usage = completion.usage
        generation = self._asked_under.get(key, self._generation)
        row = (
            key,
            question,
            generation,
            prompt.purpose,
            self.sent.json_of(prompt),
            json.dumps(prompt.demos),
            prompt.version,
            completion.text,
            completion.finish_reason,
            completion.error,
            int(completion.failed),
            json.dumps(dict(completion.logprobs)) if completion.logprobs else None,
            teacher,
            completion.model,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.cached_tokens,
            cost_usd,
            asked_at,
            latency_s,
            requests,
        )
        await self._store.commit((_INSERT_ANSWER, row))
        return Answer(replace(completion, key=key), prompt.demos, prompt.version, generation, teacher)

    def forget(self, keys: Iterable[str]) -> None:
        """Set failed answers aside, so that a later start asks them anew. Only failures are ever forgotten.

        Their rows stay under another key: what they have cost still counts.
        """
        self._store.at_once([(_FORGET, (key,)) for key in keys])

    def totals(self) -> Totals:
        """What the run has spent so far."""
        row = self._store.row(
            "SELECT coalesce(sum(requests), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),"
            " coalesce(sum(cost_usd), 0.0) FROM answers WHERE inherited = 0"
        )
        unpriced = self._store.rows(
            "SELECT teacher, sum(prompt_tokens), sum(completion_tokens) FROM answers"
            " WHERE inherited = 0 AND cost_usd IS NULL GROUP BY teacher"
        )
        requests, prompt_tokens, completion_tokens, cost_usd = row
        by_teacher = {teacher: Usage(*tokens) for teacher, *tokens in unpriced}
        return Totals(requests, prompt_tokens, completion_tokens, cost_usd, by_teacher)

    # --- what became of them ------------------------------------------------------------------

    def note(self, question: int, index: int, stage: str, part: int, instruction: str, verdict: Verdict) -> None:
        """Write a verdict into the ledger, with the next commit."""
        self.ledger.note(question, index, stage, part, instruction, verdict)

    def keep(self, record: Record) -> None:
        """Write a finished record into the ledger, with the next commit."""
        self.ledger.keep(record)

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """Finished records in admission order, at most `limit`."""
        return self.ledger.records(limit)

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Rows of a read-only query, for reports."""
        return self._store.rows(sql, parameters)

    # --- the run ------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """A value of the run's own notes, or None."""
        row = self._store.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else str(row[0])

    def set_meta(self, **notes: str) -> None:
        """Write some of the run's own notes at once."""
        self._store.at_once([(_SET_META, note) for note in notes.items()])

    def note_in_flight(self, count: int) -> None:
        """Write down, with the next commit, how many questions are with the teachers; at most once a second, and 0."""
        last, noted_at = self._in_flight
        now = time.monotonic()
        if count != last and (count == 0 or now - noted_at >= 1):
            self._in_flight = (count, now)
            self._store.note((_SET_META, ("in_flight", str(count))))

    def begin_start(self, program: str, **notes: str) -> None:
        """Count a start of the run, by a version of the program; what the ledger gets from here on is its."""
        self.ledger.trusted = self.meta("program") == program
        self.ledger.start = int(self.meta("starts") or 0) + 1
        self.set_meta(starts=str(self.ledger.start), program=program, **notes)

    def note_start(self, program: str, hosts: Mapping[str, str] | None, checks: Sequence[str]) -> None:
        """Write down that a start began now: the host that each model is asked at, and the checks that tasks must pass.

        hosts: None when the teacher is an object of the caller's own. An answer belongs to the last start before it.
        """
        row = (time.time(), program, json.dumps(hosts), json.dumps(checks))
        self._store.at_once([(_INSERT_START, row)])

    def generations(self) -> list[Generation]:
        """The configurations of this run, oldest first; empty for a new journal."""
        rows = self._store.rows(
            "SELECT number, first_question, digest, meaning, config FROM generations ORDER BY number"
        )
        return [Generation(r[0], r[1], r[2], json.loads(r[3]), json.loads(r[4])) for r in rows]

    def begin_generation(
        self,
        digest: str,
        meaning: dict[str, Any],
        config: dict[str, Any],
        program: str,
        seeds: Sequence[SeedTask] = (),
    ) -> None:
        """Questions that are asked from here on belong to a new configuration. seeds: those that come with it.

        What is under way in batch jobs stays with the one that asked it.
        """
        under_way = self.jobs.under_way()
        for key in under_way:
            self._asked_under.setdefault(key, self._generation)
        after = max((number + 1 for number in under_way.values() if number is not None), default=0)
        note: Statement = (_SET_META, (_ASKED_UNDER, json.dumps(self._asked_under)))
        self._store.at_once([_generation(digest, meaning, config, program, after), *coming(seeds), note])
        self._generation = self._latest_generation()

    def refresh_config(self, config: dict[str, Any]) -> None:
        """Keep the latest values of the keys that may change freely with the current generation."""
        statement = "UPDATE generations SET config = ? WHERE number = (SELECT max(number) FROM generations)"
        self._store.at_once([(statement, (json.dumps(config),))])

    def copy_to(
        self,
        path: Path,
        digest: str,
        meaning: dict[str, Any],
        config: dict[str, Any],
        program: str,
        seeds: Sequence[SeedTask] = (),
        *,
        afresh: bool = False,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Copy the journal to a new file, its answers marked as taken over, and begin a generation there.

        seeds: those that come with it; afresh: in place of the run's own, from its first question on. notes: the new
        file's first ones.
        The new file is there whole or not at all.
        """
        taken_over: list[Statement] = [
            ("UPDATE answers SET inherited = 1", ()),
            ("DELETE FROM meta WHERE key NOT LIKE 'schemas:%'", ()),  # how each generation asks stays what it was
            *((_SET_META, note) for note in (notes or {}).items()),
            *EMPTY,
            *DROPPED,
            _generation(digest, meaning, config, program),
            *(FORGOTTEN if afresh else []),
            *coming(seeds, at_first=afresh),
        ]
        self._store.backup(path, taken_over)

    def flush(self) -> None:
        """Write what is still noted."""
        self._store.flush()

    def close(self) -> None:
        """Write what is still noted and close the file."""
        self._store.close()

    def _latest_generation(self) -> int:
        return int(self._store.row("SELECT coalesce(max(number), 1) FROM generations")[0])


def aside(key: str) -> str:
    """A key for a failure that isn't the last word on question `key`: its row counts, and is nobody's answer."""
    return f"failed:{time.time_ns()}:{key}"


def _generation(
    digest: str, meaning: dict[str, Any], config: dict[str, Any], program: str, after: int = 0
) -> Statement:
    """The statement that begins a generation, with question `after` or a later one."""
    return _INSERT_GENERATION, (after, digest, json.dumps(meaning), json.dumps(config), program)
