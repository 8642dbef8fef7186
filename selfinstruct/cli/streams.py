"""The process around a command: standard streams that are safe to print to, and signals that end it like Ctrl-C.

Every command runs inside `safe_streams` and `stop_signals`, so no command handles closed pipes, encodings, or control
characters itself.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO, cast

from ..core.event_loop import stop_signals
from ..core.visible import visible

# What tqdm writes besides text: '\r' at the start of a bar, and, as a text of its own, '\x1b[A' between several bars.
_BAR = re.compile(r"\r?(?:(?:\x1b\[A|\r|\n)+$)?")
# The reader has left: a closed pipe or socket, a closed file descriptor, and (EIO) a terminal that was closed.
_READER_LEFT = (errno.EPIPE, errno.ECONNRESET, errno.EBADF)


class SafeStream:
    """Standard output or error: shows control characters by their number, and continues without a reader.

    Args:
        stream: The stream to write to; also as `unfiltered`.
        optional: Ignore every failure. A full disk under a log must not end a run.
    """

    def __init__(self, stream: TextIO, *, optional: bool) -> None:
        self.unfiltered = stream
        self._optional = optional
        self._is_terminal = stream.isatty()
        self._in_bar = False  # whether the last line of the terminal holds a bar
        self._ignored = (*_READER_LEFT, errno.EIO) if self._is_terminal else _READER_LEFT
        # A character that the encoding lacks is written as '\u4e2d', which JSON decodes to the same character.
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="selfinstruct.json")

    def write(self, text: str) -> int:
        """Write a text, with its control characters made visible. Raises OSError if the disk is full."""
        with self._without_reader():
            bar = _BAR.match(text)
            end = bar.end() if bar is not None else 0
            # A message takes the place of a bar, which is then drawn below it.
            clear = "\r\x1b[K" if self._in_bar and not end and text else ""
            self._in_bar = self._is_terminal and (text.startswith("\r") if end else self._in_bar and not text)
            self.unfiltered.write(clear + text[:end] + visible(text[end:]))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write a message unchanged: its escapes are the program's own."""
        with self._without_reader():
            self.unfiltered.write(("\r\x1b[K" if self._in_bar else "") + text)
            self._in_bar = False

    def flush(self) -> None:
        """Write what is buffered. Raises OSError if the disk is full."""
        with self._without_reader():
            self.unfiltered.flush()

    def discard(self) -> None:
        """Send everything to /dev/null from now on, also what is buffered: Python flushes again at exit."""
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.unfiltered.fileno())

    def close(self) -> None:
        """Flush, and discard what can't be written. Raises OSError if that loses a result."""
        try:
            self.unfiltered.flush()
        except OSError as error:
            self.discard()
            if not self._optional and error.errno not in self._ignored:
                raise

    def __getattr__(self, name: str) -> Any:
        # Without `buffer`, Click writes here instead of to a stream of its own when the encoding is ASCII.
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self.unfiltered, name)

    @contextlib.contextmanager
    def _without_reader(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in self._ignored:
                self.discard()
            elif not self._optional:
                raise


@contextlib.contextmanager
def safe_streams() -> Iterator[None]:
    """Replace standard output and error by `SafeStream`, and closed streams by /dev/null, while the block runs."""
    # A file opened later must not get the number of a closed stream, because others write to that number.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
    before = sys.stdin, sys.stdout, sys.stderr
    codecs.register_error("selfinstruct.json", _escape_as_json)
    # Python sets a closed stream to None.
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115  (open until the process ends)
    output, errors = (
        SafeStream(stream or open(os.devnull, "w", encoding="utf-8"), optional=optional)  # noqa: SIM115
        for stream, optional in ((sys.stdout, False), (sys.stderr, True))
    )
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        errors.close()
        output.close()


def _escape_as_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


@contextlib.contextmanager
def stop_like_ctrl_c() -> Iterator[None]:
    """Let the other signals that end a program raise KeyboardInterrupt in the block, as SIGINT does."""
    is_main = threading.current_thread() is threading.main_thread()  # no other thread may set handlers
    numbers = [number for number in stop_signals() if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)
