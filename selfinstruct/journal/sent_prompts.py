"""Prompts as JSON in the rows of their answers. A first message that many prompts share is stored once, in `texts`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from ..core.prompts import Prompt, Sampling
from .store import Store

TEXTS = "CREATE TABLE texts (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID"


class Sent:
    """Writes the prompts of one journal, and reads them back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: set[str] = set()

    def json_of(self, prompt: Prompt) -> str:
        """Return `prompt` as JSON. If it has several messages, the first is replaced by the hash of its text.

        For example {"endpoint": "chat", "messages": [["system", "", "1f0a…"], ["user", "…"]], "sampling": {…}}.
        The text itself is written before the next commit.
        """
        messages: list[list[str]] = [[m.role, m.content] for m in prompt.messages]
        if len(messages) > 1:
            text = prompt.messages[0].content
            hash = _hash_of(text)
            if hash not in self._noted:
                self._store.note(("INSERT OR IGNORE INTO texts VALUES (?, ?)", (hash, text)))
                self._noted.add(hash)
            messages[0] = [messages[0][0], "", hash]
        sent = {"endpoint": prompt.endpoint, "messages": messages, "sampling": _stated(prompt.sampling)}
        if prompt.schema is not None:
            sent["schema"] = prompt.schema.get("title", "")  # the strategy defines the rest
        return to_json(sent).decode()

    def read(self, sent: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """Return the endpoint, and role and text of each message, from the JSON that `json_of` returned."""
        values = json.loads(sent)
        return values["endpoint"], tuple(self._message(message) for message in values["messages"])

    def _message(self, message: Sequence[str]) -> tuple[str, str]:
        role, content, *hash = message
        return role, str(self._store.row("SELECT text FROM texts WHERE hash = ?", (*hash,))[0]) if hash else content


def _stated(sampling: Sampling) -> dict[str, Any]:
    return {name: value for name, value in asdict(sampling).items() if value is not None}


@lru_cache(64)  # all prompts of a purpose share their first message
def _hash_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
