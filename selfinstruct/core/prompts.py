"""Requests and responses: prompts, completions, and how to ask each teacher. Every package uses these values."""

# Plain frozen dataclasses instead of pydantic models: a replay builds hundreds of thousands of them.

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic_core import to_json

from .programs import Program, Ran

Endpoint = Literal["chat", "completions"]
AnyEndpoint = Literal["chat", "completions", "embeddings"]
Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """The decoding parameters of one request. A parameter that is None is left out of the request."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a prompt. The completions endpoint gets all messages joined without separators."""

    role: Role
    content: str


def with_rule(messages: tuple[Message, ...], rule: str) -> tuple[Message, ...]:
    """Return the messages with a rule in the system message, unless it is empty."""
    if not rule:
        return messages
    if messages[0].role == "system":
        return (Message("system", f"{messages[0].content}\n\n{rule}"), *messages[1:])
    return (Message("system", rule), *messages)


@dataclass(frozen=True, slots=True)
class MadeOf:
    """What a proposal was made from, by ids: demonstrations in order, facets, and passages of documents.

    unit: what is asked about it, in the words of the strategy.
    """

    demos: tuple[str, ...] = ()
    facets: Mapping[str, str] = field(default_factory=dict, hash=False)
    passages: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One complete request to a teacher; this value alone determines what is sent.

    Attributes:
        purpose: 'propose', 'answer', 'judge', or another step that the strategy names. Teachers have such roles.
        made_of: What a proposal was made from; the run sets it.
        version: Hash of the wording that the prompt was rendered from.
        schema: JSON schema for the answer, or None for text.
        top_logprobs: Number of first-token alternatives to request, or None.
        sample: Number of the answer among several to the same prompt.
        is_list: Whether the answer lists tasks, so that the complete ones count if it ends early. Neither this nor
            `sample` is part of the digest.
    """

    purpose: str
    messages: tuple[Message, ...]
    sampling: Sampling
    endpoint: AnyEndpoint = "chat"
    made_of: MadeOf = MadeOf()
    version: str = ""
    schema: Mapping[str, Any] | None = field(default=None, hash=False)
    top_logprobs: int | None = None
    sample: int = 0
    is_list: bool = False

    @property
    def key(self) -> str:
        """The journal key of the answer, unless the prompt is a proposal: 'd:5f3a…'; for sample 2, 'd:5f3a….2'."""
        return f"d:{self.digest()}.{self.sample}" if self.sample else f"d:{self.digest()}"

    @property
    def text(self) -> str:
        """All messages joined, as a completions endpoint gets them."""
        return "".join(message.content for message in self.messages)

    def digest(self) -> str:
        """Return a hash of everything that all samples of the prompt have in common: 32 hex digits."""
        messages = [[message.role, message.content] for message in self.messages]
        s = self.sampling
        parameters = [s.temperature, s.top_p, s.presence_penalty, s.frequency_penalty, s.max_tokens, s.stop]
        rest = _canonical_json([parameters, self.schema, self.top_logprobs])
        # Join two JSON lists into one, because the strings, most of the text, have a faster encoder.
        text = f"{_canonical_string_json([self.purpose, self.endpoint, messages])[:-1]},{rest[1:]}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _canonical_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _canonical_string_json(value: object) -> str:
    """Return `_canonical_json` of nested lists of strings, in a quarter of the time."""
    try:
        return to_json(value).decode()
    except ValueError:  # pydantic rejects lone surrogates
        return _canonical_json(value)


Ending = Literal["complete", "length", "filter", "error", "unknown"]

# Each name in use for the end of an answer, as `ending_of` spells it. Sources: the API references of OpenAI, Azure,
# Anthropic, Bedrock, Gemini, Mistral, xAI, DeepSeek, Z.AI, OpenRouter, Cohere, watsonx, ERNIE, GigaChat, and YandexGPT,
# and the code of vLLM, SGLang, TGI, llama.cpp, Ollama, and LM Studio.
_NAMES: Mapping[Ending, str] = {
    "complete": """stop stopped eos eos_token eos_found end end_of_text end_turn stop_sequence stop_string word
        stop_word stop_string_found stop_token complete completed completion done finish finished success succeeded
        normal tool_call tool_calls tool_use function_call final alternative_status_final""",
    "length": """length limit max_tokens max_output_tokens max_new_tokens max_completion_tokens max_len max_length
        max_context max_predicted_tokens_reached token_limit token_limit_reached model_length context context_length
        context_length_reached context_length_exceeded context_window_exceeded model_context_window_exceeded incomplete
        truncated truncated_final alternative_status_truncated_final error_limit""",
    "filter": """content_filter content_filtered content_blocked content_moderation content_policy filter filtered spii
        content_policy_violation alternative_status_content_filter safety image_safety recitation blocklist blacklist
        blocked prohibited_content sensitive refusal refused guardrail guardrails guardrail_intervened moderation
        model_armor policy_violation unsafe error_toxic""",
    "error": "error errored failed failure internal_error server_error upstream_error",
}
_ENDINGS = {name: ending for ending, names in _NAMES.items() for name in names.split()}


@functools.lru_cache(256)
def ending_of(finish_reason: str) -> Ending:
    """Return what a finish reason means, in any spelling; 'unknown' for one that isn't listed.

    An answer counts as whole only if its reason is listed as complete. 'unknown' covers answers that were cut off by
    something other than a limit: 'abort', 'network_error', 'insufficient_system_resource', 'pause_turn', 'OTHER'.
    """
    # 'FinishReason.MAX_TOKENS', 'maxTokens', 'REASON_MAX_LEN', and 'content_filter: RECITATION' are in use.
    name = finish_reason.partition(":")[0].strip().rpartition(".")[2]
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]", "_", name[:80]).lower()
    return _ENDINGS.get(re.sub("^(?:finish_|stop_)?reason_", "", name), "unknown")


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer, as counted by the teacher. `prompt_tokens` includes `cached_tokens`.

    partial: whether the teacher left out how many tokens it generated; then `completion_tokens` is a lower bound, or in
    an answer that the journal returns an upper one. cost_usd: dollars that the server states for the answer; 0: none.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    partial: bool = False
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one request. A bad answer is a value with `error` set, never an exception.

    Attributes:
        text: The answer, without reasoning, where the asker hands it out; a teacher may leave the reasoning in.
        finish_reason: 'stop', 'length', 'content_filter', or another reason given by the teacher.
        error: A reason in snake_case and a detail, such as 'refusal: I can not ...', or None.
        failed: Whether there is no usable response at all (timeout, 503, malformed body). A refusal is a response.
        logprobs: Natural-log probabilities of the likeliest first tokens, if requested.
        reasoning: What the model thought before it answered; empty if nothing is known of it.
        key: The journal key of the answer; None before it is committed.
        unread: What else was generated, such as tool calls: its tokens count, but nothing keeps it.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    model: str = ""
    error: str | None = None
    failed: bool = False
    logprobs: Mapping[str, float] | None = field(default=None, hash=False)
    reasoning: str = ""
    key: str | None = field(default=None, compare=False)
    unread: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def truncated(self) -> bool:
        """Whether the answer may end too early: at the token limit, or for a reason that isn't known to be complete."""
        return ending_of(self.finish_reason) != "complete"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and the key that its answer is committed under.

    number: number of the proposal, or None. tries: batch jobs that have failed to return an answer so far.
    """

    key: str
    prompt: Prompt
    number: int | None = None
    tries: int = 0


ENDPOINT_PURPOSES = ("propose", "classify", "instances", "answer", "plan", "user")
"""The purposes with an endpoint of their own in `Asking`."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How to ask a teacher: the endpoint for each purpose, and whether to use JSON schemas.

    answer: the endpoint for further samples of an answer, which the task's own messages ask for. plan, user: those for
    the user's side of a dialogue.
    structured: the purposes to use schemas for, or True for all; None if not yet probed.
    direct: whether to send the instruction itself to the chat model and use the answer as the only instance.
    """

    propose: Endpoint = "chat"
    classify: Endpoint = "chat"
    instances: Endpoint = "chat"
    structured: bool | frozenset[str] | None = None
    direct: bool = False
    answer: Endpoint = "chat"
    plan: Endpoint = "chat"
    user: Endpoint = "chat"

    @classmethod
    def over(cls, endpoint: Endpoint) -> Asking:
        """Use one endpoint for every purpose."""
        endpoints: dict[str, Any] = dict.fromkeys(ENDPOINT_PURPOSES, endpoint)
        return cls(**endpoints)

    def endpoint(self, purpose: str) -> Endpoint:
        """Return the endpoint for `purpose`; 'chat' for one without a setting of its own, such as 'judge'."""
        found: Endpoint = getattr(self, purpose) if purpose in ENDPOINT_PURPOSES else "chat"
        return found

    def by_schema(self, purpose: str) -> bool:
        """Return whether to request answers for `purpose` by a JSON schema; completions endpoints don't support one."""
        if self.endpoint(purpose) != "chat":
            return False
        return purpose in self.structured if isinstance(self.structured, frozenset) else bool(self.structured)


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A batch job: a file of questions sent to a provider.

    number: position among the run's jobs. digest: SHA-256 of the file. planned_at: Unix time in seconds.
    batch: the provider's id for the job, or None if not yet submitted.
    """

    number: int
    digest: str
    planned_at: float
    batch: str | None = None


class Ask(Protocol):
    """Sends prompts and runs programs, or recalls from the journal what came of them."""

    async def __call__(self, prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        """Return the answer; one with `error` set if the question failed.

        Args:
            prompt: What to send.
            sample: The number of the answer to the same prompt: each number is asked once.
            role: The role of the teachers to ask; `prompt.purpose` if None.
        """

    async def run(self, program: Program) -> Ran:
        """Run a program in the sandbox, or recall from the journal what came of it.

        Raises SandboxMissing if this machine has no sandbox.
        """
