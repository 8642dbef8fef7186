"""The most tokens a prompt can have: by its own tokenizer where there is one, by bytes elsewhere, never too few."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from selfinstruct.ask.budget import Budget
from selfinstruct.ask.prices import Price
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Message, Prompt, Sampling
from selfinstruct.journal.answer_values import Totals
from selfinstruct.teachers.counting import TOKENS_A_MESSAGE, TOKENS_A_REQUEST, bound_of, bytes_bound
from selfinstruct.teachers.openai.options import OpenAIOptions

AROUND = TOKENS_A_MESSAGE + TOKENS_A_REQUEST


def prompt(text: str, **values: object) -> Prompt:
    return Prompt("propose", (Message("user", text),), Sampling(max_tokens=10), **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level tokenizer as today's models have them, trained on some text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    texts = ["Write a short poem about the sea.", "Name three words that rhyme.", "写一首关于大海的短诗。"] * 20
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet))
    path = tmp_path_factory.mktemp("model") / "tokenizer.json"
    made.save(str(path))
    return path


@given(st.text(max_size=200))
def test_by_bytes_it_is_never_below_what_a_byte_level_tokenizer_makes_of_it(text: str) -> None:
    assert bytes_bound(prompt(text)) == len(text.encode("utf-8", "surrogatepass")) + AROUND


def test_the_models_own_tokenizer_counts_closer(tokenizer: Path) -> None:
    text = "Write a short poem about the sea. " * 20
    exact = len(Tokenizer.from_file(str(tokenizer)).encode(text).ids)
    for place in (tokenizer, tokenizer.parent):
        assert bound_of(OpenAIOptions(tokenizer=str(place)))(prompt(text)) == exact + AROUND
    assert exact + AROUND < bytes_bound(prompt(text)) / 2


@given(text=st.text(max_size=100))
def test_joined_by_a_template_a_text_has_no_more_tokens_than_the_bound(tokenizer: Path, text: str) -> None:
    own = Tokenizer.from_file(str(tokenizer))
    joined = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    around = len(own.encode("<|im_start|>user\n").ids) + len(own.encode("<|im_end|>\n<|im_start|>assistant\n").ids)
    bound = bound_of(OpenAIOptions(tokenizer=str(tokenizer)))(prompt(text)) - AROUND
    assert len(own.encode(joined).ids) <= bound + around


def test_a_schema_counts_too() -> None:
    assert bytes_bound(prompt("x", schema={"title": "tasks"})) > bytes_bound(prompt("x"))


def test_more_questions_fit_under_a_cap(tokenizer: Path) -> None:
    config = RunConfig.parse({"seeds": "s", "run_dir": "r", "max_tokens": 2000})
    long = prompt("Write a short poem about the sea. " * 20)

    async def fitting(**bounds: object) -> int:
        budget = Budget(config, {"t": Price(0, 0, 0, "x")}, Totals(), bounds)  # type: ignore[arg-type]
        count = 0
        while not (waiting := asyncio.ensure_future(budget.reserve(long, "t"))).cancelled():
            await asyncio.sleep(0)
            if not waiting.done():
                waiting.cancel()
                return count
            count += 1
        return count

    by_bytes, by_tokens = (
        asyncio.run(fitting()),
        asyncio.run(fitting(t=bound_of(OpenAIOptions(tokenizer=str(tokenizer))))),
    )
    assert by_tokens > 2 * by_bytes > 0


def test_one_in_the_hubs_cache_is_used_and_nothing_is_fetched(
    tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert bound_of(OpenAIOptions(model="some/model")) is bytes_bound
    snapshot = tmp_path / "models--some--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (tmp_path / "models--some--model" / "refs").mkdir()
    (tmp_path / "models--some--model" / "refs" / "main").write_text("abc")
    (snapshot / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    text = "Write a short poem about the sea. " * 20
    assert bound_of(OpenAIOptions(model="some/model"))(prompt(text)) < bytes_bound(prompt(text)) / 2


def test_a_wrong_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"teacher\.tokenizer: .*missing\.json: no such file"):
        bound_of(OpenAIOptions(tokenizer=str(tmp_path / "missing.json")))
    with pytest.raises(ConfigError, match=r"teacher\.tokenizer: .*other\.json: not a tokenizer"):
        bound_of(OpenAIOptions(tokenizer=str(tmp_path / "other.json")))
