"""Build a strategy from a name in the configuration, or from a caller's object, class, or factory.

Used by `generate` when a run starts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..config.options import StrategyOptions
from ..config.plugins import call_own_code, check_accepts, load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.prompts import Asking
from .alpaca import Alpaca
from .evolve import Evolve
from .grounded.grounded import Grounded
from .magpie import Magpie
from .mix import Mix
from .planning import Plan
from .protocol import Strategy
from .self_instruct import SelfInstruct
from .verifiable.verifiable import Verifiable

SINGLE: dict[str, type[Alpaca | SelfInstruct | Evolve | Plan | Magpie | Grounded | Verifiable]] = {
    "alpaca": Alpaca,
    "self_instruct": SelfInstruct,
    "evolve": Evolve,
    "plan": Plan,
    "magpie": Magpie,
    "grounded": Grounded,
    "verifiable": Verifiable,
}
"""The built-in strategies but for `mix`, which combines them; each class declares its options as `Options`."""
STRATEGIES: dict[str, type[Any]] = {**SINGLE, "mix": Mix}
_METHODS = {"propose": ("material",), "parse": ("completion", "material"), "develop": ("candidate", "ask")}
_ATTRIBUTES = {"name": str, "digest": str, "seed_demos": int, "machine_demos": int, "tasks_per_question": int}


def build_strategy(config: RunConfig, asking: Asking) -> Strategy:
    """Build the strategy that `config.strategy` names. Raises ConfigError for an unknown or defective strategy."""
    kind = config.strategy_kind
    return factory_of(load_named(kind, STRATEGIES, "strategy"), kind)(config, asking)


def factory_of(given: Any, name: str) -> Callable[[RunConfig, Asking], Strategy]:
    """Return a factory for `given`: a strategy, its class, or a factory called with (config, asking).

    The factory raises ConfigError, with file and line, if the caller's code fails or returns something else.
    """

    if isinstance(given, str):
        raise ConfigError(f"strategy: pass an object, not the name {given!r}; names belong in the configuration")

    def build(config: RunConfig, asking: Asking) -> Strategy:
        built = given
        # A class without `Options` reads none: raise if the configuration sets any.
        if isinstance(given, type) and not hasattr(given, "Options"):
            StrategyOptions.of(config.strategy)
        # Call a class or a factory; a finished strategy is used as is.
        if isinstance(given, type) or not hasattr(given, "propose"):
            built = call_own_code("strategy", name, given, config, asking)
        # Report a missing method now rather than after requests have been paid for.
        if missing := [method for method in _METHODS if not callable(getattr(built, method, None))]:
            raise ConfigError(f"strategy: {name} has no method {', '.join(missing)}; see `selfinstruct.Strategy`")
        for attribute, kind in _ATTRIBUTES.items():
            value = getattr(built, attribute, None)
            if not isinstance(value, kind) or (isinstance(value, int) and value < 0):
                kind_of = "a number of 0 or more" if kind is int else kind.__name__
                raise ConfigError(f"strategy: {name}.{attribute} must be {kind_of}; see `selfinstruct.Strategy`")
        for method, parameters in _METHODS.items():
            check_accepts("strategy", name, built, method, *parameters)
        strategy: Strategy = built
        return strategy

    return build


def options_for(given: Any, configured: str | StrategyOptions) -> StrategyOptions:
    """Return the configured options of a caller's strategy, under the strategy's own name.

    Raises:
        ConfigError: The configuration sets options that the strategy does not have.
    """
    declared: type[StrategyOptions] | None = getattr(given, "Options", None)
    options = StrategyOptions.of(configured) if declared is None else declared.of(configured)
    return options.model_copy(update={"kind": name_of(given)})


def name_of(given: Any) -> str:
    """Return the name of a caller's strategy as 'package.module:Name', after its class or factory function."""
    named = given if hasattr(given, "__qualname__") else type(given)
    return f"{named.__module__}:{named.__qualname__}"
