"""Datasets of many machines become one: order, origin, columns, tasks of several rows, and every mistake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import cli
from selfinstruct import Run, RunConfig, deduplicate, merge_datasets, run
from selfinstruct.core.errors import UsageError
from selfinstruct.dedup.merge_inputs import labels_of

ONE = ["Name three rivers in the north of France.", "Write a poem about the sea.", "把下面的句子翻译成英文。"]
OTHER = ["Name three hills in the south of France.", "Explain how a kettle works.", "把下面的句子翻译成法文。", "!"]


def write(path: Path, texts: Sequence[str], **more: Any) -> Path:
    rows = [{"instruction": text, "number": number, **more} for number, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load(folder: Path) -> list[dict[str, Any]]:
    return list(datasets.load_dataset(str(folder), split="train").to_list())


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / "one.jsonl", ONE), write(tmp_path / "two.jsonl", OTHER)]


def test_what_stays_is_what_one_file_of_all_would_keep(tmp_path: Path, two: list[Path]) -> None:
    together = write(tmp_path / "all.jsonl", [*ONE, *OTHER])
    merged = merge_datasets(two, tmp_path / "merged.jsonl", explain=tmp_path / "refused.jsonl")
    whole = deduplicate(together, tmp_path / "whole.jsonl", explain=tmp_path / "whole-refused.jsonl")
    assert merged.digest == whole.digest
    rows = read(tmp_path / "merged.jsonl")
    assert [row["instruction"] for row in rows] == [row["instruction"] for row in read(tmp_path / "whole.jsonl")]
    assert [row["source"] for row in rows] == ["one.jsonl"] * 3 + ["two.jsonl"] * 2
    assert [count.admitted for count in merged.sources] == [3, 2]
    assert [count.refused for count in merged.sources] == [0, 2]
    refused, expected = read(tmp_path / "refused.jsonl"), read(tmp_path / "whole-refused.jsonl")
    assert [(row["text"], row["nearest_text"], row["score"]) for row in refused] == [
        (row["text"], row["nearest_text"], row["score"]) for row in expected
    ]
    assert {Path(row["nearest_source"]).name for row in refused} == {"one.jsonl"}


def test_the_order_of_the_inputs_decides(tmp_path: Path, two: list[Path]) -> None:
    merge_datasets(two[::-1], tmp_path / "merged.jsonl")
    rows = read(tmp_path / "merged.jsonl")
    assert [row["instruction"] for row in rows] == [*OTHER, ONE[1]]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_folder_with_a_card_that_names_sources_and_counts(tmp_path: Path, suffix: str) -> None:
    two = [write(tmp_path / f"one{suffix}", ONE), write(tmp_path / f"two{suffix}", OTHER)]
    merge_datasets(two, tmp_path / "merged")
    rows = load(tmp_path / "merged")
    assert [row["number"] for row in rows] == [0, 1, 2, 1, 3]
    assert [row["source"] for row in rows] == [two[0].name] * 3 + [two[1].name] * 2
    card = (tmp_path / "merged" / "README.md").read_text()
    assert f"| `one{suffix}` | `instruction` | 3 | 3 | 0 | 0 |" in card
    assert f"| `two{suffix}` | `instruction` | 4 | 2 | 2 | 0 |" in card
    assert "ROUGE-L F above 0.7" in card
    merge_datasets(two, tmp_path / "merged", overwrite=True)


def test_lines_keep_their_bytes_before_the_new_column(tmp_path: Path) -> None:
    one = tmp_path / "one.jsonl"
    one.write_bytes(b'{"instruction":  "Sing \\u00e4 song.", "x": 1e2 }\r\n{ "instruction": "Dance a waltz." }\n')
    merge_datasets([one], tmp_path / "out.jsonl", fill=True)
    assert (tmp_path / "out.jsonl").read_bytes() == (
        b'{"instruction":  "Sing \\u00e4 song.", "x": 1e2 , "source": "one.jsonl"}\n'
        b'{ "instruction": "Dance a waltz." , "source": "one.jsonl"}\n'
    )


def test_other_columns_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    two = [write(tmp_path / "one.jsonl", ONE, input=""), write(tmp_path / "two.parquet", OTHER, answer="")]
    with pytest.raises(UsageError) as error:
        merge_datasets(two, tmp_path / "merged.jsonl")
    message = str(error.value)
    assert "lacks 'input' and also has 'answer'" in message
    assert "--fill" in message
    assert "\n" not in message
    assert not (tmp_path / "merged.jsonl").exists()
    merge_datasets(two, tmp_path / "merged.parquet", fill=True)
    rows = pq.read_table(tmp_path / "merged.parquet").to_pylist()
    assert [(row["input"], row["answer"]) for row in rows] == [("", None)] * 3 + [(None, "")] * 2


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_a_source_column_that_is_there_already(tmp_path: Path, suffix: str) -> None:
    one = tmp_path / f"one{suffix}"
    if suffix == ".csv":
        one.write_text("instruction,source\nSing a song.,x\n")
    else:
        write(one, ONE, source="x")
    with pytest.raises(UsageError, match=r"already has a column 'source'.*--source-column"):
        merge_datasets([one], tmp_path / "merged.jsonl")
    merge_datasets([one], tmp_path / "merged.jsonl", source_column="machine")
    assert {(row["source"], row["machine"]) for row in read(tmp_path / "merged.jsonl")} == {("x", one.name)}


def test_a_word_like_the_columns_name_in_a_text_is_none(tmp_path: Path) -> None:
    one = write(tmp_path / "one.jsonl", ['Explain "source" in JSON.'])
    merge_datasets([one], tmp_path / "merged.jsonl")
    assert len(read(tmp_path / "merged.jsonl")) == 1


def test_labels_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "out.jsonl", ONE)
    write(tmp_path / "c.jsonl", ONE)
    paths = [str(tmp_path / "a" / "out.jsonl"), str(tmp_path / "b" / "out.jsonl"), str(tmp_path / "c.jsonl")]
    assert labels_of([*paths, "owner/name", "-"]) == ["a/out.jsonl", "b/out.jsonl", "c.jsonl", "owner/name", "-"]
    with pytest.raises(UsageError, match="named twice"):
        labels_of([paths[0], paths[0]])


# --- runs ----------------------------------------------------------------------------------------


@pytest.fixture
def make_run(tmp_path: Path, make_config: Callable[..., RunConfig]) -> Callable[..., Path]:
    def make(name: str, **changes: Any) -> Path:
        config = make_config(run_dir=str(tmp_path / name), target=12, **changes)
        run(config)
        return tmp_path / name

    return make


def test_of_runs_the_instructions_are_compared_whatever_the_format(
    tmp_path: Path, make_run: Callable[..., Path]
) -> None:
    two = [make_run("one"), make_run("two", random_seed=5)]
    merged = merge_datasets(two, tmp_path / "merged", threshold=0.5, explain=tmp_path / "refused.jsonl")
    instructions = [record.instruction for path in two for record in Run(path).records()]
    whole = deduplicate(write(tmp_path / "all.jsonl", instructions), tmp_path / "whole.jsonl", threshold=0.5)
    assert merged.digest == whole.digest
    rows = load(tmp_path / "merged")
    assert {row["source"] for row in rows} <= {"one", "two"}
    assert "messages" in rows[0]
    assert {row["text"] for row in read(tmp_path / "refused.jsonl")} <= set(instructions)


def test_all_instances_of_a_task_stay_together(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    one = make_run("one", strategy="self_instruct", dataset={"instances": "all", "formats": ["alpaca"]})
    rows = load(one / "dataset")
    assert any("." in row["id"] for row in rows)
    merge_datasets([one], tmp_path / "merged")
    assert [row["id"] for row in load(tmp_path / "merged")] == [row["id"] for row in rows]
    (tmp_path / "copy").mkdir()
    pq.write_table(datasets.load_dataset(str(one / "dataset"), split="train").data.table, tmp_path / "copy/x.parquet")
    merged = merge_datasets([one, tmp_path / "copy"], tmp_path / "twice")
    assert [(count.admitted, count.refused) for count in merged.sources] == [(len(rows), 0), (0, len(rows))]


def test_rows_of_a_task_may_be_apart(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """The format kto has a row for each answer, and neighbors answer different prompts."""
    answers = {"samples": 4, "until": "all", "keep": "all"}
    one = make_run("one", answers=answers, judge={}, dataset={"formats": ["kto"]})
    rows = load(one / "dataset")
    assert rows[1]["prompt"] != rows[0]["prompt"]
    shutil.copytree(one, tmp_path / "two")
    merged = merge_datasets([one, tmp_path / "two"], tmp_path / "merged")
    assert [row["id"] for row in load(tmp_path / "merged")] == [row["id"] for row in rows]
    assert [(count.admitted, count.refused) for count in merged.sources] == [(len(rows), 0), (0, len(rows))]


def test_rows_of_a_task_are_no_duplicates_of_each_other(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """As in a merge, the first row of a task decides about all of them, unless you name the columns."""
    answers = {"samples": 4, "until": "all", "keep": "all"}
    made = make_run("one", answers=answers, judge={}, dataset={"formats": ["kto"]})
    rows = load(made / "dataset")
    tasks = len({str(row["prompt"]) for row in rows})
    assert tasks < len(rows)
    done = deduplicate(made / "dataset", tmp_path / "out")
    assert [row["id"] for row in load(tmp_path / "out")] == [row["id"] for row in rows]
    assert (done.rows, done.refused) == (len(rows), 0)
    again = deduplicate(
        made / "dataset", tmp_path / "none.jsonl", against=made / "dataset", explain=tmp_path / "why.jsonl"
    )
    assert (again.admitted, again.refused, len(read(tmp_path / "why.jsonl"))) == (0, len(rows), len(rows))
    named = deduplicate(made / "dataset", tmp_path / "named.jsonl", columns=["prompt[user].content"])
    assert named.admitted == tasks


def test_so_many_tasks_and_no_more(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    """The first ones that stay, each with all its instances; the counts of every input add up."""
    shape = {"strategy": "self_instruct", "dataset": {"instances": "all", "formats": ["alpaca"]}}
    runs = [make_run(f"run-{seed}", random_seed=seed, **shape) for seed in (7, 0)]
    whole = merge_datasets(runs, tmp_path / "whole")
    ids = [row["id"] for row in load(tmp_path / "whole")]
    tasks = list(dict.fromkeys(id.partition(".")[0] for id in ids))
    assert whole.records == len(tasks) < whole.admitted
    for most in (1, 12, 15, 1000):
        cut = merge_datasets(runs, tmp_path / f"cut-{most}", max_records=most)
        kept = tasks[:most]
        assert [row["id"] for row in load(cut.out)] == [id for id in ids if id.partition(".")[0] in kept]
        assert cut.records == len(kept)
        for count in cut.sources:
            assert count.rows == count.admitted + count.refused + count.dropped + count.beyond
            assert (
                f"| {count.refused:,} | {count.dropped:,} | {count.beyond:,} |" in (cut.out / "README.md").read_text()
            )
        assert sum(count.beyond for count in cut.sources) == whole.admitted - cut.admitted


def test_a_run_without_a_dataset(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    one = make_run("one")
    (one / "dataset").rename(tmp_path / "moved")
    with pytest.raises(UsageError, match=r"no dataset yet; `selfinstruct generate"):
        merge_datasets([one], tmp_path / "merged")


# --- the command ---------------------------------------------------------------------------------


def test_the_command_prints_what_it_did(tmp_path: Path, two: list[Path]) -> None:
    done = cli("merge", *two, tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    assert "two.jsonl" in done.stdout
    assert "2 of 4" in done.stdout
    assert len(load(tmp_path / "merged")) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out.jsonl"], "name the inputs first"),
        (["one.jsonl", "out.jsonl", "--threshold", "0"], "threshold: 0 is out of range"),
        (["one.jsonl", "one.jsonl", "out.jsonl"], "named twice"),
        (["one.jsonl", "out.jsonl", "--column", "text"], "no column 'text'"),
        (["nowhere.jsonl", "out.jsonl"], "no such file or folder"),
        (["one.jsonl", "one.jsonl"], "is also an input"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, two: list[Path], arguments: list[str], message: str) -> None:
    done = cli("merge", *(tmp_path / each if each.endswith(".jsonl") else each for each in arguments))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.jsonl").exists()
