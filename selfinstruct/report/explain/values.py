"""The values that `explain` hands out: what is known of a task, a question, a seed. `telling` prints them."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.tasks import Record
from ...dataset.terms import Statement
from ...journal.provenance import Share
from .alignment import Alignment
from .find import Found


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was answered. key: in `answers`; a proposal's is 'p:17', every other's the hash of what was sent.

    model: as the answer names it; teacher: what it is called; configured: its model's name. host: None where it isn't a
    server. asked_at: seconds of the epoch. prompt: role and text of each part. inherited: taken over from another run.
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
class Shown:
    """A demonstration of the question; instruction: None where its text is not at hand."""

    id: str
    instruction: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """What one stage said: 'answer', 'filter', 'novelty', 'instance'; passed: nothing spoke against it.

    checks: the names of the filters behind stage 'filter', in order; the first that objects decides. part: which
    refusal of the same stage.
    """

    stage: str
    passed: bool
    reason: str | None = None
    detail: str = ""
    score: float | None = None
    checks: tuple[str, ...] = ()
    part: int = 0


@dataclass(frozen=True, slots=True)
class Nearest:
    """The text that novelty compared with at last; text and alignment: None where it is not at hand."""

    id: str
    score: float
    text: str | None = None
    alignment: Alignment | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """A task. outcome: 'record', 'beyond the target' (finished, but not among the first `target`), 'admitted' (no
    instance so far), or the reason of its refusal.

    part: the piece of the raw answer that it was read from, empty where that can't be told. developed: the questions
    that developed it; waiting: the keys of those that aren't answered. share: what it has cost.
    """

    id: str
    run_id: str
    question: int
    index: int
    instruction: str
    outcome: str
    proposal: Asked | None
    demonstrations: tuple[Shown, ...]
    part: str
    checks: tuple[Check, ...]
    nearest: Nearest | None
    developed: tuple[Asked, ...]
    waiting: tuple[str, ...]
    record: Record | None
    share: Share
    licence: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class QuestionStory:
    """A proposal and the tasks read from its answer; checks: what refused the whole answer."""

    id: str
    run_id: str
    proposal: Asked
    demonstrations: tuple[Shown, ...]
    checks: tuple[Check, ...]
    tasks: tuple[Found, ...]


@dataclass(frozen=True, slots=True)
class SeedStory:
    """A seed task: the questions that showed it, and the tasks, refused and admitted, that it was the nearest to.

    generation: the one that it came with, None where the journal doesn't tell; first_question: from which on it counts.
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
    nearest_of: tuple[Found, ...]
    licence: tuple[Statement, ...]
