"""mlx-lm: `mlx_lm.lora -c FILE` with a dataset folder; reads the first layout it knows.

Read: `tuner/datasets.py` of 0.32.2.
"""

from __future__ import annotations

from typing import Any

from ...core.errors import UsageError
from ..contract import Contract, Reading, Target, yaml_text
from ..findings import Rule
from ..layouts import MESSAGES, PAIR, TEXT

_WHOLE_TEXT = Rule("warning", "the loss includes the prompt", "set mask_prompt: true, as --write-config does")


def stub(target: Target) -> str:
    """Write a configuration for `mlx_lm.lora -c`; without a second split, the last tenth of the rows validates."""
    if target.is_file:
        raise UsageError(
            f"--write-config: mlx-lm reads a folder with train.jsonl and valid.jsonl, or a dataset; not {target.path}"
        )
    test = target.test or f"{target.train}[90%:]"
    train = target.train if target.test else f"{target.train}[:90%]"
    entry: dict[str, Any] = {"path": target.path, "train_split": train, "valid_split": test}
    entry |= {"config": {"name": target.config}} if target.config else {}
    values = {"model": "YOUR_MODEL", "train": True, "hf_dataset": entry, "max_seq_length": target.max_length}
    return yaml_text(values | ({} if target.layout == TEXT else {"mask_prompt": True}))


MLX_LM = Contract(
    name="mlx-lm",
    version="0.32.2",
    docs="https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/LORA.md",
    readings=(
        Reading(
            MESSAGES,
            note=("whole_text_loss", _WHOLE_TEXT),
            ignored=("system",),
            clash=(
                frozenset({"prompt", "completion"}),
                Rule("warning", "mlx-lm reads prompt and completion and ignores messages", "keep one layout"),
            ),
            loss="the whole conversation; the last answer: mask_prompt: true; every answer: one row for each",
        ),
        Reading(PAIR, note=("whole_text_loss", _WHOLE_TEXT)),
        Reading(TEXT),
    ),
    unread=Rule(
        "error",
        "mlx-lm expects messages, prompt and completion, or text, and stops",
        "rename them, or name them in the YAML",
    ),
    misses={
        "prompt_completion_chat": Rule(
            "error", "mlx-lm turns prompt and completion into messages itself, and expects text", "use messages"
        )
    },
    foreign_role=Rule(
        "error", "the role reaches the chat template unchanged", "rename roles to system, user, assistant"
    ),
    tools=(list,),
    writes_bos=True,
    stub=stub,
    stub_name="mlx-lm.yaml",
)
