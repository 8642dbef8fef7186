"""Real DPOTrainer, KTOTrainer, and RewardTrainer runs of TRL, offline and on the CPU, on preferences.

The rows have a planted preference: the better answer ends with a summary. A trainer that reads the columns as intended
learns it from a few dozen pairs. What `selfinstruct/trainers` claims of these trainers is held against them here.
"""

from __future__ import annotations

import importlib.util
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

from conftest import FIGURES
from selfinstruct.trainers import config_stub, validate_dataset

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra 'trainer': `make trainer`"),
]
STEPS = 30
TRAIN, HELD_OUT = 96, 32
WORDS = "river stone cloud apple train window music paper garden copper yellow quiet early round simple".split()

Rows = list[dict[str, Any]]


def message(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


def planted(count: int) -> Rows:
    """Pairs in the format `preference`: the chosen answer ends with a summary, the rejected one trails off."""
    draw = random.Random(0)

    def words(least: int, most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))

    return [
        {
            "prompt": message("user", f"Describe the {words(1, 2)}, number {number}."),
            "chosen": message("assistant", f"It is {words(5, 9)}. In short: {words(1, 1)}."),
            "rejected": message("assistant", f"It is {words(5, 9)}. And so on: {words(1, 1)}."),
            "score_chosen": 4.5,
            "score_rejected": 2.0,
            "margin": 2.5,
        }
        for number in range(count)
    ]


def labeled(pairs: Rows) -> Rows:
    """The same answers in the format `kto`: labels take turns, and the rows of a prompt don't follow each other."""
    others = pairs[2:] + pairs[:2]
    return [
        {"prompt": pair["prompt"], "completion": pair[name], "label": name == "chosen"}
        for two in zip(pairs, others, strict=True)
        for pair, name in zip(two, ("chosen", "rejected"), strict=True)
    ]


def talk(*texts: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[number % 2], "content": text} for number, text in enumerate(texts)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset's folder with the configs `preference` and `kto`, each with a split to hold out."""
    folder, card = tmp_path_factory.mktemp("preferences"), ["---", "configs:"]
    pairs = planted(TRAIN + HELD_OUT)
    for config, rows in (("preference", list), ("kto", labeled)):
        (folder / config).mkdir()
        card += [f"- config_name: {config}", "  data_files:"]
        for split, part in (("train", pairs[:TRAIN]), ("test", pairs[TRAIN:])):
            datasets.Dataset.from_list(rows(part)).to_parquet(folder / config / f"{split}-00000.parquet")
            card += [f"  - split: {split}", f"    path: {config}/{split}-*.parquet"]
    (folder / "README.md").write_text("\n".join([*card, "---", ""]))
    return folder


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
    assert not validate_dataset(folder, trainer, config=config).findings
    train, test = (loaded(folder, config, split) for split in ("train", "test"))
    made = trainer_of(kind, train, test)
    made.train()
    after, seen = made.evaluate(), losses(made)
    assert len(seen) == STEPS
    assert sum(seen[-3:]) / 3 < 0.8 * seen[0]
    assert after["eval_loss"] < 0.8 * seen[0]
    figure = f"trainer: {kind} on {config}: loss {seen[0]:.2f} to {seen[-1]:.2f} in {STEPS} steps"
    if accuracy:
        assert after[accuracy] > 0.7
        figure += f", accuracy {after[accuracy]:.2f} on {len(test)} held-out pairs"
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
    rows = planted(8)
    rows[3]["margin"] = None
    with pytest.raises((TypeError, ValueError)):
        trainer_of("Reward", rows, max_steps=1).train()
    assert trainer_of("DPO", rows, max_steps=1).train().global_step == 1


def test_the_kl_term_pairs_a_prompt_with_the_answer_of_the_row_before(trainer_of: Any) -> None:
    rows = labeled(planted(4))
    made = trainer_of("KTO", rows, max_steps=1)
    completions, mismatched = decoded(made, "completion_ids"), decoded(made, "KL_completion_ids")
    assert mismatched == [completions[-1], *completions[:-1]]


def test_rows_that_are_sorted_by_label_teach_less(trainer_of: Any) -> None:
    pairs = planted(TRAIN + HELD_OUT)
    rows, held_out = labeled(pairs[:TRAIN]), labeled(pairs[TRAIN:])
    margins = []
    for order in (rows, sorted(rows, key=lambda row: not row["label"])):
        made = trainer_of("KTO", order, held_out, max_steps=2 * TRAIN // 8)  # every row once
        made.train()
        margins.append(made.evaluate()["eval_rewards/margins"])
    assert margins[1] < 0.7 * margins[0]
    FIGURES.append(f"trainer: KTO margin {margins[0]:.2f}, {margins[1]:.2f} if sorted by label")


def test_the_weights_are_those_that_trl_recommends(
    tmp_path: Path, trainer_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for good, bad in ((2, 6), (6, 2), (4, 4), (4, 3), (6, 4)):
        rows = labeled(planted(max(good, bad)))
        rows = [row for row in rows if row["label"]][:good] + [row for row in rows if not row["label"]][:bad]
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
