"""The dataset's folder: what loads it, what its card says, and that nobody ever sees half of it."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
import yaml
from huggingface_hub import DatasetCard

from conftest import RECORD, cli, cli_process
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError, UsageError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling
from selfinstruct.core.records import Development, Example, Response
from selfinstruct.core.tasks import Candidate, Material
from selfinstruct.dataset import FORMATS, to_dataset, write_dataset
from selfinstruct.dataset.provenance_columns import ProvenanceColumns
from selfinstruct.dataset.rows import Wording, rows_of
from selfinstruct.dataset.write import split_of
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run


@pytest.fixture
def made(make_config: Callable[..., RunConfig]) -> Run:
    """A finished run of 40 records with a test split."""
    return run(make_config(dataset={"test_share": 0.25}))


@pytest.mark.parametrize("name", ["messages", "prompt_completion", "alpaca"])
def test_every_format_loads_with_its_own_features(made: Run, name: str) -> None:
    loaded = datasets.load_dataset(str(made.dataset_path), name)
    columns = set(loaded["train"].column_names)
    assert set(FORMATS[name].features) | {"id", "nearest_score", "demonstrations"} <= columns
    others = {column for other in FORMATS if other != name for column in FORMATS[other].features}
    assert not columns & (others - set(FORMATS[name].features)), "formats are never mixed in one schema"
    assert loaded["train"].num_rows + loaded["test"].num_rows == 40


def test_rows_of_another_revision_are_never_taken_from_the_librarys_cache(made: Run) -> None:
    """`datasets` caches a local folder by the text of its card: equal sizes and counts must not hide other rows."""
    for revision in range(2):
        answers = sqlite3.connect(made.path / "journal.sqlite")
        answers.execute("UPDATE answers SET asked_at = asked_at + 100")
        answers.commit()
        answers.close()
        write_dataset(made)
        loaded = datasets.load_dataset(str(made.dataset_path), "provenance")
        for split, rows in loaded.items():
            written = pd.concat(map(pd.read_parquet, sorted((made.dataset_path / "provenance").glob(f"{split}-*"))))
            assert rows["asked_at"][:] == written["asked_at"].tolist(), revision


def test_the_first_format_is_the_default(made: Run) -> None:
    assert "messages" in datasets.load_dataset(str(made.dataset_path), split="train").column_names


def test_rows_read_with_pandas_alone(made: Run) -> None:
    frame = pd.concat(pd.read_parquet(path) for path in (made.dataset_path / "alpaca").glob("*.parquet"))
    assert len(frame) == 40
    assert frame["id"].is_unique
    assert frame["output"].str.len().min() > 0


def test_rows_of_a_record() -> None:
    (row,) = rows_of([RECORD], FORMATS["messages"])
    assert row["messages"] == [
        {"role": "user", "content": "Name the capital.\n\nFrance"},
        {"role": "assistant", "content": "Paris"},
    ]
    assert (row["nearest_id"], row["nearest_score"], row["demonstrations"]) == ("seed_task_1", 0.25, ["seed_task_3"])
    every = rows_of([RECORD], FORMATS["alpaca"], wording=Wording(all_examples=True))
    assert [(r["id"], r["input"], r["output"]) for r in every] == [
        ("abc-0-1", "France", "Paris"),
        ("abc-0-1.1", "Peru", "Lima"),
    ]
    (row,) = rows_of([RECORD], FORMATS["alpaca"], ProvenanceColumns(neighbours=True))
    assert "most_similar" in row


def test_a_record_never_changes_sides_when_the_run_grows(make_config: Callable[..., RunConfig]) -> None:
    share = {"test_share": 0.3}

    def sides(target: int) -> dict[str, str]:
        made = run(make_config(target=target, dataset=share))
        loaded = datasets.load_dataset(str(made.dataset_path), "alpaca")
        return {row["id"]: split for split in loaded for row in loaded[split]}

    before, after = sides(30), sides(90)
    assert len(after) == 90
    assert before.items() <= after.items()
    assert 10 < sum(side == "test" for side in after.values()) < 45


def test_split_share() -> None:
    assert {split_of(f"r-{n}", 0.0, 0) for n in range(200)} == {"train"}
    assert {split_of(f"r-{n}", 1.0, 0) for n in range(200)} == {"test"}


def test_to_dataset_has_the_rows_of_the_folder(made: Run) -> None:
    loaded = datasets.concatenate_datasets(list(datasets.load_dataset(str(made.dataset_path), "alpaca").values()))
    rows = to_dataset(made, "alpaca")
    assert sorted(rows, key=lambda row: row["id"]) == sorted(loaded, key=lambda row: row["id"])
    assert rows.features == loaded.features
    with pytest.raises(ConfigError, match=r"alpca.*did you mean 'alpaca'"):
        to_dataset(made, "alpca")


def test_neighbours_are_kept_when_asked_for(make_config: Callable[..., RunConfig]) -> None:
    rows = to_dataset(run(make_config(neighbours=10)))
    assert all(len(row["most_similar"]) == min(10, 8 + place) for place, row in enumerate(rows))
    assert all(row["most_similar"][0]["score"] == row["nearest_score"] for row in rows)
    assert all(0 <= row["mean_similarity"] <= row["nearest_score"] + 1e-12 for row in rows)


def _metadata(made: Run) -> dict[str, Any]:
    text = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    head: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return head


def test_the_card_is_valid_and_says_only_what_is_known(made: Run) -> None:
    card = DatasetCard.load(made.dataset_path / "README.md")
    head = card.data.to_dict()
    assert "license" not in head
    assert head["annotations_creators"] == ["machine-generated"]
    assert "synthetic" in head["tags"]
    assert head["language"] == ["en"]
    names = [config["config_name"] for config in head["configs"]]
    assert names == ["messages", "prompt_completion", "alpaca", "provenance"]
    assert "The creator of this dataset states no license" in card.text
    assert "not checked" in card.text.lower()


def test_a_stated_license_stands_in_the_card(make_config: Callable[..., RunConfig]) -> None:
    made = run(make_config(dataset={"license": "cc-by-4.0"}))
    assert _metadata(made)["license"] == "cc-by-4.0"


def test_an_early_end_is_told_in_the_card(make_config: Callable[..., RunConfig]) -> None:
    made = run(make_config(target=500, max_requests=4))
    assert 0 < len(made.records()) < 500
    assert "ended early | budget" in (made.dataset_path / "README.md").read_text()


class _Hostile:
    """A strategy whose one task tries to break out of whatever it is put into."""

    name, digest, seed_demos, machine_demos, tasks_per_question = "hostile", "h1", 1, 0, 1

    def __init__(self, *_: object) -> None: ...

    def propose(self, material: Material) -> Prompt:
        return Prompt("propose", (Message("user", material.demos[0].instruction),), Sampling(), version="h1")

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        return [Candidate("Say ``` and --- and </script> and \u2028 # Heading {braces} %s now.")]

    async def develop(self, candidate: Candidate, ask: Any) -> Development:
        output = "---\nlicense: mit\n```\n\x1b[31m\u202e"
        return Development((Example.of(candidate.instruction, "```\n# in\n---", Response(output)),))


def test_what_a_model_wrote_cannot_act_in_the_card(make_config: Callable[..., RunConfig]) -> None:
    made = run(make_config(target=1, filters={"cut_off": False}), strategy=_Hostile)
    text = (made.dataset_path / "README.md").read_text(encoding="utf-8")
    assert "license" not in _metadata(made)
    assert "\x1b" not in text
    for line in text.splitlines():
        if "</script>" in line or "license: mit" in line:
            assert line.startswith("    "), "samples are indented code"
    (row,) = to_dataset(made)
    assert row["messages"][1]["content"].startswith("---\nlicense: mit")


@pytest.mark.slow
def test_readers_never_see_half_a_dataset(made: Run) -> None:
    """While one thread writes the folder again and again, another always finds it whole."""
    files = {path.relative_to(made.dataset_path) for path in made.dataset_path.rglob("*.*")}
    stop, misses, looks = threading.Event(), [], 0

    def read() -> None:
        nonlocal looks
        while not stop.is_set():
            missing = [file for file in files if not (made.dataset_path / file).exists()]
            looks += 1
            if missing:
                misses.append(missing)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):  # other rows each time: the same ones would be left as they lie
        settings = made.config.dataset.model_copy(update={"system_prompt": f"Be brief. {number}"})
        write_dataset(made, settings=settings)
    stop.set()
    reader.join()
    assert looks > 20
    assert not misses
    assert not list(made.path.glob(".dataset*")), "nothing temporary is left behind"


def test_shards(make_config: Callable[..., RunConfig]) -> None:
    made = run(make_config(dataset={"shard_rows": 15, "formats": ["alpaca"]}))
    names = sorted(path.name for path in (made.dataset_path / "alpaca").iterdir())
    assert names == [f"train-{n:05d}-of-00003.parquet" for n in range(3)]
    assert datasets.load_dataset(str(made.dataset_path), split="train").num_rows == 40


def test_an_export_takes_the_place_of_nothing_but_an_export(made: Run, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "README.md").write_text("# Mine\n")
    (project / "src" / "a.py").write_text("pass\n")
    with pytest.raises(UsageError, match=r"contains 'README.md', which no export wrote; name a new folder"):
        write_dataset(made, project)
    assert (project / "src" / "a.py").exists()
    out = write_dataset(made, tmp_path / "out")
    alpaca = made.config.dataset.model_copy(update={"formats": ("alpaca",)})
    assert write_dataset(made, out, alpaca, overwrite=True) == out
    assert sorted(path.name for path in out.iterdir()) == [".sha256sums", "README.md", "alpaca", "provenance"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"would lose notes.txt \(added\)"):
        write_dataset(made, out)
    with pytest.raises(UsageError, match="is a file; name a folder"):
        write_dataset(made, out / "notes.txt")
    assert (out / "notes.txt").read_text() == "mine"


def test_a_written_dataset_is_the_same_again(made: Run, tmp_path: Path) -> None:
    one, two = write_dataset(made, tmp_path / "one"), write_dataset(made, tmp_path / "two")
    for file in one.rglob("*.parquet"):
        assert file.read_bytes() == (two / file.relative_to(one)).read_bytes()


READERS: dict[str, Callable[[Path], list[dict[str, Any]]]] = {
    "jsonl": lambda path: [json.loads(line) for line in path.read_text().splitlines()],
    "json": lambda path: json.loads(path.read_text()),
    "csv": lambda path: pd.read_csv(path, keep_default_na=False).to_dict("records"),
    "parquet": lambda path: pd.read_parquet(path).to_dict("records"),
}


@pytest.mark.parametrize("suffix", READERS)
def test_a_name_with_a_suffix_is_a_file_of_all_rows_in_the_first_format(made: Run, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    done = cli("export", made.path, "--format", "alpaca", "--format", "messages", "--output", path)
    assert (done.returncode, done.stdout) == (0, f"{path}\n"), done.stderr
    expected = [
        {key: row[key] for key in ("id", "instruction", "input", "output")} for row in to_dataset(made, "alpaca")
    ]
    assert [{key: row[key] for key in expected[0]} for row in READERS[suffix](path)] == expected
    again = cli("export", made.path, "--output", path)
    assert (again.returncode, "already exists; --overwrite replaces it" in again.stderr) == (2, True)
    assert cli("export", made.path, "--output", path, "--overwrite").returncode == 0
    rows = READERS[suffix](path)
    assert "messages" in rows[0]
    if suffix == "csv":
        assert json.loads(rows[0]["messages"])[0]["role"] == "user", "a cell holds a list as JSON"
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith((".x", "x"))] == [path.name]


def test_a_dash_is_standard_output_with_data_only(made: Run, tmp_path: Path) -> None:
    done = cli_process("export", made.path, "--format", "alpaca", "--output", "-", cwd=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["id"] for row in rows] == to_dataset(made, "alpaca")["id"]
    twice = cli_process("dedup", "-", "-", cwd=tmp_path, stdin=done.stdout + done.stdout)
    assert [json.loads(line)["id"] for line in twice.stdout.splitlines()] == [row["id"] for row in rows]
    assert "rows read     80" in twice.stderr
    assert "standard output" in twice.stderr
    assert not [path for path in tmp_path.iterdir() if path.name not in ("run", "seeds.jsonl")]


@pytest.mark.parametrize("name", ["-", "out.jsonl", "out.PARQUET"])
def test_no_command_makes_a_folder_that_is_named_like_a_file(made: Run, tmp_path: Path, name: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(made.config.model_dump(mode="json", exclude_unset=True)))
    for command in (
        ("init", "--", name),
        ("generate", config, "--set", f"run_dir={name}"),
        ("generate", config, "--fork", name),
        ("refilter", made.path, "--set", "max_similarity=0.6", "--", name),
    ):
        done = cli(*command, cwd=tmp_path)
        assert done.returncode == 2, (command, done.stderr)
        assert f"{name}: the name of a folder is expected" in done.stderr, command
    assert not (tmp_path / name).exists()
