"""Recognize blocks that are items of a YAML list or YAML documents, and read their values; `text_blocks` uses it.

Blocks in YAML are read line by line like others, because models write values that YAML refuses or shortens: 'Fix issue
#3', 'Say: hi'. What YAML adds: the keys may have any names, and values may be quoted or be blocks ('output: |').
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import yaml

from .marks import Mark, filled_above

# '  - instruction: ...', '    category: ...'
_KEY = re.compile(r" *+(?P<dash>- ++)?+(?P<key>[^\W\d]\w*+)[ \t]*+:(?:[ \t]++(?P<text>.*+))?+$")
# The sign of a block, alone behind a key: 'output: |'
_BLOCK_SIGN = re.compile(r"[|>][+-]?+[1-9]?+[+-]?+[ \t]*+$")
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^']|'')*+'", re.DOTALL)
_MOST_CHARACTERS = 100_000
"""A value is read as YAML up to this length."""


def yaml_marks(lines: Sequence[str], marks: Sequence[Mark]) -> list[Mark]:
    """Return a mark for each key if the fields are written as in YAML; otherwise return [].

    They are if a field has a block, or if they begin in one column and are quoted or like a list in YAML.
    """
    blocks = block_lines(lines, marks)
    marks = [mark for mark in marks if mark.line not in blocks]
    keys = {at: key for at, line in enumerate(lines) if at not in blocks and (key := _KEY.match(line))}
    fields = [keys[mark.line] for mark in marks if mark.line in keys]
    lower = len(fields) == len(marks) and all(key["key"].islower() for key in fields)
    columns = {key.start("key") for key in fields}
    # '- instruction: ...' above '  input: ...'
    dashes = [key["dash"] is not None for key in fields]
    listed = not all(dashes) and dashes == [mark.name == marks[0].name for mark in marks]
    quoted = all(mark.text[:1] in ('"', "'") for mark in marks)
    if not blocks and not (lower and len(columns) == 1 and (listed or quoted)):
        return []
    # '  category: ...' in the column of the fields, 'notes: ...' below the list
    found = {mark.line: mark for mark in marks}
    for at, key in keys.items() if lower else ():
        column = key.start("key")
        if at not in found and (column in columns or (at > marks[0].line and column < min(columns))):
            found[at] = Mark(at, key["key"], key["text"] or "", None, at)
    blocks = block_lines(lines, list(found.values()))
    return [found[at] for at in sorted(found) if at not in blocks]


def block_lines(lines: Sequence[str], marks: Sequence[Mark]) -> set[int]:
    """Return the lines of blocks: those below 'output: |' that are indented more than the key."""
    found: set[int] = set()
    for mark in marks:
        if mark.line not in found and _BLOCK_SIGN.match(mark.text):
            column = len(lines[mark.line]) - len(lines[mark.line].lstrip(" -"))
            inside = re.compile(rf"\s*+$| {{{column + 1}}}")
            end = next((at for at in range(mark.line + 1, len(lines)) if not inside.match(lines[at])), len(lines))
            found.update(range(mark.line + 1, filled_above(lines, end, mark.line) + 1))
    return found


def read_scalar(first: str, rest: Sequence[str]) -> str | None:
    """Return the text of a quoted value, a block, or null in YAML; None for another value, which is read as it is."""
    source, block = "\n".join([first, *rest]).strip(), _BLOCK_SIGN.match(first)
    if source in ("null", "~"):
        return ""
    if len(source) > _MOST_CHARACTERS or not (block or _QUOTED.fullmatch(source)):
        return None
    with contextlib.suppress(yaml.YAMLError, ValueError, OverflowError):
        text: str = yaml.load(f"- {source}", Loader=yaml.BaseLoader)[0]  # noqa: S506 - makes strings, lists, and dicts only
        # A line that isn't indented like the others may be a comment in YAML.
        if not block or "".join(text.split()) == "".join("".join(rest).split()):
            return text.strip("\n")
    return None
