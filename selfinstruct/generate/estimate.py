"""Estimates what a run will ask and cost: from its prompts, or from its own rates once it has some records.

The only guesses are the constants below and the strategy's `task_tokens` and `answer_tokens`. What `develop` sends is
counted in a rehearsal with the fake teacher.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..ask.prices import price_of
from ..config.options import teachers_for
from ..config.run_config import RunConfig
from ..core.counted import counted
from ..core.prompts import Asking, Prompt, Usage
from ..core.records import Example, Response
from ..filters.judge import Judge, PairwiseJudge
from ..journal.status import Status
from ..strategies.protocol import joint_units_of, mean_tasks, preview_prompts, questions_about, task_tokens
from .assembly import Assembly
from .consensus import Consensus
from .facet_check import FacetCheck
from .rehearsal import rehearse, sample_tasks
from .respond import SAMPLING, Responder

ACCEPTED = 0.6
"""Share of the requested tasks that are admitted, until the run has measured it."""
REHEARSED, REHEARSED_WITH_ANSWERS = 8, 64
"""Seed tasks that are developed with the fake teacher, to count the requests; more if answers are sampled."""
TOKENS_AN_ANSWER = 150
"""Tokens of an answer that a judge reads."""
TOKENS_OF_TESTS = 200
"""Tokens of a set of tests."""
TOKENS_A_CHOICE = 2
"""Tokens of the number of a choice."""
TOKENS_AN_INSTRUCTION = 30
"""Tokens of an instruction of which a vector is needed."""
TOKENS_A_JUDGEMENT = 60
"""Tokens of a judge's four marks and its reason."""


@dataclass(frozen=True, slots=True)
class PurposeEstimate:
    """What one purpose is expected to need. cost_usd: None if the price of one of its teachers is unknown."""

    purpose: str
    requests: int
    usage: Usage
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The expected requests, tokens and dollars, by purpose. basis: what they were computed from, in words."""

    shares: tuple[PurposeEstimate, ...]
    price_source: str | None
    basis: str

    @property
    def requests(self) -> int:
        """The sum of all requests."""
        return sum(share.requests for share in self.shares)

    @property
    def usage(self) -> Usage:
        """The sum of all tokens."""
        prompts = sum(share.usage.prompt_tokens for share in self.shares)
        return Usage(prompts, sum(share.usage.completion_tokens for share in self.shares))

    @property
    def cost_usd(self) -> float | None:
        """The sum of all dollars; None if a price is unknown."""
        costs = [share.cost_usd for share in self.shares if share.cost_usd is not None]
        return sum(costs) if len(costs) == len(self.shares) else None


def estimate(parts: Assembly, past: Status | None = None, *, records: int) -> Estimate:
    """Estimate the requests, tokens and dollars of a start.

    Args:
        parts: The assembled parts of the configuration.
        past: The run so far, if it exists. Its own rates are used once it has 20 records of its own.
        records: How many records to estimate for.
    """
    config = parts.config
    sources = dict.fromkeys(price.source for price in map(price_of, config.all_models) if price is not None)
    source = "; ".join(sources) or None

    # The run's own rates, or those expected from its prompts.
    made = 0 if past is None else past.records - past.records_free
    if past is not None and made >= 20:
        factor = records / made
        rates = [(purpose, *_scaled(used, factor)) for purpose, used in past.by_purpose.items()]
        basis = f"the run's own {counted(made, 'record')}"
    else:
        sums = dict[str, tuple[int, Usage]]()
        for purpose, requests, usage in _expected(parts, records):
            more, with_usage = sums.get(purpose, (0, Usage()))
            tokens = with_usage.prompt_tokens + usage.prompt_tokens
            generated = with_usage.completion_tokens + usage.completion_tokens
            sums[purpose] = more + requests, Usage(tokens, generated)
        rates = [(purpose, *needed) for purpose, needed in sums.items()]
        basis = f"{ACCEPTED:.0%} of the tasks asked for are admitted (a guess until the run has 20 records)"
    # A vector for each record, unless the run's own rates say how many.
    select, there = config.dataset.select, 0 if past is None else past.records if config.more else past.records_free
    if select and select.embeddings and select.count < records + there and all(each[0] != "embed" for each in rates):
        rates.append(("embed", records + there, Usage((records + there) * TOKENS_AN_INSTRUCTION)))
    shares = (PurposeEstimate(*rate, _cost(config, rate[0], rate[2])) for rate in rates)
    return Estimate(tuple(shares), source, basis)


def _scaled(used: dict[str, float], factor: float) -> tuple[int, Usage]:
    names = ("requests", "prompt_tokens", "completion_tokens")
    requests, prompt_tokens, completion_tokens = (math.ceil(used[name] * factor) for name in names)
    return requests, Usage(prompt_tokens, completion_tokens)


def _cost(config: RunConfig, purpose: str, usage: Usage) -> float | None:
    """Return the dollars of `usage`, split among the purpose's teachers by their weights; None if unknown."""
    total, weights = 0.0, 0.0
    for each in teachers_for(purpose, config.all_models):
        price = price_of(each)
        if price is None:
            return None
        total += each.weight * price.cost(usage)
        weights += each.weight
    return total / weights


def _expected(parts: Assembly, records: int) -> Iterator[tuple[str, int, Usage]]:
    """Yield (purpose, requests, usage) for so many records, from sample prompts."""
    config, strategy = parts.config, parts.strategy
    # Development: rehearse the first tasks. Only that tells how many answers are sampled again, and how many tasks are
    # lost. A judge that reads each answer once needs no rehearsal.
    judge = _judge_of(config) if config.answers is not None else None
    answers = alone = config.answers
    if answers is not None and answers.makes_ground_truths:  # the fake teacher's answers agree on nothing
        alone = answers.model_copy(update={"min_agreement": None})
    responder = Responder(config.model_copy(update={"answers": alone}), parts.checks, Asking(), judge)
    tasks = sample_tasks(parts, REHEARSED if config.answers is None else REHEARSED_WITH_ANSWERS)
    rehearsals = [rehearse(strategy, task, place, responder) for place, task in tasks.items()]
    developed = max(1, len(tasks))
    kept = developed if config.answers is None else max(1, sum(each.kept for each in rehearsals))

    # Proposals: the mean length of ten prompts, and as many questions as the accepted share requires.
    samples = [strategy.propose(material) for material in parts.first_materials(10)]
    if not samples:
        return
    questions = math.ceil(records * developed / kept / (mean_tasks(strategy) * ACCEPTED))
    # Documents support so many questions and no more.
    most = sum(questions_about(strategy, passage)[0] for passage in parts.passages)
    most += len(joint_units_of(strategy, parts.passages))
    if parts.passages and most < questions:
        records, questions = math.ceil(records * most / questions), most
    written = math.ceil(mean_tasks(strategy) * task_tokens(strategy))
    limit = samples[0].sampling.max_tokens or written
    prompt_tokens = questions * sum(map(tokens_of, samples)) // len(samples)
    yield "propose", questions, Usage(prompt_tokens, questions * min(written, limit))

    # The requests of the rehearsal, per record.
    texts = [seed.instruction for seed in parts.seeds] or [task.instruction for task in tasks.values()] or [""]
    instruction = max(texts[: len(texts) // 2 + 1], key=len)
    answer_tokens = {each.prompt.purpose: each.answer_tokens for each in preview_prompts(strategy, instruction)}
    rehearsed = [sent for each in rehearsals for sent in each.sent]
    per_record = records / kept
    for purpose in dict.fromkeys(prompt.purpose for prompt, _ in rehearsed):
        own = [(prompt, tokens) for prompt, tokens in rehearsed if prompt.purpose == purpose]
        asked = sum(tokens_of(prompt) for prompt, _ in own)
        answered = sum(answer_tokens.get(purpose, tokens) for _, tokens in own)
        usage = Usage(math.ceil(asked * per_record), math.ceil(answered * per_record))
        yield purpose, math.ceil(len(own) * per_record), usage

    # Tests, at most for every task.
    if answers is not None and answers.asks_for_tests:
        sets, prompt = records * answers.test_sets, Consensus(answers, answers.over(SAMPLING)).prompt(instruction, "f")
        yield "tests", sets, Usage(sets * tokens_of(prompt), sets * TOKENS_OF_TESTS)

    # The judge reads every answer once.
    if config.judge is not None and config.answers is None:
        example = Example.of(texts[0], "", Response("x" * 4 * TOKENS_AN_ANSWER))
        sample = Judge(config, by_schema=False).prompt(texts[0], example)
        yield "judge", records, Usage(records * tokens_of(sample), records * TOKENS_A_JUDGEMENT)

    # A judge names the facets of a sample of the records.
    sampled, check = math.ceil(records * (config.facets.verify if config.facets else 0)), FacetCheck(config)
    for name, values in check.values.items() if sampled else ():
        prompt_tokens = tokens_of(check.prompt(name, values, Example.of(instruction, "")))
        yield "judge", sampled, Usage(sampled * prompt_tokens, sampled * TOKENS_A_CHOICE)


def _judge_of(config: RunConfig) -> Judge | PairwiseJudge | None:
    if config.judge is None:
        return None
    return (PairwiseJudge if config.judge.compare else Judge)(config, by_schema=False)


def tokens_of(prompt: Prompt) -> int:
    """Estimate the tokens of a prompt: one for four ASCII characters, and one for each other character."""
    text = prompt.text
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ascii_chars // 4 + (len(text) - ascii_chars) + 8 * len(prompt.messages)
