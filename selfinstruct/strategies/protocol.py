"""The protocol that every strategy implements, and the values that it exchanges with `generate` and `cli`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate, Demonstration, Development

Ask = Callable[[Prompt], Awaitable[Completion]]


@dataclass(frozen=True, slots=True)
class PreviewPrompt:
    """An example of a prompt that `develop` sends; answer_tokens: the expected length of the response."""

    title: str
    prompt: Prompt
    answer_tokens: int


class Strategy(Protocol):
    """A way to ask for tasks. Every method is a pure function of its arguments and keeps no state between calls.

    Four more members are optional. `Options` is the model of its options in the configuration, a subclass of
    `StrategyOptions`; the strategy reads them as `Options.of(config.strategy)`. `purposes` names the purposes of its
    prompts, to which teachers have roles. `task_tokens` is the expected length of one proposed task, and
    `preview(instruction)` returns a `PreviewPrompt` for every prompt that `develop` may send; `check` and `preview` use
    these two.
    """

    name: str
    digest: str
    """Hash of the prompt wording and the published defaults; part of every record and of the config digest."""
    seed_demos: int
    machine_demos: int
    tasks_per_question: int

    def propose(self, demos: Sequence[Demonstration]) -> Prompt:
        """Return the prompt for new tasks, with `demos` in order."""

    def parse(self, completion: Completion) -> list[Candidate]:
        """Return the tasks of a response in order, or an empty list when none can be parsed. Never raises."""

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Return the instances of an admitted candidate; send every request through `ask`."""


def preview_prompts(strategy: Strategy, instruction: str) -> Sequence[PreviewPrompt]:
    """Return examples of the prompts that develop `instruction`; none for a strategy that declares none."""
    prompts: Sequence[PreviewPrompt] = getattr(strategy, "preview", lambda _: ())(instruction)
    return prompts


def purposes_of(strategy: Strategy) -> Sequence[str] | None:
    """Return the purposes of a strategy's prompts; None for a strategy that doesn't declare them."""
    purposes: Sequence[str] | None = getattr(strategy, "purposes", None)
    return purposes


def task_tokens(strategy: Strategy) -> int:
    """Return the expected tokens of one proposed task; 60 for a strategy that declares no number."""
    return int(getattr(strategy, "task_tokens", 60))
