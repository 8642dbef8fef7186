"""What every client of `loop.py` is given, and how its work is measured. Python's library and nothing else.

Each `ask_*.py` beside this file is a process of its own, in the environment of the client it is named after:

    python ask_sdk.py --base-url URL --questions FILE --in-flight 64 --folder FOLDER --result FILE [--variant NAME]
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Task:
    """Ask all questions, at most `in_flight` at a time.

    questions: bodies of chat requests, as the whole loop sent them. folder: empty, for whatever the client writes.
    variant: which of the ways that the script knows.
    """

    base_url: str
    questions: list[dict[str, Any]]
    in_flight: int
    folder: Path
    variant: str

    @property
    def texts(self) -> list[str]:
        """Each question's messages joined, for clients that take one text a question."""
        return ["".join(message["content"] for message in body["messages"]) for body in self.questions]


def measure(ask: Callable[[Task], None]) -> None:
    """Run `ask` on the task of the command line; write its seconds and its CPU seconds, child processes included."""
    parser = argparse.ArgumentParser()
    for name in ("--base-url", "--questions", "--in-flight", "--folder", "--result"):
        parser.add_argument(name, required=True)
    parser.add_argument("--variant", default="")
    given = parser.parse_args()
    questions = json.loads(Path(given.questions).read_text(encoding="utf-8"))
    task = Task(given.base_url, questions, int(given.in_flight), Path(given.folder), given.variant)
    start, cpu = time.perf_counter(), _cpu_s()
    ask(task)
    found = {"seconds": time.perf_counter() - start, "cpu_s": _cpu_s() - cpu}
    Path(given.result).write_text(json.dumps(found), encoding="utf-8")


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
