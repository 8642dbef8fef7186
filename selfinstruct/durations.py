"""A span of time as people write it, in seconds: 2h, 90m, 45s, 1h30m."""

from __future__ import annotations

import re

from .errors import UsageError

_WRITTEN = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


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
