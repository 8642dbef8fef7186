"""`Budget` enforces the caps of a run, and `Price` is what a teacher costs. `Asker` and `check` use them.

The budget reserves the worst case of a question before the question is sent, and settles the reservation with the
actual usage. Every question in flight is reserved, so no answer can exceed a cap. A question that doesn't fit waits
while others are in flight, because their actual usage may leave room; if none is in flight, the run ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.prompts import Prompt, Usage
from ..journal.journal import Totals
from ..teachers.counting import Bound, bytes_bound


class BudgetSpent(Exception):
    """The next question doesn't fit. The message names the cap."""


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars per million tokens.

    Attributes:
        input: Price of prompt tokens.
        cached: Price of prompt tokens from the server's cache.
        output: Price of generated tokens.
        source: Where the prices come from, such as 'config'.
    """

    input: float
    cached: float
    output: float
    source: str

    def cost(self, usage: Usage) -> float:
        """Return the cost of one answer in dollars."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        fresh = usage.prompt_tokens - cached
        total = fresh * self.input + cached * self.cached + usage.completion_tokens * self.output
        return total / 1e6


@dataclass(slots=True)
class Reservation:
    """The worst case of one question in flight.

    Attributes:
        tokens: Most tokens, prompt and answer together.
        cost_usd: Highest cost in dollars.
        price: The teacher's price; None if unknown.
        requests: Requests that were sent for the question so far, including retries.
    """

    tokens: int
    cost_usd: float
    price: Price | None = None
    requests: int = 0


class Budget:
    """Caps on dollars, tokens and requests, and what was spent.

    Attributes:
        priced: Whether the price of every teacher is known.
        max_cost_usd, max_tokens, max_requests: The caps; None for no cap.
        cost_usd, tokens, requests: What was spent, including earlier starts.
    """

    def __init__(
        self,
        config: RunConfig,
        prices: Mapping[str, Price | None],
        spent: Totals,
        bounds: Mapping[str, Bound] | None = None,
    ) -> None:
        """Start from what earlier starts have spent.

        Args:
            config: Contains the caps.
            prices: The price of each teacher by its name; None if unknown.
            spent: What earlier starts have spent.
            bounds: For each teacher, a function that returns the most tokens a prompt can have; by default its bytes.

        Raises:
            ConfigError: Dollars are capped and a price is unknown.
        """
        check_prices(config, prices)
        self._prices, self._bounds = prices, bounds or {}
        self.priced = None not in prices.values()
        self.max_cost_usd = config.max_cost_usd
        self.max_tokens = config.max_tokens
        self.max_requests = config.max_requests
        # Tokens whose price was unknown when they were used are counted at the price that is known now.
        self.requests = spent.requests
        self.tokens = spent.prompt_tokens + spent.completion_tokens
        self.cost_usd = spent.cost_usd + sum(self._cost(name, usage) or 0.0 for name, usage in spent.unpriced.items())
        self._reserved = Reservation(0, 0.0)
        self._in_flight = 0
        self._settled = asyncio.Event()

    async def reserve(self, prompt: Prompt, teacher: str) -> Reservation:
        """Reserve the worst case of sending `prompt` to `teacher`; wait for answers in flight if it doesn't fit now.

        Raises:
            BudgetSpent: The question doesn't fit, and no other question is in flight.
            ConfigError: Tokens or dollars are capped, but the prompt has no token limit and so no worst case.
        """
        worst = self._worst_case(prompt, teacher)
        while (cap := self._passed(worst)) is not None:
            if self._in_flight == 0:  # no answer can make room any more
                raise BudgetSpent(cap)
            self._settled.clear()  # the next answer sets it
            await self._settled.wait()
        self._in_flight += 1
        self._reserved.tokens += worst.tokens
        self._reserved.cost_usd += worst.cost_usd
        return worst

    def leaves(self, reservation: Reservation) -> None:
        """Count a request that is about to be sent. The first request is reserved; a retry may raise BudgetSpent."""
        if reservation.requests:
            cap = self._requests_passed()
            if cap is not None:
                raise BudgetSpent(cap)
            self.requests += 1
        reservation.requests += 1

    def settle(self, reservation: Reservation, usage: Usage | None) -> float | None:
        """Replace a reservation with the actual usage.

        Args:
            reservation: What `reserve` returned.
            usage: None if there was no answer, or if no request was sent.

        Returns:
            The cost in dollars; None if the price is unknown.
        """
        # Release the reservation, and wake the questions that wait for room.
        self._in_flight -= 1
        self._reserved.tokens -= reservation.tokens
        self._reserved.cost_usd -= reservation.cost_usd
        if not self._in_flight:
            self._reserved.cost_usd = 0.0  # remove rounding errors
        self._settled.set()

        # A request was sent if it was counted in `leaves`, or if there is an answer: not every teacher counts.
        self.requests += usage is not None or reservation.requests > 0
        if usage is None:
            return None
        cost = reservation.price.cost(usage) if reservation.price else None
        self.tokens += usage.prompt_tokens + usage.completion_tokens
        self.cost_usd += cost or 0.0
        return cost

    def _cost(self, teacher: str, usage: Usage) -> float | None:
        price = self._prices.get(teacher)
        return None if price is None else price.cost(usage)

    def _worst_case(self, prompt: Prompt, teacher: str) -> Reservation:
        """Return the most tokens and dollars that `prompt` can take with `teacher`."""
        price, size = self._prices.get(teacher), self._bounds.get(teacher, bytes_bound)(prompt)
        limit = prompt.sampling.max_tokens
        if limit is None and (self.max_tokens is not None or self.max_cost_usd is not None):
            section = "judge" if prompt.purpose == "judge" else f"strategy.{prompt.purpose}"
            raise ConfigError(f"{section}.max_tokens: a cap on tokens or dollars needs a token limit here; set one")
        # Some servers charge more for cached tokens than for fresh ones, so the worst case is the higher of both.
        usage, cached = Usage(size, limit or 0), Usage(size, limit or 0, size)  # without caps, no limit is needed
        cost = max(price.cost(usage), price.cost(cached)) if price else 0.0
        return Reservation(usage.prompt_tokens + usage.completion_tokens, cost, price)

    def _passed(self, worst: Reservation) -> str | None:
        """Return the cap that `worst` would exceed, in words, or None."""
        if (cap := self._requests_passed()) is not None:
            return cap
        tokens = self.tokens + self._reserved.tokens + worst.tokens
        if self.max_tokens is not None and tokens > self.max_tokens:
            return (
                f"max_tokens: {self.tokens:,} of {self.max_tokens:,} tokens are used, and the next question "
                f"may take {worst.tokens:,}"
            )
        cost = self.cost_usd + self._reserved.cost_usd + worst.cost_usd
        if self.max_cost_usd is not None and cost > self.max_cost_usd + 1e-12:  # rounding
            return (
                f"max_cost_usd: ${self.cost_usd:.4f} of ${self.max_cost_usd:.4f} are spent, and the next question "
                f"may cost ${worst.cost_usd:.4f}"
            )
        return None

    def _requests_passed(self) -> str | None:
        """Return the cap on requests, in words, if one more request would exceed it, else None."""
        if self.max_requests is None or self.requests + self._in_flight + 1 <= self.max_requests:
            return None
        return f"max_requests: {self.requests:,} of {self.max_requests:,} requests are used"


def check_prices(config: RunConfig, prices: Mapping[str, Price | None]) -> None:
    """Raise ConfigError when dollars are capped and the price of a teacher is unknown."""
    unknown = [name for name, price in prices.items() if price is None]
    if config.max_cost_usd is not None and unknown:
        whose = "teacher." if config.teachers is None else "its "
        raise ConfigError(
            f"max_cost_usd: the price of {unknown[0]!r} is unknown; set {whose}input_usd_per_mtok "
            f"and {whose}output_usd_per_mtok, or cap max_tokens instead"
        )


def prices_of(config: RunConfig, *, own: bool) -> dict[str, Price | None]:
    """Return the price of each teacher by its name; None if unknown.

    Args:
        config: Contains the teachers and, if set, their prices.
        own: Whether the teachers are the caller's objects; these have no price except the configured price.

    Raises:
        ConfigError: Dollars are capped and a price is unknown.
    """
    prices = {each.label: stated_price(each) if own else price_of(each) for each in config.all_teachers}
    check_prices(config, prices)
    return prices


def price_of(teacher: TeacherOptions) -> Price | None:
    """Return the price in the configuration, else the price in `genai-prices` for model and server, else None.

    A teacher on this machine (kinds local and fake) costs nothing.
    """
    price = stated_price(teacher)
    if price is None and (teacher.runs_model or teacher.is_fake):
        return Price(0.0, 0.0, 0.0, "runs on this machine")
    if price is None and teacher.address is not None:
        price = _looked_up(teacher.model, teacher.address)
    return price and _reduced(price, teacher.price_factor)


def _reduced(price: Price, factor: float) -> Price:
    """Return a price times `teacher.price_factor`: batch jobs often cost half."""
    if factor == 1.0:
        return price
    return Price(price.input * factor, price.cached * factor, price.output * factor, f"{price.source}, x {factor:g}")


def stated_price(teacher: TeacherOptions) -> Price | None:
    """Return the price in the configuration, or None. Raises ConfigError if only one of the two prices is set."""
    fresh, output = teacher.input_usd_per_mtok, teacher.output_usd_per_mtok
    if fresh is None and output is None:
        return None
    if fresh is None or output is None:
        raise ConfigError("teacher: set both input_usd_per_mtok and output_usd_per_mtok, or neither")
    cached = fresh if teacher.cached_usd_per_mtok is None else teacher.cached_usd_per_mtok  # no discount by default
    return Price(fresh, cached, output, "config")


def _looked_up(model: str, address: str) -> Price | None:
    """Return the price in `genai-prices`, computed from the cost of a million tokens of each kind."""
    import genai_prices

    million = 1_000_000

    def dollars(**tokens: int) -> float:
        usage = genai_prices.Usage(**tokens)
        found = genai_prices.calc_price(usage, model, provider_api_url=address)
        return float(found.total_price)

    try:
        fresh = dollars(input_tokens=million)
        cached = dollars(input_tokens=million, cache_read_tokens=million)
        output = dollars(output_tokens=million)
    except (LookupError, ValueError):  # an unknown model or server
        return None
    return Price(fresh, cached, output, f"genai-prices {genai_prices.__version__}")
