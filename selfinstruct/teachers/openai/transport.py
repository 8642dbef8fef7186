"""Sends the single HTTP requests of the OpenAI teacher, with aiohttp, and cleans every response.

`LimitedTransport` sends first attempts, the SDK's retries, and each step of a redirect. Before anything else reads a
response, its secrets are masked, and an error with status 200 gets the status that it names.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import httpx2
from multidict import CIMultiDict

from ...core.errors import TeacherRefused
from ...core.network import tls_context
from ..limits import Limits, Turn
from ..limits.headers import seconds_of
from ..protocol import METER, may_be_billed
from .answer_body import decode
from .masking import SecretMask
from .server_error import ServerError, read_error
from .streamed_answer import MAX_BODY_BYTES, PACKING, StreamedAnswer, TooLarge

_log = logging.getLogger(__name__)

MAX_FILE_BYTES = 2 * 1024 * 1024 * 1024
"""Largest body of a file with the results of a batch job: 50,000 answers of 40 kB each."""
_KEEP_ALIVE_S = 5.0
"""Not after streams: llama.cpp closes the connection then without announcing it, and the next request would fail."""
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_NOT_SENT = (*_NO_CONNECTION, aiohttp.ClientHttpProxyError)
"""Failures before any of the request was sent: no address, connection refused, no TLS, no way through the proxy."""
_RATE_HEADERS = (b"retry-after", b"x-ratelimit-")


@dataclass(slots=True)
class SdkRequest:
    """A question that the SDK takes over.

    headers: further headers, which the SDK doesn't know: its debug log would show them. first: the outcome of the first
    attempt, until the SDK has received it.
    """

    turn: Turn
    headers: Mapping[str, str]
    first: httpx2.Response | httpx2.RequestError | None


QUESTION: ContextVar[SdkRequest | None] = ContextVar("QUESTION", default=None)
"""The question that the SDK is asking in this context; None for batch jobs and files, which skip the rate limiter.
It's a context variable because the SDK has no parameter that it would pass on to the transport."""


class LimitedTransport(httpx2.AsyncBaseTransport):
    """Sends single HTTP requests to one server, when the rate limiter allows it."""

    def __init__(
        self,
        home: httpx2.URL,
        limits: Limits,
        mask: SecretMask,
        attempt_s: float,
        connections: int,
        proxy: str | None,
        streams: bool,
    ) -> None:
        """Open nothing yet. Requests to another origin (scheme, host, port) than that of `home` are refused.

        attempt_s: longest time for a whole attempt: a response that drips forever never runs into a timeout.
        connections: the most open connections. proxy: a proxy's URL, or None to connect directly. streams: whether
        answers are requested as streams.
        """
        self._home, self._limits, self._mask, self._attempt_s = home, limits, mask, attempt_s
        self._connections, self._proxy, self._streams = connections, proxy, streams
        # Loading CA certificates costs start-up time, and plain HTTP needs none.
        is_encrypted = home.scheme == "https" or (proxy or "").startswith("https:")
        own = tls_context() if is_encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._tls = own or httpx2.create_ssl_context()
        self._session: aiohttp.ClientSession | None = None
        self._warns = True  # until the server has answered, or the warning was given
        self._has_answered = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request of the SDK's, or return what its first attempt has brought.

        Raises TeacherRefused for a redirect to another origin, and what `attempt` raises.
        """
        if request.url.origin != self._home.origin:
            place = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"[:120]
            raise TeacherRefused(
                f"{self._home}: the server sends its requests on to {place}; nothing was sent there; "
                "if that is the teacher, put its address into teacher.base_url"
            )
        question = QUESTION.get()
        if question is not None and question.first is not None:
            first, question.first = question.first, None
            if isinstance(first, httpx2.Response):
                return first
            raise first
        try:
            data: object = request.content or None
        except httpx2.RequestNotRead:  # a file's upload, or a request that was redirected
            data = request.stream
        if question is None:
            return await self._send(options_of(request), data)
        request.headers.update(question.headers)
        return await self.attempt(question.turn, options_of(request), data)

    async def attempt(self, turn: Turn, options: dict[str, Any], data: object) -> httpx2.Response:
        """Reserve, wait for the turn, send, and report the outcome to the limiter and the question's meter.

        An answer that arrives as a stream is returned as if it had come in one piece. If it may be cut off, what has
        arrived is returned when its time is over, or when the meter says so.

        Args:
            turn: the question that asks.
            options: for aiohttp, as of `options_of`.
            data: the body.

        Raises:
            httpx2.RequestError: no response. The SDK retries it.
            TimeoutError: no whole response within `attempt_s`.
            aiohttp.ClientResponseError: the server doesn't speak HTTP.
            TooLarge: the body exceeds its bound.
        """
        meter = METER.get()
        await meter.begin()
        await self._limits.enter(turn)
        meter.leave()
        limit = asyncio.timeout(self._attempt_s)
        streamed = StreamedAnswer(meter, limit, turn.cut_after_s)
        try:
            try:
                async with limit:
                    response = await self._send(options, data, streamed)
            except TimeoutError:
                if turn.cut_after_s is None or not streamed.has_begun:
                    raise
                response = self._cleaned(streamed.response(cut=True), is_question=True)
        except (TimeoutError, httpx2.HTTPError, aiohttp.ClientError, OSError) as error:
            self._limits.leave(turn, None)
            meter.end(billed=not isinstance(error.__cause__, _NOT_SENT))
            self._warn_once(error)
            raise
        except TooLarge:
            self._limits.leave(turn, 200)
            raise
        except BaseException:
            self._limits.abandon(turn)
            raise
        self._learn(turn, response)
        if not response.is_success:
            meter.end(billed=_may_be_billed(response))
        return response

    def is_unreachable(self, error: BaseException) -> bool:
        """Whether `error` is a connection that failed to a server that hasn't answered yet."""
        return isinstance(error.__cause__, _NO_CONNECTION) and not self._has_answered

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _send(self, options: dict[str, Any], data: object, into: StreamedAnswer | None = None) -> httpx2.Response:
        """Send, and return the cleaned response. into: reads the answer to a question if it is a stream."""
        # The session only sends and receives: redirects, cookies and decompression are httpx2's. It needs a running
        # event loop, which __init__ may not have.
        if self._session is None:
            kept_s = None if self._streams else _KEEP_ALIVE_S
            connector = aiohttp.TCPConnector(
                limit=self._connections, keepalive_timeout=kept_s, force_close=self._streams, ssl=self._tls
            )
            jar = aiohttp.DummyCookieJar()
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, auto_decompress=False)
        try:
            async with self._session.request(**options, data=data, proxy=self._proxy) as response:
                self._has_answered = True
                return self._cleaned(await _read(response, into), is_question=into is not None)
        except aiohttp.ClientError as error:
            if isinstance(error, aiohttp.ClientResponseError) and not isinstance(error, aiohttp.ClientHttpProxyError):
                raise  # this server doesn't speak HTTP; a retry won't help
            raise _as_httpx_error(error) from error

    def _cleaned(self, response: httpx2.Response, *, is_question: bool) -> httpx2.Response:
        """The response without secrets, and with the status that its body names: some servers send errors with 200."""
        content, raw = self._mask.body(response.content), response.headers.multi_items()
        values = "\n".join(value for _, value in raw)
        if content is not response.content or self._mask.text(values) != values:
            headers = [(name, self._mask.text(value)) for name, value in raw if name.encode() not in PACKING]
            response = httpx2.Response(response.status_code, headers=headers, content=content)
        body = response.extensions["body"] = decode(content) if len(content) <= MAX_BODY_BYTES else ""
        fields = body if isinstance(body, Mapping) else {}
        # An answer has choices; a file or a batch job has an id, and may have an error of its own.
        is_broken = response.is_error or not (fields.get("choices") if is_question else "id" in fields or not fields)
        error = read_error(response.status_code, body) if is_broken and not response.is_redirect else None
        if error is not None:
            response.extensions["error"] = error
            response.status_code = error.status
            if error.is_final:
                response.headers["x-should-retry"] = "false"
            if error.retry_after and "retry-after" not in response.headers:
                response.headers["retry-after"] = str(seconds_of(error.retry_after) or 0)
        return response

    def _learn(self, turn: Turn, response: httpx2.Response) -> None:
        self._warns = False
        # Retry-After: 30, x-ratelimit-remaining-tokens: 149984. The limiter wants names in lower case.
        headers = {
            name.lower().decode("latin-1"): value.decode("latin-1")
            for name, value in response.headers.raw
            if name.lower().startswith(_RATE_HEADERS)
        }
        self._limits.leave(turn, response.status_code, headers)

    def _warn_once(self, error: Exception) -> None:
        """Name a dead address at the first failure. The SDK retries silently for a minute or more."""
        if self._warns:
            self._warns = False
            reason = self._mask.line(str(error)) or type(error).__name__
            _log.warning("selfinstruct: no answer from %s yet: %s", self._home, reason)


def options_of(request: httpx2.Request) -> dict[str, Any]:
    """What aiohttp needs to send `request`, without the body."""
    limits: dict[str, float | None] = request.extensions["timeout"]
    timeout = aiohttp.ClientTimeout(connect=limits["pool"], sock_connect=limits["connect"], sock_read=limits["read"])
    headers = CIMultiDict(request.headers.multi_items())
    url = str(request.url)
    return {"method": request.method, "url": url, "headers": headers, "timeout": timeout, "allow_redirects": False}


async def _read(response: aiohttp.ClientResponse, into: StreamedAnswer | None) -> httpx2.Response:
    """The whole response, decompressed. Raises TooLarge when its body exceeds the bound."""
    if into is not None and response.content_type == "text/event-stream":
        return await into.read(response)
    most = MAX_FILE_BYTES if response.url.path.endswith("/content") else MAX_BODY_BYTES
    headers, parts = response.raw_headers, cast(AsyncIterator[bytes], response.content.iter_any())
    if "content-encoding" in response.headers:
        # httpx2 decompresses 16 kB at a time: a small body can't grow to gigabytes before its size is checked.
        packed = httpx2.Response(response.status, headers=headers, content=response.content.iter_chunked(16_384))
        headers, parts = tuple(pair for pair in headers if pair[0].lower() not in PACKING), packed.aiter_bytes()
    # Measure what has come, as a Content-Length may be missing or wrong.
    body = bytearray()
    async for part in parts:
        body += part
        if len(body) > most:
            raise TooLarge(f"more than {most / 1e6:.1f} MB came back")
    return httpx2.Response(response.status, headers=headers, content=bytes(body))


def _as_httpx_error(error: aiohttp.ClientError) -> httpx2.RequestError:
    """The error that the SDK knows: it tells timeouts from other failures, and retries both."""
    if isinstance(error, aiohttp.ClientHttpProxyError):  # its text has the proxy's URL, which may hold a password
        return httpx2.ProxyError(f"the proxy answered {error.status} {error.message}")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        reason = getattr(error.certificate_error, "verify_message", error.certificate_error)
        return httpx2.ConnectError(f"certificate: {reason}; to trust it, name its file in $SSL_CERT_FILE")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectTimeout(str(error))
    if isinstance(error, aiohttp.ServerTimeoutError):
        return httpx2.ReadTimeout(str(error))
    if isinstance(error, aiohttp.ClientConnectionError):
        return httpx2.ConnectError(str(error))
    return httpx2.ReadError(str(error))


def _may_be_billed(response: httpx2.Response) -> bool:
    """Whether a provider may bill a response that is no answer: it says so, or Azure's filter has read the prompt."""
    error, body = response.extensions.get("error"), response.extensions["body"]
    is_filter = isinstance(error, ServerError) and error.is_filter
    return may_be_billed(response.status_code) or is_filter or (isinstance(body, Mapping) and bool(body.get("usage")))
