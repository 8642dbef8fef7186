"""The HTTP client under the `openai` SDK, with bounds: how large a body may be, and where a request may go.

A request goes to the origin (scheme, host, port) of the teacher's address or nowhere: no redirect leads it
elsewhere. Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx2
import openai

from ..errors import TeacherRefused
from .egress import no_address, on_this_machine

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body that is read, unpacked: some six times what the longest answers of today's models take."""
MAX_FILE_BYTES = 2 * 1024 * 1024 * 1024
"""The same for the content of a file, which holds the answers of a whole batch: 50,000 of 40 kB each."""
_PACKING = ("content-encoding", "content-length", "transfer-encoding")


class TooLarge(Exception):
    """A body above the bound; nothing of it is kept."""


class BoundedClient(openai.DefaultAioHttpClient):
    """The SDK's aiohttp transport: its default one walks the whole pool for every request.

    base_url: the teacher's address. direct: without the environment's proxies; a server on this machine is never asked
    through one. Requests raise TooLarge and TeacherRefused (a redirect that leads away). Raises ConfigError.
    """

    def __init__(self, base_url: str, *, timeout_s: float, concurrency: int, direct: bool = False) -> None:
        try:
            self._home = httpx2.URL(base_url)
        except httpx2.InvalidURL as error:
            raise no_address(error) from None
        direct = direct or on_this_machine(self._home.host)
        super().__init__(
            timeout=httpx2.Timeout(timeout_s),
            limits=httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8),
            event_hooks={"request": [self._stay]},
            verify=_trust_nobody() if direct and self._home.scheme == "http" else httpx2.create_ssl_context(),
            trust_env=not direct,
        )

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send, and read the body up to the bound."""
        if stream or options:
            response = await super().send(request, stream=True, **options)
        else:
            response = await self._straight(request)
        if stream:
            return response
        most = MAX_FILE_BYTES if request.url.path.endswith("/content") else MAX_BODY_BYTES
        packed = "content-encoding" in response.headers
        body = await _read(response, response.aiter_bytes() if packed else response.stream, most)
        headers = response.headers.copy()
        for name in _PACKING if packed else ():
            headers.pop(name, None)
        return httpx2.Response(response.status_code, headers=headers, content=body, request=response.request)

    async def _straight(self, request: httpx2.Request) -> httpx2.Response:
        """The response to come, by way of the transport alone; a redirect by way of the client, which follows it.

        The client's way there leads past cookies and credentials, of which a teacher has none.
        """
        await self._stay(request)
        response = await self._transport_for_url(request.url).handle_async_request(request)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        return await super().send(self._build_redirect_request(request, response), stream=True)

    async def _stay(self, request: httpx2.Request) -> None:
        """Before every request, those of a redirect included."""
        if _origin(request.url) != _origin(self._home):
            place = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"[:120]
            raise TeacherRefused(
                f"{self._home}: the server sends its requests on to {place}; nothing was sent there; "
                "if that is the teacher, put its address into teacher.base_url"
            )


def _trust_nobody() -> ssl.SSLContext:
    """For where nothing is encrypted: to load whom the world trusts takes a fifth of a start."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


async def _read(response: httpx2.Response, parts: Any, most: int) -> bytes:
    body = bytearray()
    try:
        async for part in parts:
            body += part
            if len(body) > most:
                raise TooLarge(f"more than {most / 1e6:.1f} MB came back")
    finally:
        await response.aclose()
    return bytes(body)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    ports = {"http": 80, "https": 443}
    return url.scheme, url.host, url.port or ports.get(url.scheme)
