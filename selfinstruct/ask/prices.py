"""What a teacher costs: from the configuration, or from `genai-prices` for its model and server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..config.options import TeacherOptions
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.prompts import Usage


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
        """Return the cost of one answer in dollars. What the server states counts if it is more: it includes fees."""
        cached = min(usage.cached_tokens, usage.prompt_tokens)
        fresh = usage.prompt_tokens - cached
        total = fresh * self.input + cached * self.cached + usage.completion_tokens * self.output
        return max(total / 1e6, usage.cost_usd)

    def highest(self, usage: Usage) -> float:
        """Return the most that an answer may cost, cached or not: some servers charge more for cached tokens."""
        total = usage.prompt_tokens * max(self.input, self.cached) + usage.completion_tokens * self.output
        return max(total / 1e6, usage.cost_usd)


def check_prices(config: RunConfig, prices: Mapping[str, Price | None]) -> None:
    """Raise ConfigError when dollars are capped and the price of a teacher is unknown."""
    unknown = [name for name, price in prices.items() if price is None]
    if config.max_cost_usd is not None and unknown:
        whose = "teacher." if config.teachers is None else "its "
        if unknown[0] not in [each.label for each in config.all_teachers]:
            whose = "dataset.select.embeddings."
        # The server decides: the price of 'gpt-4o-mini' is known at api.openai.com, and not at a gateway.
        address = next((each.address for each in config.all_models if each.label == unknown[0]), None)
        host = f" at {urlsplit(address).hostname}" if address else ""
        raise ConfigError(
            f"max_cost_usd: the price of {unknown[0]!r}{host} is unknown; set {whose}input_usd_per_mtok "
            f"and {whose}output_usd_per_mtok, or cap max_tokens instead"
        )


def prices_of(config: RunConfig, *, own: bool) -> dict[str, Price | None]:
    """Return the price of each teacher, and of the embedding model, by its name; None if unknown.

    own: whether the teachers are the caller's objects, which have no price except a configured one. Raises ConfigError
    if dollars are capped and a price is unknown.
    """
    asked = config.all_teachers if own else ()
    prices = {each.label: stated_price(each) if each in asked else price_of(each) for each in config.all_models}
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
