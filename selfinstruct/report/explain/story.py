"""Read the whole story of a task from the journal: from the question to the record, or to the check that refused it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ...config.run_config import RunConfig
from ...dataset.licensing import licensing
from ...dataset.terms import SEEDS
from ...journal.answer_values import read_back
from ...journal.folder import Run
from ...journal.provenance import Trail, teacher_of
from ...journal.snapshot import Snapshot, VerdictRow, read
from .alignment import align
from .find import FoundTask, resolve, tasks_of
from .values import Answered, Check, NearestText, QuestionStory, SeedStory, ShownTask, Story

_ORDER = {"answer": 0, "filter": 1, "novelty": 2, "admission": 2, "instance": 3, "review": 4}


def explain(run: Run | str | Path, id: str) -> Story | QuestionStory | SeedStory:
    """Return what a run knows about 'q17.3', a record's id, 'q17', or a seed's id.

    Raises UsageError, with similar ids, if nothing has that id.
    """
    with read(run) as snapshot:
        return explain_in(snapshot, id)


def explain_in(snapshot: Snapshot, id: str) -> Story | QuestionStory | SeedStory:
    """Do the same in a snapshot that is already open."""
    reader = _StoryReader(snapshot)
    resolved = resolve(snapshot, id, reader.seed_ids)
    if isinstance(resolved, str):
        return reader.seed(resolved)
    return reader.question(resolved) if isinstance(resolved, int) else reader.task(*resolved)


class _StoryReader:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot, self._run = snapshot, snapshot.run
        self._trail = Trail(snapshot)
        arrivals = snapshot.journal.arrivals.all()
        # Seed tasks, and passages of documents.
        self._arrivals = {task.id: arrival for arrival in arrivals for task in arrival.tasks}
        self._arrivals |= {passage.id: arrival for arrival in arrivals for passage in arrival.passages}
        self._seeds = {task.id: task.instruction for arrival in arrivals for task in arrival.tasks}
        self._seeds |= {passage.id: passage.text for arrival in arrivals for passage in arrival.passages}
        self._configs = {g.number: RunConfig.parse(g.config) for g in self._run.generations}
        self._digests = {g.number: g.digest for g in self._run.generations}

    @property
    def seed_ids(self) -> set[str]:
        """Ids of all seeds of the run, and of texts of unknown origin in prompts and comparisons."""
        return self._seeds.keys() | {id for id in self._snapshot.used_ids() if not id.startswith(f"{self._run.id}-")}

    def task(self, question: int, index: int) -> Story:
        # Sort the verdicts in the order of the stages.
        verdicts = self._snapshot.verdicts_on(question, index)
        verdicts.sort(key=lambda verdict: (_ORDER.get(verdict.stage, 9), verdict.part))
        instruction = verdicts[0].instruction
        record = self._snapshot.record(question, index)
        # Read the proposal, and the questions that developed the task into instances.
        key, *developing = self._trail.keys(question, index)
        proposal, demos = self._read_answer(key)
        developed = [self._read_answer(key)[0] for key in developing]
        # The next task in the same answer ends this task's part of the answer.
        tasks = tasks_of(self._snapshot, question)
        following = next((task.instruction for task in tasks if task.index == index + 1), None)
        compared = next((verdict for verdict in verdicts if verdict.stage in ("novelty", "admission")), None)
        return Story(
            id=f"q{question}.{index}",
            run_id=self._run.id,
            question=question,
            index=index,
            instruction=instruction,
            outcome=self._outcome(question, index, record is not None, verdicts),
            proposal=proposal,
            demonstrations=self._demonstrations(demos),
            part=part_of(proposal.text, instruction, following) if proposal else "",
            checks=tuple(self._checks(verdicts, record is not None)),
            by_teacher=self._run.config.filters_in_words,
            nearest=self._nearest(compared, instruction),
            developed=tuple(sorted(filter(None, developed), key=lambda answered: answered.asked_at)),
            waiting=tuple(key for key, answered in zip(developing, developed, strict=True) if answered is None),
            record=record,
            share=self._trail.share(question, index),
            license=licensing(self._snapshot).statements,
        )

    def _outcome(self, question: int, index: int, kept: bool, verdicts: list[VerdictRow]) -> str:
        if kept:
            return "record"
        if self._snapshot.is_finished(question, index):
            return "beyond the target"
        return next((v.reason for v in reversed(verdicts) if v.reason is not None), "admitted")

    def _checks(self, verdicts: list[VerdictRow], kept: bool) -> list[Check]:
        """Return the result of each stage up to the first refusal; stages that passed have no verdict of their own."""
        by_stage = {verdict.stage: verdict for verdict in verdicts}
        filters = self._trail.filters
        # Filters.
        if refused := by_stage.get("filter"):
            return [Check("filter", False, refused.reason, refused.detail, refused.score, filters)]
        checks = [Check("filter", True, checks=filters)]
        # Novelty.
        if similar := by_stage.get("novelty"):
            return [*checks, Check("novelty", False, similar.reason, similar.detail, similar.score)]
        admitted = by_stage.get("admission")
        checks.append(Check("novelty", True, score=admitted.score if admitted else None))
        # Instances: several may be refused, and the task is still kept if one passes.
        instances = [
            Check(verdict.stage, False, verdict.reason, verdict.detail, verdict.score, part=verdict.part)
            for verdict in verdicts
            if verdict.stage in ("instance", "review")
        ]
        return [*checks, *instances, *([Check("instance", True)] if kept else [])]

    def _nearest(self, verdict: VerdictRow | None, instruction: str) -> NearestText | None:
        if verdict is None or verdict.nearest is None or verdict.score is None:
            return None
        text = self._instruction_of(verdict.nearest)
        alignment = align(instruction, text) if text is not None else None
        return NearestText(verdict.nearest, verdict.score, text, alignment)

    def question(self, question: int) -> QuestionStory:
        proposal, demos = self._read_answer(f"p:{question}")
        assert proposal is not None
        checks = tuple(
            Check(verdict.stage, False, verdict.reason, verdict.detail, verdict.score, part=verdict.part)
            for verdict in self._snapshot.answer_verdicts(question)
        )
        tasks = tuple(tasks_of(self._snapshot, question))
        return QuestionStory(f"q{question}", self._run.id, proposal, self._demonstrations(demos), checks, tasks)

    def seed(self, id: str) -> SeedStory:
        shown, near = self._snapshot.questions_showing(id), self._snapshot.nearest_to(id)
        refused = sum(verdict.reason is not None for verdict in near)
        arrival = self._arrivals.get(id)
        return SeedStory(
            id=id,
            run_id=self._run.id,
            instruction=self._seeds.get(id),
            generation=arrival.generation if arrival else None,
            first_question=arrival.first_question if arrival else 0,
            shown_in=len(shown),
            first_shown_in=tuple(f"q{question}" for question in shown[:10]),
            refused=refused,
            admitted=len(near) - refused,
            nearest_of=tuple(
                FoundTask(f"q{v.question}.{v.idx}", v.question, v.idx, v.instruction, v.reason or "admitted")
                for v in near[:10]
            ),
            license=tuple(s for s in licensing(self._snapshot).statements if s.text.startswith(SEEDS)),
        )

    def _read_answer(self, key: str) -> tuple[Answered | None, tuple[str, ...]]:
        """Return an answered question and the ids of its demonstrations; (None, ()) if it isn't answered."""
        row = self._snapshot.answer(key)
        if row is None:
            return None, ()
        endpoint, messages = self._snapshot.journal.sent.read(row.prompt)
        teacher = teacher_of(self._configs[row.generation], row.teacher)
        answered = Answered(
            key=row.key,
            purpose=row.purpose,
            model=row.model,
            teacher=row.teacher,
            configured=teacher.model_name,
            host=self._trail.host(row.asked_at, row.teacher),
            asked_at=row.asked_at,
            latency_s=row.latency_s,
            generation=row.generation,
            config_digest=self._digests[row.generation],
            prompt_version=row.version,
            endpoint=endpoint,
            prompt=messages,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            cost_usd=row.cost_usd,
            requests=row.requests,
            finish_reason=row.finish_reason,
            error=row.error,
            text=row.text,
            inherited=bool(row.inherited),
        )
        made_of = read_back(row.demos)
        return answered, (*made_of.demos, *made_of.passages)

    def _demonstrations(self, demos: tuple[str, ...]) -> tuple[ShownTask, ...]:
        return tuple(ShownTask(id, self._instruction_of(id)) for id in demos)

    def _instruction_of(self, id: str) -> str | None:
        """Return the instruction of a seed or of a task of this run, or None if unknown."""
        if id in self._seeds:
            return self._seeds[id]
        # A task's id is '<run>-<question>-<index>'.
        _, _, place = id.partition("-")
        question, _, index = place.partition("-")
        if not (question.isdecimal() and index.isdecimal()):
            return None
        return self._snapshot.instruction_of(int(question), int(index))


def part_of(answer: str, instruction: str, following: str | None) -> str:
    """Return the part of an answer from the line or JSON value with `instruction` to the one with `following`.

    following: the instruction of the next task, or None for the last task. Returns '' if the instruction isn't found.
    """
    start = _locate(answer, instruction, 0)
    if start is None:
        return ""
    end = _locate(answer, following, start + 1) if following else None
    return answer[_opening(answer, start) : len(answer) if end is None else _opening(answer, end)].strip("\n ,")


def _opening(answer: str, place: int) -> int:
    """Return the start of the line, JSON object, or JSON list item around `place`."""
    brace = answer.rfind("{", 0, place)
    others = max(answer.rfind(mark, 0, place) for mark in "\n[,")
    return brace if brace > others else others + 1


def _locate(answer: str, instruction: str | None, start: int) -> int | None:
    if not instruction:
        return None
    # Whitespace may differ from the answer's, and in JSON, quotes and non-ASCII characters may be escaped.
    for text in (instruction, json.dumps(instruction)[1:-1], json.dumps(instruction, ensure_ascii=False)[1:-1]):
        pattern = r"\s+".join(map(re.escape, text.split()))
        if match := re.compile(pattern).search(answer, start):
            return match.start()
    return None
