"""What a question sent, as JSON in its answer's row; what many questions begin with stands once, in rows of its own."""

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
    """Writes prompts and reads them again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._noted: set[str] = set()

    def json_of(self, prompt: Prompt) -> str:
        """`prompt` for its answer's row. The first of several messages is named by its hash; it goes to disk before."""
        messages: list[list[str]] = [[m.role, m.content] for m in prompt.messages]
        if len(messages) > 1:
            text = prompt.messages[0].content
            name = _name_of(text)
            if name not in self._noted:
                self._store.note(("INSERT OR IGNORE INTO texts VALUES (?, ?)", (name, text)))
                self._noted.add(name)
            messages[0] = [messages[0][0], "", name]
        sent = {"endpoint": prompt.endpoint, "messages": messages, "sampling": _stated(prompt.sampling)}
        if prompt.schema is not None:
            sent["schema"] = prompt.schema.get("title", "")
        return to_json(sent).decode()

    def read(self, sent: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The endpoint, and role and text of each message, of what `json_of` gave."""
        values = json.loads(sent)
        return values["endpoint"], tuple(self._message(message) for message in values["messages"])

    def _message(self, message: Sequence[str]) -> tuple[str, str]:
        role, content, *name = message
        return role, str(self._store.row("SELECT text FROM texts WHERE hash = ?", (*name,))[0]) if name else content


def _stated(sampling: Sampling) -> dict[str, Any]:
    return {name: value for name, value in asdict(sampling).items() if value is not None}


@lru_cache(64)  # every question of a kind has the same
def _name_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
