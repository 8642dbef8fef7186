"""Axolotl: a YAML file whose `datasets` section names the columns and roles.

Read: `prompt_strategies/chat_template.py` of 0.19.0.
"""

from __future__ import annotations

from typing import Any

from ..contract import Contract, Reading, Target, yaml_text
from ..findings import Rule
from ..layouts import ALPACA, CONVERSATIONS, MESSAGES, PAIR, SHAREGPT, TEXT

_ROLES = {
    "system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "tool": "tool",
}  # fmt: skip


def stub(target: Target) -> str:
    """Write the `datasets` section and what depends on it; model and hyperparameters are left to the user."""
    entry: dict[str, Any] = {"path": target.path}
    if target.is_file:
        entry["ds_type"] = "parquet" if target.path.endswith(".parquet") else "json"
    else:
        entry |= {"name": target.config} if target.config else {}
    entry |= {"split": target.train, **_type(target)}
    values: dict[str, Any] = {
        "base_model": "YOUR_MODEL",
        "datasets": [entry],
        "train_on_inputs": False,
        "sequence_len": target.max_length,
        "output_dir": "axolotl-output",
    }
    if target.test:
        values["test_datasets"] = [entry | {"split": target.test}]
    return yaml_text(values)


def _type(target: Target) -> dict[str, Any]:
    layout = target.layout
    if layout.kind == "chat":
        role, content = layout.keys
        mapping = {"role": role, "content": content}
        return {"type": "chat_template", "field_messages": layout.answers[0], "message_property_mappings": mapping}
    # Axolotl has named types for Alpaca columns and plain text; other columns are described field by field.
    if layout == ALPACA:
        return {"type": "alpaca_w_system" if "system" in target.optional else "alpaca"}
    if layout == TEXT:
        return {"type": "completion", "field": "text"}
    form = {"format": "{instruction}", "no_input_format": "{instruction}"}
    return {"type": {"system_prompt": "", "field_instruction": "prompt", "field_output": "completion", **form}}


AXOLOTL = Contract(
    name="axolotl",
    version="0.19",
    docs="https://docs.axolotl.ai/docs/dataset-formats/conversation.html",
    readings=tuple(Reading(layout, _ROLES) for layout in (MESSAGES, SHAREGPT, CONVERSATIONS, ALPACA, PAIR, TEXT)),
    unread=Rule(
        "error", "none of Axolotl's dataset types reads them as they are", "rename them, or describe them in the YAML"
    ),
    misses={
        "prompt_completion_chat": Rule(
            "error", "chat_template reads one column of messages, not two", "join them into 'messages'"
        )
    },
    foreign_role=Rule(
        "error",
        "Axolotl's `roles` don't name it, so the row is trained on with a role unknown to the template",
        "rename the role, or add it to `roles`",
    ),
    too_long=Rule("warning", "Axolotl drops rows above sequence_len", "raise sequence_len (--max-length writes it)"),
    content_parts=True,
    stub=stub,
    stub_name="axolotl.yaml",
)
