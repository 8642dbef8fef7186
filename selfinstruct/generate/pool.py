"""The pool: every task that may be shown or compared with, and the checks a candidate must pass to enter it.

It only ever grows, in the order of the questions. `seen_by` gives a question the pool as it stood
`lookahead` questions before, which is what makes the demonstrations independent of timing.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.tasks import Arrival, Candidate, Demonstration, Neighbour, Record, Verdict, storable
from ..filters import Checks
from ..journal.journal import Answer, Journal
from ..novelty import NoveltyIndex
from ..strategies.material import demonstration
from ..strategies.protocol import Strategy

_log = logging.getLogger(__name__)

_NEAR = 10
"""Texts most similar to a new seed among which a task is looked for: some of them may be seeds."""


@dataclass(slots=True)
class Admitted:
    """A candidate in the pool and what has become of it.

    resolved: nothing more is to be asked for it; `record` is then the finished record, or None when it has no instance.
    """

    question: int
    index: int
    id: str
    candidate: Candidate
    answer: Answer
    nearest: Neighbour | None
    neighbours: tuple[Neighbour, ...] = ()
    mean_similarity: float | None = None
    resolved: bool = False
    record: Record | None = None


class Pool:
    """Seeds and admitted tasks. neighbours: how many of the most similar texts are kept with each, 0 for none.

    A seed counts from its generation's first question on, whenever that is consumed: what was admitted before stays.
    """

    def __init__(
        self,
        seeds: Sequence[Arrival],
        checks: Checks,
        max_similarity: float,
        refuse_equal: bool,
        neighbours: int,
        journal: Journal,
        run_id: str,
    ) -> None:
        self._seeds = [demonstration(seed) for arrival in seeds for seed in arrival.tasks]
        self._from = [arrival.first_question for arrival in seeds for _ in arrival.tasks]
        self.admitted: list[Admitted] = []
        self.refused = self.proposed = 0
        self.yields: list[int] = []
        """Tasks admitted from each question that got an answer, in order. A failure says nothing about the yield."""
        self.checks, self._neighbours = checks, neighbours
        self._journal, self._run_id = journal, run_id
        self._index = NoveltyIndex(max_similarity, refuse_equal=refuse_equal, nearest="refused")
        self._before = journal.ledger.admissions() if journal.ledger.trusted else iter(())
        self._coming = list(seeds)
        self._arrive(0)
        self._shown: list[Demonstration] = []
        self._sizes: list[int] = []

    @property
    def consumed(self) -> int:
        """Questions consumed so far; the number of the next one."""
        return len(self._sizes)

    def seen_by(self, question: int, lookahead: int) -> Sequence[Demonstration]:
        """The machine-made tasks that `question` may be shown."""
        before = question - lookahead
        return self._shown[: self._sizes[before]] if before >= 0 else ()

    def seeds_of(self, question: int) -> Sequence[Demonstration]:
        """The seeds that `question` may be shown: those that were there when its generation began."""
        there = bisect_right(self._from, question)
        return self._seeds if there == len(self._seeds) else self._seeds[:there]

    def _arrive(self, question: int) -> None:
        """Let in the seeds that count from `question` on."""
        while self._coming and self._coming[0].first_question <= question:
            arrival = self._coming.pop(0)
            if question > 0:
                self._tell_near(arrival)
            for seed in arrival.tasks:
                self._index.admit(seed.id, seed.instruction)

    def _tell_near(self, arrival: Arrival) -> None:
        """Say once which tasks are there already that these seeds would have refused."""
        note = f"near_seeds:{arrival.generation}"
        if self._journal.meta(note) is not None:
            return
        near = []
        for seed in arrival.tasks:
            if not self._index.check(seed.instruction).ok:
                found = self._index.most_similar(seed.instruction, _NEAR).neighbours
                near += [(seed.id, n.id, n.score) for n in found if n.id.startswith(f"{self._run_id}-")][:1]
        for seed_id, task, score in near:
            said = "the new seed %s is nearly the same as the task %s (ROUGE-L F %.2f), which stays"
            _log.warning(f"selfinstruct: {said}", json.dumps(seed_id), task, score)
        self._journal.set_meta(**{note: json.dumps(near)})

    def consume(self, question: int, answer: Answer, strategy: Strategy) -> None:
        """Read the next answer in order and judge what it proposes."""
        self._arrive(question)
        before = len(self.admitted)
        completion = answer.completion
        if completion.error is not None:
            self.refuse(question, -1, "answer", "", as_verdict(completion.error))
        else:
            candidates = strategy.parse(completion)
            if not candidates:
                start = " ".join(completion.text.split())[:120]
                self.refuse(question, -1, "answer", "", Verdict("unparsable", start))
            for index, candidate in enumerate(candidates):
                self._judge(question, index, self.checks.prepared(_stored(candidate, completion.key)), answer)
        self._sizes.append(len(self._shown))
        if not completion.failed:
            self.yields.append(len(self.admitted) - before)

    def refuse(self, question: int, index: int, stage: str, text: str, verdict: Verdict, part: int = 0) -> None:
        """Write a refusal into the ledger. stage: 'answer', 'filter', 'novelty' or 'instance'."""
        self.refused += 1
        self._journal.note(question, index, stage, part, text, replace(verdict, detail=storable(verdict.detail)))

    def _judge(self, question: int, index: int, candidate: Candidate, answer: Answer) -> None:
        """Filters, then novelty; a candidate that passes enters the pool."""
        self.proposed += 1
        text = candidate.instruction
        for check in self.checks.instructions:
            verdict = check.check(candidate)
            if not verdict.ok:
                self.refuse(question, index, "filter", text, verdict)
                return
        verdict = self._index.check(text)
        if not verdict.ok:
            self.refuse(question, index, "novelty", text, verdict)
            return
        id = f"{self._run_id}-{question}-{index}"
        nearest = self._nearest(question, index, text)
        verdict = Verdict(score=nearest.score, nearest=nearest.id) if nearest else Verdict(score=0.0)
        admitted = Admitted(question, index, id, candidate, answer, nearest)
        if self._neighbours:
            similar = self._index.most_similar(text, self._neighbours)
            admitted.neighbours, admitted.mean_similarity = similar.neighbours, similar.mean
        self._index.admit(id, text)
        self._shown.append(Demonstration(id, text, candidate.input or "", candidate.output or ""))
        self.admitted.append(admitted)
        self._journal.note(question, index, "admission", 0, text, verdict)

    def _nearest(self, question: int, index: int, text: str) -> Neighbour | None:
        """The nearest text of a task that is admitted; as the start before found it, while the pool is what it was."""
        known = next(self._before, None)
        if known is not None and known[:3] == (question, index, text):
            return None if known[3] is None else Neighbour(known[3], known[4])
        self._before = iter(())
        return self._index.nearest(text)


def _stored(candidate: Candidate, key: str | None) -> Candidate:
    """Name the answer that a candidate comes from, and remove characters that JSON can spell but no file can keep."""
    return replace(
        candidate,
        key=key,
        instruction=storable(candidate.instruction),
        input=None if candidate.input is None else storable(candidate.input),
        output=None if candidate.output is None else storable(candidate.output),
    )


def as_verdict(error: str) -> Verdict:
    """An answer's error, 'reason: detail', as a verdict."""
    reason, _, detail = error.partition(":")
    return Verdict(reason, detail.strip())
