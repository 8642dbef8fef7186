"""Ways of asking: each renders a prompt for new tasks, reads the answer, and develops what was admitted.

To add one: a file with a class like the two here, and a line in `STRATEGIES`; or name your own in
the configuration as `package.module:Name`. It is called with the configuration and the `Asking`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from ..config import RunConfig
from ..plugins import load_named
from ..schema import Asking, Candidate, Completion, Demonstration, Development, Prompt
from .alpaca import Alpaca
from .self_instruct import SelfInstruct

__all__ = ["STRATEGIES", "Alpaca", "Ask", "SelfInstruct", "Strategy", "build_strategy"]

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


STRATEGIES: dict[str, Callable[[RunConfig, Asking], Strategy]] = {
    "alpaca": Alpaca,
    "self_instruct": SelfInstruct,
}


def build_strategy(config: RunConfig, asking: Asking) -> Strategy:
    """The strategy that `config.strategy` names. Raises ConfigError for an unknown name."""
    made: Any = load_named(config.strategy, STRATEGIES, "strategy")(config, asking)
    strategy: Strategy = made
    return strategy
