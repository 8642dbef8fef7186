"""A run at one instant: every query that readers send to a journal, as a named method.

Explanations, cards, licenses, provenance, reports and the live view read runs through `read`. All methods of one
snapshot see the same transaction, whatever another process commits in the meantime.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from ..config.facets_section import FacetsConfig, growth_note
from ..core.documents import Passage
from ..core.facets import Coverage, Drawn, coverage
from ..core.prompts import MadeOf
from ..core.records import Record
from ..core.tasks import SeedTask
from .answer_values import read_back
from .folder import Run, check_folder, reading
from .journal import Journal
from .status import Status

# `max` ignores the null reasons of checks that passed.
_TASKS = (
    "SELECT v.question, v.idx, v.instruction,"
    " CASE WHEN EXISTS (SELECT 1 FROM records r WHERE r.question = v.question AND r.idx = v.idx) THEN 'record'"
    " ELSE coalesce(max(v.reason), 'admitted') END"
    " FROM verdicts v WHERE v.idx >= 0 AND {} GROUP BY v.question, v.idx ORDER BY v.question, v.idx LIMIT ?"
)
_VERDICTS = "SELECT question, idx, stage, part, instruction, reason, detail, score, nearest FROM verdicts"
_STORED_ANSWER = (
    "SELECT key, purpose, teacher, model, asked_at, latency_s, generation, version, prompt, demos, prompt_tokens,"
    " completion_tokens, cost_usd, requests, finish_reason, error, text, inherited FROM answers WHERE key = ?"
)


class TaskRow(NamedTuple):
    """A task and its outcome: 'record', the reason for its rejection, or 'admitted'."""

    question: int
    idx: int
    instruction: str
    outcome: str


class VerdictRow(NamedTuple):
    """A stored verdict.

    idx: the task's place in the answer, -1 for a verdict on the whole answer. part: which instance or attempt.
    """

    question: int
    idx: int
    stage: str
    part: int
    instruction: str
    reason: str | None
    detail: str
    score: float | None
    nearest: str | None


Arrival = tuple[float, int | None, int, int, float | None, int, float | None]
"""An answer: (arrived at, question, requests, tokens, dollars, 1 if it failed, when the start began that asked)."""


class StoredAnswer(NamedTuple):
    """A row of `answers`. prompt: as `Sent` wrote it. demos: a JSON list of ids."""

    key: str
    purpose: str
    teacher: str
    model: str
    asked_at: float
    latency_s: float
    generation: int
    version: str
    prompt: str
    demos: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    requests: int
    finish_reason: str
    error: str | None
    text: str
    inherited: int


class Snapshot:
    """A run and its journal, open for reading in one transaction. Valid until the `read` block ends."""

    def __init__(self, run: Run, journal: Journal) -> None:
        self.run = run
        self.journal = journal

    @cached_property
    def status(self) -> Status:
        """The run in numbers."""
        return self.run.status(self.journal)

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The dataset's records: the first `target` finished ones in admission order."""
        return tuple(self.journal.records(self.status.target))

    @cached_property
    def seeds(self) -> tuple[SeedTask, ...]:
        """All seed tasks, in order of arrival."""
        return tuple(self.journal.arrivals.known())

    # --- tasks and records --------------------------------------------------------------------

    def record(self, question: int, index: int) -> Record | None:
        """Return the dataset's record at a place; None if there is none, or if it lies beyond the target."""
        record = self.journal.ledger.record(question, index)
        # A run may have finished more records than its target; the dataset has the first ones.
        earlier = self._count("SELECT count(*) FROM records WHERE (question, idx) < (?, ?)", question, index)
        return record if earlier < self.status.target else None

    def is_finished(self, question: int, index: int) -> bool:
        """Return whether a record at this place is finished, within the target or beyond it."""
        return bool(self._count("SELECT count(*) FROM records WHERE question = ? AND idx = ?", question, index))

    def record_ids(self, limit: int) -> list[str]:
        """Return the ids of the first `limit` finished records."""
        ids = "SELECT json_extract(record, '$.id') FROM records ORDER BY question, idx LIMIT ?"
        return [row[0] for row in self._rows(ids, limit)]

    def finished(self) -> int:
        """Return the number of finished records, including those beyond the target."""
        return self.journal.ledger.finished()

    def tasks_of(self, question: int) -> list[TaskRow]:
        """Return the tasks parsed from the answer to a question."""
        return [TaskRow(*row) for row in self._rows(_TASKS.format("v.question = ?"), question, -1)]

    def tasks_containing(self, text: str, limit: int) -> list[TaskRow]:
        """Return at most `limit` tasks whose instruction contains `text`, ignoring ASCII case."""
        pattern = "%" + re.sub(r"([%_\\])", r"\\\1", text) + "%"  # '50%' becomes '%50\%%'
        return [TaskRow(*row) for row in self._rows(_TASKS.format("v.instruction LIKE ? ESCAPE '\\'"), pattern, limit)]

    def instruction_of(self, question: int, index: int) -> str | None:
        """Return a task's instruction."""
        rows = self._rows("SELECT instruction FROM verdicts WHERE question = ? AND idx = ? LIMIT 1", question, index)
        return str(rows[0][0]) if rows else None

    # --- verdicts -----------------------------------------------------------------------------

    def verdicts_on(self, question: int, index: int) -> list[VerdictRow]:
        """Return all verdicts on one task."""
        return self._verdicts(" WHERE question = ? AND idx = ?", question, index)

    def verdicts_on_tasks(self) -> list[VerdictRow]:
        """Return every verdict on a task, in question order; of each task, the first stage first."""
        stages = "CASE stage WHEN 'review' THEN 2 WHEN 'instance' THEN 1 ELSE 0 END"
        return self._verdicts(f" WHERE idx >= 0 ORDER BY question, idx, {stages}, part")

    def answer_verdicts(self, question: int) -> list[VerdictRow]:
        """Return the verdicts on a question's whole answer."""
        return self._verdicts(" WHERE question = ? AND idx < 0", question)

    def task_verdicts(self) -> list[VerdictRow]:
        """Return every verdict on an answer or a task, in question order."""
        return self._verdicts(" WHERE stage NOT IN ('instance', 'review') ORDER BY question, idx")

    def instance_verdicts(self) -> list[VerdictRow]:
        """Return every verdict on an instance, in question order."""
        return self._verdicts(" WHERE stage = 'instance' ORDER BY question, idx, part")

    def last_admitted(self, limit: int) -> list[VerdictRow]:
        """Return the verdicts on the latest admitted tasks, newest first."""
        return self._verdicts(" WHERE stage = 'admission' ORDER BY question DESC, idx DESC LIMIT ?", limit)

    def last_rejected(self, limit: int) -> list[VerdictRow]:
        """Return the latest rejections, newest first."""
        return self._verdicts(" WHERE reason IS NOT NULL ORDER BY question DESC, idx DESC LIMIT ?", limit)

    def nearest_to(self, id: str) -> list[VerdictRow]:
        """Return the verdicts whose nearest text is `id`: rejections first, then admissions."""
        return self._verdicts(" WHERE nearest = ? ORDER BY reason IS NULL, question, idx", id)

    def rejections(self) -> list[tuple[str, str, int]]:
        """Count rejections: (stage, reason, count), by stage, the most frequent reason first."""
        return self._rows(
            "SELECT stage, reason, count(*) FROM verdicts WHERE reason IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
        )

    def tasks_without_instances(self) -> int:
        """Count admitted tasks that are no record because their instances were rejected."""
        return self._count(
            "SELECT count(*) FROM (SELECT DISTINCT question, idx FROM verdicts WHERE stage = 'instance' EXCEPT"
            " SELECT question, idx FROM records EXCEPT SELECT question, idx FROM verdicts WHERE stage = 'review')"
        )

    def yields(self) -> dict[int, tuple[int, int]]:
        """Return (proposed, admitted) tasks by question, for the questions whose answer has been consumed."""
        # Verdicts on instances concern tasks that are counted already; index -1 is a verdict on the whole answer.
        rows = self._rows(
            "SELECT question, count(*) FILTER (WHERE idx >= 0 AND stage NOT IN ('instance', 'review')),"
            " count(*) FILTER (WHERE stage = 'admission') FROM verdicts GROUP BY question"
        )
        return {question: (proposed, admitted) for question, proposed, admitted in rows}

    def score_bins(self, bins: int) -> list[tuple[int, int, int]]:
        """Count novelty scores (0 to 1) in equal bins: (bin, 1 if rejected, count)."""
        # A score of 1.0 belongs to the last bin.
        return self._rows(
            "SELECT min(cast(score * ? AS INTEGER), ?), reason IS NOT NULL, count(*) FROM verdicts"
            " WHERE score IS NOT NULL AND stage IN ('admission', 'novelty') GROUP BY 1, 2",
            bins,
            bins - 1,
        )

    def mean_score(self) -> float | None:
        """Return the mean novelty score of the admitted tasks."""
        mean: float | None = self._rows("SELECT avg(score) FROM verdicts WHERE stage = 'admission'")[0][0]
        return mean

    # --- answers ------------------------------------------------------------------------------

    def answer(self, key: str) -> StoredAnswer | None:
        """Return the answer stored under a key."""
        rows = self._rows(_STORED_ANSWER, key)
        return StoredAnswer(*rows[0]) if rows else None

    def is_answered(self, question: int) -> bool:
        """Return whether a question has an answer."""
        return bool(self._rows("SELECT 1 FROM answers WHERE question = ?", question))

    def last_question(self) -> int | None:
        """Return the highest number of an answered question."""
        last: int | None = self._rows("SELECT max(question) FROM answers")[0][0]
        return last

    def demonstrations(self) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Yield each successfully answered question and the ids of its demonstrations."""
        rows = self._rows("SELECT question, demos FROM answers WHERE question IS NOT NULL AND failed = 0")
        return ((question, read_back(demos).demos) for question, demos in rows)

    def made_of(self) -> dict[int, MadeOf]:
        """Return what each answered question was made of, by its number."""
        rows = self._rows("SELECT question, demos FROM answers WHERE question IS NOT NULL")
        return {question: read_back(demos) for question, demos in rows}

    @cached_property
    def passages(self) -> dict[str, Passage]:
        """All passages of documents, by their ids; of two with the same id, the one that arrived later."""
        return {each.id: each for arrival in self.journal.arrivals.all() for each in arrival.passages}

    def questions(self) -> list[Drawn]:
        """Return what each consumed question asked for, and how many tasks it brought, in order."""
        rows = self._rows("SELECT question, demos FROM answers WHERE question IS NOT NULL AND failed = 0 ORDER BY 1")
        yields = self.yields()
        return [Drawn(read_back(demos).facets, yields[number][1]) for number, demos in rows if number in yields]

    @cached_property
    def facets(self) -> FacetsConfig | None:
        """What the run is to cover, with the values that a teacher has listed."""
        facets = self.run.config.facets
        if facets is None:
            return None
        notes = {name: self.journal.meta(growth_note(name, count)) for name, count in facets.grown.items()}
        return facets.with_values({name: json.loads(note) for name, note in notes.items() if note is not None})

    @cached_property
    def coverage(self) -> list[Coverage]:
        """How far each value of each facet is covered; empty for a run without facets."""
        facets, found = self.facets, [record.facets for record in self.records]
        if facets is None and not any(found):
            return []
        return coverage(facets.dimensions if facets else [], self.questions(), found)

    def questions_showing(self, id: str) -> list[int]:
        """Return the questions that showed a seed, a task, or a passage, in order."""
        rows = self._rows(
            "SELECT DISTINCT question FROM answers, json_tree(answers.demos)"
            " WHERE atom = ? AND question IS NOT NULL ORDER BY question",
            id,
        )
        return [row[0] for row in rows]

    def used_ids(self) -> set[str]:
        """Return the ids of all texts that were demonstrations or nearest texts."""
        rows = self._rows(
            "SELECT DISTINCT value FROM answers, json_each(answers.demos) WHERE json_each.type = 'text'"
            " UNION SELECT DISTINCT nearest FROM verdicts WHERE nearest IS NOT NULL"
        )
        return {str(row[0]) for row in rows}

    def arrivals(self) -> list[Arrival]:
        """Return the run's own answers by time."""
        return self._rows(
            "SELECT asked_at + latency_s AS arrived, question, requests, prompt_tokens + completion_tokens, cost_usd,"
            " failed, (SELECT max(began_at) FROM starts WHERE began_at <= asked_at) FROM answers WHERE inherited = 0"
            " ORDER BY arrived, key"
        )

    def answers_by_teacher(self) -> list[tuple[int, float | None, str, str, str, int, float, float]]:
        """Group the answers but vectors by (generation, start's time, teacher, model, purpose); add count and times."""
        return self._rows(
            "SELECT generation, (SELECT max(began_at) FROM starts WHERE began_at <= asked_at), teacher, model, purpose,"
            " count(*), min(asked_at), max(asked_at) FROM answers WHERE failed = 0 AND key NOT LIKE 'e:%'"
            " GROUP BY 1, 2, 3, 4, 5 ORDER BY 7"
        )

    def sampling_by_purpose(self) -> list[tuple[str, str, str, int]]:
        """Group the answers by (purpose, endpoint, sampling as JSON without stops); add the count."""
        return self._rows(
            "SELECT purpose, json_extract(prompt, '$.endpoint'),"
            " json_remove(json_extract(prompt, '$.sampling'), '$.stop'), count(*)"
            " FROM answers WHERE key NOT LIKE 'failed:%' AND key NOT LIKE 'e:%' GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC"
        )

    def requests_by_error(self) -> list[tuple[str | None, int]]:
        """Count the run's own requests by the error of their answer, None for a success."""
        return self._rows("SELECT error, sum(requests) FROM answers WHERE inherited = 0 GROUP BY 1")

    def cached_tokens(self) -> int:
        """Count the prompt tokens that teachers read from a cache for this run."""
        return self._count("SELECT coalesce(sum(cached_tokens), 0) FROM answers WHERE inherited = 0")

    def _rows(self, sql: str, *parameters: object) -> list[Any]:
        return self.journal.query(sql, parameters)

    def _count(self, sql: str, *parameters: object) -> int:
        return int(self._rows(sql, *parameters)[0][0])

    def _verdicts(self, where: str, *parameters: object) -> list[VerdictRow]:
        return [VerdictRow(*row) for row in self._rows(_VERDICTS + where, *parameters)]


@contextlib.contextmanager
def read(run: Run | str | Path) -> Iterator[Snapshot]:
    """Open a run, which may be in progress, as it is now; close it when the block ends. Raises UsageError."""
    if isinstance(run, Run):
        with reading(run.path) as journal:
            yield Snapshot(run, journal)
        return
    check_folder(Path(run))
    with reading(Path(run)) as journal:
        yield Snapshot(Run(run, journal=journal), journal)
