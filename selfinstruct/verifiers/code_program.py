"""What the verifier 'code' runs in the sandbox: an answer's code on each input. It prints what came of each as JSON.

The expected results are never here, so code can't be right by reading them, or by changing how results are compared.
The verifier passes this file's text to the sandbox; it imports nothing of this package.
"""

import json
import os
import re
import sqlite3
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def main() -> None:
    """Read a job from stdin, {"language", "function", "setup", "code", "inputs"}, and print an outcome per input."""
    job = json.loads(sys.stdin.read())
    # What the code prints goes to stderr, and can't get between the outcomes.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = {"python": _python, "sql": _sql, "regex": _regex}[job["language"]](job)
    outcomes = [_outcome(run, each) for each in job["inputs"]]
    results.write(f"[{', '.join(outcomes)}]")
    results.close()


def _outcome(run: Callable[[Any], object], given: object) -> str:
    try:
        return json.dumps({"value": _plain(run(given))})
    except BaseException as error:  # the code may raise what it wants
        return json.dumps({"error": f"{type(error).__name__}: {error}"[:200]})


def _python(job: dict[str, Any]) -> Callable[[Any], object]:
    module = sys.modules["answer"] = ModuleType("answer")
    exec(compile(job["code"], "answer.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102  (that is the task)
    found = getattr(module, job["function"], None)
    if not callable(found):
        raise NameError(f"no function {job['function']}")
    return lambda arguments: found(*arguments)


def _sql(job: dict[str, Any]) -> Callable[[Any], object]:
    def query(rows: str) -> object:
        with sqlite3.connect(":memory:") as connection:
            connection.executescript(job["setup"] + rows)
            return connection.execute(job["code"]).fetchall()

    return query


def _regex(job: dict[str, Any]) -> Callable[[Any], object]:
    pattern = re.compile(job["code"])
    return lambda text: pattern.fullmatch(text) is not None


def _plain(value: object) -> object:
    """Turn a result into JSON that keeps its types apart: True, 1, and 1.0; a dict's keys; a list and a set."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": float.__repr__(value)}
    if isinstance(value, list | tuple):
        return {"list": [_plain(each) for each in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(key), _plain(each)] for key, each in value.items()]}
    return {"other": type(value).__name__}
