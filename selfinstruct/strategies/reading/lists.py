"""Reading what models really write: lists numbered in any style, bold, quoted, CRLF, full-width, chatty.

`blocks` reads 'Name: value' answers and `loose_json` reads JSON; what they share is here. Every function
takes any text, returns what it could read, in order, raises nothing, and takes time in proportion to the text.
Patterns are therefore possessive: nothing in them is tried twice on a line of a million blanks.
"""

from __future__ import annotations

import json
import re

BLANK = "[ \t\u00a0\u3000]*+"
DIGITS = "[0-9０-９]{1,4}+"
HANZI = "[一二三四五六七八九十百]{1,4}+"

_NUMBER = re.compile(
    rf"""{BLANK}(?:[-*•·>+][ \t]++)?+                                      # a bullet
        (?P<heading>\#{{1,6}}+)?+{BLANK}(?P<bold>[*_]{{1,3}}+)?+{BLANK}
        (?: (?P<word>task|instruction|question|item|number|no\.?+|任务|指令|题目|问题|编号)
            {BLANK}\#?+{BLANK}{DIGITS}{BLANK}(?:[.．:：、)）]|[-–—](?=[ ])|(?=[*_]|$))
          | (?P<ordinal>第){BLANK}(?:{DIGITS}|{HANZI}){BLANK}[题条个项]?+(?:任务|指令)?+
            (?:{BLANK}[.．:：、]|[ \t\u3000]++|$|(?<=[0-9０-９]题))
          | [(（\[【〔]{BLANK}(?:{DIGITS}|{HANZI}){BLANK}[)）\]】〕][.:：、]?+
          | {DIGITS}{BLANK}(?:\\?+[.．](?![0-9０-９])[)）]?+|[)）、]|[:：](?![0-9０-９])|(?=[*_]{{1,3}}+[.:：)）]))
          | {HANZI}、
          | [①-⑳⑴-⒛]
          | (?(heading)(?:(?<=\#){DIGITS}(?=[ \t]|$)|{DIGITS}(?={BLANK}$))|(?!))   # '#1 text', '### 1'
        )
        (?(bold)(?:[*_]{{1,3}}+{BLANK}[.:：、)）]?+)?+){BLANK}""",
    re.VERBOSE | re.IGNORECASE,
)
_HAS_NUMBER = re.compile("[0-9０-９一二三四五六七八九十百①-⒛]")
RULE = re.compile(rf"{BLANK}(?:#{{1,6}}+|[-=_~—]{{3,}}+|\*{{3,}}+|\*(?: \*){{2,}}+){BLANK}$")
_BULLET = re.compile(r"[ \t]{0,3}+[-*•·][ \t]++")
_HEADING = re.compile(rf"{BLANK}#{{1,6}}+[ \t]")
_FENCE = re.compile(rf"{BLANK}(?:```|~~~)")
_SAYS_TASK = re.compile(rf"{BLANK}(?:task|instruction|任务|指令){BLANK}[:：]{BLANK}", re.IGNORECASE)
_SAYS_MORE = re.compile(
    rf"{BLANK}(?:[-*][ \t]++)?+[*_]{{0,3}}+(?:input|output|answer|输入|输出|答案)[*_]{{0,3}}+{BLANK}[:：]",
    re.IGNORECASE,
)
_NOTHING = re.compile(
    r"(?:no\s?input(?: is)?(?: needed| required)?|none(?: needed| required)?|not (?:applicable|needed|required)"
    r"|n[./]?a|null|nil|empty(?: string)?|-+|–|—|无|(?:无|没有|不)(?:需要?)?(?:额外)?的?输入(?:内容)?|空(?:字符串)?)",
    re.IGNORECASE,
)
_ENCLOSING = " \t\r\n<>[]()（）【】「」《》\"'“”‘’*_`.。"
_FULL_STOPS = (".", "!", "?", "。", "！", "？")
_EMPTY = ("", '""', "''", "“”", "<>", "``")
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "`": "`"}


def read_list(text: str, continues: bool = False) -> list[str]:
    """The items of a numbered list; of a bulleted one where no line has a number.

    Prose before the first item is dropped, and so is what follows an item behind a blank line, a heading, an
    'Input:' or 'Output:', or, where its sentence has ended, a bullet. Other lines without a number belong to the item
    above, and so does a sub-list: numbers that are indented, that lack the word ('Task 3') of the outer
    ones, or that start anew while the outer ones go on further down.

    continues: the prompt ended in a number, so the text starts inside the first item.
    """
    lines = lines_of(text)
    starts = _starts(lines, continues)
    if not starts and not continues:
        bullets = ((at, _BULLET.match(line)) for at, line in enumerate(lines))
        starts = {at: bullet.end() for at, bullet in bullets if bullet}
    items: list[list[str]] = [[]] if continues else []
    open_ = continues
    for at, line in enumerate(lines):
        if at in starts:
            items.append([line[starts[at] :]])
            open_ = True
        elif not open_:
            continue
        elif not line.strip():
            open_ = not any(part.strip() for part in items[-1])
        elif RULE.match(line) or _HEADING.match(line) or _SAYS_MORE.match(line) or _is_aside(line, items[-1]):
            open_ = False
        elif not _FENCE.match(line):
            items[-1].append(line)
    cleaned = (clean_item(" ".join(part.strip() for part in item if part.strip())) for item in items)
    return [item for item in cleaned if item]


def _is_aside(line: str, item: list[str]) -> bool:
    """Whether a bulleted line stands under an item that is complete: an example or an answer that nobody asked for."""
    if not item or _BULLET.match(line.lstrip(" \t")) is None:
        return False
    return item[-1].rstrip('"”’」*_ \t').endswith(_FULL_STOPS)


def clean_item(text: str) -> str:
    """One listed instruction without 'Task:' before it, and without the bold marks and quotes around the whole."""
    text = unwrapped(text)
    says = _SAYS_TASK.match(text)
    text = unwrapped(text[says.end() :] if says else text)
    if text.startswith("**") and text.find("**", 2) > 2:  # '**Travel:** Plan ...'
        text = text[2:].replace("**", "", 1).strip()
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(text[1:-1]):
        text = text[1:-1].strip()
    return text


def without_numbers(items: list[str]) -> list[str]:
    """Items that are all numbered, without the numbers; others as they are."""
    numbers = [number_of(item) for item in items]
    if not all(numbers):
        return items
    return [item[number.end() :] for item, number in zip(items, numbers, strict=True) if number]


def unwrapped(text: str) -> str:
    """Without the bold or italic marks that enclose the whole, or that are left at its end."""
    text = text.strip()
    for mark in ("***", "**", "__", "*"):
        inner = text.removesuffix(mark)
        if inner == text:
            continue
        if mark not in inner:
            return text if mark == "*" else inner.strip()
        if inner.startswith(mark) and len(inner) > len(mark) and mark not in inner[len(mark) :]:
            return inner[len(mark) :].strip()
        return text
    return text


def is_nothing(text: str) -> bool:
    """Whether a field says that there is none: '', '<none>', 'N/A', '无' ..."""
    text = text.strip()
    return text in _EMPTY or (len(text) <= 80 and _NOTHING.fullmatch(text.strip(_ENCLOSING)) is not None)


def as_text(value: object) -> str:
    """A JSON value as the text of a field: a list of strings as lines, null as nothing, what isn't text as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip()
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value).strip()
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


def without_thoughts(text: str) -> str:
    """The answer behind a reasoning model's '<think> ... </think>'; nothing when it never came to one."""
    thoughts, mark, answer = text.partition("</think>")
    thinks = thoughts.lstrip().startswith("<think>")
    if mark and (thinks or "<think>" not in thoughts):
        return answer.lstrip("\r\n")
    return "" if thinks else text


def lines_of(text: str) -> list[str]:
    """The lines of a text whatever ends them; other characters that Python counts as line ends stay inside."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def number_of(line: str) -> re.Match[str] | None:
    """The number that a line of a list begins with, in any style, up to the text behind it."""
    return _NUMBER.match(line) if _HAS_NUMBER.search(line, 0, 60) else None


def _starts(lines: list[str], continues: bool) -> dict[int, int]:
    """Where items start: line -> column behind the number. Numbers of sub-lists are left out."""
    found = [(at, number) for at, line in enumerate(lines) if (number := number_of(line))]
    if not found:
        return {}
    worded = _worded(found[0][1]) or (continues and any(_worded(number) for _, number in found))
    found = [(at, number) for at, number in found if _worded(number) or not worded]
    last_at = {_value(number): at for at, number in found}
    least = 0 if continues else min(_indent(lines[found[0][0]]), 8)
    starts: dict[int, int] = {}
    before: int | None = None
    for at, number in found:
        value = _value(number)
        above = lines[at - 1] if at else ""
        joined = bool(starts or continues) and bool(above.strip()) and not _HEADING.match(above)
        anew = before is not None and value is not None and value <= before
        goes_on = before is not None and last_at.get(before + 1, -1) > at
        if joined and (_indent(lines[at]) >= least + 2 or (anew and goes_on)):
            continue
        starts[at] = number.end()
        before = value
    return starts


def _worded(number: re.Match[str]) -> bool:
    return number["word"] is not None or number["ordinal"] is not None


def _value(number: re.Match[str]) -> int | None:
    digits = re.search(DIGITS, number.group())
    return int(digits.group()) if digits else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t\u3000"))
