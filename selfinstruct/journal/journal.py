"""The run's one file: every answer that was paid for, what became of it, and the run's own notes.

`answers` is the source of truth. What became of the answers (`ledger`) follows from them and is computed at every
start. `store` writes the rows to disk.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.prompts import Completion, Prompt, Sampling, Usage
from ..core.records import Record
from . import batch_jobs, history, ledger, review_rows, runs
from .answer_values import Answer, Receipt, Totals, answer_of, aside, read_back, written
from .batch_jobs import Jobs
from .history import SET_META, History, NewGeneration, config_statement
from .ledger import Ledger
from .reserved import AND_RESERVED, SPENT, Reserved, delete
from .review_rows import Reviews
from .runs import Runs
from .seeds_on_disk import TABLE, Arrivals, coming
from .sent_prompts import TEXTS, Sent
from .store import Statement, Store

FORMAT = 7
"""Version of the file's tables, stored in `PRAGMA user_version`."""

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    *history.TABLES,
    TEXTS,
    """CREATE TABLE answers (
    key TEXT PRIMARY KEY, question INTEGER, generation INTEGER NOT NULL, purpose TEXT NOT NULL,
    prompt TEXT NOT NULL, demos TEXT NOT NULL, version TEXT NOT NULL,
    text TEXT NOT NULL, finish_reason TEXT NOT NULL, error TEXT, failed INTEGER NOT NULL, logprobs TEXT,
    teacher TEXT NOT NULL, model TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL, cost_usd REAL, asked_at REAL NOT NULL, latency_s REAL NOT NULL,
    requests INTEGER NOT NULL, inherited INTEGER NOT NULL DEFAULT 0, reasoning TEXT NOT NULL DEFAULT '',
    assumed INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX answers_by_question ON answers (question) WHERE question IS NOT NULL",
    *ledger.TABLES,
    TABLE,
    *batch_jobs.TABLES,
    runs.TABLE,
    review_rows.TABLE,
)
ANSWER_COLUMNS = (
    "key question generation purpose prompt demos version text finish_reason error failed logprobs teacher model "
    "prompt_tokens completion_tokens cached_tokens cost_usd asked_at latency_s requests reasoning assumed"
).split()
"""The columns of an answer that `Journal.commit` writes, in order."""
_INSERT_ANSWER = f"INSERT INTO answers ({', '.join(ANSWER_COLUMNS)}) VALUES ({', '.join('?' * len(ANSWER_COLUMNS))})"
_RECALL = (
    "SELECT text, finish_reason, prompt_tokens, completion_tokens, cached_tokens, model, error, failed,"
    " logprobs, reasoning, assumed, demos, version, generation, teacher FROM answers WHERE key = ?"
)
_FORGET = "UPDATE answers SET key = 'failed:' || rowid || ':' || key, question = NULL WHERE key = ? AND failed = 1"


class Journal:
    """One open journal. Only `commit` needs a running event loop.

    Raises StorageError if the file can't be read or written, and UsageError if it is not a journal of this format.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._store = Store(path, _TABLES, FORMAT, read_only=read_only)
        self.history = History(self._store)
        self.ledger = Ledger(self._store)
        self.jobs = Jobs(self._store)
        self.arrivals = Arrivals(self._store)
        self.sent = Sent(self._store)
        self.reserved = Reserved(self._store)
        self.runs = Runs(self._store)
        self.reviews = Reviews(self._store)
        self._in_flight = (0, 0.0)

    # --- answers ------------------------------------------------------------------------------

    def recall(self, key: str) -> Answer | None:
        """Return the committed answer to question `key`, or None."""
        row = self._store.row(_RECALL, (key,))
        if row is None:
            return None
        text, finish, *tokens, model, error, failed, logprobs, reasoning, assumed = row[:-4]
        demos, version, generation, teacher = row[-4:]
        probabilities = json.loads(logprobs) if logprobs else None
        usage = replace(Usage(*tokens), partial=True) if assumed else Usage(*tokens)
        stored = Completion(text, finish, usage, model, error, bool(failed), probabilities, reasoning, key)
        return answer_of(stored, read_back(demos), version, generation, teacher)

    async def commit(
        self, key: str, question: int | None, prompt: Prompt, completion: Completion, receipt: Receipt
    ) -> Answer:
        """Write an answer to disk, and return it once it is durable. question: the number of a proposal, else None.

        Raises StorageError if the answer can't be written.
        """
        await self._store.commit(self._row(key, question, prompt, completion, receipt))
        generation = self.history.generation_of(key)
        return answer_of(replace(completion, key=key), prompt.made_of, prompt.version, generation, receipt.teacher)

    def note_failure(self, key: str, prompt: Prompt, completion: Completion, receipt: Receipt) -> None:
        """Write what a question has cost that got no answer, with the next commit. The arguments are as in `commit`."""
        self._store.note(self._row(aside(key), None, prompt, completion, receipt))

    def _row(
        self, key: str, question: int | None, prompt: Prompt, completion: Completion, receipt: Receipt
    ) -> Statement:
        # In the order of `ANSWER_COLUMNS`.
        generation, usage, logprobs = self.history.generation_of(key), completion.usage, completion.logprobs
        sent = (prompt.purpose, self.sent.json_of(prompt), written(prompt.made_of), prompt.version)
        probabilities = json.dumps(dict(logprobs)) if logprobs else None
        returned = (completion.text, completion.finish_reason, completion.error, int(completion.failed), probabilities)
        tokens = (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens)
        answer = (key, question, generation, *sent, *returned, receipt.teacher, completion.model, *tokens)
        paid = (receipt.cost_usd, receipt.asked_at, receipt.latency_s, receipt.requests)
        return _INSERT_ANSWER, (*answer, *paid, completion.reasoning, receipt.assumed)

    def forget(self, keys: Iterable[str]) -> None:
        """Rename the rows of failed answers, so that a later start asks again. Successful answers are never forgotten.

        The rows stay under another key, because what they cost still counts.
        """
        self._store.at_once([(_FORGET, (key,)) for key in keys])

    def totals(self, *, killed: bool = False) -> Totals:
        """Return what the run has spent so far. killed: add what was in flight, as no process works on it any more."""
        spent = f"({SPENT + AND_RESERVED if killed else SPENT})"
        row = self._store.row(
            "SELECT coalesce(sum(requests), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0),"
            f" coalesce(sum(cost_usd), 0.0), coalesce(sum(assumed), 0) FROM {spent}"
        )
        unpriced = self._store.rows(
            f"SELECT teacher, sum(prompt_tokens), sum(completion_tokens) FROM {spent}"
            " WHERE cost_usd IS NULL GROUP BY teacher"
        )
        requests, prompt_tokens, completion_tokens, cost_usd, assumed = row
        by_teacher = {teacher: Usage(*tokens) for teacher, *tokens in unpriced}
        return Totals(requests, prompt_tokens, completion_tokens, cost_usd, by_teacher, assumed)

    # --- what became of them ------------------------------------------------------------------

    def records(self, limit: int | None = None) -> Iterator[Record]:
        """Return finished records in admission order, at most `limit`."""
        return self.ledger.records(limit)

    def query(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a read-only query."""
        return self._store.rows(sql, parameters)

    # --- the run ------------------------------------------------------------------------------

    def meta(self, key: str) -> str | None:
        """Return one of the run's own notes, or None."""
        row = self._store.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else str(row[0])

    def set_meta(self, **notes: str) -> None:
        """Write some of the run's own notes in one transaction."""
        self._store.at_once([(SET_META, note) for note in notes.items()])

    def note(self, key: str, value: str) -> None:
        """Write one of the run's own notes with the next commit."""
        self._store.note((SET_META, (key, value)))

    def note_in_flight(self, count: int) -> None:
        """Write the number of questions in flight with the next commit: at most once a second, and always a zero."""
        last, noted_at = self._in_flight
        now = time.monotonic()
        if count != last and (count == 0 or now - noted_at >= 1):
            self._in_flight = (count, now)
            self.note("in_flight", str(count))

    def begin_start(self, program: str, **notes: str) -> None:
        """Count a start by version `program` of this package; rows of the ledger belong to it from now on."""
        # Only the same program computes the same nearest texts, so only then may the last start's be reused.
        self.ledger.trusted = self.meta("program") == program
        self.ledger.start = int(self.meta("starts") or 0) + 1
        self.set_meta(starts=str(self.ledger.start), program=program, **notes)
        self._take_over_reserved()

    def _take_over_reserved(self) -> None:
        """Turn what was in flight when the last start was killed into failures, whose cost counts."""
        changes: list[Statement] = []
        for teacher, amounts, priced in self.reserved.left_behind():
            usage = Usage(amounts.prompt_tokens, amounts.completion_tokens)
            killed = Completion("", usage=usage, error="killed: in flight when an earlier start ended", failed=True)
            cost_usd = amounts.cost_usd if priced else None
            receipt = Receipt(teacher, time.time(), 0.0, cost_usd, amounts.requests, amounts.requests)
            prompt = Prompt("unanswered", (), Sampling())
            changes += [self._row(aside(teacher), None, prompt, killed, receipt), delete(teacher)]
        if changes:
            self._store.at_once(changes)

    def begin_generation(self, new: NewGeneration) -> None:
        """Begin a generation: questions that are asked from now on belong to it."""
        self.history.begin(new, self.jobs.under_way())

    def copy_to(
        self,
        path: Path,
        new: NewGeneration,
        *,
        earlier: Sequence[dict[str, Any]] = (),
        replaced: bool = False,
        notes: Mapping[str, str] | None = None,
    ) -> None:
        """Copy the journal to a new file, mark its answers as inherited, and begin a generation there.

        Args:
            path: The new file. It appears complete or not at all.
            new: The generation to begin.
            earlier: The configurations of the earlier generations, with paths as seen from the new folder.
            replaced: Whether the generation's seeds replace the run's, from the first question on.
            notes: The first notes of the new run.
        """
        changes: list[Statement] = [
            ("UPDATE answers SET inherited = 1", ()),
            # How each earlier generation asks must not change, so what was found out about schemas is kept.
            ("DELETE FROM meta WHERE key NOT LIKE 'schemas:%' AND key NOT LIKE 'passages:%'", ()),
            *((SET_META, note) for note in (notes or {}).items()),
            # The copy computes its own ledger, and must not collect the batch jobs of another run.
            *((f"DELETE FROM {table}", ()) for table in (*ledger.NAMES, *batch_jobs.NAMES)),
            *(config_statement(number, config) for number, config in enumerate(earlier, 1)),
            new.statement(),
            *([("DELETE FROM seeds", ())] if replaced else []),
            *coming(new.seeds, new.passages, new.gone, at_first=replaced),
        ]
        self._store.backup(path, changes)

    def check(self) -> None:
        """Raise JournalDamaged if anything in the file is damaged."""
        self._store.check()

    def flush(self) -> None:
        """Write everything that waits for the next commit."""
        self._store.flush()

    def close(self) -> None:
        """Write everything that waits for the next commit, and close the file."""
        self._store.close()
