"""OpenAI's fine-tuning service: a JSON Lines file, checked when uploaded."""

from __future__ import annotations

from ..contract import CHAT_ROLES, LINES, Contract, Reading
from ..findings import Rule
from ..layouts import MESSAGES

_REFUSED = "the service rejects the file"

OPENAI = Contract(
    name="openai",
    version="as of 2026",
    docs="https://platform.openai.com/docs/guides/supervised-fine-tuning",
    readings=(
        Reading(MESSAGES, {**CHAT_ROLES, "developer": "system", "function": "tool"}, loss='all without "weight": 0'),
    ),
    turn_keys=("weight",),
    unread=Rule("error", _REFUSED, "keep 'messages' only; the format openai writes such a file"),
    files=(
        LINES,
        Rule(
            "error",
            "the service accepts a single JSON Lines file",
            "export the format openai (`selfinstruct export RUN --format openai`) and upload its openai/train.jsonl",
        ),
    ),
    others=frozenset({"tools", "parallel_tool_calls", "functions"}),
    foreign_role=Rule("error", _REFUSED, "rename roles to system, user, assistant"),
    no_answer=Rule("error", _REFUSED, "end the conversation with the assistant's answer"),
    empty_answer=Rule("error", _REFUSED, "remove the row, or write an answer"),
    empty_prompt=Rule("error", _REFUSED, "remove the row, or write the prompt"),
    alternation=Rule("warning", "unusual, though the service accepts it", "alternate user and assistant"),
    too_long=Rule("warning", "the service truncates rows above the model's training context", "shorten the row"),
    tools=(list,),
    content_parts=True,
    max_length=65_536,
    min_rows=10,
)
