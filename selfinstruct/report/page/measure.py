"""A run's figures: what a report shows of it but the texts themselves."""

from __future__ import annotations

import json
import re
import statistics
import time
from collections import Counter
from collections.abc import Mapping

from ...dataset.linguistics import Finder, languages, verb_nouns
from ...journal.journal import Journal
from .figures import Count, Figures, Reason, Scores, SeedYield
from .snapshot import Snapshot
from .texts import lengths
from .timeline import moments, stretches, yields

SCORE_BINS = 40
_STAGES = ("answer", "filter", "novelty", "instance")
_SCORES = (
    "SELECT min(cast(score * ? AS INTEGER), ?), reason IS NOT NULL, count(*) FROM verdicts"
    " WHERE score IS NOT NULL AND stage IN ('admission', 'novelty') GROUP BY 1, 2"
)
_MEAN_SCORE = "SELECT avg(score) FROM verdicts WHERE stage = 'admission'"
_DEMOS = "SELECT question, demos FROM answers WHERE question IS NOT NULL AND failed = 0"


def measure(snapshot: Snapshot, finder: Finder) -> Figures:
    """The figures of a run. finder: what finds verbs and their objects."""
    journal, records = snapshot.journal, snapshot.records
    by_question = yields(journal)
    sorts = Counter(record.is_classification for record in records)
    return Figures(
        name=snapshot.run.name,
        measured_at=time.time(),
        status=snapshot.status,
        stretches=stretches(by_question),
        moments=moments(journal, by_question),
        reasons=_reasons(journal),
        scores=_scores(snapshot),
        lengths=lengths(records),
        pairs=verb_nouns([record.instruction for record in records], finder),
        classification=(sorts[True], sorts[False], sorts[None]),
        languages=tuple(Count(*found) for found in languages(records)),
        seeds=_seed_yields(snapshot, by_question),
        inherited=int(journal.query("SELECT count(*) FROM answers WHERE inherited = 1")[0][0]),
    )


def _reasons(journal: Journal) -> tuple[Reason, ...]:
    """Every reason, stage after stage, the most frequent first."""
    rows = journal.query(
        "SELECT reason, stage, count(*) FROM verdicts WHERE reason IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1"
    )
    return tuple(sorted((Reason(*row) for row in rows), key=lambda reason: _STAGES.index(reason.stage)))


def _scores(snapshot: Snapshot) -> Scores:
    found = {False: [0] * SCORE_BINS, True: [0] * SCORE_BINS}
    for number, refused, count in snapshot.journal.query(_SCORES, (SCORE_BINS, SCORE_BINS - 1)):
        found[bool(refused)][number] += count
    mean = snapshot.journal.query(_MEAN_SCORE)[0][0]
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
    for question, demos in snapshot.journal.query(_DEMOS):
        if question in by_question:
            for id in json.loads(demos):
                if not machine_made.fullmatch(id):
                    shown[id] += 1
                    admitted[id] += by_question[question][1]
    if not shown:
        return ()
    texts = {seed.id: seed.instruction for seed in snapshot.seeds}
    least = statistics.median(shown.values()) / 2
    found = [SeedYield(id, texts.get(id), count, admitted[id]) for id, count in shown.items() if count >= least]
    return tuple(sorted(found, key=lambda seed: (-seed.per_question, -seed.shown, seed.id)))
