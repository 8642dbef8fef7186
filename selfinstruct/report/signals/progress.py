"""Show the progress of a run: a bar on a terminal, otherwise a line every 30 s, or JSON lines.

The CLI shows progress on standard error, because standard output is for results.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from typing import Any, TextIO

from ...core.events import Progress
from .logs import JsonLines

LINE_EVERY_S = 30.0
"""Seconds between two lines."""


class Reporter:
    """Shows `Progress` values. form: 'bar', 'text', 'json', or 'auto' (a bar on a terminal, otherwise text)."""

    def __init__(self, form: str = "auto", stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._form = ("bar" if self._stream.isatty() else "text") if form == "auto" else form
        self._bar: Any = None
        self._last_line = time.monotonic()
        self._recent: deque[tuple[float, int]] = deque(maxlen=64)
        self._latest: Progress | None = None
        self._replayed: int | None = None
        self._written: Progress | None = None
        self._started = time.monotonic()
        self._first_s: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Record the progress, and show it if it is time to."""
        self._latest = progress
        now = time.monotonic()
        if self._replayed is None:
            self._replayed = progress.requests
        # Before the first request of this start, records come from the journal and must not count for the rate.
        if progress.requests == self._replayed:
            self._recent.clear()
            self._recent.append((now, progress.records))
        elif self._recent[-1][1] != progress.records:
            self._first_s = self._first_s or now - self._started
            self._recent.append((now, progress.records))
        if self._form == "bar":
            self._show_bar(progress)
        elif now - self._last_line >= LINE_EVERY_S:
            self._last_line = now
            self._write(progress)

    def close(self) -> None:
        """Show the final state."""
        if self._bar is not None:
            self._bar.close()
        elif self._latest is not None and self._latest != self._written:
            self._write(self._latest)

    @property
    def first_record_s(self) -> float | None:
        """Seconds from the start to the first finished record of this start, or None."""
        return self._first_s

    def _show_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                total=progress.target,
                initial=progress.records,
                unit="rec",
                file=self._stream,
                dynamic_ncols=True,
                bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
            )
        self._bar.n = progress.records
        self._bar.set_postfix_str(self._describe(progress), refresh=False)
        self._bar.update(0)

    def _write(self, progress: Progress) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end the run
            self._print(progress)

    def _print(self, progress: Progress) -> None:
        self._written = progress
        if self._form == "json":
            values: dict[str, Any] = {
                "records": progress.records,
                "target": progress.target,
                "proposed": progress.proposed,
                "admitted": progress.admitted,
                "refused": progress.refused,
                "questions": progress.consumed,
                "in_flight": progress.in_flight,
                "requests": progress.requests,
                "tokens": progress.tokens,
                "cost_usd": round(progress.cost_usd, 6) if progress.priced else None,
                "records_per_min": round(self._per_minute(), 2),
            }
            JsonLines(self._stream).write("progress", **values)
        else:
            clock = time.strftime("%H:%M:%S")
            count = f"{progress.records:,}/{progress.target:,} records"
            text = f"{self._describe(progress)}{self._time_left(progress)}"
            print(f"{clock} {count}, {text}", file=self._stream, flush=True)

    def _describe(self, progress: Progress) -> str:
        proposed = progress.proposed
        accepted = f"{progress.admitted / proposed:.0%} accepted" if proposed else "no tasks yet"
        spent = f"${progress.cost_usd:.4f}" if progress.priced and progress.cost_usd else f"{progress.tokens:,} tokens"
        return f"{accepted}, {self._per_minute():.1f} rec/min, {spent}, {progress.in_flight} in flight"

    def _time_left(self, progress: Progress) -> str:
        rate = self._per_minute()
        missing = progress.target - progress.records
        return f", about {missing / rate:.0f} min left" if rate > 0 and missing else ""

    def _per_minute(self) -> float:
        if len(self._recent) < 2:
            return 0.0
        (start, before), (end, now) = self._recent[0], self._recent[-1]
        return (now - before) / max(end - start, 1e-9) * 60
