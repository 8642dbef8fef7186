"""What the result files of a batch job say, matched to the questions by their keys and by nothing else.

The files are what a server wrote: any line may be torn, doubled, about another question, or no JSON at all.
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
class Again:
    """No answer to a question, for a reason that may pass; counts: whether that was one of its tries."""

    reason: str
    counts: bool = True


Found = Completion | Again


def read_results(files: Iterable[bytes], prompts: Mapping[str, Prompt]) -> tuple[dict[str, Found], int]:
    """What was found for each key of `prompts`, and how many lines were of no use.

    Of two lines for one question an answer counts more than an error, and that more than a reason to ask again;
    of two alike the first counts.
    """
    found: dict[str, Found] = {}
    useless = 0
    for file in files:
        for line in file.split(b"\n"):
            if not line.strip():
                continue
            row = _decoded(line)
            key = row.get("custom_id")
            if not isinstance(key, str) or key not in prompts:
                useless += 1
                continue
            said = _read_row(row, prompts[key])
            before = found.get(key)
            useless += before is not None
            if before is None or _weight(said) > _weight(before):
                found[key] = said
    return found, useless


def _decoded(line: bytes) -> Mapping[str, Any]:
    try:
        row = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return row if isinstance(row, Mapping) else {}


def _weight(found: Found) -> int:
    if isinstance(found, Again):
        return 0
    return 1 if found.failed else 2


def _read_row(row: Mapping[str, Any], prompt: Prompt) -> Found:
    response, error = row.get("response"), row.get("error")
    if isinstance(response, Mapping):
        status = response.get("status_code")
        if status == 200:
            return read_answer(response.get("body"), prompt)
        body = response.get("body")
        said = _said(body.get("error") if isinstance(body, Mapping) else body)
        if isinstance(status, int) and 400 <= status < 500 and status not in _PASSING:
            return Completion("", usage=Usage(), error=f"bad_request: {said}", failed=True)
        return Again(f"status {status}: {said}" if isinstance(status, int) else "a row without a status")
    return Again(_said(error) if error else "a row without response and error")


def _said(error: object) -> str:
    """Code and message of an error, in one bounded line."""
    parts = [error.get("code"), error.get("message")] if isinstance(error, Mapping) else [error]
    text = ": ".join(part for part in parts if isinstance(part, str) and part) or "no reason given"
    return one_line(text[:2000])[:300]
