"""Write a trainer's own configuration for a dataset; model and hyperparameters are left to the user."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from ..core.errors import UsageError
from . import layouts
from .layouts import Layout

# The dataset type of Axolotl for each layout of preferences. `utils/schemas/datasets.py` has one model for each kind of
# dataset, and only that for supervised training knows `name`. The best match wins, so keys and types of the other
# models would lose the config's name: without a type, the columns of `rl: kto` are read as they are.
_AXOLOTL_PREFERENCES: dict[Layout, dict[str, Any]] = {
    layouts.CHAT_PREFERENCE: {"type": "chat_template.default", "field_messages": "prompt"},
    layouts.WHOLE_PREFERENCE: {"type": "chat_template.argilla_chat"},
    layouts.PREFERENCE: {"type": "passthrough"},
    layouts.KTO: {},
}
_TORCHTUNE_BUILDERS = {
    "messages": "chat",
    "sharegpt": "chat",
    "prompt_completion": "instruct",
    "alpaca": "alpaca",
    "text": "text_completion",
}
# The tags of LLaMA-Factory's dataset_info.json for the parts that roles play.
_TAGS = {
    "user": "user_tag",
    "assistant": "assistant_tag",
    "tool": "observation_tag",
    "call": "function_tag",
    "system": "system_tag",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The dataset that a trainer's configuration is written for."""

    path: str  # the absolute path of the dataset, or its hub name
    is_file: bool  # a single file, not a folder with configs
    config: str | None  # the config of the dataset, if it has configs
    layout: Layout
    train: str  # the split to train on
    test: str | None  # the split to evaluate with, or None
    roles: Mapping[str, str]  # the part that each role in the data plays for the trainer
    optional: tuple[str, ...]  # the optional columns of the layout that the dataset has
    turn_key: str | None  # the key of a message that says whether to learn from it, if the dataset has one
    max_length: int  # tokens per row


def trl_command(target: Target, method: str) -> str:
    """Write a command line for TRL."""
    if target.is_file:
        raise UsageError(f"--write-config: `trl {method}` reads a folder or hub name; put {target.path} into a folder")
    options = {"model_name_or_path": "YOUR_MODEL", "dataset_name": target.path}
    options |= {"dataset_config": target.config} if target.config else {}
    options |= {"dataset_train_split": target.train} if target.train != "train" else {}
    options |= {"dataset_test_split": target.test, "eval_strategy": "epoch"} if target.test else {}
    if method == "grpo":
        options["reward_funcs"] = "selfinstruct.reward"
    else:
        options |= {"assistant_only_loss": "true"} if target.layout == layouts.MESSAGES else {}
        options["max_length"] = str(target.max_length)
    options["output_dir"] = f"{method}-output"
    lines = [f"  --{name} {shlex.quote(value)}" for name, value in options.items()]
    return f"trl {method} \\\n" + " \\\n".join(lines) + "\n"


def axolotl_yaml(target: Target) -> str:
    """Write the `datasets` section and what depends on it."""
    entry: dict[str, Any] = {"path": target.path}
    if target.is_file:
        entry["ds_type"] = "parquet" if target.path.endswith(".parquet") else "json"
    else:
        entry |= {"name": target.config} if target.config else {}
    entry |= {"split": target.train, **_axolotl_type(target)}
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
    return _yaml_text(values)


def _axolotl_type(target: Target) -> dict[str, Any]:
    layout = target.layout
    if layout in _AXOLOTL_PREFERENCES:
        return _AXOLOTL_PREFERENCES[layout]
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


def llama_factory_json(target: Target) -> str:
    """Write `dataset_info.json` with one entry per split; only the key `script_url` accepts a config and a split."""
    base = target.config or PurePath(target.path).stem
    name = re.sub(r"\W+", "_", f"{PurePath(target.path).parent.name}_{base}" if target.config else base)
    entries = {name: _llama_factory_entry(target, target.train)}
    if target.test:
        entries[f"{name}_{target.test}"] = _llama_factory_entry(target, target.test)
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _llama_factory_entry(target: Target, split: str) -> dict[str, Any]:
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
        tags = {"role_tag": role, "content_tag": content, **{_TAGS[part]: name for name, part in target.roles.items()}}
        columns = {"messages": (layout.prompt + layout.answers)[0], **columns}
        return entry | {"formatting": "sharegpt", "columns": columns, "tags": tags}
    answer = {} if len(layout.answers) == 2 else {"response": layout.answers[0]}
    return entry | {"formatting": "alpaca", "columns": {"prompt": layout.prompt[0], **answer, **columns}}


def torchtune_yaml(target: Target) -> str:
    """Write the `dataset` section of a recipe."""
    layout = target.layout
    section: dict[str, Any] = {"_component_": f"torchtune.datasets.{_TORCHTUNE_BUILDERS[layout.name]}_dataset"}
    if target.is_file:
        kind = "parquet" if target.path.endswith(".parquet") else "json"
        section |= {"source": kind, "data_files": target.path}
    else:
        section |= {"source": target.path} | ({"name": target.config} if target.config else {})
    section["split"] = target.train
    if layout.kind == "chat":
        style = "openai" if layout == layouts.MESSAGES else "sharegpt"
        section |= {"conversation_column": layout.answers[0], "conversation_style": style}
    elif layout == layouts.PAIR:
        section["column_map"] = {"input": "prompt", "output": "completion"}
    section |= {"column": "text"} if layout == layouts.TEXT else {"train_on_input": False}
    return _yaml_text({"dataset": section})


def mlx_lm_yaml(target: Target) -> str:
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
    return _yaml_text(values | ({} if target.layout == layouts.TEXT else {"mask_prompt": True}))


def _yaml_text(values: dict[str, Any]) -> str:
    """Return a configuration as YAML like a person would write: keys in the given order, no anchors."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    return str(yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1000))


CONFIG_FILES: Mapping[str, tuple[str, Callable[[Target], str]]] = {
    **{
        f"trl-{method}": (f"trl-{method}.sh", partial(trl_command, method=method))
        for method in "sft dpo kto reward grpo".split()
    },
    "axolotl": ("axolotl.yaml", axolotl_yaml),
    "llama-factory": ("dataset_info.json", llama_factory_json),
    "torchtune": ("torchtune.yaml", torchtune_yaml),
    "mlx-lm": ("mlx-lm.yaml", mlx_lm_yaml),
}
"""The name of each trainer's configuration, and the function that writes it, by the trainer."""
