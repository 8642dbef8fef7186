"""The charts of a report: each has a title that states the result, its figures as a table, and shapes to draw.

Coordinates are in units of the viewBox, with the origin at the top left. The macro `drawing` of `templates/macros.html`
draws the shapes; their colors are CSS classes of the page's style sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...core.counted import compact, counted, dollars
from ...dataset.linguistics import Verb, VerbNouns
from .figures import Figures, Moment, SimilarityScores, Stretch, TextLengths

# Edges of a chart's plot area of 520 by 270 units. The margins have room for the labels of the axes.
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 508.0, 38.0, 222.0


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
    step = round_step(high / most)
    # Tolerate rounding errors: 0.3 / 0.1 is 2.9999999999999996.
    steps = math.floor(high / step + 1e-9) if exact else math.ceil(high / step - 1e-9)
    ticks = tuple((number * step, compact(number * step)) for number in range(steps + 1))
    return Axis(high if exact else steps * step, start, end, ticks, label)


def round_step(least: float) -> float:
    """Return the next round number, 1, 2, 2.5, or 5 times a power of ten, that is at least `least`."""
    scale = 10.0 ** math.floor(math.log10(least))
    return next(factor * scale for factor in (1, 2, 2.5, 5, 10) if factor * scale >= least * (1 - 1e-9))


class Box(NamedTuple):
    """A filled rectangle. color: CSS class. tip: tooltip."""

    x: float
    y: float
    width: float
    height: float
    color: str
    tip: str


class Sector(NamedTuple):
    """A sector of a ring, with a label along its radius. path: outline. label: empty if it has no room."""

    path: str
    color: str
    tip: str
    label: str
    x: float
    anchor: str
    angle: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. title: what it shows. columns, rows: its figures as a table. key: (class, label) of each color.

    axes: x and y; None for the wheel. lines: (class, points). area: whether to fill the area below the line. cutoff: a
    vertical line. hub: the text in the center of the wheel.
    """

    id: str
    title: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    key: tuple[tuple[str, str], ...] = ()
    note: str = ""
    axes: tuple[Axis, Axis] | None = None
    lines: tuple[tuple[str, str], ...] = ()
    area: bool = False
    boxes: tuple[Box, ...] = ()
    cutoff: float | None = None
    sectors: tuple[Sector, ...] = ()
    hub: str = ""


def yield_chart(stretches: Sequence[Stretch]) -> Chart:
    """Draw the proposed and the admitted tasks per question."""
    proposed = [part.proposed / part.questions for part in stretches]
    admitted = [part.admitted / part.questions for part in stretches]
    x = axis(stretches[-1].end + 1, _LEFT, _RIGHT, "questions", exact=True)
    y = axis(max(proposed), _BOTTOM, _TOP, "tasks per question")
    ends = [x.at(part.end + 1) for part in stretches]
    return Chart(
        "yield",
        f"New tasks per question: {_describe_change(admitted)}",
        f"Proposed and admitted tasks per question, over {stretches[-1].end + 1:,} questions.",
        ("up to question", "questions", "proposed", "admitted", "admitted per question"),
        tuple(
            (f"{s.end:,}", f"{s.questions:,}", f"{s.proposed:,}", f"{s.admitted:,}", f"{s.admitted / s.questions:.2f}")
            for s in stretches
        ),
        (("a", "admitted"), ("b", "proposed")),
        axes=(x, y),
        lines=(("b", _line(ends, map(y.at, proposed))), ("a", _line(ends, map(y.at, admitted)))),
    )


def _describe_change(values: Sequence[float]) -> str:
    part = max(1, len(values) // 5)
    first, last = sum(values[:part]) / part, sum(values[-part:]) / part
    if abs(last - first) <= 0.05 * max(first, last):
        return f"{last:.1f} throughout"
    return f"{last:.1f} at the end, {first:.1f} at the beginning"


def _time_chart(id: str, title: str, what: str, moments: Sequence[Moment], values: Sequence[float]) -> Chart:
    """Draw what has come together over the time of work. values: one for each moment."""
    unit, divisor = _unit(moments[-1].seconds)
    x = axis(moments[-1].seconds / divisor, _LEFT, _RIGHT, f"{unit} of work", exact=True)
    y = axis(values[-1], _BOTTOM, _TOP, f"{what} so far")
    return Chart(
        id,
        title,
        f"{what.capitalize()} over {unit} of work.",
        (f"{unit} of work", "requests", "admitted", "tokens", "dollars"),
        tuple(
            (
                f"{m.seconds / divisor:.2f}",
                f"{m.requests:,}",
                f"{m.admitted:,}",
                f"{m.tokens:,}",
                dollars(m.cost_usd),
            )
            for m in moments
        ),
        note="Excludes pauses of more than ten minutes.",
        axes=(x, y),
        lines=(("a", _line((x.at(moment.seconds / divisor) for moment in moments), map(y.at, values))),),
        area=True,
    )


def time_charts(moments: Sequence[Moment]) -> list[Chart]:
    """Draw the admitted tasks over the time of work, and the dollars, or tokens if the price is unknown."""
    last = moments[-1]
    grown = f"{counted(last.admitted, 'task')} admitted in {_duration(last.seconds)} of work"
    growth = _time_chart("growth", grown, "tasks admitted", moments, [moment.admitted for moment in moments])
    spent, what, values = f"{dollars(last.cost_usd)} spent", "dollars", [moment.cost_usd or 0.0 for moment in moments]
    if not last.cost_usd:
        why = "price unknown" if last.cost_usd is None else "no cost"
        spent, what = f"{compact(last.tokens)} tokens used; {why}", "tokens"
        values = [moment.tokens for moment in moments]
    return [growth, _time_chart("cost", spent, what, moments, values)]


def score_chart(scores: SimilarityScores) -> Chart:
    """Draw a histogram of the similarity to the nearest text, with the cutoff."""
    bins = len(scores.admitted)
    refused, total = sum(scores.refused), sum(scores.admitted) + sum(scores.refused)
    word = "at or above" if scores.refuse_equal else "above"
    title = f"{refused / total:.1%} of tasks were too similar: {word} the cutoff of {scores.cutoff:g}"
    x = axis(1.0, _LEFT, _RIGHT, "ROUGE-L F to the nearest text", exact=True)
    y = axis(max(a + r for a, r in zip(scores.admitted, scores.refused, strict=True)), _BOTTOM, _TOP, "tasks")
    boxes = list[Box]()
    # Stack the refused tasks on the admitted ones, with a gap of one unit between the bars.
    for number, (admitted, others) in enumerate(zip(scores.admitted, scores.refused, strict=True)):
        left, width = x.at(number / bins) + 0.5, (x.end - x.start) / bins - 1
        tip = f"{number / bins:g} to {(number + 1) / bins:g}: {admitted:,} admitted, {others:,} refused"
        top, higher = y.at(admitted), y.at(admitted + others)
        if admitted:
            boxes.append(Box(left, top, width, y.start - top, "a", tip))
        if others:
            boxes.append(Box(left, higher, width, top - higher, "b", tip))
    return Chart(
        "scores",
        title,
        f"Histogram of {total:,} scores from 0 to 1. A line marks the cutoff at {scores.cutoff:g}.",
        ("score from", "to", "admitted", "refused"),
        tuple(
            (f"{n / bins:.3f}", f"{(n + 1) / bins:.3f}", f"{a:,}", f"{r:,}")
            for n, (a, r) in enumerate(zip(scores.admitted, scores.refused, strict=True))
        ),
        (("a", "admitted"), ("b", "refused")),
        axes=(x, y),
        boxes=tuple(boxes),
        cutoff=scores.cutoff,
    )


def length_chart(length: TextLengths) -> Chart:
    """Draw a histogram of the lengths of instructions, inputs, or outputs."""
    tokens = length.tokens
    x = axis(tokens.width * len(tokens.counts), _LEFT, _RIGHT, "tokens", exact=True)
    y = axis(max(tokens.counts), _BOTTOM, _TOP, f"{length.part}s")
    title = f"{length.part.capitalize()}s: median of {tokens.median or 0:,.0f} tokens"
    step = (x.end - x.start) / len(tokens.counts)
    last = len(tokens.counts) - 1

    def span(number: int) -> str:
        start = int(number * tokens.width)
        return f"{start} or more" if number == last else f"{start} to {int(start + tokens.width - 1)}"

    # Narrow bars have no room for a gap.
    wide = max(step - 1, 0.5)
    boxes = tuple(
        Box(x.start + place * step + 0.5, y.at(n), wide, y.start - y.at(n), "a", f"{span(place)}: {n:,}")
        for place, n in enumerate(tokens.counts)
        if n
    )
    note = f"{length.empty:,} are empty and not shown. " if length.empty else ""
    return Chart(
        f"length-{length.part}",
        title,
        f"Histogram of {tokens.count:,} texts.",
        ("tokens", f"{length.part}s"),
        tuple((span(number), f"{count:,}") for number, count in enumerate(tokens.counts)),
        note=note + "The last bar includes the longest 1%.",
        axes=(x, y),
        boxes=boxes,
    )


def charts_of(figures: Figures) -> dict[str, Chart]:
    """Draw all charts that the run has figures for; returns them by id."""
    charts = []
    if any(part.proposed for part in figures.stretches):
        charts.append(yield_chart(figures.stretches))
    if figures.moments:
        charts += time_charts(figures.moments)
    if sum(figures.scores.admitted) + sum(figures.scores.refused):
        charts.append(score_chart(figures.scores))
    charts += [length_chart(length) for length in figures.lengths if length.tokens.count]
    if figures.pairs.verbs:
        charts.append(wheel(figures.pairs))
    return {chart.id: chart for chart in charts}


def _line(xs: Iterable[float], ys: Iterable[float]) -> str:
    """Return the points of a line as SVG writes them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


def _unit(seconds: float) -> tuple[str, float]:
    return ("hours", 3600.0) if seconds > 2 * 3600 else ("minutes", 60.0) if seconds > 120 else ("seconds", 1.0)


def _duration(seconds: float) -> str:
    unit, divisor = _unit(seconds)
    return f"{seconds / divisor:.1f} {unit}"


# The wheel's center in both directions; radii of the circles that bound the ring of verbs and the ring of objects.
_CENTER, _HOLE, _MIDDLE, _RIM = 320.0, 74.0, 178.0, 316.0
# The style sheet has this many colors.
_HUES = 10
# Minimum length of an arc with a label.
_LEAST_ARC = 12.0


def wheel(pairs: VerbNouns) -> Chart:
    """Draw the wheel. Raises ValueError if there are no pairs."""
    counts = [(verb, sum(count for _, count in verb.nouns)) for verb in pairs.verbs]
    total = sum(count for _, count in counts)
    if not total:
        raise ValueError("no instruction has a verb with an object")
    # One slice per verb, clockwise from 12 o'clock.
    sectors, start = list[Sector](), 0.0
    for number, (verb, count) in enumerate(counts):
        sectors += _slice(verb, f"hue{number % _HUES}", start, count / total, total)
        start += count / total
    first = pairs.verbs[0]
    return Chart(
        "wheel",
        f"Most frequent: {first.verb} {first.nouns[0][0]}",
        f"Inner ring: the {len(counts)} most frequent verbs. Outer ring: up to 4 objects of each. "
        f"{total:,} instructions.",
        ("verb", "instructions", "objects"),
        tuple((v.verb, f"{v.count:,}", ", ".join(f"{noun} {n:,}" for noun, n in v.nouns)) for v in pairs.verbs),
        sectors=tuple(sectors),
        hub=counted(pairs.distinct, "distinct pair"),
    )


def _slice(verb: Verb, hue: str, start: float, share: float, total: int) -> Iterator[Sector]:
    """Yield the sectors of a verb and, around it, of its objects. start, share: in turns."""
    yield _sector(verb.verb, f"{verb.verb}: {verb.count:,}", f"verb {hue}", start, share, (_HOLE, _MIDDLE, 14))
    for noun, count in verb.nouns:
        tip = f"{verb.verb} {noun}: {count:,}"
        yield _sector(noun, tip, f"noun {hue}", start, count / total, (_MIDDLE, _RIM, 18))
        start += count / total


def _sector(word: str, tip: str, color: str, start: float, share: float, ring: tuple[float, float, int]) -> Sector:
    """Return a sector from the turn `start` on. ring: both radii, and how many characters have room between them."""
    inner, outer, most = ring
    end = start + min(share, 0.9999)  # SVG draws nothing for an arc whose ends coincide

    def point(radius: float, turn: float) -> str:
        angle = 2 * math.pi * turn
        return f"{_CENTER + radius * math.sin(angle):.1f} {_CENTER - radius * math.cos(angle):.1f}"

    # A line outwards, the outer arc, a line inwards, and the inner arc backwards.
    large = int(end - start > 0.5)
    path = (
        f"M{point(inner, start)}L{point(outer, start)}A{outer:g} {outer:g} 0 {large} 1 {point(outer, end)}"
        f"L{point(inner, end)}A{inner:g} {inner:g} 0 {large} 0 {point(inner, start)}Z"
    )
    # In the left half, write towards the center, so that no word is upside down.
    turn = start + share / 2
    left = turn % 1.0 > 0.5
    x, anchor = _CENTER + (-(inner + 8) if left else inner + 8), "end" if left else "start"
    label = "" if share * 2 * math.pi * inner < _LEAST_ARC else word if len(word) <= most else word[: most - 1] + "…"
    return Sector(path, color, tip, label, x, anchor, turn * 360 + (90 if left else -90))
