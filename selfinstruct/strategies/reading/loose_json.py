"""Read JSON as models write it: in fences, with prose around it, one object after the other, truncated, broken.

Reads item by item. What deviates from JSON but has one meaning only is read: comments, trailing commas, single or curly
quotes, bare keys, Python's constants, raw line breaks, backslashes that escape nothing, brackets that are never closed.
Anything else that is no item is returned in `Extract.lost`. Nothing raises. The strategies use it for structured
responses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from .lines import FENCE, Extract, lines_of
from .lists import number_of
from .marks import LOOSE, PROPER, is_mark

_BROKEN_ITEMS = 50
"""Stop after this many broken items: recovering from each may scan the rest of the response."""
_MOST_CHARACTERS = 100_000
"""An item that is no strict JSON is read up to this length."""
# Where the item after a broken one begins, by the first character of the broken one: '}, {', '} {', '", "', '],['
_NEXT = {
    "{": re.compile(r"\}\s*+,?+\s*+(?=[{\]])"),
    "[": re.compile(r"\]\s*+,\s*+(?=\[)"),
    "": re.compile(r"[\"'”\w]\s*+,\s*+(?=[\"'“{\[])"),
}
_COMMENT = r"//[^\n]*+|\#(?!\#)[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+"
_SPACE = re.compile(rf"(?:\s|{_COMMENT})*+", re.VERBOSE)
_SEPARATOR = re.compile(rf"(?:[\s,]|{_COMMENT})*+", re.VERBOSE)
_BETWEEN = re.compile(rf"(?:[\s,\]}}]|{_COMMENT})*+", re.VERBOSE)
_TOKEN = re.compile(
    rf"""(?:\s|{_COMMENT})*+
        (?: (?P<string>"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|“(?:[^“”\\]|\\.)*+”)
          | (?P<sign>[\[\]{{}},:]) | (?P<word>[\w.+-]++) )""",
    re.VERBOSE | re.DOTALL,
)
_CONSTANTS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_BEGINS = re.compile(r"[{\[]\s*+(?:[\"'“{\[\]}/#]|\w++\s*+:|$)")
# '{"note": "x", "tasks": [': members before the list that holds the items
_SCALAR = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[\w.+-]++)"""
_LISTED = re.compile(rf"""\{{\s*+(?:{_SCALAR}\s*+:\s*+{_SCALAR}\s*+,\s*+)*+["'“]?+(\w{{1,40}}+)["'”]?+\s*+:\s*+\[""")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError for a key that it has twice: json would silently drop the first value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_unique)


def read_json(text: str, key: str, truncated: bool = False) -> Extract[Any] | None:
    """Return the items under `key`; also accept a bare list, a list under another key, or objects in a row.

    Return None if the text is not a JSON response. It is one if a line starts with a bracket before any line starts
    with a number or a field name; a list further down, such as in an output, is content.

    Args:
        text: A teacher's response.
        key: The key of the list that the prompt requests.
        truncated: Whether the token limit cut the response, so that an item that is not closed is incomplete.
    """
    text = "\n".join(lines_of(text))
    reading: Extract[Any] = Extract()
    at, last = _opening(text, 0), 0
    if at < 0:
        return None
    while at >= 0:
        reading.lose("left_out", _outside(text[last:at]))
        last = _read_value(text, at, key, truncated, reading)
        # '{...}, {...}' on one line, or a further line that starts with a bracket
        following = _BETWEEN.match(text, last).end()  # type: ignore[union-attr]
        at = following if text[following : following + 1] in ("{", "[") else _opening(text, following)
    reading.lose("left_out", _outside(text[last:]))
    return reading


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


def as_text(value: object) -> str:
    """Return a JSON value as the text of a field: strings as they are, a list of strings as lines, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip()
    # ["First step", "Second step"]
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value).strip()
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def _opening(text: str, at: int) -> int:
    """Return the offset of the first bracket of a JSON response from `at` on, or -1."""
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text) + 1
        line = text[at : end - 1]
        bare = line.lstrip()
        # '{"tasks"', '[{', '[]', "{name:" are JSON; '[1] see the note' and '{name}' are not.
        if _BEGINS.match(bare) and (bare[1:].strip() or _BEGINS.match(bare[:1] + text[end : end + 200].lstrip())):
            return at + len(line) - len(bare)
        # '1. Plan ...' or 'Instruction: ...': the response is plain text.
        if number_of(line) or is_mark(line):
            return -1
        at = end
    return -1


def _outside(text: str) -> str:
    """Return what stands between JSON values, without fences and stray brackets."""
    return "\n".join(line for line in text.split("\n") if not FENCE.match(line)).strip(" \t\n]},")


def _read_value(text: str, at: int, key: str, truncated: bool, reading: Extract[Any]) -> int:
    """Add the items of the value at `at`, and return where the value ends."""
    # [{"instruction": ...}, ...]
    if text[at] == "[":
        return _read_items(text, at + 1, truncated, reading)
    read = _decode(text, at, truncated)
    # An object with a broken or truncated item: {"tasks": [{...}, {"instru
    if read is None:
        listed = _LISTED.match(text, at)
        if listed and listed[1].lower() not in PROPER | LOOSE:
            return _read_items(text, listed.end(), truncated, reading)
        return _skip_item(text, at, reading)
    # {"tasks": [...]} or {"items": [...]} holds the tasks in its list; {"instruction": ...} is itself a task.
    value, end = read
    lists = [value[key]] if isinstance(value.get(key), list) else []
    if not lists and not fields_of(value):
        lists = [each if isinstance(each, list) else [each] for each in value.values() if isinstance(each, list | dict)]
    reading.items.extend(chain(*lists) if lists else [value])
    return end


def _read_items(text: str, at: int, truncated: bool, reading: Extract[Any]) -> int:
    """Add the values from `at` to the closing bracket, separated by commas or by nothing; return where they end."""
    broken = 0
    while True:
        at = _SEPARATOR.match(text, at).end()  # type: ignore[union-attr]
        if at >= len(text) or text[at] in "]}`":
            return at
        read = _decode(text, at, truncated)
        # A string counts only before a comma or the end: '"a" of "b",' is a string with unescaped quotes.
        if read is not None:
            after = _SPACE.match(text, read[1]).end()  # type: ignore[union-attr]
            if isinstance(read[0], dict) or text[after : after + 1] in ("", ",", "]"):
                reading.items.append(read[0])
                at = read[1]
                continue
        broken += 1
        if broken > _BROKEN_ITEMS:
            return at
        # '{"input": "say "hi""}, {...': skip to the next item.
        at = _skip_item(text, at, reading)


def _skip_item(text: str, at: int, reading: Extract[Any]) -> int:
    """Note a broken item as lost, and return where the next one begins."""
    further = _NEXT.get(text[at], _NEXT[""]).search(text, at + 1)
    end = further.end() if further else len(text)
    reading.lose("unreadable_item", text[at:end].rstrip(", \t\n"))
    return end


def _decode(text: str, at: int, truncated: bool) -> tuple[Any, int] | None:
    """Return the JSON value at `at` and where it ends, or None if it is broken."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError):  # int() also raises ValueError, for more than 4,300 digits
        pass
    mended = _mend(text[at : at + _MOST_CHARACTERS], truncated) if text[at] in "{['“\"" else None
    try:
        return None if mended is None else (_DECODER.decode(mended[0]), at + mended[1])
    except (ValueError, RecursionError):
        return None


def _mend(text: str, truncated: bool) -> tuple[str, int] | None:
    """Rewrite the value at the start of a text in strict JSON, as far as its spelling has one meaning.

    Returns:
        The value, and where it ends in the text; None if a character fits nowhere.
    """
    parts: list[str] = []
    closing: list[str] = []  # the brackets that are open
    at = 0
    while token := _TOKEN.match(text, at):
        at = token.end()
        sign, string, word = token["sign"], token["string"], token["word"]
        if string:
            parts.append(_mend_string(string))
        elif word:
            is_key = _SPACE.match(text, at).end()  # type: ignore[union-attr]
            word = _CONSTANTS.get(word, word)
            parts.append(f'"{word}"' if text[is_key : is_key + 1] == ":" and word[0] not in "+-." else word)
        elif sign in "]}":
            if not closing or closing.pop() != sign:
                return None
            # A comma before the bracket
            parts[-1:] = [sign] if parts[-1] == "," else [parts[-1], sign]
        else:
            closing += {"[": "]", "{": "}"}.get(sign, "")
            parts.append(sign)
        if not closing:
            return "".join(parts), at
    # At the end of the response, close the brackets behind a finished string or bracket.
    rest = text[at:].strip(" \t\n`")
    if rest or truncated or len(text) == _MOST_CHARACTERS or not parts or parts[-1][-1] not in '"]}':
        return None
    return "".join([*parts, *closing[::-1]]), len(text)


def _mend_string(text: str) -> str:
    """Return a quoted string in double quotes. '\\d' is a backslash and a letter, unless '\\n' may also be meant so."""
    body = text[1:-1]
    if text[0] == "'":
        body = body.replace("\\'", "'")
    if text[0] != '"':
        body = re.sub(r'\\.|"', lambda found: '\\"' if found[0] == '"' else found[0], body, flags=re.DOTALL)
    if not re.search(r"\\[bfnrt](?=[a-z])", body):
        body = re.sub(r"\\(?:([\"\\/bfnrt]|u[0-9a-fA-F]{4})|)", lambda e: e[0] if e[1] else r"\\", body)
    return f'"{body}"'
