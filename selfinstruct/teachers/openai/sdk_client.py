"""The SDK's client, with a shorter way for what goes well: no detour through it before a first answer, nor after.

Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import Any

import httpx2
import openai
from pydantic_core import to_json

from .alike import Alike
from .bounded_client import BoundedClient

_TRIED: ContextVar[httpx2.Response | Exception | None] = ContextVar("TRIED", default=None)
"""What became of a first try; for the SDK, which goes on from there."""


class AsyncOpenAI(openai.AsyncOpenAI):
    """The SDK's class, its name included, which the server is told: its retries, back-off, headers and errors.

    For every request it copies its options several times and builds address and headers anew from their parts; it takes
    longer than sending. All questions to one path have these in common, so the first one, which the SDK builds, is
    taken again with another body. Where that doesn't bring an answer, the SDK is handed what it brought as its own
    first try: whether there is another one, when, and which error it ends with is for the SDK alone to say.
    """

    def __init__(self, *, http_client: BoundedClient, **options: Any) -> None:
        super().__init__(http_client=http_client, **options)
        self._http = http_client
        self._alike: dict[str, Alike] = {}

    async def ask(self, path: str, body: dict[str, Any]) -> Any:
        """What `post(path, body=body, cast_to=object)` gives and raises."""
        alike = self._alike.get(path)
        if alike is None:
            return await self.post(path, body=body, cast_to=object)
        content = to_json(body)
        tried: httpx2.Response | Exception
        try:
            received = await self._http.first_try(alike, content)
        except Exception as error:
            tried = error
        else:
            if received.status_code == 200 and received.is_json:
                return json.loads(received.content)
            tried = received.response(alike.request(content))
        before = _TRIED.set(tried)
        try:
            return await self.post(path, body=body, cast_to=object)
        finally:
            _TRIED.reset(before)

    def _build_request(self, options: Any, *, retries_taken: int = 0) -> httpx2.Request:
        request = super()._build_request(options, retries_taken=retries_taken)
        if options.method == "post" and not retries_taken and options.url not in self._alike:
            self._alike[options.url] = Alike.to(request)
        return request

    async def _send_request(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The SDK's try. It calls this name of its own; if it ceases to, it tries once more than it would."""
        tried = _TRIED.get()
        _TRIED.set(None)
        if tried is None:
            return await super()._send_request(request, **options)
        if isinstance(tried, Exception):
            raise tried
        return tried
