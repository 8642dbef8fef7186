"""Near-duplicates out of a dataset: what stays and why, every form in and out, every mistake, nothing half-written."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
import itertools
import json
import os
import pty
import random
import re
import resource
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from rouge_score.rouge_scorer import RougeScorer
from typer.testing import CliRunner

from conftest import ROOT, cli, cli_process
from selfinstruct import deduplicate, tokenize
from selfinstruct.cli.app import app
from selfinstruct.core.errors import StorageError, UsageError

EXAMPLES = 2000 if os.environ.get("SELFINSTRUCT_PROOF") == "full" else 60
CHINESE = ["把下面的句子翻译成英文。", "把下面的句子翻译成法文。", "写一首关于春天的诗。", "写一首关于春天的短诗。"]


class Tokens:
    """Our tokens for `rouge_score`, which has none outside ASCII."""

    def tokenize(self, text: str) -> list[str]:
        return tokenize(text)


SCORER = RougeScorer(["rougeL"], tokenizer=Tokens())


@functools.lru_cache(maxsize=100_000)
def score(first: str, second: str) -> float:
    return float(SCORER.score(first, second)["rougeL"].fmeasure)


def brute_force(
    texts: Sequence[str], references: Sequence[str] = (), threshold: float = 0.7, equal: bool = False
) -> tuple[list[int], dict[int, tuple[int, float]]]:
    """Positions that stay; the nearest and its score of each that doesn't. References have numbers below 0."""
    pool = {number - len(references): text for number, text in enumerate(references)}
    stay: list[int] = []
    refused = {}
    for position, text in enumerate(texts):
        scores = {n: score(other, text) for n, other in pool.items()}
        nearest = max(scores, key=lambda n: scores[n], default=None)  # the first of equals
        if nearest is not None and (scores[nearest] > threshold or (equal and scores[nearest] >= threshold)):
            refused[position] = (nearest, scores[nearest])
        else:
            stay.append(position)
            pool[position] = text
    return stay, refused


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences of few words, so that many are like others, some of them Chinese or without a token."""
    draw = random.Random(seed)
    words = "name list three rivers hills of in the north south and why".split()
    made = [" ".join(draw.choices(words, k=draw.randint(3, 9))) for _ in range(count)]
    return [draw.choice([*CHINESE, "!?", ""]) if draw.random() < 0.15 else text for text in made]


def rows_of(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "instruction": text, "n": n} for n, text in enumerate(texts)]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Rows in the form that the name asks for."""
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif path.name == "saved":
        datasets.Dataset.from_list(list(rows)).save_to_disk(path)
    else:
        path.mkdir()
        datasets.Dataset.from_list(list(rows)).to_parquet(path / "train.parquet")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """Rows, read by a library that isn't ours."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    if path.suffix in (".csv", ".tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
    return list(datasets.load_dataset(str(path), split="train").to_list())


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def dedup(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return cli("dedup", *arguments, cwd=cwd)


# --- what stays ----------------------------------------------------------------------------------


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.lists(st.sampled_from(["a", "b", "c", "d", "诗", "歌", "!"]), max_size=9).map(" ".join),
        min_size=1,
        max_size=30,
    ),
    references=st.lists(st.lists(st.sampled_from("a b c d 诗".split()), max_size=9).map(" ".join), max_size=5),
    threshold=st.sampled_from([0.3, 0.5, 0.7, 0.7, 0.9, 1.0]),
    equal=st.booleans(),
)
def test_rows_nearest_and_scores_are_those_of_brute_force(
    tmp_path: Path, texts: list[str], references: list[str], threshold: float, equal: bool
) -> None:
    write(tmp_path / "in.jsonl", rows_of(texts))
    write(tmp_path / "ref.jsonl", rows_of(references))
    done = deduplicate(
        tmp_path / "in.jsonl",
        tmp_path / "out.jsonl",
        against=[tmp_path / "ref.jsonl"] if references else [],
        threshold=threshold,
        refuse_equal=equal,
        explain=tmp_path / "why.jsonl",
        overwrite=True,
    )
    stay, refused = brute_force(texts, references, threshold, equal)
    assert [row["n"] for row in read(tmp_path / "out.jsonl")] == stay
    assert (done.rows, done.admitted, done.refused) == (len(texts), len(stay), len(refused))
    explained = read(tmp_path / "why.jsonl")
    assert [row["row"] - 1 for row in explained] == list(refused)
    for row in explained:
        nearest, score = refused[row["row"] - 1]
        assert row["score"] == score
        other, first = (references, len(references)) if nearest < 0 else (texts, 0)
        assert (row["nearest_row"], row["nearest_text"]) == (nearest + first + 1, other[nearest])
        assert row["nearest_source"] == str(tmp_path / ("ref.jsonl" if nearest < 0 else "in.jsonl"))
        assert (row["source"], row["text"]) == (str(tmp_path / "in.jsonl"), texts[row["row"] - 1])


def test_texts_without_a_token_stay_also_when_they_are_equal(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(["?!", "a b c", "?!", "", "a b c", ""]))
    deduplicate(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert [row["n"] for row in read(tmp_path / "out.jsonl")] == [0, 1, 2, 3, 5]


def test_chinese(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(CHINESE))
    deduplicate(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert [row["instruction"] for row in read(tmp_path / "out.jsonl")] == [CHINESE[0], CHINESE[2]]


def test_the_digest_is_of_the_numbers_that_stay(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(["one two", "one two", "three"]))
    write(tmp_path / "more.jsonl", rows_of(["three", "four"]))
    done = deduplicate([tmp_path / "in.jsonl", tmp_path / "more.jsonl"], tmp_path / "out.jsonl")
    expected = b"".join(number.to_bytes(8, "little") for number in (0, 2, 4))
    assert done.digest == hashlib.sha256(expected).hexdigest()


# --- forms ---------------------------------------------------------------------------------------

INPUTS = ["in.jsonl", "in.json", "in.csv", "in.tsv", "in.parquet", "saved", "folder"]
OUTPUTS = ["out.jsonl", "out.parquet", "out.csv", "out.tsv", "out"]


@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("wanted", OUTPUTS)
def test_every_form_into_every_form_in_order(tmp_path: Path, given: str, wanted: str) -> None:
    rows = rows_of(sentences(300))
    stay, refused = brute_force([row["instruction"] for row in rows])
    assert refused
    done = deduplicate(write(tmp_path / given, rows), tmp_path / wanted)
    assert done.admitted == len(stay)
    text_only = any(name.endswith(("csv", "tsv")) for name in (given, wanted))
    expected = [rows[n] | ({"n": str(n)} if text_only else {}) for n in stay]
    assert [row | ({"n": str(row["n"])} if text_only else {}) for row in read(tmp_path / wanted)] == expected
    assert left_over(tmp_path) == []


def test_lines_of_json_keep_their_bytes(tmp_path: Path) -> None:
    given = [
        b'{"instruction":"one two three",   "x": 1.50}',
        b'{"instruction": "caf\\u00e9 au lait", "y": "\xc3\xa9"}\r',
        b'{"instruction": "one two three"}',
        b'  {"x": 1e3, "instruction": "half \\ud800", "instruction": "of a pair \\ud800"}',
    ]
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\n\n".join(given))
    deduplicate(tmp_path / "in.jsonl", tmp_path / "out.jsonl", explain=tmp_path / "why.parquet")
    assert (tmp_path / "out.jsonl").read_bytes() == b"\n".join([given[0], given[1], given[3]]) + b"\n"
    [why] = read(tmp_path / "why.parquet")
    assert (why["row"], why["nearest_row"], why["score"]) == (3, 1, 1.0)


def test_parquet_keeps_its_schema(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            pa.field("instruction", pa.large_string(), nullable=False),
            pa.field("day", pa.timestamp("us")),
            pa.field("more", pa.list_(pa.struct([("x", pa.int16())]))),
        ],
        metadata={"made": "by hand"},
    )
    table = pa.table([["a b", "a b", "c"], [0, 1, None], [[{"x": 1}], None, []]], schema=schema)
    pq.write_table(table, tmp_path / "in.parquet")
    deduplicate(tmp_path / "in.parquet", tmp_path / "out.parquet")
    given, found = pq.read_table(tmp_path / "in.parquet"), pq.read_table(tmp_path / "out.parquet")
    assert found.schema.equals(given.schema, check_metadata=True)
    assert found.schema.metadata == {b"made": b"by hand"}
    assert found.equals(given.take([0, 2]))
    deduplicate(tmp_path / "in.parquet", tmp_path / "out.jsonl")
    assert [row["day"] for row in read(tmp_path / "out.jsonl")] == ["1970-01-01T00:00:00", None]


def test_columns_that_only_later_rows_have_and_numbers_that_grow(tmp_path: Path) -> None:
    many = [{"instruction": f"text number {n} {n * n}", "n": 1} for n in range(6000)]
    write(tmp_path / "in.json", [*many, {"instruction": "the last", "n": 0.5, "extra": {"deep": ["x"]}}])
    deduplicate(tmp_path / "in.json", tmp_path / "out.parquet", threshold=1.0)
    found = read(tmp_path / "out.parquet")
    assert found[-1] == {"instruction": "the last", "n": 0.5, "extra": {"deep": ["x"]}}
    assert found[0] == {"instruction": "text number 0 0", "n": 1.0, "extra": None}


def test_inputs_of_several_forms_with_other_columns(tmp_path: Path) -> None:
    inputs = [
        write(tmp_path / "a.csv", [{"instruction": "one", "x": "1"}]),
        write(tmp_path / "b.parquet", [{"instruction": "one", "y": 1}, {"instruction": "two", "y": 2}]),
        write(tmp_path / "c.jsonl", [{"instruction": "three", "z": True}]),
    ]
    deduplicate(inputs, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "instruction,x,y,z\none,1,,\ntwo,,2,\nthree,,,true\n"
    deduplicate(inputs, tmp_path / "out.parquet", explain=tmp_path / "why.csv")
    assert read(tmp_path / "out.parquet")[1] == {"instruction": "two", "x": None, "y": 2, "z": None}
    [why] = read(tmp_path / "why.csv")
    assert (why["source"], why["row"]) == (str(inputs[1]), "1")
    assert (why["nearest_source"], why["nearest_row"]) == (str(inputs[0]), "1")


def test_messages_and_several_columns(tmp_path: Path) -> None:
    turns = [("be brief", "hello there"), ("be brief", "hello there"), ("be brief", "good bye"), ("be long", "no")]
    rows = [{"messages": [{"content": a}, {"content": b}], "n": n} for n, (a, b) in enumerate(turns)]
    given = write(tmp_path / "in.parquet", rows)

    def stays(*columns: str) -> list[int]:
        deduplicate(given, tmp_path / "out.jsonl", columns=columns, overwrite=True)
        return [row["n"] for row in read(tmp_path / "out.jsonl")]

    assert stays("messages[0].content") == [0, 3]
    assert stays("messages[-1].content") == [0, 2, 3]
    assert stays("messages[0].content", "messages[1].content") == [0, 2, 3]


def test_a_folder_of_which_datasets_makes_json(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"instruction": text, "x": x} for text, x in (("one", 1), ("two", "s"), ("one", {"k": [1]}), ("three", []))]
    write(tmp_path / "in" / "train.jsonl", rows)
    deduplicate(tmp_path / "in", tmp_path / "out.jsonl")
    assert read(tmp_path / "out.jsonl") == [rows[0], rows[1], rows[3]]
    deduplicate(tmp_path / "in", tmp_path / "out")
    assert read(tmp_path / "out") == [rows[0], rows[1], rows[3]]
    with pytest.raises(UsageError, match=r"column 'x' is of type .*json.*; a cell holds text or a number"):
        deduplicate(tmp_path / "in", tmp_path / "out.csv")


def test_the_folder_says_how_it_was_made(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(["a b", "a b", "c"]))
    write(tmp_path / "ref.jsonl", [{"q": "c"}])
    against = {"against": tmp_path / "ref.jsonl", "against_columns": ["q"]}
    done = deduplicate(tmp_path / "in.jsonl", f"{tmp_path}/clean.v2/", threshold=0.65, **against)  # type: ignore[arg-type]
    card = (done.out / "README.md").read_text()
    for part in ("clean.v2", "in.jsonl", "ref.jsonl", "`instruction`", "above 0.65", "| rows read | 3 |", "tokens of"):
        assert part in card
    assert [row["n"] for row in read(done.out)] == [0]
    again = deduplicate(tmp_path / "in.jsonl", f"{tmp_path}/clean.v2/", overwrite=True)
    assert [row["n"] for row in read(again.out)] == [0, 2]


def test_nothing_stays_when_all_is_known(tmp_path: Path) -> None:
    given = write(tmp_path / "in.jsonl", rows_of(["a b", "c d"]))
    for name in OUTPUTS:
        done = deduplicate(given, tmp_path / name, against=write(tmp_path / "ref.csv", rows_of(["c d", "a b"])))
        assert (done.admitted, done.refused, done.references) == (0, 2, 2)
        assert (tmp_path / name).exists()
    assert pq.read_table(tmp_path / "out.parquet").column_names == ["id", "instruction", "n"]


@pytest.mark.parametrize("given", INPUTS)
def test_chunks_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    rows = rows_of(sentences(150, seed=2))
    source = write(tmp_path / given, rows)
    deduplicate(source, tmp_path / "whole.parquet", explain=tmp_path / "whole.jsonl")
    for module in ("chunks", "text_files", "parquet", "hub"):
        for name, least in (("BLOCK_BYTES", 100), ("BATCH_ROWS", 3)):
            monkeypatch.setattr(f"selfinstruct.tables.{module}.{name}", least, raising=False)
    monkeypatch.setattr("selfinstruct.tables.heads.BLOCK_BYTES", 100)
    monkeypatch.setattr("selfinstruct.tables.writers._GROUP_BYTES", 200)
    deduplicate(source, tmp_path / "parts.parquet", explain=tmp_path / "parts.jsonl")
    assert read(tmp_path / "parts.parquet") == read(tmp_path / "whole.parquet")
    assert (tmp_path / "parts.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_folder_of_several_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfinstruct.tables.parquet.BATCH_ROWS", 100)
    monkeypatch.setattr("selfinstruct.tables.writers._GROUP_BYTES", 1000)
    monkeypatch.setattr("selfinstruct.tables.writers._SHARD_BYTES", 10_000)
    rows = rows_of([f"text {n} {n * n}" for n in range(2000)])
    deduplicate(write(tmp_path / "in.parquet", rows), tmp_path / "out", threshold=1)
    assert len(list((tmp_path / "out" / "data").iterdir())) > 3
    assert read(tmp_path / "out") == rows


# --- rows without a text -------------------------------------------------------------------------


def holed(folder: Path) -> Path:
    rows = [{"instruction": "a b"}, {"instuction": "a b"}, {"instruction": None}, {"instruction": "a b"}, {}]
    (folder / "in.jsonl").write_text("\n" + lines(*rows))
    return folder / "in.jsonl"


def test_rows_without_a_text_end_the_run_with_their_places(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        deduplicate(holed(tmp_path), tmp_path / "out.jsonl")
    assert str(caught.value).replace(f"{tmp_path}/", "").splitlines() == [
        "in.jsonl:3: no column 'instruction'; columns here: instuction (is it 'instuction'?)",
        "in.jsonl:4: column 'instruction' holds null, not text",
        "in.jsonl:6: no column 'instruction'; columns here: none",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_missing_column_is_reported_once_and_ten_problems_at_most(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [{"text": "a"}] * 100)
    with pytest.raises(UsageError) as caught:
        deduplicate(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    [line] = str(caught.value).splitlines()
    assert "in.jsonl:1: no column 'instruction'" in line
    assert line.endswith("; the same in 99 other rows")
    write(tmp_path / "in.jsonl", [{f"text{number}": "a"} for number in range(100)])
    with pytest.raises(UsageError) as caught:
        deduplicate(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert len(str(caught.value).splitlines()) == 11


def test_rows_without_a_text_can_be_kept_or_dropped(tmp_path: Path) -> None:
    given = holed(tmp_path)
    kept = deduplicate(given, tmp_path / "kept.jsonl", missing="keep")
    assert read(tmp_path / "kept.jsonl") == [{"instruction": "a b"}, {"instuction": "a b"}, {"instruction": None}, {}]
    assert (kept.rows, kept.admitted, kept.refused, kept.dropped) == (5, 4, 1, 0)
    left = deduplicate(given, tmp_path / "left.jsonl", missing="drop", explain=tmp_path / "why.jsonl")
    assert read(tmp_path / "left.jsonl") == [{"instruction": "a b"}]
    assert (left.rows, left.admitted, left.refused, left.dropped) == (5, 1, 1, 3)
    [why] = read(tmp_path / "why.jsonl")
    assert (why["row"], why["nearest_row"]) == (4, 1), "rows are counted without blank lines"


def test_a_row_that_can_not_be_read_ends_the_run_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(lines({"instruction": "a"}, 5) + '{"instruction": "b"\n')
    with pytest.raises(UsageError) as caught:
        deduplicate(tmp_path / "in.jsonl", tmp_path / "out.jsonl", missing="drop")
    first, second = str(caught.value).splitlines()
    assert first.endswith("in.jsonl:2: a JSON object is expected, not a number")
    assert "in.jsonl:3: not valid JSON: " in second


# --- mistakes ------------------------------------------------------------------------------------

MISTAKES: dict[str, tuple[list[str], str]] = {
    "no output": (["in.jsonl"], "in.jsonl: name the inputs first and the output last"),
    "no such input": (["nowhere.jsonl", "out.jsonl"], "nowhere.jsonl: no such file or folder"),
    "no such form": (
        ["in.jsonl", "out.txt"],
        "out.txt: the output's name must end in .jsonl, .ndjson, .json, .parquet, .csv or",
    ),
    "is there": (["in.jsonl", "there.jsonl"], "there.jsonl: already exists; --overwrite replaces it"),
    "is a folder": (["in.jsonl", "dir.jsonl"], "dir.jsonl: is a directory; give another name"),
    "is a file": (["in.jsonl", "plain"], "plain: is a file; give another name"),
    "not our folder": (["in.jsonl", "home", "--overwrite"], "home: is a folder that this command didn't write"),
    "is the input": (["in.jsonl", "./in.jsonl", "--overwrite"], "in.jsonl: is also an input; write elsewhere"),
    "is a link to it": (["in.jsonl", "link.jsonl", "--overwrite"], "link.jsonl: is also an input"),
    "is the reference": (["in.jsonl", "there.jsonl", "--against", "there.jsonl", "--overwrite"], "is also an input"),
    "explains into the input": (["in.jsonl", "o.jsonl", "--explain", "in.jsonl", "--overwrite"], "is also an input"),
    "in the input": (["home", "home/out.jsonl"], "home/out.jsonl: is inside the input home; write elsewhere"),
    "around the input": (["home/in.jsonl", "home", "--overwrite"], "home: contains the input home/in.jsonl"),
    "explained to standard output": (["in.jsonl", "o", "--explain", "-"], "-: the output's name must end in .jsonl"),
    "both into one": (["in.jsonl", "o.jsonl", "--explain", "o.jsonl"], "o.jsonl: is named for both the kept and"),
    "explained in the output": (
        ["in.jsonl", "o", "--explain", "o/why.csv"],
        "o/why.csv: is inside the output o; write",
    ),
    "explained in a folder": (["in.jsonl", "o.jsonl", "--explain", "why"], "why: the output's name must end in .jsonl"),
    "threshold 0": (
        ["in.jsonl", "o.jsonl", "--threshold", "0"],
        "threshold: 0 is out of range; use a number above 0 and at most 1",
    ),
    "threshold 70": (
        ["in.jsonl", "o.jsonl", "--threshold", "70"],
        "threshold: 70 is out of range; use a number above 0 and",
    ),
    "missing": (["in.jsonl", "o.jsonl", "--missing", "skip"], "missing: 'skip' is unknown; use fail, keep or drop"),
    "path": (["in.jsonl", "o.jsonl", "--column", "a..b"], "column 'a..b': can't be parsed from '..b' on"),
    "column": (["in.jsonl", "o.jsonl", "--column", "text"], "in.jsonl:1: no column 'text'; columns here: instruction"),
    "its column": (
        ["in.jsonl", "o.jsonl", "--against", "other.jsonl"],
        "other.jsonl:1: no column 'instruction'; columns here: question; name the right one with --against-column",
    ),
    "twice": (["-", "o.jsonl", "--against", "-"], "standard input is named twice; it can be read once"),
    "list in a cell": (["lists.jsonl", "o.csv"], "lists.jsonl:2: column 'x' holds a list; a cell holds text or a"),
    "two types": (["types.jsonl", "o.parquet"], "types.jsonl:1 or later: column 'x': "),
    "empty object": (["hollow.jsonl", "o.parquet"], "write .jsonl"),
    "half a pair": (["half.jsonl", "o.csv"], "half.jsonl:1: contains half a surrogate pair, which has no UTF-8"),
    "no row": (["empty.csv", "o.csv"], "empty.csv: no rows; check the file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_ends_in_one_line_and_code_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("in.jsonl"), [{"instruction": "a b"}])
    write(Path("there.jsonl"), [{"instruction": "c d"}])
    write(Path("other.jsonl"), [{"question": "e f"}])
    write(Path("lists.jsonl"), [{"instruction": "a", "x": 1}, {"instruction": "b", "x": [1]}])
    write(Path("types.jsonl"), [{"instruction": "a", "x": 1}, {"instruction": "b", "x": "one"}])
    write(Path("hollow.jsonl"), [{"instruction": "a", "x": {}}])
    Path("half.jsonl").write_text('{"instruction": "a", "x": "\\ud800"}\n')
    Path("empty.csv").write_text("instruction\n")
    Path("dir.jsonl").mkdir()
    Path("plain").touch()
    Path("home").mkdir()
    write(Path("home/in.jsonl"), [{"instruction": "a b"}])
    Path("link.jsonl").symlink_to("in.jsonl")
    before = sorted(map(str, Path().rglob("*")))
    arguments, expected = MISTAKES[mistake]
    done = CliRunner().invoke(app, ["dedup", *arguments])
    assert done.exit_code == 2, done.output
    [line] = done.stderr.splitlines()
    assert line.startswith("selfinstruct: error: ")
    assert expected in line
    assert done.stdout == ""
    assert sorted(map(str, Path().rglob("*"))) == before


def test_no_input_from_python(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no input is named"):
        deduplicate([], tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("column", "keys", "roles"),
    [
        ("messages", ("role", "content"), ("user", "assistant")),
        ("conversations", ("from", "value"), ("human", "gpt")),
        ("conversations", ("role", "content"), ("user", "assistant")),
        ("conversation", ("role", "content"), ("user", "assistant")),
        ("prompt", ("role", "content"), ("user", "assistant")),
        ("conversations", None, ("", "")),
    ],
)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_chat_of_any_layout_is_compared_by_its_first_user_message(
    tmp_path: Path, column: str, keys: tuple[str, str] | None, roles: tuple[str, str], form: str
) -> None:
    def talk(asked: str, answer: str) -> dict[str, Any]:
        pairs = list(zip(roles, (asked, answer), strict=True))
        return {column: [dict(zip(keys, pair, strict=True)) for pair in pairs] if keys else [asked, answer]}

    rows = [
        talk("Name three rivers in France.", "Hello! How can I help you today?"),
        talk("Bake a cake for ten people.", "Hello! How can I help you today?"),
        talk("Name three rivers in France!", "The Loire, the Seine and the Rhone."),
    ]
    source = tmp_path / f"in.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), source)
    else:
        source.write_text(lines(*rows))
    done = deduplicate(source, tmp_path / "out.jsonl")
    assert (done.admitted, done.refused) == (2, 1)


def test_the_first_users_message_is_looked_for_row_by_row(tmp_path: Path) -> None:
    """Some rows have a system message, some don't: the same place in the list is another role there."""
    system = {"role": "system", "content": "You are a helpful assistant for cooks."}

    def talk(asked: str, answer: str, *before: dict[str, str]) -> dict[str, Any]:
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        return {"messages": [*before, *turns]}

    rows = [
        talk("Name three rivers in France.", "Explain how a kettle works.", system),
        talk("Bake a cake for ten people.", "Name three rivers in France."),
        talk("Explain how a kettle works.", "It boils.", system),
        talk("Name three rivers in France!", "The Loire.", system),
    ]
    for order in (rows, rows[1:] + rows[:1]):
        source = tmp_path / "talks.jsonl"
        source.write_text(lines(*order))
        done = deduplicate(source, tmp_path / "out.jsonl", overwrite=True)
        assert (done.admitted, done.refused) == (3, 1)
    bare = tmp_path / "bare.jsonl"
    bare.write_text(lines({"messages": [system]}))
    with pytest.raises(UsageError, match="no message of messages has this role"):
        deduplicate(bare, tmp_path / "none.jsonl")
    kept = deduplicate(bare, tmp_path / "none.jsonl", missing="keep")
    assert (kept.admitted, kept.uncompared) == (1, 1)


def test_without_a_column_the_instruction_is_looked_for(tmp_path: Path) -> None:
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Name three rivers in France."}]
    other = [*talk[:1], {"role": "user", "content": "Explain how a kettle works."}]
    source = tmp_path / "talks.jsonl"
    source.write_text(lines(*({"messages": each} for each in (talk, other, talk))))
    held = tmp_path / "held-out.jsonl"
    held.write_text(lines({"id": 7, "instruction": "Explain how a kettle works!"}))
    done = deduplicate(source, tmp_path / "out.jsonl", against=held)
    assert (done.rows, done.admitted, done.refused) == (3, 1, 2)


# --- two passes ----------------------------------------------------------------------------------


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write(lines({"instruction": "one more"}))


def rewrite(path: Path) -> None:
    """Other rows of the same size, put in place as editors do."""
    stat = path.stat()
    fresh = path.with_name("fresh")
    fresh.write_text(path.read_text().replace("a b", "x y"))
    os.utime(fresh, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    fresh.replace(path)


@pytest.mark.parametrize("change", [append, rewrite, Path.unlink])
@pytest.mark.parametrize("step", ["reading", "comparing", "writing"])
def test_an_input_that_changes_meanwhile_is_noticed(tmp_path: Path, step: str, change: Callable[[Path], None]) -> None:
    path = write(tmp_path / "in.jsonl", rows_of(["a b", "a b", "c"]))
    (tmp_path / "out.jsonl").write_text("as before")
    steps = []

    def progress(now: str, done: int, total: int) -> None:
        if now == step and now not in steps:
            change(path)
        steps.append(now)

    with pytest.raises(
        StorageError, match=r"in\.jsonl: changed while it was read; nothing was written, run the command again"
    ):
        deduplicate(path, tmp_path / "out.jsonl", overwrite=True, progress=progress)
    assert step in steps
    assert (tmp_path / "out.jsonl").read_text() == "as before"
    assert left_over(tmp_path) == []


def test_progress_counts_up_to_the_total(tmp_path: Path) -> None:
    path = write(tmp_path / "in.parquet", rows_of(sentences(10_000)))
    seen: list[tuple[str, int, int]] = []
    deduplicate(path, tmp_path / "out.jsonl", progress=lambda *step: seen.append(step), threshold=0.3)
    assert [step for step, _, _ in dict.fromkeys((s, 0, 0) for s, _, _ in seen)] == ["reading", "comparing", "writing"]
    assert ("reading", 10_000, 0) in seen
    assert seen[-1] == ("writing", 10_000, 10_000)
    assert all(a[1] <= b[1] for a, b in itertools.pairwise(seen) if a[0] == b[0])


def test_standard_input_and_pipes_are_read_once(tmp_path: Path) -> None:
    rows = rows_of(sentences(50))
    expected = [rows[n] for n in brute_force([row["instruction"] for row in rows])[0]]
    done = cli_process("dedup", "-", "out.jsonl", "--explain", "why.csv", stdin=lines(*rows), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "out.jsonl") == expected
    assert {row["source"] for row in read(tmp_path / "why.csv")} == {"standard input"}
    write(tmp_path / "in.jsonl", rows)
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cp", tmp_path / "in.jsonl", tmp_path / "pipe"]):
        done = dedup("pipe", "piped.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "piped.jsonl") == expected
    assert left_over(tmp_path) == []
    bad = cli_process("dedup", "-", "bad.jsonl", stdin=lines(*rows, {"x": 1}), cwd=tmp_path)
    assert bad.returncode == 2
    said = "standard input:51: no column 'instruction'; columns here: x; name the right one with --column"
    assert bad.stderr == f"selfinstruct: error: {said}\n"


# --- the command ---------------------------------------------------------------------------------


def test_the_command_sums_up(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", [*rows_of(["a b", "a b", "c"]), {"x": 1}])
    write(tmp_path / "ref.jsonl", [{"q": "c"}])
    options = "--against ref.jsonl --against-column q --missing drop --workers 1 --explain why.jsonl".split()
    done = dedup("in.jsonl", "out.parquet", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    summary = {name: value.strip() for name, value in summary.items()}
    assert summary["rows read"] == "4, and 1 to compare with"
    assert (summary["admitted"], summary["refused"], summary["left out"]) == ("1", "2", "1 without a text")
    assert summary["admitted set"] == hashlib.sha256(bytes(8)).hexdigest()
    assert summary["written"] == "out.parquet, refused rows: why.jsonl"
    assert summary["peak memory"].endswith(" MB")
    assert done.stderr == ""


def test_a_bar_on_a_terminal(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(["a b", "a b", "c"]))
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 100))
    command = [sys.executable, "-m", "selfinstruct", "dedup", "in.jsonl", "out.jsonl"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, stderr=follower, stdout=subprocess.DEVNULL, cwd=tmp_path, env=env, timeout=100, check=True)
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError), open(leader, "rb", buffering=0) as terminal:
        while part := terminal.read(4096):
            shown += part
    assert all(step in shown for step in (b"reading", b"comparing", b"writing"))
    assert b"3/3" in shown


def test_a_line_now_and_then_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfinstruct.cli.dedup._LINE_EVERY_S", 0)
    given = write(tmp_path / "in.jsonl", rows_of(["a b", "a b", "c"]))
    done = CliRunner().invoke(app, ["dedup", str(given), str(tmp_path / "out.jsonl")])
    first, *_, last = done.stderr.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d reading: 3 rows", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d writing: 3 of 3 rows", last)


@pytest.mark.parametrize(
    ("kill", "code"),
    [
        (signal.SIGTERM, 3),
        pytest.param(signal.SIGINT, 3, marks=pytest.mark.slow),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.slow),
    ],
)
def test_killed_in_the_middle_nothing_is_left(tmp_path: Path, kill: signal.Signals, code: int) -> None:
    """While the rows are written, in the place of an output that is there already."""
    (tmp_path / "out.jsonl").write_text("as before")
    write(tmp_path / "big.jsonl", rows_of(sentences(40_000, seed=3)))
    program = (
        "import sys, selfinstruct.dedup.passes as passes\nfrom selfinstruct.cli.app import main\n"
        "write = passes.Passes._write\n"
        "def slow(self, chunk, stay):\n"
        "    write(self, chunk, stay)\n    print('writing', flush=True)\n    import time; time.sleep(60)\n"
        "passes.Passes._write = slow\nmain()"
    )
    command = [sys.executable, "-c", program, "dedup", "big.jsonl", "out.jsonl", "--overwrite", "--threshold", "0.3"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=env, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(kill)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert (tmp_path / "out.jsonl").read_text() == "as before"
    if kill != signal.SIGKILL:
        progress = re.compile(r"\d\d:\d\d:\d\d (reading|comparing|writing): ")  # on a machine that is slow to get there
        said = [line for line in stderr.splitlines() if not progress.match(line)]
        assert said == ["selfinstruct: interrupted; nothing was written"]
        assert left_over(tmp_path) == []


def test_a_folder_that_is_a_file_ends_with_code_2(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl", rows_of(["a b"]))
    (tmp_path / "file").touch()
    done = dedup("in.jsonl", "file/out.jsonl", cwd=tmp_path)
    assert done.returncode == 2
    assert "file: is a file, not a folder; choose another name" in done.stderr


@pytest.mark.slow
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    """As far as a limit on the size of files is one."""
    write(tmp_path / "in.jsonl", rows_of([f"text {n} {n * n}" for n in range(1000)]))
    for name in ("out.jsonl", "out.csv", "out.parquet", "out"):
        arguments = ["in.jsonl", name, "--threshold", "1"]
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))  # noqa: E731
        done = cli_process("dedup", *arguments, cwd=tmp_path, before=limit)
        assert done.returncode == 3, done.stderr
        assert "File too large; free some space" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


# --- its page ------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "guide" / "dedup.md").read_text(encoding="utf-8")


@pytest.fixture
def page_folder(tmp_path: Path) -> Path:
    """A folder with the files that the page's commands read."""
    write(tmp_path / "data.jsonl", rows_of(sentences(200)))
    write(tmp_path / "held-out.csv", rows_of(sentences(5, seed=1)))
    (tmp_path / "seeds").symlink_to(ROOT / "seeds")
    return tmp_path


def test_the_commands_of_the_page_run_as_printed(page_folder: Path) -> None:
    commands = re.findall(r"^    selfinstruct dedup (.+)$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        done = dedup(*shlex.split(command), cwd=page_folder)
        assert done.returncode == 0, done.stderr
        assert read(page_folder / shlex.split(command.split(" --")[0])[-1])
    assert read(page_folder / "refused.parquet")
    [shown] = re.findall(r"^    (verified .+)$", PAGE, re.MULTILINE)
    assert shown in done.stdout.splitlines(), "the last command checks decisions"


def test_the_summary_of_the_page_is_what_its_command_prints(tmp_path: Path) -> None:
    [command] = re.findall(r"`selfinstruct dedup (seeds/.+?)`", PAGE)
    os.symlink(ROOT / "seeds", tmp_path / "seeds")
    printed = dedup(*command.split(), cwd=tmp_path).stdout.splitlines()
    block = PAGE.split("work and memory:\n\n")[1].split("\n\n")[0]
    shown = [line.removeprefix("    ") for line in block.splitlines()]
    assert len(shown) == 5
    assert [line for line in printed if line in shown] == shown


def test_the_python_of_the_page_runs(page_folder: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=page_folder, capture_output=True, text=True, env=env, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("of 200 rows stay\n")


def test_the_page_names_every_option_and_column() -> None:
    help_text = dedup("--help").stdout
    options = set(re.findall(r"--[a-z][a-z-]+", help_text)) - {"--help", "--debug"}
    assert len(options) == 10
    table = PAGE.split("## Options")[1].split("**Inputs**")[0]
    assert set(re.findall(r"--[a-z][a-z-]+", table)) == options


def test_the_example_of_the_page_has_the_score_that_it_says() -> None:
    first, second = re.findall(r"^    (Name three .+?)  ", PAGE, re.MULTILINE)
    assert SCORER.score(first, second)["rougeL"].fmeasure == 0.75
    assert len(tokenize(first)) == len(tokenize(second)) == 8


def test_the_columns_of_an_explanation_are_those_of_the_page(page_folder: Path) -> None:
    deduplicate(page_folder / "data.jsonl", page_folder / "out.jsonl", explain=page_folder / "why.csv")
    table = PAGE.split("`--explain` writes")[1].split("\n\n")[1]
    named = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named == set(read(page_folder / "why.csv")[0])
