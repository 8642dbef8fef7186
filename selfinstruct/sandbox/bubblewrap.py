"""Start bubblewrap for one program, read what it writes within its limits, and end it in time.

The interpreter in the sandbox runs `launcher`. It tells over a pipe that everything is set up, so a machine on which
the sandbox can't be set up is never mistaken for a program that fails.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import marshal
import os
import platform
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from ..core.errors import SandboxMissing
from ..core.programs import Program, ProgramLimits, Ran
from ..core.tasks import storable
from .system_calls import refusing_filter

RUNTIME_VERSION = f"{platform.python_implementation()} {platform.python_version()}"
"""The interpreter that runs programs; the journal notes it with each result."""
# Besides the interpreter, the sandbox has the system's libraries, and the linker's list of where they are.
_SYSTEM = ("/usr/lib", "/usr/lib64", "/usr/lib32", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache", "/nix/store")
_ISOLATED = (
    *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
    *("--uid", "65534", "--gid", "65534", "--hostname", "sandbox", "--die-with-parent", "--new-session", "--clearenv"),
    # The program is its namespace's first process. So it can't kill itself (SIGKILL means that its time is up), and
    # bubblewrap waits for it itself: in a container whose first process reaps nothing, no zombie is left.
    "--as-pid-1",
    # `launcher` needs this right, within the sandbox's own namespaces, to mount the temporary folder; then it drops it.
    *("--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN"),
)
# The order in which a set of strings is iterated is the same in every run of a program.
_ENVIRONMENT = ("--setenv", "PYTHONHASHSEED", "0", "--dir", "/tmp", "--chdir", "/tmp")  # noqa: S108
_READ_BYTES = 65536
_CREDENTIALS = struct.Struct("3i")
"""A process id, a user, and a group."""
_Limit = Literal["time", "output", "signal"]
_STARTS_WITHIN_S = 30.0
"""Time for the sandbox to start on a busy machine; the program's own time counts from there."""


def run_program(program: Program) -> Ran:
    """Run a program in the sandbox, and return what came of it. Blocks; may be called from several threads at once.

    Raises:
        SandboxMissing: The sandbox can't be set up on this machine. Nothing was run.
    """
    started = time.monotonic()
    with _started(program) as (process, signs):
        ended, stdout, stderr, is_ready = _follow(process, signs, program.limits)
    code = process.returncode
    if not is_ready or code < 0:
        raise _missing(stderr.strip().rpartition("\n")[2] or "it was ended from outside")
    if ended is None and code > 128:  # how bubblewrap reports a signal
        ended = "time" if code - 128 == signal.SIGKILL else "signal"
    return Ran(stdout, stderr, None if ended else code, ended or "exit", time.monotonic() - started)


def check_sandbox() -> None:
    """Raise SandboxMissing if no program can be run on this machine."""
    run_program(Program(""))


@contextlib.contextmanager
def _started(program: Program) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Start bubblewrap; yield its process, and a socket on which the sandbox says that the program starts.

    If this process is killed before that, nothing reads it, and the sandbox ends; later, the system ends it.
    """
    limits = program.limits
    job = {
        "source": program.source,
        "files": dict(program.files),
        "path": ["/packages"] if program.packages else [],
        "filter": refusing_filter(platform.machine()),
        "cpu_s": limits.cpu_s,
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
    }
    with contextlib.ExitStack() as stack:
        job_fd = _sealed(stack, marshal.dumps(job))
        stdin = _sealed(stack, program.stdin.encode("utf-8", "replace"))
        ours, theirs = map(stack.enter_context, socket.socketpair())
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)  # what is heard comes with the sender's process id
        process = subprocess.Popen(  # noqa: S603
            [*_command(program.packages), "--", *_interpreter(), str(job_fd), str(theirs.fileno())],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(job_fd, theirs.fileno()),
            process_group=0,  # Ctrl-C ends the run, and must not look as if the program had ended by itself
            env={},
        )
        theirs.close()
        with process:
            yield process, ours


def _follow(
    process: subprocess.Popen[bytes], signs: socket.socket, limits: ProgramLimits
) -> tuple[_Limit | None, str, str, bool]:
    """Read until the program ends or reaches a limit.

    Returns:
        The limit, stdout, stderr, and whether the program was started at all.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = bytearray(), bytearray()
    ended: _Limit | None = None
    child: int | None = None
    is_over = False
    try:
        with selectors.DefaultSelector() as selector:
            for source, read in ((process.stdout, stdout), (process.stderr, stderr), (signs, None)):
                selector.register(source, selectors.EVENT_READ, read)
            deadline = time.monotonic() + _STARTS_WITHIN_S
            # Bubblewrap itself holds the pipes open, so they end when it does, whatever the program closes.
            while selector.get_map() and ended is None:
                for key, _ in selector.select(deadline - time.monotonic()):
                    if key.data is not None:
                        data = os.read(key.fd, _READ_BYTES)
                        key.data.extend(data)
                    else:
                        data, sent, *_ = signs.recvmsg(_READ_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
                        if data:
                            child, *_ = _CREDENTIALS.unpack(sent[0][2])
                            deadline = time.monotonic() + limits.wall_s
                    if not data:
                        selector.unregister(key.fileobj)
                if time.monotonic() >= deadline:
                    ended = "time"
                elif len(stdout) + len(stderr) > limits.output_bytes:
                    ended = "output"
        is_over = ended is None
    finally:
        if not is_over:
            # End the program rather than bubblewrap, which then reaps it and ends by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(child or process.pid, signal.SIGKILL)
        process.wait()
    most = limits.output_bytes
    out, err = (storable(each[:most].decode("utf-8", "replace")) for each in (stdout, stderr))
    return ended, out, err, child is not None


def _sealed(stack: contextlib.ExitStack, content: bytes) -> int:
    """Return a file in memory that no one can change; it has no name, and needs no thread to feed it."""
    file = os.memfd_create("sandbox", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    stack.callback(os.close, file)
    with open(file, "wb", closefd=False) as writing:
        writing.write(content)
    os.lseek(file, 0, os.SEEK_SET)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return file


def _command(packages: tuple[str, ...]) -> list[str]:
    """Return bubblewrap's command line: what the program can see, and what it is separated from."""
    if refusing_filter(platform.machine()) is None or sys.platform != "linux":
        raise _missing(f"needs Linux on x86-64 or ARM, this is {platform.system()} on {platform.machine()}")
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        raise _missing("bubblewrap isn't installed")
    return [bubblewrap, *_ISOLATED, *_visible(), *_installed(packages), *_ENVIRONMENT, "--remount-ro", "/"]


@cache
def _visible() -> tuple[str, ...]:
    """Return the arguments that make the interpreter and the system's libraries visible, read-only."""
    prefix = Path(sys.base_prefix)
    own = (os.path.realpath(sys.executable), str(prefix / "lib"), str(prefix / "lib64"))
    arguments: list[str] = []
    for path in dict.fromkeys((*_SYSTEM, *own)):
        if os.path.islink(path):  # '/lib' is '/usr/lib' on most systems
            arguments += ["--symlink", os.readlink(path), path]
        elif os.path.exists(path):
            arguments += ["--ro-bind", path, path]
    return tuple(arguments)


@cache
def _installed(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the arguments that make these packages visible in /packages, read-only, as far as they are installed."""
    found = ((name, importlib.util.find_spec(name)) for name in packages)
    folders = ((name, spec.submodule_search_locations) for name, spec in found if spec)
    return tuple(part for name, own in folders if own for part in ("--ro-bind", own[0], f"/packages/{name}"))


@cache
def _interpreter() -> tuple[str, ...]:
    """Return the command that runs `launcher` in an interpreter without packages; two file numbers follow."""
    launcher = Path(__file__).with_name("launcher.py").read_text(encoding="utf-8")
    start = "\nlaunch(int(sys.argv[1]), int(sys.argv[2]))"
    return os.path.realpath(sys.executable), "-s", "-S", "-P", "-B", "-X", "utf8", "-c", launcher + start


def _missing(why: str) -> SandboxMissing:
    return SandboxMissing(
        f"sandbox: programs written by a model can't be run here ({why[:200]}); install bubblewrap (Debian: "
        "apt-get install bubblewrap), and allow user namespaces where the system or the container forbids them"
    )
