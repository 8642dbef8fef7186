"""A start in numbers, once it is over: what the other signals tell, each in its own form."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...core.errors import SelfInstructError
from ...journal.folder import JOURNAL, Run
from ...journal.snapshot import Snapshot, read
from ...journal.status import Outcome, Status
from .logs import one_line

DETAIL_CHARS = 500
"""The most of an outcome's detail that leaves the process; servers have a word in it."""
REASONS = 50
"""The most reasons of refusals that are told, those with the most refusals."""
_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Summary:
    """How a start ended, and the run's numbers, all its starts together.

    run: the name of its folder, empty where the configuration could not be read. began_at: seconds of the epoch.
    seconds: how long the start took. idle: there was nothing to do. status: None where there is no run to read.
    requests: by outcome, 'answered' or why not. tokens: by kind: 'prompt', 'cached' (a part of those), 'completion'.
    """

    run: str
    outcome: Outcome
    began_at: float
    seconds: float
    idle: bool = False
    status: Status | None = None
    requests: Mapping[str, int] = field(default_factory=dict)
    tokens: Mapping[str, int] = field(default_factory=dict)

    @property
    def ended_at(self) -> float:
        """Seconds of the epoch."""
        return self.began_at + self.seconds

    @property
    def detail(self) -> str:
        """The outcome's detail in one bounded line."""
        return one_line(self.outcome.detail, DETAIL_CHARS)

    def fields(self) -> dict[str, Any]:
        """It as values for JSON, bounded: what the event 'outcome' and a notice have in common."""
        told: dict[str, Any] = {
            "run": self.run,
            "outcome": self.outcome.reason,
            "detail": self.detail,
            "exit_code": self.outcome.exit_code,
            "nothing_to_do": self.idle,
            "seconds": round(self.seconds, 3),
        }
        now = self.status
        if now is not None:
            refused = sorted(now.refused.items(), key=lambda each: -each[1])[:REASONS]
            told |= {
                "records": now.records,
                "target": now.target,
                "admitted": now.admitted,
                "refused": {reason[:_NAME_CHARS]: count for reason, count in refused},
                "requests": dict(self.requests),
                "tokens": dict(self.tokens),
                "cost_usd": None if now.cost_usd is None else round(now.cost_usd, 6),
            }
        return told


def summarise(
    folder: Path | None,
    began_at: float,
    ended: Run | BaseException,
    code: int | None = None,
) -> Summary:
    """The summary of a start that began at `began_at` and ended with its run or with an error.

    folder: the run's, None where it isn't known. code: what the process ends with, where that isn't the outcome's.
    """
    outcome = ended.outcome if isinstance(ended, Run) else outcome_of(ended)
    if code is not None:
        outcome = Outcome(outcome.reason, outcome.detail, code)
    seconds = max(0.0, time.time() - began_at)
    name = "" if folder is None else folder.resolve().name
    idle = isinstance(ended, Run) and ended.idle
    if folder is not None and (folder / JOURNAL).is_file():
        with contextlib.suppress(SelfInstructError, OSError), read(folder) as snapshot:
            requests, tokens = _requests(snapshot), _tokens(snapshot)
            return Summary(name, outcome, began_at, seconds, idle, snapshot.status, requests, tokens)
    return Summary(name, outcome, began_at, seconds, idle)


def outcome_of(error: BaseException) -> Outcome:
    """An error as an outcome: its class is the reason, 'run_locked' or 'config'; all that isn't ours is a 'defect'."""
    if isinstance(error, SelfInstructError):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return Outcome(words.removesuffix("_error"), str(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        return Outcome("interrupted", "stopped by a signal", 3)
    return Outcome("defect", type(error).__name__, 1)


def _requests(snapshot: Snapshot) -> dict[str, int]:
    """Requests by what became of their questions; a reason is the first word of the answer's error."""
    counts: dict[str, int] = {}
    for error, requests in snapshot.requests_by_error():
        said = "answered" if error is None else str(error).partition(":")[0]
        reason = said if re.fullmatch(r"[a-z][a-z_]{0,39}", said) else "other"
        counts[reason] = counts.get(reason, 0) + int(requests)
    return counts


def _tokens(snapshot: Snapshot) -> dict[str, int]:
    status, cached = snapshot.status, snapshot.cached_tokens()
    return {"prompt": status.prompt_tokens, "cached": cached, "completion": status.completion_tokens}
