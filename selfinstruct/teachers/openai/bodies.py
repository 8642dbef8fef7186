"""Responses as values, their bodies bounded: read and unpacked a little at a time, and given up when too large.

Imported only when a teacher is made, as it imports HTTP clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import httpx2

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body that is read, unpacked: some six times what the longest answers of today's models take."""
MAX_FILE_BYTES = 2 * 1024 * 1024 * 1024
"""The same for the content of a file, which holds the answers of a whole batch: 50,000 of 40 kB each."""
NOT_AGAIN = (b"x-should-retry", b"false")
"""Tells the SDK that another try mends nothing."""
_PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")


class TooLarge(Exception):
    """A body above the bound; nothing of it is kept."""


@dataclass(frozen=True, slots=True)
class Received:
    """A response, whole and unpacked. headers: as they came, names in any case."""

    status_code: int
    headers: Sequence[tuple[bytes, bytes]]
    content: bytes

    @property
    def is_json(self) -> bool:
        """Whether it says that it is JSON, as the SDK reads that."""
        for name, value in self.headers:
            if name.lower() == b"content-type":
                return value.partition(b";")[0].strip().endswith(b"json")
        return False

    def not_again(self) -> Received:
        """The same, but not to be tried again."""
        others = (pair for pair in self.headers if pair[0].lower() != NOT_AGAIN[0])
        return replace(self, headers=(*others, NOT_AGAIN))

    def response(self, request: httpx2.Request) -> httpx2.Response:
        """It, for the SDK."""
        return httpx2.Response(self.status_code, headers=list(self.headers), content=self.content, request=request)


async def whole(response: httpx2.Response, most: int) -> Received:
    """A response of httpx2, its body read and unpacked up to `most` bytes. Raises TooLarge."""
    packed = "content-encoding" in response.headers
    try:
        body = await _read(response.aiter_bytes() if packed else response.stream, most)
    finally:
        await response.aclose()
    headers = response.headers.raw
    if packed:
        headers = [pair for pair in headers if pair[0].lower() not in _PACKING]
    return Received(response.status_code, headers, body)


async def whole_of(response: aiohttp.ClientResponse) -> Received:
    """The same of one of aiohttp, up to MAX_BODY_BYTES."""
    if "content-encoding" in response.headers:
        stream, raw = _Stream(response), list(response.raw_headers)
        return await whole(httpx2.Response(response.status, headers=raw, stream=stream), MAX_BODY_BYTES)
    body = await _read(response.content.iter_any(), MAX_BODY_BYTES)
    return Received(response.status, response.raw_headers, body)


class _Stream(httpx2.AsyncByteStream):
    """A body of aiohttp's, for httpx2 to unpack a little at a time."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.content.iter_chunked(16_384):
            yield part


async def _read(parts: Any, most: int) -> bytes:
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > most:
            raise TooLarge(f"more than {most / 1e6:.1f} MB came back")
    return bytes(body)
