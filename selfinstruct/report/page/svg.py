"""Build axes and shapes as SVG text, for the charts of a report.

All texts are escaped. Colors are CSS classes of the page's style sheet. Coordinates are in units of the viewBox, with
the origin at the top left, and are written with one decimal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...core.counted import compact
from ...core.visible import visible


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from values 0 to `high` to coordinates `start` to `end`. ticks: (value, label) of each tick."""

    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    label: str

    def at(self, value: float) -> float:
        """Return the coordinate of a value; larger values than `high` are clipped to the end of the axis."""
        return self.start + (self.end - self.start) * min(value / self.high, 1.0)


def axis(high: float, start: float, end: float, label: str, *, most: int = 5, exact: bool = False) -> Axis:
    """Return an axis with round ticks, at most `most` of them without 0.

    start, end: coordinates of the value 0 and of the end; for a y axis, the end is smaller. exact: whether the axis
    ends at `high` instead of the next tick.
    """
    high = high if high > 0 else 1.0
    step = _round_step(high / most)
    # Tolerate rounding errors: 0.3 / 0.1 is 2.9999999999999996.
    steps = math.floor(high / step + 1e-9) if exact else math.ceil(high / step - 1e-9)
    ticks = tuple((number * step, compact(number * step)) for number in range(steps + 1))
    return Axis(high if exact else steps * step, start, end, ticks, label)


def _round_step(least: float) -> float:
    scale = 10.0 ** math.floor(math.log10(least))
    return next(factor * scale for factor in (1, 2, 2.5, 5, 10) if factor * scale >= least * (1 - 1e-9))


def element(name: str, /, content: str = "", **attributes: object) -> Markup:
    """Return `<name …>content</name>`, with `content` escaped unless it is Markup."""
    # Keyword names stand for attributes: class_ -> class, text_anchor -> text-anchor, viewBox, x1.
    opening = Markup("<{}").format(name)
    for key, value in attributes.items():
        shown = f"{value:.1f}" if isinstance(value, float) else str(value)
        opening += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown)
    shown_content = content if isinstance(content, Markup) else visible(content)
    return Markup("{}>{}</{}>").format(opening, shown_content, name)


def joined(parts: Iterable[Markup]) -> Markup:
    """Join shapes; later ones are drawn on top."""
    return Markup("").join(parts)


def picture(title: str, description: str, width: float, height: float, body: Markup) -> Markup:
    """Return an `<svg>` element; screen readers read its title and description."""
    head = element("title", title) + element("desc", description)
    view = f"0 0 {width:g} {height:g}"
    return element("svg", head + body, viewBox=view, role="img", aria_label=f"{title}. {description}")


def frame(x: Axis, y: Axis) -> Markup:
    """Draw grid lines, tick labels and axis labels."""
    parts = []
    # Horizontal lines, with labels to their left; adding 4 centers a label on its line.
    for value, label in y.ticks:
        at = y.at(value)
        parts.append(element("line", class_="grid" if value else "base", x1=x.start, x2=x.end, y1=at, y2=at))
        parts.append(element("text", label, class_="tick", x=x.start - 8, y=at + 4, text_anchor="end"))
    # Below the plot, tick labels, and the name of the x axis at the right; the name of the y axis is above the plot.
    for value, label in x.ticks:
        parts.append(element("text", label, class_="tick", x=x.at(value), y=y.start + 18, text_anchor="middle"))
    parts.append(element("text", x.label, class_="label", x=x.end, y=y.start + 37, text_anchor="end"))
    parts.append(element("text", y.label, class_="label", x=4.0, y=y.end - 18))
    return joined(parts)


def line(points: Sequence[tuple[float, float]], name: str) -> Markup:
    """Draw a line through points."""
    return element("polyline", class_=f"line {name}", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def box(x: float, y: float, width: float, height: float, name: str, title: str = "") -> Markup:
    """Draw a filled rectangle. title: tooltip."""
    return element("rect", element("title", title) if title else "", class_=name, x=x, y=y, width=width, height=height)


def sector(center: float, inner: float, outer: float, start: float, end: float, name: str, title: str) -> Markup:
    """Draw a sector of a ring.

    Args:
        center: Both coordinates of the center.
        inner, outer: Radii.
        start, end: Angles in turns, clockwise from 12 o'clock.
        name: CSS class.
        title: Tooltip.
    """
    end = min(end, start + 0.9999)  # SVG draws nothing for an arc whose ends coincide

    def point(radius: float, turn: float) -> str:
        angle = 2 * math.pi * turn
        return f"{center + radius * math.sin(angle):.1f} {center - radius * math.cos(angle):.1f}"

    # A line outwards, the outer arc, a line inwards, and the inner arc backwards.
    large = int(end - start > 0.5)
    path = (
        f"M{point(inner, start)}L{point(outer, start)}A{outer:g} {outer:g} 0 {large} 1 {point(outer, end)}"
        f"L{point(inner, end)}A{inner:g} {inner:g} 0 {large} 0 {point(inner, start)}Z"
    )
    return element("path", element("title", title), class_=name, d=path)
