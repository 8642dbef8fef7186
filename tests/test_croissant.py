"""croissant.json is read by the format's own library, without a complaint, and gives the rows of the Parquet files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import datasets
import pytest

from selfinstruct.config import RunConfig
from selfinstruct.generate import run
from selfinstruct.runs import Run


@pytest.fixture
def made(make_config: Callable[..., RunConfig]) -> Run:
    """40 records in two splits and several shards, with their most similar texts."""
    settings = {"croissant": True, "shard_rows": 15, "test_share": 0.2, "license": "apache-2.0"}
    return run(make_config(strategy="self_instruct", dataset=settings, neighbours=3))


def plain(value: Any, name: str) -> Any:
    """A value as the library gives it: texts as bytes, keys of objects with the path of their column."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(item, name) for item in value]
    if isinstance(value, dict):
        return {key.removeprefix(f"{name}/"): plain(item, key) for key, item in value.items()}
    return value


def test_the_library_of_the_format_reads_the_same_rows(made: Run) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    found = mlcroissant.Dataset(str(made.dataset_path / "croissant.json"))
    issues = found.metadata.issues
    assert not issues.errors
    assert not issues.warnings
    names = {records.uuid for records in found.metadata.record_sets}
    assert names == {"messages", "prompt_completion", "alpaca", "provenance"}
    for name in names:
        loaded = datasets.load_dataset(str(made.dataset_path), name)
        rows = {row["id"]: row for split in loaded.values() for row in split}
        read = [plain(row, name) for row in found.records(name)]
        assert {row["id"]: row for row in read} == rows
        assert len(read) == 40


def test_every_file_stands_there_with_its_hash(made: Run) -> None:
    metadata = json.loads((made.dataset_path / "croissant.json").read_text())
    files = {entry["contentUrl"]: entry for entry in metadata["distribution"] if entry["@type"] == "cr:FileObject"}
    on_disk = {str(path.relative_to(made.dataset_path)): path for path in made.dataset_path.rglob("*.parquet")}
    assert files.keys() == on_disk.keys()
    for name, path in on_disk.items():
        assert files[name]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert metadata["license"] == "apache-2.0"


def test_it_is_written_only_when_it_is_asked_for_and_states_no_licence_of_its_own(
    make_config: Callable[..., RunConfig],
) -> None:
    assert not (run(make_config(target=5)).dataset_path / "croissant.json").exists()
    made = run(make_config(target=5, dataset={"croissant": True}))
    assert "license" not in json.loads((made.dataset_path / "croissant.json").read_text())
