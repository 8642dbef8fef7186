"""Axolotl: a YAML file whose `datasets` section names the columns and roles.

Read: `prompt_strategies/chat_template.py`, `prompt_strategies/dpo/`, `prompt_strategies/kto/`,
`prompt_strategies/bradley_terry/`, `utils/data/rl.py`, and `utils/schemas/datasets.py` of 0.19.0.
"""

from __future__ import annotations

from typing import Any

from .. import layouts
from ..contract import PAIR_LOSS, Contract, Reading, Target, yaml_text
from ..findings import Rule

_ROLES = {
    "system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant", "tool": "tool",
}  # fmt: skip
_CHATS = layouts.MESSAGES, layouts.SHAREGPT, layouts.CONVERSATIONS
_LOSS = "every answer; other roles: roles_to_train; chosen answers: message_field_training"
# The dataset type for each layout of preferences.
_PREFERENCES: dict[layouts.Layout, dict[str, Any]] = {
    layouts.CHAT_PREFERENCE: {"type": "chat_template.default", "field_messages": "prompt"},
    layouts.WHOLE_PREFERENCE: {"type": "chat_template.argilla_chat"},
    layouts.PREFERENCE: {"type": "passthrough"},
    layouts.KTO: {},
}


def stub(target: Target) -> str:
    """Write the `datasets` section and what depends on it; model and hyperparameters are left to the user."""
    entry: dict[str, Any] = {"path": target.path}
    if target.is_file:
        entry["ds_type"] = "parquet" if target.path.endswith(".parquet") else "json"
    else:
        entry |= {"name": target.config} if target.config else {}
    entry |= {"split": target.train, **_type(target)}
    values: dict[str, Any] = {"base_model": "YOUR_MODEL"}
    if target.layout.graded:
        values["rl"] = "kto" if target.layout.label else "dpo"
    values |= {
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
    # `utils/schemas/datasets.py` has one model for each kind of dataset, and only that for supervised training knows
    # `name`. The best match wins, so keys and types of the other models would lose the config's name: without a type,
    # the columns of `rl: kto` are read as they are.
    if layout in _PREFERENCES:
        return _PREFERENCES[layout]
    if layout.kind == "chat":
        role, content = layout.keys
        mapping = {"role": role, "content": content}
        entry = {"type": "chat_template", "field_messages": layout.answers[0], "message_property_mappings": mapping}
        entry |= {"roles_to_train": ["assistant"], "train_on_eos": "turn"}
        return entry | ({"message_field_training": target.turn_key} if target.turn_key else {})
    # Axolotl has named types for Alpaca columns and plain text; other columns are described field by field.
    if layout == layouts.ALPACA:
        return {"type": "alpaca_w_system" if "system" in target.optional else "alpaca"}
    if layout == layouts.TEXT:
        return {"type": "completion", "field": "text"}
    form = {"format": "{instruction}", "no_input_format": "{instruction}"}
    return {"type": {"system_prompt": "", "field_instruction": "prompt", "field_output": "completion", **form}}


AXOLOTL = Contract(
    name="axolotl",
    version="0.19",
    docs="https://docs.axolotl.ai/docs/dataset-formats/conversation.html",
    readings=(
        *(Reading(layout, _ROLES, loss=_LOSS) for layout in _CHATS),
        Reading(layouts.ALPACA, ignored=("history",)),
        *(Reading(layout, loss=PAIR_LOSS) for layout in _PREFERENCES if layout != layouts.KTO),
        Reading(layouts.KTO),
        Reading(layouts.PAIR),
        Reading(layouts.TEXT),
    ),
    unread=Rule(
        "error", "none of Axolotl's dataset types reads them as they are", "rename them, or describe them in the YAML"
    ),
    misses={
        "prompt_completion_chat": Rule("error", "chat_template reads one column of messages", "write 'messages'"),
        "kto": Rule("error", "Axolotl's types for `rl: kto` read text", "write prompt and completion as text"),
    },
    turn_keys=("train", "training", "weight"),
    untrimmed=Rule(
        "warning", "a template that strips white space, as Llama 3's, loses the answer", "strip the answers"
    ),
    weights=("kto_desirable_weight", "kto_undesirable_weight"),
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
