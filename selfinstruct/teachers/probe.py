"""Does a server follow a JSON schema? Asked once a model and run, through the journal like every other question."""

from __future__ import annotations

import json

from ..core.prompts import Completion, Message, Prompt, Sampling

_SCHEMA = {
    "title": "probe",
    "type": "object",
    "properties": {"probe": {"type": "array", "items": {"type": "string"}}},
    "required": ["probe"],
    "additionalProperties": False,
}


def probe_prompt() -> Prompt:
    """A short question whose answer shows whether the schema was followed; its wording doesn't ask for JSON."""
    return Prompt(
        purpose="probe",
        messages=(Message("user", "Name two colours."),),
        sampling=Sampling(max_tokens=200),
        version="probe-1",
        schema=_SCHEMA,
    )


def speaks_schema(completion: Completion) -> bool:
    """Whether the answer has the schema's shape. An error, or plain text, means that it doesn't."""
    if completion.error is not None:
        return False
    try:
        value = json.loads(completion.text)
    except (json.JSONDecodeError, RecursionError):
        return False
    return isinstance(value, dict) and isinstance(value.get("probe"), list) and len(value["probe"]) > 0
