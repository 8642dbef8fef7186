"""The SDK's HTTP client with `limits` before every request: the SDK's retries pass here one by one, too.

Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

import asyncio
import json
from contextvars import ContextVar
from typing import Any

import httpx2
import openai

from ..limits import Limits, Turn

TURN: ContextVar[Turn | None] = ContextVar("TURN", default=None)
"""The question that the requests of this context belong to; those without one (a list of models) pass freely."""
QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "access_terminated")
_TOLD = (b"retry-after", b"x-ratelimit-")


class LimitedClient(openai.DefaultAioHttpClient):
    """Sends when `pace` says so, and tells it how every request ended.

    whole_s: the longest time for one request, which the client's own time limits, which are of silence, don't end:
    an answer that drips for ever. Raises TimeoutError then, which the SDK doesn't retry.
    """

    def __init__(self, pace: Limits, whole_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._pace = pace
        self.whole_s = whole_s

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Wait for the turn, send, and learn from what comes back."""
        turn = TURN.get()
        if turn is None:
            return await super().send(request, **options)
        await self._pace.enter(turn)
        try:
            async with asyncio.timeout(self.whole_s):
                response = await super().send(request, **options)
        except (TimeoutError, httpx2.HTTPError):
            self._pace.leave(turn, None)
            raise
        except BaseException:
            self._pace.abandon(turn)
            raise
        if response.status_code == 429 and _quota_is_used_up(response):
            response.headers["x-should-retry"] = "false"
            self._pace.abandon(turn)
            return response
        told = {
            name.lower().decode("latin-1"): value.decode("latin-1")
            for name, value in response.headers.raw
            if name.lower().startswith(_TOLD)
        }
        self._pace.leave(turn, response.status_code, told)
        return response


def _quota_is_used_up(response: httpx2.Response) -> bool:
    """Whether a 429 means that there is nothing left to spend: no waiting mends that."""
    try:
        error = json.loads(response.content)["error"]
        return error.get("code") in QUOTA or error.get("type") in QUOTA
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return False


def limited_client(pace: Limits, *, timeout_s: float, whole_s: float, concurrency: int) -> LimitedClient:
    """A client over the SDK's aiohttp transport: its default one walks the whole pool for every request."""
    limits = httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8)
    return LimitedClient(pace, whole_s, timeout=httpx2.Timeout(timeout_s), limits=limits)
