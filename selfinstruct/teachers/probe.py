"""Probe whether a server follows a JSON schema.

`generate` sends the probe once per model and run, through the journal like every other prompt.
"""

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
    """Return a short prompt with a schema; the text does not mention JSON, so only the schema can lead to JSON."""
    # The wording is part of the journal key: changing it would repeat the probe in existing runs.
    return Prompt(
        purpose="probe",
        messages=(Message("user", "Name two colours."),),
        sampling=Sampling(max_tokens=200),
        version="probe-1",
        schema=_SCHEMA,
    )


def speaks_schema(completion: Completion) -> bool:
    """Return whether the response follows the schema; an error or plain text does not."""
    if completion.error is not None:
        return False
    try:
        value = json.loads(completion.text)
    except (json.JSONDecodeError, RecursionError):
        return False
    # {"probe": ["red", "blue"]}
    return isinstance(value, dict) and isinstance(value.get("probe"), list) and len(value["probe"]) > 0
