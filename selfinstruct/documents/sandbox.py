"""Parse each document in a process of its own, with bounded memory and time; `serve` is what that process runs.

A document may come from anywhere, and parsers are large. One process waits for jobs and loads the parsers; for each
document it forks a child, which the system ends where it takes too much. So a document harms neither this program nor
the next document.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config.plugins import load_named
from ..core.errors import ConfigError, UsageError
from .document import Heading, Parsed, ParseLimits, Unreadable
from .headings import find_headings
from .parsers import FORMATS, check_content, cleaned

_READER = "reader"
"""The configuration key in messages about a reader of the user's own."""


class Sandbox:
    """Parses documents, one after the other. A context manager: the process ends with it."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def parse(self, path: Path, key: str, reader: str | None = None) -> Parsed:
        """Return the content of a file.

        Args:
            path: The file.
            key: Its format, of `FORMATS`.
            reader: The user's own function that reads it: 'package.module:function'.

        Raises:
            Unreadable: It can't be parsed.
            UsageError: The parser's library is missing, or the user's reader can't be loaded.
        """
        if self._process is None:
            # The process imports from where this one does, in the same order.
            program = f"import sys; sys.path[:] = {list(map(str, sys.path))!r}; from {__name__} import serve; serve()"
            pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-P", "-c", program], stdin=pipe, stdout=pipe, stderr=nowhere, encoding="utf-8"
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            job = {"path": os.fsencode(path.absolute()).hex(), "key": key, "reader": reader, **asdict(self._limits)}
            process.stdin.write(json.dumps(job) + "\n")
            process.stdin.flush()
        line = process.stdout.readline()
        if not line.endswith("\n"):
            self._process = None
            process.kill()
            process.communicate()
            raise Unreadable("the process that parses documents was ended from outside")
        answer = json.loads(line)
        if "usage" in answer:
            raise UsageError(answer["usage"])
        if "problem" in answer:
            raise Unreadable(answer["problem"])
        text, title, headings, pages, notes = answer["parsed"]
        where = tuple((at, number) for at, number in pages)
        return Parsed(text, title, tuple(Heading(*each) for each in headings), where, tuple(notes))


def serve() -> None:
    """Answer each line of standard input, a job, with a line of JSON."""
    # What parsers print would get between the answers.
    answers, nowhere = os.fdopen(os.dup(1), "w"), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    for line in sys.stdin:
        job = json.loads(line)
        print(_usage_problem(job) or _run(job), file=answers, flush=True)


def _usage_problem(job: dict[str, Any]) -> str | None:
    """Load what the job needs, once for all documents. Return the answer if it can't be loaded."""
    try:
        if job["reader"]:
            load_named(job["reader"], {}, _READER)
        else:
            for name in FORMATS[job["key"]].needs:
                importlib.import_module(name)
    except ConfigError as error:
        return json.dumps({"usage": str(error)})
    except ImportError as error:
        name = FORMATS[job["key"]].name
        return json.dumps({"usage": f"documents: {name} needs {error.name}; pip install 'selfinstruct[documents]'"})
    return None


def _run(job: dict[str, Any]) -> str:
    """Run one job in a child, and return its answer, or what ended it."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(read_end)
            _child(job, write_end)
        finally:
            os._exit(1)  # whatever it raised, the child must not go on as the process that waits for jobs
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        answer = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == 0 and answer.endswith(b"}"):
        return answer.decode()
    ended = {
        -signal.SIGXCPU: f"takes more than {job['cpu_s']:,} s of CPU time",
        -signal.SIGALRM: f"takes more than {job['wall_s']:,} s",
        -signal.SIGKILL: "takes too much memory or time",
    }
    crash = f"its parser crashed ({signal.Signals(-status).name if status < 0 else status}); it may be damaged"
    return json.dumps({"problem": ended.get(status, crash)})


def _child(job: dict[str, Any], write_end: int) -> None:
    """Parse one document, write the answer, and end."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(job["wall_s"])
    if not job["reader"]:  # the user's own code may write files, and map more memory than it uses
        limits = {
            "RLIMIT_AS": job["memory_mb"] * 1024**2,
            "RLIMIT_CPU": job["cpu_s"],
            "RLIMIT_FSIZE": 0,
            "RLIMIT_CORE": 0,
        }
        for name, most in limits.items():
            with contextlib.suppress(ValueError, OSError):  # some systems don't bound memory
                resource.setrlimit(getattr(resource, name), (most, most + (name == "RLIMIT_CPU")))
    try:
        parsed = cleaned(_parse(Path(os.fsdecode(bytes.fromhex(job["path"]))), job))
        if len(parsed.text) > job["chars"]:
            raise Unreadable(f"holds more than {job['chars']:,} characters; split it")
        if not parsed.text.strip():
            raise Unreadable("holds no text")
        headings = [(each.start, each.end, each.level, each.text) for each in parsed.headings]
        answer = json.dumps({"parsed": [parsed.text, parsed.title, headings, parsed.pages, parsed.notes]})
    except Unreadable as error:
        answer = json.dumps({"problem": str(error)})
    except MemoryError:
        answer = json.dumps({"problem": f"takes more than {job['memory_mb']:,} MB of memory"})
    except OSError as error:
        answer = json.dumps({"problem": f"can't be read: {error.strerror or error}"})
    except BaseException as error:  # parsers raise what they want
        what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        answer = json.dumps({"problem": f"can't be parsed ({what}); it may be damaged"})
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(answer.encode())
    os._exit(0)


def _parse(path: Path, job: dict[str, Any]) -> Parsed:
    if not job["reader"]:
        check_content(path, job["key"])
        return FORMATS[job["key"]].parse(path)
    found = load_named(job["reader"], {}, _READER)(path)
    pages = [found] if isinstance(found, str) else found
    if not isinstance(pages, list | tuple) or not all(isinstance(each, str) for each in pages):
        raise Unreadable(f"{job['reader']} must return a text, or a list of one text per page")
    text, starts = "", list[tuple[int, int]]()
    for page in pages:
        text += "\n\n" if text else ""
        starts.append((len(text), len(starts) + 1))
        text += page
    headings = tuple(find_headings(text, "Markdown"))
    return Parsed(text, "", headings, () if isinstance(found, str) else tuple(starts))
