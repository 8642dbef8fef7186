"""Compare two runs by yield, cost, diversity, and lengths; for the command `compare` and its page."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...core.counted import dollars
from ...core.tokens import tokenize
from ...dataset.linguistics import Finder, finder_for, suited
from ...journal.folder import Run
from ...journal.snapshot import read
from ...novelty import NoveltyIndex
from .figures import Figures
from .measure import measure

SAMPLE = 1000
"""Maximum number of texts to compare: half a million pairs, about 2 seconds."""
NGRAMS = (1, 2, 3, 4)


@dataclass(frozen=True, slots=True)
class Diversity:
    """The diversity of a number of texts.

    Attributes:
        texts: Number of texts.
        self_rouge: Mean ROUGE-L F over all pairs, 0 to 1; None for fewer than two texts.
        nearest: Mean ROUGE-L F to the most similar other text.
        distinct_ngrams: Number of distinct n-grams divided by their total number, for n = 1 to 4.
        ngram_diversity: Sum of `distinct_ngrams`, 0 to 4.
        distinct_pairs: Number of distinct verb-noun pairs; None in a language that the finder doesn't know.
    """

    texts: int
    self_rouge: float | None
    nearest: float | None
    distinct_ngrams: tuple[float, ...]
    ngram_diversity: float
    distinct_pairs: int | None


def draw(texts: Sequence[str], most: int) -> list[str]:
    """Return at most `most` of the texts, drawn with a fixed seed."""
    return list(texts) if len(texts) <= most else random.Random("diversity").sample(texts, most)


def diversity_of(texts: Sequence[str], finder: Finder) -> Diversity:
    """Measure texts, with an exact comparison of each pair."""
    self_rouge, nearest = _self_rouge(texts)
    shares = _distinct_ngrams(texts)
    pairs = {pair for pair in finder.find(texts) if pair.noun is not None}
    return Diversity(
        len(texts), self_rouge, nearest, shares, math.fsum(shares), None if finder.most == 0 else len(pairs)
    )


def _self_rouge(texts: Sequence[str]) -> tuple[float | None, float | None]:
    """Return the mean F over all pairs, and the mean F to the nearest other text."""
    if len(texts) < 2:
        return None, None
    index = NoveltyIndex(1.0)
    for number, text in enumerate(texts):
        index.admit(str(number), text)
    means, nearest = [], []
    for number, text in enumerate(texts):
        similar = index.most_similar(text, 2)
        # The index contains the text itself, with F = 1, or 0 without tokens.
        itself = 1.0 if tokenize(text) else 0.0
        means.append((similar.mean * len(texts) - itself) / (len(texts) - 1))
        nearest.append(next(other.score for other in similar.neighbours if other.id != str(number)))
    return math.fsum(means) / len(texts), math.fsum(nearest) / len(texts)


def _distinct_ngrams(texts: Sequence[str]) -> tuple[float, ...]:
    tokens = [tokenize(text) for text in texts]
    shares = []
    for n in NGRAMS:
        ngrams = [tuple(words[at : at + n]) for words in tokens for at in range(len(words) - n + 1)]
        shares.append(len(set(ngrams)) / len(ngrams) if ngrams else 0.0)
    return tuple(shares)


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of the two runs."""

    figures: Figures
    diversity: Diversity


@dataclass(frozen=True, slots=True)
class Measure:
    """One line of a comparison. unit: how to format values, a key of `_FORMATTERS`."""

    group: str
    key: str
    name: str
    unit: str
    a: float | None
    b: float | None

    @property
    def words(self) -> tuple[str, str]:
        """Both values, formatted."""
        return _FORMATTERS[self.unit](self.a), _FORMATTERS[self.unit](self.b)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs. sampled: number of instructions of each in the sample of the group 'diversity, of a sample'."""

    a: ComparedRun
    b: ComparedRun
    sampled: int

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All lines, sorted by group."""
        return tuple(
            Measure(group, key, name, unit, measure_run(self.a), measure_run(self.b))
            for group, lines in _LINES.items()
            for key, name, unit, measure_run in lines
        )


def compare(
    run_a: Run | str | Path, run_b: Run | str | Path, *, parser: Literal["auto", "word-list"] = "auto"
) -> Comparison:
    """Measure two runs.

    Args:
        run_a, run_b: The runs, or their folders.
        parser: 'auto' uses spaCy if it and a model are installed, otherwise the word list.

    Raises:
        UsageError: One of them isn't a run's folder.
    """
    finder = finder_for(parser)
    a, texts_a, finder_a = _measure_run(run_a, finder)
    b, texts_b, finder_b = _measure_run(run_b, finder)
    # Self-ROUGE, n-grams and pairs depend on the number of texts, so measure them over samples of the same size.
    sampled = min(SAMPLE, len(texts_a), len(texts_b))
    diversity_a, diversity_b = (
        diversity_of(draw(texts, sampled), found) for texts, found in ((texts_a, finder_a), (texts_b, finder_b))
    )
    return Comparison(ComparedRun(a, diversity_a), ComparedRun(b, diversity_b), sampled)


def _measure_run(run: Run | str | Path, finder: Finder) -> tuple[Figures, list[str], Finder]:
    """Return a run's figures, its instructions, and the finder for their language."""
    with read(run) as snapshot:
        texts = [record.instruction for record in snapshot.records]
        return measure(snapshot, finder), texts, suited(finder, snapshot.run.config.language)


def _tokens_per_record(run: ComparedRun) -> float | None:
    now = run.figures.status
    return (now.prompt_tokens + now.completion_tokens) / now.records if now.records else None


def _dollars_per_record(run: ComparedRun) -> float | None:
    return run.figures.status.cost_per_record_usd


def _admitted_per_question(run: ComparedRun) -> float | None:
    stretches = run.figures.stretches
    questions = sum(part.questions for part in stretches)
    return sum(part.admitted for part in stretches) / questions if questions else None


def _classification_share(run: ComparedRun) -> float | None:
    yes, no, _ = run.figures.classification
    return yes / (yes + no) if yes + no else None


def _median(part: int) -> Callable[[ComparedRun], float | None]:
    return lambda run: run.figures.lengths[part].tokens.median


def _refusals(stage: str) -> Callable[[ComparedRun], float | None]:
    return lambda run: sum(reason.count for reason in run.figures.reasons if reason.stage == stage)


def _distinct_pairs(run: ComparedRun) -> float | None:
    pairs = run.figures.pairs
    return pairs.distinct if pairs.parsed or not pairs.records else None


def _distinct_share(n: int) -> Callable[[ComparedRun], float | None]:
    return lambda run: run.diversity.distinct_ngrams[n - 1] if run.diversity.texts else None


# Key in JSON, name in the table, unit, and value. `--json` and the page show the lines in this order.
_Line = tuple[str, str, str, Callable[[ComparedRun], float | None]]
_LINES: dict[str, tuple[_Line, ...]] = {
    "yield": (
        ("records", "records", "count", lambda s: s.figures.status.records),
        ("questions", "questions answered", "count", lambda s: s.figures.status.questions),
        ("admitted_per_question", "new tasks per question", "number", _admitted_per_question),
        ("acceptance", "admitted share of proposed", "share", lambda s: s.figures.status.acceptance),
        ("refused_by_filters", "refused by filters", "count", _refusals("filter")),
        ("refused_by_novelty", "refused by novelty", "count", _refusals("novelty")),
        ("refused_instances", "refused instances", "count", _refusals("instance")),
    ),
    "cost": (
        ("requests", "requests", "count", lambda s: s.figures.status.requests),
        ("tokens_per_record", "tokens per record", "number", _tokens_per_record),
        ("cost_usd", "dollars", "dollars", lambda s: s.figures.status.cost_usd),
        ("cost_per_record_usd", "dollars per 1,000 records", "per_1000", _dollars_per_record),
    ),
    "diversity, of the whole run": (
        ("mean_novelty", "mean novelty at admission", "score", lambda s: s.figures.scores.mean_novelty),
        ("distinct_pairs", "distinct verb-noun pairs", "count", _distinct_pairs),
    ),
    "diversity, of a sample": (
        ("sample_distinct_pairs", "distinct verb-noun pairs", "count", lambda s: s.diversity.distinct_pairs),
        ("self_rouge", "self-ROUGE-L, all pairs", "score", lambda s: s.diversity.self_rouge),
        ("self_rouge_nearest", "self-ROUGE-L, nearest text", "score", lambda s: s.diversity.nearest),
        ("ngram_diversity", "n-gram diversity, n = 1 to 4", "score", lambda s: s.diversity.ngram_diversity),
        ("distinct_1", "distinct words", "share", _distinct_share(1)),
        ("distinct_2", "distinct pairs of words", "share", _distinct_share(2)),
    ),
    "lengths and kinds": (
        ("median_instruction_tokens", "instruction, median tokens", "number", _median(0)),
        ("median_input_tokens", "input, median tokens", "number", _median(1)),
        ("median_output_tokens", "output, median tokens", "number", _median(2)),
        ("classification_share", "classification tasks", "share", _classification_share),
    ),
}


def _or_dash(format: Callable[[float], str]) -> Callable[[float | None], str]:
    return lambda value: "–" if value is None else format(value)


_FORMATTERS: dict[str, Callable[[float | None], str]] = {
    "count": _or_dash(lambda value: f"{value:,.0f}"),
    "number": _or_dash(lambda value: f"{value:,.1f}"),
    "share": _or_dash(lambda value: f"{value:.1%}"),
    "score": _or_dash(lambda value: f"{value:.3f}"),
    "dollars": _or_dash(dollars),
    "per_1000": _or_dash(lambda value: dollars(1000 * value)),
}
