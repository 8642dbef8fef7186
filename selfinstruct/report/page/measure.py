"""Compute the figures of a run for its report."""

from __future__ import annotations

import re
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence

from ...core.records import Record, facet_label
from ...dataset.linguistics import Finder, languages, suited, verb_nouns
from ...journal.snapshot import Snapshot
from .figures import Count, Figures, Judged, Reason, SeedYield, SimilarityScores
from .histogram import lengths
from .timeline import moments, stretches

SCORE_BINS = 40
_STAGES = ("answer", "reading", "filter", "novelty", "instance")


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
        moments=moments(snapshot, by_question),
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
    """Return all reasons in the order of the stages, the most frequent first within each."""
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
