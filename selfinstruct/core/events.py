"""Events that a run reports to its caller while it works: exchanges with teachers, and progress."""

from __future__ import annotations

from dataclasses import dataclass

from .prompts import Completion, Question


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to a teacher and its outcome, passed to the observers of a run.

    Attributes:
        teacher: Name of the teacher in the configuration.
        asked_at: Unix time in seconds.
        completion: None if the teacher raised an exception; `error` then gives the reason in snake_case.
        cost_usd: None if the price is unknown.
    """

    question: Question
    teacher: str
    asked_at: float
    latency_s: float
    completion: Completion | None
    cost_usd: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run, passed to the caller's `progress` callback after each change.

    tokens: with those of answers in flight that have arrived, where answers are streamed.
    """

    records: int
    target: int
    admitted: int
    proposed: int
    refused: int
    consumed: int
    in_flight: int
    requests: int
    tokens: int
    cost_usd: float
    priced: bool
