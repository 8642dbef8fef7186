"""TRL's DPOTrainer, KTOTrainer, and RewardTrainer, which learn from better and worse answers.

Read: `_prepare_dataset` in `trainer/dpo_trainer.py`, `trainer/kto_trainer.py`, and `trainer/reward_trainer.py`, and the
data collators there, of 1.16.0.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from .. import layouts
from ..contract import NEIGHBORS, PAIR_LOSS, Reading
from ..findings import Rule
from .trl_sft import MIXED, TRL_SFT, write_command

_BESIDE_PAIR = frozenset({"messages", "completion"}), MIXED
# DPOTrainer and KTOTrainer look for the prompt in the conversations only if there is no column 'prompt'.
_BESIDE_WHOLE = frozenset({"messages", "completion", "prompt"}), MIXED

TRL_DPO = replace(
    TRL_SFT,
    name="trl-dpo",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/dpo_trainer",
    readings=(
        Reading(layouts.CHAT_PREFERENCE, clash=_BESIDE_PAIR, loss=PAIR_LOSS),
        Reading(layouts.PREFERENCE, clash=_BESIDE_PAIR),
        Reading(layouts.WHOLE_PREFERENCE, clash=_BESIDE_WHOLE, loss=PAIR_LOSS),
        Reading(layouts.WHOLE_TEXT_PREFERENCE, clash=_BESIDE_WHOLE),
    ),
    unread=Rule(
        "error",
        "the trainer needs two answers to choose between, 'chosen' and 'rejected'",
        "make a preference dataset (rows of instructions with one answer are for trl-sft)",
    ),
    misses={},
    too_long=Rule("warning", "TRL truncates the answers, or drops the row for its prompt", "raise max_length"),
    writes_bos=False,
    stub=partial(write_command, method="dpo"),
    stub_name="trl-dpo.sh",
)
TRL_KTO = replace(
    TRL_DPO,
    name="trl-kto",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/kto_trainer",
    readings=(Reading(layouts.CHAT_KTO, loss="the last answer"), Reading(layouts.KTO), *TRL_DPO.readings),
    unread=Rule(
        "error", "KTO needs 'prompt', 'completion' and 'label', or pairs", "export the format kto or preference"
    ),
    neighbors=NEIGHBORS,
    blocks=Rule(
        "warning", "TRL keeps this order, and a batch with one label moves all answers alike", NEIGHBORS.change
    ),
    weights=("desirable_weight", "undesirable_weight"),
    stub=partial(write_command, method="kto"),
    stub_name="trl-kto.sh",
)
TRL_REWARD = replace(
    TRL_DPO,
    name="trl-reward",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/reward_trainer",
    readings=tuple(replace(reading, loss="the score of the whole conversation") for reading in TRL_DPO.readings),
    margin=Rule("error", "TRL stops with an error", "write a number to every row, or remove the column"),
    too_long=Rule("warning", "TRL drops pairs with an answer above max_length", "raise max_length"),
    stub=partial(write_command, method="reward"),
    stub_name="trl-reward.sh",
)
