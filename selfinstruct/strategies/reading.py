"""Readers of what models really write: numbered in any style, bold, quoted, CRLF, full-width, chatty.

Every function takes any text and returns what it could read, in order; none raises.
"""

from __future__ import annotations

import json
import re
from typing import Any

_NUMBER = re.compile(
    r"""^[ \t]*(?:[-*•>][ \t]+)?[*_#]*[ \t]*            # bullets, bold, headings
        (?:(?:task|instruction|no\.?|number|任务|指令|题目|第)[ \t]*)?
        [#(\[（【]?[ \t]*[0-9０-９]{1,4}[ \t]*(?:[)\]）】][ \t]*[.:：、]?|[.．、:：](?![0-9０-９])|题[.：:、]?)
        [*_]*[ \t]*""",
    re.VERBOSE | re.IGNORECASE,
)
_FIELD = re.compile(
    r"""^[ \t]*(?:[-*•>][ \t]+)?[*_#]*[ \t]*(?:[0-9０-９]{1,4}[ \t]*[.)．、）][ \t]*)?[*_]*[ \t]*
        (?P<name>instruction|input|output|label|task|answer|指令|任务|输入|输出|标签|类别|答案)
        [ \t]*[0-9]*[ \t]*[*_]*[ \t]*[:：][ \t]*[*_]*[ \t]*""",
    re.VERBOSE | re.IGNORECASE,
)
_BREAK = re.compile(
    r"^[ \t]*(?:\#{1,6}[ \t]*(?:\w+[ \t]*)?[0-9０-９]*[.:：]?|[-=*_]{3,}|[*_#]*[ \t]*(?:task|example|任务|示例|例子?)[ \t]*"
    r"[0-9０-９]+[ \t]*[.:：)]?[*_]*|[*_]*[0-9０-９]{1,4}[.)．、）][*_]*)[ \t]*$",
    re.IGNORECASE,
)
_CANONICAL = {
    "instruction": "instruction", "指令": "instruction",
    "input": "input", "输入": "input",
    "output": "output", "输出": "output",
    "label": "label", "标签": "label", "类别": "label",
}  # fmt: skip
_LOOSE = {"task": "instruction", "任务": "instruction", "answer": "output", "答案": "output"}
_NOTHING = re.compile(
    r"^[<\[(（【「\"']*\s*(?:no\s?input(?: needed| required)?|none|n/?a|null|empty|not applicable|无需输入|没有输入|无输入|无|空)"
    r"\s*[>\])）】」\"'.。]*$",
    re.IGNORECASE,
)
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "`": "`"}


def read_list(text: str, continues: bool = False) -> list[str]:
    """The items of a numbered list. Prose before it is dropped, and so is prose behind a blank line.

    continues: the prompt ended in a number, so the text starts inside the first item.
    """
    items: list[list[str]] = [[]] if continues else []
    closed = False
    for line in _lines(text):
        number = _NUMBER.match(line)
        if number:
            items.append([line[number.end() :]])
            closed = False
        elif not line.strip():
            closed = bool(items and any(part.strip() for part in items[-1]))
        elif items and not closed:
            items[-1].append(line)
    cleaned = (_clean(" ".join(part.strip() for part in item)) for item in items)
    return [item for item in cleaned if item]


def read_fields(text: str, opener: str = "instruction", closer: str = "output") -> list[dict[str, str]]:
    """Blocks of 'Name: value' lines, each starting at a line that names `opener`.

    Values may run over several lines. Once `closer` has begun, only a new `opener` or a break line ('###', '---',
    'Task 5') ends it, so that an answer may itself contain 'Input:'. A field that is there twice
    keeps its first value that isn't empty.
    """
    blocks: list[dict[str, list[str]]] = []
    field: list[str] | None = None
    current = ""
    lines = _lines(text)
    names = _names(lines)
    for line in lines:
        match = _FIELD.match(line)
        name = names.get(match["name"].lower(), "") if match else ""
        match = match if name else None
        if match and name == opener and not (current == opener and not _joined(field)):
            blocks.append({})
        if match and blocks and (name == opener or current != closer or opener == closer):
            current = name
            field = [line[match.end() :]]
            if not _joined(blocks[-1].get(name)):
                blocks[-1][name] = field
        elif match and blocks and current == closer == name and not _joined(field) and field is not None:
            field.append(line[match.end() :])  # 'Output: Output: text', over two lines
        elif _BREAK.match(line):
            field, current = None, ""
        elif field is not None:
            field.append(line)
    return [{name: _body(value) for name, value in block.items()} for block in blocks]


def read_json(text: str, key: str) -> list[Any] | None:
    """The list under `key` of a JSON answer, or None when the text holds no such thing.

    Code fences and prose around are passed over. From an answer that was cut off, the complete items are kept.
    """
    start = text.find(f'"{key}"')
    start = text.find("[", start) if start >= 0 else _bare_list(text)
    if start < 0:
        return None
    items: list[Any] = []
    decoder = json.JSONDecoder(strict=False)
    position = start + 1
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text) or text[position] == "]":
            return items
        try:
            item, position = decoder.raw_decode(text, position)
        except (json.JSONDecodeError, RecursionError):
            return items
        items.append(item)


def is_nothing(text: str) -> bool:
    """Whether a field says that there is none: '', '<none>', 'N/A', '无' ..."""
    stripped = text.strip()
    return not stripped or _NOTHING.match(stripped) is not None


def as_text(value: object) -> str:
    """A JSON value as the text of a field: strings as they are, null as nothing, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip()
    return json.dumps(value, ensure_ascii=False)


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\u3000", " ").split("\n")


def _clean(text: str) -> str:
    """Without bold marks and quotes that enclose the whole."""
    text = text.strip()
    for mark in ("**", "__", "*"):
        if text.startswith(mark) and text.endswith(mark) and len(text) > 2 * len(mark):
            inner = text[len(mark) : -len(mark)]
            if mark not in inner:
                text = inner.strip()
        elif text.endswith(mark) and text.count(mark) == 1:
            text = text.removesuffix(mark).strip()
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and text[-1] not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def _names(lines: list[str]) -> dict[str, str]:
    """The field names that count in this text: loose ones ('Answer') only where the proper one is never used."""
    used = {match["name"].lower() for match in map(_FIELD.match, lines) if match}
    proper = {_CANONICAL[word] for word in used if word in _CANONICAL}
    return _CANONICAL | {word: name for word, name in _LOOSE.items() if name not in proper}


def _joined(field: list[str] | None) -> str:
    return "\n".join(field).strip() if field else ""


def _body(field: list[str]) -> str:
    """A field's text: blank lines at both ends gone, the indentation of its lines kept."""
    text = "\n".join(line.rstrip() for line in field).strip("\n")
    first, mark, rest = text.partition("\n")
    return _clean(first) if not mark else first.strip() + mark + rest


def _bare_list(text: str) -> int:
    start = text.find("[")
    return start if start >= 0 and text[start + 1 :].lstrip()[:1] in ("{", '"', "]") else -1
