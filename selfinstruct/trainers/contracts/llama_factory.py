"""LLaMA-Factory: an entry of `dataset_info.json` names the columns and roles."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Any

from ..contract import TURNS, Contract, Reading, Target
from ..findings import Rule
from ..layouts import ALPACA, MESSAGES, PAIR, PREFERENCE, SHAREGPT

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
    # Format "sharegpt" covers every list of messages; tags give the keys and roles in the data.
    if layout.kind == "chat":
        entry |= {"formatting": "sharegpt", "columns": {"messages": layout.answers[0]}}
        role, content = layout.keys
        names = ("user", "assistant") if layout == MESSAGES else ("human", "gpt")
        tags = {"role_tag": role, "content_tag": content, "user_tag": names[0], "assistant_tag": names[1]}
        return entry | {"tags": tags | {"system_tag": "system"}}
    columns = {"prompt": layout.prompt[0], "response": layout.answers[0]}
    if layout == PREFERENCE:
        columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
        entry["ranking"] = True
    columns |= {"query": "input"} if "input" in target.optional else {}
    columns |= {"system": "system"} if "system" in target.optional else {}
    return entry | {"formatting": "alpaca", "columns": columns}


LLAMA_FACTORY = Contract(
    name="llama-factory",
    version="0.9.5",
    docs="https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md",
    readings=(
        Reading(SHAREGPT, {"system": "system", "human": "user", "gpt": "assistant"}),
        Reading(MESSAGES),
        Reading(ALPACA),
        Reading(PAIR),
        Reading(PREFERENCE),
    ),
    unread=Rule(
        "error",
        "neither Alpaca columns nor one column of messages",
        "name the columns in dataset_info.json, or rename them",
    ),
    misses={
        "prompt_completion_chat": Rule("error", "prompt and completion must be text there", "join them into 'messages'")
    },
    foreign_role=Rule("error", _DROPPED, "rename the role, or add it to `tags` in dataset_info.json"),
    alternation=Rule("error", _DROPPED, TURNS),
    no_answer=Rule("error", _DROPPED, "end the conversation with the assistant's answer"),
    too_long=Rule("warning", "LLaMA-Factory truncates rows above cutoff_len", "raise cutoff_len, or remove the row"),
    stub=stub,
    stub_name="dataset_info.json",
)
