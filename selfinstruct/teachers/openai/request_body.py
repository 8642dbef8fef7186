"""Builds the JSON body of a request, and learns from a server's first 400 which parameters the server refuses."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

from ...core.prompts import Prompt
from .options import OpenAIOptions
from .server_error import ServerError

_log = logging.getLogger(__name__)

_OPTIONAL = (
    "temperature top_p presence_penalty frequency_penalty stop seed logprobs top_logprobs response_format "
    "reasoning_effort chat_template_kwargs stream stream_options encoding_format"
).split()
"""What a request can do without. Some models take no sampling parameters, some servers no schema."""
_LIMITS = {"max_tokens", "max_completion_tokens"}
_REFUSES = re.compile(
    r"unsupported|not? (?:be )?(?:support|permit|allow|enabl|available)|n't support|unavailable|unrecogni[sz]ed|unknown"
    r"|unexpected|extra|deprecated|incompatible|cannot|only the default|strictly positive|not a valid (?:field|param)",
    re.IGNORECASE,
)


class RequestBody:
    """The bodies of the requests to one teacher."""

    def __init__(self, config: OpenAIOptions) -> None:
        self._config = config
        self._limit: str = config.max_tokens_param
        self._is_switched = False  # in this start; whether `_limit` is the other name
        self._refused: set[str] = set()
        self._note: Callable[[str], None] = lambda learned: None
        self._settings = {purpose: config.for_purpose(purpose) for purpose in ("", *config.purposes)}

    def remember(self, learned: str | None, note: Callable[[str], None]) -> None:
        """Continue with what was learned earlier of the same teacher; it's void if its configuration has changed.

        note: called with all that is known each time the server refuses something else.
        """
        self._note, stored = note, json.loads(learned or "{}")
        if stored.get("teacher") == self._digest():
            self._limit, self._refused = stored["limit"], set(stored["refused"])

    def _digest(self) -> str:
        return hashlib.sha256(self._config.model_dump_json().encode()).hexdigest()[:16]

    def _learned(self) -> None:
        known = {"teacher": self._digest(), "limit": self._limit, "refused": sorted(self._refused)}
        self._note(json.dumps(known))

    def of(self, prompt: Prompt, *, whole: bool = False) -> dict[str, Any]:
        """Return the body of the request for `prompt`, without parameters that aren't set.

        whole: whether to forget what the server has refused.
        """
        limit, refused = (self._config.max_tokens_param, set()) if whole else (self._limit, self._refused)
        body: dict[str, Any] = {"model": self._config.model}
        if prompt.endpoint == "embeddings":
            body |= {"input": prompt.text, "encoding_format": "base64"} | self._settings[""].extra_body
            return {name: value for name, value in body.items() if name not in refused}
        if prompt.endpoint == "chat":
            body["messages"] = [{"role": m.role, "content": m.content} for m in prompt.messages]
        else:
            body["prompt"] = prompt.text
        sampling, settings = prompt.sampling, self._settings.get(prompt.purpose, self._settings[""])
        values: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "presence_penalty": sampling.presence_penalty,
            "frequency_penalty": sampling.frequency_penalty,
            limit: sampling.max_tokens,
            "stop": list(sampling.stop) if sampling.stop else None,
            # A server that draws with a fixed seed would return the same text for every sample.
            "seed": prompt.sample or None,
        }
        if self._config.streams:
            values |= {"stream": True, "stream_options": {"include_usage": True}}

        # Log-probabilities and the schema, each in the format of its endpoint
        if prompt.top_logprobs is not None and prompt.endpoint == "chat":
            values |= {"logprobs": True, "top_logprobs": prompt.top_logprobs}
        elif prompt.top_logprobs is not None:
            values["logprobs"] = prompt.top_logprobs
        if prompt.schema is not None:
            schema = {"name": str(prompt.schema["title"]), "strict": True, "schema": prompt.schema}
            values["response_format"] = {"type": "json_schema", "json_schema": schema}

        # Settings for reasoning belong to chat models. `extra_body` has the last word.
        if prompt.endpoint == "chat":
            values["reasoning_effort"] = settings.reasoning_effort
            values["chat_template_kwargs"] = settings.chat_template_kwargs or None
        values |= settings.extra_body
        return body | {name: v for name, v in values.items() if v is not None and name not in refused}

    def learn(self, sent: Mapping[str, Any], error: ServerError) -> bool:
        """Return whether a request can be sent again without the parameter that `error` refuses, and leave it out then.

        error: such as "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."
        """
        if error.status not in (400, 422):
            return False
        refuses = _REFUSES.search(error.text) is not None
        if refuses and "max_completion_tokens" in error.text and (sent.keys() & _LIMITS):
            if self._limit in sent:
                # Once only: a server that refuses both names would be asked forever.
                if self._is_switched:
                    return False
                self._is_switched = True
                (self._limit,) = _LIMITS - {self._limit}
                self._learned()
            return True
        # 'presence_penalty', 'presencePenalty', 'presence penalty'
        text = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s-]", "_", error.text).lower()
        named = [name for name in _OPTIONAL if name in sent and re.search(rf"(?<![a-z]){name}(?![a-z])", text)]
        # A server may stream without stating the usage.
        if "stream_options" in named:
            named.remove("stream")
        # 'temperature and top_p cannot both be specified': keep the first.
        if "both" in error.text:
            named = named[1:]
        if not named or not refuses:
            return False
        if "logprobs" in named or "top_logprobs" in named:
            named += ["logprobs", "top_logprobs"]
        new = dict.fromkeys(name for name in named if name not in self._refused)
        self._refused |= new.keys()
        if new:
            message = "selfinstruct: the server refuses %s for model %s: left out from now on (%s)"
            _log.warning(message, " and ".join(new), self._config.model, error.text[:200])
            self._learned()
        return True
