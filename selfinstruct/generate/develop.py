"""From an admitted task to its record, or to the verdicts that reject it: instances, checks, and a judge's marks."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..ask.asker import Asker
from ..ask.router import AskClosed
from ..core.documents import Passage, holds
from ..core.embeddings import embedding_request
from ..core.errors import ConfigError
from ..core.programs import Program, Ran
from ..core.prompts import Ask, Completion, Message, Prompt
from ..core.records import Development, Example, Label, Origin, Record, Response
from ..core.reviews import apply, content_of, digest_of
from ..core.tasks import PASS, Verdict, storable
from ..journal.answer_values import Answer
from ..journal.journal import Journal
from ..strategies.protocol import developed
from .generations import Generations
from .pool import Admitted, Pool, as_verdict
from .reasoning_evidence import Evidence, is_only_reasoning, usual_room, with_room

T = TypeVar("T")
Room = Callable[[Prompt], int | None]


class Developer:
    """Develops admitted tasks. The result depends on the answers alone, not on the order in which they arrive.

    model: the name of the model that gives the vector of each record; None for no vectors.
    """

    def __init__(
        self, pool: Pool, asker: Asker, generations: Generations, journal: Journal, model: str | None = None
    ) -> None:
        self._pool, self._asker, self._generations, self._journal = pool, asker, generations, journal
        self._model = model
        self._reviews = journal.reviews.standing()  # once, so that a start applies the same ones from first to last

    async def develop(self, admitted: Admitted) -> None:
        """Resolve a task: store its record, also in `admitted.record`, or the verdicts that reject it.

        Raises AskClosed if a question can't be sent any more; the task stays unresolved.
        """
        candidate, evidence = admitted.candidate, admitted.evidence
        instruction = candidate.instruction
        rooms = self._generations.rooms_since(admitted.answer.generation, evidence)

        # Examples: the strategy returns them, each with an answer.
        strategies = self._generations.since(admitted.answer)
        ways = [(partial(developed, s, candidate), room) for s, room in zip(strategies, rooms, strict=True)]
        development, asked = await self._ask_once(ways, evidence)
        keys, answers, labels = asked.keys, dict(asked.answers), dict(development.labels)
        if development.error is not None:
            kept: tuple[Example, ...] = ()
            rejections = [as_verdict(development.error)]

        # Answers: samples, checks, and a judge's marks decide which to keep.
        else:
            author = self._author(admitted, development, asked.answers)
            models = _models(admitted.answer, answers)
            passages = candidate.material.passages if candidate.material else ()
            unproven = [_unproven(example, passages) for example in development.examples]
            examples = [
                self._prepared(example, author, models)
                for example, verdict in zip(development.examples, unproven, strict=True)
                if verdict.ok
            ]
            responders = self._generations.responders(self._pool.checks)
            place = f"{admitted.question}:{admitted.index}"
            settle = [partial(each.settle, candidate, examples, development.truncated, place) for each in responders]
            further = [(way, room) for room in rooms for way in settle]
            settled, asked = await self._ask_once(further, evidence)
            instruction = settled.instruction
            kept, rejections = settled.kept, [*(verdict for verdict in unproven if not verdict.ok), *settled.refused]
            labels |= settled.labels
            # The order of concurrent questions is a matter of timing, so they are sorted.
            keys = [*keys, *(sorted(asked.keys) if responders[-1].asks_at_once else asked.keys)]
            answers |= asked.answers

        # A judge says what a sample of the tasks is about, as the generation that proposed them wants it.
        check = self._generations.facet_check(admitted.answer)
        if kept and check.samples(admitted.question, admitted.index):
            place = f"{admitted.question}:{admitted.index}"
            judged, asked = await self._ask_once([(partial(check.labels, place, kept[0]), rooms[-1])], evidence)
            labels, keys = labels | judged, [*keys, *asked.keys]

        # Nothing is stored before every answer is there: a task is resolved as a whole, or not at all.
        if keys:
            self._journal.ledger.developed(admitted.question, admitted.index, keys)
        for part, verdict in enumerate([*rejections, *map(as_verdict, development.lost)]):
            self._pool.refuse(admitted.question, admitted.index, "instance", candidate.instruction, verdict, part)
        if kept:
            self._finish(admitted, self._record(admitted, instruction, kept, labels, answers))
        # A record is kept without its vector, but its task stays unresolved, so that the next start asks for it.
        if admitted.record is not None and self._model is not None:
            await self._asker.ask(*embedding_request(self._model, admitted.record.instruction))
        admitted.resolved = True

    def _finish(self, admitted: Admitted, record: Record) -> None:
        """Store a record as people's reviews of it want it, or the verdict of a review that rejects it."""
        reviews = self._reviews.get(digest_of(content_of(record))) if self._reviews else None
        decided = apply(record, reviews) if reviews else record
        if isinstance(decided, Verdict):
            admitted.rejected_in_review = True
            self._pool.refuse(admitted.question, admitted.index, "review", record.instruction, decided)
        else:
            admitted.record = decided
            self._journal.ledger.keep(decided)

    def _prepared(self, example: Example, author: str | None, models: Mapping[str, str]) -> Example:
        """Return an example of a strategy as it is checked and kept.

        author: the key of the answer that counts as the author of a response that names none. models: the model that
        wrote each answer, by its key.
        """

        def text(given: str) -> str:
            return self._pool.checks.rewritten(storable(given))

        # Objects are built rather than changed by `replace`, which takes a fifth of a replay's time.
        responses = []
        for number, each in enumerate(example.responses):
            key = each.key or author
            teacher = models.get(key or "", each.teacher)
            reasoning = self._pool.checks.reasoning(each.reasoning)
            responses.append(Response(text(each.text), teacher, number, key, reasoning))
        messages = tuple(Message(each.role, text(each.content)) for each in example.messages)
        given = None if example.input is None else text(example.input)
        truth = example.ground_truth
        return Example(messages, tuple(responses), given, example.evidence, (), truth, example.shots)

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
                return await way(asked), asked
        asked = Asked(self._asker, room, evidence)
        return await newest(asked), asked

    def _author(self, admitted: Admitted, development: Development, answers: Mapping[str, Answer]) -> str | None:
        """Return the key of the answer that counts as the author of a response that names none; None if unknown.

        Raises ConfigError if a response names an answer that the strategy can't have.
        """
        own = str(admitted.answer.completion.key)
        for key in (response.key for example in development.examples for response in example.responses):
            if key is not None and key != own and key not in answers:
                name = self._generations.of(admitted.answer).name
                raise ConfigError(
                    f"your code, strategy {name}: key {key!r} is neither the proposal nor an answer to `ask`; pass "
                    "candidate.key, or the key of a completion"
                )
        # Of several answers, any may be the author: a strategy may ask a critic last.
        return next(iter(answers), own) if len(answers) <= 1 else None

    def _record(
        self,
        admitted: Admitted,
        instruction: str,
        examples: Sequence[Example],
        labels: Mapping[str, Label],
        answers: Mapping[str, Answer],
    ) -> Record:
        proposal = admitted.answer
        models = _models(proposal, answers)

        def named(example: Example) -> Example:
            # Samples don't know yet who wrote them.
            if all(each.teacher for each in (*example.responses, *example.others)):
                return example
            responses, others = (
                tuple(replace(each, teacher=models.get(each.key or "", each.teacher)) for each in part)
                for part in (example.responses, example.others)
            )
            return replace(example, responses=responses, others=others)

        return Record(
            id=admitted.id,
            question=admitted.question,
            index=admitted.index,
            instruction=instruction,
            examples=tuple(map(named, examples)),
            origin=Origin(
                strategy=self._generations.of(proposal).name,
                teacher=_model_of(proposal),
                version=proposal.version,
                demos=(*proposal.made_of.demos, *proposal.made_of.passages),
            ),
            novelty=admitted.novelty,
            facets=proposal.made_of.facets,
            labels=labels,
        )


class Asked:
    """The `Ask` of one development. Collects the keys of its questions, in the order of asking, and the answers.

    room: gives the tokens to add to a prompt's limit. evidence: what is known about the teachers' reasoning.
    recall_only: whether to send nothing.
    """

    def __init__(self, asker: Asker, room: Room, evidence: Evidence, *, recall_only: bool = False) -> None:
        self._asker, self._room, self._evidence, self._recall_only = asker, room, evidence, recall_only
        self.keys: list[str] = []
        self.answers: dict[str, Answer] = {}

    async def __call__(self, prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        """Return the answer from the journal or from a teacher; one that is only reasoning is asked with more room.

        Raises AskClosed if there is no answer and none is sent.
        """
        if not isinstance(sample, int) or isinstance(sample, bool) or sample < 0:
            raise ConfigError(f"your code: ask(prompt, sample={sample!r}): sample is a whole number, 0 or more")
        if sample or role:
            prompt = replace(prompt, sample=sample, purpose=role or prompt.purpose)
        tokens = self._room(prompt)
        answer, completion = await self._ask(with_room(prompt, tokens))
        if tokens is None and is_only_reasoning(completion) and usual_room(prompt):
            answer, completion = await self._ask(with_room(prompt, usual_room(prompt)))
        self.answers[str(completion.key)] = answer
        return completion

    async def run(self, program: Program) -> Ran:
        """Return what came of a program, from the journal or from the sandbox."""
        return await self._asker.run(program)

    async def _ask(self, prompt: Prompt) -> tuple[Answer, Completion]:
        key = prompt.key
        self.keys.append(key)
        answer = self._asker.recall(key) if self._recall_only else await self._asker.ask(key, prompt)
        if answer is None:
            raise AskClosed
        return answer, self._evidence.read(answer)


def _unproven(example: Example, passages: Sequence[Passage]) -> Verdict:
    """Return an objection to an example whose evidence does not stand where it says in the passages that were shown."""
    for quote in example.evidence:
        if not any(holds(passage, quote) for passage in passages):
            return Verdict("evidence_not_found", f"{quote.document}:{quote.start}-{quote.end}: {quote.text[:80]}")
    return PASS


def _models(proposal: Answer, answers: Mapping[str, Answer]) -> dict[str, str]:
    """Return the model that wrote each answer behind a task, by the answer's key."""
    return {str(proposal.completion.key): _model_of(proposal)} | {key: _model_of(a) for key, a in answers.items()}


def _model_of(answer: Answer) -> str:
    """The model as the server names it, else the name of the teacher."""
    return answer.completion.model or answer.teacher
