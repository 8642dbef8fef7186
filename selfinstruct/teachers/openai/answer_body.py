"""Parses the response bodies of OpenAI-compatible servers, live or from a batch job's file.

Real servers also send HTML, half a JSON value, or an error with status 200. The SDK's typed models would accept these
as they are, or fail in other ways.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ...core.prompts import Completion, Prompt, ending_of
from ...core.tasks import storable
from .usage import read_usage

_NAME = 200
"""Most characters that are kept of a model's name or a finish reason, which the server chooses."""


def read_answer(body: object, prompt: Prompt) -> Completion:
    """The completion in a decoded response body. Never raises: a bad body is a completion with an error."""
    # A body without a JSON content type comes as text: an HTML page, or JSON after all.
    if isinstance(body, str):
        body = _decoded(body)
    if isinstance(body, str):
        kind = "html_answer" if body.lstrip().startswith("<") else "not_json"
        return Completion("", error=f"{kind}: {one_line(body)}", failed=True)
    if not isinstance(body, Mapping):
        return Completion("", error=f"broken_answer: {type(body).__name__} instead of an object", failed=True)

    # {"model": "m-1", "usage": {...}, "choices": [{"finish_reason": "stop", "message": {"content": "Hello."}}]}
    usage = read_usage(body)
    model = storable(body["model"])[:_NAME] if isinstance(body.get("model"), str) else ""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        said = body.get("error")
        detail = f": {said}" if said else ""
        return Completion("", usage=usage, model=model, error=f"no_choices{detail}", failed=True)

    # Why the text is no answer, if it isn't.
    finish = choice.get("finish_reason")
    finish = storable(finish)[:_NAME] if isinstance(finish, str) and finish else "stop"
    text, refusal = _content(choice, prompt)
    error = None
    if refusal:
        error = f"refusal: {one_line(refusal)}"
    elif ending_of(finish) == "filter":
        error = "content_filter" if finish == "content_filter" else f"content_filter: {one_line(finish)}"
    elif not text.strip():
        error = "empty_answer"
    return Completion(
        text,
        finish_reason=finish,
        usage=usage,
        model=model,
        error=error,
        logprobs=_logprobs(choice.get("logprobs")) if prompt.top_logprobs is not None else None,
    )


def _content(choice: Mapping[str, Any], prompt: Prompt) -> tuple[str, str]:
    """The text and the refusal of one choice; empty if missing."""
    if prompt.endpoint == "completions":
        text = choice.get("text")
        return (storable(text) if isinstance(text, str) else ""), ""
    message = choice.get("message")
    if not isinstance(message, Mapping):
        return "", ""
    text, refusal = message.get("content"), message.get("refusal")
    if isinstance(text, list):  # content parts: [{"type": "text", "text": "Hello."}]
        parts = [part.get("text") for part in text if isinstance(part, Mapping)]
        text = "".join(part for part in parts if isinstance(part, str))
    return (storable(text) if isinstance(text, str) else ""), (storable(refusal) if isinstance(refusal, str) else "")


def _decoded(body: str) -> object:
    """The JSON object in a text, or the text itself."""
    if not body.lstrip().startswith("{"):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def one_line(text: str) -> str:
    """A server's text on one line, without characters that the journal can't store."""
    return " ".join(storable(text).split())


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
