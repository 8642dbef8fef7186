"""How far a judge's marks agree with people's: on pairs of a good and a bad answer to the same task.

A judge is good when it marks the good answer of a pair above the bad one. Pairs whose bad answer is the longer one show
whether it takes length for merit.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from ...core.shipped import shipped_text
from ...core.tasks import Instance, Scores

_Z = 1.96
"""Standard deviations that hold 95% of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A task with an answer that people called good and one that they called bad, and for what flaw."""

    id: str
    language: str
    instruction: str
    input: str
    good: str
    bad: str
    flaw: str

    def instance(self, *, good: bool) -> Instance:
        """The task's instance with one of the two answers."""
        return Instance(self.input, self.good if good else self.bad)

    @property
    def longer_is_worse(self) -> bool:
        """Whether the bad answer has more characters than the good one."""
        return len(self.bad) > len(self.good)


@dataclass(frozen=True, slots=True)
class Share:
    """Pairs that were ordered as people did, of those that were judged; a tie counts half. 0 to 1, None without any."""

    right: float
    pairs: int

    @property
    def value(self) -> float | None:
        """The share."""
        return self.right / self.pairs if self.pairs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Its 95% interval (Wilson 1927)."""
        if not self.pairs:
            return None
        n, p = self.pairs, self.right / self.pairs
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge beside people. by_*: shares of parts of the pairs.

    kept_good, kept_bad: shares of the good and the bad answers whose mean mark reaches `least`. means: the mean mark of
    good and of bad answers. unjudged: answers without marks; their pairs count nowhere else.
    """

    overall: Share
    by_language: Mapping[str, Share]
    by_flaw: Mapping[str, Share]
    by_length: Mapping[str, Share]
    ties: int
    least: float
    kept_good: float
    kept_bad: float
    means: tuple[float, float]
    unjudged: int


def agreement(
    pairs: Sequence[Pair], marks: Sequence[tuple[Scores | None, Scores | None]], least: float = 3.5
) -> Agreement:
    """Compare a judge's marks for the good and the bad answer of each pair. least: the score asked for to keep one."""
    judged = [
        (pair, good.mean, bad.mean)
        for pair, (good, bad) in zip(pairs, marks, strict=True)
        if good is not None and bad is not None
    ]

    def share(part: Sequence[tuple[Pair, float, float]]) -> Share:
        return Share(sum(1.0 if good > bad else 0.5 * (good == bad) for _, good, bad in part), len(part))

    def split(values: Mapping[str, Sequence[tuple[Pair, float, float]]]) -> dict[str, Share]:
        return {name: share(part) for name, part in values.items()}

    count = max(1, len(judged))
    longer = [row for row in judged if row[0].longer_is_worse]
    shorter = [row for row in judged if not row[0].longer_is_worse]
    return Agreement(
        overall=share(judged),
        by_language=split({n: [r for r in judged if r[0].language == n] for n in sorted({p.language for p in pairs})}),
        by_flaw=split({n: [r for r in judged if r[0].flaw == n] for n in sorted({p.flaw for p in pairs})}),
        by_length=split({"the bad answer is longer": longer, "the bad answer is not longer": shorter}),
        ties=sum(good == bad for _, good, bad in judged),
        least=least,
        kept_good=sum(good >= least for _, good, _ in judged) / count,
        kept_bad=sum(bad >= least for _, _, bad in judged) / count,
        means=(sum(good for _, good, _ in judged) / count, sum(bad for _, _, bad in judged) / count),
        unjudged=sum(score is None for both in marks for score in both),
    )


def load_golden(path: Path | None = None) -> list[Pair]:
    """Pairs from a JSONL file, one a line; the shipped ones by default. Raises UsageError that names the line."""
    if path is None:
        text, name = shipped_text(__package__, "golden.jsonl"), "golden.jsonl"
    else:
        name = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: can't be read as UTF-8 text ({error}); name a JSONL file") from None
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            pairs.append(Pair(**{field: str(values[field]) for field in Pair.__slots__}))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UsageError(f"{name}:{number}: each line needs the texts {', '.join(Pair.__slots__)}") from None
    if not pairs:
        raise UsageError(f"{name}: no pairs in it")
    return pairs
