"""Parses the result files of a batch job and matches their lines to questions by key.

The job runner uses it. Servers write these files: any line may be cut off, repeated, for another
question, or not JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.prompts import Completion, Prompt
from ..meter import may_be_billed
from ..openai.answer_body import brief, decode, read_answer, unwrap
from ..openai.server_error import ServerError, read_error

_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A question has no answer for a temporary reason.

    counts: whether it used up one of the question's tries. billed: whether the provider may bill it nevertheless.
    """

    reason: str
    counts: bool = True
    billed: bool = True


Outcome = Completion | NoAnswer


def read_results(
    files: Iterable[bytes],
    prompts: Mapping[str, Prompt],
    learn: Callable[[Prompt, ServerError], bool] = lambda _prompt, _error: False,
) -> tuple[dict[str, Outcome], int]:
    """The outcome for each key of `prompts` that has a line, and the number of unused lines.

    If a question has two lines, an answer wins over an error, and an error over a temporary reason; otherwise the first
    line wins.

    Args:
        files: The contents of the files.
        prompts: What was asked, by key.
        learn: Returns whether a request that was refused can be asked again in another way.
    """
    found: dict[str, Outcome] = {}
    unused = 0
    for file in files:
        for line in file.split(b"\n"):
            if not line.strip():
                continue
            # {"custom_id": "p:17", "response": {"status_code": 200, "body": {...}}, "error": null}
            decoded = decode(line)
            row = decoded if isinstance(decoded, Mapping) else {}
            key = row.get("custom_id")
            if not isinstance(key, str) or key not in prompts:
                unused += 1
                continue
            # Keep the better of two lines for one question.
            outcome = _read_row(row, prompts[key], learn)
            before = found.get(key)
            unused += before is not None
            if before is None or _weight(outcome) > _weight(before):
                found[key] = outcome
    return found, unused


def _weight(found: Outcome) -> int:
    if isinstance(found, NoAnswer):
        return 0
    return 1 if found.failed else 2


def _read_row(row: Mapping[str, Any], prompt: Prompt, learn: Callable[[Prompt, ServerError], bool]) -> Outcome:
    """The outcome of one line: an answer, a permanent error, or a temporary reason."""
    response = row.get("response")
    # The server didn't execute the request: {"response": null, "error": {"code": "batch_expired", ...}}.
    if not isinstance(response, Mapping):
        error = read_error(500, row.get("error"))
        reason = (error and brief(error.text)) or "a row without response and error"
        return NoAnswer(reason, billed=not row.get("error"))
    # It did: {"status_code": 400, "body": {"error": {"code": ..., "message": ...}}}.
    status, body = response.get("status_code"), response.get("body")
    if not isinstance(status, int):
        return NoAnswer("a row without a status")
    body = decode(body) if isinstance(body, str) else unwrap(body)
    error = None if isinstance(body, Mapping) and body.get("choices") else read_error(status, body)
    if error is None:
        return read_answer(body, prompt)
    reason = brief(error.text) or "no reason given"
    if error.is_filter:
        return Completion("", "content_filter", error=f"content_filter: {reason}")
    if error.status >= 500 or error.status in _PASSING or learn(prompt, error):
        return NoAnswer(f"status {error.http_status}: {reason}", billed=may_be_billed(error.status))
    return Completion("", error=f"bad_request: {reason}", failed=True)
