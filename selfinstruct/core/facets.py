"""Facets: what tasks should cover, such as topics and kinds, and how far the questions of a run have covered it.

Sources draw from a `CellDraw`; reports show its `coverage`.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_CELLS = 10_000
"""Most combinations of facets that exclusions couple."""
ATTEMPTS = 10
"""Questions in a row without an admitted task after which a value is starved; more where most questions bring none."""

Values = Mapping[str, Mapping[str, float]]
_Cell = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drawn:
    """An earlier question. facets: what it asks for. admitted: how many tasks it brought; None while unknown."""

    facets: Mapping[str, str]
    admitted: int | None = None


@dataclass(frozen=True, slots=True)
class Dimension:
    """Facets that are drawn together: one, or several that exclusions couple.

    cells: the possible values, in the order of `names`, each with its share of the tasks; the shares add up to 1.
    """

    names: tuple[str, ...]
    cells: Mapping[tuple[str, ...], float]

    def shares(self, name: str) -> dict[str, float]:
        """Return the share of each value of one of the facets."""
        place, shares = self.names.index(name), dict[str, float]()
        for cell, share in self.cells.items():
            shares[cell[place]] = shares.get(cell[place], 0.0) + share
        return shares


def dimensions_of(values: Values, exclude: Sequence[Mapping[str, str]] = ()) -> list[Dimension]:
    """Return the dimensions of the facets, in their order.

    Args:
        values: The weight of each value, by facet.
        exclude: Combinations that must not occur, such as {"difficulty": "hard", "persona": "child"}.

    Raises:
        ValueError: Everything is excluded, or too many combinations are coupled.
    """
    # Facets of the same exclusion are drawn together.
    groups: list[list[str]] = [[name] for name in values]
    for combination in exclude:
        coupled = [group for group in groups if combination.keys() & set(group)]
        together = [name for group in coupled for name in group]
        groups = [together if group is coupled[0] else group for group in groups if group not in coupled[1:]]

    dimensions = []
    for names in groups:
        if math.prod(len(values[name]) for name in names) > MAX_CELLS:
            raise ValueError(f"couples more than {MAX_CELLS:,} combinations of {' and '.join(names)}; exclude less")
        cells = {
            cell: math.prod(values[name][value] for name, value in zip(names, cell, strict=True))
            for cell in itertools.product(*(values[name] for name in names))
            if not any(each.items() <= dict(zip(names, cell, strict=True)).items() for each in exclude if each)
        }
        total = sum(cells.values())
        if not total:
            raise ValueError(f"leaves no combination of {' and '.join(names)}; exclude less")
        dimensions.append(Dimension(tuple(names), {cell: weight / total for cell, weight in cells.items() if weight}))
    return dimensions


@dataclass(slots=True)
class _Count:
    """tasks: admitted ones. waiting: questions whose tasks are unknown. dry: questions in a row without a task."""

    tasks: int = 0
    waiting: int = 0
    dry: int = 0


_Node = dict[int, _Count]  # by the place of a cell in its dimension
_Key = tuple[int, tuple[int, ...] | None]


class CellDraw:
    """Counts what the questions so far have brought, and draws what the next one asks for.

    What is drawn has the largest shortfall against its share, in admitted tasks; a question whose tasks are unknown
    counts with the mean yield. Dimensions are drawn in order. On each, the shortfall among all questions and that among
    the questions with the same values on the dimensions before are added. So a few combinations are each kept near
    their share, the values of many are, and values of different dimensions are independent.

    A value that brings nothing for `ATTEMPTS` questions in a row is starved: its share goes to the others.
    """

    def __init__(self, dimensions: Sequence[Dimension]) -> None:
        self.dimensions = dimensions
        self._cells = [list(each.cells) for each in dimensions]
        self._shares = [list(each.cells.values()) for each in dimensions]
        self._places = [{cell: place for place, cell in enumerate(cells)} for cells in self._cells]
        self._clear()

    def _clear(self) -> None:
        # By dimension, and by the places on the dimensions before; None: among all questions.
        self._nodes = defaultdict[_Key, _Node](dict)
        self._asked = self._known = self._brought = 0
        self._any_dry = False  # whether anything may be starved

    def follow(self, questions: Sequence[Drawn]) -> None:
        """Count the questions that were not counted yet. Each costs the same, however many there are."""
        if len(questions) < self._asked:
            self._clear()
        for number in range(self._asked, len(questions)):
            for count in self._counts(questions[number].facets):
                count.waiting += 1
        self._asked = len(questions)
        while self._known < self._asked and (admitted := questions[self._known].admitted) is not None:
            for count in self._counts(questions[self._known].facets):
                count.waiting -= 1
                count.tasks += admitted
                count.dry = 0 if admitted else count.dry + 1
                self._any_dry |= count.dry >= ATTEMPTS
            self._known += 1
            self._brought += admitted

    def draw(self, seed: str) -> dict[str, str]:
        """Return the values that the next question asks for. seed: decides between equal shortfalls."""
        expected = max((self._brought + 1) / (self._known + 1), 0.1)
        chance, before, drawn = random.Random(seed), tuple[int, ...](), dict[str, str]()
        for number, shares in enumerate(self._shares):
            # The shares of starved values go to the others.
            nodes, closed = [self._nodes[number, None], self._nodes[number, before]], set[int]()
            if self._any_dry:
                closed = {place for node in nodes for place, count in node.items() if self._is_starved(count)}
                closed = closed if len(closed) < len(shares) else set()
            free = 1 - sum(shares[place] for place in closed)

            # The shortfalls: the share of what is there after this question, less what is there now.
            counts = [{place: count.tasks + expected * count.waiting for place, count in n.items()} for n in nodes]
            there = sum(expected + sum(c for place, c in each.items() if place not in closed) for each in counts)
            shortfalls = [share * there / free for share in shares]
            for place, count in (item for each in counts for item in each.items()):
                shortfalls[place] -= count
            for place in closed:
                shortfalls[place] = -math.inf
            largest = max(shortfalls) - 1e-9
            place = chance.choice([place for place, each in enumerate(shortfalls) if each >= largest])
            before = (*before, place)
            drawn |= self._named([(number, place)])
        return drawn

    def starved(self) -> list[dict[str, str]]:
        """Return the values and combinations that bring nothing."""
        return [
            self._named([*enumerate(before or ()), (number, place)])
            for (number, before), node in self._nodes.items()
            for place, count in node.items()
            if self._is_starved(count)
        ]

    def _is_starved(self, count: _Count) -> bool:
        usual = self._brought / self._known if self._known else 1.0
        return count.dry >= ATTEMPTS and count.dry * usual >= ATTEMPTS

    def _counts(self, facets: Mapping[str, str]) -> Iterator[_Count]:
        """Yield what a question counts for. One of an earlier generation may lack some of the facets."""
        before: tuple[int, ...] | None = ()
        for number, dimension in enumerate(self.dimensions):
            place = self._places[number].get(tuple(facets.get(name, "") for name in dimension.names))
            if place is not None:
                yield self._nodes[number, None].setdefault(place, _Count())
            if place is not None and before is not None:
                yield self._nodes[number, before].setdefault(place, _Count())
            before = None if place is None or before is None else (*before, place)

    def _named(self, places: Iterable[tuple[int, int]]) -> dict[str, str]:
        pairs = [zip(self.dimensions[n].names, self._cells[n][place], strict=True) for n, place in places]
        return dict(itertools.chain.from_iterable(pairs))


MAP_CELLS = 60
"""Most combinations of all facets that `coverage` lists."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far one value of a facet, or one combination of all facets, is covered.

    facet: such as 'topic', or 'topic, kind'. value: such as 'tax law', or 'tax law, essay'. requested: its share of the
    tasks; None if the configuration asks for none. obtained: its share of the records. questions, admitted, records:
    how many there are. starved: whether its share went to others, because it brings nothing.
    """

    facet: str
    value: str
    requested: float | None
    obtained: float
    questions: int
    admitted: int
    records: int
    starved: bool

    @property
    def is_near(self) -> bool:
        """Whether the share obtained is within 20% of the share requested."""
        return self.requested is not None and abs(self.obtained - self.requested) <= 0.2 * self.requested

    @property
    def why_starved(self) -> str:
        """Why it is starved; empty if it isn't."""
        last = f"the last {ATTEMPTS} questions or more brought no task, so its share went to the others"
        return f"starved: {last}" if self.starved else ""

    @property
    def tasks_per_question(self) -> float | None:
        """The yield; None without a question."""
        return self.admitted / self.questions if self.questions else None


def coverage(
    dimensions: Sequence[Dimension], questions: Sequence[Drawn], records: Sequence[Mapping[str, str]]
) -> list[Coverage]:
    """Return the coverage of each value of each facet, then that of the combinations if there are few.

    Args:
        dimensions: What the configuration asks for.
        questions: What was asked, in order. A source may have drawn facets that the configuration doesn't name.
        records: The facets of each record.
    """
    draw = CellDraw(dimensions)
    draw.follow(questions)
    starved = draw.starved()
    requested: dict[tuple[str, ...], dict[tuple[str, ...], float]] = {
        (name,): {(value,): share for value, share in each.shares(name).items()}
        for each in dimensions
        for name in each.names
    }
    for facets in [*(each.facets for each in questions), *records]:
        for name in facets:
            requested.setdefault((name,), {})
    asked = tuple(name for each in dimensions for name in each.names)
    if len(asked) > 1 and math.prod(len(each.cells) for each in dimensions) <= MAP_CELLS:
        whole = itertools.product(*(each.cells.items() for each in dimensions))
        requested[asked] = {sum((c for c, _ in each), ()): math.prod(share for _, share in each) for each in whole}

    cells = [dict(zip(each.names, cell, strict=True)) for each in dimensions for cell in each.cells] if starved else []
    rows = []
    for names, shares in requested.items():
        times, admitted, kept = Counter[_Cell](), Counter[_Cell](), Counter(_cell(facets, names) for facets in records)
        for question in questions:
            times[cell := _cell(question.facets, names)] += 1
            admitted[cell] += question.admitted or 0
        having = max(kept.total() - kept[()], 1)
        for cell in dict.fromkeys([*shares, *times, *kept]):
            if cell:
                wanted = dict(zip(names, cell, strict=True))
                within = [each for each in cells if wanted.items() < each.items()]  # of coupled facets
                dry = any(each.items() <= wanted.items() for each in starved)
                dry = dry or (bool(within) and all(each in starved for each in within))
                counts = (kept[cell] / having, times[cell], admitted[cell], kept[cell])
                rows.append(Coverage(", ".join(names), ", ".join(cell), shares.get(cell), *counts, dry))
    return rows


def _cell(facets: Mapping[str, str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the values of these facets; empty if one is missing."""
    return tuple(facets[name] for name in names) if facets.keys() >= set(names) else ()
