"""Compute the figures of a run for its report."""

from __future__ import annotations

import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ...core.records import Record, facet_label
from ...core.tokens import tokenize
from ...dataset.card_figures import audit_lines, decisions, stages, verified
from ...dataset.linguistics import Finder, languages, suited, verb_nouns
from ...journal.snapshot import Arrival, Snapshot
from .figures import (
    Count,
    Figures,
    Histogram,
    Judged,
    Moment,
    Reason,
    SeedYield,
    SimilarityScores,
    Stretch,
    TextLengths,
)

SCORE_BINS = 40
_STAGES = ("answer", "reading", "filter", "novelty", "instance", "review")


def measure(snapshot: Snapshot, finder: Finder) -> Figures:
    """Compute the figures of a run. finder: finds verbs and their objects."""
    records, by_question = snapshot.records, snapshot.yields()
    labels = Counter(record.labels.get("is_classification") for record in records)
    turns = [float(label) for record in records if isinstance(label := record.labels.get("turns"), int)]
    endings = Counter(str(label) for record in records if (label := record.labels.get("ended")))
    return Figures(
        name=snapshot.run.name,
        measured_at=time.time(),
        status=snapshot.status,
        stretches=stretches(by_question),
        moments=moments(snapshot.arrivals(), by_question),
        reasons=_reasons(snapshot),
        scores=_scores(snapshot),
        lengths=lengths(records),
        pairs=verb_nouns([record.instruction for record in records], suited(finder, snapshot.run.config.language)),
        classification=(labels[True], labels[False], labels[None]),
        turns=statistics.fmean(turns) if turns else None,
        endings=tuple(Count(*counted) for counted in endings.most_common()),
        languages=tuple(Count(*counted) for counted in languages(records)),
        seeds=_seed_yields(snapshot, by_question),
        coverage=tuple(snapshot.coverage),
        judged=_judged(records),
        inherited=snapshot.status.taken_over,
        stages=tuple(Count(*row) for row in stages(snapshot)),
        decisions=decisions(snapshot),
        audits=tuple(audit_lines(snapshot)),
        verified=tuple(verified(snapshot)),
    )


def _judged(records: Sequence[Record]) -> tuple[Judged, ...]:
    """Return what a judge sees, in the order in which the values first occur."""
    seen: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        for name, value in record.facets.items():
            if (label := record.labels.get(facet_label(name))) is not None:
                seen.setdefault((name, value), Counter())[str(label)] += 1
    rows = []
    for (name, value), counts in sorted(seen.items(), key=lambda item: item[0][0]):
        others = tuple(Count(other, count) for other, count in counts.most_common() if other != value)
        rows.append(Judged(name, value, counts.total(), counts[value], others))
    return tuple(rows)


def _reasons(snapshot: Snapshot) -> tuple[Reason, ...]:
    counts = [Reason(reason, stage, count) for stage, reason, count in snapshot.rejections()]
    return tuple(sorted(counts, key=lambda reason: _STAGES.index(reason.stage)))


def _scores(snapshot: Snapshot) -> SimilarityScores:
    bins = {False: [0] * SCORE_BINS, True: [0] * SCORE_BINS}
    for number, refused, count in snapshot.score_bins(SCORE_BINS):
        bins[bool(refused)][number] += count
    mean = snapshot.mean_score()
    config = snapshot.run.config
    novelty = None if mean is None else 1.0 - mean
    return SimilarityScores(config.max_similarity, config.refuse_equal, tuple(bins[False]), tuple(bins[True]), novelty)


def _seed_yields(snapshot: Snapshot, by_question: Mapping[int, tuple[int, int]]) -> tuple[SeedYield, ...]:
    """Return the seeds that were shown often enough, highest yield first."""
    shown: Counter[str] = Counter()
    admitted: Counter[str] = Counter()
    # Generated tasks serve as demonstrations as well: '3f2a9c01-17-3'.
    generated = re.compile(re.escape(snapshot.run.id) + r"-\d+-\d+")
    for question, demos in snapshot.demonstrations():
        if question in by_question:
            for id in demos:
                if not generated.fullmatch(id):
                    shown[id] += 1
                    admitted[id] += by_question[question][1]
    if not shown:
        return ()
    # The yield of a seed that was shown less than half as often as the median seed is mostly noise.
    texts = {seed.id: seed.instruction for seed in snapshot.seeds}
    least = statistics.median(shown.values()) / 2
    yields = [SeedYield(id, texts.get(id), count, admitted[id]) for id, count in shown.items() if count >= least]
    return tuple(sorted(yields, key=lambda seed: (-seed.per_question, -seed.shown, seed.id)))


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


PAUSE_S = 600.0
"""A longer gap between two answers is a pause, and counts as this many seconds of work."""
# Maximum numbers of points in a chart.
_STRETCHES, _MOMENTS = 80, 200


def stretches(by_question: Mapping[int, tuple[int, int]]) -> tuple[Stretch, ...]:
    """Divide the questions into at most 80 stretches of equal size; the last may be shorter.

    by_question: maps the number of a question to its (proposed, admitted) tasks.
    """
    questions = sorted(by_question)
    size = max(1, -(-len(questions) // _STRETCHES))
    result = []
    for start in range(0, len(questions), size):
        part = questions[start : start + size]
        proposed, admitted = (sum(by_question[number][which] for number in part) for which in (0, 1))
        result.append(Stretch(part[-1], len(part), proposed, admitted))
    return tuple(result)


def moments(rows: Sequence[Arrival], by_question: Mapping[int, tuple[int, int]]) -> tuple[Moment, ...]:
    """Return about 200 points over the run's own answers. rows: `Snapshot.arrivals`, in the order of time."""
    step = max(1, -(-len(rows) // _MOMENTS))
    result: list[Moment] = []
    seconds, admitted, requests, tokens = 0.0, 0, 0, 0
    cost: float | None = 0.0
    before = rows[0][0] if rows else 0.0
    for number, (arrived, question, sent, used, dollars, failed, began) in enumerate(rows, 1):
        # Nobody works between two starts.
        seconds += min(max(arrived - max(before, began or 0.0), 0.0), PAUSE_S)
        before = arrived
        admitted += by_question.get(question, (0, 0))[1] if question is not None else 0
        requests, tokens = requests + sent, tokens + used
        # One answer without a price makes all later totals unknown; a failed request costs nothing.
        if dollars is None and not failed:
            cost = None
        elif cost is not None:
            cost += dollars or 0.0
        if number % step == 0 or number in (1, len(rows)):
            result.append(Moment(seconds, admitted, requests, tokens, cost))
    return tuple(result)


def pace(points: Sequence[Moment]) -> list[float]:
    """Return the admitted tasks per minute in equal parts of the time of work; empty before there is any."""
    if not points or not points[-1].seconds:
        return []
    parts = min(max(len(points) // 4, 5), 40)  # several answers in each, because tasks come in bursts
    edges = np.linspace(0, points[-1].seconds, parts + 1)
    grown = np.interp(edges, [point.seconds for point in points], [point.admitted for point in points])
    return [round(float(rate), 2) for rate in np.diff(grown) / edges[1] * 60]


def speed(points: Sequence[Moment]) -> float | None:
    """Return the admitted tasks per minute over the last fifth of the time of work, and at least eight answers."""
    if not points or not points[-1].seconds:
        return None
    last = points[-1]
    first = next((each for each in reversed(points[:-8]) if each.seconds <= 0.8 * last.seconds), points[0])
    return (last.admitted - first.admitted) / (last.seconds - first.seconds) * 60
