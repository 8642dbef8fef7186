"""Draw the wheel of the Self-Instruct paper (Figure 3): the 20 most frequent root verbs with up to 4 objects each."""

from __future__ import annotations

import math

from markupsafe import Markup

from ...dataset.linguistics import Verb, VerbNouns
from .charts import Chart
from .svg import element, joined, picture, sector

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
