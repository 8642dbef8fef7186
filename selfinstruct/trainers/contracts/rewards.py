"""TRL's GRPOTrainer, open-instruct, and verl, which reward the model in training for right answers.

Read: `_calculate_rewards` and `_tokenize_prompts` in `trainer/grpo_trainer.py` of TRL 1.16.0; `rlvr_tokenize_v3` in
`open_instruct/dataset_transformation.py`, `apply_verifiable_reward` in `ground_truth_utils.py`, and the defaults of
`data_loader.py` of open-instruct at e6c3044; `utils/dataset/rl_dataset.py`, `workers/reward_manager/naive.py`, and
`trainer/config/data/legacy_data.yaml` of verl 0.7. tests/trainers/test_reward_training.py checks TRL's.
"""

from __future__ import annotations

from .. import layouts
from ..contract import Contract, Reading, Target
from ..findings import Rule
from .trl_sft import script

_ANSWERED = Rule("error", "the model is asked to answer its own answer", "remove the answer from the prompt")
_OWN_ARGUMENTS = Rule(
    "error", "TRL passes the columns to reward functions beside its own arguments, and stops", "rename the column"
)
_LOSS = "the answers that the model writes in training"
_CLASH = frozenset({"prompts", "completions"}), _OWN_ARGUMENTS


def stub(target: Target) -> str:
    """Write a command line for `trl grpo` with the reward function of this package."""
    return script(target, "grpo", {"reward_funcs": "selfinstruct.reward"})


TRL_GRPO = Contract(
    name="trl-grpo",
    version="1.16",
    docs="https://huggingface.co/docs/trl/v1.16.0/en/grpo_trainer",
    readings=tuple(Reading(each, clash=_CLASH, loss=_LOSS) for each in (layouts.PROMPT, layouts.TEXT_PROMPT)),
    unread=Rule("error", "TRL needs a column 'prompt', and stops with a KeyError", "export the format grpo"),
    answered=_ANSWERED,
    too_long=Rule("warning", "TRL doesn't truncate prompts", "remove the row"),
    max_length=32_768,
    stub=stub,
    stub_name="trl-grpo.sh",
)
OPEN_INSTRUCT = Contract(
    name="open-instruct",
    version="as of August 2026",
    docs="https://github.com/allenai/open-instruct/blob/main/docs/algorithms/grpo.md",
    readings=(Reading(layouts.RLVR, loss=_LOSS),),
    unread=Rule(
        "error", "open-instruct needs messages, ground_truth, and dataset, and stops", "export the format rlvr"
    ),
    too_long=Rule("warning", "open-instruct drops the row", "raise max_prompt_token_length"),
    max_length=256,
)
VERL = Contract(
    name="verl",
    version="0.7",
    docs="https://verl.readthedocs.io/en/latest/preparation/prepare_data.html",
    readings=(Reading(layouts.VERL, loss=_LOSS),),
    unread=Rule("error", "verl needs prompt, data_source, and reward_model, and stops", "export the format verl"),
    answered=_ANSWERED,
    too_long=Rule(
        "warning",
        "verl stops at a prompt above data.max_prompt_length",
        "raise it, or set data.filter_overlong_prompts=True, which drops the row",
    ),
    max_length=512,
    files=(
        (".parquet", ".json"),
        Rule("error", "verl reads Parquet and .json files only, and stops", "write Parquet; the format verl does"),
    ),
)
