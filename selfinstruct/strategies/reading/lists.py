"""Read numbered lists as models write them: any numbering style and script, bold, quotes, CRLF, chatter."""

from __future__ import annotations

import re

from .lines import BLANK, FENCE, RULE, WORDS, Extract, code_lines, indent_of, lines_of, opens_fence
from .numbers import Number, counted_of, counts_up, number_of

# '- Plan ...', '• Plan ...'
_BULLET = re.compile(r"[ \t]{0,3}+[-*•·][ \t]++")
# '## Travel'
_HEADING = re.compile(rf"{BLANK}#{{1,6}}+[ \t]")
# 'Task: Plan ...', '指令：写 ...', after the number is removed
_SAYS_TASK = re.compile(rf"{BLANK}(?:{'|'.join(WORDS['task'])}){BLANK}[:：]{BLANK}", re.IGNORECASE)
# '**Input:** ...', '- Output: ...': fields that the prompt did not request
_SAYS_MORE = re.compile(
    rf"{BLANK}(?:[-*][ \t]++)?+[*_]{{0,3}}+(?:{'|'.join(WORDS['more'])})[*_]{{0,3}}+{BLANK}[:：]", re.IGNORECASE
)
# The sign of a YAML block, alone on the line above the text: '- instruction: |'
_BLOCK_SIGN = re.compile(r"[|>][+-]?+\s*+$")
_CLOSING = (RULE, FENCE, _HEADING, _SAYS_MORE)
_FULL_STOPS = (".", "!", "?", "。", "！", "？")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "»": "«", "「": "」", "『": "』", "`": "`"}


def read_list(text: str, continues: bool = False) -> Extract[str]:
    """Return the items of a numbered list, or of a bulleted list if no line has a number.

    What follows an item after a blank line, a heading, an 'Input:' or 'Output:' line, or a bullet below a complete
    sentence is in no item. Any other line without a number continues the item above, and so does a sub-list: numbers
    that are indented, that lack the word of the outer numbers ('Task 3'), or that restart although the outer numbering
    continues further down. Lines that an item wraps are joined by blanks; code in a fence keeps its lines.

    Args:
        text: A teacher's response.
        continues: Whether the prompt ended in a number, so that the text starts inside the first item.
    """
    lines = lines_of(text)
    numbers = {at: number for at, line in enumerate(lines) if (number := number_of(line))} or _counted(lines)
    # No numbers at all: '- Plan a trip', '- Write a poem'.
    if not numbers and not continues:
        numbers = {at: Number("", 0, bullet.end()) for at, line in enumerate(lines) if (bullet := _BULLET.match(line))}
    first = 0 if continues else min(numbers, default=0)
    wrapped = opens_fence(lines[:first])
    # Of '1. ```python', the fence counts.
    ends = {at: number.end for at, number in numbers.items()}
    texts = [line[ends.get(at, 0) :] if at >= first else "" for at, line in enumerate(lines)]
    code = code_lines(texts, numbers, {}, wrapped)
    outer = {at: number for at, number in numbers.items() if at not in code or FENCE.match(texts[at])}
    starts = _starts(lines, outer, continues)
    reading: Extract[str] = Extract()
    items: list[list[str]] = [[""]] if continues else []
    outside: list[str] = []
    open_ = continues  # whether the next line may still belong to the last item
    for at, line in enumerate(lines):
        # '3. Plan a trip' starts an item.
        if at in starts:
            _lose(reading, outside)
            items.append([starts[at].text_after(line)])
            open_ = True
        # Code belongs to the item above it, also after a blank line.
        elif at in code and items and not outside:
            items[-1].append(f"\n{line}")
            open_ = True
        # The fences around the list.
        elif wrapped and at not in code and FENCE.match(line):
            continue
        # A blank line closes an item, unless the item has no text yet: '### 3', '', 'Plan a trip'.
        elif not line.strip():
            open_ = open_ and not any(part.strip() for part in items[-1])
        # '---', '## Travel', 'Input: ...' and '- for example' close an item, too; prose follows a closed one.
        elif not open_ or any(pattern.match(line) for pattern in _CLOSING) or _is_aside(line, items[-1]):
            outside.append(line)
            open_ = False
        # Anything else continues the item.
        else:
            items[-1].append(("\n" if at - 1 in code else " ") + line.strip())
    _lose(reading, outside)
    reading.items.extend(filter(None, map(_join, items)))
    return reading if reading.items else Extract()


def _lose(reading: Extract[str], outside: list[str]) -> None:
    """Note the lines between two items, unless they only separate, and clear them."""
    if not all(RULE.match(line) for line in outside):
        reading.lose("left_out", "\n".join(outside))
    outside.clear()


def _join(parts: list[str]) -> str:
    """Return the text of an item from its lines, each with the blank or the line break before it."""
    says = _SAYS_TASK.match(parts[0])
    first = parts[0][says.end() :] if says else parts[0]
    # '- instruction: |', '    Plan a trip.'
    if len(parts) > 1 and _BLOCK_SIGN.match(first):
        parts = [part if first[0] == ">" else f"\n{part.strip()}" for part in ("", *parts[1:])]
    return clean_item("".join(part for part in parts if part.strip() or "\n" in part))


def _is_aside(line: str, item: list[str]) -> bool:
    """Return whether `line` is a bullet below a complete sentence: an example or an answer that was not requested."""
    if _BULLET.match(line.lstrip(" \t")) is None:
        return False
    return item[-1].rstrip('"”’」*_ \t').endswith(_FULL_STOPS)


def clean_item(text: str) -> str:
    """Return an instruction without a leading 'Task:' and without the emphasis and quotes that enclose all of it."""
    # '**Task: Plan a trip.**' has emphasis outside, 'Task: **Plan a trip.**' inside: strip before and after the word.
    text = strip_emphasis(text)
    says = _SAYS_TASK.match(text)
    text = strip_emphasis(text[says.end() :] if says else text)
    if text.startswith("**") and text.find("**", 2) > 2:  # '**Travel:** Plan ...'
        text = text[2:].replace("**", "", 1).strip()
    return without_quotes(text)


def without_quotes(text: str) -> str:
    """Return the text without quotes that enclose all of it."""
    # '"Plan a trip."', but not '"yes" or "no"', whose first and last quotes are no pair.
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(text[1:-1]):
        return text[1:-1].strip()
    return text


def without_numbers(items: list[str]) -> list[str]:
    """Return the items without their numbers if all are numbered; otherwise return them unchanged."""
    # ['1. Plan ...', '2. Write ...'] are numbered; in ['Plan ...', '3. is prime?'] the '3.' is content.
    numbers = [number_of(item) for item in items]
    if not all(numbers):
        return items
    return [item[number.end :] for item, number in zip(items, numbers, strict=True) if number]


def strip_emphasis(text: str) -> str:
    """Return the text without Markdown emphasis that encloses all of it."""
    text = text.strip()
    for mark in ("***", "**", "__", "*"):
        # '**Plan a trip.**', but not '**Plan** a **trip**'.
        inner = text[len(mark) : -len(mark)]
        if inner and text.startswith(mark) and text.endswith(mark):
            return text if mark in inner else inner.strip()
    return text


def _counted(lines: list[str]) -> dict[int, Number]:
    """Return the lines with Roman numerals, or with digits and a dash, if they count up; else nothing."""
    found = {at: number for at, line in enumerate(lines) if (number := counted_of(line))}
    same = len({number.kind == "roman" for number in found.values()}) == 1
    return found if same and counts_up([number.value for number in found.values()]) else {}


def _starts(lines: list[str], numbers: dict[int, Number], continues: bool) -> dict[int, Number]:
    """Return the lines that start an item, leaving out the numbers of sub-lists."""
    # If the first number is 'Task 1:', a bare '1.' below belongs to a sub-list.
    first = next(iter(numbers.values()), None)
    worded = first is not None and (first.worded or (continues and any(number.worded for number in numbers.values())))
    numbers = {at: number for at, number in numbers.items() if number.worded or not worded}
    # The last line with each number shows whether the outer numbering continues further down.
    last_at = {number.value: at for at, number in numbers.items()}
    least = 0 if continues or not numbers else min(indent_of(lines[min(numbers)]), 8)
    starts: dict[int, Number] = {}
    before = 0  # also of a number that isn't in digits
    for at, number in numbers.items():
        value = number.value
        above = lines[at - 1] if at else ""
        joined = bool(starts or continues) and bool(above.strip()) and not _HEADING.match(above)
        # '2. Sort the steps:', '1. boil', '2. pour', '3. Plan ...': 1 restarts, and 3 continues the outer list.
        restarts = 0 < value <= before
        outer_continues = before > 0 and last_at.get(before + 1, -1) > at
        if joined and (indent_of(lines[at]) >= least + 2 or (restarts and outer_continues)):
            continue
        starts[at] = number
        before = value
    return starts
