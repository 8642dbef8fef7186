"""What a run will ask and cost, before the first question: from its prompts, and from its own past where it has one.

The only guesses are the constants below; `check` prints them beside the result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .budget import price_of
from .config import RunConfig
from .pool import demonstration, draw_demos
from .runs import Status
from .schema import Prompt, SeedTask, Usage
from .strategies import Strategy

ACCEPTED = 0.6
"""Share of the tasks asked for that are admitted, while nothing has been measured."""
TOKENS_A_TASK = {"alpaca": 90, "self_instruct": 20}
"""Generated tokens for one proposed task: with input and output, or the instruction alone."""
TOKENS_AN_ANSWER = 150
"""Generated tokens of one answer that holds a task's instances."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected totals for the whole target. `cost_usd` is None where the price isn't known."""

    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    price_source: str | None
    basis: str


def estimate(config: RunConfig, seeds: Sequence[SeedTask], strategy: Strategy, past: Status | None = None) -> Estimate:
    """Expected requests, tokens and dollars for `config.target` records.

    past: the run so far; with at least 20 records in it, its own rates are used.
    """
    price = price_of(config.teacher)
    if past is not None and past.records >= 20:
        factor = config.target / past.records
        usage = Usage(math.ceil(past.prompt_tokens * factor), math.ceil(past.completion_tokens * factor))
        requests, basis = math.ceil(past.requests * factor), f"the run's own {past.records:,} records"
    else:
        usage, requests = _expected(config, seeds, strategy)
        basis = f"{ACCEPTED:.0%} of the tasks asked for are admitted (a guess until the run has 20 records)"
    cost = price.cost(usage) if price else None
    return Estimate(
        requests, usage.prompt_tokens, usage.completion_tokens, cost, price.source if price else None, basis
    )


def _expected(config: RunConfig, seeds: Sequence[SeedTask], strategy: Strategy) -> tuple[Usage, int]:
    shown = [demonstration(seed) for seed in seeds]
    samples = [strategy.propose(draw_demos(config.random_seed, n, strategy, shown, ())) for n in range(10)]
    questions = math.ceil(config.target / (strategy.tasks_per_question * ACCEPTED))
    written = strategy.tasks_per_question * TOKENS_A_TASK.get(strategy.name, 60)
    limit = samples[0].sampling.max_tokens or written
    usage = Usage(questions * sum(map(tokens_of, samples)) // len(samples), questions * min(written, limit))
    requests = questions + 1
    for prompt, answer in _development(strategy, seeds):
        requests += config.target
        usage = Usage(
            usage.prompt_tokens + config.target * tokens_of(prompt), usage.completion_tokens + config.target * answer
        )
    return usage, requests


def _development(strategy: Strategy, seeds: Sequence[SeedTask]) -> list[tuple[Prompt, int]]:
    """The questions that one admitted task costs, with the tokens of their answers."""
    from .strategies import SelfInstruct

    if not isinstance(strategy, SelfInstruct):
        return []
    instruction = max(seeds[: len(seeds) // 2 + 1], key=lambda seed: len(seed.instruction)).instruction
    return [
        (strategy.classify(instruction), 2),
        (strategy.request_instances(instruction, classification=False), TOKENS_AN_ANSWER),
    ]


def tokens_of(prompt: Prompt) -> int:
    """About as many tokens as a prompt has: a quarter of its ASCII characters and each of the others."""
    text = prompt.text
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ascii_chars // 4 + (len(text) - ascii_chars) + 8 * len(prompt.messages)
