"""The HTTP client under the `openai` SDK, with bounds: how large a body may be, and where a request may go.

A request goes to the origin (scheme, host, port) of the teacher's address or nowhere: no redirect leads it
elsewhere. Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

from typing import Any

import httpx2
import openai

from ..errors import TeacherRefused
from .egress import no_address, on_this_machine

MAX_BODY_BYTES = 4 * 1024 * 1024
"""The largest body that is read, unpacked: some six times what the longest answers of today's models take."""
MAX_FILE_BYTES = 2 * 1024 * 1024 * 1024
"""The same for the content of a file, which holds the answers of a whole batch: 50,000 of 40 kB each."""
_PACKING = (b"content-encoding", b"content-length", b"transfer-encoding")


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
        super().__init__(
            timeout=httpx2.Timeout(timeout_s),
            limits=httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8),
            event_hooks={"request": [self._stay]},
            verify=httpx2.create_ssl_context(),
            trust_env=not (direct or on_this_machine(self._home.host)),
        )

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send, and read the body up to the bound."""
        response = await super().send(request, stream=True, **options)
        if stream:
            return response
        most = MAX_FILE_BYTES if request.url.path.endswith("/content") else MAX_BODY_BYTES
        body = await _read(response, most)
        headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _PACKING]
        return httpx2.Response(response.status_code, headers=headers, content=body, request=response.request)

    async def _stay(self, request: httpx2.Request) -> None:
        """Before every request, those of a redirect included."""
        if _origin(request.url) != _origin(self._home):
            place = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"[:120]
            raise TeacherRefused(
                f"{self._home}: the server sends its requests on to {place}; nothing was sent there; "
                "if that is the teacher, put its address into teacher.base_url"
            )


async def _read(response: httpx2.Response, most: int) -> bytes:
    body = bytearray()
    packed = "content-encoding" in response.headers
    try:
        async for part in response.aiter_bytes() if packed else response.aiter_raw():
            body += part
            if len(body) > most:
                raise TooLarge(f"more than {most / 1e6:.1f} MB came back")
    finally:
        await response.aclose()
    return bytes(body)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    ports = {"http": 80, "https": 443}
    return url.scheme, url.host, url.port or ports.get(url.scheme)
