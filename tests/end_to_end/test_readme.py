"""What the README and the public names promise is there, and works as printed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet
import pytest
import yaml
from forked import start_python

import selfinstruct as si
from conftest import ROOT
from selfinstruct.cli.app import app

README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_public_names_are_complete_sorted_and_importable() -> None:
    assert list(si.__all__) == sorted(si.__all__)
    for name in si.__all__:
        assert getattr(si, name) is not None
    assert not hasattr(si, "nonesuch")


def test_every_path_that_the_readme_names_is_there() -> None:
    for path in re.findall(r"(?:configs|docs|seeds)/[\w./-]+\.\w+", README):
        if path != "configs/new.yaml":
            assert (ROOT / path).exists(), path


def test_every_command_of_the_readme_exists() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    used = set(re.findall(r"(?:^ *|`|/)selfinstruct ([a-z][a-z-]*)", README, re.MULTILINE))
    assert used
    assert used <= known


def test_the_map_has_every_entry_of_the_repository_once() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    rows = re.findall(r"^\| (`.+`) \| .+ \|$", README, re.MULTILINE)
    named = [entry.rstrip("/") for row in rows for entry in re.findall(r"`(.+?)`", row)]
    assert sorted([*named, "README.md"]) == sorted({path.split("/")[0] for path in tracked.stdout.splitlines()})


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_the_python_examples_run(number: int, tmp_path: Path, seed_file: Path) -> None:
    """As printed, but with the fake teacher behind the configuration's name."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "seeds").mkdir()
    shutil.copy(seed_file, tmp_path / "seeds" / "en.jsonl")
    values = {"seeds": "../seeds/en.jsonl", "run_dir": "../data/openai", "teacher": {"kind": "fake", "model": "fake"}}
    (tmp_path / "configs" / "openai.yaml").write_text(yaml.safe_dump(values))
    code = PYTHON[number].replace("target=500", "target=20")
    done = start_python("-c", code, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, stderr = done.communicate(timeout=100)
    assert done.returncode == 0, stderr


def test_the_seed_and_the_record_are_real_and_belong_together() -> None:
    blocks = "".join(re.findall(r"```json\n(.*?)```", README, re.DOTALL)).replace("\n ", " ")
    shown_seed, shown_record, drawn = map(json.loads, blocks.splitlines())
    seeds = map(json.loads, (ROOT / "seeds" / "demo.jsonl").read_text(encoding="utf-8").splitlines())
    [seed] = [seed for seed in seeds if seed["instruction"] == shown_seed["instruction"]]
    assert seed["instances"] == [{"input": "", "output": shown_seed["output"]}]
    rows = pyarrow.parquet.read_table(ROOT / "data" / "sample" / "alpaca").to_pylist()
    [row] = [row for row in rows if row["instruction"] == shown_record["instruction"]]
    assert {name: row[name] for name in shown_record} == shown_record
    assert seed["id"] in row["demonstrations"]
    assert drawn in [{name: row[name] for name in drawn} for row in rows if row["verifier"] == "maths"]
