"""From an admitted task to its record, or to what refused it: its instances, their checks, a judge's marks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from ..ask.asker import Asker
from ..ask.slots import AskClosed
from ..core.prompts import Completion, Prompt
from ..core.tasks import Development, Instance, Record, Scores, Verdict, storable
from ..journal.journal import Answer, Journal
from .generations import Generations
from .pool import Admitted, Pool, as_verdict


class Developer:
    """Develops admitted tasks. What it concludes follows from the answers alone, in whatever order they come."""

    def __init__(self, pool: Pool, asker: Asker, generations: Generations, journal: Journal) -> None:
        self._pool, self._asker, self._generations, self._journal = pool, asker, generations, journal

    async def develop(self, admitted: Admitted) -> None:
        """Resolve a task: its record goes into the journal and stands in `admitted.record`, or its refusals do.

        Raises AskClosed when a question can't be asked any more; the task stays unresolved.
        """
        trail = _Trail(self._asker)
        text = admitted.candidate.instruction
        scores: tuple[Scores | None, ...] = ()
        found = await self._found(admitted, trail)
        made = tuple(Instance(storable(i.input), storable(i.output)) for i in found.instances)
        kept, refused = self._pool.checks.keep(text, made, found.truncated)
        by = trail.answers[-1] if trail.answers else admitted.answer
        if found.error is not None:
            kept, refused = (), [as_verdict(found.error)]
        elif self._generations.judges:
            kept, scores, low = await self._graded(admitted, kept, trail)
            refused += low
        if trail.keys:
            self._journal.ledger.developed(admitted.question, admitted.index, trail.keys)
        for part, verdict in enumerate(refused):
            self._pool.refuse(admitted.question, admitted.index, "instance", text, verdict, part)
        if kept:
            admitted.record = self._record(admitted, kept, found.is_classification, by, scores)
            self._journal.keep(admitted.record)
        admitted.resolved = True

    async def _found(self, admitted: Admitted, trail: _Trail) -> Development:
        """As the first generation since its proposal asks that the journal holds all of; else as the current one does.

        So a task is developed once, whatever generations come after.
        """
        *earlier, now = self._generations.since(admitted.answer)
        for then in earlier:
            with contextlib.suppress(AskClosed):
                return await then.develop(admitted.candidate, trail.recall)
            trail.forget()
        return await now.develop(admitted.candidate, trail.ask)

    async def _graded(
        self, admitted: Admitted, made: Sequence[Instance], trail: _Trail
    ) -> tuple[tuple[Instance, ...], tuple[Scores | None, ...], list[Verdict]]:
        """The same for its marks."""
        *earlier, now = self._generations.judges
        text, developed = admitted.candidate.instruction, len(trail.keys)
        for then in earlier:
            with contextlib.suppress(AskClosed):
                return await then.grade(text, made, trail.recall)
            trail.forget(developed)
        return await now.grade(text, made, trail.ask)

    def _record(
        self,
        admitted: Admitted,
        instances: tuple[Instance, ...],
        is_classification: bool | None,
        by: Answer,
        scores: tuple[Scores | None, ...],
    ) -> Record:
        answer = admitted.answer
        return Record(
            id=admitted.id,
            question=admitted.question,
            index=admitted.index,
            instruction=admitted.candidate.instruction,
            instances=instances,
            is_classification=is_classification,
            strategy=self._generations.of(answer).name,
            teacher=answer.completion.model or answer.teacher,
            output_teacher=by.completion.model or by.teacher,
            prompt_version=answer.version,
            demos=answer.demos,
            nearest=admitted.nearest,
            neighbours=admitted.neighbours,
            mean_similarity=admitted.mean_similarity,
            scores=scores,
        )


class _Trail:
    """The questions that a task was developed with, by their keys, and the answers to them."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.keys: list[str] = []
        self.answers: list[Answer] = []

    async def ask(self, prompt: Prompt) -> Completion:
        self.keys.append(f"d:{prompt.digest()}")
        self.answers.append(await self._asker.ask(self.keys[-1], prompt))
        return self.answers[-1].completion

    async def recall(self, prompt: Prompt) -> Completion:
        """Return the journaled answer. Raises AskClosed if there is none."""
        self.keys.append(f"d:{prompt.digest()}")
        known = self._asker.recall(self.keys[-1])
        if known is None:
            raise AskClosed
        self.answers.append(known)
        return known.completion

    def forget(self, after: int = 0) -> None:
        del self.keys[after:]
        del self.answers[after:]
