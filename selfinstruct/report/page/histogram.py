"""Histograms of the lengths of the records' texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ...core.records import Record
from ...core.tokens import tokenize
from .figures import Histogram, TextLengths

_BINS = 40


def histogram(values: Sequence[int], bins: int = _BINS) -> Histogram:
    """Count whole numbers in at most `bins` bins, with a width of 1, 2 or 5 times a power of ten."""
    if not values:
        return Histogram(1, (), 0, None)
    ordered = sorted(values)
    # End at the 99th percentile, so that a few very long texts don't squeeze the rest into one bin.
    limit = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] + 1
    width = _round_width(limit / bins)
    last = -(-limit // width) - 1
    counts = Counter(min(value // width, last) for value in ordered)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Histogram(width, tuple(counts[number] for number in range(last + 1)), len(ordered), median)


def _round_width(least: float) -> int:
    scale = 1
    while True:
        for factor in (1, 2, 5):
            if factor * scale >= least:
                return factor * scale
        scale *= 10


def lengths(records: Iterable[Record]) -> tuple[TextLengths, ...]:
    """Measure instructions, inputs and outputs, over all examples of the records."""
    tokens: dict[str, list[int]] = {"instruction": [], "input": [], "output": []}
    for record in records:
        tokens["instruction"].append(len(tokenize(record.instruction)))
        for example in record.examples:
            tokens["input"].append(len(tokenize(example.given)))
            tokens["output"].append(len(tokenize(example.output)))
    return tuple(
        TextLengths(part, histogram([count for count in counts if count]), counts.count(0))
        for part, counts in tokens.items()
    )
