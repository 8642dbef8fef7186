"""Parses the response bodies of OpenAI-compatible servers, live or from a batch job's file.

Real servers also send HTML, half a JSON value, or an error with status 200. The SDK's typed models would accept these
as they are, or fail in other ways.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ...core.embeddings import vector_in, written_vector
from ...core.prompts import Completion, Prompt, Usage, ending_of
from ...core.reasoning import split_reasoning
from ...core.tasks import storable
from .server_error import read_error
from .usage import read_usage

_NAME = 200
"""Most characters that are kept of a model's name or a finish reason, which the server chooses."""
_BRIEF = 300
"""Most characters of a server's text in a message."""
_DEPTH = 4
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
"""Where servers put what the model thought, beside the content. Some fill two with the same text: the first counts."""
GENERATED = frozenset(
    """message content text value refusal tool_calls function_call function custom arguments input parts reasoning
    reasoning_content reasoning_details thinking thinking_blocks thought summary data encrypted_content""".split()
)
"""Where a choice has what the model generated. Other fields repeat it, or hold sources, images, log-probabilities."""


def decode(content: str | bytes) -> object:
    """The JSON value in a body, or else its text."""
    try:
        return unwrap(json.loads(content))
    except (ValueError, RecursionError):
        return content if isinstance(content, str) else content.decode("utf-8", "replace")


def unwrap(body: object) -> object:
    """The completion in an envelope, {"code": 0, "msg": "success", "data": {"choices": [...]}}, or else `body`."""
    if isinstance(body, Mapping) and not body.get("choices"):
        for name in ("data", "result", "response", "output", "body"):
            inner = body.get(name)
            if isinstance(inner, Mapping) and inner.get("choices"):
                return {"usage": body.get("usage"), **inner}
    return body


def read_answer(body: object, prompt: Prompt) -> Completion:
    """The completion in a decoded response body. Never raises: a bad body is a completion with an error."""
    answer = _read(body, prompt)
    choices = body.get("choices") if isinstance(body, Mapping) else None
    seen = {answer.text, answer.reasoning}
    rest = dict.fromkeys(storable(each) for each in generated(choices))
    return replace(answer, unread=tuple(each for each in rest if not any(each in other for other in seen)))


def generated(value: object, depth: int = 0) -> Iterator[str]:
    """Yield every text in the choices that the model generated."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | Mapping) and depth <= 2 * _DEPTH:
        named = value.items() if isinstance(value, Mapping) else [("content", each) for each in value]
        for name, item in named:
            if name in ("arguments", "input") and not isinstance(item, str):  # {"city": "Oslo"}, by any name
                yield json.dumps(item, ensure_ascii=False)
            elif name in GENERATED:
                yield from generated(item, depth + 1)


def _read(body: object, prompt: Prompt) -> Completion:
    if isinstance(body, str):
        kind = "html_answer" if body.lstrip().startswith("<") else "not_json"
        return Completion("", error=brief(f"{kind}: {body}"), failed=True)
    if not isinstance(body, Mapping):
        return Completion("", error=f"broken_answer: {type(body).__name__} instead of an object", failed=True)

    # {"model": "m-1", "usage": {...}, "choices": [{"finish_reason": "stop", "message": {"content": "Hello."}}]}
    usage = read_usage(body)
    model = storable(body["model"])[:_NAME] if isinstance(body.get("model"), str) else ""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    said = read_error(200, body)
    if said is not None:
        return Completion("", usage=usage, model=model, error=brief(f"server_error: {said.text}"), failed=True)
    if prompt.endpoint == "embeddings":
        return _read_embedding(body.get("data"), replace(usage, partial=False), model)  # nothing is generated
    if not isinstance(choice, Mapping):
        return Completion("", usage=usage, model=model, error="no_choices", failed=True)
    finish = _finish_reason(choice, usage.completion_tokens, prompt)
    broken = read_error(200, {"error": choice.get("error")})
    if broken is not None or ending_of(finish) == "error":
        detail = broken.text if broken else f"the server ended the answer with {finish!r}"
        return Completion("", finish, usage, model, error=brief(f"server_error: {detail}"), failed=True)

    # {"content": "Hello.", "refusal": null, "reasoning_content": "They greet me."} in "message", or {"text": "Hello."}
    message = choice.get("message")
    fields = message if isinstance(message, Mapping) else choice
    content = fields.get("content")
    text, thought = texts_of(choice.get("text") if content is None else content)
    refusal = texts_of(fields.get("refusal"))[0] or refusal_in(content)
    beside = next((found for name in _REASONING_FIELDS if (found := "".join(texts_of(fields.get(name))))), "")
    reasoning = storable("\n".join(part for part in (beside, thought) if part))

    # Why the text is no answer, if it isn't.
    text, error = storable(text), None
    if refusal:
        error = brief(f"refusal: {refusal}")
    elif ending_of(finish) == "filter":
        error = "content_filter" if finish == "content_filter" else brief(f"content_filter: {finish}")
    inside, answer = split_reasoning(text)
    if error is None and not answer.strip():
        error = "empty_answer"
        if reasoning or text.strip():
            error = f"only_reasoning: {usage.completion_tokens:,} tokens and no answer; finish reason {finish!r}"
    # The first token of a model that reasons doesn't belong to its answer.
    is_wanted = prompt.top_logprobs is not None and not reasoning and not inside
    logprobs = _logprobs(choice.get("logprobs")) if is_wanted else None
    return Completion(text, finish, usage, model, error, logprobs=logprobs, reasoning=reasoning)


def _read_embedding(data: object, usage: Usage, model: str) -> Completion:
    """The completion whose text is a vector. data: of the body. usage: as the body states it."""
    # [{"embedding": "AACAPw=="}], or [{"embedding": [1.0]}] from a server that doesn't know base64
    try:
        found = data[0]["embedding"]  # type: ignore[index]
        text = found if isinstance(found, str) else written_vector(found)
    except (KeyError, IndexError, TypeError, OverflowError, struct.error):
        text = ""
    if vector_in(text) is None:
        return Completion("", usage=usage, model=model, error="broken_answer: it has no vector", failed=True)
    return Completion(text, usage=usage, model=model)


def _finish_reason(choice: Mapping[str, Any], tokens: int, prompt: Prompt) -> str:
    """The finish reason; 'null' if the server states none, and 'stop' if it doesn't know the field, as old ones."""
    for name in ("finish_reason", "native_finish_reason", "stop_reason", "done_reason"):
        reason = choice.get(name)
        if isinstance(reason, str) and reason:
            return storable(reason)[:_NAME]
    # An answer as long as the limit was probably cut off by it.
    if prompt.sampling.max_tokens is not None and tokens >= prompt.sampling.max_tokens:
        return "length"
    return "null" if "finish_reason" in choice else "stop"


def texts_of(content: object, depth: int = 0) -> tuple[str, str]:
    """The text and the reasoning in a content: a text, a part, or a list of both.

    A part: {"type": "text", "text": "Hello."}, {"type": "output_text", "text": {"value": "Hello."}},
    {"type": "thinking", "thinking": [{"type": "text", "text": "They greet me."}]}.
    """
    if isinstance(content, str):
        return content, ""
    if isinstance(content, list) and depth < _DEPTH:
        pairs = [texts_of(part, depth + 1) for part in content]
        return "".join(text for text, _ in pairs), "\n".join(thought for _, thought in pairs if thought)
    if not isinstance(content, Mapping) or depth >= _DEPTH:
        return "", ""
    names = ("text", "value", "content", "thinking", "reasoning", "summary")
    text, thought = next((texts_of(content[name], depth + 1) for name in names if content.get(name)), ("", ""))
    kind = str(content.get("type") or "text")
    is_thought = any(word in kind for word in ("think", "reasoning", "thought", "summary"))
    if is_thought or content.get("thought") is True:
        return "", text + thought
    return (text, thought) if "text" in kind or kind == "message" else ("", "")


def refusal_in(content: object) -> str:
    """The refusal in a list of parts: [{"type": "refusal", "refusal": "I can't help."}]."""
    parts = content if isinstance(content, list) else []
    return "".join(texts_of(part.get("refusal"))[0] for part in parts if isinstance(part, Mapping))


def one_line(text: str) -> str:
    """A server's text on one line, without characters that the journal can't store."""
    return " ".join(storable(text).split())


def brief(text: str) -> str:
    """The beginning of `one_line(text)`, for a message."""
    return one_line(text)[:_BRIEF]


def _logprobs(found: object) -> dict[str, float] | None:
    """Log-probabilities of the alternatives to the first token, in the chat or the completions format."""
    if not isinstance(found, Mapping):
        return None
    # Chat: {"content": [{"top_logprobs": [{"token": "Yes", "logprob": -0.1}]}]}
    content = found.get("content")
    if isinstance(content, list) and content and isinstance(content[0], Mapping):
        pairs = [
            (item.get("token"), item.get("logprob"))
            for item in content[0].get("top_logprobs") or []
            if isinstance(item, Mapping)
        ]
    else:
        # Completions: {"top_logprobs": [{"Yes": -0.1, "No": -2.5}]}
        top = found.get("top_logprobs")
        first = top[0] if isinstance(top, list) and top else None
        pairs = list(first.items()) if isinstance(first, Mapping) else []
    return {
        str(token): float(value) for token, value in pairs if isinstance(token, str) and isinstance(value, int | float)
    } or None
