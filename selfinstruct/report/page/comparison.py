"""Two runs side by side: yield, cost, diversity and lengths, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...dataset.linguistics import Finder, finder_for
from ...journal.folder import Run
from ...journal.snapshot import read
from .charts import dollars
from .diversity import SAMPLE, Diversity, diversity_of, draw
from .figures import Figures
from .measure import measure


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs."""

    figures: Figures
    diversity: Diversity


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a comparison. unit: how a value is written: 'count', 'number', 'share', 'score' or 'dollars'."""

    group: str
    key: str
    name: str
    unit: str
    a: float | None
    b: float | None

    @property
    def words(self) -> tuple[str, str]:
        """Both values as they are shown."""
        return _WRITTEN[self.unit](self.a), _WRITTEN[self.unit](self.b)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs. sampled: instructions of each that the measures of the group 'diversity, of a sample' are taken of."""

    a: Side
    b: Side
    sampled: int

    @property
    def measures(self) -> tuple[Measure, ...]:
        """Every line, group after group."""
        return tuple(
            Measure(group, key, name.format(sampled=f"{self.sampled:,}"), unit, of(self.a), of(self.b))
            for group, lines in _LINES
            for key, name, unit, of in lines
        )


def compare(
    run_a: Run | str | Path, run_b: Run | str | Path, *, parser: Literal["auto", "word-list"] = "auto"
) -> Comparison:
    """Measure two runs and set them side by side.

    What depends on how many texts are looked at (self-ROUGE, n-grams, pairs of a sample) is measured over equally many
    instructions of each, at most 1,000, drawn with a fixed seed. Everything else is of the whole runs.
    Raises UsageError when one of them isn't a run's folder.
    """
    finder = finder_for(parser)
    a, of_a = _measured(run_a, finder)
    b, of_b = _measured(run_b, finder)
    sampled = min(SAMPLE, len(of_a), len(of_b))
    return Comparison(
        Side(a, diversity_of(draw(of_a, sampled), finder)), Side(b, diversity_of(draw(of_b, sampled), finder)), sampled
    )


def _measured(run: Run | str | Path, finder: Finder) -> tuple[Figures, list[str]]:
    """A run's figures and its instructions."""
    with read(run) as snapshot:
        return measure(snapshot, finder), [record.instruction for record in snapshot.records]


def _tokens_per_record(side: Side) -> float | None:
    now = side.figures.status
    return (now.prompt_tokens + now.completion_tokens) / now.records if now.records else None


def _per_question(side: Side) -> float | None:
    stretches = side.figures.stretches
    questions = sum(part.questions for part in stretches)
    return sum(part.admitted for part in stretches) / questions if questions else None


def _classified(side: Side) -> float | None:
    yes, no, _ = side.figures.classification
    return yes / (yes + no) if yes + no else None


def _median(part: int) -> Callable[[Side], float | None]:
    return lambda side: side.figures.lengths[part].tokens.median


def _refused(stage: str) -> Callable[[Side], float | None]:
    return lambda side: sum(reason.count for reason in side.figures.reasons if reason.stage == stage)


def _ngrams(n: int) -> Callable[[Side], float | None]:
    return lambda side: side.diversity.distinct_ngrams[n - 1] if side.diversity.texts else None


_Line = tuple[str, str, str, Callable[[Side], float | None]]
_LINES: tuple[tuple[str, tuple[_Line, ...]], ...] = (
    (
        "yield",
        (
            ("records", "records", "count", lambda s: s.figures.status.records),
            ("questions", "questions answered", "count", lambda s: s.figures.status.questions),
            ("admitted_per_question", "new tasks per question", "number", _per_question),
            ("acceptance", "admitted of those proposed", "share", lambda s: s.figures.status.acceptance),
            ("refused_by_filters", "refused by filters", "count", _refused("filter")),
            ("refused_by_novelty", "refused by novelty", "count", _refused("novelty")),
            ("refused_instances", "refused instances", "count", _refused("instance")),
        ),
    ),
    (
        "cost",
        (
            ("requests", "requests", "count", lambda s: s.figures.status.requests),
            ("tokens_per_record", "tokens per record", "number", _tokens_per_record),
            ("cost_usd", "dollars", "dollars", lambda s: s.figures.status.cost_usd),
            ("cost_per_record_usd", "dollars per record", "dollars", lambda s: s.figures.status.cost_per_record_usd),
        ),
    ),
    (
        "diversity, of the whole run",
        (
            ("mean_novelty", "mean novelty at admission", "score", lambda s: s.figures.scores.mean_novelty),
            ("distinct_pairs", "distinct verb-noun pairs", "count", lambda s: s.figures.pairs.distinct),
        ),
    ),
    (
        "diversity, of a sample",
        (
            ("sample_distinct_pairs", "distinct verb-noun pairs", "count", lambda s: s.diversity.distinct_pairs),
            ("self_rouge", "self-ROUGE-L, all pairs", "score", lambda s: s.diversity.self_rouge),
            ("self_rouge_nearest", "self-ROUGE-L, the nearest", "score", lambda s: s.diversity.nearest),
            ("ngram_diversity", "n-gram diversity, n = 1 to 4", "score", lambda s: s.diversity.ngram_diversity),
            ("distinct_1", "distinct words", "share", _ngrams(1)),
            ("distinct_2", "distinct pairs of words", "share", _ngrams(2)),
        ),
    ),
    (
        "lengths and kinds",
        (
            ("median_instruction_tokens", "instruction, median tokens", "number", _median(0)),
            ("median_input_tokens", "input, median tokens", "number", _median(1)),
            ("median_output_tokens", "output, median tokens", "number", _median(2)),
            ("classification_share", "classification tasks", "share", _classified),
        ),
    ),
)


def _or_dash(write: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "–" if value is None else write(value)


_WRITTEN: dict[str, Callable[[float | None], str]] = {
    "count": _or_dash(lambda value: f"{value:,.0f}"),
    "number": _or_dash(lambda value: f"{value:,.1f}"),
    "share": _or_dash(lambda value: f"{value:.1%}"),
    "score": _or_dash(lambda value: f"{value:.3f}"),
    "dollars": _or_dash(dollars),
}
