"""Finished records: examples with sampled responses, and where they come from. Every package uses these values."""

# Plain frozen dataclasses instead of pydantic models: a replay builds hundreds of thousands of them.

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from .documents import Quote
from .prompts import Message
from .tasks import Verdict

Label = bool | int | float | str


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What a program knows about the answer to a task, as trainers with verifiable rewards call it.

    verifier: the name of the verifier that compares an answer with it, such as 'maths'. expected: what it compares
    with, as JSON: '{"value": "42"}'. by: where it comes from: 'program', or 'agreement' of the teacher's own answers.
    """

    verifier: str
    expected: str
    by: str = "program"

    @property
    def name(self) -> str:
        """What people call it: 'maths', 'maths by agreement'."""
        return self.verifier if self.by == "program" else f"{self.verifier} by {self.by}"

    @property
    def text(self) -> str:
        """Both as the JSON text that rows contain: '{"verifier": "maths", "expected": {"value": "42"}}'."""
        return f'{{"verifier": {json.dumps(self.verifier)}, "expected": {self.expected}}}'


@dataclass(frozen=True, slots=True)
class Response:
    """One sampled answer of an example.

    Attributes:
        text: The answer, without its reasoning.
        teacher: The model that wrote it; None if the strategy doesn't say which one did.
        sample: The number of the sample; 0 is the answer that came with the task.
        key: The journal key of the answer that contains it; None if unknown.
        reasoning: What the model thought before it answered; empty for one of several texts of an answer.
        verdicts: What the checks found, by name. A check that passed without anything to report is left out.
        marks: A judge's marks by criterion; higher is better.
        beats: The samples of the same example that a judge found worse, whichever of the two it read first.
    """

    text: str
    teacher: str | None = None
    sample: int = 0
    key: str | None = None
    reasoning: str = ""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict, hash=False)
    marks: Mapping[str, float] = field(default_factory=dict, hash=False)
    beats: tuple[int, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no check objected."""
        return all(verdict.ok for verdict in self.verdicts.values())

    @property
    def verified(self) -> bool | None:
        """Whether a program found the answer right; None if none checked it."""
        found = self.verdicts.get("wrong_answer")
        return None if found is None else found.score == 1.0

    @property
    def mark(self) -> float | None:
        """The mean of the marks; None without any."""
        return fmean(self.marks.values()) if self.marks else None


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and its answers; becomes one row of most formats.

    Attributes:
        messages: The prompt: user and assistant take turns, and the user has the last word.
        responses: The answers, best first; the first is the answer, the others are alternatives.
        input: The Alpaca input field: what the prompt says besides the record's instruction. None in a dialogue.
        evidence: The passages that support the answer.
        others: Sampled answers that are not kept, without their texts, which the journal has.
        ground_truth: What a program knows about the answer; None for a task that no program can check.
        shots: Solved tasks that the teacher is shown before the prompt; no part of the record.
    """

    messages: tuple[Message, ...]
    responses: tuple[Response, ...]
    input: str | None = None
    evidence: tuple[Quote, ...] = ()
    others: tuple[Response, ...] = ()
    ground_truth: GroundTruth | None = None
    shots: tuple[Message, ...] = ()

    @classmethod
    def of(cls, instruction: str, given: str, *responses: Response) -> Example:
        """Return a single turn: the user says the instruction, a blank line, and the input if there is one."""
        return cls((Message("user", user_text(instruction, given)),), responses, given)

    @property
    def given(self) -> str:
        """What the user says last besides the record's instruction: the input; in a dialogue, the whole turn."""
        return self.messages[-1].content if self.input is None else self.input

    @property
    def output(self) -> str:
        """The text of the answer."""
        return self.responses[0].text


@dataclass(frozen=True, slots=True)
class Development:
    """The result of `Strategy.develop` for an admitted candidate.

    Attributes:
        examples: What the task becomes, each with one response. A response that names no key counts as written by the
            proposal if `develop` sent no request, by the answer to its only request, or, after several requests, by
            an unknown teacher.
        labels: What is known about the task, such as {"is_classification": True}.
        truncated: Whether the token limit cut the last answer, so that its last example may be incomplete.
        error: Why there is no example, as 'reason: detail', or None.
        lost: The parts of the answer that are in no example, each as 'reason: detail'; the run stores them as verdicts.
    """

    examples: tuple[Example, ...]
    labels: Mapping[str, Label] = field(default_factory=dict, hash=False)
    truncated: bool = False
    error: str | None = None
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The id of a text in the pool, and its ROUGE-L F to the candidate, 0 to 1."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Novelty:
    """How a task compared with the pool when it was admitted.

    nearest: the most similar text. neighbours: the most similar texts, if the configuration asks for them, and
    mean_similarity: the mean ROUGE-L F with every text of the pool.
    """

    nearest: Neighbour | None = None
    neighbours: tuple[Neighbour, ...] = ()
    mean_similarity: float | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """How a task was proposed.

    strategy: the name of the strategy. teacher: the model that proposed it. version: the hash of the wording. demos:
    the ids of the demonstrations in the prompt.
    """

    strategy: str
    teacher: str
    version: str
    demos: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """That people accepted a record.

    digest: of its texts as a teacher wrote them. by: the names of the reviewers. edited_by: who wrote some of its
    texts; empty if a teacher wrote all of them.
    """

    digest: str
    by: tuple[str, ...]
    edited_by: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One finished task of the dataset, with everything needed to trace its origin.

    Attributes:
        question, index: The proposal, and the position in its answer; they order the dataset.
        examples: What the task became; the first is the row of most formats.
        facets: What the question asked for, by facet, such as {"topic": "tax law"}.
        labels: What is known about the task, such as {"is_classification": True}.
        reviewed: That people accepted it; None before anyone reviewed it.
    """

    id: str
    question: int
    index: int
    instruction: str
    examples: tuple[Example, ...]
    origin: Origin
    novelty: Novelty = Novelty()
    facets: Mapping[str, str] = field(default_factory=dict, hash=False)
    labels: Mapping[str, Label] = field(default_factory=dict, hash=False)
    reviewed: Reviewed | None = None


# The id of a record's second or later row: 'a1b2c3d4-17-0.1' is the second row of record 'a1b2c3d4-17-0'.
_INSTANCE = re.compile(r"(?P<record>.+)\.[1-9]\d*")


def record_of(id: str) -> str:
    """Return the id of the record that a row belongs to."""
    found = _INSTANCE.fullmatch(id)
    return found["record"] if found else id


def facet_label(facet: str) -> str:
    """Return the name of the label that says which value of a facet a judge sees in a record."""
    return f"judged_{facet}"


def user_text(instruction: str, given: str) -> str:
    """Return what the user says: the instruction, a blank line, and the input if there is one."""
    return f"{instruction}\n\n{given}" if given else instruction
