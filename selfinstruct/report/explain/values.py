"""The values that `explain` returns about a task, a question, or a seed; `describe` formats them for a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.records import Record
from ...dataset.terms import Statement
from ...journal.provenance import Share
from .alignment import Alignment
from .find import FoundTask


@dataclass(frozen=True, slots=True)
class Answered:
    """An answered question.

    Attributes:
        key: 'p:17' for a proposal, otherwise the hash of the request.
        model: Name of the model according to the answer.
        teacher: Name of the teacher in the configuration.
        configured: Name of the teacher's model in the configuration.
        host: Host of the server, or None if the teacher is not a server.
        asked_at: Unix time in seconds.
        prompt: Role and text of each message.
        inherited: Whether the answer was reused from another run.
    """

    key: str
    purpose: str
    model: str
    teacher: str
    configured: str
    host: str | None
    asked_at: float
    latency_s: float
    generation: int
    config_digest: str
    prompt_version: str
    endpoint: str
    prompt: tuple[tuple[str, str], ...]
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    requests: int
    finish_reason: str
    error: str | None
    text: str
    inherited: bool


@dataclass(frozen=True, slots=True)
class ShownTask:
    """A demonstration in the prompt; instruction: None if its text is no longer available."""

    id: str
    instruction: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one stage: 'answer', 'reading', 'filter', 'novelty', 'instance', or 'review'.

    checks: names of the filters in the stage 'filter', in order. part: number of the refusal within its stage.
    """

    stage: str
    passed: bool
    reason: str | None = None
    detail: str = ""
    score: float | None = None
    checks: tuple[str, ...] = ()
    part: int = 0


@dataclass(frozen=True, slots=True)
class NearestText:
    """The most similar text at admission or refusal; text and alignment: None if it is no longer available."""

    id: str
    score: float
    text: str | None = None
    alignment: Alignment | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A task.

    Attributes:
        outcome: 'record', 'beyond the target' (finished, but not among the first `target`), 'admitted' (no instance
            yet), or the reason of the refusal.
        part: The part of the raw answer that contains the task, or '' if it can't be located.
        by_teacher: Which filters are on or off for this kind of teacher, and why.
        developed: The answered questions that developed the task.
        waiting: Keys of the questions that aren't answered yet.
        share: Share of the run's cost.
    """

    id: str
    run_id: str
    question: int
    index: int
    instruction: str
    outcome: str
    proposal: Answered | None
    demonstrations: tuple[ShownTask, ...]
    part: str
    checks: tuple[Check, ...]
    by_teacher: str
    nearest: NearestText | None
    developed: tuple[Answered, ...]
    waiting: tuple[str, ...]
    record: Record | None
    share: Share
    license: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class QuestionStory:
    """A proposal and the tasks in its answer; checks: refusals of the whole answer."""

    id: str
    run_id: str
    proposal: Answered
    demonstrations: tuple[ShownTask, ...]
    checks: tuple[Check, ...]
    tasks: tuple[FoundTask, ...]


@dataclass(frozen=True, slots=True)
class SeedStory:
    """A seed task: the questions that showed it, and the tasks that it was the nearest text of.

    generation: the generation that added it, or None if unknown. first_question: the first question that may use it.
    """

    id: str
    run_id: str
    instruction: str | None
    generation: int | None
    first_question: int
    shown_in: int
    first_shown_in: tuple[str, ...]
    refused: int
    admitted: int
    nearest_of: tuple[FoundTask, ...]
    license: tuple[Statement, ...]
