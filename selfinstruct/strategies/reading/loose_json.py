"""Read JSON as models write it: in fences, with prose around it, one object after the other, truncated, broken.

Reads item by item. What deviates from JSON but has one meaning only is read: comments, trailing commas, single or curly
quotes, bare keys, Python's constants, raw line breaks, backslashes that escape nothing, brackets that are never closed.
Anything else that is no item is returned in `Extract.lost`. Nothing raises. The strategies use it for structured
responses.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from .lines import FENCE, Extract, lines_of
from .marks import LOOSE, PROPER, is_mark, loose_names
from .numbers import number_of

_MOST_BROKEN = 50
"""Stop after this many broken items: recovering from each may scan the rest of the response."""
_MOST_WRAPPERS = 3
"""Objects around the one that holds the list: {"data": {"result": {"tasks": [...]}}}."""
_MATERIAL = {"context": "input", "上下文": "input"}
"""Names that JSON items alone have, beside no input."""
# The key of an item's number: 'id', 'task_number'
_NUMBERING = re.compile(r"(?:\w*_)?(?:id|number|index)|no|编号|序号", re.IGNORECASE)
_MOST_CHARACTERS = 100_000
"""An item that is no strict JSON is read up to this length."""
# Where the item after a broken one begins, by the first character of the broken one: '}, {', '} {', '", "', '],['
_NEXT = {"{": re.compile(r"\}\s*+,?+\s*+(?=[{\]])"), "[": re.compile(r"\]\s*+,\s*+(?=\[)")}
_NEXT_TEXT = re.compile(r"[\"'”\w]\s*+,\s*+(?=[\"'“{\[])")
_COMMENT = r"//[^\n]*+|\#(?!\#)[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?+"
_SEPARATOR = re.compile(rf"(?:[\s,]|{_COMMENT})*+", re.VERBOSE)
_BETWEEN = re.compile(rf"(?:[\s,\]}}]|{_COMMENT})*+", re.VERBOSE)
_STRING = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|“(?:[^“”\\]|\\.)*+”)"""
_TOKEN = re.compile(
    rf"(?:\s|{_COMMENT})*+(?:(?P<string>{_STRING})|(?P<key>[^\W\d]\w*+)(?=\s*+:)|(?P<other>[\[\]{{}},:]|[\w.+-]++))",
    re.VERBOSE | re.DOTALL,
)
# LaTeX with single backslashes: '\\frac', '\\beta', '\\times'. No text has a form feed or a backspace in a word.
_LATEX = re.compile(
    r"\\(?:((?<=\w\\)[bf]|[bfr](?=[A-Za-z])|t(?=imes|heta|ext|frac|au\b)|n(?=abla|eq\b|otin))|.)", re.DOTALL
)
_CONSTANTS = {"True": "true", "False": "false", "None": "null", "undefined": "null", "nan": "null"}
# '{"tasks"', '[{', '[]', "{name:" are JSON; '[1] see the note' and '{name}' are not.
_BEGINS = re.compile(r"[{\[]\s*+(?:[\"'“{\[\]}/#]|\w++\s*+:|$)")
# '{"note": "x", "tasks": [': members before the list that holds the items
_LISTED = re.compile(
    rf"""\{{\s*+(?P<before>(?:{_STRING}\s*+:\s*+(?:{_STRING}|[\w.+-]++)\s*+,\s*+)*+)
        ["'“]?+(?P<key>\w{{1,40}}+)["'”]?+\s*+:\s*+\[""",
    re.DOTALL | re.VERBOSE,
)


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
    # The whole response as one string: "{\"tasks\": [...]}"
    if text.lstrip()[:1] == '"' and isinstance(packed := _unpacked(text.strip()), str) and packed[:1] in ("{", "["):
        text = packed
    extract: Extract[Any] = Extract()
    at, last = _opening(text, 0), 0
    if at < 0:
        return None
    text = text[:at] + _LATEX.sub(lambda found: f"\\\\{found[1]}" if found[1] else found[0], text[at:])
    while at >= 0:
        extract.lose("left_out", _outside(text[last:at]))
        last = _read_value(text, at, key, truncated, extract)
        # '{...}, {...}' on one line, or a further line that starts with a bracket
        following = _BETWEEN.match(text, last).end()  # type: ignore[union-attr]
        at = following if text[following : following + 1] in ("{", "[") else _opening(text, following)
    extract.lose("left_out", _outside(text[last:]))
    return extract


def read_fields(
    text: str, key: str, names: Collection[str], truncated: bool, texts: bool = False
) -> Extract[dict[str, str | None]]:
    """Return the fields of the items that `read_json` returns; an item without any of them is lost.

    Args:
        text: A teacher's response.
        key: The key of the list that the prompt requests.
        names: The fields that the prompt requests. An item needs the first one, or any one if that is no instruction.
        truncated: Whether the token limit cut the response.
        texts: Whether an item may be a text, which is an instruction.
    """
    read: Extract[Any] = read_json(text, key, truncated) or Extract()
    extract: Extract[dict[str, str | None]] = Extract(lost=read.lost, closed=True)
    for item in read.items:
        fields = fields_of(item, names) if isinstance(item, dict) else {}
        if texts and isinstance(item, str):
            fields["instruction"] = item
        needed = [fields.get("instruction")] if "instruction" in names else fields.values()
        if not any(value and value.strip() for value in needed):
            extract.lose("unreadable_item", as_text(item))
            continue
        extract.items.append(fields)
        if isinstance(item, dict):
            lose_members(item, fields.values(), extract)
    return extract


def fields_of(item: Mapping[str, Any], names: Collection[str]) -> dict[str, str | None]:
    """Return the named fields of a JSON item, whatever their case or language; null is None.

    {'Instruction': 'Plan ...', '答案': '...'} becomes {'instruction': 'Plan ...', 'output': '...'}.
    """
    found: dict[str, str | None] = {}
    for known in (PROPER, loose_names(names), _MATERIAL):
        for key, value in item.items():
            name = known.get(str(key).strip().lower().replace("_", " "))
            if name is not None and name in names and found.get(name) is None:
                found[name] = as_text(value) if value is not None and not _is_nan(value) else None
    return found


def lose_members(value: Mapping[str, Any], read: Collection[str | None], extract: Extract[Any]) -> None:
    """Note the members of an object as lost, except its number and those whose text was read."""
    texts = {key: as_text(each) for key, each in value.items() if not _NUMBERING.fullmatch(str(key))}
    further = {key: value[key] for key, text in texts.items() if text not in ("", "[]", "{}") and text not in read}
    extract.lose("left_out", as_text(further) if further else "")


def as_text(value: object) -> str:
    """Return a JSON value as the text of a field: strings as they are, a list of strings as lines, the rest as JSON."""
    if value is None or _is_nan(value):
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


def _is_nan(value: object) -> bool:
    """Return whether a value is NaN, which stands for a missing one."""
    return isinstance(value, float) and math.isnan(value)


def _opening(text: str, at: int) -> int:
    """Return the offset of the first bracket of a JSON response from `at` on, or -1."""
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text) + 1
        line = text[at : end - 1]
        bare = line.lstrip()
        # A bracket alone on its line: what follows decides.
        if _BEGINS.match(bare) and (bare[1:].strip() or _BEGINS.match(bare[:1] + text[end : end + 200].lstrip())):
            return at + len(line) - len(bare)
        # '1. Plan ...' or 'Instruction: ...': the response is plain text.
        if number_of(line) or is_mark(line):
            return -1
        at = end
    return -1


def _outside(text: str) -> str:
    """Return the text between JSON values, without fences and stray brackets."""
    return "\n".join(line for line in text.split("\n") if not FENCE.match(line)).strip(" \t\n]},")


def _read_value(text: str, at: int, key: str, truncated: bool, extract: Extract[Any]) -> int:
    """Add the items of the value at `at`, and return where the value ends."""
    # [{"instruction": ...}, ...]
    if text[at] == "[":
        return _read_items(text, at + 1, truncated, extract)
    value, end = _decode(text, at, truncated)
    # An object with a broken or truncated item: {"tasks": [{...}, {"instru
    if not end:
        listed = _LISTED.match(text, at)
        if listed and listed["key"].lower() not in PROPER | LOOSE:
            extract.lose("left_out", listed["before"].strip(" ,\n"))
            return _read_items(text, listed.end(), truncated, extract)
        return _skip_item(text, at, extract)
    _add_items(value, key, extract)
    return end


def _add_items(value: dict[str, Any], key: str, extract: Extract[Any], depth: int = 0) -> None:
    """Add the items in an object: a list under `key`, or lists and objects in one that is no item, or the object."""
    inner = _unpacked(value.get(key))
    # {"instruction": ["A", "B"], "output": ["x", "y"]}: columns
    columns = [
        each for each in value.values() if isinstance(each, list) and all(isinstance(cell, str) for cell in each)
    ]
    is_item = bool(fields_of(value, ("instruction", "output")))
    if not isinstance(inner, list) and is_item:
        rows = zip(*columns, strict=True) if len(columns) == len(value) > 1 and len({*map(len, columns)}) == 1 else ()
        extract.items.extend([dict(zip(value, row, strict=True)) for row in rows] or [value])
        return
    # {"tasks": [...], "note": "..."}, or {"easy": [...], "hard": [...]}, or {"1": {...}, "2": {...}}
    inside = {key: inner} if isinstance(inner, list) else {k: v for k, v in value.items() if isinstance(v, list | dict)}
    for each in inside.values():
        if isinstance(each, dict) and depth < _MOST_WRAPPERS:
            _add_items(each, key, extract, depth + 1)
        else:
            extract.items.extend(each if isinstance(each, list) else [each])
    if inside:
        lose_members({k: v for k, v in value.items() if k not in inside}, (), extract)
    else:
        extract.items.append(value)


def _unpacked(value: Any) -> Any:
    """Return the value of JSON inside a string, or the value itself."""
    if isinstance(value, str) and value[:1] in ("[", "{", '"'):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _read_items(text: str, at: int, truncated: bool, extract: Extract[Any]) -> int:
    """Add the values from `at` to the closing bracket, separated by commas or by nothing; return where they end."""
    broken = 0
    while broken <= _MOST_BROKEN:
        at = _SEPARATOR.match(text, at).end()  # type: ignore[union-attr]
        if at == len(text) or text[at] in "]}`":
            break
        value, end = _decode(text, at, truncated)
        # A string counts only before a comma or the end: '"a" of "b",' is a string with unescaped quotes.
        if end and (isinstance(value, dict) or re.compile(r"\s*+(?:[,\]]|$)").match(text, end)):
            extract.items.append(value)
            at = end
        # '{"input": "say "hi""}, {...': skip to the next item.
        else:
            broken += 1
            at = _skip_item(text, at, extract)
    return at


def _skip_item(text: str, at: int, extract: Extract[Any]) -> int:
    """Note a broken item as lost, and return where the next one begins."""
    further = _NEXT.get(text[at], _NEXT_TEXT).search(text, at + 1)
    end = further.end() if further else len(text)
    extract.lose("unreadable_item", text[at:end].rstrip(", \t\n"))
    return end


def _decode(text: str, at: int, truncated: bool) -> tuple[Any, int]:
    """Return the JSON value at `at` and where it ends, or 0 if it is broken."""
    with contextlib.suppress(ValueError, RecursionError):  # int() also raises ValueError, for more than 4,300 digits
        return _DECODER.raw_decode(text, at)
    with contextlib.suppress(ValueError, RecursionError):
        mended, length = _mend(text[at : at + _MOST_CHARACTERS], truncated)
        return _DECODER.decode(mended), at + length
    return None, 0


def _mend(text: str, truncated: bool) -> tuple[str, int]:
    """Rewrite the value at the start of a text in strict JSON, as far as its spelling has one meaning.

    Returns:
        The value, or '' if a bracket is missing or not closed, and where it ends in the text.
    """
    parts: list[str] = []
    closing: list[str] = []  # the brackets that are open
    at = 0
    while token := _TOKEN.match(text, at):
        at = token.end()
        string, key, other = token["string"], token["key"], token["other"]
        if other in ("]", "}"):
            if not closing or closing.pop() != other:
                return "", 0
            # A comma before the bracket
            parts[-1:] = [other] if parts[-1] == "," else [parts[-1], other]
        else:
            closing += {"[": "]", "{": "}"}.get(other, "")
            parts.append(_mend_string(string) if string else f'"{key}"' if key else _CONSTANTS.get(other, other))
        if not closing:
            return "".join(parts), at
    # At the end of the response, close the brackets behind a finished string or bracket.
    finished = parts and parts[-1][-1] in '"]}' and not text[at:].strip(" \t\n`") and len(text) < _MOST_CHARACTERS
    return "".join([*parts, *closing[::-1]]) if finished and not truncated else "", len(text)


def _mend_string(text: str) -> str:
    """Return a quoted string in double quotes. '\\d' is a backslash and a letter, unless '\\n' may also be meant so.

    It may in 'C:\\docs\\new' and '\\(\\nu\\)', but not behind the end of a sentence or formula.
    """
    body = text[1:-1].replace("\\'", "'") if text[0] == "'" else text[1:-1]
    if text[0] != '"':
        body = re.sub(r'(\\.)|"', lambda found: found[1] or '\\"', body, flags=re.DOTALL)
    if not re.search(r"(?:^|[^.!?,;)])\\[nt](?=[a-z])|\\(?:n(?:u|e|i|ot)|t(?:o|an|op))\b", body):
        body = re.sub(r"\\([\"\\/bfnrt]|u[0-9a-fA-F]{4})?", lambda found: found[0] if found[1] else r"\\", body)
    return f'"{body}"'
