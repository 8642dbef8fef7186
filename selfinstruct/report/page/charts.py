"""The charts of a report: each has a picture, a title that states the result, and the same figures as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ...core.counted import compact, dollars
from ...dataset.linguistics import Verb, VerbNouns
from .figures import Figures, Moment, SimilarityScores, Stretch, TextLengths
from .svg import axis, box, element, frame, joined, line, picture, sector

# Size of a chart and edges of its plot area, in units of the viewBox. The margins have room for the labels of the axes.
_WIDTH, _HEIGHT = 520.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 508.0, 38.0, 222.0


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart. title: what it shows. columns, rows: its figures as a table. key: (class, label) of each color."""

    id: str
    title: str
    picture: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    key: tuple[tuple[str, str], ...] = ()
    note: str = ""


def yield_chart(stretches: Sequence[Stretch]) -> Chart:
    """Draw the proposed and the admitted tasks per question."""
    proposed = [part.proposed / part.questions for part in stretches]
    admitted = [part.admitted / part.questions for part in stretches]
    # Draw one line for each.
    x = axis(stretches[-1].end + 1, _LEFT, _RIGHT, "questions", exact=True)
    y = axis(max(proposed), _BOTTOM, _TOP, "tasks per question")
    body = frame(x, y)
    for values, name in ((proposed, "b"), (admitted, "a")):
        body += line([(x.at(part.end + 1), y.at(value)) for part, value in zip(stretches, values, strict=True)], name)
    title = f"New tasks per question: {_describe_change(admitted)}"
    description = f"Proposed and admitted tasks per question, over {stretches[-1].end + 1:,} questions."
    return Chart(
        "yield",
        title,
        _draw(title, description, body),
        ("up to question", "questions", "proposed", "admitted", "admitted per question"),
        tuple(
            (f"{s.end:,}", f"{s.questions:,}", f"{s.proposed:,}", f"{s.admitted:,}", f"{s.admitted / s.questions:.2f}")
            for s in stretches
        ),
        (("a", "admitted"), ("b", "proposed")),
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
    points = [(x.at(moment.seconds / divisor), y.at(value)) for moment, value in zip(moments, values, strict=True)]
    return Chart(
        id,
        title,
        _draw(title, f"{what.capitalize()} over {unit} of work.", frame(x, y) + _area(points)),
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
    )


def time_charts(moments: Sequence[Moment]) -> list[Chart]:
    """Draw the admitted tasks over the time of work, and the dollars, or tokens if the price is unknown."""
    last = moments[-1]
    grown = f"{last.admitted:,} tasks admitted in {_duration(last.seconds)} of work"
    growth = _time_chart("growth", grown, "tasks admitted", moments, [moment.admitted for moment in moments])
    if last.cost_usd is None:
        spent, what, sums = f"{compact(last.tokens)} tokens used; price unknown", "tokens", [m.tokens for m in moments]
        return [growth, _time_chart("cost", spent, what, moments, sums)]
    return [
        growth,
        _time_chart(
            "cost", f"{dollars(last.cost_usd)} spent", "dollars", moments, [m.cost_usd or 0.0 for m in moments]
        ),
    ]


def score_chart(scores: SimilarityScores) -> Chart:
    """Draw a histogram of the similarity to the nearest text, with the cutoff."""
    bins = len(scores.admitted)
    refused, total = sum(scores.refused), sum(scores.admitted) + sum(scores.refused)
    word = "at or above" if scores.refuse_equal else "above"
    title = f"{refused / total:.1%} of tasks were too similar: {word} the cutoff of {scores.cutoff:g}"
    x = axis(1.0, _LEFT, _RIGHT, "ROUGE-L F to the nearest text", exact=True)
    y = axis(max(a + r for a, r in zip(scores.admitted, scores.refused, strict=True)), _BOTTOM, _TOP, "tasks")
    body = frame(x, y)
    # Stack the refused tasks on the admitted ones, with a gap of one unit between the bars.
    for number, (admitted, others) in enumerate(zip(scores.admitted, scores.refused, strict=True)):
        left, width = x.at(number / bins) + 0.5, (x.end - x.start) / bins - 1
        tip = f"{number / bins:g} to {(number + 1) / bins:g}: {admitted:,} admitted, {others:,} refused"
        top, higher = y.at(admitted), y.at(admitted + others)
        if admitted:
            body += box(left, top, width, y.start - top, "a", tip)
        if others:
            body += box(left, higher, width, top - higher, "b", tip)
    # Mark the cutoff by a line with a label above it.
    at = x.at(scores.cutoff)
    body += element("line", class_="cutoff", x1=at, x2=at, y1=y.start, y2=y.end - 6)
    body += element(
        "text", f"cutoff {scores.cutoff:g}", class_="cutoff-label", x=at, y=y.end - 12, text_anchor="middle"
    )
    description = f"Histogram of {total:,} scores from 0 to 1. A line marks the cutoff at {scores.cutoff:g}."
    return Chart(
        "scores",
        title,
        _draw(title, description, body),
        ("score from", "to", "admitted", "refused"),
        tuple(
            (f"{n / bins:.3f}", f"{(n + 1) / bins:.3f}", f"{a:,}", f"{r:,}")
            for n, (a, r) in enumerate(zip(scores.admitted, scores.refused, strict=True))
        ),
        (("a", "admitted"), ("b", "refused")),
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
    boxes = joined(
        box(
            x.start + number * step + 0.5, y.at(n), max(step - 1, 0.5), y.start - y.at(n), "a", f"{span(number)}: {n:,}"
        )
        for number, n in enumerate(tokens.counts)
        if n
    )
    note = f"{length.empty:,} are empty and not shown. " if length.empty else ""
    return Chart(
        f"length-{length.part}",
        title,
        _draw(title, f"Histogram of {tokens.count:,} texts.", frame(x, y) + boxes),
        ("tokens", f"{length.part}s"),
        tuple((span(number), f"{count:,}") for number, count in enumerate(tokens.counts)),
        note=note + "The last bar includes the longest 1%.",
    )


def _draw(title: str, description: str, body: Markup) -> Markup:
    return picture(title, description, _WIDTH, _HEIGHT, body)


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


def _area(points: Sequence[tuple[float, float]]) -> Markup:
    outline = [(points[0][0], _BOTTOM), *points, (points[-1][0], _BOTTOM)]
    area = element("polygon", class_="area", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in outline))
    return area + line(points, "a")


def _unit(seconds: float) -> tuple[str, float]:
    return ("hours", 3600.0) if seconds > 2 * 3600 else ("minutes", 60.0) if seconds > 120 else ("seconds", 1.0)


def _duration(seconds: float) -> str:
    unit, divisor = _unit(seconds)
    return f"{seconds / divisor:.1f} {unit}"


_SIZE = 640.0
_CENTER = _SIZE / 2
# Radii of the circles that bound the ring of verbs and the ring of objects.
_HOLE, _MIDDLE, _RIM = 74.0, 178.0, 316.0
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
    parts, start = [], 0.0
    for number, (verb, count) in enumerate(counts):
        share = count / total
        parts.append(_slice(verb, number % _HUES, start, share, total))
        start += share
    # The number of pairs, in the center.
    parts.append(element("text", f"{pairs.distinct:,}", class_="hub", x=_CENTER, y=_CENTER + 4, text_anchor="middle"))
    words = "distinct pair" if pairs.distinct == 1 else "distinct pairs"
    parts.append(element("text", words, class_="tick", x=_CENTER, y=_CENTER + 24, text_anchor="middle"))
    first = pairs.verbs[0]
    title = f"Most frequent: {first.verb} {first.nouns[0][0]}"
    description = (
        f"Inner ring: the {len(counts)} most frequent verbs. Outer ring: up to 4 objects of each. "
        f"{total:,} instructions."
    )
    return Chart(
        "wheel",
        title,
        picture(title, description, _SIZE, _SIZE, joined(parts)),
        ("verb", "instructions", "objects"),
        tuple((v.verb, f"{v.count:,}", ", ".join(f"{noun} {n:,}" for noun, n in v.nouns)) for v in pairs.verbs),
    )


def _slice(verb: Verb, hue: int, start: float, share: float, total: int) -> Markup:
    """Draw a verb, and its objects around it. start, share: in turns."""
    inner = sector(_CENTER, _HOLE, _MIDDLE, start, start + share, f"verb hue{hue}", f"{verb.verb}: {verb.count:,}")
    parts = [inner, _label(verb.verb, start + share / 2, share, _HOLE, _MIDDLE, 14)]
    for noun, count in verb.nouns:
        width = count / total
        title = f"{verb.verb} {noun}: {count:,}"
        parts.append(sector(_CENTER, _MIDDLE, _RIM, start, start + width, f"noun hue{hue}", title))
        parts.append(_label(noun, start + width / 2, width, _MIDDLE, _RIM, 18))
        start += width
    return joined(parts)


def _label(text: str, turn: float, share: float, inner: float, outer: float, most: int) -> Markup:
    """Write a word of at most `most` characters along the radius; nothing if the sector is too narrow."""
    if share * 2 * math.pi * inner < _LEAST_ARC:
        return Markup()
    shown = text if len(text) <= most else text[: most - 1] + "…"
    # In the left half, write towards the center, so that no word is upside down.
    left = turn % 1.0 > 0.5
    angle = turn * 360 + (90 if left else -90)
    x = _CENTER + (-(inner + 8) if left else inner + 8)
    rotation = f"rotate({angle:.1f} {_CENTER:g} {_CENTER:g})"
    return element("text", shown, x=x, y=_CENTER + 4, text_anchor="end" if left else "start", transform=rotation)
