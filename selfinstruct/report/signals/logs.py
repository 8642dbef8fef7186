"""One JSON object a line: `timestamp`, `level`, `event`, and the event's own fields.

Events: 'start', 'progress', 'message', 'warning', 'error', 'traceback', 'log' (a library's), 'outcome'.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

_LINE_CHARS = 2000


def one_line(text: str, chars: int) -> str:
    """The text in one line of at most so many characters, without any that can't be printed, whoever wrote it."""
    line = " ".join(text.split())[:chars]
    return "".join(char if char.isprintable() else "\ufffd" for char in line)


class JsonLines:
    """Writes events to a stream, standard error by default. A stream that takes nothing more ends no run."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def write(self, event: str, level: str = "info", **fields: Any) -> None:
        """One line, at once, in ASCII: no control character and no terminal escape is in it, whoever wrote the text."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"timestamp": now, "level": level, "event": event, **fields}, default=str)
        with contextlib.suppress(OSError, ValueError):
            print(line, file=self._stream or sys.stderr, flush=True)

    def say(self, line: str) -> None:
        """A line for people: one that begins with 'warning: ' or 'error: ' is an event of that name."""
        word, _, rest = line.partition(": ")
        if word in ("warning", "error"):
            self.write(word, word, message=rest)
        else:
            self.write("message", message=line)

    @contextlib.contextmanager
    def of_libraries(self) -> Iterator[None]:
        """Warnings and log records of Python libraries as events, too."""
        handler, root = _Handler(self), logging.getLogger()
        root.addHandler(handler)
        logging.captureWarnings(True)
        try:
            yield
        finally:
            logging.captureWarnings(False)
            root.removeHandler(handler)


class _Handler(logging.Handler):
    def __init__(self, lines: JsonLines) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Our own warnings read as everything else that is said; a library's carry its name."""
        said = one_line(record.getMessage(), _LINE_CHARS)
        if record.name.partition(".")[0] == "selfinstruct":
            self._lines.say(said.removeprefix("selfinstruct: "))
        else:
            self._lines.write("log", record.levelname.lower(), logger=record.name, message=said)
