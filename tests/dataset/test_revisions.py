"""The dataset's folder has a revision that goes up when rows change, and nobody who reads an old one is disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from forked import start_python
from huggingface_hub import DatasetCard

from conftest import ROOT
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion, Prompt
from selfinstruct.dataset import write_dataset
from selfinstruct.dataset.revisions import RevisionSource, read_revisions
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]


def changed(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.parse(config.model_dump(exclude_unset=True) | changes)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def numbers(folder: Path) -> list[tuple[int, int, int, int]]:
    return [(r.number, r.records, r.added, r.removed) for r in read_revisions(folder)]


def test_the_first_revision_is_one_and_the_card_says_so(make_config: MakeConfig) -> None:
    made = run(make_config(target=10))
    assert numbers(made.dataset_path) == [(1, 10, 10, 0)]
    card = DatasetCard.load(made.dataset_path / "README.md")
    assert card.data.to_dict()["revision"] == 1
    assert "Revision 1." in card.text
    assert "| 1 | " in card.text.partition("## Changelog")[2].partition("## ")[0]


def test_written_again_without_a_change_nothing_is_touched(make_config: MakeConfig) -> None:
    config = make_config(target=10)
    made = run(config)
    before, place = bytes_of(made.dataset_path), (made.dataset_path / "README.md").stat()
    for _ in range(2):
        write_dataset(made)
        run(config)
    assert bytes_of(made.dataset_path) == before
    assert (made.dataset_path / "README.md").stat().st_mtime_ns == place.st_mtime_ns, "nor exchanged for a copy"


def test_each_change_of_rows_is_a_revision_that_says_what_and_by_whom(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(target="+10", teacher={"kind": "fake", "model": "one"})
    folder = run(config).dataset_path
    run(config)
    new = changed(config, teacher={"kind": "fake", "model": "two"})
    run(new, new_generation=True)
    assert numbers(folder) == [(1, 10, 10, 0), (2, 20, 10, 0), (3, 30, 10, 0)]
    generations = [{made.generation for made in revision.by} for revision in read_revisions(folder)]
    assert generations[0] == generations[1] == {1}
    assert 2 in generations[2]
    for revision in read_revisions(folder):
        assert sum(made.records for made in revision.by) == revision.added
        assert time.strptime(revision.at, "%Y-%m-%dT%H:%M:%SZ")
    run(changed(new, target=25), overwrite=True)
    assert numbers(folder)[-1] == (4, 25, 0, 5)
    write_dataset(
        Run(config.run_dir), settings=config.dataset.model_copy(update={"formats": ("alpaca",)}), overwrite=True
    )
    assert numbers(folder)[-1] == (5, 25, 0, 0)
    assert "same records, different rows" in (folder / "README.md").read_text()
    rows = datasets.load_dataset(str(folder), "alpaca", split="train")
    assert set(rows["generation"][:10]) == {1}
    elsewhere = write_dataset(Run(config.run_dir), tmp_path / "out")
    assert numbers(elsewhere) == [(1, 25, 25, 0)], "another folder has its own revisions"


def test_the_shape_of_files_is_no_revision(make_config: MakeConfig) -> None:
    made = run(make_config(target=10))
    write_dataset(made, settings=made.config.dataset.model_copy(update={"shard_rows": 3}))
    assert numbers(made.dataset_path) == [(1, 10, 10, 0)]
    assert len(list((made.dataset_path / "alpaca").iterdir())) == 4


@pytest.mark.parametrize(
    "card",
    ["", "no card", "---\nrevision: 7\n---\n", "---\nrevisions: [{number: x}]\n---\n", "---\nrevisions: 5\n---\n",
     "---\n[\n---\n", "---\nrevisions:\n- {number: 3}\n---\n"],
)  # fmt: skip
def test_a_card_that_tells_of_no_revision_begins_at_one(make_config: MakeConfig, card: str) -> None:
    made = run(make_config(target=10))
    (made.dataset_path / "README.md").write_text(card)
    write_dataset(made, overwrite=True)
    assert numbers(made.dataset_path) == [(1, 10, 10, 0)]


def test_a_damaged_file_of_the_revision_before_loses_nothing(make_config: MakeConfig) -> None:
    config = make_config(target="+10")
    made = run(config)
    for path in (made.dataset_path / "provenance").iterdir():
        path.write_bytes(b"PAR1 no more")
    run(config, overwrite=True)
    assert numbers(made.dataset_path)[-1] == (2, 20, 20, 0)


class Named(FakeTeacher):
    """A teacher whose answers call it something hostile."""

    async def complete(self, prompt: Prompt) -> Completion:
        from dataclasses import replace

        return replace(await super().complete(prompt), model="a|b`<img src=x>\n---\nrevision: 99\u202e")


def test_a_teachers_name_cannot_act_in_the_changelog(make_config: MakeConfig) -> None:
    made = run(make_config(target=10), teacher=Named())
    text = (made.dataset_path / "README.md").read_text()
    assert "<img" not in text.partition("\n---\n")[2]
    assert "\u202e" not in text
    assert yaml.safe_load(text.split("---\n", 2)[1])["revision"] == 1
    [revision] = read_revisions(made.dataset_path)
    assert revision.by == (RevisionSource(1, made.records()[0].origin.teacher, 10),)
    assert numbers(write_dataset(made)) == [(1, 10, 10, 0)]


READER = """
import hashlib, mmap, sys, datasets
from pathlib import Path
import pyarrow.parquet as pq
folder = Path(sys.argv[1])
paths = sorted(path for path in folder.rglob("*") if path.is_file())
handles = [path.open("rb") for path in paths]
tables = [pq.ParquetFile(path, memory_map=True) for path in paths if path.suffix == ".parquet"]
loaded = datasets.load_dataset(str(folder), "messages", split="train")
def seen():
    sha = hashlib.sha256()
    for handle in handles:
        handle.seek(0)
        sha.update(handle.read())
    for table in tables:
        sha.update(str(table.read().to_pylist()).encode())
    sha.update(str(loaded[:]).encode())
    return f"{sha.hexdigest()} {len(loaded)}"
for _ in sys.stdin:
    print(seen(), flush=True)
"""


@pytest.mark.slow
def test_who_reads_a_revision_keeps_it_while_others_are_written(make_config: MakeConfig, tmp_path: Path) -> None:
    """A process that has the files of one revision open, mapped and loaded, while two more take its place."""
    config = make_config(target="+10")
    folder = run(config).dataset_path
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    ) as reader:  # fmt: skip
        assert reader.stdin is not None
        assert reader.stdout is not None

        def seen() -> str:
            assert reader.stdin is not None
            assert reader.stdout is not None
            print("again", file=reader.stdin, flush=True)
            return reader.stdout.readline()

        first = seen()
        assert first.endswith(" 10\n")
        for records in (20, 30):
            assert len(run(config).records()) == records
            assert seen() == first
        reader.stdin.close()
    assert datasets.load_dataset(str(folder), "messages", split="train").num_rows == 30


WRITER = """
import sys
from selfinstruct import Run
from selfinstruct.dataset import write_dataset
made = Run(sys.argv[1])
print("ready", flush=True)
for number in range(1000):
    write_dataset(made, settings=made.config.dataset.model_copy(update={"system_prompt": f"Be brief. {number}"}))
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_one_whole_revision(make_config: MakeConfig) -> None:
    made = run(make_config(target=10))
    last = 1
    for wait_s in (0.11, 0.23, 0.31, 0.17):
        with start_python("-c", WRITER, made.path, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            deadline = time.monotonic() + 60
            while read_revisions(made.dataset_path)[-1].number == last and time.monotonic() < deadline:
                time.sleep(0.01)
            time.sleep(wait_s)
            writer.send_signal(signal.SIGKILL)
        revisions = read_revisions(made.dataset_path)
        assert [revision.number for revision in revisions] == list(range(1, len(revisions) + 1))
        assert revisions[-1].number > last
        last = revisions[-1].number
        rows = datasets.load_dataset(str(made.dataset_path), "messages", split="train")
        assert len(rows) == 10
        assert len({row[0]["content"] for row in rows["messages"]}) == 1, "all rows are of one revision"
    for name in (".dataset-mine", ".dataset-99999999"):
        (made.path / name).mkdir()
    for left in made.path.glob(".dataset-*"):
        os.utime(left, (0, 0))
    write_dataset(made)
    left_there = [path.name for path in made.path.glob(".dataset-*")]
    assert left_there == [".dataset-mine"], "what a killed writer left is swept a day later, and nothing else"
