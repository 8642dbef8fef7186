"""From a strategy's name, or from a caller's object, class, or factory, to a strategy."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from ..config.plugins import load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError, SelfInstructError
from ..core.prompts import Asking
from .alpaca import Alpaca
from .protocol import Strategy
from .self_instruct import SelfInstruct

STRATEGIES: dict[str, Callable[[RunConfig, Asking], Strategy]] = {
    "alpaca": Alpaca,
    "self_instruct": SelfInstruct,
}
_METHODS = ("propose", "parse", "develop")


def build_strategy(config: RunConfig, asking: Asking) -> Strategy:
    """Build the strategy that `config.strategy` names. Raises ConfigError for an unknown name or a defective one."""
    return factory_of(load_named(config.strategy, STRATEGIES, "strategy"), config.strategy)(config, asking)


def factory_of(given: Any, name: str) -> Callable[[RunConfig, Asking], Strategy]:
    """Return a factory for `given`: a strategy, its class, or a factory called with (config, asking).

    The factory raises ConfigError, with file and line, where the caller's code fails or makes no strategy.
    """

    def build(config: RunConfig, asking: Asking) -> Strategy:
        made = given
        if isinstance(given, type) or not hasattr(given, "propose"):
            try:
                made = given(config, asking)
            except SelfInstructError:
                raise
            except Exception as error:  # the caller's code may raise anything
                where = traceback.extract_tb(error.__traceback__)[-1]
                what = " ".join(f"{type(error).__name__}: {error}".split())
                raise ConfigError(
                    f"strategy: {name} can't be built: {what} ({where.filename}:{where.lineno})"
                ) from error
        if missing := [method for method in _METHODS if not callable(getattr(made, method, None))]:
            raise ConfigError(f"strategy: {name} has no method {', '.join(missing)}; see `selfinstruct.Strategy`")
        strategy: Strategy = made
        return strategy

    return build


def name_of(given: Any) -> str:
    """Return the name of a caller's strategy, 'package.module:Name': its class, or the function that makes it."""
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{named.__module__}:{named.__qualname__}"
