"""Conversations in a cell of a row, whichever keys and roles they use. Seeds and column paths read them with this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

# The part that a role plays, and the names that it goes by: OpenAI's, ShareGPT's, OpenAssistant's, LLaMA-Factory's,
# chat templates'. Part 'call' is a request to a tool, 'tool' the result.
ROLES: Mapping[str, tuple[str, ...]] = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter", "instruction", "input"),
    "assistant": ("assistant", "gpt", "model", "bot", "chatgpt", "response"),
    "tool": ("tool", "observation", "function", "ipython", "tool_response"),
    "call": ("function_call", "tool_call"),
}
PART_OF: Mapping[str, str] = {role: part for part, roles in ROLES.items() for role in roles}
_ROLE_KEYS = ("role", "from")
_CONTENT_KEYS = ("content", "value", "text")


class ChatTurn(NamedTuple):
    """One message: its role as written, the part that the role plays ('' if unknown), and its text, if it has one.

    thinks: whether it has reasoning under a key of its own.
    """

    role: str
    part: str
    text: str | None
    thinks: bool = False


def turns_of(chat: object) -> list[ChatTurn] | None:
    """Return the turns of a list of messages, or of texts of user and assistant in turn; None for anything else."""
    if not isinstance(chat, list) or not chat:
        return None
    if all(isinstance(each, str) for each in chat):
        return [ChatTurn(role, role, text) for role, text in zip(["user", "assistant"] * len(chat), chat, strict=False)]
    turns = [_turn(each) for each in chat]
    return [turn for turn in turns if turn] if all(turns) else None


def content_key(message: Mapping[str, object]) -> str:
    """Return the key of a message's content: 'content', 'value' or 'text'."""
    return next((key for key in _CONTENT_KEYS if key in message), "content")


def _turn(message: object) -> ChatTurn | None:
    if not isinstance(message, Mapping):
        return None
    role = next((message[key] for key in _ROLE_KEYS if key in message), None)
    if not isinstance(role, str):
        return None
    calls = message.get("tool_calls") or message.get("function_call")
    part = PART_OF.get(role.strip().lower(), "")
    thinks = any(message.get(key) for key in ("reasoning_content", "reasoning", "thinking"))
    return ChatTurn(role, "call" if calls and part == "assistant" else part, message_text(message), thinks)


def message_text(message: object) -> str | None:
    """Return a message's text, or None; of content parts such as [{"type": "text", "text": "Hi"}], one per line."""
    content = message.get(content_key(message)) if isinstance(message, Mapping) else message
    if isinstance(content, list) and content:
        parts = [each.get("text") if isinstance(each, Mapping) else each for each in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if len(texts) == len(parts) else None
    return content if isinstance(content, str) else None
