"""The pool: every task that may be shown or compared with, and the checks that a candidate must pass to enter it.

It only grows, in question order. `seen_by` returns the pool as it was `lookahead` questions before a question, which
makes the material independent of timing.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import overload

from ..config.plugins import check_returned
from ..core.facets import Drawn
from ..core.prompts import ending_of
from ..core.records import Neighbour, Novelty, Record
from ..core.tasks import Arrival, Candidate, Demonstration, Material, Verdict, storable
from ..filters import Checks, verdict_of
from ..journal.answer_values import Answer
from ..journal.folder import OpenRun
from ..novelty import NoveltyIndex
from ..strategies.material import View, demonstration
from ..strategies.protocol import Strategy
from .reasoning_evidence import NOTHING, Evidence

_log = logging.getLogger(__name__)

_NEAR = 10
"""How many of the texts most similar to a new one are searched for a task of another kind: some may not count."""


@dataclass(slots=True)
class Admitted:
    """A candidate in the pool, and what became of it.

    question, index, id: the proposal, the position in its answer, and the id of the task. candidate: the task as it was
    proposed. answer: the answer of the proposal. evidence: what is known of the teachers' reasoning after it. novelty:
    the most similar texts at admission. resolved: whether nothing more will be asked for it. record: the finished
    record; None before it is resolved, or if it has no example. rejected_in_review: whether a person rejected it.
    """

    question: int
    index: int
    id: str
    candidate: Candidate
    answer: Answer
    evidence: Evidence
    novelty: Novelty
    resolved: bool = False
    record: Record | None = None
    rejected_in_review: bool = False


class Pool:
    """Seeds and admitted tasks.

    A seed counts from the first question of its generation; tasks that were admitted earlier stay. The novelty
    threshold and the number of neighbors to keep with each task come from the run's configuration.

    admitted: the admitted tasks, in order. proposed: how many tasks were read from answers. refused: how many verdicts
    rejected a task, an answer or an instance. answered: the number of each question that got an answer, in order, and
    how many tasks were admitted before it. Failures are left out, because they say nothing about the yield.
    """

    def __init__(self, opened: OpenRun, checks: Checks) -> None:
        config, self._journal, self._run_id = opened.configs[-1], opened.journal, opened.id
        self._seeds = [demonstration(seed) for arrival in opened.arrivals for seed in arrival.tasks]
        self._from = [arrival.first_question for arrival in opened.arrivals for _ in arrival.tasks]
        self.admitted: list[Admitted] = []
        self._wordings: dict[str, str] = {}  # what the tasks with this id are wordings of
        self.refused = self.proposed = 0
        self.answered: list[tuple[int, int]] = []
        self.checks, self._neighbours = checks, config.neighbours
        self._index = NoveltyIndex(config.max_similarity, refuse_equal=config.refuse_equal, nearest="refused")
        # The last start's admissions save the search for nearest texts; only the same program finds the same ones.
        ledger = opened.journal.ledger
        self._before = ledger.admissions() if ledger.trusted else iter(())
        self._arrivals, self._coming = opened.arrivals, list(opened.arrivals)
        gone = {id for arrival in opened.arrivals for id in arrival.gone}
        passages = (each for arrival in opened.arrivals for each in arrival.passages)
        self._passages = {each.id: each for each in passages if each.id not in gone}
        self._arrive(0)
        self._shown: list[Demonstration] = []
        self._sizes: list[int] = []
        self._drawn: list[Drawn] = []
        self._by_id = {seed.id: seed for seed in self._seeds}

    @property
    def consumed(self) -> int:
        """How many questions were consumed; also the number of the next one."""
        return len(self._sizes)

    def seen_by(self, question: int, lookahead: int, asked: Sequence[Mapping[str, str]] = ()) -> View:
        """Return what `question` may be made from.

        That is the seeds of its generation and of earlier ones, and the tasks as of `lookahead` questions before.
        asked: the facets of all questions before it.
        """
        there, before = bisect_right(self._from, question), question - lookahead
        seeds = self._seeds if there == len(self._seeds) else self._seeds[:there]
        questions = _Questions(self._drawn, max(before + 1, 0), asked, question)
        return View(seeds, self._shown[: self._sizes[before]] if before >= 0 else (), self._arrivals, questions)

    def material(self, answer: Answer) -> Material:
        """Return the material of an answered question. The text of a seed that is gone is empty."""
        made_of = answer.made_of
        demos = tuple(self._by_id.get(id) or Demonstration(id, "") for id in made_of.demos)
        passages = tuple(self._passages[id] for id in made_of.passages if id in self._passages)
        return Material(demos, made_of.facets, passages, made_of.unit)

    def _arrive(self, question: int) -> None:
        """Add the seeds that count from `question`."""
        while self._coming and self._coming[0].first_question <= question:
            arrival = self._coming.pop(0)
            if question > 0:  # the first seeds are not new
                self._report_near(arrival)
            for seed in arrival.tasks:
                self._index.admit(seed.id, seed.instruction)

    def _report_near(self, arrival: Arrival) -> None:
        """Warn, once in the life of the run, about admitted tasks that these seeds would have rejected."""
        note = f"near_seeds:{arrival.generation}"
        if self._journal.meta(note) is not None:
            return
        near = []
        for seed in arrival.tasks:
            if not self._index.check(seed.instruction).ok:
                found = self._index.most_similar(seed.instruction, _NEAR).neighbours
                near += [(seed.id, n.id, n.score) for n in found if n.id.startswith(f"{self._run_id}-")][:1]
        for seed_id, task, score in near:
            message = "the new seed %s is nearly the same as the task %s (ROUGE-L F %.2f), which stays"
            _log.warning(f"selfinstruct: {message}", json.dumps(seed_id), task, score)
        self._journal.set_meta(**{note: json.dumps(near)})

    def consume(self, question: int, answer: Answer, strategy: Strategy, evidence: Evidence = NOTHING) -> None:
        """Parse the next answer in order, and admit or reject its tasks.

        Args:
            question: The number of the question.
            answer: Its answer.
            strategy: The strategy that asked for it.
            evidence: What is known about the teachers' reasoning.
        """
        self._arrive(question)
        before = len(self.admitted)
        # An error or an unreadable answer is one rejection; otherwise each task gets its verdict.
        completion = answer.completion
        material = self.material(answer)
        if completion.error is not None:
            self.refuse(question, -1, "answer", "", as_verdict(completion.error))
        elif len(material.passages) < len(answer.made_of.passages):
            gone = next(id for id in answer.made_of.passages if id not in self._passages)
            self.refuse(question, -1, "answer", "", Verdict("passage_gone", gone))
        else:
            parsed = check_returned(strategy.parse(completion, material), list, strategy, "parse")
            found = [check_returned(each, Candidate, strategy, "parse") for each in parsed]
            # An error with a task rejects the task; one without says what is in none.
            candidates = [candidate for candidate in found if candidate.error is None or candidate.instruction]
            lost = [candidate.error for candidate in found if candidate.error is not None and not candidate.instruction]
            most = strategy.tasks_per_question
            if len(candidates) > most:
                lost.append(f"too_many_tasks: {len(candidates) - most:,} beyond the {most:,} requested")
            if not candidates:
                start = " ".join(completion.text.split())[:120]
                reason = "truncated" if completion.truncated else "unparsable"
                self.refuse(question, -1, "answer", "", Verdict(reason, start))
            for part, error in enumerate(lost):
                self.refuse(question, -1, "reading", "", as_verdict(error), part)
            for index, candidate in enumerate(candidates[:most]):
                prepared = self.checks.prepared(_stored(candidate, completion.key, material))
                self._judge(question, index, prepared, answer, evidence)

        # Later questions may see what this one admitted; see `seen_by`.
        self._sizes.append(len(self._shown))
        self._drawn.append(Drawn(answer.made_of.facets, len(self.admitted) - before))
        if not completion.failed:
            self.answered.append((question, before))

    def refuse(self, question: int, index: int, stage: str, text: str, verdict: Verdict, part: int = 0) -> None:
        """Store a rejection in the ledger; see `Ledger.note` for the parameters."""
        self.refused += 1
        verdict = replace(verdict, detail=storable(verdict.detail))
        self._journal.ledger.note(question, index, stage, part, text, verdict)

    def _judge(self, question: int, index: int, candidate: Candidate, answer: Answer, evidence: Evidence) -> None:
        """Apply the strategy's own objection, the filters, then novelty; admit a candidate that passes."""
        # Filters: the first objection decides.
        self.proposed += 1
        text = candidate.instruction
        if candidate.error is not None:
            self.refuse(question, index, "filter", text, as_verdict(candidate.error))
            return
        for check in self.checks.filters_for(candidate):
            verdict = verdict_of(check, "check", check.check(candidate))
            if not verdict.ok:
                ending = answer.completion.finish_reason
                if verdict.reason == "truncated" and ending_of(ending) != "length":
                    verdict = replace(verdict, detail=f"finish reason {ending!r}")
                self.refuse(question, index, "filter", text, verdict)
                return

        # Novelty: nearly the same text in the pool rejects it.
        compared = candidate.meaning or text
        verdict = self._compared(candidate, compared)
        if not verdict.ok:
            self.refuse(question, index, "novelty", text, verdict)
            return

        # Admission: find the most similar texts before the candidate is one of them itself.
        id = f"{self._run_id}-{question}-{index}"
        nearest = self._nearest(question, index, text, compared)
        verdict = Verdict(score=nearest.score, nearest=nearest.id) if nearest else Verdict(score=0.0)
        novelty = Novelty(nearest)
        if self._neighbours:
            similar = self._index.most_similar(compared, self._neighbours)
            novelty = Novelty(nearest, similar.neighbours, similar.mean)
        self._index.admit(id, compared)
        self._shown.append(Demonstration(id, text, candidate.input or "", candidate.output or ""))
        self._by_id[id] = self._shown[-1]
        if candidate.wording_of:
            self._wordings[id] = candidate.wording_of
        self.admitted.append(Admitted(question, index, id, candidate, answer, evidence, novelty))
        self._journal.ledger.note(question, index, "admission", 0, text, verdict)

    def _compared(self, candidate: Candidate, text: str) -> Verdict:
        """Compare a candidate with the pool. Wordings of one task may be alike, but not equal."""
        verdict = self._index.check(text)
        if verdict.ok or not candidate.wording_of:
            return verdict
        for near in self._index.most_similar(text, _NEAR).neighbours:
            own = self._wordings.get(near.id) == candidate.wording_of
            if near.score == 1.0 or (self._index.refuses(near.score) and not own):
                return Verdict("too_similar", score=near.score, nearest=near.id)
        return Verdict()

    def _nearest(self, question: int, index: int, text: str, compared: str) -> Neighbour | None:
        """Return the nearest text to what is compared of an admitted task, whose instruction is `text`."""
        # The last start's result is valid as long as both starts admit the same tasks in the same order.
        known = next(self._before, None)
        if known is not None and known[:3] == (question, index, text):
            return None if known[3] is None else Neighbour(known[3], known[4])
        self._before = iter(())  # from here on the pools differ
        return self._index.nearest(compared)


class _Questions(Sequence[Drawn]):
    """The questions before one, without a copy: a run may have many. known: how many of them count as consumed."""

    def __init__(self, consumed: Sequence[Drawn], known: int, asked: Sequence[Mapping[str, str]], count: int) -> None:
        self._consumed, self._known, self._asked, self._count = (
            consumed,
            known,
            asked,
            max(min(count, len(asked)), known),
        )

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Drawn: ...
    @overload
    def __getitem__(self, place: slice) -> list[Drawn]: ...
    def __getitem__(self, place: int | slice) -> Drawn | list[Drawn]:
        places = range(self._count)[place]
        if isinstance(places, range):
            return [self[each] for each in places]
        return self._consumed[places] if places < self._known else Drawn(self._asked[places])


def _stored(candidate: Candidate, key: str | None, material: Material) -> Candidate:
    """Say what a candidate comes from, and remove characters that JSON can spell but no file can keep."""
    return replace(
        candidate,
        key=key,
        material=material,
        instruction=storable(candidate.instruction),
        input=None if candidate.input is None else storable(candidate.input),
        output=None if candidate.output is None else storable(candidate.output),
        meaning=storable(candidate.meaning),
    )


def as_verdict(error: str) -> Verdict:
    """Turn an answer's error into a verdict: 'refusal: I can not ...' has the reason 'refusal'."""
    reason, _, detail = error.partition(":")
    return Verdict(reason, detail.strip())
