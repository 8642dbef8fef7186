"""Tables stream: what holds for a file holds for one of many blocks, and memory doesn't grow with its size."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from conftest import ROOT
from selfinstruct.core.errors import UsageError
from selfinstruct.tables import (
    WRITERS,
    Row,
    chunks as chunks_module,
    find_source,
    parse_columns,
    read_chunks,
    read_rows,
    text_of,
    texts_of,
    why_no_text,
)
from selfinstruct.tables.chunks import LineChunk
from selfinstruct.tables.hub import hub_chunks
from selfinstruct.tables.text_files import csv_chunks, json_chunks


@pytest.fixture(params=[1, 7, 64])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of so few bytes that lines, line ends and characters are cut everywhere."""
    monkeypatch.setattr("selfinstruct.tables.heads.BLOCK_BYTES", 16)
    monkeypatch.setattr("selfinstruct.tables.text_files.BLOCK_BYTES", request.param)


def rows_of(form: str, data: bytes) -> list[Row]:
    file = io.BytesIO(data)
    found = json_chunks("f", file) if form == "json" else csv_chunks("f", file, ",")
    return [row for chunk in found for row in chunk.rows()]


@pytest.mark.usefixtures("small_blocks")
def test_lines_are_parted_wherever_the_blocks_end() -> None:
    texts = ["a", "日本語 と 中文", "x" * 100, "\u2028 \x85", ""]
    data = "\ufeff\n" + "\r\n\n".join(json.dumps({"t": text}, ensure_ascii=False) for text in texts)
    assert rows_of("json", data.encode()) == [
        Row(f"f:{line}", {"t": text}) for line, text in zip((2, 4, 6, 8, 10), texts, strict=True)
    ]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_cells_are_parted_wherever_the_blocks_end(end: str) -> None:
    data = end.join(["t,u", 'é,"two', 'lines"', "", "日,1", '"",'])
    rows = rows_of("csv", data.encode())
    assert [row.values for row in rows] == [
        {"t": "é", "u": f"two{end}lines"},
        {"t": "日", "u": "1"},
        {"t": "", "u": ""},
    ]
    assert [row.where for row in rows] == ["f:2", "f:5", "f:6"]


@pytest.mark.usefixtures("small_blocks")
def test_one_object_is_known_whatever_the_blocks_are() -> None:
    for data in (b'{\n "a": 1}', b'{"a":\n[1]}'):
        with pytest.raises(UsageError, match="is one JSON object over several lines"):
            rows_of("json", data + b" " * 200)
    assert len(rows_of("json", b'{"a": 1}\n' * 50)) == 50
    with pytest.raises(UsageError, match="f: is empty"):
        rows_of("json", b" \n" * 100)


@pytest.mark.usefixtures("small_blocks")
def test_a_line_that_is_too_long_is_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (chunks_module, sys.modules[json_chunks.__module__]):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 20)
    long = json.dumps({"t": "x" * 300})
    rows = rows_of("json", "\n".join(['{"t": "a"}', long, '{"t": "b"}', long]).encode())
    assert [row.values.get("t") for row in rows] == ["a", None, "b", None]
    assert (
        rows[1].problem
        == rows[3].problem
        == f"line of {len(long)} bytes is too long; the limit is 20, so split the row"
    )
    assert [row.where for row in rows] == ["f:1", "f:2", "f:3", "f:4"]


@pytest.mark.usefixtures("small_blocks")
def test_what_is_not_utf_8_is_told_by_its_line() -> None:
    with pytest.raises(UsageError, match=r"^f:3: not UTF-8"):
        rows_of("csv", "t\na\né\n".encode("latin-1"))
    [_, row] = rows_of("json", '{"t": "e"}\n{"t": "é"}\n'.encode("latin-1"))
    assert row.problem == "not UTF-8 at byte 8; save the file as UTF-8"


def test_a_chunk_in_all_its_forms(tmp_path: Path) -> None:
    values = [{"t": f"text {n}", "n": {"k": [n]}} for n in range(10_000)]
    lines = tmp_path / "a.jsonl"
    lines.write_text("".join(json.dumps(value) + "\n" for value in values))
    (tmp_path / "a.json").write_text(json.dumps(values))
    pq.write_table(pa.Table.from_pylist(values), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.json", "a.parquet"):
        source = find_source(str(tmp_path / name))
        chunks = list(read_chunks(source))
        assert [value for chunk in chunks for value in chunk.objects()] == values
        last = chunks[-1].take([0, len(chunks[-1]) - 1])
        rows = list(chunks[-1].rows())
        assert list(last.rows()) == [rows[0], rows[-1]]
        assert len(last) == 2
    some: list[Any] = [row for chunk in read_chunks(source, ["t"]) for row in chunk.objects()]
    assert some == [{"t": value["t"]} for value in values], "columns that nobody wants aren't read"
    assert list(read_rows(str(tmp_path / "a.parquet")))[-1].where == f"{tmp_path / 'a.parquet'}: row 10000"


def test_parquet_text_that_is_not_utf_8(tmp_path: Path) -> None:
    bad = pa.array([b"good", b"caf\xe9"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"t": bad}), tmp_path / "bad.parquet")
    with pytest.raises(UsageError, match=r"bad\.parquet: row 1 or later: text that isn't UTF-8"):
        list(read_rows(str(tmp_path / "bad.parquet")))


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, form: str) -> None:
    """64 MB of rows pass through with 40 MB more than the program takes by itself at most."""
    path = tmp_path / f"big.{form}"
    line = json.dumps({"t": "word " * 50}) if form == "jsonl" else "word " * 50
    with path.open("w") as file:
        file.write("" if form == "jsonl" else "t\n")
        for _ in range(64):
            file.write((line + "\n") * (1_000_000 // len(line)))
    code = (
        "import resource, sys\nfrom selfinstruct.tables import read_rows\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024\nbefore = peak()\n"
        "print(sum(1 for _ in read_rows(sys.argv[1])), peak() - before)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=100, check=True)
    count, megabytes = map(int, done.stdout.split())
    assert count == 64 * (1_000_000 // len(line))
    assert megabytes < 40


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text('a\u00e9\ud800"', max_size=3), st.lists)
LINES = st.binary(max_size=6) | st.one_of(JSON, st.dictionaries(st.text("ab", max_size=2), JSON)).map(
    lambda value: json.dumps(value).encode()
)


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.sampled_from([b"", b" ", b"\t", b"\xc2\xa0"]), LINES, st.sampled_from([b"", b"\r", b"}"])))
)
def test_the_fast_way_reads_the_rows_that_have_no_problem(parts: list[tuple[bytes, bytes, bytes]]) -> None:
    chunk = LineChunk("f", [b"".join(part) for part in parts], range(len(parts)))
    assert chunk.objects() == [None if row.problem else row.values for row in chunk.rows()]


# --- columns -------------------------------------------------------------------------------------

DEEP = {"a": {"b": [1, {"c": "deep"}, "last"]}, "t": "text", "n": 5, "x.y [z]": {"q": "quoted"}, "問": "答", "no": None}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("t", "text"),
        ("a.b[1].c", "deep"),
        ("a.b[-1]", "last"),
        ("a.b[-2].c", "deep"),
        ('["x.y [z]"].q', "quoted"),
        ("問", "答"),
    ],
)
def test_a_path_leads_to_its_text(path: str, text: str) -> None:
    columns = parse_columns([path])
    assert text_of(DEEP, columns) == text
    assert texts_of([DEEP, None, {}], columns) == [text, None, None]
    assert text_of(DEEP, parse_columns(["t", path])) == f"text\n{text}"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("zzz", "no column 'zzz'; columns here: a, t, n, x.y [z], 問, no; name the right one with --column"),
        ("T", "no column 'T'; columns here: a, t, n, x.y [z], 問, no (is it 't'?)"),
        ("a.c", "no column 'a.c'; in a: b"),
        ("a.b[3]", "no column 'a.b[3]': a.b has 3 items"),
        ("a.b[-4]", "no column 'a.b[-4]': a.b has 3 items"),
        ("a.b.c", "no column 'a.b.c': a.b is not an object"),
        ("a.b[0].c", "no column 'a.b[0].c': a.b[0] is not an object"),
        ("t[0]", "no column 't[0]': t is not a list"),
        ("n", "column 'n' holds a number, not text"),
        ("a", "column 'a' holds an object, not text"),
        ("a.b", "column 'a.b' holds a list, not text"),
        ("no", "column 'no' holds null, not text"),
        ('["x.y [z]"].r', 'no column \'["x.y [z]"].r\'; in ["x.y [z]"]: q'),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path: str, why: str) -> None:
    columns = parse_columns([path])
    assert text_of(DEEP, columns) is None
    assert texts_of([DEEP], columns) == [None]
    assert text_of(DEEP, parse_columns(["t", path])) is None
    assert why_no_text(Row("f:1", DEEP), columns, "--column") == f"f:1: {why}"


@pytest.mark.parametrize(
    "path", ["", ".a", "a.", "a..b", "[0]", "a[x]", "a[", "a]", "a[0]b", "a[1.5]", 'a[""]', "a.[0]"]
)
def test_what_is_no_path_is_told_at_once(path: str) -> None:
    with pytest.raises(UsageError, match=f"^column {re.escape(repr(path))}: "):
        parse_columns(["good", path])


CHATS = {
    "sg": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "one"}, {"from": "gpt", "value": "two"}],
    "messages": [
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "two"},
        {"role": "User", "content": [{"type": "text", "text": "three"}, {"type": "text", "text": "four"}]},
    ],
    "tree": [{"role": "prompter", "text": "one"}, {"role": "assistant", "text": "two"}],
    "lima": ["one", "two", "three"],
    "calls": [{"from": "function_call", "value": "f()"}, {"from": "observation", "value": "4"}],
}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sg[human].value", "one"),
        ("sg[user].value", "one"),
        ("sg[user][0].value", "one"),
        ("sg[gpt].value", "two"),
        ("sg[assistant][-1].value", "two"),
        ("sg[developer].value", "Be kind."),
        ("messages[user].content", "one"),
        ("messages[human].content", "one"),
        ("messages[assistant][-1].content", "two"),
        ("messages[assistant][0]", "hello"),
        ("messages[observation].content", "4"),
        ("messages[tool]", "4"),
        ("messages[5].content[1].text", "four"),
        ("tree[user].text", "one"),
        ("tree[prompter]", "one"),
        ("lima[user]", "one"),
        ("lima[user][1]", "three"),
        ("lima[user][-1]", "three"),
        ("lima[assistant]", "two"),
        ("calls[tool].value", "4"),
        ("calls[function_call]", "f()"),
    ],
)
def test_a_path_names_a_message_by_its_role(path: str, text: str) -> None:
    assert text_of(CHATS, parse_columns([path])) == text


@pytest.mark.parametrize(
    ("path", "why"),
    [
        (
            "sg[tool].value",
            "no column 'sg[tool].value': no message of sg has this role; the roles are system, human, gpt",
        ),
        (
            "sg[user][1].value",
            "no column 'sg[user][1].value': no message of sg has this role; the roles are system, human, gpt",
        ),
        ("sg[user].content", "no column 'sg[user].content'; in sg[user]: from, value"),
        ("messages[assistant][1]", "column 'messages[assistant][1]' holds null, not text"),
        ("sg[user][0].value.x", "no column 'sg[user][0].value.x': sg[user][0].value is not an object"),
        ("lima[0][user]", "no column 'lima[0][user]': lima[0] is not a list of messages"),
        ("lima[tool]", "no column 'lima[tool]': no message of lima has this role; the roles are user, assistant"),
    ],
)
def test_a_role_that_leads_nowhere_is_told(path: str, why: str) -> None:
    columns = parse_columns([path])
    assert text_of(CHATS, columns) is None
    assert why_no_text(Row("f:1", CHATS), columns, "--column") == f"f:1: {why}"


# --- files made to exhaust memory or time ----------------------------------------------------------


def read_all(path: Path) -> int:
    """The number of rows, all of them read as Python values."""
    return sum(len(chunk.objects()) for chunk in read_chunks(find_source(str(path))))


def repeated(value: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array([value]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"t": repeated("x" * 1_000_000, 1000)}, {}),
        ({"t": repeated("x" * 1_000_000, 1000)}, {"store_schema": False}),
        ({"t": repeated("x" * 20_000_000, 40)}, {"store_schema": False}),
        ({"t": pa.array(["x" * 300_000_000])}, {"use_dictionary": False}),
        ({"t": ["a"], "x": pa.array([[None] * 40_000_000], pa.list_(pa.int8()))}, {}),
    ],
    ids=["a repeated value", "text, stored once", "a few huge texts", "compressed zeros", "a list of nulls"],
)
@pytest.mark.parametrize("folder", [False, True])
def test_a_small_parquet_file_that_unpacks_to_gigabytes(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], folder: bool
) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", **options)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(UsageError, match=r"train.parquet: unpacks to more than 268,435,456 bytes in memory; write"):
        read_all(tmp_path if folder else path)
    assert tracemalloc.get_traced_memory()[1] < 500_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("rows", [3, 1000])
def test_the_size_of_a_dataset_on_the_hub_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """A folder stands in for the hub's files, which `datasets` downloads in the same way."""
    folder = tmp_path / "files"
    folder.mkdir()
    pq.write_table(pa.table({"t": repeated("x" * 1_000_000, rows)}), folder / "train.parquet", compression="zstd")
    build = datasets.load_dataset_builder
    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", lambda *_, **__: None)
    monkeypatch.setattr(
        datasets, "load_dataset_builder", lambda name: build(str(folder), cache_dir=str(tmp_path / "cache"))
    )
    if rows == 3:
        assert sum(len(chunk.objects()) for chunk in hub_chunks("owner/name")) == 3
        return
    with pytest.raises(UsageError, match=r"^owner/name: train.parquet: unpacks to more than 268,435,456 bytes"):
        list(hub_chunks("owner/name"))


def test_a_parquet_file_with_constant_columns_and_long_texts_is_read(tmp_path: Path) -> None:
    columns = {"source": repeated("web", 300_000), "n": [7] * 300_000, "t": ["a" * 200_000] + ["b"] * 299_999}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet", compression="zstd")
    assert read_all(tmp_path / "t.parquet") == 300_000


def test_a_list_too_large_to_be_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfinstruct.tables.text_files._MOST_LIST_BYTES", 5_000_000)
    path = tmp_path / "t.json"
    path.write_text("[" + "{}," * 2_000_000 + "{}]")
    with pytest.raises(UsageError, match=r"t.json: is a JSON list above 5,000,000 bytes; write one object per line"):
        read_all(path)


@pytest.mark.parametrize("item", ["[]", "1", '"x"', "null"])
def test_a_list_of_anything_but_objects_ends_early(tmp_path: Path, item: str) -> None:
    path = tmp_path / "t.json"
    path.write_text("[" + f"{item}," * 3_000_000 + item + "]")
    tracemalloc.start()
    with pytest.raises(UsageError, match=r"t.json: is a list with more than 100 items that are not JSON objects"):
        read_all(path)
    assert tracemalloc.get_traced_memory()[1] < 5 * path.stat().st_size
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"a": 1}', "1: not valid JSON: Expecting ',' delimiter at column 10"),
        ('[{"a": 1} {}]', "1: not valid JSON: Expecting ',' delimiter at column 11"),
        ('[{"a": 1},\n]', "2: not valid JSON: Expecting value at column 1"),
        ('[{"a": 1}]\n x', "2: not valid JSON: Extra data at column 2"),
        ("[,]", "1: not valid JSON: Expecting value at column 2"),
        ("[", "1: not valid JSON: Expecting value at column 2"),
        ("[] x", "1: not valid JSON: Extra data at column 4"),
        ("[" * 100_000, " not readable JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_broken_list(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UsageError, match=re.escape(f"t.json:{why}")):
        read_all(tmp_path / "t.json")


def test_cells_and_lines_of_csv(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"t,u\n{'long ' * 100_000},x\n")
    assert read_all(path) == 1
    path.write_bytes(b"t,u\n" + b"a" * 40_000_000)
    with pytest.raises(UsageError, match=r"t.csv:2: a line above 33,554,432 bytes; check the line ends"):
        read_all(path)


# --- numbers that are missing ------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")


def copied(folder: Path, name: str, to: str) -> Path:
    """The file `name`, written to `to` as dedup writes it."""
    made = WRITERS
    writer = made[Path(to).suffix]()
    chunks = list(read_chunks(find_source(str(folder / name))))
    for chunk in chunks:
        writer.survey(chunk, chunk.objects())
    writer.open(folder / to)
    for chunk in chunks:
        writer.write(chunk)
    writer.close()
    return folder / to


@pytest.mark.parametrize("form", ["jsonl", "json", "parquet"])
def test_nan_and_infinities_stay_missing(tmp_path: Path, form: str) -> None:
    rows = [{"t": "NaN", "n": NAN, "m": 1.5}, {"t": "Infinity", "n": INF, "m": -INF}, {"t": "c", "n": None, "m": 2.0}]
    name = f"in.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    elif form == "json":
        (tmp_path / name).write_text(json.dumps(rows))
    else:
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = copied(tmp_path, name, "out.jsonl").read_text()
    read = [json.loads(line, parse_constant=lambda _: pytest.fail("not JSON")) for line in lines.splitlines()]
    assert [list(row.values()) for row in read] == [["NaN", None, 1.5], ["Infinity", None, None], ["c", None, 2.0]]
    cells = copied(tmp_path, name, "out.csv").read_text()
    assert cells == "t,n,m\nNaN,,1.5\nInfinity,,\nc,,2.0\n"
    table = pandas.read_csv(tmp_path / "out.csv", keep_default_na=False, na_values={"n": [""], "m": [""]})
    assert table["n"].isna().tolist() == [True, True, True]


def test_missing_numbers_inside_lists_and_objects(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"a": [1, NaN, {"b": -Infinity}], "t": "Infinity"}\n{"t": "NaN",   "a": 1}\n')
    lines = copied(tmp_path, "in.jsonl", "out.jsonl").read_text().splitlines()
    assert lines == ['{"a": [1, null, {"b": null}], "t": "Infinity"}', '{"t": "NaN",   "a": 1}']
