"""JSON as models write it: fenced, with prose around, with raw newlines, cut off, an item or two broken.

What can be read is read, item by item; nothing raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .lists import as_text, lines_of, number_of
from .marks import LOOSE, PROPER, is_mark

_BROKEN_ITEMS = 50
"""After so many broken items the rest of an answer is given up: each one may cost a look at all that follows."""
_NEXT = re.compile(r"[}\]\"]\s*+,\s*+(?=[{\"\[])|\}\s*+(?=\{)")
_DECODER = json.JSONDecoder(strict=False)


def read_json(text: str, key: str) -> list[Any] | None:
    """The list under `key` of a JSON answer; also a bare list, a list under another key, or objects one a line.

    None when the text is no JSON answer. It is one when a line starts with a bracket before any line starts
    with a number or a field's name: what comes later, such as a list in some output, is content.
    Items that are not closed are left out, and so are broken ones between whole ones.
    """
    text = "\n".join(lines_of(text))
    start = _opening(text)
    if start < 0:
        return None
    if text[start] == "[":
        return _items(text, start + 1)
    named = re.compile(rf'"{re.escape(key)}"\s*+:\s*+\[').search(text, start)
    if named:
        return _items(text, named.end())
    first = _decode(text, start)
    if first is None:
        listed = re.compile(r'"\w{1,40}"\s*+:\s*+\[').search(text, start)
        return _items(text, listed.end()) if listed else []
    lists = [value for value in first[0].values() if isinstance(value, list)]
    return lists[0] if lists and not fields_of(first[0]) else _items(text, start)


def fields_of(item: Mapping[str, Any]) -> dict[str, str | None]:
    """A JSON item by our own names of its fields, whatever their case or language; None where it says null."""
    found: dict[str, str | None] = {}
    for names in (PROPER, LOOSE):
        for key, value in item.items():
            name = names.get(str(key).strip().lower().replace("_", " "))
            if name is not None and found.get(name) is None:
                found[name] = None if value is None else as_text(value)
    return found


def _opening(text: str) -> int:
    """Where the JSON starts, or -1."""
    at = 0
    for line in text.split("\n"):
        bare = line.lstrip()
        if bare[:1] in ("{", "["):
            begins = at + len(line) - len(bare)
            rest = text[begins + 1 : begins + 200].lstrip()
            if rest[:1] in ('"', "{", "]", "}", ""):
                return begins
        if number_of(line) or is_mark(line):
            return -1
        at += len(line) + 1
    return -1


def _items(text: str, position: int) -> list[Any]:
    """The values from `position` to the closing bracket, with commas or nothing between them."""
    items: list[Any] = []
    broken = 0
    while broken < _BROKEN_ITEMS:
        position = _skip(text, position)
        if position >= len(text) or text[position] in "]}`":
            break
        read = _decode(text, position)
        if read is not None:
            after = _skip(text, read[1], commas=False)
            if isinstance(read[0], dict) or text[after : after + 1] in ("", ",", "]"):
                items.append(read[0])
                position = read[1]
                continue
        broken += 1
        further = _NEXT.search(text, position + 1)
        if further is None:
            break
        position = further.end()
    return items


def _decode(text: str, position: int) -> tuple[Any, int] | None:
    try:
        return _DECODER.raw_decode(text, position)
    except (ValueError, RecursionError):  # ValueError: also a whole number of more than 4,300 digits
        return None


def _skip(text: str, position: int, commas: bool = True) -> int:
    wanted = " \t\r\n," if commas else " \t\r\n"
    while position < len(text) and text[position] in wanted:
        position += 1
    return position
