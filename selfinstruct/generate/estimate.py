"""What a run will ask and cost, before the first question: from its prompts, and from its own past where it has one.

The only guesses are the constants below and the strategy's `task_tokens` and `answer_tokens`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..ask.budget import price_of
from ..config.run_config import RunConfig
from ..config.teacher_list import having
from ..core.prompts import Prompt, Usage
from ..core.tasks import Instance, SeedTask
from ..filters.judge import Judge
from ..journal.status import Status
from ..strategies.material import demonstration, draw_demos
from ..strategies.protocol import PreviewPrompt, Strategy, preview_prompts, task_tokens

ACCEPTED = 0.6
"""Share of the tasks asked for that are admitted, while nothing has been measured."""
TOKENS_AN_ANSWER = 150
"""Tokens of the answer that a judge reads."""
TOKENS_A_JUDGEMENT = 60
"""Generated tokens of a judge's four marks and its reason."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one purpose is expected to take. cost_usd: None where the price of one of its teachers isn't known."""

    purpose: str
    requests: int
    usage: Usage
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expected shares of the whole target by purpose; `basis` says what they were computed from."""

    shares: tuple[Share, ...]
    price_source: str | None
    basis: str

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(share.requests for share in self.shares)

    @property
    def usage(self) -> Usage:
        """All tokens."""
        prompts = sum(share.usage.prompt_tokens for share in self.shares)
        return Usage(prompts, sum(share.usage.completion_tokens for share in self.shares))

    @property
    def cost_usd(self) -> float | None:
        """All dollars, None where a price isn't known."""
        costs = [share.cost_usd for share in self.shares if share.cost_usd is not None]
        return sum(costs) if len(costs) == len(self.shares) else None


def estimate(
    config: RunConfig, seeds: Sequence[SeedTask], strategy: Strategy, past: Status | None = None, *, records: int
) -> Estimate:
    """Expected requests, tokens and dollars for so many records.

    past: the run so far; with at least 20 records that it has asked for itself, its own rates are used.
    """
    sources = dict.fromkeys(price.source for price in map(price_of, config.all_teachers) if price is not None)
    source = "; ".join(sources) or None
    made = 0 if past is None else past.records - past.records_free
    if past is not None and made >= 20:
        factor = records / made
        rates = [
            (purpose, math.ceil(used["requests"] * factor), _scaled(used, factor))
            for purpose, used in past.by_purpose.items()
        ]
        basis = f"the run's own {made:,} records"
    else:
        rates = list(_expected(config, seeds, strategy, records))
        basis = f"{ACCEPTED:.0%} of the tasks asked for are admitted (a guess until the run has 20 records)"
    shares = (Share(purpose, requests, usage, _cost(config, purpose, usage)) for purpose, requests, usage in rates)
    return Estimate(tuple(shares), source, basis)


def _scaled(used: dict[str, float], factor: float) -> Usage:
    return Usage(math.ceil(used["prompt_tokens"] * factor), math.ceil(used["completion_tokens"] * factor))


def _cost(config: RunConfig, purpose: str, usage: Usage) -> float | None:
    """Dollars for `usage`, shared out among the purpose's teachers by their weights."""
    total, weights = 0.0, 0.0
    for each in having(config.all_teachers, purpose):
        price = price_of(each)
        if price is None:
            return None
        total += each.weight * price.cost(usage)
        weights += each.weight
    return total / weights


def _expected(
    config: RunConfig, seeds: Sequence[SeedTask], strategy: Strategy, records: int
) -> Iterator[tuple[str, int, Usage]]:
    shown = [demonstration(seed) for seed in seeds]
    samples = [strategy.propose(draw_demos(config.random_seed, n, strategy, shown, ())) for n in range(10)]
    questions = math.ceil(records / (strategy.tasks_per_question * ACCEPTED))
    written = strategy.tasks_per_question * task_tokens(strategy)
    limit = samples[0].sampling.max_tokens or written
    prompt_tokens = questions * sum(map(tokens_of, samples)) // len(samples)
    yield "propose", questions, Usage(prompt_tokens, questions * min(written, limit))
    instruction = max(seeds[: len(seeds) // 2 + 1], key=lambda seed: len(seed.instruction)).instruction
    first_of_purpose: dict[str, PreviewPrompt] = {}
    for each in preview_prompts(strategy, instruction):
        first_of_purpose.setdefault(each.prompt.purpose, each)
    for purpose, each in first_of_purpose.items():
        yield purpose, records, Usage(records * tokens_of(each.prompt), records * each.answer_tokens)
    if config.judge is not None:
        sample = Judge(config, by_schema=False).prompt(seeds[0].instruction, Instance("", "x" * 4 * TOKENS_AN_ANSWER))
        yield "judge", records, Usage(records * tokens_of(sample), records * TOKENS_A_JUDGEMENT)


def tokens_of(prompt: Prompt) -> int:
    """About as many tokens as a prompt has: a quarter of its ASCII characters and each of the others."""
    text = prompt.text
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ascii_chars // 4 + (len(text) - ascii_chars) + 8 * len(prompt.messages)
