"""The formats: what a row holds under each setting, and that every program reads the dataset's folder."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from conftest import ANSWER_FORMATS, RECORD, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.chat_template import TEMPLATES, load_chat_template
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.records import Response
from selfinstruct.dataset import FORMATS, to_dataset, write_dataset
from selfinstruct.dataset.formats import formats_of
from selfinstruct.dataset.provenance_columns import ProvenanceColumns
from selfinstruct.dataset.rows import WITH_INPUT, WITHOUT_INPUT, Wording, published_prompt, rows_of
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run

SYSTEM = Wording(system_prompt="Be brief.")
ASKED = "Name the capital.\n\nFrance"
ALL = ANSWER_FORMATS


def row(format: str, wording: Wording = SYSTEM) -> dict[str, Any]:
    """The row of the shared record, own columns only."""
    (whole,) = rows_of([RECORD], FORMATS[format], wording=wording)
    return {name: whole[name] for name in FORMATS[format].columns(wording)}


@pytest.fixture
def made(make_config: Callable[..., RunConfig]) -> Run:
    """A finished run of 40 records, in every format, with a test split."""
    return run(make_config(dataset={"formats": list(ALL), "test_share": 0.25, "system_prompt": "Be brief."}))


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (
            "messages",
            {
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": ASKED},
                    {"role": "assistant", "content": "Paris"},
                ]
            },
        ),
        ("prompt_completion", {"prompt": f"Be brief.\n\n{ASKED}\n\n", "completion": "Paris"}),
        (
            "prompt_completion_chat",
            {
                "prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": ASKED}],
                "completion": [{"role": "assistant", "content": "Paris"}],
            },
        ),
        (
            "alpaca",
            {"instruction": "Name the capital.", "input": "France", "output": "Paris", "system": "Be brief."},
        ),
        (
            "sharegpt",
            {
                "conversations": [
                    {"from": "system", "value": "Be brief."},
                    {"from": "human", "value": ASKED},
                    {"from": "gpt", "value": "Paris"},
                ]
            },
        ),
        (
            "text",
            {
                "text": "<|im_start|>system\nBe brief.<|im_end|>\n"
                f"<|im_start|>user\n{ASKED}<|im_end|>\n<|im_start|>assistant\nParis<|im_end|>\n"
            },
        ),
    ],
)
def test_a_row_of_each_format(format: str, expected: dict[str, Any]) -> None:
    assert row(format) == expected


def test_openai_rows_hold_messages_and_nothing_else() -> None:
    (whole,) = rows_of([RECORD], FORMATS["openai"], columns=ProvenanceColumns(neighbours=True), wording=SYSTEM)
    assert whole == row("messages")


@pytest.mark.parametrize("format", ALL)
def test_without_a_system_prompt_nothing_of_it_stands_in_a_row(format: str) -> None:
    assert "system" not in json.dumps(row(format, Wording()))


PUBLISHED = {
    "A\nInput: B\nOutput:| C",
    "A\n\nInput: B\n\nOutput:| C",
    "Task: A\nInput: B\nOutput:| C",
    "A\n\nB\n\nOutput:| C",
    "A\n\nB\n\n|C",
    "A\nB\n\n|C",
    "Task: A\n\nB\n\n|C",
}
PUBLISHED_BARE = {"A Output:| C", "A\nOutput:| C", "A\n\nOutput:| C", "A\n|C", "A\n\n|C", "Task: A\n\n|C"}


def test_the_published_variety_is_the_one_of_the_paper() -> None:
    def filled(styles: Any, given: str) -> list[str]:
        return [f"{pair.prompt}|{pair.completion}" for pair in (style.fill("A", given, "C") for style in styles)]

    assert set(filled(WITH_INPUT, "B")) == PUBLISHED
    assert set(filled(WITHOUT_INPUT, "")) == PUBLISHED_BARE


def test_the_variety_is_drawn_by_seed_and_id_alone_and_evenly() -> None:
    def drawn(seed: int) -> list[str]:
        return [published_prompt(f"r-{n}", seed, " A ", "B", "C").prompt for n in range(700)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    counts = Counter(drawn(1))
    assert len(counts) == len({text.partition("|")[0] for text in PUBLISHED})
    assert all(60 < count < 240 for count in counts.values())  # two of the seven differ after the prompt only


def test_a_growing_run_keeps_the_prompts_it_had(make_config: Callable[..., RunConfig]) -> None:
    settings = {"formats": [{"kind": "prompt_completion", "prompt_style": "published"}]}

    def prompts(target: int) -> dict[str, str]:
        made = run(make_config(target=target, dataset=settings))
        return {r["id"]: r["prompt"] for r in datasets.load_dataset(str(made.dataset_path), split="train")}

    before, after = prompts(20), prompts(60)
    assert before.items() <= after.items()
    assert len({text[-7:] == "Output:" for text in after.values()}) == 2, "with the mark and without it"


@pytest.mark.parametrize("name", ALL)
def test_every_format_loads_by_name_with_explicit_features(made: Run, name: str) -> None:
    loaded = datasets.load_dataset(str(made.dataset_path), name)
    assert loaded["train"].num_rows + loaded["test"].num_rows == 40
    assert loaded["train"].features == to_dataset(made, name).features
    assert next(iter(loaded["train"])) in list(to_dataset(made, name))


def test_openai_files_are_json_lines_that_a_service_takes(made: Run) -> None:
    for split in ("train", "test"):
        file = made.dataset_path / "openai" / f"{split}.jsonl"
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n")[:-1]]
        assert all(set(each) == {"messages"} for each in rows)
        assert rows == list(datasets.load_dataset(str(made.dataset_path), "openai", split=split))
        assert rows == list(datasets.load_dataset("json", data_files=str(file), split="train"))


def test_pandas_polars_and_duckdb_read_the_folder(made: Run) -> None:
    import duckdb
    import polars as pl

    ids = sorted(to_dataset(made, "alpaca")["id"])
    pattern = f"{made.dataset_path}/alpaca/*.parquet"
    assert sorted(pl.read_parquet(pattern)["id"]) == ids
    frame = pd.concat(pd.read_parquet(path) for path in (made.dataset_path / "alpaca").glob("*.parquet"))
    assert sorted(frame["id"]) == ids
    assert [r[0] for r in duckdb.sql(f"SELECT id FROM '{pattern}' ORDER BY id").fetchall()] == ids
    chats = f"{made.dataset_path}/messages/*.parquet"
    sql = f"SELECT DISTINCT messages[1].role, messages[-1].role FROM '{chats}'"
    assert duckdb.sql(sql).fetchall() == [("system", "assistant")]
    first = pl.read_parquet(chats).select(pl.col("messages").list.first().struct.field("content")).to_series()
    assert set(first) == {"Be brief."}


def test_the_folder_of_one_format_is_its_own_default(made: Run, tmp_path: Path) -> None:
    settings = made.config.dataset.model_copy(update={"formats": ("openai",)})
    folder = write_dataset(made, tmp_path / "out", settings)
    assert datasets.load_dataset(str(folder))["train"].column_names == ["messages"]


CHAT = [
    {"role": "system", "content": "Be <brief>."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "{{ 7 * 7 }} {% raw %}"},
]
EXPECTED = {
    "chatml": "<|im_start|>system\nBe <brief>.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\n{{ 7 * 7 }} {% raw %}<|im_end|>\n",
    "qwen2.5": "<|im_start|>system\nBe <brief>.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\n{{ 7 * 7 }} {% raw %}<|im_end|>\n",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nBe <brief>.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{{ 7 * 7 }} {% raw %}<|eot_id|>",
    "zephyr": "<|system|>\nBe <brief>.</s>\n<|user|>\nHi</s>\n<|assistant|>\n{{ 7 * 7 }} {% raw %}</s>\n",
    "gemma": "<start_of_turn>user\nBe <brief>.\n\nHi<end_of_turn>\n"
    "<start_of_turn>model\n{{ 7 * 7 }} {% raw %}<end_of_turn>\n",
    "mistral": "[INST] Be <brief>.\n\nHi [/INST] {{ 7 * 7 }} {% raw %}</s>",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_shipped_templates_and_that_a_text_is_never_a_template(name: str) -> None:
    assert load_chat_template(name).render(CHAT) == EXPECTED[name]
    # What a model is asked with ends where its answer begins.
    asked = load_chat_template(name).render(CHAT[:2], generation_prompt=True)
    assert EXPECTED[name].startswith(asked.rstrip(" "))


def test_a_template_of_a_file_and_of_a_tokenizer(tmp_path: Path) -> None:
    source = "{{ bos_token }}{% for m in messages %}\n{{ m.role }}{{ eos_token }}\n{% endfor %}\n"
    (tmp_path / "own.jinja").write_text(source)
    assert load_chat_template(str(tmp_path / "own.jinja")).render(CHAT) == "system\nuser\nassistant\n"
    config = tmp_path / "tokenizer_config.json"
    values = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": source}
    config.write_text(json.dumps(values))
    assert load_chat_template(str(config)).render(CHAT) == "system</s>\nuser</s>\nassistant</s>\n"
    config.write_text(json.dumps(values | {"chat_template": [{"name": "default", "template": "x"}]}))
    assert load_chat_template(str(config)).render(CHAT) == "x"
    del values["chat_template"]
    config.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match="holds no chat_template"):
        load_chat_template(str(config))
    (tmp_path / "chat_template.jinja").write_text("beside")
    assert load_chat_template(str(config)).render(CHAT) == "beside"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ messages.append(1) }}", "unsafe"),
        ("{% for x in %}", "Expected an expression"),
        ("{{ raise_exception('roles must alternate') }}", "roles must alternate"),
        ("{% set n = namespace() %}{% set n.__init__ = 1 %}", "can't contain '__init__'"),
        ("{{ namespace(_a=1) }}", "can't contain '_a'"),
        ("{{ range(10 ** 9) | list }}", "Range too big"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe"),
    ],
)
def test_a_template_that_breaks_out_or_fails_is_one_line(tmp_path: Path, source: str, said: str) -> None:
    path = tmp_path / "bad.jinja"
    path.write_text(source)
    with pytest.raises(ConfigError, match=rf"dataset\.formats: chat_template: .*bad\.jinja:1: .*{said}"):
        load_chat_template(str(path))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ 'a' * 10 ** 10 }}", "takes more than 1,024 MB of memory for one conversation"),
        ("{{ 'a'.center(10 ** 10) }}", "takes more than 1,024 MB of memory for one conversation"),
        ("{{ '%010000000000d' % 1 }}", "takes more than 1,024 MB of memory|:1: "),
        (
            "{% set n = namespace(s='ab') %}{% for _ in range(40) %}{% set n.s = n.s ~ n.s %}{% endfor %}",
            "of memory|2 s",
        ),
        ("{{ 'a' * 20000000 }}", "renders more than 10,000,000 characters for one conversation"),
        ("{{ 9 ** (9 ** 9) }}", "takes more than 2 s for one conversation"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = 1 %}{% endfor %}{% endfor %}",
            "takes more than 2 s for one conversation",
        ),
        ("line one\n{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", r":\d: maximum recursion depth exceeded"),
        (f"{{{{ {'(' * 3000}1{')' * 3000} }}}}", "maximum recursion depth exceeded|takes more than|too many nested"),
        ("one\n{{ messages[7].content }}", ":2: list object has no element 7"),
        ("one\ntwo\n{{ 1 / 0 }}", ":3: division by zero"),
        ("one\n{% if %}", ":2: Expected an expression"),
        ("{{ messages[0]['content'].nonesuch() }}", ":1: 'str object' has no attribute 'nonesuch'"),
    ],
)
def test_a_template_is_bounded_and_its_error_has_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.setattr("selfinstruct.core.template_sandbox.MAX_SECONDS", 2)
    path = tmp_path / "bad.jinja"
    path.write_text(source)
    with pytest.raises(ConfigError, match=rf"^dataset\.formats: chat_template: {path}.*({said})") as caught:
        load_chat_template(str(path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("; correct the template")


def test_a_template_that_is_hostile_to_one_row_only_ends_with_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sly.jinja"
    path.write_text("{{ messages[0].content }}{% if messages | length > 2 %}{{ 'a' * 10 ** 10 }}{% endif %}")
    template = load_chat_template(str(path))
    with pytest.raises(ConfigError, match="of memory for one conversation"):
        template.render(CHAT)
    assert template.render(CHAT[:2]) == CHAT[0]["content"], "the next conversation has a process again"


def test_a_template_that_refuses_the_system_message_is_found_before_anything_is_asked(
    tmp_path: Path, seed_file: Path
) -> None:
    path = tmp_path / "own.jinja"
    path.write_text("{% if messages[0].role == 'system' %}\n{{ raise_exception('no system role') }}{% endif %}text")
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "teacher": {"kind": "fake"}}
    config = tmp_path / "config.yaml"
    for system, code in ((None, 0), ("Be brief.", 2)):
        formats = {"formats": [{"kind": "text", "chat_template": str(path)}], "system_prompt": system}
        config.write_text(json.dumps(values | {"dataset": formats}))
        done = cli("check", config)
        assert done.returncode == code, done.stderr
    assert f"{path}:2: no system role; correct the template" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chatmal", "did you mean 'chatml'"),
        ("no/such.jinja", "can't be read"),
        ("vicuna", "one of chatml, gemma, llama3, mistral, qwen2.5, zephyr, or a file"),
    ],
)
def test_an_unknown_template_says_which_there_are(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_chat_template(name)


def test_a_bad_template_is_found_before_anything_is_asked(tmp_path: Path, seed_file: Path) -> None:
    config = tmp_path / "c.yaml"
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "r"), "teacher": {"kind": "fake", "model": "fake"}}
    config.write_text(json.dumps(values | {"dataset": {"formats": [{"kind": "text", "chat_template": "chatlm"}]}}))
    done = cli("generate", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "dataset.formats: chat_template: 'chatlm' is unknown; did you mean 'chatml'?" in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_record_of_several_instances_draws_for_each() -> None:
    # The outputs differ, because a record has no two equal examples; prompts don't contain them.
    outputs = [Response(f"City {n}") for n in range(20)]
    many = replace(RECORD, examples=tuple(replace(e, responses=(r,)) for r in outputs for e in RECORD.examples))
    wording = Wording(published_prompts=True, all_examples=True)
    rows = rows_of([many], FORMATS["prompt_completion"], wording=wording)
    assert len({r["prompt"].replace("Peru", "France") for r in rows}) == len(PUBLISHED)


def test_an_export_can_change_the_wording_and_nothing_else(made: Run, tmp_path: Path) -> None:
    def export(*options: str) -> subprocess.CompletedProcess[str]:
        return cli("export", made.path, "--output", tmp_path / "out", *options)

    formats = "dataset.formats=[{kind: text, chat_template: zephyr}]"
    keys = [formats, "dataset.system_prompt=Think first.", "dataset.test_share=0"]
    done = export(*(word for key in keys for word in ("--set", key)))
    assert done.returncode == 0, done.stderr
    rows = datasets.load_dataset(str(tmp_path / "out"), split="train")
    assert rows.num_rows == 40
    assert all(text.startswith("<|system|>\nThink first.</s>\n<|user|>\n") for text in rows["text"])
    done = export("--set", "max_similarity=0.5")
    assert (done.returncode, "can only change keys of the dataset" in done.stderr) == (2, True)


# --- reasoning -------------------------------------------------------------------------------------

THOUGHT = replace(RECORD.examples[0], responses=(Response("Paris", reasoning="It is on the Seine."),))


@pytest.mark.parametrize("kind", ["messages", "openai", "sharegpt", "prompt_completion_chat", "text"])
def test_reasoning_is_in_a_row_only_if_the_format_asks_for_it(make_config: Callable[..., RunConfig], kind: str) -> None:
    for wanted in (False, True):
        options = {"kind": kind, "reasoning": True} if wanted else kind
        [(chosen, wording)] = formats_of(make_config(dataset={"formats": [options]})).values()
        text = json.dumps(chosen.row(RECORD, THOUGHT, wording))
        assert "Paris" in text
        assert ("<think>\\nIt is on the Seine.\\n</think>\\n\\nParis" in text) is wanted
        assert "<think>" not in json.dumps(chosen.row(RECORD, RECORD.examples[0], wording))  # there is none
