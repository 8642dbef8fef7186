"""TRL's DPOTrainer: preferences, each a prompt with a chosen and a rejected answer."""

from __future__ import annotations

from ..contract import Contract, Reading, Target
from ..findings import Rule
from ..layouts import CHAT_PREFERENCE, PREFERENCE, WHOLE_PREFERENCE
from . import trl_sft


def stub(target: Target) -> str:
    """Write a command line for `trl dpo`."""
    return trl_sft.stub(target).replace("trl sft", "trl dpo", 1).replace("sft-output", "dpo-output")


TRL_DPO = Contract(
    name="trl-dpo",
    version="1.16",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/dpo_trainer",
    readings=(Reading(CHAT_PREFERENCE), Reading(PREFERENCE), Reading(WHOLE_PREFERENCE)),
    unread=Rule(
        "error",
        "DPO needs two answers to choose between, 'chosen' and 'rejected'",
        "make a preference dataset (rows of instructions with one answer are for trl-sft)",
    ),
    clashes=((frozenset({"messages", "completion"}), frozenset({"prompt", "chosen", "rejected"}), trl_sft.MIXED),),
    foreign_role=trl_sft.TRL_SFT.foreign_role,
    max_length=1024,
    stub=stub,
    stub_name="trl-dpo.sh",
)
