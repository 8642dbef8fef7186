"""Ways of asking: each renders a prompt for new tasks, reads the answer, and develops what was admitted.

To add one: a file with a class like the two here, and a line in `STRATEGIES`; or name your own in
the configuration as `package.module:Name`. It is called with the configuration and the `Asking`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..config.plugins import load_named
from ..config.run_config import RunConfig
from ..core.prompts import Asking
from .alpaca import Alpaca
from .protocol import Ask, Strategy
from .self_instruct import SelfInstruct

__all__ = ["STRATEGIES", "Alpaca", "Ask", "SelfInstruct", "Strategy", "build_strategy"]


STRATEGIES: dict[str, Callable[[RunConfig, Asking], Strategy]] = {
    "alpaca": Alpaca,
    "self_instruct": SelfInstruct,
}


def build_strategy(config: RunConfig, asking: Asking) -> Strategy:
    """The strategy that `config.strategy` names. Raises ConfigError for an unknown name."""
    made: Any = load_named(config.strategy, STRATEGIES, "strategy")(config, asking)
    strategy: Strategy = made
    return strategy
