"""Read the figures of the live page from the run's journal, as JSON values with printable texts."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from ...core.visible import visible
from ...journal.folder import JOURNAL, Run
from ...journal.snapshot import VerdictRow, read
from ...journal.status import Status

_LAST = 8
_RATE_OVER_S = 60.0


class Live:
    """A run that is read again and again. Raises UsageError if `path` is not a run's folder."""

    def __init__(self, path: str | Path) -> None:
        self.run = Run(path)
        # (time, records) of the reads in the last minute, to compute the rate.
        self._reads: deque[tuple[float, int]] = deque()

    def look(self) -> dict[str, Any]:
        """Return the current figures. `score` is ROUGE-L F to the nearest text; the first rate is None."""
        # One snapshot, so that the figures are consistent.
        with read(self.run) as snapshot:
            status = snapshot.status
            in_flight = snapshot.journal.meta("in_flight") if status.running else None
            admitted = [_task(verdict) for verdict in snapshot.last_admitted(_LAST)]
            refused = [_task(verdict) | _rejection(verdict) for verdict in snapshot.last_rejected(_LAST)]
            open_jobs = [visible(line) for line in status.waiting]
        return {
            "name": visible(self.run.name),
            "running": status.running,
            "outcome": visible(status.last_start),
            "teacher": visible(status.teacher),
            "strategy": visible(status.strategy),
            "records": status.records,
            "target": status.target,
            "admitted": status.admitted,
            "proposed": status.proposed,
            "acceptance": status.acceptance,
            "questions": status.questions,
            "requests": status.requests,
            "unanswered": status.unanswered,
            "in_flight": int(in_flight) if in_flight else 0,
            "tokens": status.prompt_tokens + status.completion_tokens,
            "cost_usd": status.cost_usd,
            "reasons": sorted(status.refused.items(), key=lambda item: (-item[1], item[0]))[:_LAST],
            "open_jobs": open_jobs,
            "records_per_minute": self._rate(status),
            "last_admitted": admitted,
            "last_refused": refused,
        }

    def changed(self) -> tuple[float, int]:
        """Return modification time and size of the journal, which differ after every write."""
        files = [self.run.path / name for name in (JOURNAL, f"{JOURNAL}-wal")]
        stats = [path.stat() for path in files if path.exists()]
        return max((stat.st_mtime for stat in stats), default=0.0), sum(stat.st_size for stat in stats)

    def _rate(self, status: Status) -> float | None:
        now = time.monotonic()
        self._reads.append((now, status.records))
        while now - self._reads[0][0] > _RATE_OVER_S:
            self._reads.popleft()
        began, records = self._reads[0]
        return 60 * (status.records - records) / (now - began) if now - began >= 1 else None


def _task(verdict: VerdictRow) -> dict[str, Any]:
    # A verdict on a whole answer has no index.
    id = f"q{verdict.question}" if verdict.idx < 0 else f"q{verdict.question}.{verdict.idx}"
    return {
        "id": id,
        "instruction": visible(verdict.instruction[:300]),
        "score": verdict.score,
        "nearest": visible(verdict.nearest) if verdict.nearest else None,
    }


def _rejection(verdict: VerdictRow) -> dict[str, Any]:
    reason = visible(verdict.reason or "")
    return {"stage": verdict.stage, "reason": reason, "detail": visible(verdict.detail[:200])}
