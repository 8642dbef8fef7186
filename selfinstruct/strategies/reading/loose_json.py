"""Read JSON as models write it: in fences, with prose around it, with raw newlines, truncated, with broken items.

Reads item by item and keeps what can be read; nothing raises. The strategies use it for structured responses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .lists import as_text, lines_of, number_of
from .marks import LOOSE, PROPER, is_mark

_BROKEN_ITEMS = 50
"""Stop after this many broken items: recovering from each may scan the rest of the response."""
# Where the item after a broken one begins: '}, {', '", "', '],[', or '} {' without a comma.
_NEXT = re.compile(r"[}\]\"]\s*+,\s*+(?=[{\"\[])|\}\s*+(?=\{)")
_DECODER = json.JSONDecoder(strict=False)


def read_json(text: str, key: str) -> list[Any] | None:
    """Return the list under `key`; also accept a bare list, a list under another key, or one object per line.

    Return None if the text is not a JSON response. It is one if a line starts with a bracket before any line starts
    with a number or a field name; a list further down, such as in an output, is content. Leave out items that are
    not closed or are broken.
    """
    text = "\n".join(lines_of(text))
    start = _opening(text)
    if start < 0:
        return None
    # [{"instruction": ...}, ...]
    if text[start] == "[":
        return _items(text, start + 1)
    # {"tasks": [...]}
    named = re.compile(rf'"{re.escape(key)}"\s*+:\s*+\[').search(text, start)
    if named:
        return _items(text, named.end())
    first = _decode(text, start)
    # {"items": [{...}, {"instru     the object is truncated; its list under another key can be read
    if first is None:
        listed = re.compile(r'"\w{1,40}"\s*+:\s*+\[').search(text, start)
        return _items(text, listed.end()) if listed else []
    # {"items": [...]} holds the tasks in its list; {"instruction": ...} is itself a task, and others may follow.
    lists = [value for value in first[0].values() if isinstance(value, list)]
    return lists[0] if lists and not fields_of(first[0]) else _items(text, start)


def fields_of(item: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the fields of a JSON item under the names used here, whatever their case or language; null is None.

    {'Instruction': 'Plan ...', '答案': '...'} becomes {'instruction': 'Plan ...', 'output': '...'}.
    """
    found: dict[str, str | None] = {}
    for names in (PROPER, LOOSE):
        for key, value in item.items():
            name = names.get(str(key).strip().lower().replace("_", " "))
            if name is not None and found.get(name) is None:
                found[name] = None if value is None else as_text(value)
    return found


def _opening(text: str) -> int:
    """Return the offset of the first bracket of a JSON response, or -1."""
    at = 0
    for line in text.split("\n"):
        bare = line.lstrip()
        if bare[:1] in ("{", "["):
            begins = at + len(line) - len(bare)
            # '{"tasks"', '[{', '[]' are JSON; '[1] see the note' and '{name}' are not.
            rest = text[begins + 1 : begins + 200].lstrip()
            if rest[:1] in ('"', "{", "]", "}", ""):
                return begins
        # '1. Plan ...' or 'Instruction: ...': the response is plain text.
        if number_of(line) or is_mark(line):
            return -1
        at += len(line) + 1
    return -1


def _items(text: str, position: int) -> list[Any]:
    """Return the values from `position` to the closing bracket, separated by commas or by nothing."""
    items: list[Any] = []
    broken = 0
    while broken < _BROKEN_ITEMS:
        position = _skip(text, position)
        if position >= len(text) or text[position] in "]}`":
            break
        read = _decode(text, position)
        # A string counts only before a comma or the end: '"a" of "b",' is a string with unescaped quotes.
        if read is not None:
            after = _skip(text, read[1], commas=False)
            if isinstance(read[0], dict) or text[after : after + 1] in ("", ",", "]"):
                items.append(read[0])
                position = read[1]
                continue
        # '{"input": "say "hi""}, {...': skip to the next item.
        broken += 1
        further = _NEXT.search(text, position + 1)
        if further is None:
            break
        position = further.end()
    return items


def _decode(text: str, position: int) -> tuple[Any, int] | None:
    try:
        return _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError):  # int() also raises ValueError, for more than 4,300 digits
        return None


def _skip(text: str, position: int, commas: bool = True) -> int:
    wanted = " \t\r\n," if commas else " \t\r\n"
    while position < len(text) and text[position] in wanted:
        position += 1
    return position
