"""TRL's SFTTrainer. Read: `trainer/sft_trainer.py` and `data_utils.py` of 1.16.0.

tests/trainers/test_trainer.py checks the claims made here against the real trainer.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from ...core.errors import UsageError
from ..contract import CHAT_ROLES, SHAREGPT_ROLES, Contract, Reading, Target
from ..findings import Rule
from ..layouts import CHAT_PAIR, MESSAGES, PAIR, SHAREGPT, TEXT

WHOLE_TEXT = Rule(
    "warning",
    "the loss includes the whole conversation, user messages too",
    "set assistant_only_loss=True (the chat template then needs {% generation %} marks: TRL adds them to templates of "
    "known models, and the templates shipped here have them), or use config prompt_completion_chat",
)
MIXED = Rule(
    "error",
    "TRL checks one of these columns to tell a conversation from text, and which one depends on Python's hash seed: "
    "two runs train on different tokens",
    "keep one layout; each config of a dataset written here has one",
)
BESIDE_MESSAGES = frozenset({"messages"}), MIXED
BESIDE_PROMPT = frozenset({"prompt", "completion", "chosen", "rejected"}), MIXED
_EVERY_ANSWER = (
    "the whole conversation; every answer: assistant_only_loss=True; the last answer: config prompt_completion_chat"
)
_LAST_ANSWER = "the last answer; every answer: config messages with assistant_only_loss=True"


def write_command(target: Target, method: str = "sft") -> str:
    """Write a command line for `trl sft`, or for another method that learns given answers."""
    answers = {"assistant_only_loss": "true"} if target.layout == MESSAGES else {}
    return script(target, method, answers | {"max_length": str(target.max_length)})


def script(target: Target, method: str, settings: Mapping[str, str]) -> str:
    """Write a command line for a method of TRL with these settings of its own."""
    if target.is_file:
        raise UsageError(f"--write-config: `trl {method}` reads a folder or hub name; put {target.path} into a folder")
    options = {"model_name_or_path": "YOUR_MODEL", "dataset_name": target.path}
    options |= {"dataset_config": target.config} if target.config else {}
    options |= {"dataset_train_split": target.train} if target.train != "train" else {}
    options |= {"dataset_test_split": target.test, "eval_strategy": "epoch"} if target.test else {}
    options |= {**settings, "output_dir": f"{method}-output"}
    lines = [f"  --{name} {shlex.quote(value)}" for name, value in options.items()]
    return f"trl {method} \\\n" + " \\\n".join(lines) + "\n"


TRL_SFT = Contract(
    name="trl-sft",
    version="1.16",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/dataset_formats",
    readings=(
        Reading(CHAT_PAIR, clash=BESIDE_MESSAGES, loss=_LAST_ANSWER),
        Reading(PAIR, clash=BESIDE_MESSAGES),
        Reading(MESSAGES, CHAT_ROLES, ("whole_text_loss", WHOLE_TEXT), ("system",), BESIDE_PROMPT, _EVERY_ANSWER),
        Reading(SHAREGPT, CHAT_ROLES, ("whole_text_loss", WHOLE_TEXT), ("system",), BESIDE_PROMPT, _EVERY_ANSWER),
        Reading(TEXT),
    ),
    unread=Rule(
        "error",
        "TRL finds neither text, messages nor prompt and completion, and stops with KeyError: 'text'",
        "rename the columns",
    ),
    misses={
        "alpaca": Rule(
            "error",
            "TRL does not know Alpaca columns, and stops with KeyError: 'text'",
            "join instruction and input into a column 'prompt', and rename 'output' to 'completion'",
        ),
        "conversations": Rule(
            "error",
            "TRL reads 'conversations' with from/value only, and stops with KeyError: 'text'",
            "rename the column to 'messages'",
        ),
    },
    foreign_role=Rule(
        "error",
        "TRL passes the role to the chat template, which writes it into the text: nothing fails, but the model "
        "learns a form in which it is never asked",
        f"rename roles to system, user, assistant (of ShareGPT: {', '.join(SHAREGPT_ROLES)})",
    ),
    max_length=1024,
    writes_bos=True,
    stub=write_command,
    stub_name="trl-sft.sh",
)
