"""A run is the same wherever the program is started, and stays the same where its project is moved."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from conftest import cli
from selfinstruct.core.shipped import shipped_text
from selfinstruct.journal.folder import Run

ROW = json.dumps({"question": "How many moons does Mars have?"})


@pytest.fixture
def project(tmp_path: Path, seed_file: Path) -> Path:
    """A project whose configuration names a file of each kind, all by relative paths."""
    project = tmp_path / "project"
    for folder in ("seeds", "configs/sets"):
        (project / folder).mkdir(parents=True)
    seed_file.rename(project / "seeds" / "mine.jsonl")
    (project / "configs" / "sets" / "moons.jsonl").write_text(ROW)
    (project / "configs" / "prompts.yaml").write_text(shipped_text("selfinstruct.strategies", "prompts", "en.yaml"))
    values = {
        "seeds": "../seeds/*.jsonl",
        "run_dir": "../data/mine",
        "target": 10,
        "strategy": {"kind": "alpaca", "prompts": "prompts.yaml"},
        "teacher": {"kind": "fake", "model": "fake"},
        "filters": {"decontaminate": ["sets/moons.jsonl"]},
        "dataset": {"formats": ["alpaca"]},
    }
    (project / "configs" / "run.yaml").write_text(yaml.safe_dump(values))
    return project


def generate(config: str | Path, *options: str, cwd: Path) -> int:
    done = cli("generate", config, "--skip-code", *options, cwd=cwd)
    assert done.returncode in (0, 99), done.stderr
    return done.returncode


def test_a_start_from_another_folder_finds_its_run(project: Path, tmp_path: Path) -> None:
    """The nightly start from cron, whose working directory is the home folder, has nothing to do."""
    assert generate("configs/run.yaml", cwd=project) == 0
    for config, cwd in (
        (project / "configs" / "run.yaml", Path("/")),
        ("../configs/run.yaml", project / "data"),
        ("project/configs/run.yaml", tmp_path),
    ):
        assert generate(config, cwd=cwd) == 99, cwd
    before = Run(project / "data" / "mine")
    card = (before.dataset_path / "README.md").read_text()
    assert str(tmp_path) not in card
    assert generate("run.yaml", "--set", "target=12", cwd=project / "configs") == 0
    after = Run(project / "data" / "mine")
    assert after.records()[:10] == before.records()[:10]
    assert list(tmp_path.rglob("journal.sqlite")) == [project / "data" / "mine" / "journal.sqlite"]


def test_a_moved_project_goes_on(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert generate(project / "configs" / "run.yaml", cwd=tmp_path) == 0
    # A second generation, so that the first one's prompt file is found by what the journal says.
    other = project / "configs" / "other.yaml"
    other.write_text((project / "configs" / "prompts.yaml").read_text().replace("task", "assignment", 1))
    (project / "configs" / "chat.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    config = project / "configs" / "run.yaml"
    values = yaml.safe_load(config.read_text()) | {
        "target": 20,
        "strategy": {"kind": "alpaca", "prompts": "other.yaml"},
    }
    values["dataset"] = {"formats": [{"kind": "text", "chat_template": "chat.jinja"}]}
    config.write_text(yaml.safe_dump(values))
    assert generate(config, "--new-generation", "--overwrite", cwd=tmp_path) == 0
    rows = [record.instruction for record in Run(project / "data" / "mine").records()]

    moved = project.rename(tmp_path / "archive")
    monkeypatch.chdir("/")
    assert generate(moved / "configs" / "run.yaml", cwd=tmp_path) == 99
    run = moved / "data" / "mine"
    assert cli("status", run, cwd=tmp_path).returncode == 0
    assert "wording" in cli("explain", run, "q0", cwd=tmp_path).stdout
    assert cli("export", run, "--output", tmp_path / "out", cwd=tmp_path).returncode == 0
    assert (
        generate(
            "archive/configs/run.yaml",
            "--overwrite",
            "--set",
            "target=24",
            "--set",
            "dataset.formats=[alpaca]",
            cwd=tmp_path,
        )
        == 0
    )
    assert [record.instruction for record in Run(run).records()][:20] == rows
    # The journal alone knows the files, also for a copy in another folder.
    strict = moved / "strict"
    refiltered = cli("refilter", run, strict, "--set", "max_similarity=0.6", cwd=tmp_path)
    assert refiltered.returncode in (0, 3), refiltered.stderr
    stated = yaml.safe_load((strict / "config.yaml").read_text())
    assert (stated["run_dir"], stated["seeds"]) == (".", "../seeds/*.jsonl")
    assert generate(strict / "config.yaml", cwd=tmp_path) in (0, 99)


def test_a_fork_finds_the_files_of_the_earlier_generations(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = project / "configs" / "run.yaml"
    assert generate(config, cwd=tmp_path) == 0
    assert generate(config, "--fork", "deep/er/fork", "--set", "strategy.prompts=null", cwd=tmp_path) == 0
    monkeypatch.chdir("/")
    fork = tmp_path / "deep" / "er" / "fork"
    assert generate(config, "--set", f"run_dir={fork}", "--set", "strategy.prompts=null", cwd=project) == 99
    first, second = Run(fork).generations
    assert first.config["strategy"]["prompts"] == "../../../project/configs/prompts.yaml"
    assert second.config["run_dir"] == "."
