"""The local server starts, says why when it can't, and never outlives its parent.

Most tests put a small stand-in for the native module on the child's path: a real process that serves real HTTP,
without weights. The ones marked `local_model` serve a real model.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.core.errors import TeacherDown, TeacherRefused
from selfinstruct.teachers.local import llama_server
from selfinstruct.teachers.local.catalog import load_catalog
from selfinstruct.teachers.local.llama_server import LlamaServer, serve_foreground
from selfinstruct.teachers.local.weights import fetch

ROOT = Path(__file__).parents[2]
STAND_IN = """
import http.server, json, os, signal, sys, threading, types
print("stand-in loaded, OMP_WAIT_POLICY", os.environ.get("OMP_WAIT_POLICY"))
mode = os.environ.get("STAND_IN", "")
if mode == "no module":
    raise ModuleNotFoundError("No module named 'xllamacpp'")
if mode == "no libgomp":
    raise ImportError("libgomp.so.1: cannot open shared object file: No such file or directory")
if mode == "crash":
    print("GGML_ASSERT failed: no", flush=True)
    os.kill(os.getpid(), signal.SIGABRT)
if mode == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

class CommonParams:
    def __init__(self):
        self.model = types.SimpleNamespace()
        self.cpuparams = types.SimpleNamespace()
        self.cpuparams_batch = types.SimpleNamespace()

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if mode == "never healthy" else 200)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.told).encode())
    def log_message(self, *args): pass

class Server:
    def __init__(self, params):
        if mode == "fails":
            print("0.00 E llama_model_load: error loading model: tensor data is incomplete", flush=True)
            raise RuntimeError("Failed to init server, please check the input params.")
        try:
            self.http = http.server.ThreadingHTTPServer(("127.0.0.1", params.port), Answers)
        except OSError:
            raise RuntimeError("Failed to init server, please check the input params.") from None
        self.http.told = {"alias": sorted(params.model_alias), "slots": params.n_parallel, "ctx": params.n_ctx,
                          "threads": params.cpuparams.n_threads}
        self.listening_address = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
"""

PARENT = """
import asyncio, sys
from pathlib import Path
from selfinstruct.teachers.local.llama_server import LlamaServer
async def main():
    async with LlamaServer(Path(sys.argv[1]), parallel=2, context=512, log_path=Path(sys.argv[2]), alias="x") as server:
        print(server.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""

Make = Callable[..., LlamaServer]


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """An async test, run in an event loop of its own."""

    @functools.wraps(test)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return wrapper


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Builds a server over the stand-in; `mode` is what goes wrong in it."""
    (tmp_path / "xllamacpp.py").write_text(STAND_IN)
    model = tmp_path / "tiny.gguf"
    model.write_bytes(b"GGUF")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def build(mode: str = "", **options: object) -> LlamaServer:
        monkeypatch.setenv("STAND_IN", mode)
        settings = {"parallel": 3, "context": 1000, "log_path": tmp_path / "logs" / "server.log", "alias": "tiny"}
        return LlamaServer(model, **(settings | options))  # type: ignore[arg-type]

    return build


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        return body


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


async def check_on(server: LlamaServer) -> None:
    while True:
        server.check()
        await asyncio.sleep(0.05)


async def enter(server: LlamaServer) -> None:
    async with server:
        pass


@in_loop
async def test_it_serves_while_entered_and_is_gone_after(make: Make, capfd: pytest.CaptureFixture[str]) -> None:
    async with make(threads=1) as server:
        pid, url = server.pid, server.base_url
        told = json.loads(await asyncio.to_thread(get, f"{url}/models"))
    assert told == {"alias": ["tiny"], "slots": 3, "ctx": 3000, "threads": 1}
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/v1")
    assert pid
    assert not alive(pid)
    assert capfd.readouterr() == ("", ""), "all of the child's output goes to its log"


@in_loop
async def test_the_log_holds_what_the_child_says_and_threads_wait_idle(make: Make, tmp_path: Path) -> None:
    async with make():
        log = (tmp_path / "logs" / "server.log").read_text()
    assert "stand-in loaded, OMP_WAIT_POLICY passive" in log


@in_loop
async def test_several_at_once_get_ports_of_their_own(make: Make, tmp_path: Path) -> None:
    servers = [make(log_path=tmp_path / f"{n}.log") for n in range(3)]
    await asyncio.gather(*(server.__aenter__() for server in servers))
    try:
        assert len({server.base_url for server in servers}) == 3
    finally:
        await asyncio.gather(*(server.__aexit__(None, None, None) for server in servers))


@pytest.mark.parametrize(
    ("mode", "error", "says"),
    [
        ("no module", TeacherRefused, r"needs xllamacpp: pip install 'selfinstruct\[local\]'"),
        ("no libgomp", TeacherRefused, r"needs libgomp: apt-get install libgomp1"),
        ("fails", TeacherRefused, r"tiny.gguf: can't be loaded with 3 x 1000 tokens .*: tensor data is incomplete"),
        ("crash", TeacherDown, r"the local server ended \(signal 6\): GGML_ASSERT failed: no; see .*server.log"),
    ],
)
@in_loop
async def test_a_child_that_cant_start_says_why(make: Make, mode: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        await enter(make(mode))
    assert "\n" not in str(caught.value)


@in_loop
async def test_a_port_that_is_taken_is_named(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TeacherRefused, match=f"port {port} is in use"):
            await enter(make(port=port))


@in_loop
async def test_a_child_that_never_answers_is_given_up_and_ended(make: Make) -> None:
    server = make("never healthy", start_timeout_s=1.0)
    with pytest.raises(TeacherDown, match=r"did not answer within 1 s; see .*server.log"):
        await enter(server)
    assert server.pid is None


@in_loop
async def test_a_cancelled_start_leaves_no_child(make: Make) -> None:
    server = make("never healthy")
    task = asyncio.create_task(enter(server))
    await asyncio.sleep(0.5)
    pid = server.pid
    assert pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(pid)


@in_loop
async def test_a_child_that_ignores_sigterm_is_killed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llama_server, "_STOP_S", 0.3)
    async with make("deaf") as server:
        pid = server.pid
    assert pid
    assert not alive(pid)


@in_loop
async def test_a_child_that_dies_is_noticed(make: Make) -> None:
    async with make() as server:
        server.check()
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        with pytest.raises(TeacherDown, match=r"ended \(signal 9; the system may be short of memory\)"):
            await asyncio.wait_for(check_on(server), 10.0)


def start_parent(model: Path, log: Path) -> tuple[subprocess.Popen[str], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(model), str(log)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert parent.stdout
    line = parent.stdout.readline()
    parent.stdout.close()
    return parent, int(line)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_child_dies_with_its_parent(make: Make, tmp_path: Path, number: signal.Signals) -> None:
    make()
    parent, child = start_parent(tmp_path / "tiny.gguf", tmp_path / "server.log")
    assert alive(child)
    parent.send_signal(number)
    parent.wait(10)
    assert gone(child, 3.0)


def test_without_the_kernels_help_the_child_notices_too(make: Make, tmp_path: Path) -> None:
    make()
    # Runs in the child before anything else: as on a system that has no prctl.
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes\nreal = ctypes.CDLL\n"
        "class Without(real):\n"
        "    def __getattr__(self, name):\n"
        "        return (lambda *a: -1) if name == 'prctl' else super().__getattr__(name)\n"
        "ctypes.CDLL = Without\n"
    )
    parent, child = start_parent(tmp_path / "tiny.gguf", tmp_path / "server.log")
    parent.kill()
    parent.wait(10)
    assert gone(child, 5.0)


def test_serving_in_the_foreground_ends_with_ctrl_c(make: Make, tmp_path: Path) -> None:
    make()
    told: list[str] = []

    def announce(base_url: str) -> None:
        told.append(base_url)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    model, log = tmp_path / "tiny.gguf", tmp_path / "server.log"
    serve_foreground(LlamaServer(model, parallel=1, context=512, log_path=log, alias="tiny"), announce)
    assert len(told) == 1
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{told[0]}/models")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    pytest.importorskip("xllamacpp")
    model = tmp_path / "bad.gguf"
    model.write_bytes(b"GGUF" + bytes(1000))
    server = LlamaServer(model, parallel=1, context=512, log_path=tmp_path / "server.log", alias="bad")
    with pytest.raises(TeacherRefused, match=r"bad.gguf: can't be loaded with 1 x 512 tokens"):
        asyncio.run(enter(server))


@pytest.mark.local_model
def test_a_real_model_answers_and_dies_with_its_parent(tmp_path: Path) -> None:
    model = fetch(load_catalog()["smollm2-135m"], progress=False)

    def ask(base_url: str) -> str:
        body = {"prompt": "1, 2, 3, 4, 5,", "max_tokens": 4, "temperature": 0}
        request = urllib.request.Request(f"{base_url}/completions", json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(json.load(answer)["choices"][0]["text"])

    async def serve_and_ask() -> str:
        log = tmp_path / "server.log"
        async with LlamaServer(model, parallel=2, context=512, log_path=log, alias="smol") as server:
            return await asyncio.to_thread(ask, server.base_url)

    assert "6" in asyncio.run(serve_and_ask())
    parent, child = start_parent(model, tmp_path / "server.log")
    parent.kill()
    parent.wait(10)
    assert gone(child, 3.0)
