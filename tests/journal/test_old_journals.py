"""A journal that an earlier version of the program wrote gives the same records and rows, and asks nothing again.

`data/` holds two such journals as SQL, each with its configuration, and the records and rows that were made of it then.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.dataset.write import export
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import JOURNAL

DATA = Path(__file__).parent / "data"


class Silent:
    """A teacher that no question may reach."""

    async def complete(self, prompt: Prompt) -> Completion:
        raise AssertionError(f"{prompt.purpose} was asked again")


@pytest.mark.parametrize("name", ["alpaca", "self_instruct"])
def test_an_old_journal_gives_the_same_rows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "seeds.jsonl", tmp_path)
    config = RunConfig.parse(yaml.safe_load((DATA / f"{name}.yaml").read_text()))
    folder = Path(config.run_dir)
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / JOURNAL)) as journal:
        journal.executescript((DATA / f"{name}.sql").read_text())
        answers = journal.execute("SELECT key, text FROM answers ORDER BY key").fetchall()

    replayed = run(config, teacher=Silent())

    made = json.loads((DATA / f"{name}.json").read_text())
    assert [[each.id, each.question, each.index, each.instruction] for each in replayed.records()] == made["records"]
    for format in config.dataset.format_options:
        rows = pq.read_table(folder / "dataset" / format).to_pylist()
        assert [{key: row.get(key) for key in was} for row, was in zip(rows, made[format], strict=True)] == made[format]
    with contextlib.closing(sqlite3.connect(folder / JOURNAL)) as journal:
        assert journal.execute("SELECT key, text FROM answers ORDER BY key").fetchall() == answers


def test_records_of_an_earlier_version_are_written_again_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(DATA / "seeds.jsonl", tmp_path)
    config = RunConfig.parse(yaml.safe_load((DATA / "alpaca.yaml").read_text()))
    folder = Path(config.run_dir)
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(folder / JOURNAL)) as journal:
        journal.executescript((DATA / "alpaca.sql").read_text())

    with pytest.raises(UsageError, match="another version wrote these records; run `selfinstruct generate` again"):
        export(folder, tmp_path / "out")
    run(config, teacher=Silent())
    assert export(folder, tmp_path / "out").is_dir()
