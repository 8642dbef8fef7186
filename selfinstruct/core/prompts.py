"""A request and its response: prompts, completions, and how a teacher wants to be asked.

Plain frozen dataclasses: a replay builds them by the hundred thousand.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic_core import to_json

Endpoint = Literal["chat", "completions"]


Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The decoding parameters of one request. `None` leaves a parameter out of the request."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One part of a prompt. Over the completions endpoint the parts are joined as they are."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One complete request to a teacher: this value alone determines what is sent.

    purpose: 'propose', 'judge', or another step that the strategy names; teachers have roles for purposes.
    demos: ids of the demonstrations shown, in order.
    version: hash of the prompt wording it was rendered from.
    schema: JSON schema the answer is asked to follow, or None for text.
    """

    purpose: str
    messages: tuple[Message, ...]
    sampling: Sampling
    endpoint: Endpoint = "chat"
    demos: tuple[str, ...] = ()
    version: str = ""
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    top_logprobs: int | None = None

    @property
    def text(self) -> str:
        """The parts joined: what a completions endpoint gets."""
        return "".join(message.content for message in self.messages)

    def digest(self) -> str:
        """Hash of everything that is sent to the teacher; 32 hex digits."""
        messages = [[message.role, message.content] for message in self.messages]
        sampling = self.sampling
        how = [
            sampling.temperature,
            sampling.top_p,
            sampling.presence_penalty,
            sampling.frequency_penalty,
            sampling.max_tokens,
            sampling.stop,
        ]
        rest = _canonical([how, self.schema, self.top_logprobs])
        text = f"{_canonical_strings([self.purpose, self.endpoint, messages])[:-1]},{rest[1:]}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _canonical_strings(value: object) -> str:
    """The same for what holds nothing but strings, in a quarter of the time."""
    try:
        return to_json(value).decode()
    except ValueError:  # half a surrogate pair
        return _canonical(value)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as the teacher counted them. `cached_tokens` is a part of `prompt_tokens`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What came back for one question. A bad answer is a value with `error` set, never an exception.

    finish_reason: 'stop', 'length', 'content_filter' or what the teacher said.
    error: a reason in snake_case and a detail, 'refusal: I can not ...', or None.
    failed: nothing usable came back at all (a timeout, a 503, a broken body); refusals are answers.
    logprobs: natural-log probabilities of the likeliest first tokens, where they were asked for.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    model: str = ""
    error: str | None = None
    failed: bool = False
    logprobs: Mapping[str, float] | None = field(default=None, hash=False)

    @property
    def truncated(self) -> bool:
        """True when the token limit cut the answer off."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the key that its answer is committed under.

    number: which proposal it is, or None. tries: the batch jobs that have brought it no answer so far.
    """

    key: str
    prompt: Prompt
    number: int | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Asking:
    """How a teacher is asked: which endpoint for which purpose, and whether JSON schemas are used.

    structured: for which purposes, True for all; None where that is still to be found out.
    direct: instances come from putting the instruction itself to the chat model, one answer a task.
    """

    propose: Endpoint = "chat"
    classify: Endpoint = "chat"
    instances: Endpoint = "chat"
    structured: bool | frozenset[str] | None = None
    direct: bool = False

    @classmethod
    def over(cls, endpoint: Endpoint) -> Asking:
        """Everything over one endpoint."""
        return cls(endpoint, endpoint, endpoint)

    def by_schema(self, purpose: str) -> bool:
        """Whether answers for `purpose` are asked for by a JSON schema; completions endpoints have none."""
        endpoints = {"propose": self.propose, "classify": self.classify, "instances": self.instances}
        if endpoints.get(purpose, "chat") != "chat":
            return False
        return purpose in self.structured if isinstance(self.structured, frozenset) else bool(self.structured)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A file of questions on its way. Its number counts the run's jobs; digest: the SHA-256 of the file.

    batch: the provider's id of it, None until it is known. planned_at: seconds of the epoch.
    """

    number: int
    digest: str
    planned_at: float
    batch: str | None = None
