"""Serves a GGUF file on this machine over OpenAI's protocol: llama.cpp in a child process of its own.

Two sides. Run as `python -m selfinstruct.teachers.llama_server MODEL ...` this file is the child: it loads
xllamacpp, which serves from threads of its own, and lives until its parent is gone. Imported, it is the
parent's side: `LlamaServer` starts, watches and stops the child. A process of its own keeps native crashes,
native logging and the native threads' settings away from the run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ...core.errors import TeacherDown, TeacherRefused

_READY = "selfinstruct: ready "  # the child's line in the log that carries its address
_FAILED = "selfinstruct: error: "
_PROMPT_CACHE_MIB = 512  # llama.cpp's own default is 8 GiB of RAM
_POLL_S = 0.05
_STOP_S = 5.0


class LlamaServer:
    """The parent's side: an async context manager around one child process.

    parallel: requests that are worked on at once; more wait in the server. context: tokens for each of them,
    prompt and answer together. log_path: the child's output, written anew. alias: the model's name in answers.
    port: 0 lets the system choose. threads: None for every core this process may use.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        parallel: int,
        context: int,
        log_path: Path,
        alias: str,
        threads: int | None = None,
        port: int = 0,
        start_timeout_s: float = 180.0,
    ) -> None:
        self._arguments = [str(model_path), "--log", str(log_path), "--alias", alias, "--port", str(port)]
        self._arguments += ["--parallel", str(parallel), "--ctx", str(context), "--parent", str(os.getpid())]
        if threads is not None:
            self._arguments += ["--threads", str(threads)]
        self._log_path = log_path
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._origin = ""

    @property
    def base_url(self) -> str:
        """'http://127.0.0.1:PORT/v1' while entered."""
        return f"{self._origin}/v1"

    @property
    def pid(self) -> int | None:
        """The child's process id while entered."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> LlamaServer:
        """Returns when the server answers. Raises TeacherRefused, TeacherDown: why not, and what to do."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._process = _spawn(self._arguments, self._log_path)
        try:
            deadline = time.monotonic() + self._start_timeout_s
            while not await self._answers():
                self.check()
                if time.monotonic() > deadline:
                    raise TeacherDown(
                        f"the local server did not answer within {self._start_timeout_s:g} s; see {self._log_path}"
                    )
                await asyncio.sleep(_POLL_S)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def check(self) -> None:
        """Raises when the child has ended, with what it said last. For when a request got no answer."""
        status = self._process.poll() if self._process else None
        if status is None:
            return
        last = _last_line(self._log_path)
        if last.startswith(_FAILED):
            raise TeacherRefused(last.removeprefix(_FAILED))
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        hint = "; the system may be short of memory" if -status == signal.SIGKILL else ""
        raise TeacherDown(f"the local server ended ({how}{hint}): {last or 'without a word'}; see {self._log_path}")

    async def _answers(self) -> bool:
        """True once the child has said its address and is healthy there."""
        if not self._origin:
            line = _find_line(self._log_path, _READY)
            if line is None:
                return False
            self._origin = line.removeprefix(_READY).strip()
        return await _healthy(self._origin)

    async def _stop(self) -> None:
        process, self._process, self._origin = self._process, None, ""
        if process is None:
            return
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve_foreground(
    model_path: Path,
    *,
    parallel: int,
    context: int,
    log_path: Path,
    alias: str,
    threads: int | None = None,
    port: int = 0,
    announce: Callable[[str], None] = lambda base_url: None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, for `selfinstruct teacher serve`. `announce` is told the base URL.

    Raises TeacherDown or TeacherRefused when the server can't start or ends by itself.
    """

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
                loop.add_signal_handler(number, stop.set)
        server = LlamaServer(
            model_path,
            parallel=parallel,
            context=context,
            log_path=log_path,
            alias=alias,
            threads=threads,
            port=port,
        )
        async with server:
            announce(server.base_url)
            while not stop.is_set():
                server.check()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


def _spawn(arguments: list[str], log_path: Path) -> subprocess.Popen[bytes]:
    # In the calling thread: the child is bound to that thread's life (see _die_with_parent).
    paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    log_path.unlink(missing_ok=True)
    log_path.touch(mode=0o600)
    with log_path.open("ab") as log:  # until the child opens it itself
        return subprocess.Popen(  # noqa: S603 - no shell
            [sys.executable, "-m", __name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        )


async def _healthy(origin: str) -> bool:
    host, _, port = origin.removeprefix("http://").rpartition(":")
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")
                await writer.drain()
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status


def _find_line(log: Path, start: str) -> str | None:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return next((line for line in lines if line.startswith(start) and line.endswith("\n")), None)


def _last_line(log: Path) -> str:
    """The last line that says something, at most 300 characters of it."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")


# --- the child -------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> None:
    """The child process: log to a file, load, serve, die with the parent. Does not return."""
    options = _options(arguments)
    log = os.open(options.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)  # llama.cpp writes to the file descriptors, behind Python's back
    os.dup2(log, 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent stops us in its order
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent(options.parent)
    try:
        server = _start(options)
    except TeacherRefused as error:
        print(f"{_FAILED}{error}", flush=True)
        os._exit(1)
    print(f"{_READY}{server.listening_address}", flush=True)
    threading.Event().wait()  # it serves from threads of its own, for as long as `server` is referred to


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m selfinstruct.teachers.llama_server")
    parser.add_argument("model", help="the GGUF file")
    parser.add_argument("--log", required=True, help="the file that all output goes to")
    parser.add_argument("--alias", required=True, help="the model's name in answers")
    parser.add_argument("--port", type=int, default=0, help="0: the system chooses")
    parser.add_argument("--parallel", type=int, default=4, help="requests worked on at once")
    parser.add_argument("--ctx", type=int, default=4096, help="tokens for each of them")
    parser.add_argument("--threads", type=int, default=None, help="default: every core")
    parser.add_argument("--parent", type=int, default=None, help="the process to die with; default: its parent")
    return parser.parse_args(arguments)


def _die_with_parent(parent: int | None) -> None:
    """End this process when its parent ends, however that dies.

    On Linux the kernel sees to it at once, even while a native call holds the interpreter; elsewhere a thread
    looks whether the parent is still the same. The kernel's parent is the *thread* that started this process.
    """
    parent = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    if os.getppid() != parent:  # it died before the line above
        os._exit(0)
    threading.Thread(target=watch, daemon=True).start()


def _start(options: argparse.Namespace) -> Any:
    """The running native server. Raises TeacherRefused with what to do."""
    # Before libgomp is loaded: threads that wait for work must not spin, other processes want the cores too.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import xllamacpp
    except ModuleNotFoundError:
        raise TeacherRefused("the local teacher needs xllamacpp: pip install 'selfinstruct[local]'") from None
    except ImportError as error:
        if "libgomp" in str(error):
            raise TeacherRefused("the local teacher needs libgomp: apt-get install libgomp1") from None
        raise TeacherRefused(f"xllamacpp can't be loaded: {error}; install it again") from None
    try:
        return xllamacpp.Server(_params(xllamacpp.CommonParams(), options))
    except RuntimeError:
        raise TeacherRefused(_guess(options)) from None


def _params(params: Any, options: argparse.Namespace) -> Any:
    """llama.cpp's settings for `options`, written into its own `params`."""
    threads = options.threads or _cores()
    params.model.path = options.model
    params.model_alias = {options.alias}
    params.hostnames, params.port = ["127.0.0.1"], options.port
    params.n_parallel, params.n_ctx = options.parallel, options.ctx * options.parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = max(4, options.parallel + 2)
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.use_jinja = True
    params.ui = False
    params.verbosity = 1  # errors
    return params


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _guess(options: argparse.Namespace) -> str:
    """Why the native server did not start; it says no more than that it failed."""
    if not Path(options.model).is_file():
        return f"{options.model}: no such file"
    if options.port:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", options.port)) == 0:
                return f"port {options.port} is in use; name another one, or 0"
    said = Path(options.log).read_text(encoding="utf-8", errors="replace")
    reasons = re.findall(r"error loading model: (.*)", said)
    return f"{options.model}: can't be loaded with {options.parallel} x {options.ctx} tokens of context: " + (
        reasons[-1] if reasons else f"perhaps too little memory; see {options.log}"
    )


if __name__ == "__main__":
    main()
