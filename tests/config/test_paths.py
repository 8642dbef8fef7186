"""Paths in a configuration file begin in the file's folder, wherever the program is started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from selfinstruct.config.options import TeacherOptions
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.paths import beside, seen_from
from selfinstruct.filters import rules_of

EVERY_PATH = """
seeds: [../seeds/*.jsonl, ~/mine.jsonl, /srv/all.csv, '-', owner/name, 'https://example.org/x.jsonl', here/there]
run_dir: data/mine
strategy: {kind: alpaca, prompts: prompts.yaml}
teachers:
  - {name: a, model: fake, kind: fake, tokenizer: tokenizers/a}
  - {name: b, kind: local, model: models/b.gguf}
  - {name: c, kind: local, model: 'hf://owner/repo/c.gguf'}
  - {name: d, kind: local, model: smollm2-135m}
  - {name: e, kind: openai, model: owner/model}
filters: {decontaminate: [gsm8k.jsonl, openai/gsm8k], custom: ['my_filters:Long']}
dataset: {formats: [messages, {kind: text, chat_template: zephyr}, {kind: 'mine:Format', file: x.txt}]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a configuration that names every kind of path, seen from a folder beside it."""
    project = tmp_path / "project"
    for folder in ("seeds", "configs/here/there", "configs/zephyr", "configs/smollm2-135m"):
        (project / folder).mkdir(parents=True)
    (project / "configs" / "run.yaml").write_text(EVERY_PATH)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", "/home/me")
    return project


def test_every_key_that_holds_a_path(project: Path) -> None:
    config = RunConfig.load("../project/configs/run.yaml")
    assert config.run_dir == "../project/configs/data/mine"
    assert config.seed_sources == (
        "../project/seeds/*.jsonl", "/home/me/mine.jsonl", "/srv/all.csv", "-", "owner/name",
        "https://example.org/x.jsonl", "../project/configs/here/there",
    )  # fmt: skip
    assert config.strategy.prompts == "../project/configs/prompts.yaml"  # type: ignore[union-attr]
    assert config.all_teachers[0].tokenizer == "../project/configs/tokenizers/a"
    assert [each.model for each in config.all_teachers[1:]] == [
        "../project/configs/models/b.gguf", "hf://owner/repo/c.gguf", "smollm2-135m", "owner/model",
    ]  # fmt: skip
    assert rules_of(config).decontaminate == ("../project/configs/gsm8k.jsonl", "openai/gsm8k")
    _, text, own = config.dataset.format_options.values()
    assert (text.model_dump()["chat_template"], own.model_dump()["file"]) == ("zephyr", "x.txt")


@pytest.mark.parametrize("name", ["/project/configs", "../project/configs", "link"])
def test_the_place_of_the_start_makes_no_difference(project: Path, name: str) -> None:
    """Neither does a link to the folder of the file: '..' is what the operating system makes of it."""
    (project.parent / "elsewhere" / "link").symlink_to("../project/configs")
    name = str(project / "configs") if name.startswith("/") else name
    config = RunConfig.load(f"{name}/run.yaml")
    assert os.path.realpath(config.run_dir) == str(project / "configs" / "data" / "mine")
    assert os.path.realpath(config.seed_sources[0]) == str(project / "seeds" / "*.jsonl")
    assert config.for_run() == RunConfig.load(project / "configs" / "run.yaml").for_run()


def test_overrides_and_arguments_begin_in_the_working_directory(project: Path) -> None:
    changed = RunConfig.load(
        project / "configs" / "run.yaml", ["strategy.prompts=p.yaml", "run_dir=~/r"], seeds=Path("s.jsonl")
    )
    assert (changed.seeds, changed.run_dir) == ("s.jsonl", "/home/me/r")
    assert changed.strategy.prompts == "p.yaml"  # type: ignore[union-attr]
    assert RunConfig.parse({"seeds": "s.jsonl", "run_dir": "r"}).seeds == "s.jsonl"


def test_a_path_that_begins_in_the_working_directory_is_an_error_that_says_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "seeds" / "night").mkdir(parents=True)
    (tmp_path / "t.json").touch()
    file = tmp_path / "configs" / "run.yaml"
    file.write_text("seeds: [seeds/night, owner/name]\nrun_dir: run\nteacher: {tokenizer: t.json}\n")
    with pytest.raises(ConfigError) as caught:
        RunConfig.load(file)
    assert str(caught.value).splitlines() == [
        f"{file}: seeds.0: paths begin in the folder of this file; write ../seeds/night",
        f"{file}: teacher.tokenizer: paths begin in the folder of this file; write ../t.json",
    ]
    assert RunConfig.load(file, ["teacher.tokenizer=t.json"], seeds="seeds/night").seeds == "seeds/night"


def test_a_stored_configuration_finds_its_files_after_a_move(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = RunConfig.load("../project/configs/run.yaml")
    stored = config.for_run()
    assert stored["run_dir"] == "."
    assert stored["seeds"][:3] == ["../../../seeds/*.jsonl", "/home/me/mine.jsonl", "/srv/all.csv"]
    moved = project.rename(project.parent / "moved")
    monkeypatch.chdir(moved)
    again = RunConfig.of_run(stored, Path("configs/data/mine"), "journal")
    assert (again.run_dir, again.seed_sources[0]) == ("configs/data/mine", "seeds/*.jsonl")
    assert again.all_teachers[1].model == "configs/models/b.gguf"
    assert again.for_run() == stored
    assert again.meaning("", "") == config.meaning("", ""), "the paths are no part of the digest"
    assert again.meaning("", "")["teachers.b.model"] == "b.gguf"


def test_a_model_in_a_file_is_called_like_the_file(project: Path) -> None:
    config = RunConfig.load(project / "configs" / "run.yaml")
    labels = [each.model_name for each in config.all_teachers]
    assert labels == ["fake", "b.gguf", "hf://owner/repo/c.gguf", "smollm2-135m", "owner/model"]
    local = RunConfig.parse({"seeds": "-", "run_dir": "r", "teacher": {"kind": "local", "model": "models/x.gguf"}})
    assert isinstance(local.teacher, TeacherOptions)
    assert local.teacher.label == "x.gguf"


@pytest.mark.parametrize("path", ["seeds.jsonl", "../s/x", "data/run/x", "name", ".hidden/x", "data/run"])
def test_seen_from_is_the_inverse_of_beside(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work" / "data").mkdir(parents=True)
    (tmp_path / "disk" / "deep" / "run").mkdir(parents=True)
    (tmp_path / "work" / "data" / "run").symlink_to(tmp_path / "disk" / "deep" / "run")
    monkeypatch.chdir(tmp_path / "work")
    for folder in ("data", "data/run", "."):
        stated = seen_from(folder, path)
        assert stated.startswith(".")
        assert os.path.realpath(beside(folder, stated)) == os.path.realpath(path)
    assert seen_from("data", "/srv/x") == "/srv/x"


def test_a_pattern_in_a_folder_whose_name_looks_like_one(tmp_path: Path) -> None:
    folder = tmp_path / "runs [1]"
    folder.mkdir()
    (folder / "s.jsonl").touch()
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump({"seeds": "*.jsonl", "run_dir": "run[2]"}))
    config = RunConfig.load(file)
    assert config.seeds == f"{tmp_path}/runs [[]1]/*.jsonl"
    assert config.run_dir == f"{folder}/run[2]"
