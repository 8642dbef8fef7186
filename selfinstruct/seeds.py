"""A seed file, read and checked: every defect at once, each with its place and what to do.

Three shapes of a row are read, whatever the file's type:

* the published one, `id, name, instruction, instances: [{input, output}], is_classification`;
* Alpaca's, `instruction, input, output`;
* `messages: [{role, content}]`, the first user turn and the answer to it.

Keys that nothing here reads are kept in `SeedTask.extra`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import SeedError, UsageError
from .schema import Instance, SeedTask
from .tables import Row, read_rows

_KNOWN = frozenset({"id", "name", "instruction", "instances", "is_classification", "input", "output", "messages"})
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": None}


def load_seeds(sources: str | Iterable[str]) -> list[SeedTask]:
    """Read one or several seed files in order.

    Raises SeedError with all defects: unreadable sources, bad rows, ids and instructions that are
    there twice (also across files).
    """
    tasks: list[SeedTask] = []
    defects: list[str] = []
    ids: dict[str, str] = {}
    instructions: dict[str, str] = {}
    for source in [sources] if isinstance(sources, str) else sources:
        count = 0
        try:
            for row in read_rows(source):
                count += 1
                task = _read(row, len(tasks), defects)
                if task is None:
                    continue
                first = ids.setdefault(task.id, row.where)
                if first != row.where:
                    defects.append(f"{row.where}: id {task.id!r} is taken by {first}; give it another")
                key = " ".join(task.instruction.split())
                first = instructions.setdefault(key, row.where)
                if first != row.where:
                    defects.append(f"{row.where}: the instruction equals that of {first}; remove one")
                tasks.append(task)
        except UsageError as error:
            defects.append(str(error))
        else:
            if count == 0:
                defects.append(f"{source}: holds no task")
    if defects:
        raise SeedError(defects)
    return tasks


def seeds_digest(tasks: Iterable[SeedTask]) -> str:
    """Hash of what the teacher may see of the seeds; moving or renaming the file doesn't change it."""
    sha = hashlib.sha256()
    for task in tasks:
        instances = [[i.input, i.output] for i in task.instances]
        row = [task.id, task.instruction, instances, task.is_classification]
        sha.update(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return sha.hexdigest()[:32]


def _read(row: Row, position: int, defects: list[str]) -> SeedTask | None:
    """The task of one row, or None after noting everything that is wrong with it."""
    if row.problem:
        defects.append(f"{row.where}: {row.problem}")
        return None
    problems: list[str] = []
    values = _from_messages(row.values, problems) if row.values.get("messages") is not None else row.values
    instruction = _text(values, "instruction", problems, needed=True)
    instances = _instances(values, problems)
    task_id = values.get("id")
    if task_id is None or task_id == "":
        task_id = f"seed_{position}"
    elif not isinstance(task_id, str | int) or isinstance(task_id, bool):
        problems.append("'id' must be a string")
    classification = values.get("is_classification")
    if isinstance(classification, str):
        classification = _TRUTH.get(classification.strip().lower(), "unknown")
    if classification is not None and not isinstance(classification, bool):
        problems.append("'is_classification' must be true or false")
    name = _text(values, "name", problems)
    if problems:
        defects.extend(f"{row.where}: {problem}" for problem in problems)
        return None
    extra = {key: value for key, value in values.items() if key not in _KNOWN}
    return SeedTask(str(task_id), instruction, instances, classification, name, extra)


def _text(values: Mapping[str, Any], key: str, problems: list[str], needed: bool = False) -> str:
    value = values.get(key)
    if value is None:
        if needed:
            problems.append(f"'{key}' is missing; write what is to be done in it")
        return ""
    if not isinstance(value, str):
        problems.append(f"'{key}' must be a string")
        return ""
    if needed and not value.strip():
        problems.append(f"'{key}' is empty; write what is to be done in it")
    elif _unencodable(value):
        problems.append(f"'{key}' holds half a surrogate pair; save the text anew as UTF-8")
    return value


def _instances(values: Mapping[str, Any], problems: list[str]) -> tuple[Instance, ...]:
    found = values.get("instances")
    if found is None:
        if values.get("output") is None:
            problems.append("no instance: give 'instances' (a list of input and output), or 'output'")
            return ()
        found = [{"input": values.get("input") or "", "output": values["output"]}]
    if not isinstance(found, list):
        problems.append("'instances' must be a list of objects with 'input' and 'output'")
        return ()
    if not found:
        problems.append("'instances' is empty; give at least one with its output")
    instances = []
    for number, item in enumerate(found, 1):
        if not isinstance(item, Mapping):
            problems.append(f"instance {number} must be an object with 'input' and 'output'")
            continue
        given, output = item.get("input") or "", item.get("output")
        if not isinstance(given, str) or not isinstance(output, str):
            problems.append(f"instance {number}: 'input' and 'output' must be strings, and 'output' is needed")
        elif not output.strip():
            problems.append(f"instance {number}: 'output' is empty; write the answer, or remove the instance")
        elif _unencodable(given) or _unencodable(output):
            problems.append(f"instance {number} holds half a surrogate pair; save the text anew as UTF-8")
        else:
            instances.append(Instance(given, output))
    return tuple(instances)


def _from_messages(values: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The published shape of a `messages` row: its first user turn and the assistant's answer."""
    rest = {key: value for key, value in values.items() if key not in ("messages", "instances", "output")}
    turns = values["messages"]
    if not isinstance(turns, list) or not all(isinstance(turn, Mapping) for turn in turns):
        problems.append("'messages' must be a list of objects with 'role' and 'content'")
        return {**rest, "instruction": "?", "output": "?"}
    user = next((n for n, turn in enumerate(turns) if turn.get("role") == "user"), None)
    answer = turns[user + 1] if user is not None and user + 1 < len(turns) else None
    if user is None or answer is None or answer.get("role") != "assistant":
        problems.append("'messages' needs a user turn followed by the assistant's answer")
        return {**rest, "instruction": "?", "output": "?"}
    return {**rest, "instruction": turns[user].get("content"), "output": answer.get("content")}


def _unencodable(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
