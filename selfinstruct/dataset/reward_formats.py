"""The formats `rlvr`, `grpo`, and `verl`: prompts for training with rewards that `selfinstruct.verify` gives.

A row is a prompt and its ground truth, without an answer. Tasks whose answers no program checks have no row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.records import Example, GroundTruth, Record
from .provenance_columns import RowDict
from .rows import CHAT, Format, Selected, Wording, prompt_messages, row_id, select_examples, share_cost

SOURCE = "selfinstruct"
"""The name that a trainer looks its reward function up by."""


def _select_checked(records: Sequence[Record], wording: Wording) -> list[Selected]:
    return share_cost(each for each in select_examples(records, wording) if each.example.ground_truth)


def _rlvr(record: Record, example: Example, wording: Wording) -> RowDict:
    # open-instruct looks up the verifier by `dataset`, and hands it `ground_truth` and nothing else of the row.
    return {"messages": prompt_messages(example, wording), "ground_truth": _truth(example).text, "dataset": SOURCE}


def _grpo(record: Record, example: Example, wording: Wording) -> RowDict:
    # TRL passes every column but the prompt to the reward function, as a list.
    truth = _truth(example)
    return {"prompt": prompt_messages(example, wording), "verifier": truth.verifier, "ground_truth": truth.text}


def _verl(record: Record, example: Example, wording: Wording) -> RowDict:
    # verl states metrics by `data_source`. 'rule' means that a function gives the reward, and no model.
    truth = _truth(example)
    return {
        "data_source": f"{SOURCE}/{truth.verifier}",
        "prompt": prompt_messages(example, wording),
        "ability": truth.verifier,
        "reward_model": {"style": "rule", "ground_truth": truth.text},
        "extra_info": {"id": row_id(record, record.examples.index(example))},
    }


def _truth(example: Example) -> GroundTruth:
    assert example.ground_truth is not None  # by `_select_checked`
    return example.ground_truth


def check_ground_truths(config: RunConfig, kind: str) -> None:
    """Raise ConfigError if a format of this module would have no rows."""
    if kind in REWARD_FORMATS and not config.has_ground_truths:
        raise ConfigError(
            f"dataset.formats: {kind} needs tasks whose answers a program checks; set strategy: verifiable, a mix with "
            "it, or answers.agree_by"
        )


def _format(row: Callable[[Record, Example, Wording], RowDict], **columns: Any) -> Format:
    return Format(row, columns, select=_select_checked, needs="has an answer that a program checks")


_TRUTH = {"style": "string", "ground_truth": "string"}
REWARD_FORMATS = {
    "rlvr": _format(_rlvr, messages=CHAT, ground_truth="string", dataset="string"),
    "grpo": _format(_grpo, prompt=CHAT, verifier="string", ground_truth="string"),
    "verl": _format(
        _verl, data_source="string", prompt=CHAT, ability="string", reward_model=_TRUTH, extra_info={"id": "string"}
    ),
}
