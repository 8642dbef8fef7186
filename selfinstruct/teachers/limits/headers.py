"""Parses rate-limit headers: Retry-After, and the x-ratelimit family with OpenAI's names.

The limiter reads them from every response. A header that can't be parsed counts as missing.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST_S = 120.0
"""Longest wait for one header, the same as the SDK's. Then the server is asked again."""
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True)
class RateHeaders:
    """The limits of a response's headers; None where a header is missing.

    retry_after_s: seconds to wait. limit_*: requests and tokens per minute; left_*: what is left of them. reset_s:
    seconds until the scarcer of the two is full again.
    """

    retry_after_s: float | None = None
    limit_requests: float | None = None
    limit_tokens: float | None = None
    left_requests: float | None = None
    left_tokens: float | None = None
    reset_s: float | None = None


NO_HEADERS = RateHeaders()


def read_headers(headers: Mapping[str, str]) -> RateHeaders:
    """Parse headers; names are in lower case."""
    if not headers:
        return NO_HEADERS
    # Requests and tokens have a reset each. The limit that is nearer to its end decides how long to wait.
    left = {kind: _number(headers.get(f"x-ratelimit-remaining-{kind}")) for kind in ("requests", "tokens")}
    nearer = min(left, key=lambda kind: math.inf if left[kind] is None else left[kind] or 0.0)
    return RateHeaders(
        _retry_after(headers),
        _number(headers.get("x-ratelimit-limit-requests")) or None,
        _number(headers.get("x-ratelimit-limit-tokens")) or None,
        left["requests"],
        left["tokens"],
        seconds_of(headers.get(f"x-ratelimit-reset-{nearer}")),
    )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date."""
    # retry-after-ms: 1500
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return min(milliseconds / 1000, LONGEST_S)
    # Retry-After: 30, or Retry-After: Wed, 21 Oct 2026 07:28:00 GMT
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
    """Seconds of a duration such as '6m0s', '17ms', '2m59.56s' or '1.5'; None if it's anything else."""
    seconds = _number(text)
    if seconds is not None or not text:
        return seconds
    if not re.fullmatch(r"(?:\d{1,9}(?:\.\d{1,9})?(?:ms|[smhd]))+", text):
        return None
    return sum(float(n) * _UNITS_S[unit] for n, unit in re.findall(r"([\d.]+)(ms|[smhd])", text))


def _number(text: str | None) -> float | None:
    """A finite number that isn't negative, or None."""
    if text is None or len(text) > 30:  # no number of a header is that long
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
