"""The protocol that every strategy implements, and the values that strategies exchange with `generate` and `cli`.

Also reads the optional members of a strategy, with a default for each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..config.plugins import check_returned
from ..core.documents import Passage
from ..core.prompts import Ask, Completion, Prompt
from ..core.records import Development, Example, Response
from ..core.tasks import Candidate, Material


@dataclass(frozen=True, slots=True)
class PreviewPrompt:
    """An example of a prompt that `develop` sends.

    Attributes:
        title: What `preview` calls the prompt.
        prompt: The prompt.
        answer_tokens: The expected length of the response, in tokens.
    """

    title: str
    prompt: Prompt
    answer_tokens: int


class Strategy(Protocol):
    """A way to request tasks. Every method is a pure function of its arguments and keeps no state between calls.

    More members are optional:

    - `Options`: the model of the strategy's options, a subclass of `StrategyOptions`; the strategy reads them as
      `Options.of(config.strategy)`.
    - `purposes`: the purposes of the strategy's prompts, which the roles of teachers refer to.
    - `source`: the kind of source that the strategy is for, where the configuration names none.
    - `takes_facets`: whether prompts may show what the configuration's `facets` ask for; True if it is missing.
    - `for_strong_teachers`: whether `check` warns of small local models; a text names the option that needs a strong
      one.
    - `runs_programs`: whether its answers are checked by running programs; a start without a sandbox then asks nothing.
    - `units(passage)`: returns what the strategy asks about a passage: for each question a text that says what it is,
      whatever else there is to ask. It comes back as `material.unit`.
    - `joint_units(passages)`: returns what the strategy asks about several passages together, each as a pair of a tuple
      of them and such a text.
    - `task_tokens`: the expected length of one proposed task. The commands `check` and `preview` use it.
    - `mean_tasks`: the expected number of proposed tasks per question, if it isn't `tasks_per_question`. The command
      `check` uses it.
    - `preview(instruction)`: returns a `PreviewPrompt` for every prompt that `develop` may send, for the same commands.
    """

    name: str
    digest: str
    """Hash of the prompt wording and the published defaults; part of every record and of the config digest."""
    seed_demos: int
    machine_demos: int
    tasks_per_question: int

    def propose(self, material: Material) -> Prompt:
        """Return the prompt for new tasks, which shows `material.demos` in order."""

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the tasks of a response in order, or an empty list when none can be parsed. Never raises.

        `material` is what the question was made from, also when an earlier start asked it.

        A candidate with an `error` is rejected for it. Without an instruction it is no task: the error names a part of
        the response that is in none.
        """

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Return the examples of an admitted candidate; send every request through `ask`."""


def preview_prompts(strategy: Strategy, instruction: str) -> Sequence[PreviewPrompt]:
    """Return examples of the prompts that develop `instruction`, or nothing if the strategy declares none."""
    # Strategies of users are checked at run time only, so optional members are looked up by name, here and below.
    prompts: Sequence[PreviewPrompt] = getattr(strategy, "preview", lambda _: ())(instruction)
    return prompts


async def developed(strategy: Strategy, candidate: Candidate, ask: Ask) -> Development:
    """Return what the strategy's `develop` makes of a candidate. Raises ConfigError if that is no Development."""
    given: object = strategy.develop(candidate, ask)
    awaitable = check_returned(given, Awaitable, strategy, "develop")  # type: ignore[type-abstract]
    made = check_returned(await awaitable, Development, strategy, "develop")
    for example in check_returned(made.examples, tuple, strategy, "develop: Development.examples"):
        check_returned(example, Example, strategy, "develop: Development.examples")
        for response in check_returned(example.responses, tuple, strategy, "develop: Example.responses"):
            check_returned(response, Response, strategy, "develop: Example.responses")
    return made


def purposes_of(strategy: Strategy) -> Sequence[str] | None:
    """Return the purposes of a strategy's prompts, or None if the strategy does not declare them."""
    purposes: Sequence[str] | None = getattr(strategy, "purposes", None)
    return purposes


def source_of(strategy: Strategy) -> str:
    """Return the kind of source that a strategy is for: demonstrations if it declares none."""
    return str(getattr(strategy, "source", "demonstrations"))


def units_of(strategy: Strategy, passage: Passage) -> Sequence[str]:
    """Return what a strategy asks about a passage. Raises ConfigError if that is no list of texts."""
    given: object = getattr(strategy, "units", lambda _: ())(passage)
    found = check_returned(given, Sequence, strategy, "units")  # type: ignore[type-abstract]
    return [check_returned(unit, str, strategy, "units: each unit") for unit in found]


def joint_units_of(strategy: Strategy, passages: Sequence[Passage]) -> Sequence[tuple[tuple[Passage, ...], str]]:
    """Return what a strategy asks about several of these passages together; nothing if it declares nothing."""
    given: object = getattr(strategy, "joint_units", lambda _: ())(passages)
    return check_returned(given, Sequence, strategy, "joint_units")  # type: ignore[type-abstract]


def questions_about(strategy: Strategy, passage: Passage) -> tuple[int, str]:
    """Return how many questions a strategy asks about a passage, and if there is none the reason, in snake_case."""
    count = len(units_of(strategy, passage))
    return count, "" if count else str(getattr(strategy, "why_none", lambda _: "nothing_to_ask")(passage))


def mean_tasks(strategy: Strategy) -> float:
    """Return the expected number of tasks that a question brings: as many as it asks for if nothing is declared."""
    return float(getattr(strategy, "mean_tasks", strategy.tasks_per_question))


def task_tokens(strategy: Strategy) -> int:
    """Return the expected tokens of one proposed task, or 60 if the strategy declares no number."""
    return int(getattr(strategy, "task_tokens", 60))
