"""The proposals of a start: asks them ahead of the pool, and passes their answers to the pool in question order."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..ask.asker import Asker
from ..ask.router import AskClosed
from ..config.plugins import check_returned
from ..core.prompts import Prompt
from ..core.tasks import Material
from ..journal.answer_values import Answer
from ..journal.folder import OpenRun
from .generations import Generations
from .pool import Pool
from .reasoning_evidence import AHEAD, NOTHING, Evidence, with_room
from .yield_watch import YieldWatch

AT_A_TIME = 8
"""Questions that are prepared before the loop looks at answers that have arrived in the meantime."""
_RECENT = 50
"""Consumed questions whose yield predicts that of the next ones."""


class Proposals:
    """Asks, recalls and consumes proposals. Calls `changed` when an answer has arrived.

    exhausted: why nothing more is asked, once too few records result; None before. stuck: whether the next answer in
    order will not arrive before the asker is opened. recall_only: whether no answer will arrive in this start.
    """

    def __init__(
        self,
        opened: OpenRun,
        pool: Pool,
        asker: Asker,
        generations: Generations,
        changed: Callable[[], object],
        *,
        recall_only: bool,
    ) -> None:
        self._config, self._target, self._recall_only = opened.configs[-1], opened.target, recall_only
        self._in_batches = any(each.in_batches for each in self._config.all_teachers)
        self._watch = YieldWatch(opened, pool)
        self._pool, self._asker, self._generations, self._changed = pool, asker, generations, changed
        self._answers: dict[int, asyncio.Task[Answer] | Answer] = {}
        self._next_question = 0
        self._needed = 0  # questions to ask because an earlier answer can't be read without them
        self._facets: list[Mapping[str, str]] = []  # of each question so far
        self._all_asked = False  # whether the source has nothing left
        self._evidence: list[Evidence] = []  # after each consumed question
        self.stuck = False

    @property
    def exhausted(self) -> str | None:
        return self._watch.exhausted

    @property
    def all_asked(self) -> bool:
        """Whether the source has nothing left, and every question is consumed."""
        return self._all_asked and self._pool.consumed == self._next_question

    def look_ahead(self) -> None:
        """Find out whether there is a next question, before a teacher is started for it."""
        if self._asker.recall(f"p:{self._next_question}") is None:
            self._all_asked = self._draw(self._next_question) is None

    @property
    def head(self) -> asyncio.Task[Answer] | Answer | None:
        """The next answer in order, or the task that waits for it; None if nothing can be consumed."""
        return self._answers.get(self._pool.consumed) if not self.stuck and self._goes_on() else None

    def _goes_on(self) -> bool:
        """Whether the yield so far allows more questions. A replay that asks nothing doesn't wait for tasks."""
        answer = self._watch.may_go_on()
        return self._recall_only if answer is None else answer

    @property
    def tasks(self) -> list[asyncio.Task[Answer]]:
        """The tasks that wait for answers."""
        return [answer for answer in self._answers.values() if isinstance(answer, asyncio.Task)]

    def ask_ahead(self, failed: int) -> bool:
        """Ask or recall a few questions, as far as the window allows and the target may need.

        failed: how many admitted tasks have no record. Returns whether there may be more to ask now.
        """
        for _ in range(AT_A_TIME):
            if not self._goes_on() or not self._may_ask(failed):
                return False
            number = self._next_question
            answer = self._asker.recall(f"p:{number}")
            if answer is not None:
                self._answers[number] = answer
                self._facets.append(answer.made_of.facets)
            elif not self._asker.asks:
                return False
            elif (material := self._draw(number)) is None:
                self._all_asked = True
                return False
            else:
                self._answers[number] = self._ask(number, material)
                self._facets.append(material.facets)
            self._next_question += 1
        return True

    def _draw(self, number: int) -> Material | None:
        # The material depends on the number and on the pool `lookahead` questions before, never on timing.
        source = self._generations.source
        material = source.draw(number, self._pool.seen_by(number, self._config.lookahead, self._facets))
        return None if material is None else check_returned(material, Material, source, "draw")

    def _ask(self, number: int, material: Material) -> asyncio.Task[Answer]:
        strategy = self._generations.current
        prompt = check_returned(strategy.propose(material), Prompt, strategy, "propose")
        prompt = replace(prompt, made_of=material.made_of)
        room = self._generations.rooms_since(1, self._known(number - self._config.lookahead))[-1]
        prompt = with_room(prompt, room(prompt))
        task = asyncio.create_task(self._asker.ask(f"p:{number}", prompt, question=number))
        task.add_done_callback(lambda _: self._changed())
        return task

    def _may_ask(self, failed: int) -> bool:
        ahead = self._next_question - self._pool.consumed
        if ahead >= self._config.lookahead:
            return False
        if self._next_question < self._needed:
            return True
        # Before the first task it is unknown whether any answer can be used.
        if not self._pool.admitted and not self._in_batches and ahead >= self._config.concurrency:
            return False
        missing = self._target - (len(self._pool.admitted) - failed)
        return missing > 0 and ahead < math.ceil(missing / self._expected_yield())

    def _expected_yield(self) -> float:
        """Predict the admitted tasks per question, from the last 50 consumed and one that admits everything."""
        recent = self._pool.answered[-_RECENT:]
        admitted = len(self._pool.admitted) - recent[0][1] if recent else 0
        requested = self._generations.current.tasks_per_question
        return max((admitted + requested) / (len(recent) + 1), 0.1)  # at most ten questions per missing task

    def consume_next(self) -> bool:
        """Pass the next answer in order to the pool if it has arrived. Returns whether it has."""
        head = self.head
        if head is None or (isinstance(head, asyncio.Task) and not head.done()):
            return False
        number = self._pool.consumed
        try:
            head = head.result() if isinstance(head, asyncio.Task) else head
            evidence = self._evidence_on(number, head)
        except AskClosed:
            self.stuck = True
            return False
        if evidence is None:
            return False
        del self._answers[number]
        self._evidence.append(evidence)

        read = replace(head, completion=self._generations.with_probes(evidence).read(head))
        self._pool.consume(number, read, self._generations.of(head), evidence)
        self._watch.may_go_on()
        return True

    def _known(self, number: int) -> Evidence:
        """Return what is known about the teachers' reasoning after a question, as far as proposals show it."""
        return self._evidence[number] if number >= 0 else NOTHING

    def _evidence_on(self, number: int, answer: Answer) -> Evidence | None:
        """Return what is known after an answer; None while that depends on answers to the next questions.

        Raises AskClosed if these answers won't arrive before the asker is opened.
        """
        evidence = self._known(number - 1).after(answer)
        if not self._generations.chat or not self._generations.with_probes(evidence).needs_more(answer):
            return evidence
        later: list[Answer] = []
        for following in range(number + 1, number + min(AHEAD, self._config.lookahead)):
            found = self._answers.get(following) or self._asker.recall(f"p:{following}")
            if found is None and self._recall_only:
                break
            if found is None:
                if not self._asker.asks:
                    raise AskClosed
                self._needed = following + 1
                self._changed()  # the loop asks it before it waits
                return None
            if isinstance(found, asyncio.Task) and not found.done():
                return None
            later.append(found.result() if isinstance(found, asyncio.Task) else found)
            if (known := evidence.with_later(answer, later)) is not evidence:
                return known
        return evidence
