"""Read numbered lists as models write them: any numbering style, bold, quotes, CRLF, full-width digits, chatter.

Also contains the text helpers that `text_blocks`, `loose_json`, and the strategies share. Every function accepts any
text, never raises, and runs in linear time. The patterns therefore use possessive quantifiers (`*+`, `++`, `?+`): a
line of a million blanks causes no backtracking.
"""

from __future__ import annotations

import json
import re

BLANK = "[ \t\u00a0\u3000]*+"
DIGITS = "[0-9０-９]{1,4}+"
HANZI = "[一二三四五六七八九十百]{1,4}+"

# The number of a list item, with any decoration, up to the text. Examples, one per alternative:
#   '- **Task 3:** Plan ...'   word: Task, Question, 任务 ... then digits and a mark
#   '第三题：写 ...'            ordinal: 第 with digits or Chinese numerals
#   '(3) Plan ...', '【三】'    brackets
#   '3. Plan ...', '3、', '3:'  plain digits, but not '3.5 kg' and not '3:30'
#   '三、写 ...', '③ Plan ...'  Chinese numerals, circled digits
#   '#3 Plan ...', '### 3'     a heading
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
# A cheap test that most lines fail, so that `_NUMBER` runs on few of them.
_HAS_NUMBER = re.compile("[0-9０-９一二三四五六七八九十百①-⒛]")
# A line that only separates: '###', '---', '=====', '***', '* * *'.
RULE = re.compile(rf"{BLANK}(?:#{{1,6}}+|[-=_~—]{{3,}}+|\*{{3,}}+|\*(?: \*){{2,}}+){BLANK}$")
# '- Plan ...', '• Plan ...'
_BULLET = re.compile(r"[ \t]{0,3}+[-*•·][ \t]++")
# '## Travel'
_HEADING = re.compile(rf"{BLANK}#{{1,6}}+[ \t]")
# '```python', '~~~'
_FENCE = re.compile(rf"{BLANK}(?:```|~~~)")
# 'Task: Plan ...', '指令：写 ...', after the number is removed
_SAYS_TASK = re.compile(rf"{BLANK}(?:task|instruction|任务|指令){BLANK}[:：]{BLANK}", re.IGNORECASE)
# '**Input:** ...', '- Output: ...': fields that the prompt did not request
_SAYS_MORE = re.compile(
    rf"{BLANK}(?:[-*][ \t]++)?+[*_]{{0,3}}+(?:input|output|answer|输入|输出|答案)[*_]{{0,3}}+{BLANK}[:：]",
    re.IGNORECASE,
)
# 'No input needed', 'N/A', 'none', '---', '无需输入', without the brackets and quotes in `_ENCLOSING`
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
    """Return the items of a numbered list, or of a bulleted list if no line has a number.

    Drop prose before the first item. Also drop what follows an item after a blank line, a heading, an 'Input:' or
    'Output:' line, or a bullet below a complete sentence. Any other line without a number continues the item above, and
    so does a sub-list: numbers that are indented, that lack the word of the outer numbers ('Task 3'), or that restart
    although the outer numbering continues further down.

    Args:
        text: A teacher's response.
        continues: Whether the prompt ended in a number, so that the text starts inside the first item.
    """
    lines = lines_of(text)
    starts = _starts(lines, continues)
    # No numbers at all: '- Plan a trip', '- Write a poem'.
    if not starts and not continues:
        bullets = ((at, _BULLET.match(line)) for at, line in enumerate(lines))
        starts = {at: bullet.end() for at, bullet in bullets if bullet}
    items: list[list[str]] = [[]] if continues else []
    open_ = continues  # whether the next line may still belong to the last item
    for at, line in enumerate(lines):
        # '3. Plan a trip' starts an item.
        if at in starts:
            items.append([line[starts[at] :]])
            open_ = True
        # 'Here are the tasks:' precedes the first item; 'Let me know ...' follows a closed one.
        elif not open_:
            continue
        # A blank line closes an item, unless the item has no text yet: '### 3', '', 'Plan a trip'.
        elif not line.strip():
            open_ = not any(part.strip() for part in items[-1])
        # '---', '## Travel', 'Input: ...' and '- for example' close an item, too.
        elif RULE.match(line) or _HEADING.match(line) or _SAYS_MORE.match(line) or _is_aside(line, items[-1]):
            open_ = False
        # Anything else continues the item, except the fences around code.
        elif not _FENCE.match(line):
            items[-1].append(line)
    cleaned = (clean_item(" ".join(part.strip() for part in item if part.strip())) for item in items)
    return [item for item in cleaned if item]


def _is_aside(line: str, item: list[str]) -> bool:
    """Return whether `line` is a bullet below a complete sentence: an example or an answer that was not requested."""
    if not item or _BULLET.match(line.lstrip(" \t")) is None:
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
    # '"Plan a trip."', but not '"yes" or "no"', whose first and last quotes are no pair.
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(text[1:-1]):
        text = text[1:-1].strip()
    return text


def without_numbers(items: list[str]) -> list[str]:
    """Return the items without their numbers if all are numbered; otherwise return them unchanged."""
    # ['1. Plan ...', '2. Write ...'] are numbered; in ['Plan ...', '3. is prime?'] the '3.' is content.
    numbers = [number_of(item) for item in items]
    if not all(numbers):
        return items
    return [item[number.end() :] for item, number in zip(items, numbers, strict=True) if number]


def strip_emphasis(text: str) -> str:
    """Return the text without Markdown emphasis that encloses all of it or is left over at its end."""
    text = text.strip()
    for mark in ("***", "**", "__", "*"):
        inner = text.removesuffix(mark)
        if inner == text:
            continue
        # 'Plan a trip.**': the opening mark was removed with the number. A single '*' may be a footnote: keep it.
        if mark not in inner:
            return text if mark == "*" else inner.strip()
        # '**Plan a trip.**', but not '**Plan** a **trip**'.
        if inner.startswith(mark) and len(inner) > len(mark) and mark not in inner[len(mark) :]:
            return inner[len(mark) :].strip()
        return text
    return text


def is_nothing(text: str) -> bool:
    """Return whether the text of a field means that the field is empty: '', '<none>', 'N/A', '无' ..."""
    text = text.strip()
    return text in _EMPTY or (len(text) <= 80 and _NOTHING.fullmatch(text.strip(_ENCLOSING)) is not None)


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


def lines_of(text: str) -> list[str]:
    """Split at LF, CRLF, and CR only; `str.splitlines` also splits at characters such as U+2028, which are content."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def number_of(line: str) -> re.Match[str] | None:
    """Match the number at the start of a list line, in any style; the match ends where the text begins."""
    return _NUMBER.match(line) if _HAS_NUMBER.search(line, 0, 60) else None


def _starts(lines: list[str], continues: bool) -> dict[int, int]:
    """Map each line that starts an item to the column after its number, leaving out the numbers of sub-lists."""
    found = [(at, number) for at, line in enumerate(lines) if (number := number_of(line))]
    if not found:
        return {}
    # If the first number is 'Task 1:', a bare '1.' below belongs to a sub-list.
    worded = _has_word(found[0][1]) or (continues and any(_has_word(number) for _, number in found))
    found = [(at, number) for at, number in found if _has_word(number) or not worded]
    # The last line with each number shows whether the outer numbering continues further down.
    last_at = {_value(number): at for at, number in found}
    least = 0 if continues else min(_indent(lines[found[0][0]]), 8)
    starts: dict[int, int] = {}
    before: int | None = None
    for at, number in found:
        value = _value(number)
        above = lines[at - 1] if at else ""
        joined = bool(starts or continues) and bool(above.strip()) and not _HEADING.match(above)
        # '2. Sort the steps:', '1. boil', '2. pour', '3. Plan ...': 1 restarts, and 3 continues the outer list.
        restarts = before is not None and value is not None and value <= before
        outer_continues = before is not None and last_at.get(before + 1, -1) > at
        if joined and (_indent(lines[at]) >= least + 2 or (restarts and outer_continues)):
            continue
        starts[at] = number.end()
        before = value
    return starts


def _has_word(number: re.Match[str]) -> bool:
    """Return whether a number comes with a word: 'Task 3', '第三题'."""
    return number["word"] is not None or number["ordinal"] is not None


def _value(number: re.Match[str]) -> int | None:
    digits = re.search(DIGITS, number.group())
    return int(digits.group()) if digits else None


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t\u3000"))
