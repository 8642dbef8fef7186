"""What ends a start from outside, cleanly: a signal, or the time it was given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
from collections.abc import Iterator

from ..ask.asker import Asker
from ..core.errors import UsageError
from .loop import GRACE_S

_log = logging.getLogger(__name__)
_WRITTEN = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


@contextlib.contextmanager
def signals(asker: Asker) -> Iterator[None]:
    """Close the asker on SIGINT or SIGTERM; cancel the requests in flight on the second signal."""
    loop = asyncio.get_running_loop()

    came = False

    def stop() -> None:
        nonlocal came
        if came:
            asker.cancel_in_flight()
        elif asker.in_flight:
            _log.warning(
                "selfinstruct: stopping; %d in flight have %g s, a second signal gives them up",
                asker.in_flight,
                GRACE_S,
            )
        came = True
        asker.close("interrupted", "stopped by a signal; the same command goes on")
        loop.call_later(GRACE_S, asker.cancel_in_flight)

    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def max_runtime(asker: Asker, seconds: float, began: float) -> Iterator[None]:
    """Close the asker `seconds` after `began` (the loop's clock); requests in flight get the grace period."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asker.close("max_runtime", f"the {written_of(seconds)} it was given are over; the same command goes on")
        loop.call_later(GRACE_S, asker.cancel_in_flight)

    timer = loop.call_at(began + seconds, stop)
    try:
        yield
    finally:
        timer.cancel()


def check_max_runtime(seconds: float | None) -> None:
    """Raises UsageError where that is no time to run in."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UsageError(f"max_runtime_s {seconds:g}: must be a number of seconds above 0")


def seconds_of(written: str, name: str) -> float:
    """The seconds of '2h', '90m', '45s' or '1h30m'; name: the option it was given to, for the message.

    Raises UsageError for anything else, and for no time at all.
    """
    parts = _WRITTEN.fullmatch(written.strip())
    hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise UsageError(f"{name} {written!r}: no span of time; write it as 2h, 90m, 45s or 1h30m")
    return float(total)


def written_of(seconds: float) -> str:
    """The same the other way round, to the second: 5400 is '1h30m'."""
    whole = max(1, round(seconds))
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)
