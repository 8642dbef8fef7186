"""What a strategy is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate, Demonstration, Development

Ask = Callable[[Prompt], Awaitable[Completion]]


class Strategy(Protocol):
    """A way of asking. All of it is a function of its arguments; nothing is remembered between calls."""

    name: str
    digest: str
    """Hash of the prompt wording and the published defaults: stands in every record and in the config digest."""
    seed_demos: int
    machine_demos: int
    tasks_per_question: int

    def propose(self, demos: Sequence[Demonstration]) -> Prompt:
        """The question for new tasks, showing `demos` in order."""

    def parse(self, completion: Completion) -> list[Candidate]:
        """The tasks that an answer proposes, in order; empty when none can be read. Never raises."""

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """The instances of an admitted candidate; each question goes through `ask`."""
