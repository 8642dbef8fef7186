"""torchtune: the `dataset` section of a recipe's YAML names a builder.

Read: `data/_messages.py`, `datasets/_chat.py` and `datasets/_sft.py` of 0.6.1.
"""

from __future__ import annotations

from typing import Any

from ..contract import CHAT_ROLES, SHAREGPT_ROLES, TURNS, USUAL_ORDER, Contract, Reading, Target, yaml_text
from ..findings import Rule
from ..layouts import ALPACA, MESSAGES, PAIR, SHAREGPT, TEXT

_TRAINS_ON_INPUT = Rule(
    "warning", "alpaca_dataset includes the prompt in the loss", "set train_on_input: False, as --write-config does"
)
_LOSS = "every answer; the whole conversation: train_on_input: True; the last answer: one row with a prompt of its own"
_STOPS = "torchtune's message check stops with a ValueError"


def stub(target: Target) -> str:
    """Write the `dataset` section of a recipe."""
    layout = target.layout
    section: dict[str, Any] = {"_component_": f"torchtune.datasets.{_builder(target)}_dataset"}
    if target.is_file:
        kind = "parquet" if target.path.endswith(".parquet") else "json"
        section |= {"source": kind, "data_files": target.path}
    else:
        section |= {"source": target.path} | ({"name": target.config} if target.config else {})
    section["split"] = target.train
    if layout.kind == "chat":
        style = "openai" if layout == MESSAGES else "sharegpt"
        section |= {"conversation_column": layout.answers[0], "conversation_style": style}
    elif layout == PAIR:
        section["column_map"] = {"input": "prompt", "output": "completion"}
    section |= {"column": "text"} if layout == TEXT else {"train_on_input": False}
    return yaml_text({"dataset": section})


def _builder(target: Target) -> str:
    return {MESSAGES: "chat", SHAREGPT: "chat", PAIR: "instruct", ALPACA: "alpaca", TEXT: "text_completion"}[
        target.layout
    ]


TORCHTUNE = Contract(
    name="torchtune",
    version="0.6.1",
    docs="https://docs.pytorch.org/torchtune/stable/basics/chat_datasets.html",
    readings=(
        Reading(
            MESSAGES,
            {role: part for role, part in CHAT_ROLES.items() if role != "tool"} | {"ipython": "tool"},
            ignored=("system", "tools"),
            loss=_LOSS,
        ),
        Reading(SHAREGPT, SHAREGPT_ROLES, ignored=("system", "tools"), loss=_LOSS),
        Reading(PAIR),
        Reading(ALPACA, note=("whole_text_loss", _TRAINS_ON_INPUT), ignored=("system", "history")),
        Reading(TEXT),
    ),
    unread=Rule("error", "no torchtune builder reads these columns", "rename them, or map them with column_map"),
    misses={
        "prompt_completion_chat": Rule("error", "instruct_dataset expects text", "use messages"),
        "conversations": Rule(
            "error", "style sharegpt expects from/value, style openai a column 'messages'", "rename the column"
        ),
    },
    foreign_role=Rule("error", "torchtune stops with a KeyError, or doesn't know the role", "rename the role"),
    # An answer to a tool's result is refused, too.
    order={**USUAL_ORDER, "assistant": frozenset(("user",))},
    alternation=Rule("error", _STOPS, TURNS),
    tool_calls=Rule("error", "torchtune doesn't read them, and takes the text of the message before", "remove the row"),
    content_parts=True,
    too_long=Rule("warning", "rows above the tokenizer's max_seq_len are truncated", "raise max_seq_len"),
    stub=stub,
    stub_name="torchtune.yaml",
)
