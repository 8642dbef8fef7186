"""A Python program to run in the sandbox, its limits, and what came of it.

`sandbox` runs programs, `ask/runner.py` journals them, and `verifiers` write them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

RUNTIME = "python 3, environment 1"
"""The environment of a program. Change it if the same program may give another result in a changed sandbox."""


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """What a program may use at most. It is one process with one thread, so each limit holds for all of it.

    Attributes:
        cpu_s: CPU time, in whole seconds.
        wall_s: Time from start to end, in seconds.
        memory_bytes: Address space, the interpreter's included (about 30 MB).
        file_bytes: The size of its temporary folder, which holds at most 1,000 files.
        output_bytes: What it writes to stdout and stderr together.
    """

    cpu_s: int = 2
    wall_s: float = 10.0
    memory_bytes: int = 256 * 1024**2
    file_bytes: int = 16 * 1024**2
    output_bytes: int = 1024**2


@dataclass(frozen=True, slots=True)
class Program:
    """Python source, what it reads from stdin, and the files in its working folder, by name.

    packages: installed packages that it may import besides the standard library; one that isn't installed is missing
    there, too.
    """

    source: str
    stdin: str = ""
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    limits: ProgramLimits = ProgramLimits()
    packages: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """32 hex digits that stand for the program, all that it reads, its limits, and `RUNTIME`.

        The interpreter's version isn't part of it, so a journal's results also count on another machine.
        """
        return hashlib.sha256(json.dumps([RUNTIME, asdict(self)], sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a program.

    Attributes:
        stdout, stderr: What it wrote, within the limit.
        code: Its exit code; None if it didn't exit by itself.
        ended: 'exit'; 'signal': it crashed; 'time', 'output': it reached a limit. Python raises MemoryError, or OSError
            for its files, so a program that needs too much of these exits with code 1.
        seconds: The time that it took.
    """

    stdout: str
    stderr: str
    code: int | None
    ended: Literal["exit", "signal", "time", "output"]
    seconds: float

    @property
    def problem(self) -> str | None:
        """Why the program didn't exit with code 0, in one line; None if it did."""
        if self.ended == "exit":
            # A traceback ends with the exception: 'ValueError: not a date'.
            last = self.stderr.strip().rpartition("\n")[2].strip()[:200]
            return (last or f"exit code {self.code}") if self.code else None
        return {"signal": "it crashed", "time": "it takes too long", "output": "it writes too much"}[self.ended]


Run = Callable[[Program], Awaitable[Ran]]
"""Runs a program in the sandbox, or recalls from the journal what came of it."""
