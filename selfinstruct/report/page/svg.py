"""Scales, axes and shapes as SVG text. Every text is escaped; colours are classes, which the page's style sheet fills.

Coordinates are those of the picture's viewBox; numbers are written with one decimal.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .visible import visible


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from 0 to `high` on pixels from `start` to `end`, and the values that get a tick, with their words."""

    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    label: str

    def at(self, value: float) -> float:
        """Where a value lies; above the axis, at its end."""
        return self.start + (self.end - self.start) * min(value / self.high, 1.0)


def axis(high: float, start: float, end: float, label: str, *, most: int = 5, exact: bool = False) -> Axis:
    """An axis with at most `most` round ticks; it ends at a tick unless `exact`, and then at `high`."""
    high = high if high > 0 else 1.0
    step = _round_step(high / most)
    steps = math.floor(high / step + 1e-9) if exact else math.ceil(high / step - 1e-9)
    ticks = tuple((number * step, compact(number * step)) for number in range(steps + 1))
    return Axis(high if exact else steps * step, start, end, ticks, label)


def _round_step(least: float) -> float:
    scale = 10.0 ** math.floor(math.log10(least))
    return next(factor * scale for factor in (1, 2, 2.5, 5, 10) if factor * scale >= least * (1 - 1e-9))


def compact(value: float) -> str:
    """A number in few characters: 0.05, 12, 3,400, 52k, 1.2M."""
    for limit, divisor, unit in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= limit:
            return f"{value / divisor:.1f}".removesuffix(".0") + unit
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def element(name: str, /, content: str = "", **attributes: object) -> Markup:
    """`<name …>content</name>`; content is escaped unless it is Markup. `class_` is the attribute class, `x1` is x1."""
    opening = Markup("<{}").format(name)
    for key, value in attributes.items():
        shown = f"{value:.1f}" if isinstance(value, float) else str(value)
        opening += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), shown)
    shown_content = content if isinstance(content, Markup) else visible(content)
    return Markup("{}>{}</{}>").format(opening, shown_content, name)


def joined(parts: Iterable[Markup]) -> Markup:
    """Shapes one after the other; the later lie on top."""
    return Markup("").join(parts)


def picture(title: str, description: str, width: float, height: float, body: Markup) -> Markup:
    """A picture that a screen reader reads as its title and description."""
    head = element("title", title) + element("desc", description)
    view = f"0 0 {width:g} {height:g}"
    return element("svg", head + body, viewBox=view, role="img", aria_label=f"{title}. {description}")


def frame(x: Axis, y: Axis) -> Markup:
    """Grid lines, ticks and labels of two axes; y runs upwards."""
    parts = []
    for value, words in y.ticks:
        at = y.at(value)
        parts.append(element("line", class_="grid" if value else "base", x1=x.start, x2=x.end, y1=at, y2=at))
        parts.append(element("text", words, class_="tick", x=x.start - 8, y=at + 4, text_anchor="end"))
    for value, words in x.ticks:
        parts.append(element("text", words, class_="tick", x=x.at(value), y=y.start + 18, text_anchor="middle"))
    parts.append(element("text", x.label, class_="label", x=x.end, y=y.start + 37, text_anchor="end"))
    parts.append(element("text", y.label, class_="label", x=4.0, y=y.end - 18))
    return joined(parts)


def line(points: Sequence[tuple[float, float]], name: str) -> Markup:
    """A line through points that are given in pixels."""
    return element("polyline", class_=f"line {name}", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))


def box(x: float, y: float, width: float, height: float, name: str, title: str = "") -> Markup:
    """A filled rectangle; its title shows when a mouse rests on it."""
    return element("rect", element("title", title) if title else "", class_=name, x=x, y=y, width=width, height=height)


def sector(centre: float, inner: float, outer: float, start: float, end: float, name: str, title: str) -> Markup:
    """A piece of a ring between two angles, in turns from 12 o'clock, clockwise."""
    end = min(end, start + 0.9999)  # an arc that ends where it begins is none

    def place(radius: float, turn: float) -> str:
        angle = 2 * math.pi * turn
        return f"{centre + radius * math.sin(angle):.1f} {centre - radius * math.cos(angle):.1f}"

    large = int(end - start > 0.5)
    path = (
        f"M{place(inner, start)}L{place(outer, start)}A{outer:g} {outer:g} 0 {large} 1 {place(outer, end)}"
        f"L{place(inner, end)}A{inner:g} {inner:g} 0 {large} 0 {place(inner, start)}Z"
    )
    return element("path", element("title", title), class_=name, d=path)
