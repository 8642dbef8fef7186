"""The HTTP client under the `openai` SDK, with bounds: how large a body may be, and where a request may go.

A request goes to the origin (scheme, host, port) of the teacher's address or nowhere: no redirect leads it
elsewhere. Imported only when a teacher is made, as it imports `openai`.
"""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import httpx2
import openai

from ...core.errors import TeacherRefused
from ..egress import no_address, on_this_machine
from .alike import Alike, post
from .bodies import MAX_BODY_BYTES, MAX_FILE_BYTES, Received, whole


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
        response = await super().send(request, stream=True, **options)
        if stream:
            return response
        most = MAX_FILE_BYTES if request.url.path.endswith("/content") else MAX_BODY_BYTES
        received = await whole(response, most)
        return received.response(response.request)

    async def first_try(self, alike: Alike, content: bytes) -> Received:
        """What `send(alike.request(content))` gives, by way of the transport's session alone where that is enough.

        The client's way there leads past cookies and credentials, of which a teacher has none, and takes longer than
        sending. With a proxy, or on from a redirect, it is taken.
        """
        session = self._session_to(alike.first.url)
        if session is None:
            onward = alike.request(content)
        else:
            received = await post(session, alike, content)
            if not 300 <= received.status_code < 400:
                return received
            response = received.response(alike.request(content))
            if not response.has_redirect_location:
                return received
            onward = self._build_redirect_request(response.request, response)
        answer = await BoundedClient.send(self, onward)
        return Received(answer.status_code, answer.headers.raw, answer.content)

    def _session_to(self, url: httpx2.URL) -> aiohttp.ClientSession | None:
        """The session of the transport that leads there; None through a proxy, or if it has none any more."""
        transport: Any = self._transport_for_url(url)
        if not hasattr(transport, "get_client") or transport.proxy is not None:
            return None
        if not isinstance(transport.client, aiohttp.ClientSession):
            transport.client = transport.get_client()
        session: aiohttp.ClientSession = transport.client
        return session

    async def _stay(self, request: httpx2.Request) -> None:
        """Before every request, those of a redirect included."""
        if _origin(request.url) != _origin(self._home):
            place = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"[:120]
            raise TeacherRefused(
                f"{self._home}: the server sends its requests on to {place}; nothing was sent there; "
                "if that is the teacher, put its address into teacher.base_url"
            )


def _trust_nobody() -> ssl.SSLContext:
    """For where nothing is encrypted: whom the world trusts would be loaded for nothing, at every start."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    ports = {"http": 80, "https": 443}
    return url.scheme, url.host, url.port or ports.get(url.scheme)
