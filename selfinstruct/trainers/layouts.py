"""The column layouts of instruction datasets: which columns belong together, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns that are read together."""

    name: str  # the name of this package's dataset config with this layout, if there is one
    kind: Literal["text", "chat"]  # whether the columns hold text or lists of messages
    answers: tuple[str, ...]  # columns to learn; each one follows the prompt. Two in a preference dataset.
    prompt: tuple[str, ...] = ()  # columns that come first
    optional: tuple[str, ...] = ()  # further columns that may be missing or empty
    keys: tuple[str, str] = ("role", "content")  # keys of a message: its role and its content

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that every row must have."""
        return self.prompt + self.answers

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has all columns, with values of the right kind."""
        return all(name in row and self._holds(row[name]) for name in self.columns)

    def _holds(self, value: object) -> bool:
        if self.kind == "text":
            return isinstance(value, str)
        first = value[0] if isinstance(value, list) and value else None
        return isinstance(first, dict) and self.keys[0] in first


# {"messages": [{"role": "user", "content": "Hi"}, ...]}, {"prompt": "Hi", "completion": "Hello"} and so on.
MESSAGES = Layout("messages", "chat", ("messages",), optional=("system", "tools"))
PAIR = Layout("prompt_completion", "text", ("completion",), prompt=("prompt",))
CHAT_PAIR = Layout("prompt_completion_chat", "chat", ("completion",), prompt=("prompt",))
ALPACA = Layout("alpaca", "text", ("output",), prompt=("instruction",), optional=("input", "system"))
SHAREGPT = Layout("sharegpt", "chat", ("conversations",), optional=("system", "tools"), keys=("from", "value"))
CONVERSATIONS = Layout("conversations", "chat", ("conversations",), optional=("system", "tools"))
TEXT = Layout("text", "text", ("text",))
PREFERENCE = Layout("preference", "text", ("chosen", "rejected"), prompt=("prompt",))
CHAT_PREFERENCE = Layout("preference_chat", "chat", ("chosen", "rejected"), prompt=("prompt",))
WHOLE_PREFERENCE = Layout("preference_whole", "chat", ("chosen", "rejected"))

# A layout precedes the layouts whose columns it contains, since the first match wins.
LAYOUTS = (
    PREFERENCE, CHAT_PREFERENCE, WHOLE_PREFERENCE, PAIR, CHAT_PAIR, MESSAGES, SHAREGPT, CONVERSATIONS, ALPACA, TEXT,
)  # fmt: skip


def layout_of(row: Mapping[str, Any], among: Iterable[Layout] = LAYOUTS) -> Layout | None:
    """Return the first layout that fits a row, or None."""
    return next((layout for layout in among if layout.fits(row)), None)
