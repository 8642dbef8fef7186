"""Measure how well a judge's marks agree with people's, on pairs of a good and a bad answer; used by `judge-eval`.

A judge agrees if it marks the good answer higher. Pairs with a longer bad answer show whether it rewards length.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError
from ...core.records import Example, Response
from ...core.reviews import wilson_interval
from ...core.shipped import shipped_text
from ...core.tasks import Verdict


@dataclass(frozen=True, slots=True)
class GoldenPair:
    """A task with a good and a bad answer according to people, and the kind of flaw in the bad one."""

    id: str
    language: str
    instruction: str
    input: str
    good: str
    bad: str
    flaw: str

    def example(self, *, good: bool) -> Example:
        """Return an example with one of the two answers."""
        return Example.of(self.instruction, self.input, Response(self.good if good else self.bad))

    @property
    def longer_is_worse(self) -> bool:
        """Whether the bad answer has more characters than the good one."""
        return len(self.bad) > len(self.good)


@dataclass(frozen=True, slots=True)
class OrderedShare:
    """The number of judged pairs, and how many of them the judge ordered like people do; a tie counts half."""

    right: float
    pairs: int

    @property
    def value(self) -> float | None:
        """The share, 0 to 1, or None without pairs."""
        return self.right / self.pairs if self.pairs else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95% confidence interval of the share, or None without pairs."""
        if not self.pairs:
            return None
        return wilson_interval(self.right / self.pairs, self.pairs)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well a judge agrees with people, overall and for subsets of the pairs.

    Attributes:
        ties: Pairs with equal marks.
        least: The threshold for `kept_good` and `kept_bad`, 1 to 5.
        kept_good, kept_bad: Shares of the good and the bad answers with a mean mark of at least `least`.
        means: Mean mark of the good and of the bad answers, 1 to 5.
        unjudged: Answers without marks; their pairs count nowhere else.
    """

    overall: OrderedShare
    by_language: Mapping[str, OrderedShare]
    by_flaw: Mapping[str, OrderedShare]
    by_length: Mapping[str, OrderedShare]
    ties: int
    least: float
    kept_good: float
    kept_bad: float
    means: tuple[float, float]
    unjudged: int


def agreement(
    pairs: Sequence[GoldenPair], marks: Sequence[tuple[Verdict | None, Verdict | None]], least: float = 3.5
) -> Agreement:
    """Compare a judge's marks with people's.

    marks: for each pair, the judge's verdict on the good and on the bad answer, None if it gave no marks. least:
    minimum mean mark of an answer to keep, 1 to 5.
    """
    # Each judged pair with the mean marks of its good and its bad answer.
    judged = [
        (pair, good.score, bad.score)
        for pair, (good, bad) in zip(pairs, marks, strict=True)
        if good is not None and bad is not None and good.score is not None and bad.score is not None
    ]

    def share(part: Sequence[tuple[GoldenPair, float, float]]) -> OrderedShare:
        return OrderedShare(sum(1.0 if good > bad else 0.5 * (good == bad) for _, good, bad in part), len(part))

    def split(values: Mapping[str, Sequence[tuple[GoldenPair, float, float]]]) -> dict[str, OrderedShare]:
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


def load_golden(path: Path | None = None) -> list[GoldenPair]:
    """Read pairs from a JSONL file, by default the shipped one. Raises UsageError with the line of the first defect."""
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
            pairs.append(GoldenPair(**{field: str(values[field]) for field in GoldenPair.__slots__}))
        except (ValueError, TypeError, KeyError, RecursionError):
            fields = ", ".join(GoldenPair.__slots__)
            raise UsageError(f"{name}:{number}: not a pair; write an object with the texts {fields}") from None
    if not pairs:
        raise UsageError(f"{name}: contains no pairs; add one per line")
    return pairs
