"""What ends a start from outside, cleanly: a signal, or the time it was given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

from .ask import Door
from .durations import written_of
from .errors import UsageError
from .loop import GRACE_S

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def signals(door: Door) -> Iterator[None]:
    """SIGINT and SIGTERM close the door; a second one gives up what is in flight."""
    loop = asyncio.get_running_loop()

    came = False

    def stop() -> None:
        nonlocal came
        if came:
            door.abandon()
        elif door.in_flight:
            _log.warning(
                "selfinstruct: stopping; %d in flight have %g s, a second signal gives them up", door.in_flight, GRACE_S
            )
        came = True
        door.close("interrupted", "stopped by a signal; the same command goes on")
        loop.call_later(GRACE_S, door.abandon)

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def max_runtime(door: Door, seconds: float, began: float) -> Iterator[None]:
    """Close the door `seconds` after `began`, an instant of the loop's clock; what is in flight has its grace."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        door.close("max_runtime", f"the {written_of(seconds)} it was given are over; the same command goes on")
        loop.call_later(GRACE_S, door.abandon)

    timer = loop.call_at(began + seconds, stop)
    try:
        yield
    finally:
        timer.cancel()


def check_max_runtime(seconds: float | None) -> None:
    """Raises UsageError where that is no time to run in."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UsageError(f"max_runtime_s {seconds:g}: must be a number of seconds above 0")
