"""The teacher for any server that speaks OpenAI's HTTP protocol.

Retries, backoff and error types are those of the `openai` SDK (see `client`). Bodies are plain JSON instead of the
SDK's typed models, and `answer_body` parses them tolerantly.
"""

from __future__ import annotations

import os
from dataclasses import replace
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ...core.errors import ConfigError, TeacherRefused
from ...core.prompts import Asking, Completion, Prompt
from ..counting import bound_of
from ..egress import on_this_machine
from ..limits import Allowance, Limits, Turn
from .answer_body import one_line, read_answer
from .batches import BatchApi
from .options import OpenAIOptions

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_HINTS = {
    401: "check the key in ${variable}",
    402: "the account has no credit; add some, then start again",
    403: "this key may not use the model or the endpoint",
    404: "check teacher.model and teacher.base_url",
}
_DETAIL = 300
"""Characters of a bad response that an error message keeps, counted after the key is removed."""


class OpenAITeacher:
    """A chat or completions endpoint. An async context manager, which closes its connections on exit."""

    def __init__(
        self, config: OpenAIOptions, *, concurrency: int = 16, api_key: str | None = None, direct: bool = False
    ) -> None:
        """Open nothing yet.

        Args:
            config: the teacher's configuration.
            concurrency: the most questions in flight.
            api_key: the key, if the library's caller passes one; by default it's read from `config.api_key_env`.
            direct: never use a proxy, whatever the environment says.

        Raises:
            ConfigError: the variable isn't set and the server isn't on this machine, or the address isn't a URL.
        """
        import openai

        from .client import TeacherClient

        self._config = config
        self._openai = openai
        self._key = _checked(api_key, "api_key") if api_key else _find_key(config)
        allowed = Allowance(config.max_rpm, config.max_tpm, config.max_input_tpm, config.max_output_tpm)
        self._limits = Limits(allowed, concurrency, config.patience_s)
        self._bound = bound_of(config)
        self.model = config.model
        self.asking = Asking.over(config.endpoint or "chat")
        self._client = TeacherClient(
            config, self._key, self._limits, self._line, concurrency=concurrency, direct=direct
        )

    def batches(self) -> BatchApi:
        """The same server's endpoints for batch jobs."""
        return BatchApi(self._client.sdk, lambda error: TeacherRefused(self._refusal(error)), self._line)

    async def __aenter__(self) -> OpenAITeacher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.sdk.close()

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask a question; the SDK retries temporary errors. A bad answer is a completion with an `error`.

        A question that got only 429s counts as not asked, and waits for its turn again. Raises TeacherDown if 429s
        go on for `patience_s`, and TeacherRefused for what a retry can't fix: 401, 402, 403, 404, an exhausted quota.
        """
        turn = Turn(
            prompt.purpose, self._bound(prompt), prompt.sampling.max_tokens, priority=int(prompt.purpose == "propose")
        )
        while (completion := await self._ask(prompt, turn)) is None:
            pass
        self._limits.settle(turn, completion.usage)
        return replace(
            completion,
            text=self._without_key(completion.text),
            model=self._without_key(completion.model),
            finish_reason=self._without_key(completion.finish_reason),
            error=self._line(completion.error) if completion.error else None,
        )

    async def _ask(self, prompt: Prompt, turn: Turn) -> Completion | None:
        """One request with the SDK's retries; None if it gave up on 429s."""
        import aiohttp
        import httpx2

        from .client import TooLarge

        # Every way that a request can fail, as a completion. The order matters: some of these are subclasses of others.
        errors = self._openai
        try:
            body = await self._client.ask(PATHS[prompt.endpoint], self.body(prompt), turn)
        except errors.APIStatusError as error:
            return self._read_status(error)
        except (errors.APITimeoutError, TimeoutError) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                return self._failure("connection", error.__cause__)
            return Completion("", error=f"timeout: no answer within {self._config.timeout_s:g} s", failed=True)
        except errors.APIConnectionError as error:
            return self._failure("connection", error.__cause__ or error)
        except (httpx2.HTTPError, aiohttp.ClientError, OSError) as error:  # no HTTP at all
            return self._failure("connection", error)
        except TooLarge as error:
            return self._failure("too_large", error)
        except (ValueError, RecursionError) as error:
            return self._failure("broken_json", error)
        except errors.APIError as error:
            return self._failure("broken_answer", error)
        return read_answer(body, prompt)

    def _read_status(self, error: Any) -> Completion | None:
        """The result of a final error status: a failed completion, None for a rate limit, or TeacherRefused."""
        from .client import QUOTA

        status = error.status_code
        if status in _HINTS or (status == 429 and (error.code in QUOTA or error.type in QUOTA)):
            raise TeacherRefused(self._refusal(error)) from None
        if status == 429:
            return None
        passing = status >= 500 or status in (408, 409, 425)
        return self._failure("server_error" if passing else "bad_request", error)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The JSON body of the request for `prompt`. Parameters that aren't set are left out."""
        body: dict[str, Any] = {"model": self.model}
        if prompt.endpoint == "chat":
            body["messages"] = [{"role": m.role, "content": m.content} for m in prompt.messages]
        else:
            body["prompt"] = prompt.text

        # Sampling
        sampling = prompt.sampling
        values = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            self._config.max_tokens_param: sampling.max_tokens,
            "stop": list(sampling.stop) if sampling.stop else None,
        }
        body.update({name: value for name, value in values.items() if value is not None})

        # Log-probabilities and the schema, each in the format of its endpoint
        if prompt.top_logprobs is not None and prompt.endpoint == "chat":
            body |= {"logprobs": True, "top_logprobs": prompt.top_logprobs}
        elif prompt.top_logprobs is not None:
            body["logprobs"] = prompt.top_logprobs
        if prompt.schema is not None:
            schema = {"name": str(prompt.schema["title"]), "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _failure(self, reason: str, error: BaseException) -> Completion:
        return Completion("", error=self._line(f"{reason}: {str(error) or type(error).__name__}"), failed=True)

    def _refusal(self, error: Any) -> str:
        hint = _HINTS.get(error.status_code, "the account's quota is used up; raise it, then start again")
        said = f"{error.status_code} for model {self.model!r}: {self._line(str(error))}"
        variable = self._config.api_key_env
        if variable is None and error.status_code == 401:
            hint = "name the variable that holds the key in teacher.api_key_env"
        return f"{self._client.sdk.base_url}: {said}; {hint.format(variable=variable)}"

    def _line(self, text: str) -> str:
        """One line of bounded length. The key is removed before the cut, so that no part of it remains."""
        text = text.replace(" ssl:default", "")  # aiohttp says so of plain HTTP, too
        return self._without_key(one_line(text))[:_DETAIL]

    def _without_key(self, text: str) -> str:
        """`text` with the key masked: some servers repeat the request's headers in their responses."""
        return text.replace(self._key, "[key]") if len(self._key) >= 8 else text


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
