"""A real `trl.SFTTrainer`, offline and on the CPU, on the folder that this program writes.

It needs the extra 'trainer'; `make trainer` makes an environment for it and runs this file. What
`selfinstruct/trainers` claims of TRL's SFTTrainer is held against it here; `test_preference_training.py` does the same
for preferences.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from tiny_models import EOS, tiny_llama, tiny_tokenizer

from conftest import ANSWER_FORMATS, FIGURES, ROOT
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.chat_template import TEMPLATES, load_chat_template
from selfinstruct.generate.start import run
from selfinstruct.trainers import config_stub, validate_dataset

pytestmark = [
    pytest.mark.trainer,
    pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="needs the extra 'trainer': `make trainer`"),
]
STEPS = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset's folder of a run in every format of one answer per row: 40 records of the fake teacher."""
    values = {"run_dir": str(tmp_path_factory.mktemp("trainer") / "run"), "seeds": str(ROOT / "seeds" / "demo.jsonl")}
    published = {"kind": "prompt_completion", "prompt_style": "published"}
    dataset = {"formats": [published if name == published["kind"] else name for name in ANSWER_FORMATS]}
    config = RunConfig.parse({**values, "target": 40, "teacher": {"kind": "fake", "model": "fake"}, "dataset": dataset})
    return run(config).dataset_path


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return tiny_tokenizer(datasets.load_dataset(str(folder), "text", split="train")["text"])


@pytest.fixture
def trainer_of(tokenizer: Any, tmp_path: Path) -> Callable[..., Any]:
    """Make an SFTTrainer with a fresh model for some rows; keywords are SFTConfig's."""
    from trl import SFTConfig, SFTTrainer

    def make(rows: Any, template: str | None = None, **settings: Any) -> Any:
        model = tiny_llama(tokenizer)
        assert 90_000 < model.num_parameters() < 160_000
        arguments = SFTConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=STEPS,
            per_device_train_batch_size=4,
            learning_rate=1e-2,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            **settings,
        )
        tokenizer.chat_template = template or load_chat_template("chatml").source
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SFTTrainer(model, arguments, train_dataset=rows, processing_class=tokenizer)

    return make


def trained_on(trainer: Any) -> list[str]:
    """The text of each row that the loss is taken over."""
    rows = trainer.train_dataset
    return [trainer.processing_class.decode([t for t in row["labels"] if t != -100]) for row in rows]


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ("messages", {}),
        ("messages", {"assistant_only_loss": True}),
        ("prompt_completion", {}),
        ("prompt_completion_chat", {}),
        ("text", {}),
    ],
)
def test_the_loss_falls(folder: Path, trainer_of: Callable[..., Any], config: str, settings: dict[str, Any]) -> None:
    trainer = trainer_of(datasets.load_dataset(str(folder), config, split="train"), **settings)
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == STEPS
    assert sum(losses[-3:]) / 3 < 0.8 * losses[0]
    FIGURES.append(f"trainer: {config} {settings or ''}: loss {losses[0]:.2f} to {losses[-1]:.2f} in {STEPS} steps")


def test_the_default_config_is_what_a_trainer_gets(folder: Path, trainer_of: Callable[..., Any]) -> None:
    rows = datasets.load_dataset(str(folder), split="train")
    assert trained_on(trainer_of(rows))[0].startswith("<|im_start|>user\n"), "without a name it is 'messages'"


def test_messages_train_on_the_whole_text_unless_told_otherwise(folder: Path, trainer_of: Callable[..., Any]) -> None:
    rows = datasets.load_dataset(str(folder), "messages", split="train")
    first = {message["role"]: message["content"] for message in rows[0]["messages"]}
    assert first["user"] in trained_on(trainer_of(rows))[0]
    assert trained_on(trainer_of(rows, assistant_only_loss=True))[0] == first["assistant"] + EOS
    assert [f.code for f in validate_dataset(folder, "trl-sft").findings] == ["whole_text_loss"]


def test_completions_are_trained_on_alone_with_an_end(folder: Path, trainer_of: Callable[..., Any]) -> None:
    pairs = datasets.load_dataset(str(folder), "prompt_completion", split="train")
    assert trained_on(trainer_of(pairs)) == [row["completion"] + EOS for row in pairs]
    chats = datasets.load_dataset(str(folder), "prompt_completion_chat", split="train")
    expected = [row["completion"][0]["content"] + EOS for row in chats]
    assert [text.strip() for text in trained_on(trainer_of(chats))] == expected


DIALOGUE = [
    {"role": role, "content": content}
    for role, content in zip(["user", "assistant"] * 2, ["One?", "Two.", "Three?", "Four."], strict=True)
]


@pytest.mark.parametrize(
    ("row", "settings", "learned"),
    [
        ({"messages": DIALOGUE}, {"assistant_only_loss": True}, f"Two.{EOS}Four.{EOS}"),
        ({"prompt": DIALOGUE[:3], "completion": DIALOGUE[3:]}, {}, f"Four.{EOS}"),
    ],
    ids=["messages", "prompt_completion_chat"],
)
def test_the_answers_of_a_dialogue_that_are_learned(
    tmp_path: Path, trainer_of: Callable[..., Any], row: dict[str, Any], settings: dict[str, Any], learned: str
) -> None:
    rows = datasets.Dataset.from_list([row] * 4)
    assert trained_on(trainer_of(rows, **settings))[0].replace("\n", "") == learned
    rows.to_json(tmp_path / "rows.jsonl")
    report = validate_dataset(tmp_path / "rows.jsonl", "trl-sft")
    assert report.dialogues == 4
    assert report.loss.startswith("the last answer" if learned.startswith("Four") else "the whole conversation")


def test_a_template_without_marks_is_refused_for_assistant_only_loss(
    folder: Path, trainer_of: Callable[..., Any]
) -> None:
    rows = datasets.load_dataset(str(folder), "messages", split="train")
    bare = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + eos_token }}{% endfor %}"
    with pytest.raises(ValueError, match="generation"):
        trainer_of(rows, bare, assistant_only_loss=True)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_shipped_templates_can_train_on_the_assistant_alone(
    folder: Path, trainer_of: Callable[..., Any], name: str
) -> None:
    rows = datasets.load_dataset(str(folder), "messages", split="train").select(range(4))
    texts = trained_on(trainer_of(rows, load_chat_template(name).source, assistant_only_loss=True))
    for text, row in zip(texts, rows, strict=True):
        user, assistant = (message["content"] for message in row["messages"])
        assert assistant.strip() in text
        assert user not in text
        assert len(text) > len(assistant.strip()), "the end of the turn is learned, too"


def test_alpaca_columns_fail(folder: Path, trainer_of: Callable[..., Any]) -> None:
    with pytest.raises(KeyError, match="text"):
        trainer_of(datasets.load_dataset(str(folder), "alpaca", split="train"))
    assert not validate_dataset(folder, "trl-sft", config="alpaca").ok


def test_sharegpt_roles_pass_silently_into_the_text(folder: Path, trainer_of: Callable[..., Any]) -> None:
    trainer = trainer_of(datasets.load_dataset(str(folder), "sharegpt", split="train"))
    assert "<|im_start|>human\n" in trained_on(trainer)[0]
    (error, *_) = validate_dataset(folder, "trl-sft", config="sharegpt").findings
    assert (error.level, error.code) == ("error", "foreign_role")


def test_role_and_content_under_conversations_fail(trainer_of: Callable[..., Any]) -> None:
    rows = [{"conversations": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}] * 4
    with pytest.raises(KeyError, match="text"):
        trainer_of(datasets.Dataset.from_list(rows))


MIXED = """
from trl.data_utils import is_conversational
row = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi", "completion": "Hello"}
print(is_conversational(row))
"""


def test_mixed_layouts_depend_on_the_hash_seed() -> None:
    """The same row is a conversation to one start of Python and text to another."""

    def said(seed: int) -> str:
        env = os.environ | {"PYTHONHASHSEED": str(seed)}
        return subprocess.run([sys.executable, "-c", MIXED], env=env, capture_output=True, text=True).stdout.strip()

    assert (said(0), said(10)) == ("False", "True")


def test_trls_own_parser_takes_the_command_that_validate_writes(folder: Path) -> None:
    from trl.scripts.sft import make_parser

    for config in ("messages", "prompt_completion"):
        words = shlex.split(config_stub(folder, "trl-sft", config=config, max_length=64).replace("\\\n", " "))
        script, training, model, *_ = make_parser().parse_args_and_config([*words[2:], "--use_cpu", "true"])
        assert (script.dataset_name, script.dataset_config) == (str(folder.resolve()), config)
        assert training.assistant_only_loss is (config == "messages")
        assert (training.max_length, model.model_name_or_path) == (64, "YOUR_MODEL")


CHATS = [
    [{"role": "user", "content": "Hi <b> & 'you' {{ 1 }}"}, {"role": "assistant", "content": " Hello \n"}],
    [{"role": "system", "content": "S"}, {"role": "user", "content": "A"}, {"role": "assistant", "content": "日本語"}],
]
FEATURES = (
    "{%- set ns = namespace(n=0) -%}{%- for m in messages -%}{%- if m.role == 'system' -%}{%- continue -%}{%- endif -%}"
    "{%- set ns.n = ns.n + 1 -%}{{ ns.n }}{{ m | tojson }}{{ dict(a=1) | tojson(indent=2) }}{{ eos_token }}"
    "{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ strftime_now('%Y') }}\n"
    "  {% if loop.last %}\n  last\n  {% break %}\n  {% endif %}\n{%- endfor -%}"
)


@pytest.mark.parametrize("source", [*TEMPLATES, FEATURES], ids=[*TEMPLATES, "features"])
def test_texts_are_those_of_transformers(tokenizer: Any, tmp_path: Path, source: str) -> None:
    template = load_chat_template(source) if source in TEMPLATES else None
    if template is None:
        config = tmp_path / "tokenizer_config.json"
        config.write_text(json.dumps({"chat_template": source, "eos_token": EOS, "bos_token": "<s>"}))
        template = load_chat_template(str(config))
    for chat in CHATS:
        tokens = {"bos_token": "", "eos_token": template.tokens.get("eos_token", "")}
        expected = tokenizer.apply_chat_template(chat, chat_template=template.source, tokenize=False, **tokens)
        assert template.render(chat) == expected
