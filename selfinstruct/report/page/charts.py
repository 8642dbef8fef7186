"""The charts of a report: each a picture, what it says in words, and the same figures as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .figures import Figures, Length, Moment, Scores, Stretch
from .svg import axis, box, compact, element, frame, joined, line, picture

_WIDTH, _HEIGHT = 520.0, 270.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 508.0, 38.0, 222.0


@dataclass(frozen=True, slots=True)
class Chart:
    """title: what is seen in it. columns, rows: its figures as a table. key: (class, words) of its colours."""

    id: str
    title: str
    picture: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    key: tuple[tuple[str, str], ...] = ()
    note: str = ""


def yield_chart(stretches: Sequence[Stretch]) -> Chart:
    """Tasks read and admitted per question, over the numbers of the questions."""
    proposed = [part.proposed / part.questions for part in stretches]
    admitted = [part.admitted / part.questions for part in stretches]
    x = axis(stretches[-1].end + 1, _LEFT, _RIGHT, "questions asked", exact=True)
    y = axis(max(proposed), _BOTTOM, _TOP, "tasks per question")
    title = f"A question brings {_change(admitted)}"
    body = frame(x, y)
    for values, name in ((proposed, "b"), (admitted, "a")):
        body += line([(x.at(part.end + 1), y.at(value)) for part, value in zip(stretches, values, strict=True)], name)
    description = f"New tasks per question, over {stretches[-1].end + 1:,} questions, and tasks read per question."
    return Chart(
        "yield",
        title,
        _drawn(title, description, body),
        ("up to question", "questions", "tasks read", "admitted", "admitted per question"),
        tuple(
            (f"{s.end:,}", f"{s.questions:,}", f"{s.proposed:,}", f"{s.admitted:,}", f"{s.admitted / s.questions:.2f}")
            for s in stretches
        ),
        (("a", "admitted"), ("b", "read from the answers")),
    )


def _change(values: Sequence[float]) -> str:
    """How the last fifth compares with the first."""
    part = max(1, len(values) // 5)
    first, last = sum(values[:part]) / part, sum(values[-part:]) / part
    if abs(last - first) <= 0.05 * max(first, last):
        return f"{last:.1f} new tasks, from beginning to end"
    return f"{last:.1f} new tasks at the end, {first:.1f} at the beginning"


def growth_chart(moments: Sequence[Moment]) -> Chart:
    """Admitted tasks over the time of work."""
    unit, divisor = _unit(moments[-1].seconds)
    title = f"{moments[-1].admitted:,} tasks admitted in {_span(moments[-1].seconds)} of work"
    x = axis(moments[-1].seconds / divisor, _LEFT, _RIGHT, f"{unit} of work", exact=True)
    y = axis(moments[-1].admitted, _BOTTOM, _TOP, "tasks admitted so far")
    points = [(x.at(moment.seconds / divisor), y.at(moment.admitted)) for moment in moments]
    return Chart(
        "growth",
        title,
        _drawn(title, f"Admitted tasks over {unit} of work.", frame(x, y) + _area(points)),
        (f"{unit} of work", "requests", "admitted"),
        tuple((f"{m.seconds / divisor:.2f}", f"{m.requests:,}", f"{m.admitted:,}") for m in moments),
        note="Pauses of more than ten minutes are left out.",
    )


def cost_chart(moments: Sequence[Moment]) -> Chart:
    """Dollars over the time of work; tokens where the price isn't known."""
    unit, divisor = _unit(moments[-1].seconds)
    priced = moments[-1].cost_usd is not None
    sums = [(moment.cost_usd or 0.0) if priced else float(moment.tokens) for moment in moments]
    title = f"{dollars(sums[-1])} spent" if priced else f"{compact(sums[-1])} tokens used; their price is not known"
    x = axis(moments[-1].seconds / divisor, _LEFT, _RIGHT, f"{unit} of work", exact=True)
    y = axis(sums[-1], _BOTTOM, _TOP, "dollars so far" if priced else "tokens so far")
    points = [(x.at(moment.seconds / divisor), y.at(value)) for moment, value in zip(moments, sums, strict=True)]
    what = "Dollars" if priced else "Tokens"
    return Chart(
        "cost",
        title,
        _drawn(title, f"{what} spent over {unit} of work.", frame(x, y) + _area(points)),
        (f"{unit} of work", "requests", "tokens", "dollars"),
        tuple(
            (
                f"{m.seconds / divisor:.2f}",
                f"{m.requests:,}",
                f"{m.tokens:,}",
                "not known" if m.cost_usd is None else f"{m.cost_usd:.4f}",
            )
            for m in moments
        ),
    )


def score_chart(scores: Scores) -> Chart:
    """How near the nearest text was, of what novelty admitted and refused, with the cutoff."""
    bins = len(scores.admitted)
    refused, total = sum(scores.refused), sum(scores.admitted) + sum(scores.refused)
    word = "at or above" if scores.refuse_equal else "above"
    title = f"{refused / total:.1%} were {word} the cutoff of {scores.cutoff:g}: too similar"
    x = axis(1.0, _LEFT, _RIGHT, "ROUGE-L F to the nearest text", exact=True)
    y = axis(max(a + r for a, r in zip(scores.admitted, scores.refused, strict=True)), _BOTTOM, _TOP, "tasks")
    body = frame(x, y)
    for number, (admitted, others) in enumerate(zip(scores.admitted, scores.refused, strict=True)):
        left, width = x.at(number / bins) + 0.5, (x.end - x.start) / bins - 1
        tip = f"{number / bins:g} to {(number + 1) / bins:g}: {admitted:,} admitted, {others:,} refused"
        top, higher = y.at(admitted), y.at(admitted + others)
        if admitted:
            body += box(left, top, width, y.start - top, "a", tip)
        if others:
            body += box(left, higher, width, top - higher, "b", tip)
    at = x.at(scores.cutoff)
    body += element("line", class_="cutoff", x1=at, x2=at, y1=y.start, y2=y.end - 6)
    body += element(
        "text", f"cutoff {scores.cutoff:g}", class_="cutoff-label", x=at, y=y.end - 12, text_anchor="middle"
    )
    description = f"Histogram of {total:,} scores from 0 to 1. A line marks the cutoff at {scores.cutoff:g}."
    return Chart(
        "scores",
        title,
        _drawn(title, description, body),
        ("score from", "to", "admitted", "refused"),
        tuple(
            (f"{n / bins:.3f}", f"{(n + 1) / bins:.3f}", f"{a:,}", f"{r:,}")
            for n, (a, r) in enumerate(zip(scores.admitted, scores.refused, strict=True))
        ),
        (("a", "admitted"), ("b", "refused")),
    )


def length_chart(length: Length) -> Chart:
    """How long one part of the records is."""
    tokens = length.tokens
    x = axis(tokens.width * len(tokens.counts), _LEFT, _RIGHT, "tokens", exact=True)
    y = axis(max(tokens.counts), _BOTTOM, _TOP, f"{length.part}s")
    title = f"{length.part.capitalize()}s: {tokens.median or 0:,.0f} tokens in the median"
    step = (x.end - x.start) / len(tokens.counts)
    last = len(tokens.counts) - 1

    def span(number: int) -> str:
        start = int(number * tokens.width)
        return f"{start} or more" if number == last else f"{start} to {int(start + tokens.width - 1)}"

    boxes = joined(
        box(
            x.start + number * step + 0.5, y.at(n), max(step - 1, 0.5), y.start - y.at(n), "a", f"{span(number)}: {n:,}"
        )
        for number, n in enumerate(tokens.counts)
        if n
    )
    note = f"{length.empty:,} are empty and not drawn. " if length.empty else ""
    return Chart(
        f"length-{length.part}",
        title,
        _drawn(title, f"Histogram of {tokens.count:,} texts.", frame(x, y) + boxes),
        ("tokens", f"{length.part}s"),
        tuple((span(number), f"{count:,}") for number, count in enumerate(tokens.counts)),
        note=note + "The last bar also holds the longest hundredth.",
    )


def _drawn(title: str, description: str, body: Markup) -> Markup:
    return picture(title, description, _WIDTH, _HEIGHT, body)


def charts_of(figures: Figures) -> dict[str, Chart]:
    """All charts that the run has figures for, by their id."""
    found = []
    if any(part.proposed for part in figures.stretches):
        found.append(yield_chart(figures.stretches))
    if figures.moments:
        found += [growth_chart(figures.moments), cost_chart(figures.moments)]
    if sum(figures.scores.admitted) + sum(figures.scores.refused):
        found.append(score_chart(figures.scores))
    found += [length_chart(length) for length in figures.lengths if length.tokens.count]
    return {chart.id: chart for chart in found}


def dollars(amount: float) -> str:
    """Dollars with as many decimals as small sums need."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4g}"


def _area(points: Sequence[tuple[float, float]]) -> Markup:
    """A line and the surface under it."""
    around = [(points[0][0], _BOTTOM), *points, (points[-1][0], _BOTTOM)]
    surface = element("polygon", class_="area", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in around))
    return surface + line(points, "a")


def _unit(seconds: float) -> tuple[str, float]:
    return ("hours", 3600.0) if seconds > 2 * 3600 else ("minutes", 60.0) if seconds > 120 else ("seconds", 1.0)


def _span(seconds: float) -> str:
    unit, divisor = _unit(seconds)
    return f"{seconds / divisor:.1f} {unit}"
