"""The column layouts of instruction datasets: which columns belong together, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import UnionType
from typing import Any, Literal


@dataclass(frozen=True)
class Layout:
    """Columns that are read together."""

    name: str  # the name of this package's dataset config with this layout, if there is one
    kind: Literal["text", "chat"]  # whether the columns hold text or lists of messages
    answers: tuple[str, ...]  # columns to learn; each follows the prompt. Two for preferences, none for rewards.
    prompt: tuple[str, ...] = ()  # columns that come first
    optional: tuple[str, ...] = ()  # further columns that may be missing or empty
    keys: tuple[str, str] = ("role", "content")  # keys of a message: its role and its content
    label: str | None = None  # the column that says whether the answer is a good one, in a dataset for KTO
    lone: bool = False  # whether each answer is one message, not a list of messages
    values: tuple[tuple[str, type | UnionType], ...] = ()  # further columns, and what each holds

    @cached_property
    def columns(self) -> dict[str, type | UnionType]:
        """The columns that every row must have, and what each holds."""
        kind = str if self.kind == "text" else list
        columns: dict[str, type | UnionType] = dict.fromkeys(self.prompt, kind)
        columns |= dict.fromkeys(self.answers, dict if self.lone else kind)
        return columns | ({self.label: bool} if self.label else {}) | dict(self.values)

    @property
    def graded(self) -> bool:
        """Whether some of the answers are bad ones."""
        return len(self.answers) == 2 or self.label is not None

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has all columns, with values of the right kind."""
        values = dict(self.values)
        return all(
            isinstance(row.get(name), kind) if name in values else self._holds(row.get(name), kind)
            for name, kind in self.columns.items()
        )

    def messages(self, row: Mapping[str, Any], name: str) -> list[Any]:
        """Return the messages in a column."""
        return [row[name]] if isinstance(row[name], dict) else list(row[name])

    def _holds(self, value: object, kind: type | UnionType) -> bool:
        if kind is list:  # of messages
            value, kind = value[0] if isinstance(value, list) and value else None, dict
        return isinstance(value, kind) and (not isinstance(value, dict) or self.keys[0] in value)


# {"messages": [{"role": "user", "content": "Hi"}, ...]}, {"prompt": "Hi", "completion": "Hello"} and so on.
MESSAGES = Layout("messages", "chat", ("messages",), optional=("system", "tools"))
PAIR = Layout("prompt_completion", "text", ("completion",), prompt=("prompt",))
CHAT_PAIR = Layout("prompt_completion_chat", "chat", ("completion",), prompt=("prompt",))
ALPACA = Layout("alpaca", "text", ("output",), prompt=("instruction",), optional=("input", "system", "history"))
SHAREGPT = Layout("sharegpt", "chat", ("conversations",), optional=("system", "tools"), keys=("from", "value"))
CONVERSATIONS = Layout("conversations", "chat", ("conversations",), optional=("system", "tools"))
TEXT = Layout("text", "text", ("text",))
# Preferences: a prompt with a better and a worse answer, or two whole conversations; with marks, if a judge gave some.
_SCORES = ("score_chosen", "score_rejected", "margin")
CHAT_PREFERENCE = Layout("preference", "chat", ("chosen", "rejected"), prompt=("prompt",), optional=_SCORES)
PREFERENCE = replace(CHAT_PREFERENCE, name="preference_flat", kind="text")
WHOLE_PREFERENCE = replace(CHAT_PREFERENCE, name="preference_whole", prompt=())
WHOLE_TEXT_PREFERENCE = replace(PREFERENCE, name="preference_whole_text", prompt=())
SHAREGPT_PREFERENCE = replace(
    SHAREGPT, name="sharegpt_preference", prompt=SHAREGPT.answers, answers=("chosen", "rejected"), lone=True
)
MESSAGES_PREFERENCE = replace(
    MESSAGES, name="messages_preference", prompt=MESSAGES.answers, answers=("chosen", "rejected"), lone=True
)
# Answers with a label, good or bad, each on its own.
CHAT_KTO = replace(CHAT_PAIR, name="kto", label="label")
KTO = replace(PAIR, name="kto_flat", label="label")
SHAREGPT_KTO = replace(SHAREGPT, name="sharegpt_kto", label="kto_tag")
MESSAGES_KTO = replace(MESSAGES, name="messages_kto", label="kto_tag")
ALPACA_KTO = replace(ALPACA, name="alpaca_kto", label="kto_tag")
# Prompts for training with rewards; the model in training writes the answers.
PROMPT = Layout("grpo", "chat", (), prompt=("prompt",))
TEXT_PROMPT = replace(PROMPT, name="prompt", kind="text")
RLVR = Layout("rlvr", "chat", (), ("messages",), values=(("ground_truth", str | list), ("dataset", str | list)))
VERL = replace(PROMPT, name="verl", values=(("data_source", str), ("reward_model", dict)))

# A layout precedes the layouts whose columns it contains, since the first match wins.
LAYOUTS = (
    SHAREGPT_PREFERENCE, MESSAGES_PREFERENCE, PREFERENCE, CHAT_PREFERENCE, WHOLE_PREFERENCE, WHOLE_TEXT_PREFERENCE,
    KTO, CHAT_KTO, SHAREGPT_KTO, MESSAGES_KTO, ALPACA_KTO,
    RLVR, VERL, PAIR, CHAT_PAIR, MESSAGES, SHAREGPT, CONVERSATIONS, ALPACA, TEXT, PROMPT, TEXT_PROMPT,
)  # fmt: skip


def layout_of(row: Mapping[str, Any], among: Iterable[Layout] = LAYOUTS) -> Layout | None:
    """Return the first layout that fits a row, or None."""
    return next((layout for layout in among if layout.fits(row)), None)
