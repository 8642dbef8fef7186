"""mlx-lm: `mlx_lm.lora -c FILE` with a dataset folder, of which it takes the first layout that it knows."""

from __future__ import annotations

from typing import Any

from ...core.errors import UsageError
from ..contract import Contract, Reading, Target
from ..findings import Rule
from ..layouts import MESSAGES, PAIR, TEXT
from ..yaml_text import yaml_text

_WHOLE_TEXT = Rule(
    "warning",
    "the loss is taken over the prompt, too",
    "set mask_prompt: true, as the configuration that --write-config writes does",
)


def stub(target: Target) -> str:
    """A configuration for `mlx_lm.lora -c`; without a second split the last tenth of the rows is for validation."""
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
    version="0.32",
    docs="https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/LORA.md",
    readings=(
        Reading(MESSAGES, note=("whole_text_loss", _WHOLE_TEXT)),
        Reading(PAIR, note=("whole_text_loss", _WHOLE_TEXT)),
        Reading(TEXT),
    ),
    unread=Rule(
        "error",
        "mlx-lm wants messages, prompt and completion, or text, and stops",
        "rename them, or name them in the YAML",
    ),
    misses={
        "prompt_completion_chat": Rule(
            "error", "mlx-lm makes messages of prompt and completion itself, and wants text there", "use messages"
        )
    },
    clashes=(
        (
            frozenset({"messages"}),
            frozenset({"prompt", "completion"}),
            Rule("warning", "mlx-lm reads prompt and completion, and messages not at all", "keep one layout"),
        ),
    ),
    foreign_role=Rule("error", "it goes into the chat template as it is", "rename roles to system, user, assistant"),
    writes_bos=True,
    stub=stub,
    stub_name="mlx-lm.yaml",
)
