"""What ends a start from outside: a signal, or the time limit. Both let answers in flight arrive for a few seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
from collections.abc import Iterator

from ..ask.asker import Asker
from ..core.counted import counted
from ..core.errors import UsageError
from ..core.event_loop import stop_signals
from .loop import GRACE_S

_log = logging.getLogger(__name__)
# '1h30m' has the groups '1', '30' and None.
_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


@contextlib.contextmanager
def signals(asker: Asker) -> Iterator[None]:
    """Close the asker on SIGINT, SIGTERM or SIGHUP; cancel the requests in flight on the second signal."""
    loop = asyncio.get_running_loop()
    signaled = False

    def stop() -> None:
        nonlocal signaled
        # The first signal waits for answers that are paid for; the second one doesn't.
        if signaled:
            asker.cancel_in_flight()
        elif asker.in_flight:
            waited_for = f"{counted(asker.in_flight, 'request')} in flight"
            _log.warning("selfinstruct: stopping; %s may take %g s, a second signal ends now", waited_for, GRACE_S)
        signaled = True
        asker.close("interrupted", "stopped by a signal; run the same command again to continue")
        loop.call_later(GRACE_S, asker.cancel_in_flight)

    before = {number: signal.getsignal(number) for number in stop_signals()}
    for number in before:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextlib.contextmanager
def max_runtime(asker: Asker, seconds: float, began: float) -> Iterator[None]:
    """Close the asker when a time limit is over; requests in flight then have `GRACE_S` seconds.

    Args:
        asker: What to close.
        seconds: The time limit, in seconds.
        began: The event loop's time when the limit began.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        asker.close("max_runtime", f"the time limit of {written_of(seconds)} is over; run the same command again")
        loop.call_later(GRACE_S, asker.cancel_in_flight)

    timer = loop.call_at(began + seconds, stop)
    try:
        yield
    finally:
        timer.cancel()


def seconds_of(written: str, name: str) -> float:
    """Return the seconds of '2h', '90m', '45s' or '1h30m'. name: the option, for the message.

    Raises UsageError if `written` is no duration, or zero.
    """
    parts = _DURATION.fullmatch(written.strip())
    hours, minutes, seconds = (int(part or 0) for part in parts.groups()) if parts else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:  # not matched, empty, or zero
        raise UsageError(f"{name} {written!r}: not a duration; write it as 2h, 90m, 45s or 1h30m")
    return float(total)


def written_of(seconds: float) -> str:
    """Format seconds as a duration, at least one second: 5400 is '1h30m'."""
    whole = max(1, round(seconds))
    parts = ((whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count)
