"""Sources: what a question is made from. Used by `generate`, its preview, and its estimate.

To add one: a class with `draw`, called with (config, strategy), and a line in `SOURCES`; or name your own in the
configuration under `source` as `package.module:Name`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import Field

from ..config.options import SourceOptions
from ..config.plugins import call_own_code, check_accepts, load_named
from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.tasks import Demonstration, Material, SeedTask
from .protocol import Strategy


@dataclass(frozen=True, slots=True)
class View:
    """The pool as a question may see it: the seed tasks, and the tasks generated so far, in order."""

    seeds: Sequence[Demonstration]
    tasks: Sequence[Demonstration]


class Source(Protocol):
    """Draws what each question is made from.

    A class of your own is called with (config, strategy), and with its options if it declares `Options`, a subclass of
    `SourceOptions`.
    """

    def draw(self, number: int, view: View) -> Material:
        """Return the material of question `number`: a pure function of the number and the view."""


class DemonstrationOptions(SourceOptions):
    """kind `demonstrations`."""

    kind: str = Field(default="demonstrations", description="demonstrations")


class Demonstrations:
    """Shows seed tasks and generated tasks, drawn by chance: as many of each as the strategy says."""

    Options = DemonstrationOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None:
        self._random_seed, self._strategy = config.random_seed, strategy

    def draw(self, number: int, view: View) -> Material:
        draw, strategy = random.Random(f"{self._random_seed}:{number}"), self._strategy
        # The order of draws is part of every existing run: changing it would change the prompts.
        machine = draw.sample(range(len(view.tasks)), min(strategy.machine_demos, len(view.tasks)))
        wanted = strategy.seed_demos + strategy.machine_demos - len(machine)
        demos = [view.seeds[position] for position in draw.sample(range(len(view.seeds)), min(wanted, len(view.seeds)))]
        demos += [view.tasks[position] for position in machine]
        draw.shuffle(demos)
        return Material(tuple(demos))


SOURCES: dict[str, type[Demonstrations]] = {"demonstrations": Demonstrations}
"""The built-in sources; each class declares its options as `Options`."""


def build_source(config: RunConfig, strategy: Strategy) -> Source:
    """Build the source that `config.source` names. Raises ConfigError for an unknown or defective source."""
    given = config.source or "demonstrations"
    kind = given if isinstance(given, str) else given.kind
    build: Callable[..., Any] = load_named(kind, SOURCES, "source")
    if kind in SOURCES:
        return SOURCES[kind](config, strategy)
    declared: type[SourceOptions] | None = getattr(build, "Options", None)
    options = [(declared or SourceOptions).of(given)]  # raises where options are set that nothing reads
    source: Source = call_own_code("source", kind, build, config, strategy, *(options if declared else ()))
    if not callable(getattr(source, "draw", None)):
        raise ConfigError(f"source: {kind} gives no object with a method draw(number, view)")
    check_accepts("source", kind, source, "draw", "number", "view")
    return source


def demonstration(seed: SeedTask) -> Demonstration:
    """Return a seed task as a demonstration, with its first instance."""
    first = seed.instances[0]
    return Demonstration(seed.id, seed.instruction, first.input, first.output)
