"""The strategies of a run: one for every configuration that it has had, so that each answer is read as it was asked.

Whether the server follows JSON schemas is found out here: asked once a teacher, through the journal.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from .ask import Door
from .config import RunConfig
from .config_teachers import having
from .gate import DoorClosed
from .journal import Answer, Journal
from .judge import Judge
from .schema import Asking, Purpose
from .strategies import Strategy
from .teachers import asked_together, asking_of
from .teachers.probe import probe_prompt, speaks_schema


class Generations:
    """Strategies by generation. askings: how each teacher of the current one, the last, is asked, by its name."""

    def __init__(
        self,
        configs: Sequence[RunConfig],
        build: Callable[[RunConfig, Asking], Strategy],
        askings: Mapping[str, Asking],
    ) -> None:
        self._configs, self._build, self._askings = configs, build, askings
        self._strategies: list[Strategy] = []
        self.judge: Judge | None = None
        """The judge of the current configuration, where it has one."""

    @property
    def current(self) -> Strategy:
        """The one that asks."""
        return self._strategies[-1]

    def of(self, answer: Answer) -> Strategy:
        """The one that asked for `answer`, and so the one to read it."""
        return self._strategies[answer.generation - 1]

    async def prepare(self, door: Door, journal: Journal) -> None:
        """Build them. Before the door is open, what the journal doesn't tell about schemas is taken as a no."""
        strategies = []
        for number, config in enumerate(self._configs, 1):
            current = number == len(self._configs)
            askings = self._askings if current else {each.label: asking_of(each) for each in config.all_teachers}
            asking = asked_together(config.all_teachers, askings)
            note = f"schemas:{number}"
            decided = journal.meta(note)
            if decided is None:
                found = await _by_schema(config, asking, askings, door, journal, may_ask=current)
                if len(askings) > 1 and current and door.asks:
                    journal.set_meta(**{note: json.dumps(sorted(found))})
            else:
                found = frozenset(json.loads(decided))
            strategies.append(self._build(config, replace(asking, structured=found)))
        self._strategies = strategies
        if self._configs[-1].judge is not None:
            self.judge = Judge(self._configs[-1], by_schema="judge" in found)


async def _by_schema(
    config: RunConfig,
    asking: Asking,
    askings: Mapping[str, Asking],
    door: Door,
    journal: Journal,
    *,
    may_ask: bool,
) -> frozenset[Purpose]:
    """The purposes whose answers are asked for by a JSON schema: those whose teachers all follow one.

    Of several teachers, one that can't be asked now counts as following none. What was found when they were first asked
    is written down, so that it doesn't change later how questions are worded.
    """
    teachers, follows = config.all_teachers, dict[str, bool]()
    shaped: list[Purpose] = ["propose", "instances"]
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
            follows[each.label] = await _probe(each.label, door, journal, may_ask=may_ask, alone=alone)
    return frozenset(p for p, those in asked.items() if all(follows[each.label] for each in those))


async def _probe(teacher: str, door: Door, journal: Journal, *, may_ask: bool, alone: bool) -> bool:
    """Whether `teacher` follows JSON schemas; False where nobody knows and nothing is asked.

    alone: nobody else can be asked, so that a failure that doesn't tell is asked again, until the door closes.
    """
    key = f"probe:{teacher}"
    while True:
        known = door.recall(key)
        if known is None and may_ask:
            with contextlib.suppress(DoorClosed):
                known = await door.ask(key, probe_prompt(), teacher=teacher)
        if known is None:
            return False
        completion = known.completion
        if not completion.failed or (completion.error or "").startswith("bad_request"):
            return speaks_schema(completion)
        if not (may_ask and door.asks):
            return False
        journal.forget([key])
        if not alone:
            return False
