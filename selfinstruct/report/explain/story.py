"""A task's whole story, from the question to the record or to the check that refused it.

All of it is read from the journal.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

from ...config.run_config import RunConfig
from ...dataset.licensing import licensing
from ...journal.folder import JOURNAL, Run
from ...journal.journal import Journal
from ...journal.provenance import Trail, teacher_of
from .alignment import align
from .find import Found, resolve, tasks_of
from .values import Asked, Check, Nearest, QuestionStory, SeedStory, Shown, Story

_ANSWER = (
    "SELECT key, purpose, model, asked_at, latency_s, generation, version, prompt, prompt_tokens, completion_tokens,"
    " cost_usd, requests, finish_reason, error, text, inherited, demos, teacher FROM answers WHERE key = ?"
)
_ORDER = {"answer": 0, "filter": 1, "novelty": 2, "admission": 2, "instance": 3}


def explain(run: Run, id: str) -> Story | QuestionStory | SeedStory:
    """What is known of 'q17.3', a record's id, 'q17', or a seed's id. Raises UsageError, with what is near."""
    with contextlib.closing(Journal(run.path / JOURNAL, read_only=True)) as journal:
        reader = _Reader(run, journal)
        found = resolve(journal, id, run.id, reader.seed_ids)
        if isinstance(found, str):
            return reader.seed(found)
        return reader.question(found) if isinstance(found, int) else reader.task(*found)


class _Reader:
    """One run, open for reading."""

    def __init__(self, run: Run, journal: Journal) -> None:
        self._run, self._journal = run, journal
        self._trail = Trail(run)
        arrivals = journal.arrivals.all()
        self._came = {task.id: arrival for arrival in arrivals for task in arrival.tasks}
        self._seeds = {task.id: task.instruction for arrival in arrivals for task in arrival.tasks}
        self._configs = {g.number: RunConfig.parse(g.config) for g in run.generations}
        self._digests = {g.number: g.digest for g in run.generations}

    @property
    def seed_ids(self) -> set[str]:
        """Ids of seeds, those of the run and what was shown and compared with."""
        shown = "SELECT DISTINCT value FROM answers, json_each(answers.demos)"
        near = "SELECT DISTINCT nearest FROM verdicts WHERE nearest IS NOT NULL"
        ids = {str(row[0]) for row in self._journal.query(f"{shown} UNION {near}")}
        return self._seeds.keys() | {id for id in ids if not id.startswith(f"{self._run.id}-")}

    # --- a task -------------------------------------------------------------------------------

    def task(self, question: int, index: int) -> Story:
        rows = self._journal.query(
            "SELECT stage, part, instruction, reason, detail, score, nearest FROM verdicts"
            " WHERE question = ? AND idx = ?",
            (question, index),
        )
        rows.sort(key=lambda row: (_ORDER.get(row[0], 9), row[1]))
        instruction = str(rows[0][2])
        record = next((r for r in self._run.records() if (r.question, r.index) == (question, index)), None)
        key, *developing = self._trail.keys(question, index)
        proposal, demos = self._asked(key)
        developed = [self._asked(key)[0] for key in developing]
        tasks = tasks_of(self._journal, question)
        later = next((task.instruction for task in tasks if task.index == index + 1), None)
        score, nearest = next(((row[5], row[6]) for row in rows if row[0] in ("novelty", "admission")), (None, None))
        return Story(
            id=f"q{question}.{index}",
            run_id=self._run.id,
            question=question,
            index=index,
            instruction=instruction,
            outcome=self._outcome(question, index, record is not None, rows),
            proposal=proposal,
            demonstrations=self._shown(demos),
            part=part_of(proposal.text, instruction, later) if proposal else "",
            checks=tuple(self._checks(rows, record is not None)),
            nearest=self._nearest(nearest, score, instruction),
            developed=tuple(asked for asked in developed if asked is not None),
            waiting=tuple(key for key, asked in zip(developing, developed, strict=True) if asked is None),
            record=record,
            share=self._trail.share(question, index),
            licence=licensing(self._run).statements,
        )

    def _outcome(self, question: int, index: int, kept: bool, rows: list[Any]) -> str:
        if kept:
            return "record"
        if self._journal.query("SELECT 1 FROM records WHERE question = ? AND idx = ?", (question, index)):
            return "beyond the target"
        return next((str(row[3]) for row in reversed(rows) if row[3] is not None), "admitted")

    def _checks(self, rows: list[Any], kept: bool) -> list[Check]:
        """What each stage said, in order; those that had nothing to object wrote no row of their own."""
        by_stage = {row[0]: row for row in rows}
        filters = self._trail.filters
        refused = by_stage.get("filter")
        if refused:
            return [Check("filter", False, refused[3], refused[4], refused[5], filters)]
        checks = [Check("filter", True, checks=filters)]
        if "novelty" in by_stage:
            _, _, _, reason, detail, score, _ = by_stage["novelty"]
            return [*checks, Check("novelty", False, reason, detail, score)]
        checks.append(Check("novelty", True, score=by_stage["admission"][5] if "admission" in by_stage else None))
        instances = [Check("instance", False, r[3], r[4], r[5], part=r[1]) for r in rows if r[0] == "instance"]
        return [*checks, *instances, *([Check("instance", True)] if kept else [])]

    def _nearest(self, id: str | None, score: float | None, instruction: str) -> Nearest | None:
        if id is None or score is None:
            return None
        text = self._text(id)
        return Nearest(id, score, text, align(instruction, text) if text is not None else None)

    # --- a question, a seed -------------------------------------------------------------------

    def question(self, question: int) -> QuestionStory:
        proposal, demos = self._asked(f"p:{question}")
        assert proposal is not None
        rows = self._journal.query(
            "SELECT reason, detail, score, part FROM verdicts WHERE question = ? AND idx < 0", (question,)
        )
        checks = tuple(Check("answer", False, row[0], row[1], row[2], part=row[3]) for row in rows)
        tasks = tuple(tasks_of(self._journal, question))
        return QuestionStory(f"q{question}", self._run.id, proposal, self._shown(demos), checks, tasks)

    def seed(self, id: str) -> SeedStory:
        shown = self._journal.query(
            "SELECT question FROM answers, json_each(answers.demos)"
            " WHERE value = ? AND question IS NOT NULL ORDER BY question",
            (id,),
        )
        near = self._journal.query(
            "SELECT question, idx, instruction, coalesce(reason, 'admitted') FROM verdicts WHERE nearest = ?"
            " ORDER BY reason IS NULL, question, idx",
            (id,),
        )
        refused = sum(row[3] != "admitted" for row in near)
        return SeedStory(
            id=id,
            run_id=self._run.id,
            instruction=self._seeds.get(id),
            generation=self._came[id].generation if id in self._came else None,
            first_question=self._came[id].first_question if id in self._came else 0,
            shown_in=len(shown),
            first_shown_in=tuple(f"q{row[0]}" for row in shown[:10]),
            refused=refused,
            admitted=len(near) - refused,
            nearest_of=tuple(Found(f"q{row[0]}.{row[1]}", *row) for row in near[:10]),
            licence=tuple(s for s in licensing(self._run).statements if "eed" in s.text.partition(":")[0]),
        )

    # --- pieces -------------------------------------------------------------------------------

    def _asked(self, key: str) -> tuple[Asked | None, tuple[str, ...]]:
        """An answered question and the ids of what it showed; None where it isn't answered."""
        rows = self._journal.query(_ANSWER, (key,))
        if not rows:
            return None, ()
        row = rows[0]
        endpoint, messages = self._journal.sent.read(row[7])
        teacher = teacher_of(self._configs[row[5]], row[17])
        asked = Asked(
            key=row[0],
            purpose=row[1],
            model=row[2],
            teacher=row[17],
            configured=teacher.model,
            host=self._trail.host(row[3], row[17]),
            asked_at=row[3],
            latency_s=row[4],
            generation=row[5],
            config_digest=self._digests[row[5]],
            prompt_version=row[6],
            endpoint=endpoint,
            prompt=messages,
            prompt_tokens=row[8],
            completion_tokens=row[9],
            cost_usd=row[10],
            requests=row[11],
            finish_reason=row[12],
            error=row[13],
            text=row[14],
            inherited=bool(row[15]),
        )
        return asked, tuple(json.loads(row[16]))

    def _shown(self, demos: tuple[str, ...]) -> tuple[Shown, ...]:
        return tuple(Shown(id, self._text(id)) for id in demos)

    def _text(self, id: str) -> str | None:
        """The instruction of a seed or of a task of this run."""
        if id in self._seeds:
            return self._seeds[id]
        _, _, place = id.partition("-")
        question, _, index = place.partition("-")
        if not (question.isdecimal() and index.isdecimal()):
            return None
        rows = self._journal.query(
            "SELECT instruction FROM verdicts WHERE question = ? AND idx = ? LIMIT 1", (int(question), int(index))
        )
        return str(rows[0][0]) if rows else None


def part_of(answer: str, instruction: str, following: str | None) -> str:
    """From where `instruction` begins, with what introduces it, to the next task; empty where it isn't found.

    Blanks may differ, and in an answer of JSON the instruction may be escaped.
    """
    start = _find(answer, instruction, 0)
    if start is None:
        return ""
    end = _find(answer, following, start + 1) if following else None
    return answer[_opening(answer, start) : len(answer) if end is None else _opening(answer, end)].strip("\n ,")


def _opening(answer: str, place: int) -> int:
    """Where the line, JSON object or item of a JSON list begins that `place` is in."""
    brace = answer.rfind("{", 0, place)
    others = max(answer.rfind(mark, 0, place) for mark in "\n[,")
    return brace if brace > others else others + 1


def _find(answer: str, instruction: str | None, start: int) -> int | None:
    if not instruction:
        return None
    for text in (instruction, json.dumps(instruction)[1:-1], json.dumps(instruction, ensure_ascii=False)[1:-1]):
        pattern = r"\s+".join(map(re.escape, text.split()))
        if match := re.compile(pattern).search(answer, start):
            return match.start()
    return None
