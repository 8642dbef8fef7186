"""Seed files: the shapes and file types that are read, and every defect with its place and what to do."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from selfinstruct.core.errors import SeedError
from selfinstruct.core.tasks import Instance, SeedTask
from selfinstruct.seeds.load import load_seeds, seeds_digest

PUBLISHED: dict[str, Any] = {
    "id": "seed_task_0",
    "name": "breakfast",
    "instruction": "Suggest a breakfast.",
    "instances": [{"input": "no eggs", "output": "Porridge."}, {"input": "", "output": "Toast."}],
    "is_classification": False,
}
ALPACA = [{"instruction": f"Count to {n}.", "input": "", "output": "1 2 3"} for n in (3, 4)]
DEFECTS = "bad.jsonl"


def lines(*rows: object) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read(folder: Path, name: str, content: str | bytes) -> list[SeedTask]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_seeds(path)


def defects(folder: Path, content: str | bytes, name: str = DEFECTS) -> list[str]:
    """What is wrong with a file, its folder's name left out."""
    with pytest.raises(SeedError) as caught:
        read(folder, name, content)
    return [defect.replace(f"{folder}{os.sep}", "") for defect in caught.value.defects]


# --- what is read ------------------------------------------------------------------------------


def test_the_published_shape_and_what_it_holds_besides(tmp_path: Path) -> None:
    [task] = read(tmp_path, "s.jsonl", lines(PUBLISHED | {"source": "me", "rating": 5}))
    assert task == SeedTask(
        id="seed_task_0",
        instruction="Suggest a breakfast.",
        instances=(Instance("no eggs", "Porridge."), Instance("", "Toast.")),
        is_classification=False,
        name="breakfast",
        extra={"source": "me", "rating": 5},
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lines.jsonl", lines(*ALPACA)),
        ("lines of no known type", lines(*ALPACA)),
        ("list.json", json.dumps(ALPACA, indent=2)),
        ("list in one line.json", json.dumps(ALPACA)),
        ("windows.jsonl", lines(*ALPACA).replace("\n", "\r\n")),
        ("marked.jsonl", "\ufeff" + lines(*ALPACA)),
        ("marked.json", "\ufeff" + json.dumps(ALPACA)),
        ("blank lines.jsonl", "\n" + lines(*ALPACA).replace("\n", "\n\n")),
        ("no last newline.jsonl", lines(*ALPACA).rstrip()),
        ("table.csv", 'instruction,input,output\nCount to 3.,,"1 2 3"\n\nCount to 4.,,1 2 3\n'),
        ("marked.csv", "\ufeffinstruction,input,output\r\nCount to 3.,,1 2 3\r\nCount to 4.,,1 2 3\r\n"),
        ("table.tsv", "output\tinstruction\n1 2 3\tCount to 3.\n1 2 3\tCount to 4.\n"),
        ("null.jsonl", lines(*({**row, "input": None, "id": None, "instances": None} for row in ALPACA))),
    ],
)
def test_alpaca_rows_in_any_file(tmp_path: Path, name: str, content: str) -> None:
    tasks = read(tmp_path, name, content)
    assert [(task.id, task.instruction) for task in tasks] == [("seed_0", "Count to 3."), ("seed_1", "Count to 4.")]
    assert all(task.instances == (Instance("", "1 2 3"),) and not task.extra for task in tasks)


def test_messages(tmp_path: Path) -> None:
    turns = [("system", "Be brief."), ("user", "Name a colour."), ("assistant", "Red."), ("user", "Another.")]
    row = {"messages": [{"role": role, "content": content} for role, content in turns], "lang": "en"}
    [task] = read(tmp_path, "s.jsonl", lines(row))
    assert (task.instruction, task.instances) == ("Be brief.\n\nName a colour.", (Instance("", "Red."),))
    assert task.extra == {"lang": "en"}


def test_an_instruction_of_its_own_goes_before_messages(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Add.\n\n1, 2"}, {"role": "assistant", "content": "3"}]
    row = {"instruction": "Add.", "input": "1, 2", "output": "3", "messages": messages}
    [task] = read(tmp_path, "s.jsonl", lines(row))
    assert (task.instruction, task.instances) == ("Add.", (Instance("1, 2", "3"),))


@pytest.mark.parametrize(("cell", "value"), [("TRUE", True), ("no", False), ("1", True), ("", None)])
def test_truth_in_a_csv_cell(tmp_path: Path, cell: str, value: bool | None) -> None:
    [task] = read(tmp_path, "s.csv", f"instruction,output,is_classification\nGo.,Yes.,{cell}\n")
    assert task.is_classification is value


def test_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist([PUBLISHED]), tmp_path / "s.parquet")
    [task] = load_seeds(tmp_path / "s.parquet")
    assert task.instances == (Instance("no eggs", "Porridge."), Instance("", "Toast."))


@pytest.mark.parametrize("kind", ["saved dataset", "saved splits", "parquet files", "json lines"])
def test_a_dataset_folder(tmp_path: Path, kind: str) -> None:
    data = datasets.Dataset.from_list(ALPACA)
    folder = tmp_path / "data"
    if kind == "saved dataset":
        data.save_to_disk(folder)
    elif kind == "saved splits":
        datasets.DatasetDict(test=data.select([0]), train=data).save_to_disk(folder)
    else:
        folder.mkdir()
        write = data.to_parquet if kind == "parquet files" else data.to_json
        write(folder / f"train.{'parquet' if kind == 'parquet files' else 'jsonl'}")
    assert [task.instruction for task in load_seeds(folder)] == ["Count to 3.", "Count to 4."]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(*ALPACA, 7).encode())))
    with pytest.raises(SeedError, match="standard input:3: a JSON object is expected, not a number"):
        load_seeds("-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(*ALPACA).encode())))
    assert len(load_seeds("-")) == 2


def test_several_files_are_one_list_in_order(tmp_path: Path) -> None:
    for number, row in enumerate(ALPACA):
        (tmp_path / f"{number}.jsonl").write_text(lines(row))
    tasks = load_seeds([tmp_path / "1.jsonl", str(tmp_path / "0.jsonl")])
    assert [(task.id, task.instruction) for task in tasks] == [("seed_0", "Count to 4."), ("seed_1", "Count to 3.")]


def test_the_digest_is_of_the_content_and_not_of_the_place(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    here = read(tmp_path, "a.jsonl", lines(PUBLISHED))
    there = read(tmp_path / "elsewhere", "b.json", json.dumps([PUBLISHED | {"source": "moved"}], indent=1))
    assert seeds_digest(here) == seeds_digest(there)
    for change in ({"id": "x"}, {"instruction": "Else."}, {"instances": PUBLISHED["instances"][:1]}):
        assert seeds_digest(read(tmp_path, "c.jsonl", lines(PUBLISHED | change))) != seeds_digest(here)
    more = read(tmp_path, "d.jsonl", lines(PUBLISHED, *ALPACA))
    assert seeds_digest(more) != seeds_digest(more[::-1])


# --- what is wrong with a row -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ('{"instruction": "a", }', "not valid JSON: "),
        ('{"instruction": "a" "output": "b"}', "at column 21; write one JSON object per line"),
        ('{"instruction": ' + "9" * 5000 + "}", "not readable JSON: "),
        ("[" * 100_000, "not readable JSON: "),
        ('"text"', "a JSON object is expected, not a string"),
        ("null", "a JSON object is expected, not null"),
        ('{"output": "b"}', "'instruction' is missing; describe the task in it"),
        ('{"instrction": "a", "output": "b"}', "'instruction' is missing; did you mean 'instrction'? rename that key"),
        ('{"instruction": " ", "output": "b"}', "'instruction' is empty; describe the task in it"),
        ('{"instruction": 5, "output": "b"}', "'instruction' must be a string"),
        ('{"instruction": "a"}', "no instance; add 'instances', a list of objects with 'input' and 'output'"),
        ('{"instruction": "a", "instances": []}', "'instances' is empty; add at least one instance with its output"),
        ('{"instruction": "a", "instances": "b"}', "'instances' must be a list of objects with 'input' and 'output'"),
        ('{"instruction": "a", "instances": ["b"]}', "instance 1 must be an object with 'input' and 'output'"),
        ('{"instruction": "a", "instances": [{"input": "b"}]}', "instance 1: 'input' and 'output' must be strings"),
        ('{"instruction": "a", "input": 0, "output": "b"}', "instance 1: 'input' and 'output' must be strings"),
        ('{"instruction": "a", "output": "\\n"}', "instance 1: 'output' is empty; write the answer, or remove"),
        ('{"instruction": "a", "output": "b", "id": []}', "'id' must be a string"),
        ('{"instruction": "a", "output": "b", "name": 1}', "'name' must be a string"),
        ('{"instruction": "a", "output": "b", "is_classification": "perhaps"}', "must be true or false"),
        ('{"instruction": "a\\ud800", "output": "b"}', "'instruction' contains half a surrogate pair; save"),
        ('{"instruction": "a", "output": "b", "id": "\\udfff"}', "'id' contains half a surrogate pair; save"),
        ('{"instruction": "a", "output": "b\\ud800"}', "instance 1 contains half a surrogate pair; save"),
        ('{"instruction": "a\\u0000", "output": "b"}', "'instruction' contains a NUL character; remove it"),
        ('{"instruction": "a", "output": "\\u0000b"}', "instance 1 contains a NUL character; remove it"),
        ('{"instruction": "a\0", "output": "b"}', "not valid JSON: Invalid control character"),
        ('{"messages": "hello"}', "'messages' must be a list of objects with 'role' and 'content'"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "needs a user turn followed by a turn of the assistant"),
        ('{"messages": [{"role": "user"}, {"role": "assistant"}]}', "the 'content' of a turn must be a string"),
    ],
)
def test_a_defect_in_a_row(tmp_path: Path, row: str, expected: str) -> None:
    [defect] = defects(tmp_path, lines(*ALPACA) + row + "\n")
    assert defect.startswith(f"{DEFECTS}:3: ")
    assert expected in defect


def test_ids_and_instructions_that_are_there_twice(tmp_path: Path) -> None:
    other = PUBLISHED | {"id": "x"}
    respaced = ALPACA[0] | {"instruction": "  Count to\n3."}
    assert defects(tmp_path, lines(PUBLISHED, PUBLISHED | {"instruction": "New."}, other, ALPACA[0], respaced)) == [
        f"{DEFECTS}:2: {DEFECTS}:1 already has the id 'seed_task_0'; choose another",
        f"{DEFECTS}:3: the instruction is the same as in {DEFECTS}:1; remove one",
        f"{DEFECTS}:5: the instruction is the same as in {DEFECTS}:4; remove one",
    ]


def test_a_file_full_of_defects_is_not_reported_whole(tmp_path: Path) -> None:
    found = defects(tmp_path, "1\n" * 100_000)
    assert len(found) == 52
    assert found[-1] == f"{DEFECTS}: stopped after 51 errors; the rest was not checked"


def test_the_same_file_named_twice(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_text(lines(PUBLISHED))
    with pytest.raises(SeedError) as caught:
        load_seeds([path, path])
    assert len(caught.value.defects) == 2


def test_all_defects_at_once_across_files(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(lines({"id": []}, ALPACA[0], 5))
    (tmp_path / "two.jsonl").write_text(lines(ALPACA[0]))
    with pytest.raises(SeedError) as caught:
        load_seeds([str(tmp_path / name) for name in ("one.jsonl", "missing.jsonl", "two.jsonl")])
    places = [defect.removeprefix(f"{tmp_path}{os.sep}").split(": ")[0] for defect in caught.value.defects]
    assert places == ["one.jsonl:1", "one.jsonl:1", "one.jsonl:1", "one.jsonl:3", "missing.jsonl", "two.jsonl:1"]
    assert str(caught.value).splitlines() == caught.value.defects


def test_a_list_is_reported_by_line(tmp_path: Path) -> None:
    text = '[\n  {"instruction": "a", "output": "b"},\n  {"instruction": "",\n   "output": "c"}, 5,\n\n  []]'
    assert defects(tmp_path, text) == [
        f"{DEFECTS}:3 (item 2): 'instruction' is empty; describe the task in it",
        f"{DEFECTS}:4 (item 3): a JSON object is expected, not a number",
        f"{DEFECTS}:6 (item 4): a JSON object is expected, not a list",
    ]


def test_a_table_is_reported_by_line(tmp_path: Path) -> None:
    text = 'instruction,output\nGo.,"Two\nlines."\n,x\nTell,me,more\nLonely\n'
    assert defects(tmp_path, text, "bad.csv") == [
        "bad.csv:4: 'instruction' is empty; describe the task in it",
        "bad.csv:5: 3 cells, but the header has 2; quote the cells that contain commas",
        "bad.csv:6: no instance; add 'instances', a list of objects with 'input' and 'output', or 'output'",
    ]


@pytest.mark.parametrize("rows", [2, 80, 200])
def test_a_column_that_no_row_has_is_reported_once(tmp_path: Path, rows: int) -> None:
    text = "task,notes\n" + "".join(f"Count to {n}.,{n}\n" for n in range(rows))
    assert defects(tmp_path, text, "bad.csv") == [
        "bad.csv: in all rows, 'instruction' is missing; describe the task in it (other columns: task, notes)",
        "bad.csv: in all rows, no instance; add 'instances', a list of objects with 'input' and 'output', or 'output'",
    ]
    misspelt = "instrction,output\n" + "".join(f"Count to {n}.,{n}\n" for n in range(rows))
    assert defects(tmp_path, misspelt, "bad.csv") == [
        "bad.csv: in all rows, 'instruction' is missing; did you mean 'instrction'? rename that key"
    ]


def test_a_column_that_some_rows_lack_is_reported_for_these(tmp_path: Path) -> None:
    found = defects(tmp_path, lines(*ALPACA, {"output": "b"}, {"id": 5.5, "instruction": "a"}, {"output": "c"}))
    assert [defect.partition(", ")[0].partition("; ")[0] for defect in found] == [
        f"{DEFECTS}:3: 'instruction' is missing",
        f"{DEFECTS}:4: no instance",
        f"{DEFECTS}:4: 'id' must be a string",
        f"{DEFECTS}:5: 'instruction' is missing",
    ]


# --- what is wrong with a file ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("s.jsonl", b"", "s.jsonl: is empty; write one task per line"),
        ("s.jsonl", b"\xef\xbb\xbf \r\n", "s.jsonl: is empty; write one task per line"),
        ("s.json", b"[]", "s.json: is an empty list; add at least one task"),
        ("s.csv", b"", "s.csv: is empty; write one task per line"),
        ("s.csv", b"instruction,output\n", "s.csv: contains no task; add at least one"),
        ("s.csv", b"instruction,output,output\n", "s.csv:1: the header names 'output' twice; rename one"),
        ("s.csv", b"instruction;output\nGo.;Yes.\n", "s.csv:1: the header seems to be separated by ';'"),
        ("s.csv", b'instruction,output\n"Go.,Yes.\n', "s.csv:2: not valid CSV: unexpected end of data; check"),
        ("s.csv", "instruction,output\nGo.,café\n".encode("latin-1"), "s.csv:2: not UTF-8; save the file as UTF-8"),
        ("s.json", b'[{"instruction": "a"},\n oops]', "s.json:2: not valid JSON: Expecting value at column 2"),
        ("s.json", '[\n\n"café"]'.encode("latin-1"), "s.json:3: not UTF-8; save the file as UTF-8"),
        ("s.json", b'{\n "instruction": "a"\n}\n', "s.json: is one JSON object over several lines; write one"),
        ("s.json", b'{"data":\n [1]}', "s.json: is one JSON object over several lines; write one"),
        ("s.jsonl", lines(*ALPACA).encode("utf-16"), "s.jsonl: is UTF-16; save it as UTF-8"),
        ("s.jsonl", lines(*ALPACA).encode("utf-16-le"), "s.jsonl: is UTF-16; save it as UTF-8"),
        ("s.csv", "instruction,output\n".encode("utf-16-be"), "s.csv: is UTF-16; save it as UTF-8"),
        ("s.jsonl.gz", b"\x1f\x8b\x08\x00\x00", "s.jsonl.gz: is compressed (gzip); unpack it first"),
        ("s.xlsx", b"PK\x03\x04\x14\x00", "s.xlsx: is a ZIP archive or a spreadsheet; unpack it, or save it as CSV"),
        ("model.gguf", b"GGUF\x03\x00\x00\x00\xff\x00\x80", "model.gguf: is a binary file; give JSON Lines, JSON,"),
        ("zeros.jsonl", b"\0" * 5000, "zeros.jsonl: is a binary file; give JSON Lines, JSON,"),
        ("s.parquet", b"instruction", "s.parquet: not a readable Parquet file: "),
        ("data", b"PAR1\x15\x04", "data: is Parquet; rename the file to end in .parquet"),
    ],
)
def test_a_defect_of_a_whole_file_is_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    [defect] = defects(tmp_path, content, name)
    assert defect.startswith(expected)
    assert "\n" not in defect


def test_latin_1_is_reported_for_each_line_that_shows_it(tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {word}.", "output": "a"} for word in ("café", "tea", "crème")]
    assert defects(tmp_path, lines(*rows).encode("latin-1")) == [
        f"{DEFECTS}:1: not UTF-8 at byte 25; save the file as UTF-8",
        f"{DEFECTS}:3: not UTF-8 at byte 24; save the file as UTF-8",
    ]


def test_a_huge_line(tmp_path: Path) -> None:
    row = '{"instruction": "' + "a" * 33 * 1024 * 1024 + '", "output": "b"}\n'
    assert defects(tmp_path, lines(ALPACA[0]) + row) == [
        f"{DEFECTS}:2: line of {len(row) - 1:,} bytes is too long; the limit is 33,554,432, so split the row"
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("missing.jsonl", "no such file or folder; check the path ('-' reads standard input)"),
        ("some folder/../missing", "no such file or folder"),
        ("/nowhere/at/all", "no such file or folder"),
        ("json", "no such file or folder"),
        ("x" * 300, "no such file or folder"),
        ("a\0b", "no such file or folder"),
        (".", "is a folder without data files; name the file that holds the tasks"),
    ],
)
def test_a_source_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, expected: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SeedError) as caught:
        load_seeds(source)
    [defect] = caught.value.defects
    assert defect.startswith(f"{source}: {expected}")


def test_no_source_at_all() -> None:
    with pytest.raises(SeedError, match="no seed file is given"):
        load_seeds([])


def test_a_folder_that_datasets_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"instruction": "a"\n')
    with pytest.raises(SeedError) as caught:
        load_seeds(tmp_path)
    [defect] = caught.value.defects
    assert defect.startswith(f"{tmp_path}: `datasets` can't read this folder: ")
    assert "\n" not in defect


# --- the hub -------------------------------------------------------------------------------------


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """A server that takes every connection and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def ask_hub(folder: Path, **variables: str) -> tuple[str, float]:
    """What loading 'nobody/nothing' ends in, in a process with `variables` in its environment, and its seconds."""
    code = (
        "import time, datasets\nfrom selfinstruct import SeedError, load_seeds\nstarted = time.perf_counter()\n"
        "try: load_seeds('nobody/nothing')\nexcept SeedError as error: print(error)\n"
        "print(time.perf_counter() - started)"
    )
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    environment = inherited | {"HF_HOME": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    message, seconds = done.stdout.strip().split("\n")  # one line each
    assert "Traceback" not in done.stderr
    return message, float(seconds)


@pytest.mark.slow
@pytest.mark.parametrize("network", ["offline mode", "nothing listens", "nobody answers"])
def test_a_hub_that_can_not_be_reached_ends_in_one_line_within_seconds(tmp_path: Path, network: str) -> None:
    with silent_server() as silent:
        variables = {
            "offline mode": {"HF_HUB_OFFLINE": "1"},
            "nothing listens": {"HF_ENDPOINT": "http://127.0.0.1:9"},
            "nobody answers": {"HF_ENDPOINT": silent},
        }
        message, seconds = ask_hub(tmp_path, **variables[network])
    assert message.startswith("nobody/nothing: neither a local file or folder nor a dataset that can be loaded")
    assert "the hub can't be reached" in message
    assert seconds < 20


def test_reading_a_folder_asks_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    (tmp_path / "train.jsonl").write_text(lines(*ALPACA))
    started = time.perf_counter()
    assert len(load_seeds(tmp_path)) == 2
    assert time.perf_counter() - started < 10


def test_a_defect_does_not_hide_that_an_id_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "twice.jsonl"
    good = {"id": "a", "instruction": "Name a river.", "output": "The Elbe."}
    path.write_text(json.dumps(good) + "\n" + json.dumps({"id": "a", "instruction": "Name a hill.", "instances": []}))
    with pytest.raises(SeedError) as caught:
        load_seeds(str(path))
    assert len(caught.value.defects) == 2
    assert any("already has the id 'a'" in defect for defect in caught.value.defects)
