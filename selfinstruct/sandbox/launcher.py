"""What the sandbox's interpreter runs: it gives up all rights, then runs the program in its own process.

`bubblewrap` passes this file's text to a bare interpreter, so it imports nothing of this package.
"""

import ctypes
import marshal
import os
import resource
import sys
from types import ModuleType

_NO_SUID_NO_DEVICES = 6
_SET_SECCOMP, _FILTER = 22, 2
_CAPABILITIES_VERSION = 0x20080522
_LIBRARY = ctypes.CDLL(None, use_errno=True)


class _SeccompProgram(ctypes.Structure):
    _fields_ = [("count", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def launch(job_fd: int, ready_fd: int) -> None:
    """Read the job, set its limits, and run its program; write to `ready_fd` just before the program starts."""
    with open(job_fd, "rb") as file:
        job = marshal.loads(file.read())  # noqa: S302  (written by `bubblewrap`)

    # The program's folder. Empty files need memory too, so their number is bounded; bubblewrap can't do that.
    size = f"size={job['file_bytes']},nr_inodes=1002,mode=700".encode()
    _call("mount", b"tmpfs", b"/tmp", b"tmpfs", _NO_SUID_NO_DEVICES, size)
    os.chdir("/tmp")  # noqa: S108
    for name, text in job["files"].items():
        with open(name, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)

    # No right is left, and hard limits can't be raised again.
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0), (ctypes.c_uint32 * 6)())
    cpu_s, memory = job["cpu_s"], job["memory_bytes"]
    limits = {"CPU": (cpu_s, cpu_s), "AS": (memory, memory), "NOFILE": (64, 64), "CORE": (0, 0)}
    for kind, pair in {**limits, "MEMLOCK": (0, 0), "MSGQUEUE": (0, 0), "SIGPENDING": (64, 64)}.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{kind}"), pair)
    refused = job["filter"]
    _call("prctl", _SET_SECCOMP, _FILTER, ctypes.byref(_SeccompProgram(len(refused) // 8, refused)))

    os.write(ready_fd, b"ready")
    os.close(ready_fd)
    sys.path += job["path"]
    sys.argv, main = ["program.py"], ModuleType("__main__")
    sys.modules["__main__"] = main
    exec(compile(job["source"], "program.py", "exec", dont_inherit=True), main.__dict__)  # noqa: S102


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raise OSError if it fails."""
    if getattr(_LIBRARY, name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
