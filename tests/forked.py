"""Start a command of this checkout without the seconds of CPU time that its imports take.

`start_python` forks the command from a process that has imported the program once; the full proof starts an
interpreter each time. Signals, pipes, and exit codes are those of a process of its own. Run as a program, this file is
the process to fork from.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
FULL = os.environ.get("SELFINSTRUCT_PROOF") == "full"
READ_AT_IMPORT = ("HF_", "PYTHON", "LC_", "LANG")
"""Beginnings of the names of variables that an interpreter or a library reads as it starts."""

LOADED = """
    cli.app dataset.write generate.start report.signals teachers.fake.fake_server teachers.openai.teacher
""".split()
"""Modules of the program that import nearly all others."""


class Forked:
    """A command as `subprocess.Popen` presents it: as much of it as tests use."""

    def __init__(self, status: socket.socket, stdout: IO[str] | None, stderr: IO[str] | None) -> None:
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._status = status
        self.pid = int(status.recv(100))

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(["python"], timeout or 0)
            self.returncode = int(self._status.recv(100))
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it may end here
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        with ThreadPoolExecutor(2) as readers:
            out, err = (stream and readers.submit(stream.read) for stream in (self.stdout, self.stderr))
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
        return out and out.result(), err and err.result()


Process = subprocess.Popen[Any] | Forked


@functools.cache
def _server() -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        command = [sys.executable, __file__]
        return subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, env=environment), ours


def start_python(
    *arguments: str | Path,
    cwd: Path = ROOT,
    stdin: int | IO[Any] = subprocess.DEVNULL,
    stdout: int | IO[Any] | None = None,
    stderr: int | IO[Any] | None = None,
    **env: str,
) -> Process:
    """Start `python` with `-m MODULE`, `-c CODE`, or a file, and arguments.

    `stdout` and `stderr` are those of `Popen`, `stdin` is a file; pipes are text. `env` is added to the environment.
    """
    line = [*map(str, arguments)]
    if FULL or any(name.startswith(READ_AT_IMPORT) for name in env):
        whole = os.environ | {"PYTHONPATH": str(ROOT)} | env
        streams: dict[str, Any] = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "text": True}
        return subprocess.Popen([sys.executable, *line], cwd=cwd, env=whole, **streams)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with contextlib.ExitStack() as sent:
        sent.enter_context(theirs)
        files, pipes = [], list[IO[str] | None]()
        for where, own in ((stdin, 0), (stdout, 1), (stderr, 2)):
            pipe = None
            if where == subprocess.PIPE:
                reading, where = os.pipe()
                sent.callback(os.close, where)
                pipe = os.fdopen(reading, "r", encoding="utf-8")
            elif where == subprocess.DEVNULL:
                where = sent.enter_context(Path(os.devnull).open("r+b"))
            files.append(own if where is None else where if isinstance(where, int) else where.fileno())
            pipes.append(pipe)
        request = json.dumps({"line": line, "cwd": str(cwd), "env": os.environ | env})
        socket.send_fds(_server()[1], [request.encode() + b"\n"], [*files, theirs.fileno()])
        return Forked(ours, *pipes[1:])


def _serve(link: socket.socket) -> dict[str, Any]:
    """Fork for each request. Return a request in the process that is to run it."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        data, files, _, _ = socket.recv_fds(link, 1 << 16, 4)
        if not data:  # the tests have ended
            os._exit(0)
        while not data.endswith(b"\n"):
            data += link.recv(1 << 16)
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            link.close()
            _supervise(files)
            return dict(json.loads(data))
        for file in files:
            os.close(file)


def _supervise(files: list[int]) -> None:
    """Fork the command, return in it, and report its number and its exit code."""
    command = os.fork()
    if command == 0:
        for number, file in enumerate(files[:3]):
            os.dup2(file, number)
        os.closerange(3, max(files) + 1)
        # Those of the interpreter's start are for other files.
        sys.stdin = os.fdopen(0, encoding="utf-8")
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace")
        return
    for file in (0, 1, *files[:3]):
        os.close(file)
    with socket.socket(fileno=files[3]) as status:
        status.send(str(command).encode())
        _, ended = os.waitpid(command, 0)
        with contextlib.suppress(OSError):  # the tests have ended
            status.send(str(os.waitstatus_to_exitcode(ended)).encode())
    os._exit(0)


def _run(line: list[str], cwd: str) -> object:
    """Run a command as the interpreter does; return what it passes to `sys.exit`."""
    first, *rest = line
    by_name = first in ("-m", "-c")
    sys.path[0] = cwd if by_name else str(Path(first).parent)
    sys.argv = rest if by_name else line
    try:
        if first == "-m":
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_path(first, run_name="__main__")
    except SystemExit as ended:
        return ended.code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _end(code: object) -> None:
    """End as the interpreter does, except that every module stays: freeing them takes as long as a short command."""
    threading._shutdown()
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    for name in ("aiohttp", "datasets", "openai", *(f"selfinstruct.{name}" for name in LOADED)):
        importlib.import_module(name)
    import selfinstruct as si

    # The first use of a filter or a strategy reads models and compiles expressions.
    fake = {"kind": "fake", "model": "fake"}
    si.check(si.RunConfig.parse({"seeds": str(ROOT / "seeds" / "en.jsonl"), "run_dir": "none", "teacher": fake}))
    gc.freeze()  # a collection would write to, and so copy, the memory that all commands share
    request = _serve(socket.socket(fileno=os.dup(0)))
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    _end(_run(request["line"], request["cwd"]))
