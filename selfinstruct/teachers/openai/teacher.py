"""The teacher for any server that speaks OpenAI's HTTP protocol.

Retries, backoff and error types are those of the `openai` SDK (see `client`). Bodies are plain JSON instead of the
SDK's typed models, and `answer_body` parses them tolerantly.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from ...core.errors import ConfigError, TeacherDown, TeacherRefused
from ...core.prompts import Asking, Completion, Prompt, Usage
from ..counting import bound_of, charge
from ..egress import on_this_machine
from ..limits import Allowance, Limits, Turn
from .answer_body import read_answer
from .batches import BatchApi
from .options import OpenAIOptions, RequestOptions
from .request_body import RequestBody
from .server_error import ServerError, error_of
from .usage import read_usage

PATHS = {"chat": "/chat/completions", "completions": "/completions", "embeddings": "/embeddings"}
_HINTS = {
    401: "check the key in ${variable}",
    402: "the account's credit or quota is used up; raise it, then start again",
    403: "this key may not use the model or the endpoint",
    404: "check {section}.model and {section}.base_url",
}


class OpenAITeacher:
    """A chat, completions, or embeddings endpoint. An async context manager, which closes its connections on exit."""

    def __init__(
        self, config: OpenAIOptions, *, concurrency: int = 16, api_key: str | None = None, direct: bool = False
    ) -> None:
        """Open nothing yet. api_key: by default it's read from `config.api_key_env`. direct: never use a proxy.

        Raises ConfigError if the variable isn't set and the server isn't on this machine, or if the address isn't a
        URL.
        """
        import openai

        from .client import TeacherClient

        self._config = config
        self._section = "dataset.select.embeddings" if config.roles == ("embed",) else "teacher"
        self._openai = openai
        self._key = _checked(api_key, "api_key") if api_key else _find_key(config)
        allowed = Allowance(config.max_rpm, config.max_tpm, config.max_input_tpm, config.max_output_tpm)
        self._limits = Limits(allowed, concurrency, config.patience_s)
        self._bound = bound_of(config)
        self.model = config.model
        self.asking = Asking.over(config.endpoint or "chat")
        self._request = RequestBody(config)
        purposes = ("", *config.purposes)
        self._headers = {purpose: _headers(config.for_purpose(purpose)) for purpose in purposes}
        secrets = [self._headers[p][name] for p in purposes for name in config.for_purpose(p).secret_headers]
        self._client = TeacherClient(
            config,
            self._key,
            secrets,
            self._limits,
            headers=self._headers[""],
            concurrency=concurrency,
            direct=direct,
        )
        self._line = self._client.mask.line

    def batches(self) -> BatchApi:
        """The same server's endpoints for batch jobs."""
        return BatchApi(
            self._client.sdk, lambda error: TeacherRefused(self._refusal(error)), self._line, self._not_connected
        )

    async def __aenter__(self) -> OpenAITeacher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.sdk.close()

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask a question; the SDK retries temporary errors. A bad answer is a completion with an `error`.

        A question that got only 429s counts as not asked, and waits for its turn again. Raises TeacherDown if 429s
        go on for `patience_s`, or if the server can't be reached, and TeacherRefused for what a retry can't fix: 401,
        402, 403, 404, an exhausted quota.
        """
        turn = Turn(
            prompt.purpose,
            self._bound(prompt),
            prompt.sampling.max_tokens,
            priority=int(prompt.purpose == "propose"),
            cut_after_s=(self._config.answer_within_s or math.inf) if prompt.is_list else None,
        )
        while (completion := await self._ask(prompt, turn)) is None:
            pass
        if not completion.failed:
            self._limits.settle(turn, charge(completion, prompt, Usage(turn.most_input, turn.most_output or 0))[0])
        return completion

    async def _ask(self, prompt: Prompt, turn: Turn) -> Completion | None:
        """One request with the SDK's retries; None if it gave up on 429s."""
        import aiohttp
        import httpx2

        from .streamed_answer import TooLarge

        # Every way that a request can fail, as a completion. The order matters: some of these are subclasses of others.
        errors = self._openai
        try:
            sent = self.body(prompt)
            headers = self._headers.get(prompt.purpose, {})
            body = await self._client.ask(PATHS[prompt.endpoint], sent, turn, headers)
        except errors.APIStatusError as error:
            said = error_of(error.response)
            # A parameter that the server refuses isn't sent to it again. This request doesn't count as a failure.
            return None if self._request.learn(sent, said) else self._read_status(said, error)
        except (errors.APITimeoutError, TimeoutError) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                return self._not_connected(error.__cause__)
            return Completion("", error=f"timeout: no answer within {self._config.timeout_s:g} s", failed=True)
        except errors.APIConnectionError as error:
            return self._not_connected(error.__cause__ or error)
        except (httpx2.HTTPError, aiohttp.ClientError, OSError) as error:  # no HTTP at all
            return self._not_connected(error)
        except TooLarge as error:
            return self._failure("too_large", error)
        except (ValueError, RecursionError) as error:
            return self._failure("broken_json", error)
        except errors.APIError as error:
            return self._failure("broken_answer", error)
        return read_answer(body, prompt)

    def _read_status(self, said: ServerError, error: Any) -> Completion | None:
        """The result of a final error status: a failed completion, None for a rate limit, or TeacherRefused."""
        if said.is_final:
            raise TeacherRefused(self._refusal(error)) from None
        if said.status == 429:
            return None
        if said.is_filter:
            return Completion(
                "", "content_filter", error=self._line(f"content_filter: {said.text.removeprefix('content_filter: ')}")
            )
        passing = said.status >= 500 or said.status in (408, 409, 425)
        body = error.response.extensions["body"]
        usage = read_usage(body) if isinstance(body, Mapping) else Usage()
        text = f"{said.http_status}: {said.text or 'no reason given'}"
        return replace(self._failure("server_error" if passing else "bad_request", text), usage=usage)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The JSON body of the request for `prompt`, without what the server is known to refuse."""
        return self._request.of(prompt)

    def remember(self, learned: str | None, note: Callable[[str], None]) -> None:
        """Continue with what was learned earlier about what the server refuses; `note` receives what is learned."""
        self._request.remember(learned, note)

    def learn(self, prompt: Prompt, said: ServerError) -> bool:
        """Return whether `said` refuses a parameter of the request for `prompt`; then it isn't sent any more.

        The rows of a batch job were all written before the first one was refused, so each names the parameter.
        """
        return self._request.learn(self._request.of(prompt, whole=True), said)

    def _not_connected(self, error: BaseException) -> Completion:
        """The failure of one question. Raises TeacherDown if the server has never been reached."""
        failure = self._failure("connection", error)
        if not self._client.is_unreachable(error):
            return failure
        key = "connect_timeout_s" if isinstance(error.__cause__, TimeoutError) else "max_retries"
        said = (failure.error or "").removeprefix("connection: ")
        raise TeacherDown(
            f"{self._client.sdk.base_url}: {said}; start the server, or check {self._section}.base_url; "
            f"with a higher {self._section}.{key}, a start waits for longer"
        ) from None

    def _failure(self, reason: str, error: object) -> Completion:
        return Completion("", error=self._line(f"{reason}: {str(error) or type(error).__name__}"), failed=True)

    def _refusal(self, error: Any) -> str:
        said = error_of(error.response)
        hint = _HINTS[said.status]
        variable = self._config.api_key_env
        if variable is None and said.status == 401:
            hint = "name the variable that holds the key in {section}.api_key_env"
        # 'http://127.0.0.1:8000': most servers have their API at /v1.
        base_url = str(self._client.sdk.base_url).rstrip("/")
        if said.status == 404 and not re.search(r"/v\d", base_url):
            hint = f"try {self._section}.base_url: {base_url}/v1, or check {self._section}.model"
        line = f"{said.http_status} for model {self.model!r}: {self._line(said.text or 'no reason given')}"
        return f"{base_url}/: {line}; {hint.format(variable=variable, section=self._section)}"


def _headers(options: RequestOptions) -> dict[str, str]:
    """The extra headers, with those that the environment holds. Raises ConfigError."""
    headers = {}
    for name, value in options.extra_headers.items():
        where = f"teacher.extra_headers.{name}"
        if not isinstance(value, str):
            found = os.environ.get(value.env, "").strip()
            if not found:
                raise ConfigError(f"{where}: ${value.env} is not set; export the value in it, or remove the header")
            where, value = f"{where}: ${value.env}", found
        headers[name] = _checked(value, where)
    return headers


def _find_key(config: OpenAIOptions) -> str:
    name = config.api_key_env
    key = os.environ.get(name, "").strip() if name else ""
    if key:
        return _checked(key, f"teacher.api_key_env: ${name}")
    host = urlsplit(config.base_url or "").hostname or ""
    if name is None or on_this_machine(host):
        return "none"
    raise ConfigError(
        f"teacher.api_key_env: ${name} is not set; export the key in it, name another variable, "
        "or set it to null for a server that wants no key"
    )


def _checked(key: str, where: str) -> str:
    """`key` if it can be sent in a header. Raises ConfigError."""
    if not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{where} holds characters that no key has; copy the whole key again")
    return key
