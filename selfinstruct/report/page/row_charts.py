"""Charts with a row for each dataset, or for each two of them: a point with its interval, a bar, or the parts of a bar.

The macro `row_chart` of `templates/rows.html` draws them. Coordinates are in units of a viewBox that is `WIDTH` wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...core.counted import compact
from .charts import round_step

WIDTH = 520.0
# Edges of the track that a row's mark is drawn on, and half its height.
_LEFT, _RIGHT, _HALF = 1.0, 519.0, 10.0
# More characters than this have no room in one line, at the size that a phone shows them in.
_LINE = 44


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale from `low` to `high`. ticks: (value, label). label: what the values are, with their unit."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    label: str

    def at(self, value: float) -> float:
        """Return the coordinate of a value; values beyond an end are clipped to it."""
        share = (value - self.low) / (self.high - self.low)
        return _LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0)


def scale_for(low: float, high: float, label: str, form: Callable[[float], str] = compact, *, most: int = 5) -> Scale:
    """Return a scale with round ends and about `most` ticks. form: formats the values of the ticks."""
    high = high if high > low else low + 1.0
    step = round_step((high - low) / most)
    # Tolerate rounding errors: 0.3 / 0.1 is 2.9999999999999996.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple((number * step, form(number * step)) for number in range(first, last + 1))
    return Scale(first * step, last * step, ticks, label)


def shares(label: str) -> Scale:
    """Return the scale of shares, 0 to 1."""
    return Scale(0.0, 1.0, tuple((each / 4, f"{each * 25}%") for each in range(5)), label)


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A row. label: whose it is. words: its value, written.

    value: where the point is, or the end of the bar. interval: its ends; None draws a bar from 0. parts: (class, share,
    tip) of each part of a bar, in place of a value. color: CSS class; 'open' draws a point without its filling.
    """

    label: str
    words: str
    value: float = 0.0
    interval: tuple[float, float] | None = None
    parts: tuple[tuple[str, float, str], ...] = ()
    color: str = "a"


@dataclass(frozen=True, slots=True)
class RowChart:
    """A chart of rows. title: what is asked or measured. columns, table: its figures as a table, in words.

    note: what the values are, and what they don't say. key: (class, label) of each color. band: the ends of a shaded
    region.
    """

    id: str
    title: str
    scale: Scale
    rows: tuple[ChartRow, ...]
    columns: tuple[str, ...]
    table: tuple[tuple[str, ...], ...]
    note: str = ""
    key: tuple[tuple[str, str], ...] = ()
    band: tuple[float, float] | None = None

    @property
    def description(self) -> str:
        """The values of all rows, for readers who don't see the picture."""
        return "; ".join(f"{row.label}: {row.words}" for row in self.rows)

    @property
    def has_long_rows(self) -> bool:
        """Whether the words stand below the label, because both have no room in one line."""
        return any(len(row.label) + len(row.words) > _LINE for row in self.rows)

    @property
    def row_height(self) -> float:
        """Height of a row, in units."""
        return 74.0 if self.has_long_rows else 54.0

    @property
    def bottom(self) -> float:
        """Where the rows end and the axis begins."""
        return self.row_height * len(self.rows)

    def track(self, number: int) -> tuple[float, float]:
        """Return the top and the bottom of a row's track."""
        middle = self.row_height * (number + 1) - 17.0
        return middle - _HALF, middle + _HALF


def short_names(names: Sequence[str], most: int = 22) -> dict[str, str]:
    """Return the end of each path that tells it from the others: 'data/law' and 'data/tax' are 'law' and 'tax'."""
    parts = {name: name.rstrip("/").split("/") for name in names}
    found = {}
    for name in names:
        ends = ("/".join(parts[name][-count:]) for count in range(1, len(parts[name]) + 1))
        others = [other for other in names if other != name]
        short = next((end for end in ends if not any(f"/{other}".endswith(f"/{end}") for other in others)), name)
        found[name] = short if len(short) <= most else "…" + short[1 - most :]
    if len(set(found.values())) < len(names):  # what tells them apart has no room
        return {name: f"{number}: {short[2:]}" for number, (name, short) in enumerate(found.items(), 1)}
    return found
