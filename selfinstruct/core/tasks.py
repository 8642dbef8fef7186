"""Tasks on their way from seed file to dataset row: seeds, candidates, verdicts, records.

Plain frozen dataclasses: a replay builds them by the hundred thousand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def storable(text: str) -> str:
    """Without NUL and half surrogate pairs, which JSON can carry but neither SQLite nor Parquet can keep."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


@dataclass(frozen=True, slots=True)
class Instance:
    """One worked example of a task. `input` is empty where the task needs none."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class SeedTask:
    """A task written by a person: an instruction and at least one instance of it.

    numbered: it brought no id; the one it has says its place.
    """

    id: str
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None = None
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    numbered: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Seeds that came to a run with a generation: shown and compared with from `first_question` on, and not before."""

    generation: int
    first_question: int
    tasks: tuple[SeedTask, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that an answer proposes. Methods that ask one question only bring input and output along.

    truncated: the token limit cut the answer off inside this task.
    """

    instruction: str
    input: str | None = None
    output: str | None = None
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A task as it is shown in a prompt; `input` and `output` are empty where it has no instance yet."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says. `reason` is None when the check has no objection, else its snake_case name.

    score: the measured value, where the check measures one (ROUGE-L F for 'too_similar').
    nearest: id of the text that the score was reached with.
    """

    reason: str | None = None
    detail: str = ""
    score: float | None = None
    nearest: str | None = None

    @property
    def ok(self) -> bool:
        """True when nothing speaks against the candidate."""
        return self.reason is None


PASS = Verdict()


@dataclass(frozen=True, slots=True)
class Development:
    """What `Strategy.develop` found out about an admitted candidate.

    truncated: the token limit cut the last answer; its last instance is not trusted.
    error: why no instance could be had, or None.
    """

    instances: tuple[Instance, ...]
    is_classification: bool | None = None
    truncated: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A text of the pool and its ROUGE-L F to the candidate, 0 to 1."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Scores:
    """A judge's marks for one worked task, each 1 to 5, with a sentence of reason; judge: the model that gave them."""

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
    """One finished task of the dataset, with everything needed to trace it.

    question, index: the proposal it came from and its place in that answer; they order the dataset.
    teacher: the model that proposed it; output_teacher: the one that wrote its instances.
    demos: ids of the tasks that were shown. nearest: its nearest neighbour at admission.
    scores: a judge's, one for each instance, None where it gave none; empty without a judge.
    """

    id: str
    question: int
    index: int
    instruction: str
    instances: tuple[Instance, ...]
    is_classification: bool | None
    strategy: str
    teacher: str
    output_teacher: str
    prompt_version: str
    demos: tuple[str, ...]
    nearest: Neighbour | None = None
    neighbours: tuple[Neighbour, ...] = ()
    mean_similarity: float | None = None
    scores: tuple[Scores | None, ...] = ()
