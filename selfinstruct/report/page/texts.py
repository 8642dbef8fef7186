"""What the records' texts are like: how long they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ...core.tasks import Record
from ...core.tokens import tokenize
from .figures import Histogram, Length

_BINS = 40


def histogram(values: Sequence[int], bins: int = _BINS) -> Histogram:
    """Whole numbers in at most `bins` bins; the widths are 1, 2 or 5 times a power of ten.

    The bins reach to the 99th percentile, so that a few very long texts don't flatten the rest.
    """
    if not values:
        return Histogram(1, (), 0, None)
    ordered = sorted(values)
    reach = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] + 1
    width = _round_width(reach / bins)
    last = -(-reach // width) - 1
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


def lengths(records: Iterable[Record]) -> tuple[Length, ...]:
    """Lengths of instructions, inputs and outputs, over all instances of the records."""
    found: dict[str, list[int]] = {"instruction": [], "input": [], "output": []}
    for record in records:
        found["instruction"].append(len(tokenize(record.instruction)))
        for instance in record.instances:
            found["input"].append(len(tokenize(instance.input)))
            found["output"].append(len(tokenize(instance.output)))
    return tuple(
        Length(part, histogram([count for count in counts if count]), counts.count(0)) for part, counts in found.items()
    )
