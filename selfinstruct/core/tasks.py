"""Tasks from seed file to admission: seeds, candidates, demonstrations, verdicts. Every package uses these values."""

# Plain frozen dataclasses instead of pydantic models: a replay builds hundreds of thousands of them.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .documents import Passage
from .prompts import MadeOf


def storable(text: str) -> str:
    """Replace lone surrogates and remove NUL characters, which JSON allows but SQLite and Parquet can't store."""
    if text.isascii() and "\x00" not in text:  # most texts, without a copy
        return text
    # Encoding replaces a lone surrogate by '?'.
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


@dataclass(frozen=True, slots=True)
class Instance:
    """One worked example of a seed task. `input` is empty if the task needs none."""

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
class Candidate:
    """A task proposed by a teacher. Strategies that ask once per task also fill in input and output.

    truncated: whether the token limit cut the answer off inside this task.
    error: why the strategy rejects this task, as 'reason: detail', or None; the run stores it as a verdict. Without an
    instruction: why a part of the answer is no task.
    meaning: what novelty compares in place of the instruction, such as the expression behind a word problem: tasks that
    a program words from templates differ in what they ask, not in how.
    wording_of: names a task that is asked for in several wordings, which may be as alike as they are, but not equal.
    reasoning: what the teacher thought before it wrote the output, if its answer is this one output.
    key, material: the journal key of the proposal's answer, and what the proposal was made from; filled in after
    `Strategy.parse`.
    """

    instruction: str
    input: str | None = None
    output: str | None = None
    truncated: bool = False
    error: str | None = None
    meaning: str = ""
    wording_of: str = ""
    reasoning: str = field(default="", compare=False)
    key: str | None = field(default=None, compare=False)
    material: Material | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A task as shown in a prompt; `input` and `output` are empty if the task has no instance yet."""

    id: str
    instruction: str
    input: str = ""
    output: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """What a question is made from.

    demos: the demonstrations to show, in order. facets: what to ask for, by facet, such as {"topic": "tax law"}.
    passages: the parts of documents to ask about. unit: what is asked about them, as a text that the
    strategy defines, such as 'closed_book:1280-1344'; empty where it needs none.
    """

    demos: tuple[Demonstration, ...] = ()
    facets: Mapping[str, str] = field(default_factory=dict, hash=False)
    passages: tuple[Passage, ...] = ()
    unit: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the demonstrations."""
        return tuple(demo.id for demo in self.demos)

    @property
    def made_of(self) -> MadeOf:
        """The same by ids, as the journal keeps it."""
        return MadeOf(self.ids, self.facets, tuple(each.id for each in self.passages), self.unit)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a generation added to a run: seeds and passages, which count from `first_question` on.

    gone: the ids of earlier passages that are no longer there.
    """

    generation: int
    first_question: int
    tasks: tuple[SeedTask, ...] = ()
    passages: tuple[Passage, ...] = ()
    gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check. `reason` is the snake_case name of the objection, or None if the check passed.

    score: the measured value, if any (ROUGE-L F for 'too_similar'). nearest: id of the text with this score.
    by: the model that judged, if one did. marks: its marks by criterion; higher is better.
    """

    reason: str | None = None
    detail: str = ""
    score: float | None = None
    nearest: str | None = None
    by: str = ""
    marks: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def ok(self) -> bool:
        """Whether the check passed."""
        return self.reason is None


PASS = Verdict()
