"""The figures of a run, as frozen values. `measure` computes them; the report shows them."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.facets import Coverage
from ...dataset.card_figures import Verified
from ...dataset.linguistics import VerbNouns
from ...journal.status import Status


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values in bins of equal width from 0; the last bin also counts all larger values.

    count: number of values. median: None without values.
    """

    width: float
    counts: tuple[int, ...]
    count: int
    median: float | None


@dataclass(frozen=True, slots=True)
class TextLengths:
    """Lengths of the instructions, inputs or outputs, in tokens of `core.tokens`. empty: number of empty texts."""

    part: str
    tokens: Histogram
    empty: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive questions up to number `end`, with the tasks in their answers and the admitted ones."""

    end: int
    questions: int
    proposed: int
    admitted: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Totals of a run after some seconds of work. cost_usd: None if the price is unknown."""

    seconds: float
    admitted: int
    requests: int
    tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for refusals, its stage (as in `Ledger.note`), and how many it has."""

    name: str
    stage: str
    count: int


@dataclass(frozen=True, slots=True)
class SimilarityScores:
    """Histograms of ROUGE-L F to the nearest text, over 0 to 1, for admitted tasks and for those refused by novelty.

    cutoff: `max_similarity` of the run. refuse_equal: whether a score equal to the cutoff is refused.
    mean_novelty: exact mean of 1 - F over all admitted tasks; None without any.
    """

    cutoff: float
    refuse_equal: bool
    admitted: tuple[int, ...]
    refused: tuple[int, ...]
    mean_novelty: float | None


@dataclass(frozen=True, slots=True)
class Count:
    """A name and its number of occurrences."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class SeedYield:
    """A seed task, the number of questions that showed it, and the number of tasks admitted from their answers.

    instruction: None if the seed file can't be read any more, or has changed.
    """

    id: str
    instruction: str | None
    shown: int
    admitted: int

    @property
    def per_question(self) -> float:
        """Admitted tasks per question that shows the seed."""
        return self.admitted / self.shown


@dataclass(frozen=True, slots=True)
class Judged:
    """A row of the table of confusions: the sampled records that were to have one value of a facet.

    agree: those in which the judge sees this value. others: the other values that the judge sees.
    """

    facet: str
    value: str
    sampled: int
    agree: int
    others: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of a run.

    Attributes:
        name: Name of the run's folder.
        measured_at: Unix time in seconds.
        stretches: Yield by question.
        moments: Totals by time of work, without pauses of more than `PAUSE_S`.
        classification: Number of records by label: (yes, no, not labeled).
        turns: Mean number of the user's turns in a dialogue; None without dialogues.
        endings: How many dialogues are complete, and how many ended early, by the reason.
        seeds: Seeds that were shown often enough, highest yield first.
        coverage: How far each value of each facet is covered.
        judged: What a judge sees in a sample of the records, for each value that was asked for.
        stages: How many tasks reached each stage; see `dataset.card_figures.stages`.
        decisions: How many records people accepted, edited, and rejected.
        audits: What random samples of the records showed, one line each.
        verified: How many answers programs checked, by verifier.
        inherited: Number of answers reused from another run at no cost.
    """

    name: str
    measured_at: float
    status: Status
    stretches: tuple[Stretch, ...]
    moments: tuple[Moment, ...]
    reasons: tuple[Reason, ...]
    scores: SimilarityScores
    lengths: tuple[TextLengths, ...]
    pairs: VerbNouns
    classification: tuple[int, int, int]
    turns: float | None
    endings: tuple[Count, ...]
    languages: tuple[Count, ...]
    seeds: tuple[SeedYield, ...]
    coverage: tuple[Coverage, ...]
    judged: tuple[Judged, ...]
    inherited: int
    stages: tuple[Count, ...]
    decisions: tuple[int, int, int]
    audits: tuple[str, ...]
    verified: tuple[Verified, ...]
