"""What a run reports while it works: each exchange with a teacher, and its progress."""

from __future__ import annotations

from dataclasses import dataclass

from .prompts import Completion, Question


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question that was put to a teacher and what came of it, told to whoever watches a run.

    teacher: its name in the configuration. asked_at: seconds of the epoch. cost_usd: None where no price is known.
    completion: None where the teacher could not go on at all; `error` says why then, a reason in snake_case.
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
    """Where a run stands; handed to the caller's `progress` whenever something has changed."""

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
