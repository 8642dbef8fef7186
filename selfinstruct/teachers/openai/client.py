"""The HTTP client of the OpenAI teacher: the `openai` SDK over a transport of our own.

`TeacherClient` asks questions, and holds the SDK's client for batch jobs and files. Importing this module loads the
HTTP libraries, so it's imported only when a teacher is made.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx2
import openai

from ...core.errors import ConfigError
from ...core.network import find_proxy
from ..egress import invalid_address, on_this_machine
from ..limits import Limits, Turn
from .answer_body import brief
from .masking import SecretMask
from .options import PUBLIC_API, OpenAIOptions
from .transport import QUESTION, LimitedTransport, SdkRequest, options_of

_ATTEMPT_TIMEOUTS = 5
"""One attempt takes at most this many times `timeout_s`, which is the longest silence within it."""
_SPARE_CONNECTIONS = 8


class TeacherClient:
    """Asks one server, with the SDK's retries, backoff and errors. `sdk` is the SDK's client, for other endpoints.

    Building a request and parsing its response in the SDK takes more than twice the CPU time of sending it, which would
    slow down a run by a third (benchmarks/loop.py measures both). So the first attempt goes straight to the transport,
    with the headers that the SDK would send. If it brings no answer, `ask` makes the request through the SDK, and the
    transport returns the outcome of that attempt to the SDK's own first attempt, without sending again. So the SDK
    alone decides whether and when to retry, and which error to raise.
    """

    def __init__(
        self,
        config: OpenAIOptions,
        key: str,
        secrets: Iterable[str],
        limits: Limits,
        *,
        headers: Mapping[str, str],
        concurrency: int,
        direct: bool,
    ) -> None:
        """Open nothing yet. A server on this machine is always asked directly.

        Args:
            config: the teacher's address, timeout and retries.
            key: the API key.
            secrets: what to mask in responses, beside the key and the proxy's password.
            limits: decides when a request may leave, and learns how it ended.
            headers: further headers of every request.
            concurrency: questions in flight.
            direct: ignore the environment's proxies.

        Raises:
            ConfigError: the address isn't a URL, or the environment names an unusable proxy or unusable certificates.
        """
        try:
            home = httpx2.URL(config.address or PUBLIC_API)
        except httpx2.InvalidURL as error:
            raise invalid_address(error) from None
        if home.userinfo or home.query:
            raise ConfigError(
                "$OPENAI_BASE_URL: must not contain a user, password, or query; put the key into its variable"
            )
        # Requests go to one origin only, so one transport with one proxy setting is enough.
        proxy = None if direct or on_this_machine(home.host) else find_proxy(str(home))
        attempt_s, connections = _ATTEMPT_TIMEOUTS * config.timeout_s, concurrency + _SPARE_CONNECTIONS
        self.mask = SecretMask([key, *secrets, *_password_of(proxy)])
        self._transport = LimitedTransport(home, limits, self.mask, attempt_s, connections, proxy, config.streams)
        self._timeout_s = config.timeout_s
        timeout = httpx2.Timeout(config.timeout_s, connect=min(config.connect_timeout_s, config.timeout_s))
        self._http = httpx2.AsyncClient(transport=self._transport, timeout=timeout, follow_redirects=True)
        self.sdk = openai.AsyncOpenAI(
            api_key=key,
            base_url=config.address or PUBLIC_API,
            timeout=timeout,
            max_retries=config.max_retries,
            default_headers=headers,
            http_client=self._http,
        )
        self._options: dict[str, dict[str, Any]] = {}
        self.is_unreachable = self._transport.is_unreachable

    async def ask(self, path: str, body: dict[str, Any], turn: Turn, headers: Mapping[str, str]) -> object:
        """POST `body`, with the SDK's retries, and return the JSON value of the response, or its text if it isn't JSON.

        Args:
            path: the endpoint, such as /chat/completions.
            body: a JSON object.
            turn: the question that asks, for the limiter.
            headers: further headers of this kind of question.

        Raises:
            openai.APIError: the SDK's errors, after its retries. `error_of` reads their response.
            ValueError: a response that says it is JSON, and isn't.
            TimeoutError, aiohttp.ClientResponseError, TooLarge: as in `LimitedTransport.attempt`.
        """
        name = f"{path} {turn.kind}"
        options = self._options.get(name)
        if options is None:
            options = self._options[name] = self._options_for(path, headers)
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

        # First attempt, without the SDK. Let the SDK go on from anything but an answer.
        first: httpx2.Response | httpx2.RequestError
        try:
            first = await self._transport.attempt(turn, options, content)
        except httpx2.RequestError as error:
            if isinstance(error, httpx2.ConnectTimeout) and self.is_unreachable(error):
                raise  # the host is silent: further attempts would take as long, and end in the same way
            first = error
        if isinstance(first, httpx2.Response) and first.status_code == 200:
            return _body_of(first)
        before = QUESTION.set(SdkRequest(turn, headers, first))
        try:
            return _body_of(await self.sdk.post(path, body=body, cast_to=httpx2.Response))
        finally:
            QUESTION.reset(before)

    def _options_for(self, path: str, extra: Mapping[str, str]) -> dict[str, Any]:
        """What aiohttp needs to POST to `path`, without the body: the same for every question of a kind."""
        sdk = self.sdk
        headers = httpx2.Headers(sdk.auth_headers)
        headers.update({name: value for name, value in sdk.default_headers.items() if isinstance(value, str)})
        headers.update(extra)
        headers.update({"x-stainless-retry-count": "0", "x-stainless-read-timeout": str(self._timeout_s)})
        request = self._http.build_request("POST", f"{str(sdk.base_url).rstrip('/')}{path}", headers=headers)
        del request.headers["content-length"]  # 0, as there is no body yet
        return options_of(request)


def _body_of(response: httpx2.Response) -> object:
    """The JSON value of a response, or its text. Raises ValueError if it should be JSON, and isn't."""
    body: object = response.extensions["body"]
    if isinstance(body, str) and response.headers.get("content-type", "").partition(";")[0].endswith("json"):
        raise ValueError(brief(body) or "an empty body")
    return body


def _password_of(proxy: str | None) -> list[str]:
    """The password in a proxy's URL, as written there and as sent."""
    parts = urlsplit(proxy or "")
    sent = base64.b64encode(f"{unquote(parts.username or '')}:{unquote(parts.password or '')}".encode()).decode()
    return [parts.password, unquote(parts.password), sent] if parts.password else []
