"""Real GRPOTrainer runs of TRL, offline and on the CPU, with the rows of this program and `selfinstruct.reward`.

The model starts at random and knows twenty tokens, ten of them digits, so few answers are right. If rows, reward
function, and trainer fit together, most answers are right after some steps.
"""

from __future__ import annotations

import importlib
import importlib.util
import shlex
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from tiny_models import EOS, tiny_llama

import selfinstruct as si
from conftest import FIGURES, RECORD
from selfinstruct.core.chat_template import load_chat_template
from selfinstruct.core.records import Example, GroundTruth, Response
from selfinstruct.dataset import FORMATS
from selfinstruct.dataset.provenance_columns import ProvenanceColumns
from selfinstruct.dataset.rows import rows_of
from selfinstruct.trainers import config_stub, validate_dataset

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra 'trainer': `make trainer`"),
]
STEPS = 12
DIGITS = "0123456789"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset's folder with the formats for rewards: sums whose result is 7."""
    target = tmp_path_factory.mktemp("sums")
    truth = GroundTruth("maths", '{"value": "7"}')
    records = []
    for number in range(8):
        asked = f"{number} + {7 - number} ?"
        example = replace(Example.of(asked, "", Response("7", "fake")), ground_truth=truth)
        records.append(replace(RECORD, id=f"sum-{number}", instruction=asked, examples=(example,)))
    for format in ("grpo", "rlvr", "verl"):
        rows = list(rows_of(records, FORMATS[format], ProvenanceColumns(checked=True)))
        datasets.Dataset.from_list(rows).to_parquet(target / format / "train.parquet")
    return target


def loaded(folder: Path, config: str) -> datasets.Dataset:
    return datasets.Dataset.from_parquet(str(folder / config / "train.parquet"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """One token for each digit and for each other character of a prompt."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|im_start|>", EOS, "<pad>", "user", "assistant", "\n", " ", "+", "-", "?"]
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate([*special, *DIGITS])}, "?"))
    words.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    words.decoder = decoders.Fuse()
    words.add_special_tokens(special[:3])
    words.add_tokens(special[3:])
    made = PreTrainedTokenizerFast(tokenizer_object=words, eos_token=EOS, pad_token="<pad>")
    made.chat_template = load_chat_template("chatml").source
    return made


@pytest.fixture
def trainer_of(tokenizer: Any, tmp_path: Path) -> Any:
    """Make a GRPOTrainer with a fresh model for some rows; keywords are those of its configuration."""
    from trl import GRPOConfig, GRPOTrainer

    def make(rows: Any, **settings: Any) -> Any:
        usual = {"max_steps": STEPS, "per_device_train_batch_size": 64, "num_generations": 16, "learning_rate": 1e-2}
        fixed = {
            "max_completion_length": 1,
            "lr_scheduler_type": "constant",
            "logging_steps": 1,
            "save_strategy": "no",
            "report_to": [],
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
        }
        arguments = GRPOConfig(str(tmp_path / "out"), **usual | fixed | settings)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return GRPOTrainer(
                tiny_llama(tokenizer), si.reward, arguments, train_dataset=rows, processing_class=tokenizer
            )

    return make


def rewards(trainer: Any) -> list[float]:
    return [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]


def test_what_is_rewarded_is_learned(folder: Path, trainer_of: Any) -> None:
    assert validate_dataset(folder / "grpo", "trl-grpo").ok
    made = trainer_of(loaded(folder, "grpo"))
    made.train()
    seen = rewards(made)
    assert len(seen) == STEPS
    assert seen[0] < 0.3
    assert sum(seen[-3:]) / 3 > 0.7
    FIGURES.append(f"trainer: GRPO with selfinstruct.reward: {seen[0]:.0%} to {seen[-1]:.0%} right in {STEPS} steps")


def test_the_rows_of_verl_are_read_too(folder: Path, trainer_of: Any) -> None:
    made = trainer_of(loaded(folder, "verl"), max_steps=1)
    made.train()
    assert 0 <= rewards(made)[0] < 0.3


@pytest.mark.parametrize("change", [{"completions": "7"}, {"prompts": "7"}])
def test_a_column_that_is_named_like_an_argument_stops_the_trainer(
    folder: Path, trainer_of: Any, change: dict[str, str]
) -> None:
    rows = [row | change for row in loaded(folder, "grpo")]
    with pytest.raises(TypeError, match="multiple values for keyword argument"):
        trainer_of(datasets.Dataset.from_list(rows), max_steps=1).train()


def test_without_a_prompt_the_trainer_stops(folder: Path, trainer_of: Any) -> None:
    with pytest.raises((KeyError, ValueError), match="prompt"):
        trainer_of(loaded(folder, "rlvr"), max_steps=1).train()


def test_an_answered_prompt_is_answered_once_more(folder: Path, trainer_of: Any) -> None:
    [row, *_] = loaded(folder, "grpo")
    answered = [row | {"prompt": [*row["prompt"], {"role": "assistant", "content": "8"}]}] * 8
    made = trainer_of(datasets.Dataset.from_list(answered), max_steps=1)
    prompts, *_ = made._tokenize_prompts([answered[0]["prompt"]])
    assert made.processing_class.decode(prompts[0]).endswith(f"assistant\n8{EOS}\n<|im_start|>assistant\n")


def test_trls_own_parser_takes_the_command_that_validate_writes(folder: Path) -> None:
    parser = importlib.import_module("trl.scripts.grpo").make_parser()
    words = shlex.split(config_stub(folder / "grpo", "trl-grpo").replace("\\\n", " "))
    assert words[:2] == ["trl", "grpo"]
    script, training, model, *_ = parser.parse_args_and_config([*words[2:], "--use_cpu", "true", "--bf16", "false"])
    assert (script.dataset_name, script.reward_funcs) == (str(folder / "grpo"), ["selfinstruct.reward"])
    assert model.model_name_or_path == "YOUR_MODEL"
    assert training.output_dir == "grpo-output"
