"""From an admitted task to its record, or to the verdicts that reject it: instances, checks, and a judge's marks."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..ask.asker import Asker
from ..ask.slots import AskClosed
from ..core.prompts import Completion, Prompt
from ..core.tasks import Development, Instance, Record, Scores, storable
from ..journal.journal import Answer, Journal
from ..strategies.protocol import Ask, developed
from .generations import Generations
from .pool import Admitted, Pool, as_verdict
from .reasoning_evidence import Evidence, is_only_reasoning, usual_room, with_room

T = TypeVar("T")
Room = Callable[[Prompt], int | None]


class Developer:
    """Develops admitted tasks. The result depends on the answers alone, not on the order in which they arrive."""

    def __init__(self, pool: Pool, asker: Asker, generations: Generations, journal: Journal) -> None:
        self._pool, self._asker, self._generations, self._journal = pool, asker, generations, journal

    async def develop(self, admitted: Admitted) -> None:
        """Resolve a task: store its record, also in `admitted.record`, or the verdicts that reject it.

        Raises AskClosed if a question can't be sent any more; the task stays unresolved.
        """
        text = admitted.candidate.instruction
        scores: tuple[Scores | None, ...] = ()

        # Instances: the strategy returns them, the checks keep some.
        strategies = self._generations.since(admitted.answer)
        rooms = self._generations.rooms_since(admitted.answer.generation, admitted.evidence)
        ways = [(partial(developed, s, admitted.candidate), room) for s, room in zip(strategies, rooms, strict=True)]
        development, asked = await self._ask_once(ways, admitted.evidence)
        keys = asked.keys
        written = tuple(Instance(storable(each.input), storable(each.output)) for each in development.instances)
        kept, rejections = self._pool.checks.keep(text, written, development.truncated)
        if development.error is not None:
            kept, rejections = (), [as_verdict(development.error)]

        # Marks: the judge may reject more of them.
        elif self._generations.judges:
            judges = self._generations.judges
            graders = [(partial(judge.grade, text, kept), room) for room in rooms for judge in judges]
            (kept, scores, low), judged = await self._ask_once(graders, admitted.evidence)
            rejections += low
            keys = [*keys, *judged.keys]

        # Nothing is stored before every answer is there: a task is resolved as a whole, or not at all.
        if keys:
            self._journal.ledger.developed(admitted.question, admitted.index, keys)
        for part, verdict in enumerate([*rejections, *map(as_verdict, development.lost)]):
            self._pool.refuse(admitted.question, admitted.index, "instance", text, verdict, part)
        if kept:
            author = self._author(admitted, development, asked.answers)
            admitted.record = self._record(admitted, kept, development.is_classification, author, scores)
            self._journal.ledger.keep(admitted.record)
        admitted.resolved = True

    async def _ask_once(
        self, ways: Sequence[tuple[Callable[[Ask], Awaitable[T]], Room]], evidence: Evidence
    ) -> tuple[T, Asked]:
        """Return the result of the oldest way to ask whose answers are all journaled, or of the newest way.

        So each task is developed and judged once, whatever generations follow. With each way comes its room for
        reasoning.
        """
        evidence = self._generations.with_probes(evidence)
        *earlier, (newest, room) = ways
        for way, earlier_room in earlier:
            asked = Asked(self._asker, earlier_room, evidence, recall_only=True)
            with contextlib.suppress(AskClosed):
                return await way(asked.ask), asked
        asked = Asked(self._asker, room, evidence)
        return await newest(asked.ask), asked

    def _author(self, admitted: Admitted, development: Development, answers: dict[str, Answer]) -> Answer | None:
        """Return the answer that contains the instances, as `Development.output_key` defines it; None if unknown."""
        key, proposal = development.output_key, admitted.answer
        if key is None:
            # Of several answers, any may be the author: a strategy may ask a critic last.
            first = next(iter(answers.values()), proposal)
            return first if len(answers) <= 1 else None
        if key == proposal.completion.key:
            return proposal
        if key not in answers:
            name = self._generations.of(proposal).name
            raise ValueError(f"strategy {name}: output_key {key!r} is neither the proposal nor an answer to `ask`")
        return answers[key]

    def _record(
        self,
        admitted: Admitted,
        instances: tuple[Instance, ...],
        is_classification: bool | None,
        author: Answer | None,
        scores: tuple[Scores | None, ...],
    ) -> Record:
        proposal = admitted.answer
        return Record(
            id=admitted.id,
            question=admitted.question,
            index=admitted.index,
            instruction=admitted.candidate.instruction,
            instances=instances,
            is_classification=is_classification,
            strategy=self._generations.of(proposal).name,
            teacher=_model_of(proposal),
            output_teacher=None if author is None else _model_of(author),
            prompt_version=proposal.version,
            demos=proposal.demos,
            nearest=admitted.nearest,
            neighbours=admitted.neighbours,
            mean_similarity=admitted.mean_similarity,
            # A judge can spell out characters in JSON that no file can keep.
            scores=tuple(each and replace(each, reason=storable(each.reason)) for each in scores),
            output_key=None if author is None else author.completion.key,
        )


class Asked:
    """The `ask` of one development. Collects the keys of its questions, in the order of asking, and the answers.

    room: gives the tokens to add to a prompt's limit. evidence: what is known about the teachers' reasoning.
    recall_only: whether to send nothing.
    """

    def __init__(self, asker: Asker, room: Room, evidence: Evidence, *, recall_only: bool = False) -> None:
        self._asker, self._room, self._evidence, self._recall_only = asker, room, evidence, recall_only
        self.keys: list[str] = []
        self.answers: dict[str, Answer] = {}

    async def ask(self, prompt: Prompt) -> Completion:
        """Return the answer from the journal or from a teacher; one that is only reasoning is asked with more room.

        Raises AskClosed if there is no answer and none is sent.
        """
        tokens = self._room(prompt)
        answer, completion = await self._ask(with_room(prompt, tokens))
        if tokens is None and is_only_reasoning(completion) and usual_room(prompt):
            answer, completion = await self._ask(with_room(prompt, usual_room(prompt)))
        self.answers[self.keys[-1]] = answer
        return completion

    async def _ask(self, prompt: Prompt) -> tuple[Answer, Completion]:
        key = f"d:{prompt.digest()}"
        self.keys.append(key)
        answer = self._asker.recall(key) if self._recall_only else await self._asker.ask(key, prompt)
        if answer is None:
            raise AskClosed
        return answer, self._evidence.read(answer)


def _model_of(answer: Answer) -> str:
    """The model as the server names it, else the name of the teacher."""
    return answer.completion.model or answer.teacher
