"""What a report shows of a run, as frozen values. `measure` fills them in, `page` and `compare` show them."""

from __future__ import annotations

from dataclasses import dataclass

from ...dataset.linguistics import VerbNouns
from ...journal.status import Status


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of values in bins of one width, from 0 on; the last bin also holds everything above.

    count: values in all; median: theirs, None of none.
    """

    width: float
    counts: tuple[int, ...]
    count: int
    median: float | None


@dataclass(frozen=True, slots=True)
class Length:
    """How long one part of the records is, in tokens of `text.tokenize`. empty: parts without any."""

    part: str
    tokens: Histogram
    empty: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some questions in a row, up to number `end`: tasks read from their answers, and those that were admitted."""

    end: int
    questions: int
    proposed: int
    admitted: int


@dataclass(frozen=True, slots=True)
class Moment:
    """Where the run stood after so many seconds of work: sums from its start on. cost_usd: None without a price."""

    seconds: float
    admitted: int
    requests: int
    tokens: int
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused, at which stage ('answer', 'filter', 'novelty', 'instance'), and how often."""

    name: str
    stage: str
    count: int


@dataclass(frozen=True, slots=True)
class Scores:
    """ROUGE-L F to the nearest text, in bins of 1 / len(admitted), of what novelty admitted and of what it refused.

    cutoff: `max_similarity` of the run. refuse_equal: whether a score equal to it is refused.
    mean_novelty: mean of 1 - F over the admitted tasks, all of them; None of none.
    """

    cutoff: float
    refuse_equal: bool
    admitted: tuple[int, ...]
    refused: tuple[int, ...]
    mean_novelty: float | None


@dataclass(frozen=True, slots=True)
class Count:
    """A name and how many there are of it."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class SeedYield:
    """A seed task: in how many questions it was shown, and how many tasks were admitted from their answers.

    instruction: None where the run's seed file can't be read any more, or has changed.
    """

    id: str
    instruction: str | None
    shown: int
    admitted: int

    @property
    def per_question(self) -> float:
        """Tasks admitted from a question that shows it."""
        return self.admitted / self.shown


@dataclass(frozen=True, slots=True)
class Figures:
    """A run, measured. name: that of its folder.

    stretches: yield by question; moments: sums by time of work, pauses of more than `PAUSE_S` left out.
    classification: (yes, no, not asked). seeds: those that yield most first, of those shown often enough to tell.
    inherited: answers that were taken over from another run at no cost.
    """

    name: str
    measured_at: float
    status: Status
    stretches: tuple[Stretch, ...]
    moments: tuple[Moment, ...]
    reasons: tuple[Reason, ...]
    scores: Scores
    lengths: tuple[Length, ...]
    pairs: VerbNouns
    classification: tuple[int, int, int]
    languages: tuple[Count, ...]
    seeds: tuple[SeedYield, ...]
    inherited: int
