"""Show the progress of a run: a bar on a terminal, otherwise a line every 30 s, or JSON lines.

A line shows what fits its width, the most important first, so it never wraps. The CLI shows progress on standard error,
because standard output is for results.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from statistics import fmean
from typing import Any, TextIO

from ...core.counted import compact, counted, dollars
from ...core.events import Progress
from .logs import JsonLines

LINE_EVERY_S = 30.0
"""Seconds between two lines."""
_BAR_EVERY_S = 0.1
_BAR_WIDTH = len("100%|") + 5 + len("| ")
# The bar itself is at least five columns wide.
_LEAST_ANSWER_S = 1.0
# Faster answers are not worth a place in the line.


class Reporter:
    """Shows `Progress` values. form: 'bar', 'text', 'json', or 'auto' (a bar on a terminal, otherwise text)."""

    def __init__(self, form: str = "auto", stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._form = ("bar" if self._stream.isatty() else "text") if form == "auto" else form
        self._bar: Any = None
        self._started = self._last_shown = time.monotonic()
        # (time, records, admitted tasks) after each change.
        self._recent: deque[tuple[float, int, int]] = deque(maxlen=64)
        self._answers_s: deque[float] = deque(maxlen=64)
        self._latest: Progress | None = None
        self._replayed: int | None = None
        self._written: Progress | None = None
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
        elif self._recent[-1][1] != progress.records:
            self._first_s = self._first_s or now - self._started
        if not self._recent or self._recent[-1][1:] != (progress.records, progress.admitted):
            self._recent.append((now, progress.records, progress.admitted))
        if now - self._last_shown >= (_BAR_EVERY_S if self._form == "bar" else LINE_EVERY_S):
            self._last_shown = now
            self._show(progress)

    def note_answer(self, seconds: float) -> None:
        """Take in how long a request has taken."""
        self._answers_s.append(seconds)

    def close(self) -> None:
        """Show the final state."""
        if self._latest is not None and self._latest != self._written:
            self._show(self._latest)
        if self._bar is not None:
            self._bar.close()

    @property
    def first_record_s(self) -> float | None:
        """Seconds from the start to the first finished record of this start, or None."""
        return self._first_s

    def _show(self, progress: Progress) -> None:
        self._written = progress
        with contextlib.suppress(OSError):  # a full disk must not end the run
            if self._form == "bar":
                self._show_bar(progress)
            elif self._form == "json":
                self._write_json(progress)
            else:
                clock = time.strftime("%H:%M:%S ")
                print(clock + self.describe(progress, self._width() - len(clock)), file=self._stream, flush=True)

    def _show_bar(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            form = "{percentage:3.0f}%|{bar}| {desc}"
            self._bar = tqdm(total=progress.target, file=self._stream, dynamic_ncols=True, bar_format=form)
        self._bar.n = progress.records
        self._bar.set_description_str(self.describe(progress, self._width() - _BAR_WIDTH), refresh=True)

    def _write_json(self, progress: Progress) -> None:
        left_s, answer_s = self._seconds_left(progress), self._seconds_per_answer()
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
            "seconds_per_answer": None if answer_s is None else round(answer_s, 2),
            "seconds_left": None if left_s is None else round(left_s),
        }
        JsonLines(self._stream).write("progress", **values)

    def describe(self, progress: Progress, width: int) -> str:
        """Return as much of the progress as fits `width` columns: the most important parts, and those as long forms."""
        parts = self._parts(progress)
        for count in range(len(parts), 0, -1):
            for full in range(count, -1, -1):
                line = ", ".join(part[place >= full] for place, part in enumerate(parts[:count]))
                if len(line) <= width:
                    return line
        return parts[0][1]

    def _parts(self, progress: Progress) -> list[tuple[str, str]]:
        """Return what there is to say, each in a long and in a short form."""
        records = f"{progress.records:,} of {progress.target:,}"
        parts = [(f"{progress.records:,} of {counted(progress.target, 'record')}", records)]
        if progress.records < progress.target:
            parts += self._time_left(progress)
        parts.append((counted(progress.tokens, "token"), f"{compact(progress.tokens)} tokens"))
        if progress.in_flight:
            parts.append((f"{counted(progress.in_flight, 'request')} in flight", f"{progress.in_flight:,} in flight"))
        each_s = self._seconds_per_answer()
        if each_s is not None and each_s >= _LEAST_ANSWER_S:
            parts.append((f"{each_s:.0f} s per answer", f"{each_s:.0f} s/answer"))
        if progress.priced and progress.cost_usd:
            parts.append((dollars(progress.cost_usd),) * 2)
        if progress.proposed:
            parts.append((f"{progress.admitted / progress.proposed:.0%} accepted",) * 2)
        if rate := self._per_minute():
            parts.append((f"{rate:,.0f} rec/min" if rate >= 10 else f"{rate:.1f} rec/min",) * 2)
        return parts

    def _time_left(self, progress: Progress) -> Iterator[tuple[str, str]]:
        """Yield the time left; before the first answer of this start, how long it has been awaited."""
        if (left_s := self._seconds_left(progress)) is not None:
            yield (f"{_duration(left_s)} left",) * 2
        elif tasks := self._per_minute(2):
            # A record may take several answers; so far, only the tasks that may become records tell the speed.
            yield (f"over {_duration((progress.target - progress.records) / tasks * 60)} left",) * 2
        elif progress.in_flight and not self._answers_s:
            waited = _duration(time.monotonic() - self._recent[0][0])
            yield f"no answer yet after {waited}", f"{waited} so far"

    def _seconds_left(self, progress: Progress) -> float | None:
        rate = self._per_minute()
        return (progress.target - progress.records) / rate * 60 if rate else None

    def _seconds_per_answer(self) -> float | None:
        return fmean(self._answers_s) if self._answers_s else None

    def _per_minute(self, which: int = 1) -> float:
        """Return the records (1) or admitted tasks (2) per minute, over the last changes of this start."""
        if len(self._recent) < 2:
            return 0.0
        first, last = self._recent[0], self._recent[-1]
        return (last[which] - first[which]) / max(last[0] - first[0], 1e-9) * 60

    def _width(self) -> int:
        with contextlib.suppress(OSError, ValueError):  # not a terminal, or one that does not know its size
            if columns := os.get_terminal_size(self._stream.fileno()).columns:
                return columns
        return shutil.get_terminal_size().columns


def _duration(seconds: float) -> str:
    """Format seconds in the largest unit that leaves two digits: '45 s', '63 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
