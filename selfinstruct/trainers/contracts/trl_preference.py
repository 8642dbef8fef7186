"""TRL's DPOTrainer, KTOTrainer, and RewardTrainer, which learn from better and worse answers.

Read: `_prepare_dataset` in `trainer/dpo_trainer.py`, `trainer/kto_trainer.py`, and `trainer/reward_trainer.py`, and the
data collators there, of 1.16.0.
"""

from __future__ import annotations

from functools import partial

from ..contract import Contract, Reading
from ..findings import Rule
from ..layouts import (
    CHAT_KTO,
    CHAT_PREFERENCE,
    KTO,
    PREFERENCE,
    WHOLE_PREFERENCE,
    WHOLE_TEXT_PREFERENCE,
)
from . import trl_sft

_LOSS = "the chosen and the rejected answer; earlier turns are context"
_BESIDE_PAIR = frozenset({"messages", "completion"}), trl_sft.MIXED
# DPOTrainer and KTOTrainer look for the prompt in the conversations only if there is no column 'prompt'.
_BESIDE_WHOLE = frozenset({"messages", "completion", "prompt"}), trl_sft.MIXED
_PAIRS = (
    Reading(CHAT_PREFERENCE, clash=_BESIDE_PAIR, loss=_LOSS),
    Reading(PREFERENCE, clash=_BESIDE_PAIR),
    Reading(WHOLE_PREFERENCE, clash=_BESIDE_WHOLE, loss=_LOSS),
    Reading(WHOLE_TEXT_PREFERENCE, clash=_BESIDE_WHOLE),
)
_NEEDS_PAIRS = Rule(
    "error",
    "the trainer needs two answers to choose between, 'chosen' and 'rejected'",
    "make a preference dataset (rows of instructions with one answer are for trl-sft)",
)
_FOREIGN_ROLE = trl_sft.TRL_SFT.foreign_role

TRL_DPO = Contract(
    name="trl-dpo",
    version="1.16",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/dpo_trainer",
    readings=_PAIRS,
    unread=_NEEDS_PAIRS,
    foreign_role=_FOREIGN_ROLE,
    too_long=Rule(
        "warning",
        "TRL truncates the answers, and drops rows whose prompt alone is as long",
        "raise max_length (--max-length writes it)",
    ),
    max_length=1024,
    stub=partial(trl_sft.write_command, method="dpo"),
    stub_name="trl-dpo.sh",
)
TRL_KTO = Contract(
    name="trl-kto",
    version="1.16",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/kto_trainer",
    # Pairs are taken apart: first all chosen answers of a batch of rows, then all rejected ones.
    readings=(Reading(CHAT_KTO, loss="the last answer"), Reading(KTO), *_PAIRS),
    unread=Rule(
        "error",
        "KTO needs answers with a label, 'prompt', 'completion' and 'label', or pairs, 'chosen' and 'rejected'",
        "export the format kto or preference",
    ),
    foreign_role=_FOREIGN_ROLE,
    too_long=TRL_DPO.too_long,
    neighbors=Rule(
        "warning",
        "TRL keeps the order of the rows, and estimates the KL term from each prompt with the answer of the row "
        "before, which here answers the same prompt",
        "shuffle the rows",
    ),
    blocks=Rule(
        "warning",
        "TRL keeps the order of the rows, and a batch with one label raises or lowers all answers alike",
        "shuffle the rows",
    ),
    weights=("desirable_weight", "undesirable_weight"),
    max_length=1024,
    stub=partial(trl_sft.write_command, method="kto"),
    stub_name="trl-kto.sh",
)
TRL_REWARD = Contract(
    name="trl-reward",
    version="1.16",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/reward_trainer",
    readings=tuple(
        Reading(layout, clash=clash, loss="the score of the whole conversation")
        for layout, clash in (
            (CHAT_PREFERENCE, _BESIDE_PAIR),
            (PREFERENCE, _BESIDE_PAIR),
            (WHOLE_PREFERENCE, _BESIDE_WHOLE),
            (WHOLE_TEXT_PREFERENCE, _BESIDE_WHOLE),
        )
    ),
    unread=_NEEDS_PAIRS,
    foreign_role=_FOREIGN_ROLE,
    margin=Rule(
        "error",
        "TRL subtracts the margin from the difference of the rewards, and stops with an error",
        "write a number to every row, or remove the column",
    ),
    too_long=Rule(
        "warning", "TRL drops pairs with an answer above max_length", "raise max_length (--max-length writes it)"
    ),
    max_length=1024,
    stub=partial(trl_sft.write_command, method="reward"),
    stub_name="trl-reward.sh",
)
