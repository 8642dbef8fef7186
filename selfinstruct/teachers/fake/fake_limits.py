"""Rate limits for the fake server: a number of requests and tokens per minute, and status 429 above them.

Providers count in two ways, and both are implemented: a bucket that refills evenly and holds one minute's worth, and
fixed windows that start full at each minute of the clock.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Minute:
    """A limit of `per_min` units, counted by clock minutes if `fixed`, otherwise by a bucket. Times are in seconds."""

    per_min: float
    fixed: bool
    left: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.per_min

    def look(self, now: float) -> float:
        """Return the units left at time `now`."""
        # A bucket refills evenly.
        if not self.fixed:
            self.left = min(self.per_min, self.left + (now - self._at) * self.per_min / 60)
        # A new clock minute starts full, minus what the last minute was overdrawn by.
        elif now // 60 > self._at // 60:
            self.left = self.per_min + min(0.0, self.left)
        self._at = now
        return self.left

    def wait_s(self, amount: float, now: float) -> float:
        """Return the seconds until `amount` units are available."""
        missing = amount - self.look(now)
        if missing <= 0:
            return 0.0
        return 60 - now % 60 if self.fixed else missing / self.per_min * 60

    def reset_s(self, now: float) -> float:
        """Return the seconds until the limit is full again."""
        missing = self.per_min - self.look(now)
        return 60 - now % 60 if self.fixed else missing / self.per_min * 60


@dataclass(slots=True)
class Provider:
    """The limits of one account. Prompt tokens count on arrival, completion tokens when the response is sent.

    Attributes:
        max_rpm, max_tpm: Requests and tokens per minute; None for no limit.
        fixed: Whether to count by clock minutes instead of a bucket.
        retry_after: Whether to send Retry-After with a 429.
        headers: Whether to send x-ratelimit-* with every response.
        answered, refused, tokens: What has been counted so far.
    """

    max_rpm: float | None = None
    max_tpm: float | None = None
    fixed: bool = False
    retry_after: bool = True
    headers: bool = True
    answered: int = 0
    refused: int = 0
    tokens: int = 0
    _minutes: dict[str, Minute] = field(init=False)

    def __post_init__(self) -> None:
        stated = {"requests": self.max_rpm, "tokens": self.max_tpm}
        self._minutes = {name: Minute(limit, self.fixed) for name, limit in stated.items() if limit is not None}

    def arrives(self, prompt_tokens: int, now: float) -> float:
        """Admit a request and return 0, or refuse it and return the seconds to wait before a retry."""
        needs = {"requests": 1.0, "tokens": float(prompt_tokens)}
        wait_s = max((minute.wait_s(needs[name], now) for name, minute in self._minutes.items()), default=0.0)
        if wait_s > 0:
            self.refused += 1
            return wait_s
        self.answered += 1
        self.tokens += prompt_tokens
        for name, minute in self._minutes.items():
            minute.left -= needs[name]
        return 0.0

    def answers(self, completion_tokens: int, now: float) -> None:
        """Count the tokens of a response that is sent."""
        self.tokens += completion_tokens
        if "tokens" in self._minutes:
            self._minutes["tokens"].look(now)
            self._minutes["tokens"].left -= completion_tokens

    def rate_headers(self, wait_s: float, now: float) -> dict[str, str]:
        """Return the headers of a response; `wait_s` is 0 unless the response is a refusal."""
        headers = {"retry-after": str(math.ceil(wait_s))} if wait_s and self.retry_after else {}
        # 'x-ratelimit-limit-tokens: 60000', 'x-ratelimit-reset-tokens: 1.500s'
        for name, minute in self._minutes.items() if self.headers else ():
            headers[f"x-ratelimit-limit-{name}"] = f"{minute.per_min:.0f}"
            headers[f"x-ratelimit-remaining-{name}"] = f"{max(0, math.floor(minute.look(now)))}"
            headers[f"x-ratelimit-reset-{name}"] = f"{minute.reset_s(now):.3f}s"
        return headers


def limiting(provider: Provider) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """Return a middleware that enforces the limits of `provider`. GET /v1/usage returns the counts so far."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        if request.path == "/v1/usage":
            counted = {"answered": provider.answered, "refused": provider.refused, "tokens": provider.tokens}
            return web.json_response(counted | {"clock_s": clock()})
        if request.method != "POST":
            return await handler(request)
        # Count the prompt as the fake teacher does: four bytes per token.
        body = await request.json()
        parts = [str(message.get("content")) for message in body.get("messages", ())] or [str(body.get("prompt"))]
        prompt_tokens = len("".join(parts).encode()) // 4 + 1
        wait_s = provider.arrives(prompt_tokens, clock())
        if wait_s:
            error = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
            return web.json_response({"error": error}, status=429, headers=provider.rate_headers(wait_s, clock()))
        # The handler reports the completion tokens in `usage`.
        response = await handler(request)
        if isinstance(response, web.Response) and response.status == 200 and response.text:
            provider.answers(json.loads(response.text).get("usage", {}).get("completion_tokens", 0), clock())
        response.headers.update(provider.rate_headers(0.0, clock()))
        return response

    return limited
