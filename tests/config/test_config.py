"""The configuration: reading, error messages, the digest of a run, and the shipped files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from conftest import IN_FULL, cli
from selfinstruct.config.fields import MayChange
from selfinstruct.config.options import FormatOptions, TeacherOptions
from selfinstruct.config.run_config import (
    DatasetConfig,
    RunConfig,
    SamplingConfig,
    digest_of,
    json_schema,
    may_change,
    overridden,
)
from selfinstruct.core.errors import ConfigError, SelfInstructError
from selfinstruct.core.prompts import Sampling
from selfinstruct.dataset.formats import DialogueOptions
from selfinstruct.filters import instruction_filters
from selfinstruct.seeds.load import load_seeds
from selfinstruct.strategies.self_instruct import SelfInstructOptions
from selfinstruct.teachers.fake.options import FakeOptions
from selfinstruct.teachers.openai.options import OpenAIOptions

CONFIGS = Path(__file__).parents[2] / "configs"
MINIMAL = {"seeds": "s.jsonl", "run_dir": "run"}
SECRET = "sk-proj-" + "a1B2" * 12

Load = Callable[..., RunConfig]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Write a file and load it."""

    def load(text: str, *overrides: str, **changes: Any) -> RunConfig:
        path = tmp_path / "run.yaml"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return RunConfig.load(path, list(overrides), **changes)

    return load


def refusal(load: Load, text: str, *overrides: str) -> list[str]:
    """Return the error about a file, one line per defect, without the file's folder."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return [line.rpartition("run.yaml:")[2].strip() for line in str(caught.value).splitlines()]


def parsed(**values: Any) -> RunConfig:
    return RunConfig.parse(MINIMAL | values)


# --- YAML --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: a\nrun_dir: [b\ntarget: 3\n", "3: expected ',' or ']', but got ':'; check the indentation"),
        ("seeds: a\n\trun_dir: b\n", "2: found character '\\t' that cannot start any token; check the indentation"),
        ("seeds: a: b\n", "1: mapping values are not allowed here; check the indentation and the quotes"),
        ("target: 1\nseeds: a\ntarget: 2\n", "3: this key appears twice; remove one of them"),
        ("seeds: a\nteacher:\n  model: a\n  model: b\n", "4: this key appears twice; remove one of them"),
        ("seeds: a\nrun_dir: b\0\n", "2: a character that YAML doesn't allow; remove it"),
        ("seeds: a\nrun_dir: 2024-13-01\n", "a value that YAML can't read; put quotes around dates and texts"),
        ("seeds: caf\udce9\n", "is not UTF-8; save it as UTF-8"),
        ("", "must be a mapping of keys to values, such as 'target: 100'"),
        ("- seeds: a\n", "must be a mapping of keys to values, such as 'target: 100'"),
        ("1: 2\n", "every key must be text, such as 'target'; put other keys in quotes"),
        ("a: " + "[" * 10_000, "1: nested more than 100 levels deep; write it flatter"),
    ],
)
def test_what_yaml_can_not_read_is_one_line_with_its_place(load: Load, text: str, expected: str) -> None:
    [line] = refusal(load, text)
    assert line.startswith(expected)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    for path, expected in {
        tmp_path / "none.yaml": "no such file; `selfinstruct init`",
        tmp_path: "is a directory",
    }.items():
        with pytest.raises(ConfigError) as caught:
            RunConfig.load(path)
        assert str(caught.value).startswith(f"{path}: {expected}")


def test_a_byte_order_mark_and_windows_line_ends(load: Load) -> None:
    assert load("\ufeffseeds: a\r\nrun_dir: b\r\n").run_dir.endswith("/b")


def test_an_empty_section_has_its_defaults(load: Load) -> None:
    assert load("seeds: a\nrun_dir: b\nteacher:\n  # model: x\ndataset:\n").teacher == OpenAIOptions()


# --- keys and values -----------------------------------------------------------------------------

TARGET = "target: must be a number of records such as 500, or +500 for 500 more at each start"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"targt": 5}, "targt: unknown key; did you mean 'target'?"),
        ({"Target": 5}, "Target: unknown key; did you mean 'target'?"),
        ({"max_token": 5}, "max_token: unknown key; did you mean 'max_tokens'?"),
        ({"zzz": 5}, "zzz: unknown key"),
        ({"teacher": {"modle": "a"}}, "teacher.modle: unknown key; did you mean 'teacher.model'?"),
        ({"keyword": True}, "keyword: unknown key"),
        ({"teacher": {"modell": "a"}}, "teacher.modell: unknown key; did you mean 'teacher.model'?"),
        ({"dataset": {"format": "a"}}, "dataset.format: unknown key; did you mean 'dataset.formats'?"),
        ({"temperature": 1.0}, "temperature: unknown key; did you mean 'strategy.propose.temperature'?"),
        ({"teacher": {"target": 5}}, "teacher.target: unknown key; did you mean 'target'?"),
        ({"seeds": None}, "seeds: must be a path, or a list of paths"),
        ({"seeds": []}, "seeds: must be a path, or a list of paths"),
        ({"seeds": ["a", 5]}, "seeds: must be a path, or a list of paths"),
        ({"run_dir": ""}, "run_dir: must not be empty"),
        ({"run_dir": 2024}, "run_dir: must be text (it is 2024); put it in quotes"),
        ({"run_dir": "a\0b"}, "run_dir: contains a character that can't be stored; type the value again"),
        ({"run_dir": "a\ud800"}, "run_dir: contains a character that can't be stored; type the value again"),
        ({"target": 0}, TARGET),
        ({"target": True}, TARGET),
        ({"target": 1.5}, TARGET),
        ({"target": "5"}, TARGET),
        ({"target": "+0"}, TARGET),
        ({"max_similarity": 1.5}, "max_similarity: must be at most 1 (it is 1.5)"),
        ({"max_cost_usd": float("inf")}, "max_cost_usd: must be a finite number (it is Infinity)"),
        ({"max_cost_usd": True}, "max_cost_usd: must be a number (it is true)"),
        ({"language": "eng"}, "language: must be a language tag; write en"),
        ({"language": "german"}, "language: must be a language tag; write de"),
        ({"language": "tlhingan"}, "language: must be a language tag (BCP 47) such as de, fr-CA, or zh-Hans, or 'any'"),
        ({"language": 5}, "language: must be text (it is 5); put it in quotes"),
        (
            {"judge": "gpt-4o"},
            "judge: must be a section; indent its keys below it, or set judge.KEY=VALUE",
        ),
        ({"teacher": 5}, "teacher: must be a section; indent its keys below it, or set teacher.KEY=VALUE"),
        ({"teacher": "gpt-4o"}, "teacher: 'gpt-4o' is unknown; one of fake, local, openai, or package.module:Name"),
        ({"teacher": {"kind": "local"}}, "teacher.model: is missing; add it to the file or give --set teacher.model="),
        (
            {"teacher": {"kind": "local", "model": "m", "base_url": "http://a"}},
            "teacher.base_url: is an option of another kind; remove it, or change teacher.kind",
        ),
        ({"strategy": "alpacca"}, "strategy: 'alpacca' is unknown; did you mean 'alpaca'?"),
        (
            {"strategy": {"kind": "alpaca", "max_instances": 2}},
            "strategy.max_instances: is an option of another kind; remove it, or change strategy.kind",
        ),
        ({"seed_demos": 3}, "seed_demos: unknown key; did you mean 'strategy.seed_demos'?"),
        ({"max_instances": 3}, "max_instances: unknown key; did you mean 'strategy.max_instances'?"),
        ({"prompts": "a.yaml"}, "prompts: unknown key; did you mean 'strategy.prompts'?"),
        ({"propose": {"top_p": 1.0}}, "propose: unknown key; did you mean 'strategy.propose'?"),
        (
            {"dataset": {"chat_template": "llama3"}},
            "dataset.chat_template: unknown key; did you mean 'dataset.formats.chat_template'?",
        ),
        (
            {"dataset": {"formats": [{"kind": "text", "chat_tmplate": "llama3"}]}},
            "dataset.formats.0.chat_tmplate: unknown key; did you mean 'dataset.formats.0.chat_template'?",
        ),
        ({"egress": "foo"}, "egress: must be any, local-only, or a list of hosts"),
        (
            {"filters": {"min_words": 9, "max_words": 8}},
            "filters.max_words: is below filters.min_words: no task would pass",
        ),
        ({"teacher": {"base_url": "localhost:8000"}}, "teacher.base_url: must begin with http:// or https://"),
        (
            {"teacher": {"base_url": "http://me:pw@host/v1"}},
            "teacher.base_url: must not contain a user, password, query",
        ),
        (
            {"teacher": {"base_url": "http://host/v1?key=pw"}},
            "teacher.base_url: must not contain a user, password, query",
        ),
        ({"strategy": {"propose": {"stop": "a"}}}, "strategy.propose.stop: must be a list (it is text)"),
        ({"strategy": {"propose": {"stop": ["a", ""]}}}, "strategy.propose.stop.1: must not be empty"),
        ({"filters": {"wrong_answer": "lable"}}, "filters.wrong_answer: must be true, false, or label"),
        ({"documents": {"a": 1}}, "documents: must be a path, or a list of paths"),
        ({"documents_license": 3}, "documents_license: must be a license, or a mapping of documents to licenses"),
        ({"document_readers": "x:y"}, "document_readers: must be a mapping (it is text)"),
        ({"filters": {"keywords": "image"}}, "filters.keywords: must be true, false, or a list of words"),
        ({"filters": {"prefixes": ["a", " "]}}, "filters.prefixes: must be true, false, or a list of texts"),
        ({"dataset": {"formats": []}}, "dataset.formats: must not be empty; name at least one"),
        ({"dataset": {"formats": ["text", "text"]}}, "dataset.formats: names a format twice; name each format once"),
    ],
)
def test_a_wrong_key_or_value_is_one_line(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(**values)
    assert str(caught.value).startswith(f"config: {expected}")
    assert "\n" not in str(caught.value)


def test_all_defects_at_once(load: Load) -> None:
    text = "run_dir: b\ntarget: many\nteacher:\n  modle: a\n  model: ${MODEL}\ndataset:\n  title: Of ${USER}\n"
    assert [line.split(":")[0] for line in sorted(refusal(load, text))] == [
        "dataset.title", "seeds", "target", "teacher.model", "teacher.modle",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "key",
    ["run_dir", "seeds.0", "strategy", "teacher.base_url", "teacher.model", "dataset.title", "strategy.propose.stop.1"],
)
def test_environment_variables_are_not_filled_in(key: str) -> None:
    found = "${PLACE}/x"
    lists: dict[str, Any] = {
        "seeds.0": {"seeds": [found]},
        "strategy.propose.stop.1": {"strategy": {"propose": {"stop": ["a", found]}}},
    }
    with pytest.raises(ConfigError) as caught:
        parsed(**lists[key]) if key in lists else changed(key, found)
    assert str(caught.value) == (
        f"config: {key}: ${{...}} isn't substituted; write the value itself (only teacher.api_key_env names a variable)"
    )


def test_an_alias_that_leads_in_a_circle(load: Load) -> None:
    assert refusal(load, "run_dir: b\nseeds: &s [*s]\n") == ["2: an alias that contains itself; remove it"]


# --- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("${OPENAI_API_KEY}", "OPENAI_API_KEY"),
        ("$OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("my_company_openai_api_key_v2", "my_company_openai_api_key_v2"),
        ("_K2", "_K2"),
        (None, None),
    ],
)
def test_api_key_env_names_a_variable(given: str | None, name: str | None) -> None:
    assert OpenAIOptions.of(parsed(teacher={"api_key_env": given}).teacher).api_key_env == name


@pytest.mark.parametrize(
    "given",
    [
        SECRET,
        "sk-short",
        "hf_AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEf",
        "gsk_" + "x7" * 26,
        "0f" * 16,
        "f0" * 16,
        "${OPENAI_API_KEY",
        "OPENAI_API_KEY}",
        "Bearer abc",
        "",
        123456789012,
    ],
)
def test_a_key_in_place_of_its_name_is_refused_and_not_repeated(given: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(teacher={"api_key_env": given})
    assert not given or str(given) not in str(caught.value)
    assert str(caught.value).startswith("config: teacher.api_key_env: must be ")


@pytest.mark.parametrize(
    "text",
    [
        f"api_key: {SECRET}",
        f"api_key_env: {SECRET}",
        f"OPENAI_API_KEY: {SECRET}",
        f"{SECRET}: true",
        f"teacher: {SECRET}",
        f"teacher: [{SECRET}]",
        f"teacher: {{api_key: {SECRET}}}",
        f"teacher: {{{SECRET}: 1}}",
        f"teacher: {{api_key_env: {SECRET}}}",
        f"teacher: {{api_key_env: [{SECRET}]}}",
        f"teacher: {{timeout_s: {SECRET}}}",
        f"teacher: {{endpoint: {SECRET}}}",
        f"teacher: {{base_url: {SECRET}}}",
        f"teacher: {{base_url: 'https://u:{SECRET}@host'}}",
        f"teacher: {{model: '${{{SECRET}}}'}}",
        f"target: {SECRET}",
        f"language: {SECRET}",
        f"filters: {{keywords: {SECRET}}}",
        f"target: *{SECRET}",
        f"target: !{SECRET} 5",
        f"target: 'x\n {SECRET}",
        f"{SECRET}",
    ],
)
def test_no_message_repeats_a_secret(load: Load, text: str) -> None:
    assert "a1B2" not in "\n".join(refusal(load, f"seeds: a\nrun_dir: b\n{text}\n"))


@pytest.mark.parametrize(
    "override",
    [f"teacher.api_key={SECRET}", f"target.x={SECRET}", f"target={SECRET}", SECRET, f"{SECRET}=1", f"={SECRET}"],
)
def test_no_message_about_an_override_repeats_a_secret(load: Load, override: str) -> None:
    assert "a1B2" not in "\n".join(refusal(load, "seeds: a\nrun_dir: b\ntarget: 5\n", override))


def test_a_misplaced_key_is_told_where_it_belongs() -> None:
    for values in ({"api_key": SECRET}, {"teacher": {"api_key": SECRET}}, {"api_token": SECRET}):
        with pytest.raises(ConfigError, match=r"export it, and name its environment variable in teacher\.api_key_env"):
            parsed(**values)


def test_pydantic_itself_repeats_no_value() -> None:
    with pytest.raises(ValidationError) as caught:
        OpenAIOptions(api_key_env=SECRET)
    assert "a1B2" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"taget": 5}, "RunConfig: taget: unknown key; did you mean 'target'?"),
        ({"seeds": None}, "RunConfig: seeds: must be a path, or a list of paths"),
        ({"judge": "me"}, "RunConfig: judge: must be a section; pass a mapping"),
        ({"target": 0}, "RunConfig: target: must be a number of records"),
        ({"teacher": {"modell": "m"}}, "RunConfig: teacher.modell: unknown key; did you mean 'teacher.model'?"),
        ({"filters": {"min_words": 9, "max_words": 3}}, "RunConfig: filters.max_words: is below filters.min_words"),
    ],
)
def test_the_constructor_raises_the_errors_of_the_package(values: dict[str, Any], message: str) -> None:
    for make in (lambda: RunConfig(**MINIMAL | values), lambda: RunConfig.model_validate(MINIMAL | values)):
        with pytest.raises(SelfInstructError) as caught:
            make()
        assert isinstance(caught.value, ConfigError)
        assert str(caught.value).startswith(message)


def test_paths_may_be_objects(tmp_path: Path) -> None:
    config = RunConfig(seeds=tmp_path / "s", run_dir=tmp_path / "r")  # type: ignore[arg-type]
    assert (config.seeds, config.run_dir) == (str(tmp_path / "s"), str(tmp_path / "r"))


def test_the_constructor_says_what_is_needed_without_the_command_line() -> None:
    with pytest.raises(ConfigError, match=r"^RunConfig: run_dir: is missing; pass it$"):
        RunConfig(seeds="s.jsonl")  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match=r"^RunConfig: seeds: is missing; name a file of seed tasks, or `documents`$"):
        RunConfig(run_dir="run")
    assert RunConfig(documents="manuals", run_dir="run").document_sources == ("manuals",)


def test_a_config_can_be_built_copied_and_validated_again() -> None:
    config = RunConfig(seeds="s.jsonl", run_dir="run", target=20)
    assert config.model_copy(update={"target": 30}) == RunConfig(seeds="s.jsonl", run_dir="run", target=30)
    assert RunConfig.model_validate(config) is config
    assert RunConfig.model_validate_json(config.model_dump_json(exclude_unset=True)) == config


def test_options_without_their_kinds_class_get_it() -> None:
    config = RunConfig(seeds="s", run_dir="r", teacher=TeacherOptions(kind="fake", model="m"))
    assert config.teacher == FakeOptions(model="m")
    assert config.teacher.is_fake


@pytest.mark.slow
def test_a_strict_type_checker_accepts_user_code(tmp_path: Path) -> None:
    """Type-check without pydantic's plugin, as users do."""
    code = tmp_path / "user.py"
    readme = (CONFIGS.parent / "README.md").read_text(encoding="utf-8")
    examples = "".join(re.findall(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))
    assert "class NoPoems" in examples
    code.write_text(
        examples + "import selfinstruct as si\n"
        'config = si.RunConfig(seeds="a.jsonl", run_dir="b", target=20)\n'
        'print(si.run(config).status().records, si.RunConfig.load("c.yaml", target=5).teacher.model)\n'
        'fake = si.TeacherOptions(kind="fake", model="fake")\n'
        'si.RunConfig(seeds="a.jsonl", run_dir="b", strategy="self_instruct", teacher=fake)\n'
        'si.RunConfig(seeds="a.jsonl", run_dir="b", dataset=si.DatasetConfig(title="A title"))\n'
        'si.RunConfig.model_validate({"seeds": ["a.jsonl"], "run_dir": "b", "strategy": {"kind": "alpaca"}})\n'
        'si.RunConfig(seeds="a.jsonl", run_dir="b", taget=20)\n'
    )
    settings = tmp_path / "mypy.ini"
    unused = "aiohttp huggingface_hub jinja2 numba numpy openai rich typer yaml".split()  # slow to analyze
    settings.write_text(f"[mypy]\nstrict = True\n[mypy-{','.join(f'{m}.*' for m in unused)}]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy", "--config-file", settings, "--cache-dir", tmp_path / "cache", code]
    checked = subprocess.run(command, cwd=CONFIGS.parent, capture_output=True, text=True, check=False)
    errors = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert [error.partition(": error: ")[2] for error in errors] == [
        'Unexpected keyword argument "taget" for "RunConfig"; did you mean "target"?  [call-arg]'
    ], checked.stdout + checked.stderr


# --- overrides ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("target=500", "target", 500),
        ("target=+500", "target", "+500"),
        (" target = 500", "target", 500),
        ("teacher.model=gpt-4o", "teacher.model", "gpt-4o"),
        ("teacher.base_url=http://127.0.0.1:8000/v1", "teacher.base_url", "http://127.0.0.1:8000/v1"),
        ("teacher.api_key_env=null", "teacher.api_key_env", None),
        ("max_cost_usd=", "max_cost_usd", None),
        (
            "dataset.formats=[alpaca, messages]",
            "dataset.formats",
            (FormatOptions(kind="alpaca"), DialogueOptions(kind="messages")),
        ),
        ("dataset.title=a=b", "dataset.title", "a=b"),
        ("dataset.title=50% of [it", "dataset.title", "50% of [it"),
        ("filters.keywords=false", "filters.keywords", False),
        ("filters.min_words=null", "filters.min_words", None),
        ('strategy.propose.stop=["\\n\\n", "###"]', "strategy.propose.stop", ("\n\n", "###")),
        ("strategy.propose.temperature=1", "strategy.propose.temperature", 1.0),
        ("seeds=[a, b]", "seeds", ("a", "b")),
    ],
)
def test_an_override_sets_any_key(load: Load, override: str, key: str, value: object) -> None:
    config: Any = load("seeds: a\nrun_dir: b\nteacher:\n", override)
    for name in key.split("."):
        config = getattr(config, name)
    assert config == value


def test_the_last_override_wins_and_changes_go_over_all(load: Load, tmp_path: Path) -> None:
    text = "seeds: a\nrun_dir: b\ntarget: 5\n"
    assert load(text, "target=6", "target=7").target == 7
    assert load(text, target=500).target == 500
    assert load(text, "target=6", target=500, run_dir=tmp_path).model_dump(include={"target", "run_dir"}) == {
        "target": 500,
        "run_dir": str(tmp_path),
    }


def test_overriding_leaves_the_given_values_alone() -> None:
    values = {"teacher": {"model": "a"}}
    assert overridden(values, ["teacher.model=b", "dataset.test_share=0.5"]) == {
        "teacher": {"model": "b"},
        "dataset": {"test_share": 0.5},
    }
    assert values == {"teacher": {"model": "a"}}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("target", "--set target: must be KEY=VALUE; write it like --set teacher.model=gpt-4o-mini"),
        ("=5", "--set: must be KEY=VALUE; write it like --set teacher.model=gpt-4o-mini"),
        ("target.x=5", "--set target.x: target is not a section; set the key itself, or check its name"),
        ("teacher.modell=a", "--set teacher.modell: unknown key; did you mean 'teacher.model'?"),
        ("foo.bar=x", "--set foo: unknown key"),
        ("teachers.a.model=1", "--set teachers: must be a list (it is a section)"),
        ("targt=5", "--set targt: unknown key; did you mean 'target'?"),
    ],
)
def test_a_wrong_override(load: Load, override: str, expected: str) -> None:
    assert refusal(load, "seeds: a\nrun_dir: b\ntarget: 5\n", override) == [expected]


# --- targets and the home folder -----------------------------------------------------------------------


@pytest.mark.parametrize("written", ["+500", "'+500'", '"+500"', " +500 # each night"])
def test_a_target_keeps_its_sign(load: Load, written: str) -> None:
    """Plain YAML reads +500 as 500."""
    config = load(f"seeds: a\nrun_dir: b\ntarget: {written}\n")
    assert (config.target, config.more) == ("+500", 500)
    assert RunConfig.parse(config.model_dump(mode="json", exclude_unset=True)) == config
    assert load(f"seeds: a\nrun_dir: b\ntarget: {written}\n", "target=7").more is None


def test_the_home_folder(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "s.jsonl").touch()
    config = load("seeds: ~/s.jsonl\nrun_dir: ~/run\n")
    assert (config.seeds, config.run_dir) == (str(tmp_path / "s.jsonl"), str(tmp_path / "run"))


# --- meaning -------------------------------------------------------------------------------------------

FREE: dict[str, Any] = {
    "run_dir": "other",
    "target": 7,
    "concurrency": 7,
    "max_cost_usd": 7.0,
    "max_requests": 7,
    "max_tokens": 7,
    "min_yield": 0.7,
    "min_yield_window": 7,
    "max_failures_in_a_row": 7,
    "neighbours": 7,
    "egress": "local-only",
    "seeds_license": "MIT",
    "documents_license": "MIT",
    "document_readers": {"pdf": "own.readers:read"},
    "passage_words": 200,
    "teacher.license": "MIT",
    "teacher.base_url": "http://other/v1",
    "teacher.api_key_env": "OTHER",
    "teacher.timeout_s": 7.0,
    "teacher.connect_timeout_s": 7.0,
    "teacher.max_retries": 7,
    "teacher.stream": True,
    "teacher.answer_within_s": 7.0,
    "teacher.input_usd_per_mtok": 7.0,
    "teacher.cached_usd_per_mtok": 7.0,
    "teacher.output_usd_per_mtok": 7.0,
    "teacher.max_rpm": 7.0,
    "teacher.max_tpm": 7.0,
    "teacher.max_input_tpm": 7.0,
    "teacher.max_output_tpm": 7.0,
    "teacher.patience_s": 7.0,
    "teacher.mode": "batch",
    "teacher.batch_poll_s": 7.0,
    "teacher.batch_quiet_s": 7.0,
    "teacher.batch_questions": 7,
    "teacher.batch_price_factor": 0.7,
    "teacher.tokenizer": "tokenizer.json",
    "teacher.extra_headers": {"X-Title": "tasks"},
    "dataset.formats": ["alpaca"],
    "dataset.test_share": 0.7,
    "dataset.select": {"count": 7, "by": "spread"},
    "dataset.instances": "all",
    "dataset.license": "MIT",
    "dataset.title": "Other",
    "dataset.shard_rows": 7,
    "dataset.system_prompt": "Be brief.",
    "teacher.name": "Other",
}
MEANT: dict[str, Any] = {
    "strategy.kind": "self_instruct",
    "strategy.seed_demos": 7,
    "strategy.machine_demos": 7,
    "strategy.tasks_per_question": 7,
    "language": "zh",
    "answer_languages": ["de", "en"],
    "task": "Questions of students before a law exam.",
    "random_seed": 7,
    "facets": {"topic": ["rivers"]},
    "lookahead": 7,
    "max_similarity": 0.77,
    "refuse_equal": True,
    "teacher.kind": "fake",
    "teacher.model": "other",
    "teacher.endpoint": "completions",
    "teacher.reasoning_tokens": 7,
    "teacher.structured": "text",
    "teacher.max_tokens_param": "max_completion_tokens",
    "teacher.extra_body": {"thinking": {"type": "disabled"}},
    "teacher.reasoning_effort": "low",
    "teacher.chat_template_kwargs": {"enable_thinking": False},
    "teacher.purposes": {"judge": {"reasoning_effort": "high"}},
    "teacher.weight": 7.0,
    "teacher.roles": ["propose"],
    "teachers": [{"model": "other"}],
    "judge": {"min_score": 3.0},
    "answers": {"samples": 7},
    "source": "a.b:C",
    "filters.min_words": 7,
    "filters.max_words": 77,
    "filters.keywords": ["other"],
    "filters.prefixes": False,
    "filters.punctuation_start": False,
    "filters.ascii_start": True,
    "filters.custom": ["a.b:C"],
    "filters.languages": ["zh"],
    "filters.answer_languages": ["zh"],
    "filters.personal_data": "redact",
    "filters.eval_similarity": 0.6,
    "filters.eval_template": 9,
    "filters.answer_refusal": False,
    "filters.answer_keywords": ["in a nutshell"],
    "filters.scaffolding": False,
    "filters.echo": False,
    "filters.repetition": False,
    "filters.cut_off": False,
    "filters.bad_code": False,
    "filters.wrong_arithmetic": False,
    "filters.wrong_answer": False,
    "filters.unusable": True,
} | {
    f"strategy.propose.{name}": value
    for name, value in {
        "temperature": 0.7, "top_p": 0.7, "presence_penalty": 0.7, "frequency_penalty": 0.7, "max_tokens": 7,
        "stop": ["7"],
    }.items()
}  # fmt: skip

CONTENT: dict[str, Any] = {"filters": {"decontaminate": ["test.jsonl"], "eval_columns": ["text"]}}
"""Keys of filters whose content, not path, is part of the meaning."""


def changed(key: str, value: Any) -> RunConfig:
    for name in reversed(key.split(".")):
        value = {name: value}
    return parsed(**value)


def digest(config: RunConfig, seeds: str = "s", prompts: str = "p") -> str:
    return digest_of(config.meaning(seeds, prompts))


@pytest.mark.parametrize("key", FREE)
def test_a_free_key_may_change_at_any_start(key: str) -> None:
    assert changed(key, FREE[key]) != parsed()
    assert digest(changed(key, FREE[key])) == digest(parsed())


@pytest.mark.parametrize("key", MEANT)
def test_a_key_that_gives_the_answers_their_meaning_changes_the_digest(key: str) -> None:
    assert digest(changed(key, MEANT[key])) != digest(parsed())


REFILTER = {"max_similarity", "refuse_equal"}


@pytest.mark.parametrize(
    "key", [*FREE, *MEANT, "seeds", "strategy.prompts", "strategy.max_instances", "filters.decontaminate", "tokenizer"]
)
def test_every_key_declares_when_it_may_change(key: str) -> None:
    section = key.partition(".")[0]
    if key in FREE:
        expected = MayChange.AT_ANY_START
    elif section in ("seeds", "strategy", "source", "task", "facets", "teacher", "teachers"):
        expected = MayChange.WITH_A_GENERATION
    elif key in REFILTER or section == "filters":
        expected = MayChange.WITH_A_REFILTER
    else:
        expected = MayChange.WITH_A_NEW_RUN
    assert may_change(key) is expected


def test_a_section_decides_for_the_keys_that_declare_nothing() -> None:
    assert may_change("judge.min_score") is MayChange.WITH_A_REFILTER
    assert may_change("judge.temperature") is may_change("judge") is MayChange.WITH_A_NEW_RUN
    assert may_change("judge.compare") is may_change("answers.samples") is MayChange.WITH_A_NEW_RUN
    assert may_change("answers.keep") is MayChange.WITH_A_REFILTER
    assert may_change("teachers.gpt-4.1.weight") is MayChange.WITH_A_GENERATION
    assert may_change("teachers.gpt-4.1.max_rpm") is MayChange.AT_ANY_START


def test_content_counts_and_not_the_path_to_it() -> None:
    elsewhere = parsed(seeds="elsewhere.jsonl", strategy={"prompts": "mine.yaml"}, filters=CONTENT["filters"])
    assert digest(elsewhere) == digest(parsed())
    contents = [("s", "p", ""), ("t", "p", ""), ("s", "q", ""), ("s", "p", "questions")]
    assert len({digest_of(parsed().meaning(*content)) for content in contents}) == 4


def test_left_out_of_the_request_is_not_the_published_value() -> None:
    assert digest(changed("strategy.propose.temperature", None)) != digest(parsed())


def test_every_key_is_either_free_or_meant() -> None:
    keys = set()
    for name in RunConfig.model_fields:
        value = getattr(parsed(judge={}), name)
        if not isinstance(value, BaseModel) or name == "judge":
            keys.add(name)
            continue
        for inner in type(value).model_fields:
            below = getattr(value, inner)
            nested = isinstance(below, BaseModel)
            keys |= {f"{name}.{inner}.{key}" for key in type(below).model_fields} if nested else {f"{name}.{inner}"}
    content = {f"filters.{name}" for name in CONTENT["filters"]}
    assert keys == FREE.keys() | MEANT.keys() | {"seeds", "documents", "strategy.prompts"} | content


def test_a_stored_configuration_reads_as_the_same() -> None:
    """The journal of a run stores the keys that were set, as JSON."""
    config = parsed(
        strategy={"kind": "self_instruct", "propose": {"temperature": None, "stop": ["\n"]}},
        teacher={"kind": "fake", "timeout_s": 5.0},
        filters={"keywords": ["a"]},
        dataset={"formats": ["alpaca", {"kind": "text", "chat_template": "zephyr"}]},
        seeds=["a", "b"],
    )
    stored = json.loads(json.dumps(config.model_dump(mode="json", exclude_unset=True)))
    again = RunConfig.parse(stored)
    assert (again, digest(again)) == (config, digest(config))


def test_sampling_unset_is_published_and_null_is_left_out() -> None:
    published = Sampling(temperature=0.7, top_p=0.5, presence_penalty=2.0, max_tokens=1024, stop=("\n\n",))
    assert SamplingConfig().over(published) == published
    given = SamplingConfig.model_validate({"temperature": 0, "top_p": None, "stop": None, "max_tokens": 9})
    assert given.over(published) == Sampling(temperature=0.0, presence_penalty=2.0, max_tokens=9)


# --- what ships ----------------------------------------------------------------------------------------


def test_the_schema_is_valid_json_and_knows_every_key() -> None:
    schema = json.loads(json_schema())
    assert schema["properties"].keys() == RunConfig.model_fields.keys()
    assert schema["$defs"]["DatasetConfig"]["properties"].keys() == DatasetConfig.model_fields.keys()
    assert schema["required"] == ["run_dir"]  # and seeds, unless there are documents
    closed = [part for name, part in schema["$defs"].items() if name != "FacetsConfig"]  # any name is a facet
    assert all(part["additionalProperties"] is False for part in (schema, *closed))
    assert all("description" in value or "$ref" in value for value in schema["properties"].values())


def test_the_schema_file_is_current() -> None:
    written = subprocess.run(
        [sys.executable, "-m", "selfinstruct.config.run_config"],
        capture_output=True,
        text=True,
        check=True,
        cwd=CONFIGS.parent,
    )
    assert (written.stdout, written.stderr) == (json_schema(), "")
    assert (CONFIGS / "schema.json").read_text(encoding="utf-8") == json_schema(), (
        "configs/schema.json is out of date: python -m selfinstruct.config.run_config > configs/schema.json"
    )


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_configuration(path: Path) -> None:
    """Each shipped file loads, its inputs exist, its filters build, and its first line names the schema."""
    config = RunConfig.load(path)
    assert all(Path(each).exists() for each in config.document_sources)
    made_from_nothing = config.strategy_kind == "verifiable"
    assert config.document_sources or made_from_nothing or load_seeds(config.seed_sources)
    assert instruction_filters(config)
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")
    assert config.run_dir == str(CONFIGS.parent / "data" / path.stem)
    own = {"zh": "zh", "demo": "demo", "local": "demo", "local_checked": "demo", "law": "law"}.get(path.stem, "en")
    assert (
        config.document_sources or made_from_nothing or config.seeds == str(CONFIGS.parent / "seeds" / f"{own}.jsonl")
    )


def test_the_recipes() -> None:
    alpaca, paper = RunConfig.load(CONFIGS / "openai.yaml"), RunConfig.load(CONFIGS / "self_instruct.yaml")
    assert (alpaca.strategy_kind, alpaca.target, alpaca.teacher.model) == ("alpaca", 52_000, "gpt-4o-mini")
    assert (alpaca.concurrency, alpaca.lookahead) == (64, 256)
    assert OpenAIOptions.of(alpaca.teacher).api_key_env == "OPENAI_API_KEY"
    assert alpaca.max_cost_usd
    assert (paper.strategy_kind, paper.target) == ("self_instruct", 52_000)
    options = SelfInstructOptions.of(paper.strategy)
    assert options.propose == options.classify == options.instances == SamplingConfig()
    for name in ("vllm", "ollama"):
        local = OpenAIOptions.of(RunConfig.load(CONFIGS / f"{name}.yaml").teacher)
        assert (local.base_url or "").startswith("http://127.0.0.1:")
        assert local.api_key_env is None
    assert RunConfig.load(CONFIGS / "zh.yaml").language == "zh"


# --- hostile files ------------------------------------------------------------------------------

BASE = "run_dir: run\nteacher: {kind: fake}\n"
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))
LAUGHS = "a0: &a0 [x, x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
HOSTILE_YAML = {
    "a number of 5,000 digits": (f"target: {'9' * 5000}", ":3: a number beyond 64 bits; write a smaller one"),
    "a number of 4,000 digits": (f"target: {'9' * 4000}", ":3: a number beyond 64 bits; write a smaller one"),
    "a number of 25 digits": (f"random_seed: {'9' * 25}", ":3: a number beyond 64 bits; write a smaller one"),
    "a negative number": (f"random_seed: -{'9' * 20}", ":3: a number beyond 64 bits; write a smaller one"),
    "a hexadecimal number": (f"target: 0x{'f' * 100_000}", ":3: a number beyond 64 bits; write a smaller one"),
    "a number to the base of 60": (f"target: 1{':1' * 5000}", ":3: a number beyond 64 bits; write a smaller one"),
    "merged mappings": (MERGES, "more than 20,000 values, with its aliases; write fewer"),
    "nested aliases": (LAUGHS, "more than 20,000 values, with its aliases; write fewer"),
    "an alias in itself": ("a: &a [*a]", ":3: an alias that contains itself; remove it"),
    "a mapping in itself": ("a: &a {b: *a}", ":3: an alias that contains itself; remove it"),
    "nested lists": (f"title: {'[' * 100_000}", "nested more than 100 levels deep; write it flatter"),
    "nested mappings": (f"title: {'{a: ' * 300}1{'}' * 300}", "nested more than 100 levels deep; write it flatter"),
    "many values": (f"title: [{'[],' * 200_000}]", "more than 20,000 values, with its aliases; write fewer"),
    "a long text": (f"title: [{'[],' * 3_000_000}]", ": longer than 1,000,000 characters; check the file's name"),
}  # fmt: skip


# Both kinds of files have the same reader.
@pytest.mark.parametrize(
    ("file", "what"),
    [
        *(("config", what) for what in HOSTILE_YAML),
        ("prompts", "nested aliases"),
        *(pytest.param("prompts", what, marks=IN_FULL) for what in HOSTILE_YAML if what != "nested aliases"),
    ],
)
def test_yaml_out_of_bounds_is_one_line(tmp_path: Path, seed_file: Path, what: str, file: str) -> None:
    text, problem = HOSTILE_YAML[what]
    path, config = tmp_path / "hostile.yaml", tmp_path / "config.yaml"
    path.write_text(f"{BASE}{text}\n")
    config.write_text(f"seeds: {seed_file}\n{BASE}strategy: {{kind: alpaca, prompts: {path}}}\n")
    began = time.monotonic()
    done = cli("check", path if file == "config" else config)
    assert time.monotonic() - began < 20
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert line.startswith(f"selfinstruct: error: {'' if file == 'config' else 'strategy.prompts: '}{path}:")
    assert problem in line
    assert len(line) < 300


def test_an_override_out_of_bounds_is_one_line(tmp_path: Path, seed_file: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"seeds: {seed_file}\n{BASE}")
    for value in ("9" * 5000, "9" * 25, f"0x{'f' * 99}"):
        done = cli("check", config, "--set", f"target={value}")
        assert done.returncode == 2
        assert done.stderr == "selfinstruct: error: --set target: a number beyond 64 bits; write a smaller one\n"
    assert cli("check", config, "--set", f"title={'[' * 5000}").returncode == 2


def test_anchors_and_merges_of_an_honest_size_work(tmp_path: Path, seed_file: Path) -> None:
    config = tmp_path / "config.yaml"
    shared = "teachers: [&a {name: one, kind: fake}, {<<: *a, name: two}]\nrandom_seed: 9_223_372_036_854_775_807\n"
    config.write_text(f"seeds: {seed_file}\nrun_dir: run\n{shared}")
    loaded = RunConfig.load(config)
    assert [each.label for each in loaded.all_teachers] == ["one", "two"]
    assert loaded.random_seed == 2**63 - 1
