"""Serve a GGUF file on this machine over OpenAI's protocol, with llama.cpp in a child process.

`LlamaServer` starts, monitors, and stops the process that `llama_child` contains. `LocalTeacher` uses `LlamaServer`
during a run; the command `selfinstruct teacher serve` uses `serve_foreground`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ...core.errors import TeacherDown, TeacherRefused
from ...core.event_loop import stop_signals
from . import llama_child
from .llama_child import FAILED, READY

_POLL_S = 0.05
_STOP_S = 5.0


class LlamaServer:
    """An async context manager around one child process.

    Args:
        model_path: The GGUF file.
        parallel: Requests processed at the same time; further requests wait in the server.
        context: Tokens for each request, prompt and response together.
        log_path: The file for the child's output, replaced at each start.
        alias: The model's name in responses.
        threads: CPU threads, or None for every core that this process may use.
        port: The TCP port, or 0 to let the system choose.
        start_timeout_s: Seconds to wait until the server responds.
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
        """The base URL while entered: 'http://127.0.0.1:PORT/v1'."""
        return f"{self._origin}/v1"

    @property
    def pid(self) -> int | None:
        """The child's process ID while entered."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> LlamaServer:
        """Start the child and wait until the server responds. Raises TeacherRefused or TeacherDown with the reason."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._process = _spawn(self._arguments, self._log_path)
        # Stop the child on any exception, including cancellation and Ctrl-C.
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

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    def check(self) -> None:
        """Raise if the child has ended, quoting its last output. Call this after a request got no response."""
        status = self._process.poll() if self._process else None
        if status is None:
            return
        # 'selfinstruct: error: model.gguf: no such file': the child reported why it can't serve.
        last = _last_line(self._log_path)
        if last.startswith(FAILED):
            raise TeacherRefused(last.removeprefix(FAILED))
        # Otherwise the process crashed or was killed; a SIGKILL usually comes from the kernel's out-of-memory killer.
        how = f"signal {-status}" if status < 0 else f"exit code {status}"
        hint = "; the system may be short of memory" if -status == signal.SIGKILL else ""
        raise TeacherDown(f"the local server ended ({how}{hint}): {last or 'no output'}; see {self._log_path}")

    async def _answers(self) -> bool:
        """Return whether the child has logged its address and is healthy there."""
        if not self._origin:
            line = _find_line(self._log_path, READY)
            if line is None:
                return False
            self._origin = line.removeprefix(READY).strip()
        return await _healthy(self._origin)

    async def _stop(self) -> None:
        process, self._process, self._origin = self._process, None, ""
        if process is None:
            return
        # A native call may ignore SIGTERM for a long time.
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def serve_foreground(server: LlamaServer, announce: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM, for `selfinstruct teacher serve`.

    announce: called with the base URL once the server responds. Raises TeacherDown or TeacherRefused if the server
    can't start or ends by itself.
    """

    async def serve() -> None:
        # Turn the signals into an event, so that `async with` stops the child.
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        for number in stop_signals():
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt there
                loop.add_signal_handler(number, stop.set)
        async with server:
            announce(server.base_url)
            # Check twice a second whether the child is still alive.
            while not stop.is_set():
                server.check()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.5)

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


def _spawn(arguments: list[str], log_path: Path) -> subprocess.Popen[bytes]:
    """Start the child in the calling thread; the child dies with that thread (see `llama_child`)."""
    # The child must import this package even if the parent found it through sys.path only.
    paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    # A new file with mode 0600: the log may quote prompts.
    log_path.unlink(missing_ok=True)
    log_path.touch(mode=0o600)
    with log_path.open("ab") as log:  # for output before the child opens the file itself
        return subprocess.Popen(  # noqa: S603 - no shell
            [sys.executable, "-m", llama_child.__name__, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)},
        )


async def _healthy(origin: str) -> bool:
    """Return whether GET /health answers 200; other statuses mean that the model is still loading."""
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
    return b" 200 " in status  # 'HTTP/1.1 200 OK'


def _find_line(log: Path, start: str) -> str | None:
    """Return the first complete line with this start; the last line of the log may still be being written."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    return next((line for line in lines if line.startswith(start) and line.endswith("\n")), None)


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((" ".join(line.split())[:300] for line in reversed(lines) if line.strip()), "")
