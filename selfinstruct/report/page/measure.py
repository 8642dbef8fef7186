"""A run's figures: what a report shows of it but the texts themselves."""

from __future__ import annotations

import re
import statistics
import time
from collections import Counter
from collections.abc import Mapping

from ...dataset.linguistics import Finder, languages, verb_nouns
from ...journal.snapshot import Snapshot
from .figures import Count, Figures, Reason, Scores, SeedYield
from .texts import lengths
from .timeline import moments, stretches

SCORE_BINS = 40
_STAGES = ("answer", "filter", "novelty", "instance")


def measure(snapshot: Snapshot, finder: Finder) -> Figures:
    """The figures of a run. finder: what finds verbs and their objects."""
    records, by_question = snapshot.records, snapshot.yields()
    sorts = Counter(record.is_classification for record in records)
    return Figures(
        name=snapshot.run.name,
        measured_at=time.time(),
        status=snapshot.status,
        stretches=stretches(by_question),
        moments=moments(snapshot, by_question),
        reasons=_reasons(snapshot),
        scores=_scores(snapshot),
        lengths=lengths(records),
        pairs=verb_nouns([record.instruction for record in records], finder),
        classification=(sorts[True], sorts[False], sorts[None]),
        languages=tuple(Count(*found) for found in languages(records)),
        seeds=_seed_yields(snapshot, by_question),
        inherited=snapshot.status.taken_over,
    )


def _reasons(snapshot: Snapshot) -> tuple[Reason, ...]:
    """Every reason, stage after stage, the most frequent first."""
    found = [Reason(reason, stage, count) for stage, reason, count in snapshot.rejections()]
    return tuple(sorted(found, key=lambda reason: _STAGES.index(reason.stage)))


def _scores(snapshot: Snapshot) -> Scores:
    found = {False: [0] * SCORE_BINS, True: [0] * SCORE_BINS}
    for number, refused, count in snapshot.score_bins(SCORE_BINS):
        found[bool(refused)][number] += count
    mean = snapshot.mean_score()
    config = snapshot.run.config
    return Scores(
        config.max_similarity,
        config.refuse_equal,
        tuple(found[False]),
        tuple(found[True]),
        None if mean is None else 1.0 - mean,
    )


def _seed_yields(snapshot: Snapshot, by_question: Mapping[int, tuple[int, int]]) -> tuple[SeedYield, ...]:
    """The seeds that were shown at least half as often as the median one: rates of rare ones say little."""
    shown: Counter[str] = Counter()
    admitted: Counter[str] = Counter()
    machine_made = re.compile(re.escape(snapshot.run.id) + r"-\d+-\d+")
    for question, demos in snapshot.demonstrations():
        if question in by_question:
            for id in demos:
                if not machine_made.fullmatch(id):
                    shown[id] += 1
                    admitted[id] += by_question[question][1]
    if not shown:
        return ()
    texts = {seed.id: seed.instruction for seed in snapshot.seeds}
    least = statistics.median(shown.values()) / 2
    found = [SeedYield(id, texts.get(id), count, admitted[id]) for id, count in shown.items() if count >= least]
    return tuple(sorted(found, key=lambda seed: (-seed.per_question, -seed.shown, seed.id)))
