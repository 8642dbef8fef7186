"""Log events as JSON lines with `timestamp`, `level`, `event`, and the fields of the event; for `--log-format json`.

Events: 'start', 'progress', 'message', 'warning', 'error', 'traceback', 'log' (from a library), 'outcome'.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

from ...core.visible import visible

_LINE_CHARS = 2000


def one_line(text: str, chars: int) -> str:
    """Return the first `chars` characters of a text on one line, with control characters shown by their number."""
    return visible(" ".join(text.split())[:chars])[:chars]


class JsonLines:
    """Writes events to a stream, by default standard error. A broken stream is ignored."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """Write one event and flush it."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # ASCII output keeps control characters and terminal escapes in a model's text from reaching a terminal.
        line = json.dumps({"timestamp": now, "level": level, "event": event, **fields}, default=str)
        with contextlib.suppress(OSError, ValueError):
            print(line, file=self._stream or sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """Write a line for people as an event; 'warning: ...' and 'error: ...' become events of these names."""
        word, _, rest = line.partition(": ")
        if word in ("warning", "error"):
            self.write(word, word, message=rest)
        else:
            self.write("message", message=line)

    @contextlib.contextmanager
    def of_libraries(self) -> Iterator[None]:
        """Also write the warnings and log records of Python libraries inside the block."""
        handler, root = _LibraryHandler(self), logging.getLogger()
        root.addHandler(handler)
        logging.captureWarnings(True)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.removeHandler(handler)


class _LibraryHandler(logging.Handler):
    def __init__(self, lines: JsonLines) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write our own warnings as messages, and records of libraries as 'log' events with the logger's name."""
        message = one_line(record.getMessage(), _LINE_CHARS)
        if record.name.partition(".")[0] == "selfinstruct":
            self._lines.say(message.removeprefix("selfinstruct: "))
        else:
            self._lines.write("log", record.levelname.lower(), logger=record.name, message=message)
