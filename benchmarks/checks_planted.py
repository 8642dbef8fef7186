"""Right and wrong answers to drawn tasks, of all kinds but code; `checks.py planted` uses them.

An answer is right or wrong by how it is made, never by what a verifier says of it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from selfinstruct.strategies.verifiable import constraints, lists, maths, structured
from selfinstruct.strategies.verifiable.task import Task
from selfinstruct.verifiers.lists import WRITERS

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "verifiers"))
from texts_for_constraints import TEXTS, Writer

Answered = tuple[Task, str, str]
"""A task, an answer, and the planted mistake, or ''."""


def language_of(random: Random) -> str:
    return random.choice(("en", "en", "zh"))


# --- maths ------------------------------------------------------------------------------------

_OTHER_UNITS = ("km", "kg", "liters", "hours", "€")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def plant_maths(random: Random, right: bool) -> Answered:
    language = language_of(random)
    while True:
        task = maths.draw(random, language)
        if right:
            return task, _worded(task, random, language), ""
        if wrong := [each for each in _wrong_maths(task, random, language) if each[1] != task.solution]:
            mistake, answer = random.choice(wrong)
            return task, answer, mistake


def _worded(task: Task, random: Random, language: str, value: str = "", unit: str | None = None) -> str:
    """An answer in one of several styles. value, unit: what it states instead of the expected ones."""
    expected = json.loads(task.ground_truth.expected)
    *steps, _ = task.solution.split("\n")
    value, stated = value or expected["value"], expected.get("unit") if unit is None else unit
    if re.fullmatch(r"\d{4,}", value) and random.random() < 0.5:
        value = f"{int(value):,}"
    if stated and (unit is not None or random.random() < 0.7):
        value = f"{stated}{value}" if stated in ("$", "€") else f"{value} {stated}"
    value = random.choice(("{}", "{}", "**{}**", "\\boxed{{{}}}")).format(value)
    said = {
        "en": ("The answer is {}.", "So the result is {}.", "Therefore, {} is the answer.", "Answer: {}"),
        "zh": ("答案是{}。", "所以结果是{}。", "答案：{}"),
    }[language]
    last = f"{expected['marker']} {value}" if "marker" in expected else random.choice(said).format(value)
    return "\n".join([*(steps if random.random() < 0.7 else []), last])


def _wrong_maths(task: Task, random: Random, language: str) -> Iterator[tuple[str, str]]:
    expected = json.loads(task.ground_truth.expected)
    value, unit, marker = (expected.get(key, "") for key in ("value", "unit", "marker"))
    for what, other in _other_values(value, language):
        yield what, _worded(task, random, language, other)
    if unit:
        other = random.choice([each for each in _OTHER_UNITS if each != unit])
        yield f"{other} instead of {unit}", _worded(task, random, language, unit=other)
    *steps, last = task.solution.split("\n")
    for number, step in enumerate(steps):
        # '3 * 4 = 12': the result of a step, but not that of the whole.
        before, equals, result = step.rpartition("= ")
        if found := _NUMBER.search(result) if equals else None:
            wrong = f"{before}= {result[: found.start()]}{_changed(found[0], 1)}{result[found.end() :]}"
            yield "a false equation", "\n".join([*steps[:number], wrong, *steps[number + 1 :], last])
    if marker:
        yield "no marker", task.solution.replace(marker, "", 1)
    yield "no result", "I can't say that without more information."


def _other_values(value: str, language: str) -> Iterator[tuple[str, str]]:
    days = maths._DAYS[language]
    if value in days:
        yield "the next day", days[(days.index(value) + 1) % 7]
    elif ":" in value:
        hours, minutes = map(int, value.split(":"))
        yield "ten minutes later", f"{hours}:{(minutes + 10) % 60:02}"
        yield "an hour later", f"{hours + 1}:{minutes:02}"
    else:
        yield "one more", _changed(value, 1)
        yield "ten times as much", _changed(value, 0, 10)
        yield "a third less", _changed(value, 0, 2 / 3)
        if re.fullmatch(r"\d\d+", value) and value[0] != value[1]:
            yield "two digits swapped", value[1] + value[0] + value[2:]


def _changed(value: str, plus: float, times: float = 1) -> str:
    number = float(value.replace(",", "")) * times + plus
    return f"{number:.2f}".rstrip("0").rstrip(".")


# --- structured -------------------------------------------------------------------------------


def plant_structured(random: Random, right: bool) -> Answered:
    while True:
        task = structured.draw(random, language_of(random))
        expected = json.loads(task.ground_truth.expected)
        kind, value = expected["format"], expected["value"]
        if right:
            return task, _framed(structured._written(kind, _reordered(value, random)), kind, random), ""
        mistake, change = random.choice(_STRUCTURED_MISTAKES)
        wrong = change(json.loads(json.dumps(value)), kind, random)
        if wrong is None or wrong == value:
            continue
        if isinstance(wrong, str):  # something besides
            return task, wrong.format(_framed(structured._written(kind, value), kind, random, fenced=True)), mistake
        return task, _framed(structured._written(kind, wrong), kind, random), mistake


def _framed(text: str, kind: str, random: Random, fenced: bool = False) -> str:
    label = {"json": "json", "yaml": "yaml", "csv": "csv", "table": "markdown"}[kind]
    plain = [] if fenced else [text]
    return random.choice([*plain, f"```{label}\n{text}\n```", f"```\n{text.rstrip()}\n```\n"])


def _reordered(value: Any, random: Random) -> Any:
    """The same with its fields in another order."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        order = random.sample(list(value[0]), len(value[0]))
        return [{key: row[key] for key in order} for row in value]
    return {key: value[key] for key in random.sample(list(value), len(value))}


def _in_a_row(change: Callable[[dict[str, Any], str, str, Random], Any]) -> Callable[[Any, str, Random], Any]:
    """A change of one field, of the object or of one of the rows; None if it can't be made there."""

    def changed(value: Any, kind: str, random: Random) -> Any:
        row = random.choice(value) if isinstance(value, list) else value
        field = random.choice(list(row))
        return value if change(row, field, kind, random) is not False else None

    return changed


def _number_changed(row: dict[str, Any], field: str, kind: str, random: Random) -> object:
    if isinstance(row[field], bool) or not isinstance(row[field], int | float):
        return False
    row[field] = row[field] + random.choice((1, -1, 10))
    return True


def _flag_flipped(row: dict[str, Any], field: str, kind: str, random: Random) -> object:
    if not isinstance(row[field], bool):
        return False
    row[field] = not row[field]
    return True


def _text_changed(row: dict[str, Any], field: str, kind: str, random: Random) -> object:
    text = row[field]
    if not isinstance(text, str) or len(text) < 3:
        return False
    row[field] = random.choice((text[:-1], f"{text}s", text.upper() if text.upper() != text else text[1:]))
    return True


def _date_in_words(row: dict[str, Any], field: str, kind: str, random: Random) -> object:
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(row[field]))
    if not found:
        return False
    row[field] = random.choice((f"{found[3]}.{found[2]}.{found[1]}", f"{found[2]}/{found[3]}/{found[1]}"))
    return True


def _as_text(row: dict[str, Any], field: str, kind: str, random: Random) -> object:
    if kind in ("csv", "table") or isinstance(row[field], str | list):
        return False  # cells have no types
    row[field] = str(row[field])
    return True


def _of_all_rows(change: Callable[[dict[str, Any], str], None]) -> Callable[[Any, str, Random], Any]:
    def changed(value: Any, kind: str, random: Random) -> Any:
        rows = value if isinstance(value, list) else [value]
        field = random.choice(list(rows[0]))
        for row in rows:
            change(row, field)
        return value

    return changed


def _renamed(row: dict[str, Any], field: str) -> None:
    row[f"{field}_value" if "_" in field else f"the_{field}"] = row.pop(field)


def _rows_only(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any, str, Random], Any]:
    return lambda value, kind, random: change(value) if isinstance(value, list) else None


_STRUCTURED_MISTAKES: tuple[tuple[str, Callable[[Any, str, Random], Any]], ...] = (
    ("a number changed", _in_a_row(_number_changed)),
    ("a flag flipped", _in_a_row(_flag_flipped)),
    ("a text changed", _in_a_row(_text_changed)),
    ("a date in another form", _in_a_row(_date_in_words)),
    ("a number or flag as a text", _in_a_row(_as_text)),
    ("a field missing", _of_all_rows(lambda row, field: row.pop(field) and None)),
    ("a field renamed", _of_all_rows(_renamed)),
    ("a field added", _of_all_rows(lambda row, field: row.update(remark="none"))),
    ("rows in another order", _rows_only(lambda rows: rows[::-1])),
    ("a row missing", _rows_only(lambda rows: rows[:-1])),
    ("a row twice", _rows_only(lambda rows: [*rows, rows[-1]])),
    ("an explanation besides", lambda value, kind, random: "{}\nEvery field is taken from the text above."),
    ("an introduction", lambda value, kind, random: "Here is what you asked for:\n\n{}"),
    ("two blocks", lambda value, kind, random: "{0}\n\n{0}"),
)


# --- lists ------------------------------------------------------------------------------------

_LIST_MISTAKES: tuple[tuple[str, Callable[[list[str], Random], list[str]]], ...] = (
    ("one missing", lambda items, random: items[:-1]),
    ("one twice", lambda items, random: [*items, items[0]]),
    ("another one", lambda items, random: [*items[:-1], "something else"]),
    ("two swapped", lambda items, random: [items[1], items[0], *items[2:]]),
    ("the last one first", lambda items, random: [items[-1], *items[:-1]]),
)


def plant_lists(random: Random, right: bool) -> Answered:
    while True:
        task = lists.draw(random, language_of(random))
        given = json.loads(task.ground_truth.expected)
        form, items = given["form"], given["items"][: given.get("any")]
        if right:
            random.shuffle(items if "any" in given else [])
            written = WRITERS[form](items)
            around = ("{}", "{}\n", "```json\n{}\n```") if form == "json" else ("{}", "{}\n", " {}")
            return task, random.choice(around).format(written), ""
        mistake, change = random.choice(_LIST_MISTAKES)
        wrong = change(items, random)
        if random.random() < 0.3:
            other = random.choice([each for each in WRITERS if each != form])
            return task, WRITERS[other](items), f"{other} instead of {form}"
        if wrong != items and not ("any" in given and mistake in ("two swapped", "the last one first")):
            return task, WRITERS[form](wrong), mistake


# --- constraints ------------------------------------------------------------------------------


def plant_constraints(random: Random, right: bool) -> Answered:
    """Texts that are made for one constraint, so only tasks with a single one are drawn."""
    language = language_of(random)
    while True:
        task = constraints.draw(random, language)
        given = json.loads(task.ground_truth.expected)["constraints"]
        if len(given) == 1:
            break
    parameters = {key: value for key, value in given[0].items() if key not in ("name", "text")}
    satisfying, violating = TEXTS[given[0]["name"]]
    make = satisfying if right else violating
    return task, make(Writer(random, language), parameters), "" if right else given[0]["name"]


PLANTS: dict[str, Callable[[Random, bool], Answered]] = {
    "maths": plant_maths,
    "structured": plant_structured,
    "lists": plant_lists,
    "constraints": plant_constraints,
}
