"""Read and validate seed files; report all defects at once, each with its place and a remedy.

Read are the published layout of Self-Instruct (`id, name, instruction, instances: [{input, output}],
is_classification`) and those of `seed_rows`, in any file type. Other columns are kept in `SeedTask.extra`.
"""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..core.chat_markers import find_markers, trim_markers
from ..core.counted import counted
from ..core.errors import SeedError, UsageError
from ..core.reasoning import split_reasoning
from ..core.suggest import closest
from ..core.tasks import Instance, SeedTask
from ..tables import Row, plain_files, read_rows
from .seed_rows import find_tasks, is_nothing, split_row

# Defects to report before giving up.
_MOST_DEFECTS = 50
# Columns that are not read, to name in a warning.
_MOST_COLUMNS = 8
# CSV files have no booleans, so text is accepted as well.
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
# Where the cells of a row are texts: 'seeds.csv:12', 'seeds.tsv.gz:12'. There 'nan' is a missing answer of pandas.
_TABLE_OF_TEXTS = re.compile(r"\.[ct]sv(?:\.\w{1,5})?:\d+\Z", re.IGNORECASE)


def load_seeds(sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[SeedTask]:
    """Read one or several seed files in order; a task without an id gets its position, 'seed_0'.

    Raises SeedError with all defects: unreadable sources, bad rows, and duplicate ids or instructions (also
    across files).
    """
    tasks: list[SeedTask] = []
    defects: list[str] = []
    # Where each id and each instruction first occurs: 'seeds.jsonl:12'.
    ids: dict[str, str] = {}
    instructions: dict[str, str] = {}
    for source in seed_files(sources):
        count, missing = 0, dict[str, list[int]]()
        try:
            for row in find_tasks(read_rows(os.fspath(source))):
                count += 1
                if len(defects) - sum(len(places) - 1 for places in missing.values()) > _MOST_DEFECTS:
                    raise UsageError(f"{source}: stopped after {len(defects)} errors; the rest was not checked")
                task = _read_task(row, len(tasks), defects, missing)
                # Compare defective rows too, so that the next attempt reports no new defects.
                id, instruction = (task.id, task.instruction) if task else map(row.values.get, ("id", "instruction"))
                key = " ".join(instruction.split()) if isinstance(instruction, str) else ""
                if isinstance(id, str) and id in ids:
                    defects.append(f"{row.where}: {ids[id]} already has the id {id!r}; choose another")
                if key in instructions:
                    defects.append(f"{row.where}: the instruction is the same as in {instructions[key]}; remove one")
                if isinstance(id, str) and id:
                    ids.setdefault(id, row.where)
                if key:
                    instructions.setdefault(key, row.where)
                if task is not None:
                    tasks.append(task)
        except UsageError as error:
            defects.append(str(error))
        else:
            if count == 0:
                defects.append(f"{source}: contains no task; add at least one")
        # A column that no row has is one defect of the file.
        repeated: set[int] = set()
        for problem, places in missing.items():
            if len(places) == count > 1:
                defects[places[0]] = f"{source}: in all rows, {problem}"
                repeated.update(places[1:])
            repeated.update(places[_MOST_DEFECTS:])
        defects[:] = [defect for place, defect in enumerate(defects) if place not in repeated]
    if not tasks and not defects:
        defects.append("no seed file is given; name at least one")
    if defects:
        raise SeedError(defects)
    return tasks


def seed_files(sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """Expand patterns and folders of seed files into single sources, sorted by name.

    A folder that looks like a dataset (with a card, splits, or subfolders) is one source. A pattern without matches is
    returned unchanged; reading it then fails.
    """
    files: list[str] = []
    for given in [sources] if isinstance(sources, str | os.PathLike) else sources:
        source = os.fspath(given)
        # A file may really be called 'seeds[1].jsonl'.
        matches = sorted(glob.glob(source)) if glob.has_magic(source) and not os.path.exists(source) else []
        for path in matches or [source]:
            files += plain_files(path) or [path]
    return files


def unread_notes(tasks: Sequence[SeedTask]) -> list[str]:
    """Return a line for each kind of content in the seed files that no prompt shows, and how many seeds have it."""
    kinds: dict[str, list[str]] = {}
    columns: dict[str, int] = {}
    for task in tasks:
        for note in dict.fromkeys(task.notes):
            kinds.setdefault(note, []).append(task.id)
        for name, value in task.extra.items():
            if isinstance(value, str | list | dict):
                columns[name] = columns.get(name, 0) + 1
    lines = [f"seeds: {note} ({counted(len(ids), 'seed')}, the first is {ids[0]!r})" for note, ids in kinds.items()]
    if columns:
        listed = [f"{name!r} of {counted(count, 'seed')}" for name, count in columns.items()]
        more = f" and {len(listed) - _MOST_COLUMNS} more" if len(listed) > _MOST_COLUMNS else ""
        lines.append(f"seeds: not read: column {', '.join(listed[:_MOST_COLUMNS])}{more}")
    return lines


def seeds_digest(tasks: Iterable[SeedTask]) -> str:
    """Return a hash of the seed content that a teacher may see, independent of the file's path."""
    sha = hashlib.sha256()
    for task in tasks:
        instances = [[i.input, i.output] for i in task.instances]
        row = [task.id, task.instruction, instances, task.is_classification]
        sha.update(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
    return sha.hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class SeedChange:
    """The difference between given seeds and those of a run.

    tasks: the run's seeds that are still given, in the run's order, then the new ones.
    added: the new seeds. removed, edited: ids of the run's seeds that are missing or changed.
    """

    tasks: list[SeedTask] = field(default_factory=list)
    added: list[SeedTask] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)


def compare_seeds(known: Sequence[SeedTask], seeds: Sequence[SeedTask]) -> SeedChange:
    """Return which seeds were added, removed, or edited since `known`, regardless of files and order.

    A seed without an id of its own is identified by its instruction and keeps the number that it got first.
    """
    if not known:
        return SeedChange(list(seeds), list(seeds))
    by_text, by_id = {_normalize(t): t for t in known}, {t.id: t for t in known}
    kept: dict[str, SeedTask] = {}
    added, edited = [], []
    # Match each seed by its instruction, then by its id.
    for task in seeds:
        same = by_text.get(_normalize(task))
        if same is not None and _content(same) == _content(task) and (task.numbered or task.id == same.id):
            kept[same.id] = replace(task, id=same.id)
        elif same is not None:
            edited.append(same.id)
        elif not task.numbered and task.id in by_id:
            edited.append(task.id)
        else:
            added.append(task)
    # Number the new seeds without an id after those of the run: 'seed_175'.
    used = by_id.keys() | {task.id for task in added if not task.numbered}
    free = (id for id in (f"seed_{n}" for n in itertools.count(len(known))) if id not in used)
    added = [replace(task, id=next(free)) if task.numbered else task for task in added]
    removed = [task.id for task in known if task.id not in kept and task.id not in edited]
    return SeedChange([kept[t.id] for t in known if t.id in kept] + added, added, removed, edited)


def _normalize(task: SeedTask) -> str:
    return " ".join(task.instruction.split())


def _content(task: SeedTask) -> tuple[object, ...]:
    return task.instruction, task.instances, task.is_classification


def _read_task(row: Row, position: int, defects: list[str], missing: dict[str, list[int]]) -> SeedTask | None:
    """Return the task of one row, or None after appending all of the row's problems to `defects`.

    missing: Receives for each missing column the places of its problem in `defects`.
    """
    if row.problem:
        defects.append(f"{row.where}: {row.problem}")
        return None
    problems: list[str] = []
    notes: list[str] = []
    values, extra = split_row(row.values, problems, notes)
    if values.get("output") == "nan" and _TABLE_OF_TEXTS.search(row.where):
        values["output"] = None
    # Read the texts. Markers of chat templates at their edges belong to no text.
    trim = str if values.get("is_rendered") else trim_markers
    if isinstance(text := values.get("instruction"), str):
        values["instruction"] = trim(text)
    instruction = _text(values, "instruction", problems, needed=True, others=extra)
    instances = _instances(values, problems, notes, trim)
    texts = [instruction, *(text for each in instances for text in (each.input, each.output))]
    if trim is trim_markers and any(map(find_markers, texts)):
        notes.append("a marker of a chat template inside a text is kept")
    name = _text(values, "name", problems)
    # Read the id: a string, an integer, or nothing.
    task_id = values.get("id")
    numbered = not isinstance(task_id, list | dict) and is_nothing(task_id)
    if numbered:
        task_id = f"seed_{position}"
    elif not isinstance(task_id, str | int) or isinstance(task_id, bool):
        problems.append("'id' must be a string")
    elif isinstance(task_id, str) and (flaw := _find_flaw(task_id)):
        problems.append(f"'id' contains {flaw}")
    # Read the label: true, false, or nothing.
    classification = values.get("is_classification")
    if is_nothing(classification):
        classification = None
    elif isinstance(classification, str):
        classification = _BOOLEANS.get(classification.strip().lower(), "unknown")
    if classification is not None and not isinstance(classification, bool):
        problems.append("'is_classification' must be true or false")
    for problem in problems:
        if problem.startswith(("no instance;", "'instruction' is missing")):
            missing.setdefault(problem, []).append(len(defects))
        defects.append(f"{row.where}: {problem}")
    if problems:
        return None
    return SeedTask(str(task_id), instruction, instances, classification, name, extra, numbered, tuple(notes))


def _text(
    values: Mapping[str, Any], key: str, problems: list[str], needed: bool = False, others: Collection[str] = ()
) -> str:
    value = values.get(key)
    if value is None:
        if needed:
            guess = closest(key, others)
            columns = f" (other columns: {', '.join(list(others)[:_MOST_COLUMNS])})" if others else ""
            hint = f"did you mean {guess!r}? rename that key" if guess else f"describe the task in it{columns}"
            problems.append(f"'{key}' is missing; {hint}")
        return ""
    if not isinstance(value, str):
        problems.append(f"'{key}' must be a string")
        return ""
    if needed and is_nothing(value):
        problems.append(f"'{key}' is empty; describe the task in it")
    elif flaw := _find_flaw(value):
        problems.append(f"'{key}' contains {flaw}")
    return value


def _instances(
    values: Mapping[str, Any], problems: list[str], notes: list[str], trim: Callable[[str], str]
) -> tuple[Instance, ...]:
    items = values.get("instances")
    # The Alpaca layout has one instance, next to the instruction.
    if items is None or items == "":
        if values.get("output") is None:
            problems.append("no instance; add 'instances', a list of objects with 'input' and 'output', or 'output'")
            return ()
        items = [{"input": values.get("input"), "output": values["output"]}]
    if not isinstance(items, list):
        problems.append("'instances' must be a list of objects with 'input' and 'output'")
        return ()
    if not items:
        problems.append("'instances' is empty; add at least one instance with its output")
    # Check each instance: {"input": "Paris", "output": "France"}.
    instances = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            problems.append(f"instance {number} must be an object with 'input' and 'output'")
            continue
        given, output = item.get("input"), item.get("output")
        given = "" if is_nothing(given) else given
        unread = [key for key, value in item.items() if key not in ("input", "output") and not is_nothing(value)]
        notes += [f"key {key!r} of an instance is not read" for key in unread if isinstance(item[key], str)]
        if not isinstance(given, str) or not isinstance(output, str):
            problems.append(f"instance {number}: 'input' and 'output' must be strings, and 'output' is required")
            continue
        thought, answer = split_reasoning(output)
        if thought:
            notes.append("the reasoning before an answer is not read")
        given, output = trim(given), trim(answer)
        if not output.strip():
            problems.append(f"instance {number}: 'output' is empty; write the answer, or remove the instance")
        elif flaw := _find_flaw(given) or _find_flaw(output):
            problems.append(f"instance {number} contains {flaw}")
        else:
            instances.append(Instance(given, output))
    return tuple(instances)


def _find_flaw(text: str) -> str | None:
    if "\0" in text:
        return "a NUL character; remove it"
    if any("\ud800" <= char <= "\udfff" for char in text):
        return "half a surrogate pair; save the file as UTF-8"
    return None
