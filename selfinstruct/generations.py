"""The strategies of a run: one for every configuration that it has had, so that each answer is read as it was asked.

Whether the server follows JSON schemas is found out here: asked once a model, through the journal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from .ask import Door, DoorClosed
from .config import RunConfig
from .journal import Answer, Journal
from .schema import Asking
from .strategies import Strategy
from .teachers import asking_of
from .teachers.probe import probe_prompt, speaks_schema


class Generations:
    """Strategies by generation. asking: how the teacher of the current one, the last, is asked."""

    def __init__(
        self, configs: Sequence[RunConfig], build: Callable[[RunConfig, Asking], Strategy], asking: Asking
    ) -> None:
        self._configs, self._build, self._asking = configs, build, asking
        self._strategies: list[Strategy] = []

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
        for config in self._configs:
            current = config is self._configs[-1]
            asking = self._asking if current else asking_of(config)
            structured: bool | None = config.teacher.structured == "json_schema"
            if config.teacher.structured == "auto" and "chat" in (asking.propose, asking.instances):
                structured = asking.structured
                if structured is None:
                    structured = await _probe(f"probe:{config.teacher.model}", door, journal, current)
            strategies.append(self._build(config, replace(asking, structured=structured)))
        self._strategies = strategies


async def _probe(key: str, door: Door, journal: Journal, may_ask: bool) -> bool:
    """Whether JSON schemas are followed; False where nobody knows and nothing is asked.

    A failure that doesn't tell is asked again, until the door closes.
    """
    while True:
        known = door.recall(key)
        if known is None and may_ask:
            with contextlib.suppress(DoorClosed):
                known = await door.ask(key, probe_prompt())
        if known is None:
            return False
        completion = known.completion
        if not completion.failed or (completion.error or "").startswith("bad_request"):
            return speaks_schema(completion)
        if not (may_ask and door.asks):
            return False
        journal.forget([key])
