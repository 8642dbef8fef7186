"""One file per trainer: what it reads, what it does with anything else, and its configuration for a dataset."""

from __future__ import annotations

from ..contract import Contract
from .axolotl import AXOLOTL
from .llama_factory import LLAMA_FACTORY
from .mlx_lm import MLX_LM
from .openai import OPENAI
from .rewards import OPEN_INSTRUCT, TRL_GRPO, VERL
from .torchtune import TORCHTUNE
from .trl_preference import TRL_DPO, TRL_KTO, TRL_REWARD
from .trl_sft import TRL_SFT

# Contracts by the name that `--for` takes.
_CONTRACTS = (
    TRL_SFT, TRL_DPO, TRL_KTO, TRL_REWARD, TRL_GRPO, AXOLOTL, LLAMA_FACTORY, TORCHTUNE, MLX_LM, OPENAI, OPEN_INSTRUCT,
    VERL,
)  # fmt: skip
TRAINERS: dict[str, Contract] = {contract.name: contract for contract in _CONTRACTS}
