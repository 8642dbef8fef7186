"""The wheel of the Self-Instruct paper (Figure 3): the 20 most frequent root verbs, each with its first 4 objects."""

from __future__ import annotations

from markupsafe import Markup

from ...dataset.linguistics import Verb, VerbNouns
from .charts import Chart
from .svg import element, joined, picture, sector

_SIZE = 640.0
_CENTRE = _SIZE / 2
_HOLE, _MIDDLE, _RIM = 74.0, 178.0, 316.0
_HUES = 10
_LEAST_ARC = 12.0
"""A label needs so many pixels of the ring's length."""
_TURN = 6.2832


def wheel(pairs: VerbNouns) -> Chart:
    """The wheel as a chart. Raises ValueError without any pair."""
    drawn = [(verb, sum(count for _, count in verb.nouns)) for verb in pairs.verbs]
    total = sum(count for _, count in drawn)
    if not total:
        raise ValueError("no instruction has a verb with an object")
    parts, start = [], 0.0
    for number, (verb, count) in enumerate(drawn):
        share = count / total
        parts.append(_spoke(verb, number % _HUES, start, share, total))
        start += share
    parts.append(element("text", f"{pairs.distinct:,}", class_="hub", x=_CENTRE, y=_CENTRE + 4, text_anchor="middle"))
    words = "distinct pair" if pairs.distinct == 1 else "distinct pairs"
    parts.append(element("text", words, class_="tick", x=_CENTRE, y=_CENTRE + 24, text_anchor="middle"))
    first = pairs.verbs[0]
    title = f"Most often asked for: {first.verb} {first.nouns[0][0]}"
    description = (
        f"Inside the {len(drawn)} most frequent verbs, outside up to 4 objects of each: {total:,} instructions."
    )
    return Chart(
        "wheel",
        title,
        picture(title, description, _SIZE, _SIZE, joined(parts)),
        ("verb", "instructions", "its objects"),
        tuple((v.verb, f"{v.count:,}", ", ".join(f"{noun} {n:,}" for noun, n in v.nouns)) for v in pairs.verbs),
    )


def _spoke(verb: Verb, hue: int, start: float, share: float, total: int) -> Markup:
    """A verb and, around it, its objects."""
    inner = sector(_CENTRE, _HOLE, _MIDDLE, start, start + share, f"verb hue{hue}", f"{verb.verb}: {verb.count:,}")
    parts = [inner, _label(verb.verb, start + share / 2, share, _HOLE, _MIDDLE, 14)]
    for noun, count in verb.nouns:
        width = count / total
        title = f"{verb.verb} {noun}: {count:,}"
        parts.append(sector(_CENTRE, _MIDDLE, _RIM, start, start + width, f"noun hue{hue}", title))
        parts.append(_label(noun, start + width / 2, width, _MIDDLE, _RIM, 18))
        start += width
    return joined(parts)


def _label(text: str, turn: float, share: float, inner: float, outer: float, most: int) -> Markup:
    """A word along the radius, never upside down; nothing where it has no room."""
    if share * _TURN * inner < _LEAST_ARC:
        return Markup()
    shown = text if len(text) <= most else text[: most - 1] + "…"
    left = turn % 1.0 > 0.5
    angle = turn * 360 + (90 if left else -90)
    x = _CENTRE + (-(inner + 8) if left else inner + 8)
    place = f"rotate({angle:.1f} {_CENTRE:g} {_CENTRE:g})"
    return element("text", shown, x=x, y=_CENTRE + 4, text_anchor="end" if left else "start", transform=place)
