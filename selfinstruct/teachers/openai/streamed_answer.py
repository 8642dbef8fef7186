"""Puts an answer together that a server sends piece by piece, as server-sent events.

The result is the body that the server would have sent in one piece, so nothing else knows of streams. `transport` uses
this module for every response of the type text/event-stream.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import httpx2

from ..protocol import Meter
from .answer_body import GENERATED, decode, generated

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Largest response body after decompression: about six times the longest answer of today's models."""
PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")
_JOIN_EVERY = 256
"""Events that are kept one by one before they are joined. Each takes some 500 bytes, for a token of four."""


class TooLarge(Exception):
    """A response body exceeds its bound; the rest isn't read."""


class StreamedAnswer:
    """The answer to one request, as far as it has arrived."""

    def __init__(self, meter: Meter, limit: asyncio.Timeout, cut_after_s: float | None) -> None:
        """Hold nothing yet.

        Args:
            meter: learns how much has arrived, and how to end the answer early.
            limit: ends the request. For an answer that may be cut off, it is set to `cut_after_s` at the first token.
            cut_after_s: seconds, or infinity; None if the answer must not be cut off.
        """
        self._meter, self._limit, self._cut_after_s = meter, limit, cut_after_s
        self._headers: list[tuple[bytes, bytes]] = []
        self._events: list[dict[str, Any]] = []
        self.has_begun = False  # whether any text has arrived

    async def read(self, response: aiohttp.ClientResponse) -> httpx2.Response:
        """Return the whole response, with one JSON body.

        Raises TooLarge, and httpx2.RequestError if the stream ends before the answer does.
        """
        pairs = [(name.lower(), value) for name, value in response.raw_headers]
        self._headers = [pair for pair in pairs if pair[0] not in (*PACKING, b"content-type")]
        parts, request = response.content.iter_chunked(16_384), httpx2.Request("POST", str(response.url))
        packed = httpx2.Response(response.status, headers=pairs, content=parts, request=request)
        is_over = False
        try:
            async for event in httpx2.EventSource(packed, max_event_size=MAX_BODY_BYTES):
                if event.data.strip() == "[DONE]":
                    return self.response()
                value = decode(event.data)
                if not isinstance(value, dict):
                    return self._response(event.data)
                # Without choices, an error is what any other response with it is, and may be retried.
                if value.get("error") or event.event == "error":
                    return self._response(json.dumps(value | {"choices": None}))
                is_over |= self._add(value)
        except httpx2.SSEError as error:
            raise TooLarge(str(error)) from None
        if not is_over:
            raise httpx2.RemoteProtocolError("the stream ended before the answer did")
        return self.response()

    def _add(self, event: dict[str, Any]) -> bool:
        """Keep an event; return whether it is the last with a part of the answer."""
        # {"choices": [{"delta": {"content": " the"}, "finish_reason": null}]}, or {"text": " the"} in the choice
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        if "delta" in choice:
            choice = {"message": choice.pop("delta"), **choice}
        self._events.append(event | {"choices": choice or None})
        if len(self._events) > _JOIN_EVERY:
            self._events = [_joined(self._events)]
            self.response()  # raises TooLarge
        if any(generated([choice])):
            if self._cut_after_s is None:
                self._meter.receive(1, None)
            else:
                if not self.has_begun:
                    when, now = self._limit.when(), asyncio.get_running_loop().time()
                    self._limit.reschedule(min(now + self._cut_after_s, when or now))
                self._meter.receive(1, self._limit)
            self.has_begun = True
        return bool(choice.get("finish_reason"))

    def response(self, *, cut: bool = False) -> httpx2.Response:
        """Return a response with what has arrived. cut: as an answer that reached its token limit. Raises TooLarge."""
        body = _joined([*self._events, *([{"choices": {"finish_reason": "length"}}] if cut else ())]) or {}
        choice = body.get("choices")
        content = json.dumps(body | {"choices": [choice] if choice else []})
        if len(content) > MAX_BODY_BYTES:
            raise TooLarge(f"more than {MAX_BODY_BYTES / 1e6:.1f} MB came back")
        return self._response(content)

    def _response(self, content: str) -> httpx2.Response:
        return httpx2.Response(200, headers=[*self._headers, (b"content-type", b"application/json")], content=content)


def _joined(values: list[Any], name: str = "") -> Any:
    """What the values of a field in consecutive events make: texts and lists in a row, else the last one that is set.

    [{"role": "assistant", "content": "A"}, {"content": " cat"}] -> {"role": "assistant", "content": "A cat"}
    """
    values = [value for value in values if value is not None]
    if not values:
        return None
    if all(isinstance(value, dict) for value in values):
        fields = dict.fromkeys(field for value in values for field in value)
        return {field: _joined([value[field] for value in values if field in value], field) for field in fields}
    if name in GENERATED and all(isinstance(value, str) for value in values):
        return "".join(values)
    if name in GENERATED:  # parts of a content, and plain text after them
        values = [[{"type": "text", "text": value}] if isinstance(value, str) else value for value in values]
    if not all(isinstance(value, list) for value in values):
        return values[-1]
    # [{"type": "thinking", "thinking": "Okay"}], [{"type": "thinking", "thinking": ", so"}]: one part, of one type
    parts: list[Any] = []
    for part in (part for value in values for part in value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind and parts and isinstance(parts[-1], dict) and parts[-1].get("type") == kind:
            parts[-1] = _joined([parts[-1], part])
        else:
            parts.append(part)
    return parts
