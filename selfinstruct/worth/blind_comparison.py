"""Compare datasets by a blind reading, and by what can be measured without reading.

A reader grades rows of all datasets without knowing which is which (`blind_reading`). `compare` says what came of it:
the share kept of each, the difference of each two with an interval that stays valid at whatever row the reader stopped,
and whether the grades decide. A single dataset is read to the last row drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from ..config.sections import SelectConfig
from ..core.event_loop import run_to_end
from ..core.records import Example, Response
from ..core.tasks import Candidate
from ..core.tokens import tokenize
from ..dataset.card_figures import verified
from ..dataset.linguistics import finder_for
from ..filters.unusable import Unusable
from ..journal.folder import JOURNAL
from ..journal.snapshot import read
from ..report.page.comparison import SAMPLE, Diversity, diversity_of, draw as draw_texts
from ..report.page.measure import moments
from .arms import Arm, arms_of
from .blind_reading import JUDGE, BlindReading, BlindRow, Grade, Grades, Result, agreement, draw, results
from .sequential import Difference
from .topics import Topic, topics_of

LEVEL = 0.95
_NOBODY: Any = None
"""Rules ask no teacher."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What can be measured of a dataset without reading it; none of it says that an answer is right, but `checked`.

    rows: the number of rows with a task and an answer. words: the median length of a task and of an answer, in tokens
    of ROUGE. middle_half: the 25th and the 75th percentile of each. diversity: of a sample of the tasks, as large for
    each dataset. by_rules: the share of rows that a rule against what small models write hits. checked: how many
    answers a program checked, and how many of them passed. tokens, seconds: generated tokens and seconds of work for
    each row; None for a dataset that is no run.
    """

    rows: int
    words: tuple[float, float]
    middle_half: tuple[tuple[float, float], tuple[float, float]]
    diversity: Diversity
    by_rules: float
    checked: tuple[int, int] | None = None
    tokens: float | None = None
    seconds: float | None = None


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


def measure(arm: Arm, sampled: int) -> Measures:
    """Measure one dataset. sampled: how many tasks to draw for its diversity."""
    asked = [str(each["instruction"]) for each in arm.contents]
    answers = [str(each["examples"][0]["answer"]) for each in arm.contents]
    words = [
        np.percentile([len(tokenize(text)) for text in texts], (25, 50, 75)).tolist() for texts in (asked, answers)
    ]
    hit = run_to_end(_hit_by_rules(zip(asked, answers, strict=True)))
    figures = (
        len(asked),
        (words[0][1], words[1][1]),
        ((words[0][0], words[0][2]), (words[1][0], words[1][2])),
        diversity_of(draw_texts(asked, sampled), finder_for("word-list")),
        hit / len(asked),
    )
    if not (Path(arm.source) / JOURNAL).is_file():
        return Measures(*figures)
    with read(arm.source) as snapshot:
        counted = verified(snapshot)
        checked = (sum(each.answers for each in counted), sum(each.right for each in counted))
        status = snapshot.status
        made, worked = max(1, status.records_asked), moments(snapshot.arrivals(), {})
        return Measures(
            *figures,
            checked=checked if checked[0] else None,
            tokens=status.completion_tokens / made * arm.generated,
            seconds=worked[-1].seconds / made * arm.generated if worked else None,
        )


async def _hit_by_rules(texts: Iterable[tuple[str, str]]) -> int:
    """Count the rows that a rule against what small models write hits."""
    rules, hits = Unusable("en"), 0
    for asked, answer in texts:
        instruction, _, given = asked.partition("\n\n")
        candidate = Candidate(instruction, given)
        example = Example.of(instruction, given, Response(answer))
        verdict = rules.check(candidate)
        hits += not (verdict.ok and (await rules.check_answer(candidate, example, _NOBODY)).ok)
    return hits


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
    sampled = min(SAMPLE, *(len(each.contents) for each in arms))
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
        {each.name: measure(each, sampled) for each in arms},
        {each.name: each.why_added for each in arms if each.why_added},
        topics_of({each.name: each.contents for each in arms}, drawn, by_reader.get(reader, {})),
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
