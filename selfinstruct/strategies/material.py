"""Sources: what a question is made from. Used by `generate`, its preview, and its estimate.

To add one: a class with `draw`, called with (config, strategy), and a line in `SOURCES`; or name your own in the
configuration under `source` as `package.module:Name`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..config.options import SourceOptions
from ..config.plugins import call_own_code, check_accepts, check_returned, load_named
from ..config.run_config import RunConfig
from ..core.documents import Passage
from ..core.errors import ConfigError
from ..core.facets import CellDraw, Dimension, Drawn
from ..core.tasks import Arrival, Demonstration, Material, SeedTask
from .evolve import Parents
from .magpie import Nothing
from .mix import Mixed
from .protocol import Strategy, joint_units_of, source_of, units_of
from .verifiable.verifiable import Programs


@dataclass(frozen=True, slots=True)
class View:
    """What a question may be made from, whatever the timing of the answers.

    seeds: the seed tasks. tasks: the tasks generated so far, in order. arrivals: the seeds and passages by the
    generation that added them, oldest first; those of later generations than the question's may be among them.
    questions: the earlier questions in order; what the last `lookahead` of them bring is unknown.
    """

    seeds: Sequence[Demonstration]
    tasks: Sequence[Demonstration]
    arrivals: Sequence[Arrival] = ()
    questions: Sequence[Drawn] = ()


class Source(Protocol):
    """Draws what each question is made from.

    A class of your own is called with (config, strategy), and with its options if it declares `Options`, a subclass of
    `SourceOptions`.
    """

    def draw(self, number: int, view: View) -> Material | None:
        """Return the material of question `number`, or None if nothing is left to ask.

        A pure function of the number and the view.
        """


class Demonstrations:
    """Shows seed tasks and generated tasks, drawn by chance: as many of each as the strategy says."""

    Options = SourceOptions

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


_Turn = tuple[int, tuple[Passage, ...], str]


class Documents:
    """Asks about each passage of the documents as often as the strategy finds something to ask about it.

    First one question about each passage, in an order drawn by chance, then a second one, and so on; questions about
    several passages together come after the first ones. Passages that arrive later are asked about along with what is
    left of the earlier ones.
    """

    Options = SourceOptions

    def __init__(self, config: RunConfig, strategy: Strategy) -> None:
        if not hasattr(strategy, "units"):
            raise ConfigError(
                f"documents: strategy {strategy.name} asks nothing about documents; set strategy: grounded"
            )
        self._strategy, self._random_seed = strategy, config.random_seed
        # What is asked from a question on, in order: which question about its passages, the passages, and the unit.
        self._orders: list[tuple[int, list[_Turn]]] = []
        self._there = dict[str, Passage]()

    def draw(self, number: int, view: View) -> Material | None:
        for arrival in view.arrivals[len(self._orders) :]:
            self._orders.append((arrival.first_question, self._following(arrival)))
        first, order = next(each for each in reversed(self._orders) if each[0] <= number)
        if number - first >= len(order):
            return None
        _, passages, unit = order[number - first]
        return Material(passages=passages, unit=unit)

    def _following(self, arrival: Arrival) -> list[_Turn]:
        """Return what is left of the last order, and what an arrival adds."""
        left: list[_Turn] = []
        gone, arrived = set(arrival.gone), {each.id: each for each in arrival.passages}
        if self._orders:
            first, order = self._orders[-1]
            left = [each for each in order[arrival.first_question - first :] if gone.isdisjoint(p.id for p in each[1])]
        passages = list(arrival.passages)
        random.Random(f"{self._random_seed}:{arrival.generation}").shuffle(passages)
        new: list[_Turn] = [
            (turn, (each,), unit) for each in passages for turn, unit in enumerate(units_of(self._strategy, each))
        ]
        self._there = {id: each for id, each in (self._there | arrived).items() if id not in gone}
        joint = joint_units_of(self._strategy, list(self._there.values()))
        new += [(1, together, unit) for together, unit in joint if any(each.id in arrived for each in together)]
        return sorted([*left, *new], key=lambda each: each[0])


class Faceted:
    """Adds what the configuration's `facets` ask for to the material of another source, which may set some itself.

    from_headings: the names of the facets whose values are the headings above a passage.
    """

    def __init__(
        self, source: Source, dimensions: Sequence[Dimension], random_seed: int, from_headings: Sequence[str] = ()
    ) -> None:
        self._source, self._random_seed, self._from_headings = source, random_seed, from_headings
        self._cells = CellDraw(dimensions)  # follows from `View.questions`

    def draw(self, number: int, view: View) -> Material | None:
        material = self._source.draw(number, view)
        if material is None:
            return None
        check_returned(material, Material, self._source, "draw")
        self._cells.follow(view.questions)
        drawn = self._cells.draw(f"{self._random_seed}:facets:{number}")
        for passage in material.passages[:1]:
            above = " > ".join(passage.headings) or passage.title or passage.document
            drawn |= dict.fromkeys(self._from_headings, above)
        return replace(material, facets={**drawn, **material.facets})


SOURCES: dict[str, type[Demonstrations | Documents | Parents | Nothing | Programs | Mixed]] = {
    "demonstrations": Demonstrations,
    "documents": Documents,
    "parents": Parents,
    "nothing": Nothing,
    "programs": Programs,
    "mix": Mixed,
}
"""The built-in sources; each class declares its options as `Options`."""


def build_source(config: RunConfig, strategy: Strategy) -> Source:
    """Build the source that `config.source` names, with the facets. Raises ConfigError if unknown or defective."""
    source = _named_source(config, strategy)
    if config.facets is None:
        return source
    if not getattr(strategy, "takes_facets", True):
        raise ConfigError(
            f"facets: strategy {strategy.name} asks for the same, whatever the facets; remove this key, or use another "
            "strategy"
        )
    if config.facets.from_headings and config.documents is None:
        raise ConfigError(f"facets.{config.facets.from_headings[0]}: headings are those of documents; name some")
    return Faceted(source, config.facets.dimensions, config.random_seed, config.facets.from_headings)


def _named_source(config: RunConfig, strategy: Strategy) -> Source:
    suits = source_of(strategy)
    given = config.source or ("documents" if config.documents and suits != "mix" else suits)
    kind = given if isinstance(given, str) else given.kind
    build: Callable[..., Any] = load_named(kind, SOURCES, "source")
    if kind in ("demonstrations", "parents") and config.seeds is None:
        raise ConfigError(f"seeds: is missing; the source `{kind}` shows seed tasks")
    if kind == "documents" and config.documents is None:
        raise ConfigError("documents: is missing; name the folder of the documents that the source asks about")
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
