"""LLaMA-Factory: an entry of `dataset_info.json` names the columns and roles.

Read: `data/parser.py`, `data/converter.py`, `data/formatter.py`, and `data/processor/` of 0.9.5.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any

from .. import layouts
from ..contract import NEIGHBORS, PAIRS, Contract, Reading, Target
from ..findings import Rule

# The tags of dataset_info.json for roles, the parts that they mean, and the roles in the data. The converter accepts
# turns of user and tool at even places only (from 0, without the system's), answers and calls at odd ones.
_TAGS = ("user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")
_PARTS = ("user", "assistant", "tool", "call", "system")
_SHAREGPT_ROLES = ("human", "gpt", "observation", "function_call", "system")
_CHAT_ROLES = ("user", "assistant", "tool", "function_call", "system")
_IN_PAIRS = "after at most one system message, alternate user or tool's result with answer or call"
_CALL = 'write the call as the message\'s text, {"name": ..., "arguments": ...}, with the role function_call'
_CHATS = (
    layouts.SHAREGPT_PREFERENCE, layouts.MESSAGES_PREFERENCE, layouts.SHAREGPT_KTO, layouts.MESSAGES_KTO,
    layouts.SHAREGPT, layouts.MESSAGES, layouts.CONVERSATIONS,
)  # fmt: skip
_LOSS = "every answer; the last answer: mask_history: true; prompts too: train_on_prompt: true"
_FLAT = "use the format preference_flat, or one message in 'chosen' and one in 'rejected'"
_DROPPED = "LLaMA-Factory drops such a row, with a line in the log"


def stub(target: Target) -> str:
    """Write `dataset_info.json` with one entry per split; only the key `script_url` accepts a config and a split."""
    base = target.config or PurePath(target.path).stem
    name = re.sub(r"\W+", "_", f"{PurePath(target.path).parent.name}_{base}" if target.config else base)
    entries = {name: _entry(target, target.train)}
    if target.test:
        entries[f"{name}_{target.test}"] = _entry(target, target.test)
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _entry(target: Target, split: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"file_name" if target.is_file else "script_url": target.path}
    if target.config:
        entry["subset"] = target.config
    if not target.is_file:
        entry["split"] = split
    layout = target.layout
    columns = {name: name for name in target.optional if name in ("system", "tools", "history")}
    columns |= {"query": "input"} if "input" in target.optional else {}
    columns |= {"kto_tag": layout.label} if layout.label else {}
    if len(layout.answers) == 2:
        columns |= {"chosen": "chosen", "rejected": "rejected"}
        entry["ranking"] = True
    # Format "sharegpt" covers every list of messages. Without a tag, rows with that role are dropped, so name all.
    if layout.kind == "chat":
        role, content = layout.keys
        tags = {"role_tag": role, "content_tag": content, **_tags(layout)}
        columns = {"messages": (layout.prompt + layout.answers)[0], **columns}
        return entry | {"formatting": "sharegpt", "columns": columns, "tags": tags}
    answer = {} if len(layout.answers) == 2 else {"response": layout.answers[0]}
    return entry | {"formatting": "alpaca", "columns": {"prompt": layout.prompt[0], **answer, **columns}}


def _tags(layout: layouts.Layout) -> dict[str, str]:
    """Return the roles in the data by the names of LLaMA-Factory's tags."""
    return dict(zip(_TAGS, _SHAREGPT_ROLES if layout.keys == layouts.SHAREGPT.keys else _CHAT_ROLES, strict=True))


LLAMA_FACTORY = Contract(
    name="llama-factory",
    version="0.9.5",
    docs="https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md",
    readings=(
        *(Reading(layout, dict(zip(_tags(layout).values(), _PARTS, strict=True)), loss=_LOSS) for layout in _CHATS),
        *(Reading(layout, loss=_LOSS) for layout in (layouts.ALPACA_KTO, layouts.ALPACA)),
        *(Reading(layout) for layout in (layouts.KTO, layouts.PAIR, layouts.PREFERENCE)),
    ),
    unread=Rule(
        "error",
        "neither Alpaca columns nor one column of messages",
        "name the columns in dataset_info.json, or rename them",
    ),
    misses={
        "prompt_completion_chat": Rule(
            "error", "prompt and completion must be text there", "join them into 'messages'"
        ),
        "preference": Rule("error", "it takes 'chosen' as one message, not as a list, and drops every row", _FLAT),
        "kto": Rule("error", "prompt and completion must be text there", "write text, or one column 'messages'"),
    },
    neighbors=NEIGHBORS,
    weights=("kto_chosen_weight", "kto_rejected_weight"),
    foreign_role=Rule("error", _DROPPED, "rename the role, or add it to `tags` in dataset_info.json"),
    order=PAIRS,
    alternation=Rule("error", _DROPPED, _IN_PAIRS),
    tool_calls=Rule("error", "LLaMA-Factory doesn't read them in format sharegpt", _CALL),
    call_text=Rule("error", "LLaMA-Factory stops with an error", _CALL),
    tools=(str,),
    no_answer=Rule("error", _DROPPED, "end the conversation with the assistant's answer"),
    too_long=Rule("warning", "LLaMA-Factory truncates rows above cutoff_len", "raise cutoff_len, or remove the row"),
    stub=stub,
    stub_name="dataset_info.json",
)
