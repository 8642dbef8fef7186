"""The limits of a provider before the fake server: so many requests and tokens a minute, 429 for what is more.

Providers count in two ways, and both are here: a bucket that refills evenly and holds a minute's worth, and
minutes of the clock that each begin whole.
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
    """`per_min` of something. fixed: by minutes of the clock; else a bucket. All times in seconds."""

    per_min: float
    fixed: bool
    left: float = field(init=False)
    _at: float = 0.0

    def __post_init__(self) -> None:
        self.left = self.per_min

    def look(self, now: float) -> float:
        """What is left."""
        if not self.fixed:
            self.left = min(self.per_min, self.left + (now - self._at) * self.per_min / 60)
        elif now // 60 > self._at // 60:
            self.left = self.per_min + min(0.0, self.left)
        self._at = now
        return self.left

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` is there."""
        missing = amount - self.look(now)
        if missing <= 0:
            return 0.0
        return 60 - now % 60 if self.fixed else missing / self.per_min * 60

    def reset_s(self, now: float) -> float:
        """Seconds until it is whole again."""
        missing = self.per_min - self.look(now)
        return 60 - now % 60 if self.fixed else missing / self.per_min * 60


@dataclass(slots=True)
class Provider:
    """What one account may use. Tokens are counted as used: the prompt's on arrival, the answer's when it leaves.

    fixed: by minutes of the clock instead of a bucket. retry_after, headers: whether Retry-After is sent with a 429,
    and x-ratelimit-* with everything.
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
        """Take a request in; returns 0, or the seconds after which it may come again."""
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
        """Count an answer that leaves."""
        self.tokens += completion_tokens
        if "tokens" in self._minutes:
            self._minutes["tokens"].look(now)
            self._minutes["tokens"].left -= completion_tokens

    def said(self, wait_s: float, now: float) -> dict[str, str]:
        """The headers of an answer; `wait_s` is 0 where it isn't a refusal."""
        said = {"retry-after": str(math.ceil(wait_s))} if wait_s and self.retry_after else {}
        for name, minute in self._minutes.items() if self.headers else ():
            said[f"x-ratelimit-limit-{name}"] = f"{minute.per_min:.0f}"
            said[f"x-ratelimit-remaining-{name}"] = f"{max(0, math.floor(minute.look(now)))}"
            said[f"x-ratelimit-reset-{name}"] = f"{minute.reset_s(now):.3f}s"
        return said


def limiting(provider: Provider) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """A middleware that lets through what `provider` allows. GET /v1/usage tells what it has counted."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        if request.path == "/v1/usage":
            counted = {"answered": provider.answered, "refused": provider.refused, "tokens": provider.tokens}
            return web.json_response(counted | {"clock_s": clock()})
        if request.method != "POST":
            return await handler(request)
        body = await request.json()
        parts = [str(message.get("content")) for message in body.get("messages", ())] or [str(body.get("prompt"))]
        prompt_tokens = len("".join(parts).encode()) // 4 + 1
        wait_s = provider.arrives(prompt_tokens, clock())
        if wait_s:
            error = {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}
            return web.json_response({"error": error}, status=429, headers=provider.said(wait_s, clock()))
        response = await handler(request)
        if isinstance(response, web.Response) and response.status == 200 and response.text:
            provider.answers(json.loads(response.text).get("usage", {}).get("completion_tokens", 0), clock())
        response.headers.update(provider.said(0.0, clock()))
        return response

    return limited
