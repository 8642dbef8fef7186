"""What a server's headers say about its limits: Retry-After, and the x-ratelimit family in OpenAI's names."""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_S = 120.0
"""No header makes anybody wait longer at once; the SDK's own bound. Then the server is asked again."""
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class Said:
    """What the headers say; None where they don't.

    retry_after_s: wait so long. limit_*: the allowance of a minute; left_*: what is left of it. reset_s: until it is
    whole again (of the two that which is nearer to its end).
    """

    retry_after_s: float | None = None
    limit_requests: float | None = None
    limit_tokens: float | None = None
    left_requests: float | None = None
    left_tokens: float | None = None
    reset_s: float | None = None


NOTHING = Said()


def read_headers(headers: Mapping[str, str]) -> Said:
    """Read headers, their names in lower case. What can't be read isn't there."""
    if not headers:
        return NOTHING
    left = {kind: _number(headers.get(f"x-ratelimit-remaining-{kind}")) for kind in ("requests", "tokens")}
    nearer = min(left, key=lambda kind: math.inf if left[kind] is None else left[kind] or 0.0)
    return Said(
        _retry_after(headers),
        _number(headers.get("x-ratelimit-limit-requests")) or None,
        _number(headers.get("x-ratelimit-limit-tokens")) or None,
        left["requests"],
        left["tokens"],
        seconds_of(headers.get(f"x-ratelimit-reset-{nearer}")),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST_S)
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is None and text:
        try:
            date = email.utils.parsedate_to_datetime(text)
            seconds = max(0.0, date.timestamp() - time.time())
        except (ValueError, OverflowError, OSError):
            return None
    return None if seconds is None else min(seconds, LONGEST_S)


def seconds_of(text: str | None) -> float | None:
    """Seconds in '6m0s', '17ms', '2m59.56s', '1.5'; None for anything else."""
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    if not re.fullmatch(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+", text):
        return None
    return sum(float(n) * _UNITS_S[unit] for n, unit in re.findall(r"([\d.]+)(ms|[smhd])", text))


def _number(text: str | None) -> float | None:
    """A number that is not negative."""
    if text is None or len(text) > 30:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
