"""Compare datasets by a blind reading, and by what can be measured without reading.

A reader grades rows of all datasets without knowing which is which (`blind_reading`). `compare` says what came of it:
the share kept of each, the difference of each two with an interval that stays valid at whatever row the reader stopped,
and whether the grades decide. A single dataset is read to the last row drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ..config.sections import SelectConfig
from .arms import Arm, arms_of
from .blind_reading import JUDGE, BlindReading, BlindRow, Grade, Grades, Result, agreement, draw, results
from .dataset_measures import Measures, measure
from .sequential import Difference
from .topics import Topic, topics_of

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference between two datasets: the share kept of the second minus that of the first.

    pairs: the rows read of each, in pairs. low, high: its 95% interval, valid at whatever row the reader stopped.
    margin: a smaller difference doesn't matter to the reader.
    """

    first: str
    second: str
    pairs: int
    low: float
    high: float
    margin: float

    @property
    def is_decided(self) -> bool:
        """Whether reading on would hardly change the answer."""
        return self.low > 0 or self.high < 0 or (-self.margin < self.low and self.high < self.margin)

    @property
    def line(self) -> str:
        """The answer in words."""
        pairs = f"{self.pairs:,} pairs of rows"
        if self.low > 0 or self.high < 0:
            better, worse = (self.second, self.first) if self.low > 0 else (self.first, self.second)
            least, most = sorted((100 * abs(self.low), 100 * abs(self.high)))
            return f"{better} is better than {worse} by {least:.1f} to {most:.1f} points (95% interval, {pairs})"
        ends = f"{100 * self.low:+.1f} to {100 * self.high:+.1f} points"
        reached = f"95% interval of the second minus the first {ends}, {pairs}"
        if self.is_decided:
            return f"no difference of {100 * self.margin:g} points between {self.first} and {self.second} ({reached})"
        return f"not decided between {self.first} and {self.second} ({reached}); read more rows"


@dataclass(frozen=True, slots=True)
class Worth:
    """A comparison of datasets.

    names: of the datasets. read: what each reader said about each, by reader. gaps: by reader, each two
    datasets. left: by reader, the rows that are left to read; 0 once the grades decide. agreements: a line about each
    two readers. measures: by dataset. added: the datasets that no source names, each with the reason. topics: what the
    tasks ask for, and what `topics_reader` kept of it; empty if nothing has been read to the end.
    """

    names: Sequence[str]
    read: Mapping[str, Sequence[Result]]
    gaps: Mapping[str, Sequence[Gap]]
    left: Mapping[str, int]
    agreements: Sequence[str]
    measures: Mapping[str, Measures]
    added: Mapping[str, str]
    topics: Sequence[Topic]
    topics_reader: str

    @property
    def is_over(self) -> bool:
        """Whether a person's grades decide between each two datasets, or a person has read all rows."""
        return any(left == 0 for reader, left in self.left.items() if not reader.startswith(JUDGE))

    def continues(self, reader: str) -> bool:
        """Whether a person has rows left to read, and must not know the result yet."""
        return bool(self.left[reader]) and not reader.startswith(JUDGE)


def gaps_of(names: Sequence[str], rows: Sequence[BlindRow], grades: Mapping[str, Grade], margin: float) -> list[Gap]:
    """Return the difference of each two datasets, from one reader's grades by digest; nothing for one dataset.

    Rows are paired in the order of reading: the first one of each dataset, the second one of each, and so on. With more
    than two datasets, the intervals are wider, so that all of them hold together in 95% of readings.
    """
    pairs = list(combinations(names, 2))
    found = []
    for first, second in pairs:
        graded = [
            [grades[row.digest].keep for row in rows if name in row.sources and row.digest in grades]
            for name in (first, second)
        ]
        difference = Difference(1 - (1 - LEVEL) / len(pairs))
        for kept in zip(*graded, strict=False):
            difference.add(*kept)
        found.append(Gap(first, second, difference.pairs, *difference.interval, margin=margin))
    return found


def _is_enough(gaps: Sequence[Gap]) -> bool:
    """Whether reading may end before all rows are read; never with a single dataset, which is compared with none."""
    return bool(gaps) and all(each.is_decided for each in gaps)


def compare(
    sources: Sequence[str | Path],
    grades: str | Path,
    *,
    rows: int = 200,
    seed: int = 42,
    margin: float = 0.15,
    select: SelectConfig | None = None,
) -> Worth:
    """Compare datasets by the grades of a file, and by what can be measured.

    Args:
        sources: Runs or datasets, as `selfinstruct.worth.arms.contents_of` takes them; one or more.
        grades: A file of blind grades, which may not exist yet.
        rows: The rows that are drawn of each.
        seed: Decides which rows are read, and in which order.
        margin: The smallest difference of the shares kept that matters, 0 to 1.
        select: Selects records of each run; None uses the `dataset.select` of its configuration.

    Raises:
        UsageError: A dataset that can't be read, or grades that are none.
    """
    arms = arms_of(sources, select)
    names, drawn = [each.name for each in arms], _draw(arms, rows, seed)
    by_reader = {
        reader: {row.digest: given[row.digest] for row in drawn if row.digest in given}
        for reader, given in Grades(grades).by_reader().items()
    }
    by_reader = {reader: given for reader, given in by_reader.items() if given}
    gaps = {reader: gaps_of(names, drawn, given, margin) for reader, given in by_reader.items()}
    left = {reader: 0 if _is_enough(gaps[reader]) else len(drawn) - len(given) for reader, given in by_reader.items()}
    # A person says more than a judge, and a reader who continues must not know the result yet.
    done = [reader for reader in by_reader if reader.startswith(JUDGE) or not left[reader]]
    reader = max(done, key=lambda name: (not name.startswith(JUDGE), len(by_reader[name])), default="")
    return Worth(
        names,
        {reader: results(names, drawn, given.values()) for reader, given in by_reader.items()},
        gaps,
        left,
        agreement(drawn, by_reader),
        measure(arms),
        {each.name: each.why_added for each in arms if each.why_added},
        topics_of(arms, drawn, by_reader.get(reader, {})),
        reader,
    )


def reading(
    sources: Sequence[str | Path],
    grades: str | Path,
    reader: str,
    *,
    rows: int = 200,
    seed: int = 42,
    margin: float = 0.15,
    select: SelectConfig | None = None,
) -> BlindReading:
    """Return a blind reading that may end as soon as the grades decide between each two datasets; as `compare`."""
    arms = arms_of(sources, select)
    names, drawn = [each.name for each in arms], _draw(arms, rows, seed)
    return BlindReading(
        names, drawn, Grades(grades), reader, lambda given: _is_enough(gaps_of(names, drawn, given, margin))
    )


def _draw(arms: Sequence[Arm], rows: int, seed: int) -> list[BlindRow]:
    return draw({each.name: each.contents for each in arms}, rows, seed)
