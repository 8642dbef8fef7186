"""The strategies of a run: one for every configuration that it has had, so that each answer is read as it was asked.

Whether the server follows JSON schemas is found out here: asked once a teacher, through the journal.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from ..ask.asker import Asker
from ..ask.slots import AskClosed
from ..config.run_config import RunConfig
from ..config.teacher_list import ListedTeacher, having
from ..core.prompts import Asking
from ..filters.judge import Judge
from ..journal.journal import Answer, Journal
from ..strategies.protocol import Strategy
from ..teachers import asked_together, asking_of
from ..teachers.probe import probe_prompt, speaks_schema


class Generations:
    """Strategies by generation. askings: how each teacher of the current one, the last, is asked, by its name.

    own: the names of those that are objects of the caller's; they are asked alike in every generation.
    """

    def __init__(
        self,
        configs: Sequence[RunConfig],
        build: Callable[[RunConfig, Asking], Strategy],
        askings: Mapping[str, Asking],
        own: Collection[str] = (),
    ) -> None:
        self._configs, self._build, self._askings = configs, build, askings
        self._own = {name: askings[name] for name in own}
        self._strategies: list[Strategy] = []
        self.judges: list[Judge] = []
        """Where the current configuration has a judge: every way in which one has asked, the current one's last."""

    @property
    def current(self) -> Strategy:
        """The one that asks."""
        return self._strategies[-1]

    def of(self, answer: Answer) -> Strategy:
        """The one that asked for `answer`, and so the one to read it."""
        return self._strategies[answer.generation - 1]

    def since(self, answer: Answer) -> Sequence[Strategy]:
        """The one that asked for `answer` and all that came after it; the last is the current one."""
        return self._strategies[answer.generation - 1 :]

    async def prepare(self, asker: Asker, journal: Journal) -> None:
        """Build the strategies. Until the asker is open, a teacher with no journaled probe has no schemas."""
        strategies, by_schema = [], list[bool]()
        for number, config in enumerate(self._configs, 1):
            current = number == len(self._configs)
            askings = self._askings if current else {e.label: asking_of(e) for e in config.all_teachers} | self._own
            asking = asked_together(config.all_teachers, askings)
            note = f"schemas:{number}"
            decided = journal.meta(note)
            if decided is None:
                keys = {each.label: self._probe_key(each, number) for each in config.all_teachers}
                found = await _by_schema(config, asking, askings, keys, asker, journal, may_ask=current)
                if current and asker.asks:
                    journal.set_meta(**{note: json.dumps(sorted(found))})
            else:
                found = frozenset(json.loads(decided))
            strategies.append(self._build(config, replace(asking, structured=found)))
            if config.judge is not None:
                by_schema.append("judge" in found)
        self._strategies = strategies
        if self._configs[-1].judge is not None:
            now = by_schema[-1]
            ways = [*([not now] if (not now) in by_schema else []), now]
            self.judges = [Judge(self._configs[-1], by_schema=way) for way in ways]

    def _probe_key(self, teacher: ListedTeacher, number: int) -> str:
        """Under which the journal keeps whether a teacher follows schemas; another model of that name has its own."""
        named = [
            (n, each)
            for n, config in enumerate(self._configs, 1)
            for each in config.all_teachers
            if each.label == teacher.label
        ]
        first = named[0][0]
        same = next(n for n, each in named if (each.kind, each.model) == (teacher.kind, teacher.model))
        return f"probe:{teacher.label}" if same == first else f"probe:{teacher.label}:{same}"


async def _by_schema(
    config: RunConfig,
    asking: Asking,
    askings: Mapping[str, Asking],
    keys: Mapping[str, str],
    asker: Asker,
    journal: Journal,
    *,
    may_ask: bool,
) -> frozenset[str]:
    """The purposes whose answers are asked for by a JSON schema: those whose teachers all follow one.

    Of several teachers, one that can't be asked now counts as following none. What was found when they were first asked
    is written down, so that it doesn't change later how questions are worded.
    """
    teachers, follows = config.all_teachers, dict[str, bool]()
    shaped = ["propose", "instances"]
    if config.judge is not None:
        shaped.append("judge")
    asked = {p: having(teachers, p) for p in shaped if replace(asking, structured=True).by_schema(p)}
    for each in teachers:
        known = askings[each.label].structured
        if each.structured != "auto":
            follows[each.label] = each.structured == "json_schema"
        elif known is not None:
            follows[each.label] = bool(known)
        elif any(each in those for those in asked.values()):
            alone = len(teachers) == 1
            follows[each.label] = await _probe(
                each.label, keys[each.label], asker, journal, may_ask=may_ask, alone=alone
            )
    return frozenset(p for p, those in asked.items() if all(follows[each.label] for each in those))


async def _probe(teacher: str, key: str, asker: Asker, journal: Journal, *, may_ask: bool, alone: bool) -> bool:
    """Whether `teacher` follows JSON schemas; False where nobody knows and nothing is asked.

    alone: no other teacher can be asked; an inconclusive failure is then asked again until the asker closes.
    """
    while True:
        known = asker.recall(key)
        if known is None and may_ask:
            with contextlib.suppress(AskClosed):
                known = await asker.ask(key, probe_prompt(), teacher=teacher)
        if known is None:
            return False
        completion = known.completion
        if not completion.failed or (completion.error or "").startswith("bad_request"):
            return speaks_schema(completion)
        if not (may_ask and asker.asks):
            return False
        journal.forget([key])
        if not alone:
            return False
