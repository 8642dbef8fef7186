"""Any server that speaks OpenAI's HTTP protocol, asked through the `openai` SDK.

Requests go through the SDK's own `client.post`, which keeps its retries, back-off and error types but
leaves out the typed request and response models: the body is read here, tolerantly, because
what really comes back is at times HTML, half a JSON, or an error with status 200.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from ..config import TeacherConfig
from ..errors import ConfigError, TeacherRefused
from ..schema import Asking, Completion, Prompt, Usage

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "access_terminated")


class OpenAITeacher:
    """A chat or completions endpoint. An async context manager; its connections live as long as it is entered.

    api_key: given by the library's caller; else read from the environment variable that the config names.
    Raises ConfigError when that variable is not set and the server isn't on this machine.
    """

    def __init__(self, config: TeacherConfig, *, concurrency: int = 16, api_key: str | None = None) -> None:
        import openai

        self._config = config
        self._openai = openai
        self._key = api_key or _find_key(config)
        self.model = config.model
        self.asking = Asking.over(config.endpoint or "chat")
        self._client = openai.AsyncOpenAI(
            api_key=self._key,
            base_url=config.base_url,
            timeout=config.timeout_s,
            max_retries=config.max_retries,
            http_client=_http_client(config.timeout_s, concurrency),
        )

    async def __aenter__(self) -> OpenAITeacher:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def complete(self, prompt: Prompt) -> Completion:
        """Ask once; the SDK retries what may pass. A bad answer is a completion with its `error`.

        Raises TeacherRefused for what asking again can't mend: 401, 403, 404, an exhausted quota.
        """
        errors = self._openai
        try:
            body = await self._client.post(_PATHS[prompt.endpoint], body=self._body(prompt), cast_to=object)
        except (errors.AuthenticationError, errors.PermissionDeniedError, errors.NotFoundError) as error:
            raise TeacherRefused(self._refusal(error)) from None
        except errors.RateLimitError as error:
            if error.code in _QUOTA or error.type in _QUOTA:
                raise TeacherRefused(self._refusal(error)) from None
            return self._failure("rate_limited", error)
        except errors.APITimeoutError:
            return Completion("", error=f"timeout: no answer within {self._config.timeout_s:g} s", failed=True)
        except errors.APIConnectionError as error:
            return self._failure("connection", error.__cause__ or error)
        except errors.InternalServerError as error:
            return self._failure("server_error", error)
        except errors.APIStatusError as error:
            return self._failure("bad_request", error)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return self._failure("broken_json", error)
        except errors.APIError as error:
            return self._failure("broken_answer", error)
        return read_answer(body, prompt)

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model}
        if prompt.endpoint == "chat":
            body["messages"] = [{"role": m.role, "content": m.content} for m in prompt.messages]
        else:
            body["prompt"] = prompt.text
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
        if prompt.top_logprobs is not None:
            body["logprobs"] = prompt.top_logprobs
        if prompt.schema is not None:
            schema = {"name": str(prompt.schema["title"]), "strict": True, "schema": prompt.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _failure(self, reason: str, error: BaseException) -> Completion:
        return Completion("", error=f"{reason}: {self._clean(error)}", failed=True)

    def _refusal(self, error: Any) -> str:
        hints = {
            401: f"check the key in ${self._config.api_key_env}",
            403: "this key may not use the model or the endpoint",
            404: "check teacher.model and teacher.base_url",
            429: "the account's quota is used up; raise it, then start again",
        }
        hint = hints.get(error.status_code, "")
        return f"{self._client.base_url}: {error.status_code} for model {self.model!r}: {self._clean(error)}; {hint}"

    def _clean(self, error: BaseException) -> str:
        """One bounded line of the error, the key taken out."""
        text = " ".join(str(error).split()) or type(error).__name__
        if len(self._key) >= 8:
            text = text.replace(self._key, "[key]")
        return text[:300]


def read_answer(body: object, prompt: Prompt) -> Completion:
    """The completion in a decoded response body; whatever the body is, a value comes back."""
    if isinstance(body, str | bytes):
        start = " ".join(str(body[:200]).split())
        kind = "html_answer" if "<" in start[:20] else "not_json"
        return Completion("", error=f"{kind}: {start[:120]}", failed=True)
    if not isinstance(body, Mapping):
        return Completion("", error=f"broken_answer: {type(body).__name__} instead of an object", failed=True)
    usage = _usage(body.get("usage"))
    model = body.get("model") if isinstance(body.get("model"), str) else ""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        said = body.get("error")
        detail = f": {' '.join(str(said).split())[:200]}" if said else ""
        return Completion("", usage=usage, model=str(model), error=f"no_choices{detail}", failed=True)
    finish = choice.get("finish_reason")
    text, refusal = _content(choice, prompt)
    error = None
    if refusal:
        error = f"refusal: {' '.join(refusal.split())[:200]}"
    elif finish == "content_filter":
        error = "content_filter"
    elif not text.strip():
        error = "empty_answer"
    return Completion(
        text,
        finish_reason=finish if isinstance(finish, str) else "stop",
        usage=usage,
        model=str(model),
        error=error,
        logprobs=_logprobs(choice.get("logprobs")) if prompt.top_logprobs is not None else None,
    )


def _content(choice: Mapping[str, Any], prompt: Prompt) -> tuple[str, str]:
    """Text and refusal of one choice, each empty when it isn't there."""
    if prompt.endpoint == "completions":
        text = choice.get("text")
        return (_storable(text) if isinstance(text, str) else ""), ""
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return "", ""
    text, refusal = message.get("content"), message.get("refusal")
    if isinstance(text, list):  # content parts
        parts = [part.get("text") for part in text if isinstance(part, Mapping)]
        text = "".join(part for part in parts if isinstance(part, str))
    return (_storable(text) if isinstance(text, str) else ""), (_storable(refusal) if isinstance(refusal, str) else "")


def _storable(text: str) -> str:
    """Without NUL and half surrogate pairs, which JSON can carry but neither SQLite nor Parquet can keep."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def _usage(usage: object) -> Usage:
    if not isinstance(usage, Mapping):
        return Usage()
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return Usage(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _logprobs(found: object) -> dict[str, float] | None:
    """Log-probabilities of the first token's alternatives, in the completions shape or the chat shape."""
    if not isinstance(found, Mapping):
        return None
    content = found.get("content")
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        pairs = [
            (item.get("token"), item.get("logprob"))
            for item in content[0].get("top_logprobs") or []
            if isinstance(item, Mapping)
        ]
    else:
        top = found.get("top_logprobs")
        first = top[0] if isinstance(top, list) and top else None
        pairs = list(first.items()) if isinstance(first, Mapping) else []
    return {
        str(token): float(value) for token, value in pairs if isinstance(token, str) and isinstance(value, int | float)
    } or None


def _find_key(config: TeacherConfig) -> str:
    name = config.api_key_env
    key = os.environ.get(name, "").strip() if name else ""
    if key:
        return key
    host = urlsplit(config.base_url or "").hostname
    if name is None or host in _LOOPBACK:
        return "none"
    raise ConfigError(
        f"teacher.api_key_env: ${name} is not set; export the key in it, name another variable, "
        "or set it to null for a server that wants no key"
    )


def _http_client(timeout_s: float, concurrency: int) -> Any:
    """The SDK's aiohttp transport: its default one walks the whole pool for every request."""
    import httpx2
    import openai

    limits = httpx2.Limits(max_connections=concurrency + 8, max_keepalive_connections=concurrency + 8)
    return openai.DefaultAioHttpClient(timeout=httpx2.Timeout(timeout_s), limits=limits)
