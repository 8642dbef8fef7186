"""Tasks from seed file to dataset row: seeds, candidates, verdicts, records. Every package uses these values."""

# Plain frozen dataclasses instead of pydantic models: a replay builds hundreds of thousands of them.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def storable(text: str) -> str:
    """Replace lone surrogates and remove NUL characters, which JSON allows but SQLite and Parquet can't store."""
    if text.isascii() and "\x00" not in text:  # most texts, without a copy
        return text
    # Encoding replaces a lone surrogate by '?'.
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


@dataclass(frozen=True, slots=True)
class Instance:
    """One worked example of a task. `input` is empty if the task needs none."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class SeedTask:
    """A task written by a person: an instruction and at least one instance.

    extra: the columns of its row that are not read. notes: what else of the row is left out, or read in another way.
    numbered: whether the seed file gave no id, so that `id` is derived from the position.
    """

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None = None
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    numbered: bool = field(default=False, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Seeds added to a run with one generation; used in prompts and comparisons from `first_question` on."""

    generation: int
    first_question: int
    tasks: tuple[SeedTask, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task proposed by a teacher. Strategies that ask once per task also fill in input and output.

    truncated: whether the token limit cut the answer off inside this task.
    error: why this part of the answer is no task, as 'reason: detail', or None; the run stores it as a verdict.
    key: the journal key of the proposal's answer; filled in after `Strategy.parse`.
    """

    instruction: str
    input: str | None = None
    output: str | None = None
    truncated: bool = False
    error: str | None = None
    key: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A task as shown in a prompt; `input` and `output` are empty if the task has no instance yet."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check. `reason` is the snake_case name of the objection, or None if the check passed.

    score: the measured value, if any (ROUGE-L F for 'too_similar'). nearest: id of the text with this score.
    by: the model that judged, if one did.
    """

    reason: str | None = None
    detail: str = ""
    score: float | None = None
    nearest: str | None = None
    by: str = ""

    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return self.reason is None


PASS = Verdict()


@dataclass(frozen=True, slots=True)
class Development:
    """The result of `Strategy.develop` for an admitted candidate.

    truncated: whether the token limit cut the last answer, so that its last instance may be incomplete.
    error: why there is no instance, or None.
    lost: the parts of the answer that are in no instance, each as 'reason: detail'; the run stores them as verdicts.
    output_key: the answer that contains the instances: the `key` of a completion, or of the candidate. If it is None,
    the instances count as written by the proposal if `develop` sent no request, by the answer to its only request, or,
    after several requests, by an unknown teacher.
    """

    instances: tuple[Instance, ...]
    is_classification: bool | None = None
    truncated: bool = False
    error: str | None = None
    output_key: str | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The id of a text in the pool, and its ROUGE-L F to the candidate, 0 to 1."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Scores:
    """A judge's marks for one instance, each 1 to 5, and the reason in a sentence. judge: name of the model."""

    clarity: int
    correctness: int
    helpfulness: int
    safety: int
    reason: str = ""
    judge: str = ""

    @property
    def mean(self) -> float:
        """The mean of the four marks, 1 to 5."""
        return (self.clarity + self.correctness + self.helpfulness + self.safety) / 4


@dataclass(frozen=True, slots=True)
class Record:
    """One finished task of the dataset, with everything needed to trace its origin.

    Attributes:
        question, index: The proposal, and the position in its answer; they order the dataset.
        teacher: Model that proposed the task.
        output_teacher: Model that wrote the instances; None if the strategy does not say which one did.
        output_key: The answer that contains the instances, by its key in the journal; None if unknown.
        demos: Ids of the demonstrations in the prompt.
        nearest: The most similar text at admission.
        scores: One per instance, None if the judge gave no marks; empty without a judge.
    """

    id: str
    question: int
    index: int
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None
    strategy: str
    teacher: str
    output_teacher: str | None
    prompt_version: str
    demos: tuple[str, ...]
    nearest: Neighbour | None = None
    neighbours: tuple[Neighbour, ...] = ()
    mean_similarity: float | None = None
    scores: tuple[Scores | None, ...] = ()
    output_key: str | None = None
