"""The SDK's HTTP client with `limits` before every request: the SDK's retries pass here one by one, too.

Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import aiohttp
import httpx2

from ..limits import Limits, Turn
from .alike import Alike
from .bodies import NOT_AGAIN, Received, TooLarge
from .bounded_client import BoundedClient

_T = TypeVar("_T")
_log = logging.getLogger(__name__)

TURN: ContextVar[Turn | None] = ContextVar("TURN", default=None)
"""The question that the requests of this context belong to; those without one (a list of models) pass freely."""
QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "access_terminated")
_TOLD = (b"retry-after", b"x-ratelimit-")


class LimitedClient(BoundedClient):
    """Sends when `pace` says so, and tells it how every request ended.

    whole_s: the longest time for one request, which the client's own time limits, which are of silence, don't end:
    an answer that drips for ever. Raises TimeoutError then, which the SDK doesn't retry. line: makes a server's words
    fit for the log, without the key.
    """

    def __init__(self, pace: Limits, whole_s: float, line: Callable[[str], str], base_url: str, **options: Any) -> None:
        super().__init__(base_url, **options)
        self._pace = pace
        self.whole_s = whole_s
        self._line = line
        self._known = False  # whether somebody answers there, or that nobody does was said

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Wait for the turn, send, and learn from what comes back."""
        turn = TURN.get()
        if turn is None:
            return await super().send(request, **options)
        response = await self._in_turn(turn, super().send(request, **options))
        if self._is_the_end(turn, response.status_code, response.headers.raw, response.content):
            response.headers.update([NOT_AGAIN])
        return response

    async def first_try(self, alike: Alike, content: bytes) -> Received:
        """The same by the short way."""
        turn = TURN.get()
        if turn is None:
            return await super().first_try(alike, content)
        received = await self._in_turn(turn, super().first_try(alike, content))
        if self._is_the_end(turn, received.status_code, received.headers, received.content):
            return received.not_again()
        return received

    async def _in_turn(self, turn: Turn, sending: Coroutine[Any, Any, _T]) -> _T:
        with contextlib.closing(sending):  # for where it never begins
            await self._pace.enter(turn)
            try:
                async with asyncio.timeout(self.whole_s):
                    return await sending
            except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
                self._pace.leave(turn, None)
                self._tell(error)
                raise
            except TooLarge:
                self._pace.leave(turn, 200)
                raise
            except BaseException:
                self._pace.abandon(turn)
                raise

    def _is_the_end(self, turn: Turn, status: int, headers: Sequence[tuple[bytes, bytes]], content: bytes) -> bool:
        """Learn from a response; whether no other try can mend it."""
        self._known = True
        if status == 429 and _quota_is_used_up(content):
            self._pace.abandon(turn)
            return True
        told = {
            name.lower().decode("latin-1"): value.decode("latin-1")
            for name, value in headers
            if name.lower().startswith(_TOLD)
        }
        self._pace.leave(turn, status, told)
        return False

    def _tell(self, error: Exception) -> None:
        """Say once that nothing comes from the address: the SDK tries for a minute or more, and is silent about it."""
        if not self._known:
            self._known = True
            said = self._line(str(error)) or type(error).__name__
            _log.warning("selfinstruct: no answer from %s yet: %s", self._home, said)


def _quota_is_used_up(content: bytes) -> bool:
    """Whether a 429 means that there is nothing left to spend: no waiting mends that."""
    try:
        error = json.loads(content)["error"]
        return error.get("code") in QUOTA or error.get("type") in QUOTA
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return False
