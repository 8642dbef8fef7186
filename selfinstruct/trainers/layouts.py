"""The layouts that rows of instruction data come in: which columns belong together, and what stands in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns that are read together.

    name: as this program's own dataset configs are called, where one has it. kind: whether the columns hold text or
    messages. prompt: columns that come first; answers: what is learned, of which each one follows the prompt (two in a
    preference). optional: columns of text that may be missing or empty. keys: of a message, its role and its content.
    """

    name: str
    kind: Literal["text", "chat"]
    answers: tuple[str, ...]
    prompt: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    keys: tuple[str, str] = ("role", "content")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that every row must have."""
        return self.prompt + self.answers

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has the columns, with the kind of value that stands in them here."""
        return all(name in row and self._holds(row[name]) for name in self.columns)

    def _holds(self, value: object) -> bool:
        if self.kind == "text":
            return isinstance(value, str)
        first = value[0] if isinstance(value, list) and value else None
        return isinstance(first, dict) and self.keys[0] in first


MESSAGES = Layout("messages", "chat", ("messages",))
PAIR = Layout("prompt_completion", "text", ("completion",), prompt=("prompt",))
CHAT_PAIR = Layout("prompt_completion_chat", "chat", ("completion",), prompt=("prompt",))
ALPACA = Layout("alpaca", "text", ("output",), prompt=("instruction",), optional=("input", "system"))
SHAREGPT = Layout("sharegpt", "chat", ("conversations",), keys=("from", "value"))
CONVERSATIONS = Layout("conversations", "chat", ("conversations",))
TEXT = Layout("text", "text", ("text",))
PREFERENCE = Layout("preference", "text", ("chosen", "rejected"), prompt=("prompt",))
CHAT_PREFERENCE = Layout("preference_chat", "chat", ("chosen", "rejected"), prompt=("prompt",))
WHOLE_PREFERENCE = Layout("preference_whole", "chat", ("chosen", "rejected"))

LAYOUTS = (
    PREFERENCE, CHAT_PREFERENCE, WHOLE_PREFERENCE, PAIR, CHAT_PAIR, MESSAGES, SHAREGPT, CONVERSATIONS, ALPACA, TEXT,
)  # fmt: skip
"""Those with more columns stand before those that they contain."""


def layout_of(row: Mapping[str, Any], among: Iterable[Layout] = LAYOUTS) -> Layout | None:
    """The first layout that a row fits, or None."""
    return next((layout for layout in among if layout.fits(row)), None)
