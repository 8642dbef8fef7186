"""Real DPOTrainer, KTOTrainer, and RewardTrainer runs of TRL, offline and on the CPU, on the folder of a run.

The run has a planted preference: the better answers end with a summary. A trainer that reads the columns as intended
learns it from about a hundred pairs. What `selfinstruct/trainers` claims of these trainers is held against them here.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import random
import re
import shlex
import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest
from tiny_models import EOS, tiny_llama, tiny_tokenizer

from conftest import FIGURES, ROOT
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt, Usage
from selfinstruct.filters.judge.read_marks import CRITERIA
from selfinstruct.generate.start import run
from selfinstruct.teachers.fake.teacher import FakeTeacher, count_tokens
from selfinstruct.trainers import config_stub, validate_dataset

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra 'trainer': `make trainer`"),
]
STEPS = 30
RECORDS = 128
WORDS = "river stone cloud apple train window music paper garden copper yellow quiet early round simple".split()
GOOD, BAD = "In short", "And so on"

Rows = list[dict[str, Any]]


class Planted(FakeTeacher):
    """Ends every other sample with a summary, and marks answers by that alone; tasks are those of the fake teacher."""

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose == "answer":
            draw = random.Random(f"{prompt.text}{prompt.sample}")
            words = " ".join(draw.choices(WORDS, k=draw.randint(5, 9)))
            text = f"It is {words}. {(GOOD, BAD)[prompt.sample % 2]}: {draw.choice(WORDS)}."
        elif prompt.purpose == "judge":
            mark = 5 if GOOD in prompt.text else 1 if BAD in prompt.text else 3
            text = json.dumps({"reason": "How it ends."} | dict.fromkeys(CRITERIA, mark))
        else:
            return await super().complete(prompt)
        return Completion(text, usage=Usage(count_tokens(prompt.text), count_tokens(text)), model=self.model)


def message(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def talk(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's folder of a run with three answers to each task, a quarter of the records held out."""
    values = {
        "run_dir": str(tmp_path_factory.mktemp("planted") / "run"),
        "seeds": str(ROOT / "seeds" / "demo.jsonl"),
        "target": RECORDS,
        "teacher": {"kind": "fake", "model": "fake"},
        "answers": {"samples": 3, "until": "all", "keep": "all"},
        "judge": {},
        "dataset": {"formats": ["preference", "kto"], "test_share": 0.25},
    }
    return run(RunConfig.parse(values), teacher=Planted()).dataset_path


def loaded(folder: Path, config: str, split: str) -> Any:
    # The shared cache doesn't notice that a folder of the same name has other rows.
    return datasets.load_dataset(str(folder), config, split=split, cache_dir=str(folder / ".cache"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    rows = loaded(folder, "preference", "train")
    return tiny_tokenizer(
        message["content"] for row in rows for name in ("prompt", "chosen", "rejected") for message in row[name]
    )


@pytest.fixture
def trainer_of(tokenizer: Any, tmp_path: Path) -> Any:
    """Make a trainer of a kind ('DPO', 'KTO', 'Reward') with a fresh model; keywords are those of its configuration."""
    import trl

    def make(kind: str, train: Any, test: Any = None, **settings: Any) -> Any:
        usual = {"max_steps": STEPS, "per_device_train_batch_size": 8, "learning_rate": 1e-3, "logging_steps": 1}
        fixed = {
            "save_strategy": "no",
            "report_to": [],
            "use_cpu": True,
            "bf16": False,
            "gradient_checkpointing": False,
        }
        arguments = getattr(trl, f"{kind}Config")(str(tmp_path / "out"), **usual | fixed | settings)
        if kind == "Reward":
            models = [tiny_llama(tokenizer, "LlamaForSequenceClassification", num_labels=1)]
        else:
            models = [tiny_llama(tokenizer), tiny_llama(tokenizer)]
        train, test = (datasets.Dataset.from_list(rows) if isinstance(rows, list) else rows for rows in (train, test))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(trl, f"{kind}Trainer")(
                *models, args=arguments, train_dataset=train, eval_dataset=test, processing_class=tokenizer
            )

    return make


def losses(trainer: Any) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


@pytest.mark.parametrize(
    ("kind", "trainer", "config", "accuracy"),
    [
        ("DPO", "trl-dpo", "preference", "eval_rewards/accuracies"),
        ("Reward", "trl-reward", "preference", "eval_accuracy"),
        ("KTO", "trl-kto", "kto", ""),
    ],
)
def test_a_planted_preference_is_learned(
    folder: Path, trainer_of: Any, kind: str, trainer: str, config: str, accuracy: str
) -> None:
    """The loss falls, and most pairs that the trainer has not seen are told apart."""
    assert validate_dataset(folder, trainer, config=config).ok
    train, test = (loaded(folder, config, split) for split in ("train", "test"))
    made = trainer_of(kind, train, test)
    made.train()
    after, seen = made.evaluate(), losses(made)
    assert len(seen) == STEPS
    assert sum(seen[-3:]) / 3 < 0.8 * seen[0]
    assert after["eval_loss"] < 0.8 * seen[0]
    figure = f"trainer: {kind} on {len(train)} rows of {config}: loss {seen[0]:.2f} to {seen[-1]:.2f} in {STEPS} steps"
    if accuracy:
        assert after[accuracy] > 0.7
        figure += f", accuracy {after[accuracy]:.2f} on {len(test)} held-out rows"
    else:
        assert after["eval_rewards/chosen"] > after["eval_rewards/rejected"]
    FIGURES.append(figure)


def test_pairs_the_wrong_way_round_are_learned_the_wrong_way_round(folder: Path, trainer_of: Any) -> None:
    """The accuracy above is that of the columns, not of the texts."""
    train, test = (loaded(folder, "preference", split) for split in ("train", "test"))
    swapped = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in train]
    made = trainer_of("DPO", swapped, test)
    made.train()
    assert made.evaluate()["eval_rewards/accuracies"] < 0.3


def decoded(trainer: Any, name: str) -> list[str]:
    return [trainer.processing_class.decode(row[name]) for row in trainer.train_dataset]


DIALOGUE = talk("river", "stone", "cloud")
LAYOUTS: dict[str, dict[str, Any]] = {
    "text": {"prompt": "river", "chosen": " stone", "rejected": " cloud"},
    "conversation": {
        "prompt": DIALOGUE,
        "chosen": message("assistant", "apple"),
        "rejected": message("assistant", "train"),
    },
    "whole": {
        "chosen": [*DIALOGUE, *message("assistant", "apple")],
        "rejected": [*DIALOGUE, *message("assistant", "train")],
    },
    "whole_text": {"chosen": "river stone", "rejected": "river cloud"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["DPO", "KTO", "Reward"])
def test_every_layout_of_the_contract_is_read(tmp_path: Path, trainer_of: Any, kind: str, layout: str) -> None:
    rows = [LAYOUTS[layout]] * 8
    datasets.Dataset.from_list(rows).to_json(tmp_path / "rows.jsonl")
    assert validate_dataset(tmp_path / "rows.jsonl", f"trl-{kind.lower()}").ok
    made = trainer_of(kind, rows, max_steps=1)
    assert made.train().global_step == 1


def test_the_answers_of_a_dialogue_are_its_last_ones(trainer_of: Any) -> None:
    for layout in ("conversation", "whole"):
        made = trainer_of("DPO", [LAYOUTS[layout]] * 2)
        assert decoded(made, "chosen_ids")[0].strip() == "apple" + EOS
        assert decoded(made, "rejected_ids")[0].strip() == "train" + EOS
        assert "stone" in decoded(made, "prompt_ids")[0], "the earlier answer is context"


def test_a_prompt_that_is_repeated_in_the_answers_is_learned(trainer_of: Any) -> None:
    made = trainer_of("DPO", [LAYOUTS["conversation"] | LAYOUTS["whole"]] * 2)
    assert "river" in decoded(made, "chosen_ids")[0], "finding 'split'"


def test_a_text_beside_whole_conversations_fails(trainer_of: Any) -> None:
    with pytest.raises((TypeError, ValueError, KeyError, AttributeError, IndexError)):
        trainer_of("DPO", [LAYOUTS["whole"] | {"prompt": "river"}] * 2)


def test_demonstrations_are_refused(trainer_of: Any) -> None:
    for kind in ("DPO", "Reward"):
        with pytest.raises(KeyError, match="chosen"):
            trainer_of(kind, [{"messages": talk("river", "stone")}] * 2)


def test_a_row_without_a_margin_stops_the_reward_trainer(trainer_of: Any) -> None:
    rows = [LAYOUTS["conversation"] | {"margin": 1.0}] * 7 + [LAYOUTS["conversation"] | {"margin": None}]
    with pytest.raises((TypeError, ValueError)):
        trainer_of("Reward", rows, max_steps=1).train()
    assert trainer_of("DPO", rows, max_steps=1).train().global_step == 1


def test_the_kl_term_pairs_a_prompt_with_the_answer_of_the_row_before(folder: Path, trainer_of: Any) -> None:
    made = trainer_of("KTO", loaded(folder, "kto", "train").select(range(4)), max_steps=1)
    completions, mismatched = decoded(made, "completion_ids"), decoded(made, "KL_completion_ids")
    assert mismatched == [completions[-1], *completions[:-1]]


def test_rows_that_are_sorted_by_label_teach_less(folder: Path, trainer_of: Any) -> None:
    rows, held_out = (loaded(folder, "kto", split) for split in ("train", "test"))
    margins = []
    for order in (rows, rows.sort("label", reverse=True)):
        made = trainer_of("KTO", order, held_out, max_steps=len(rows) // 8)  # every row once
        made.train()
        margins.append(made.evaluate()["eval_rewards/margins"])
    assert margins[1] < 0.7 * margins[0]
    FIGURES.append(f"trainer: KTO margin {margins[0]:.2f}, {margins[1]:.2f} if sorted by label")


def test_the_weights_are_those_that_trl_recommends(
    tmp_path: Path, trainer_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for good, bad in ((2, 6), (6, 2), (4, 4), (4, 3), (6, 4)):
        rows = [{"prompt": f"{n}", "completion": "river", "label": n < good} for n in range(good + bad)]
        datasets.Dataset.from_list(rows).to_json(tmp_path / "rows.jsonl")
        found = [f for f in validate_dataset(tmp_path / "rows.jsonl", "trl-kto").findings if f.code == "label_weights"]
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="trl"):
            logging.getLogger("trl").propagate = True
            trainer_of("KTO", rows)
        recommended = [record.getMessage() for record in caplog.records if "ideal range" in record.getMessage()]
        assert len(found) == len(recommended)
        for finding, text in zip(found, recommended, strict=True):
            _, name, _, least, _, most = finding.change.split()  # 'set desirable_weight between 3.00 and 3.99'
            bounds = re.search(rf" {name} in \[([\d.]+), ([\d.]+)\]", text)
            assert bounds
            # TRL counts with 1.33 for 4/3, and rounds to two digits.
            assert [float(least), float(most)] == pytest.approx([float(bound) for bound in bounds.groups()], abs=0.02)


@pytest.mark.parametrize("kind", ["dpo", "kto", "reward"])
def test_trls_own_parsers_take_the_commands_that_validate_writes(folder: Path, kind: str) -> None:
    parser = importlib.import_module(f"trl.scripts.{kind}").make_parser()
    words = shlex.split(config_stub(folder, f"trl-{kind}", max_length=64).replace("\\\n", " "))
    assert words[:2] == ["trl", kind]
    script, training, model, *_ = parser.parse_args_and_config([*words[2:], "--use_cpu", "true"])
    assert (script.dataset_name, script.dataset_config) == (str(folder), "preference")
    assert (training.max_length, model.model_name_or_path) == (64, "YOUR_MODEL")
