"""What the page shows, read from the run's journal at one instant: values for JSON, every text made visible."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path
from typing import Any

from ...journal.folder import JOURNAL, Run
from ...journal.status import Status
from ..page.visible import visible

_LAST = 8
_RATE_OVER_S = 60.0
_ADMITTED = (
    "SELECT question, idx, instruction, score, nearest FROM verdicts WHERE stage = 'admission'"
    " ORDER BY question DESC, idx DESC LIMIT ?"
)
_REFUSED = (
    "SELECT question, idx, instruction, score, nearest, stage, reason, detail FROM verdicts WHERE reason IS NOT NULL"
    " ORDER BY question DESC, idx DESC LIMIT ?"
)


class Live:
    """A run's folder, looked at again and again; the rate is that of the looks of the last minute.

    Raises UsageError when `path` is not a run's folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.run = Run(path)
        self._seen: deque[tuple[float, int]] = deque()

    def look(self) -> dict[str, Any]:
        """The run now. score: ROUGE-L F to the nearest text; records_per_minute: None at the first look."""
        with self.run.at_one_instant() as journal:
            status = self.run.status(journal)
            told = journal.meta("in_flight") if status.running else None
            admitted = [_task(row) for row in journal.query(_ADMITTED, (_LAST,))]
            refused = [_task(row) | _objection(row) for row in journal.query(_REFUSED, (_LAST,))]
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
            "in_flight": int(told) if told else 0,
            "tokens": status.prompt_tokens + status.completion_tokens,
            "cost_usd": status.cost_usd,
            "reasons": sorted(status.refused.items(), key=lambda item: (-item[1], item[0]))[:_LAST],
            "open_jobs": open_jobs,
            "records_per_minute": self._rate(status),
            "last_admitted": admitted,
            "last_refused": refused,
        }

    def changed(self) -> tuple[float, int]:
        """What differs once something was written: the latest time of the journal's files, and their size."""
        files = [self.run.path / name for name in (JOURNAL, f"{JOURNAL}-wal")]
        looks = [path.stat() for path in files if path.exists()]
        return max((look.st_mtime for look in looks), default=0.0), sum(look.st_size for look in looks)

    def _rate(self, status: Status) -> float | None:
        now = time.monotonic()
        self._seen.append((now, status.records))
        while now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        began, records = self._seen[0]
        return 60 * (status.records - records) / (now - began) if now - began >= 1 else None


def _task(row: tuple[Any, ...]) -> dict[str, Any]:
    question, index, instruction, score, nearest = row[:5]
    name = f"q{question}" if index < 0 else f"q{question}.{index}"
    return {
        "id": name,
        "instruction": visible(instruction[:300]),
        "score": score,
        "nearest": visible(nearest) if nearest else None,
    }


def _objection(row: tuple[Any, ...]) -> dict[str, Any]:
    stage, reason, detail = row[5:]
    return {"stage": stage, "reason": visible(reason), "detail": visible(detail[:200])}
