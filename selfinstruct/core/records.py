"""Finished records: examples with sampled responses, and where they come from. Every package uses these values."""

# Plain frozen dataclasses instead of pydantic models: a replay builds hundreds of thousands of them.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from .prompts import Message
from .tasks import Verdict


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
    def mark(self) -> float | None:
        """The mean of the marks; None without any."""
        return fmean(self.marks.values()) if self.marks else None


@dataclass(frozen=True, slots=True)
class Quote:
    """A passage that supports an answer: characters `start` to `end` of a document. page: counted from 1, or None."""

    document: str
    start: int
    end: int
    text: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and its answers; becomes one row of most formats.

    Attributes:
        messages: The prompt: user and assistant take turns, and the user has the last word.
        responses: The answers, best first; the first is the answer, the others are alternatives.
        input: The Alpaca input field: what the prompt says besides the record's instruction. None in a dialogue.
        evidence: The passages that support the answer.
    """

    messages: tuple[Message, ...]
    responses: tuple[Response, ...]
    input: str | None = None
    evidence: tuple[Quote, ...] = ()

    @classmethod
    def of(cls, instruction: str, given: str, *responses: Response) -> Example:
        """Return a single turn: the user says the instruction, a blank line, and the input if there is one."""
        return cls((Message("user", user_text(instruction, given)),), responses, given)

    @property
    def output(self) -> str:
        """The text of the answer."""
        return self.responses[0].text


def user_text(instruction: str, given: str) -> str:
    """Return what the user says: the instruction, a blank line, and the input if there is one."""
    return f"{instruction}\n\n{given}" if given else instruction
