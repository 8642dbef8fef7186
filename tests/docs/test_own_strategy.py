"""The strategy of docs/guide/strategies.md, as a user's own file."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from conftest import ROOT, cli_process
from selfinstruct.journal.folder import Run

FILE = ROOT / "examples" / "critique.py"
PAGE = ROOT / "docs" / "guide" / "strategies.md"


def test_the_page_shows_the_file_and_counts_its_lines() -> None:
    text, page = FILE.read_text(), PAGE.read_text()
    [shown] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert shown in text
    lines = len(text.splitlines())
    assert lines <= 100
    assert f"has {lines} lines" in page


def test_it_runs_as_a_users_file(tmp_path: Path) -> None:
    (tmp_path / "critique.py").write_text(FILE.read_text())
    config = {
        "seeds": str(ROOT / "seeds" / "demo.jsonl"),
        "run_dir": "run",
        "target": 20,
        "strategy": {"kind": "critique:Critique", "rounds": 2},
        "teacher": {"kind": "fake"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert "for critique" in cli_process("check", "config.yaml", cwd=tmp_path).stdout
    done = cli_process("generate", "config.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = list(Run(tmp_path / "run").records())
    assert len(records) == 20
    assert {record.origin.strategy for record in records} == {"critique"}
    assert all(record.examples[0].responses[0].key for record in records)
