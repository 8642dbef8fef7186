"""Where in a row a text stands: `instruction`, `messages[0].content`, `messages[user].content`, `a.b[-1]`.

A step is a name, a place in a list (from 0, or from the end: -1 is the last), a role (system, user or
assistant), which takes the first message in it, or `["any name"]` for a name with dots or brackets in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UsageError
from ..core.suggest import closest
from .chunks import Row

_STEP = re.compile(
    r'(?:^|(?<!^)\.)(?P<name>[^.\[\]]+)|\[(?P<place>-?\d+)\]|\[(?P<role>system|user|assistant)\]|\["(?P<quoted>[^"]+)"\]'
)


@dataclass(frozen=True, slots=True)
class Role:
    """A step to the first message of a list that somebody in this role wrote."""

    name: str

    def of(self, messages: object) -> object:
        """That message; None where there is none."""
        found = messages if isinstance(messages, list) else []
        return next((each for each in found if isinstance(each, Mapping) and each.get("role") == self.name), None)


@dataclass(frozen=True, slots=True)
class Column:
    """A path into a row, in its steps: names, places in lists, roles. The first one is a name."""

    path: str
    steps: tuple[str | int | Role, ...]

    @property
    def top(self) -> str:
        """The column of the table in which the path begins."""
        return str(self.steps[0])

    def find(self, values: Mapping[str, Any]) -> object:
        """What stands there; None where the row doesn't go that far."""
        found: Any = values
        try:
            for step in self.steps:
                if isinstance(found, str):
                    return None
                found = step.of(found) if isinstance(step, Role) else found[step]
        except (KeyError, IndexError, TypeError):
            return None
        return found


def parse_columns(paths: Iterable[str]) -> tuple[Column, ...]:
    """The columns of `paths`; raises UsageError for the first one that is none."""
    return tuple(map(_parse, paths))


def _parse(path: str) -> Column:
    steps: list[str | int | Role] = []
    end = 0
    while end < len(path):
        step = _STEP.match(path, end)
        if step is None:
            raise UsageError(
                f"column {path!r}: can't be read from {path[end:]!r} on; "
                'write it like instruction, messages[0].content or ["a.b"].c'
            )
        place = step["place"]
        named = Role(step["role"]) if step["role"] else step["name"] or step["quoted"]
        steps.append(int(place) if place else named)
        end = step.end()
    if not steps or not isinstance(steps[0], str):
        raise UsageError(f"column {path!r}: must begin with a column's name, as in messages[0].content")
    return Column(path, tuple(steps))


def text_of(values: Mapping[str, Any], columns: Sequence[Column]) -> str | None:
    """The text of a row: that of its columns, a line break between them; None when one of them holds no text."""
    if len(columns) == 1:
        found = columns[0].find(values)
        return found if isinstance(found, str) else None
    texts = [column.find(values) for column in columns]
    parts = [text for text in texts if isinstance(text, str)]
    return "\n".join(parts) if len(parts) == len(texts) else None


def texts_of(objects: Iterable[Mapping[str, Any] | None], columns: Sequence[Column]) -> list[str | None]:
    """`text_of` each row; None for one that is None, too."""
    if len(columns) == 1 and len(columns[0].steps) == 1:  # by far the most common, and faster so
        name = columns[0].top
        found = [values.get(name) if values else None for values in objects]
        return [text if isinstance(text, str) else None for text in found]
    return [None if values is None else text_of(values, columns) for values in objects]


def why_no_text(row: Row, columns: Sequence[Column], option: str) -> str:
    """One line: where the row stands and what is missing in it. option: that names another column."""
    if row.problem:
        return f"{row.where}: {row.problem}"
    for column in columns:
        found: Any = row.values
        for number, step in enumerate(column.steps):
            if isinstance(step, Role):
                if (message := step.of(found)) is None:
                    return (
                        f"{row.where}: no column {column.path!r}: no message of {_before(column, number)} has this role"
                    )
                found = message
                continue
            if isinstance(step, str) and isinstance(found, Mapping):
                if step not in found:
                    return (
                        f"{row.where}: no column {column.path!r}; {_what_is_there(step, found, column, number, option)}"
                    )
            elif isinstance(step, str) or not isinstance(found, list):
                kind = "an object" if isinstance(step, str) else "a list"
                return f"{row.where}: no column {column.path!r}: {_before(column, number)} is not {kind}"
            elif not -len(found) <= step < len(found):
                return f"{row.where}: no column {column.path!r}: {_before(column, number)} has {len(found)} items"
            found = found[step]
        if not isinstance(found, str):
            return f"{row.where}: column {column.path!r} holds {_kind(found)}, not text"
    raise AssertionError(f"{row.where} has its text")


def _what_is_there(step: str, found: Mapping[str, Any], column: Column, number: int, option: str) -> str:
    names = [str(name) for name in found]
    guess = closest(step, names)
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
    place = "columns here" if number == 0 else f"in {_before(column, number)}"
    way_out = f" (is it {guess!r}?)" if guess else f"; name the right one with {option}" if names and not number else ""
    return f"{place}: {listed}{way_out}"


def _before(column: Column, number: int) -> str:
    """The path's first `number` steps as they are written."""
    end = 0
    for _ in range(number):
        step = _STEP.match(column.path, end)
        assert step is not None
        end = step.end()
    return column.path[:end]


def _kind(value: object) -> str:
    if value is None:
        return "null"
    kinds = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), f"a {type(value).__name__}")
