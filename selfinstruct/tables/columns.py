"""Column paths to a text in a row: `instruction`, `messages[0].content`, `conversations[user][0].value`, `a.b[-1]`.

A step is a name, an index in a list (from 0; -1 is the last item), a role (the first message with that role; with an
index, one of them), or `["any name"]` for a name with dots or brackets. A path that ends with a role means the text of
the message. Dedup and the evaluation sets use paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.errors import UsageError
from ..core.suggest import closest
from .chats import PART_OF, message_text, turns_of
from .chunks import Row, kind_of

# One step of a path. In 'messages[user].content' the steps are 'messages', '[user]' and '.content'.
_STEP = re.compile(
    r"(?:^|(?<!^)\.)(?P<name>[^.\[\]]+)|\[(?P<place>-?\d+)\]"
    r'|\["(?P<quoted>[^"]+)"\]'
    rf"|\[(?P<role>(?i:{'|'.join(PART_OF)}))\](?:\[(?P<nth>-?\d+)\])?"
)


@dataclass(frozen=True, slots=True)
class Role:
    """A step to a message with this role in a chat; user, human and prompter are one role, for example.

    place: which of these messages, from 0; -1 is the last one.
    """

    name: str
    place: int = 0

    def of(self, messages: object) -> object:
        """Return that message, or None. A role as written goes before other names for the same part."""
        pairs = list(zip(messages, turns_of(messages) or [], strict=False)) if isinstance(messages, list) else []
        part = PART_OF[self.name.lower()]
        same = [message for message, turn in pairs if turn.role == self.name]
        same = same or [message for message, turn in pairs if turn.part == part]
        return same[self.place] if -len(same) <= self.place < len(same) else None


@dataclass(frozen=True, slots=True)
class Column:
    """A path into a row, parsed into steps: names, list indexes and roles. The first step is a name."""

    path: str
    steps: tuple[str | int | Role, ...]

    @property
    def top(self) -> str:
        """The table column in which the path begins."""
        return str(self.steps[0])

    def find(self, values: Mapping[str, Any]) -> object:
        """Return the value at the end of the path, or None if the row lacks a step."""
        found: Any = values
        try:
            for step in self.steps:
                if isinstance(found, str):  # a string would accept an index
                    return None
                found = step.of(found) if isinstance(step, Role) else found[step]
        except (KeyError, IndexError, TypeError):
            return None
        return message_text(found) if isinstance(self.steps[-1], Role) else found


def parse_columns(paths: Iterable[str]) -> tuple[Column, ...]:
    """Parse column paths. Raises UsageError for the first path that is malformed."""
    return tuple(map(_parse, paths))


def _parse(path: str) -> Column:
    steps: list[str | int | Role] = []
    end = 0
    while end < len(path):
        step = _STEP.match(path, end)
        if step is None:
            raise UsageError(
                f"column {path!r}: can't be parsed from {path[end:]!r} on; "
                'write it like instruction, messages[0].content or ["a.b"].c'
            )
        place = step["place"]
        named = Role(step["role"], int(step["nth"] or 0)) if step["role"] else step["name"] or step["quoted"]
        steps.append(int(place) if place else named)
        end = step.end()
    if not steps or not isinstance(steps[0], str):
        raise UsageError(f"column {path!r}: must begin with the name of a column, as in messages[0].content")
    return Column(path, tuple(steps))


def text_of(values: Mapping[str, Any], columns: Sequence[Column]) -> str | None:
    """Return the texts of `columns` in a row, joined by line breaks; None if any column holds no text."""
    if len(columns) == 1:
        found = columns[0].find(values)
        return found if isinstance(found, str) else None
    texts = [column.find(values) for column in columns]
    parts = [text for text in texts if isinstance(text, str)]
    return "\n".join(parts) if len(parts) == len(texts) else None


def texts_of(objects: Iterable[Mapping[str, Any] | None], columns: Sequence[Column]) -> list[str | None]:
    """Return `text_of` for each row; None for a row that is None."""
    if len(columns) == 1 and len(columns[0].steps) == 1:  # fast path for the most common case
        name = columns[0].top
        found = [values.get(name) if values else None for values in objects]
        return [text if isinstance(text, str) else None for text in found]
    return [None if values is None else text_of(values, columns) for values in objects]


def why_no_text(row: Row, columns: Sequence[Column], option: str) -> str:
    """Explain in one line why a row has no text; `option` is the command-line option that names another column.

    For example "in.jsonl:3: no column 'text'; columns here: prompt, response; name the right one with --column".
    """
    if row.problem:
        return f"{row.where}: {row.problem}"
    for column in columns:
        missing = f"{row.where}: no column {column.path!r}"
        found: Any = row.values
        # Follow the path until a step fails.
        for number, step in enumerate(column.steps):
            before = _path_before(column, number)
            if isinstance(step, Role):
                if (message := step.of(found)) is None:
                    return f"{missing}: {_why_no_message(found, before)}"
                found = message
                continue
            if isinstance(step, str) and isinstance(found, Mapping):
                if step not in found:
                    return f"{missing}; {_list_columns(step, found, before, option)}"
            elif isinstance(step, str) or not isinstance(found, list):
                return f"{missing}: {before} is not {'an object' if isinstance(step, str) else 'a list'}"
            elif not -len(found) <= step < len(found):
                return f"{missing}: {before} has {len(found)} items"
            found = found[step]
        found = column.find(row.values)
        if not isinstance(found, str):
            return f"{row.where}: column {column.path!r} holds {kind_of(found)}, not text"
    raise AssertionError(f"{row.where} has its text")


def _list_columns(step: str, found: Mapping[str, Any], before: str, option: str) -> str:
    names = [str(name) for name in found]
    listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") if names else "none"
    place = f"in {before}" if before else "columns here"
    guess = closest(step, names)
    hint = f" (is it {guess!r}?)" if guess else f"; name the right one with {option}" if names and not before else ""
    return f"{place}: {listed}{hint}"


def _why_no_message(found: object, before: str) -> str:
    roles = list(dict.fromkeys(turn.role for turn in turns_of(found) or []))
    if not roles:
        return f"{before} is not a list of messages"
    return f"no message of {before} has this role; the roles are {', '.join(roles[:12])}"


def _path_before(column: Column, number: int) -> str:
    """Return the first `number` steps of the path as written: 'messages[user]' for the first two above."""
    end = 0
    for _ in range(number):
        step = _STEP.match(column.path, end)
        assert step is not None
        end = step.end()
    return column.path[:end]
