"""Parses the result files of a batch job and matches their lines to questions by key.

The job runner uses it. Servers write these files: any line may be cut off, repeated, for another
question, or not JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.prompts import Completion, Prompt, Usage
from ..openai.answer_body import one_line, read_answer

_PASSING = frozenset({408, 409, 425, 429})


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A question has no answer for a temporary reason. counts: whether it used up one of the question's tries."""

    reason: str
    counts: bool = True


Outcome = Completion | NoAnswer


def read_results(files: Iterable[bytes], prompts: Mapping[str, Prompt]) -> tuple[dict[str, Outcome], int]:
    """The outcome for each key of `prompts` that has a line, and the number of unused lines.

    If a question has two lines, an answer wins over an error, and an error over a temporary reason; otherwise the first
    line wins.
    """
    found: dict[str, Outcome] = {}
    unused = 0
    for file in files:
        for line in file.split(b"\n"):
            if not line.strip():
                continue
            # {"custom_id": "p:17", "response": {"status_code": 200, "body": {...}}, "error": null}
            row = _decoded(line)
            key = row.get("custom_id")
            if not isinstance(key, str) or key not in prompts:
                unused += 1
                continue
            # Keep the better of two lines for one question.
            outcome = _read_row(row, prompts[key])
            before = found.get(key)
            unused += before is not None
            if before is None or _weight(outcome) > _weight(before):
                found[key] = outcome
    return found, unused


def _decoded(line: bytes) -> Mapping[str, Any]:
    """The JSON object on a line, or an empty one."""
    try:
        row = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, Mapping) else {}


def _weight(found: Outcome) -> int:
    if isinstance(found, NoAnswer):
        return 0
    return 1 if found.failed else 2


def _read_row(row: Mapping[str, Any], prompt: Prompt) -> Outcome:
    """The outcome of one line: an answer, a permanent error, or a temporary reason."""
    response, error = row.get("response"), row.get("error")
    # The server executed the request: {"status_code": 400, "body": {"error": {"code": ..., "message": ...}}}.
    if isinstance(response, Mapping):
        status = response.get("status_code")
        if status == 200:
            return read_answer(response.get("body"), prompt)
        body = response.get("body")
        reason = _describe(body.get("error") if isinstance(body, Mapping) else body)
        if isinstance(status, int) and 400 <= status < 500 and status not in _PASSING:
            return Completion("", usage=Usage(), error=f"bad_request: {reason}", failed=True)
        return NoAnswer(f"status {status}: {reason}" if isinstance(status, int) else "a row without a status")
    # It didn't: {"response": null, "error": {"code": "batch_expired", ...}}.
    return NoAnswer(_describe(error) if error else "a row without response and error")


def _describe(error: object) -> str:
    """The code and message of an error as one line of bounded length."""
    parts = [error.get("code"), error.get("message")] if isinstance(error, Mapping) else [error]
    text = ": ".join(part for part in parts if isinstance(part, str) and part) or "no reason given"
    return one_line(text[:2000])[:300]
