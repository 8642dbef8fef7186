"""Summarize a start once it has ended, for the log, the metrics, and the notification."""

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
"""Maximum length of an outcome's detail, which may quote a server."""
REASONS = 50
"""Maximum number of rejection reasons; the most frequent ones are kept."""
_NAME_CHARS = 80


@dataclass(frozen=True, slots=True)
class Summary:
    """How a start ended, and the run's totals over all starts.

    Attributes:
        run: Name of the run's folder, or '' if the configuration could not be read.
        began_at: Unix time in seconds.
        seconds: Duration of the start.
        idle: Whether there was nothing to do.
        status: None if there is no run to read.
        requests: Number by outcome: 'answered', or the reason of a failure.
        tokens: Number by kind: 'prompt', 'cached' (included in 'prompt'), 'completion'.
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
        """Unix time in seconds."""
        return self.began_at + self.seconds

    @property
    def detail(self) -> str:
        """The outcome's detail as one line of bounded length."""
        return one_line(self.outcome.detail, DETAIL_CHARS)

    def fields(self) -> dict[str, Any]:
        """Return the fields that the event 'outcome' and the notification share, as bounded JSON values."""
        fields: dict[str, Any] = {
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
            fields |= {
                "records": now.records,
                "target": now.target,
                "admitted": now.admitted,
                "refused": {reason[:_NAME_CHARS]: count for reason, count in refused},
                "requests": dict(self.requests),
                "tokens": dict(self.tokens),
                "cost_usd": None if now.cost_usd is None else round(now.cost_usd, 6),
            }
        return fields


def summarize(folder: Path | None, began_at: float, ended: Run | BaseException, code: int | None = None) -> Summary:
    """Summarize a start in a run's folder, if it is known. ended: the run, or the exception that ended the start.

    code: exit code of the process, if it differs from the outcome's.
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
    """Convert an exception to an outcome: ConfigError becomes 'config', RunLocked 'run_locked', others 'defect'."""
    if isinstance(error, SelfInstructError):
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return Outcome(words.removesuffix("_error"), str(error), error.exit_code)
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        return Outcome("interrupted", "stopped by a signal", 3)
    return Outcome("defect", type(error).__name__, 1)


def _requests(snapshot: Snapshot) -> dict[str, int]:
    """Count requests by outcome, which is the part of the error before the colon: 'timeout: 60 s' -> 'timeout'."""
    counts: dict[str, int] = {}
    for error, requests in snapshot.requests_by_error():
        name = "answered" if error is None else str(error).partition(":")[0]
        # A custom teacher may report anything; a metric label must be short and clean.
        reason = name if re.fullmatch(r"[a-z][a-z_]{0,39}", name) else "other"
        counts[reason] = counts.get(reason, 0) + int(requests)
    return counts


def _tokens(snapshot: Snapshot) -> dict[str, int]:
    status, cached = snapshot.status, snapshot.cached_tokens()
    return {"prompt": status.prompt_tokens, "cached": cached, "completion": status.completion_tokens}
