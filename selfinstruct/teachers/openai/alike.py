"""The short way of a question: what is alike in all of them is made once, and aiohttp sends it.

Imported only when a teacher is made, as it imports HTTP clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import httpx2
from multidict import CIMultiDict

from .bodies import Received, whole_of


@dataclass(frozen=True, slots=True)
class Alike:
    """What all requests to one path have in common: address, headers and time limits of the one that the SDK built.

    how: options for aiohttp, which is to do nothing on its own.
    """

    first: httpx2.Request
    url: str
    how: Mapping[str, Any]

    @classmethod
    def to(cls, request: httpx2.Request) -> Alike:
        """Alike to `request`, whatever its body."""
        headers = CIMultiDict(request.headers.multi_items())
        headers.pop("content-length", None)
        limits: Mapping[str, float | None] = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            sock_connect=limits.get("connect"), sock_read=limits.get("read"), connect=limits.get("pool")
        )
        how = {"headers": headers, "timeout": timeout, "allow_redirects": False, "auto_decompress": False}
        return cls(request, str(request.url), how)

    def request(self, content: bytes) -> httpx2.Request:
        """The request with this body, for the SDK and its client."""
        first, headers = self.first, list(self.how["headers"].items())
        return httpx2.Request(first.method, first.url, headers=headers, content=content, extensions=first.extensions)


async def post(session: aiohttp.ClientSession, alike: Alike, content: bytes) -> Received:
    """Send `alike` with this body. Raises httpx2's errors, as the SDK knows them, and TooLarge."""
    try:
        async with session.post(alike.url, data=content, **alike.how) as response:
            return await whole_of(response)
    except aiohttp.ClientResponseError:  # no HTTP at all: the SDK's own transport hands it on as it is, too
        raise
    except aiohttp.ClientError as error:
        raise _for_the_sdk(error) from error


def _for_the_sdk(error: aiohttp.ClientError) -> Exception:
    """aiohttp's error as httpx2's, by which the SDK tells apart that nothing came in time and that nothing came."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectTimeout(str(error))
    if isinstance(error, aiohttp.ServerTimeoutError):
        return httpx2.ReadTimeout(str(error))
    if isinstance(error, aiohttp.ClientConnectionError):
        return httpx2.ConnectError(str(error))
    return httpx2.ReadError(str(error))
