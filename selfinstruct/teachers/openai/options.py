"""Options of the teacher kind `openai`: a server that speaks OpenAI's protocol."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from ...config.fields import Free, Section
from ...config.options import TeacherOptions
from ...config.secrets import random_looking

PUBLIC_API = "https://api.openai.com/v1"
PerMinute = Annotated[float, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


_OURS = "model messages prompt input encoding_format stream n best_of max_tokens max_completion_tokens".split()
"""What `extra_body` can't set: the answer would not be read, or the budget would not hold."""


_SECRET_NAME = re.compile(r"(?:key|(?:access|auth|api)[_-]?token|secret|password|authorization)$", re.IGNORECASE)


def _holds_secret(fields: Mapping[str, Any]) -> bool:
    """Whether a text is the value of a key such as 'api_key', at any depth of mappings."""
    return any(
        _holds_secret(value) if isinstance(value, Mapping) else isinstance(value, str) and _SECRET_NAME.search(name)
        for name, value in fields.items()
    )


class FromEnvironment(Section):
    """A value that is read from an environment variable, so that it stays out of the configuration."""

    env: str = Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$", description="NAME of the environment variable.")


class RequestOptions(Section):
    """What requests contain beside the prompt and its sampling parameters."""

    extra_body: dict[str, Any] = Field(
        default={}, description="Further fields of the request's body, such as {thinking: {type: disabled}}."
    )
    extra_headers: Free[dict[str, str | FromEnvironment]] = Field(
        default={}, description="Further headers; a secret one as {env: NAME} of an environment variable."
    )
    reasoning_effort: str | None = Field(
        default=None, description="How long the model thinks: none, minimal, low, medium, high, as the server knows it."
    )
    chat_template_kwargs: dict[str, Any] = Field(
        default={}, description="Arguments of the chat template (vLLM, SGLang, llama.cpp): {enable_thinking: false}."
    )

    @property
    def secret_headers(self) -> list[str]:
        """The names of the headers whose values the environment holds."""
        return [name for name, value in self.extra_headers.items() if not isinstance(value, str)]

    @field_validator("extra_body")
    @classmethod
    def _leaves_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = next((name for name in _OURS if name in value), None)
        if taken is not None:
            raise ValueError(f"can't set {taken}: the teacher sets it; use teacher.model or strategy.sampling")
        if _holds_secret(value):
            raise ValueError("must not contain a key or a password; send it as a header, {env: NAME} in extra_headers")
        return value

    @field_validator("extra_headers")
    @classmethod
    def _holds_no_secret(cls, value: dict[str, str | FromEnvironment]) -> dict[str, str | FromEnvironment]:
        for name, header in value.items():
            if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
                raise ValueError("a header's name has letters, digits, and hyphens, such as X-Title")
            words = re.split(r"[\s._-]", header) if isinstance(header, str) else []
            if _holds_secret({name: header}) or any(map(random_looking, words)):
                raise ValueError(f"{name} looks like a secret; put it in a variable, and write {{env: NAME}}")
        return value


class OpenAIOptions(RequestOptions, TeacherOptions):
    """kind `openai`: any server that speaks OpenAI's HTTP protocol."""

    kind: str = Field(default="openai", description="openai")
    model: str = Field(default="gpt-4o-mini", pattern=r"\S", description="The model's name.")
    base_url: Free[str | None] = Field(
        default=None, description="An OpenAI-compatible server, such as http://127.0.0.1:8000/v1; null: OpenAI."
    )
    api_key_env: Free[str | None] = Field(
        default="OPENAI_API_KEY", description="NAME of the environment variable that holds the key; null sends none."
    )
    timeout_s: Free[Seconds] = Field(default=60.0, description="Seconds for one request.")
    connect_timeout_s: Free[Seconds] = Field(default=5.0, description="Seconds for one connection to the server.")
    max_retries: Free[Annotated[int, Field(ge=0)]] = Field(default=4, description="Retries of one request, by the SDK.")
    stream: Free[bool] = Field(
        default=False,
        description="Receive answers token by token, to show and keep them; timeout_s then limits a silence. Not in "
        "mode batch.",
    )
    answer_within_s: Free[Seconds | None] = Field(
        default=None,
        description="Seconds after which a list of tasks is cut off, and its complete tasks are kept; turns stream on.",
    )
    max_rpm: Free[PerMinute | None] = Field(
        default=None, description="Requests per minute; null: learned from headers and 429 responses."
    )
    max_tpm: Free[PerMinute | None] = Field(
        default=None, description="Tokens per minute, prompts and answers together."
    )
    max_input_tpm: Free[PerMinute | None] = Field(
        default=None, description="Prompt tokens per minute, where the server limits them separately."
    )
    max_output_tpm: Free[PerMinute | None] = Field(
        default=None, description="Generated tokens per minute, where the server limits them separately."
    )
    patience_s: Free[Seconds] = Field(
        default=600.0,
        description="Seconds of nothing but rate-limit responses (429) after which the run stops, to continue later.",
    )
    max_tokens_param: Literal["max_tokens", "max_completion_tokens"] = Field(
        default="max_tokens",
        description="The server's name for the token limit; a 400 that asks for the other is followed.",
    )
    purposes: dict[str, RequestOptions] = Field(
        default={},
        description="extra_body, extra_headers, reasoning_effort, and chat_template_kwargs for one purpose, such as "
        "{judge: {reasoning_effort: high}}; mappings are merged.",
    )
    mode: Free[Literal["live", "batch"]] = Field(
        default="live",
        description="batch: upload requests as files that the provider answers within a day, at half the price.",
    )
    batch_poll_s: Free[Seconds] = Field(default=60.0, description="Seconds between two checks of a batch job, at most.")
    batch_quiet_s: Free[Seconds] = Field(
        default=2.0, description="Seconds without a new request after which the collected ones are uploaded."
    )
    batch_questions: Free[Annotated[int, Field(ge=1, le=50_000)]] = Field(
        default=50_000, description="Requests in one batch job; lower it when your account's queue takes fewer."
    )
    batch_price_factor: Free[Annotated[float, Field(ge=0, le=1)] | None] = Field(
        default=None, description="Price in mode batch relative to live; null: 0.5 at OpenAI, else 1."
    )

    @property
    def in_batches(self) -> bool:
        """Whether requests are sent as batch jobs."""
        return self.mode == "batch"

    @property
    def streams(self) -> bool:
        """Whether answers are requested as streams."""
        return (self.stream or self.answer_within_s is not None) and not self.in_batches

    @property
    def address(self) -> str | None:
        """The URL of the server; like the SDK, this reads $OPENAI_BASE_URL where `base_url` is not set."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL", "").strip() or PUBLIC_API

    @property
    def missing_key(self) -> str | None:
        """The environment variable of the key, if it isn't set; None for a server of your own, which may need none."""
        variable = self.api_key_env
        return variable if self.base_url is None and variable and not os.environ.get(variable) else None

    @property
    def price_factor(self) -> float:
        """The price of a request relative to the live price."""
        if self.mode == "live":
            return 1.0
        if self.batch_price_factor is not None:
            return self.batch_price_factor
        host = urlsplit(self.base_url or PUBLIC_API).hostname or ""
        return 0.5 if host == "openai.com" or host.endswith(".openai.com") else 1.0

    def for_purpose(self, purpose: str) -> RequestOptions:
        """What requests for `purpose` contain: the purpose's own options over the teacher's."""
        own = self.purposes.get(purpose, RequestOptions())
        return RequestOptions(
            extra_body=self.extra_body | own.extra_body,
            extra_headers=self.extra_headers | own.extra_headers,
            reasoning_effort=own.reasoning_effort or self.reasoning_effort,
            chat_template_kwargs=self.chat_template_kwargs | own.chat_template_kwargs,
        )

    @field_validator("api_key_env")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        """Accept a variable's name, also written as $NAME or ${NAME}; reject a key."""
        if value is None:
            return None
        name = re.sub(r"^\$\{(.*)\}$|^\$", r"\1", value)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or any(map(random_looking, name.split("_"))):
            raise ValueError(
                "must be the name of an environment variable, such as OPENAI_API_KEY, never the key itself"
            )
        return name

    @field_validator("base_url")
    @classmethod
    def _has_no_secret(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            parts = urlsplit(value)
        except ValueError:
            raise ValueError("must be an address such as http://127.0.0.1:8000/v1") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https://, such as http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(
                "must not contain a user, password, query, or fragment; name the key's variable in teacher.api_key_env"
            )
        return value
