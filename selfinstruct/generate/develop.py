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

T = TypeVar("T")


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
        development, asked = await self._ask_once([partial(developed, s, admitted.candidate) for s in strategies])
        keys = asked.keys
        written = tuple(Instance(storable(each.input), storable(each.output)) for each in development.instances)
        kept, rejections = self._pool.checks.keep(text, written, development.truncated)
        if development.error is not None:
            kept, rejections = (), [as_verdict(development.error)]

        # Marks: the judge may reject more of them.
        elif self._generations.judges:
            judges = self._generations.judges
            (kept, scores, low), judged = await self._ask_once([partial(judge.grade, text, kept) for judge in judges])
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

    async def _ask_once(self, ways: Sequence[Callable[[Ask], Awaitable[T]]]) -> tuple[T, _Asked]:
        """Return the result of the oldest way to ask whose answers are all journaled, or of the newest way.

        So each task is developed and judged once, whatever generations follow.
        """
        *earlier, newest = ways
        for way in earlier:
            asked = _Asked(self._asker)
            with contextlib.suppress(AskClosed):
                return await way(asked.recall), asked
        asked = _Asked(self._asker)
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


class _Asked:
    """The `ask` of one development. Collects the keys of its questions, in the order of asking, and the answers."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.keys: list[str] = []
        self.answers: dict[str, Answer] = {}

    async def ask(self, prompt: Prompt) -> Completion:
        """Return the answer from the journal or from a teacher. Raises AskClosed."""
        key = self._key_of(prompt)
        self.answers[key] = await self._asker.ask(key, prompt)
        return self.answers[key].completion

    async def recall(self, prompt: Prompt) -> Completion:
        """Return the journaled answer. Raises AskClosed if there is none."""
        key = self._key_of(prompt)
        known = self._asker.recall(key)
        if known is None:
            raise AskClosed
        self.answers[key] = known
        return known.completion

    def _key_of(self, prompt: Prompt) -> str:
        self.keys.append(f"d:{prompt.digest()}")
        return self.keys[-1]


def _model_of(answer: Answer) -> str:
    """The model as the server names it, else the name of the teacher."""
    return answer.completion.model or answer.teacher
