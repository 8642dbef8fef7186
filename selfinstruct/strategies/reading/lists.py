"""Read numbered lists as models write them: any numbering style and script, bold, quotes, CRLF, chatter."""

from __future__ import annotations

import re

from .lines import BLANK, DIGITS, FENCE, HANZI, RULE, Extract, code_lines, indent_of, lines_of, opens_fence

_WORDS = r"task|instruction|question|item|number|no\.?+|任务|指令|题目|问题|编号"
_CIRCLED = "①-⒛⓫-⓾❶-➓㈠-㈩㉑-㉟㊀-㊉㊱-㊿🔟"
# The number of a list item, with any decoration, up to the text. Examples, one per alternative:
#   '- **Task 3:** Plan ...'   word: Task, Question, 任务 ... then digits and a mark
#   '第三题：写 ...'            ordinal: 第 with digits or Chinese numerals
#   '(3) Plan ...', '【三】'    brackets
#   '3. Plan ...', '3、', '3:'  plain digits, but not '3.5 kg' and not '3:30'
#   '3- Plan ...', '3️⃣'         a dash without a blank before it, keycaps
#   '三、写 ...', '③', 'Ⅲ.'      Chinese numerals, circled digits, Roman numerals that are characters of their own
#   '#3 Plan ...', '### 3'     a heading
_NUMBER = re.compile(
    rf"""{BLANK}(?:[-*•·>+][ \t]++)?+                                      # a bullet
        (?P<heading>\#{{1,6}}+)?+{BLANK}(?P<bold>[*_]{{1,3}}+)?+{BLANK}
        (?: (?P<word>{_WORDS})
            {BLANK}\#?+{BLANK}{DIGITS}{BLANK}(?:[.．:：、)）]|[-–—](?=[ ])|(?=[*_]|$))
          | (?P<ordinal>第){BLANK}(?:{DIGITS}|{HANZI}){BLANK}[题条个项]?+(?:任务|指令)?+
            (?:{BLANK}[.．:：、]|[ \t\u3000]++|$|(?<=\d题))
          | [(（\[【〔]{BLANK}(?:{DIGITS}|{HANZI}){BLANK}[)）\]】〕][.:：、]?+
          | {DIGITS}{BLANK}(?:\\?+[.．۔।](?!\d)[)）]?+|[)）、]|[:：](?!\d)|(?=[*_]{{1,3}}+[.:：)）]))
          | {DIGITS}(?:[-–ـ](?=[ ])|(?:\ufe0f?+\u20e3\d?+)++)
          | {HANZI}、
          | [{_CIRCLED}] | [Ⅰ-Ⅻ]{BLANK}[.．:：)）、]
          | (?(heading)(?:(?<=\#){DIGITS}(?=[ \t]|$)|{DIGITS}(?={BLANK}$))|(?!))   # '#1 text', '### 1'
        )
        (?(bold)(?:[*_]{{1,3}}+{BLANK}[.:：、)）]?+)?+){BLANK}""",
    re.VERBOSE | re.IGNORECASE,
)
# A cheap test that most lines fail, so that `_NUMBER` runs on few of them.
_HAS_NUMBER = re.compile(rf"[\d一二三四五六七八九十百{_CIRCLED}Ⅰ-Ⅻⅰ-ⅻ]")
_ONES = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix")
# 'IV. Plan ...', '(iv) Plan ...', '**Task IV:** Plan ...', '4 - Plan ...': count only in a list that counts up
_COUNTED = re.compile(
    rf"""{BLANK}(?:[-*•][ \t]++)?+(?P<bold>\*\*)?+(?i:(?:{_WORDS})[ ])?+[(（]?+
        (?: (?P<roman>[ivx]{{1,6}}+|[IVX]{{1,6}}+)(?:[.．)）、]|:(?=[\s*]|$))(?:\*\*)?+
          | (?P<digits>{DIGITS})[ ][-–—])(?:[ \t]++|$)""",
    re.VERBOSE,
)
_NUMERALS = "".join(f" {ten}{one}" for ten in ("", "x", "xx") for one in _ONES if ten or one) + " "
# '- Plan ...', '• Plan ...'
_BULLET = re.compile(r"[ \t]{0,3}+[-*•·][ \t]++")
# '## Travel'
_HEADING = re.compile(rf"{BLANK}#{{1,6}}+[ \t]")
# 'Task: Plan ...', '指令：写 ...', after the number is removed
_SAYS_TASK = re.compile(rf"{BLANK}(?:task|instruction|任务|指令){BLANK}[:：]{BLANK}", re.IGNORECASE)
# '**Input:** ...', '- Output: ...': fields that the prompt did not request
_SAYS_MORE = re.compile(
    rf"{BLANK}(?:[-*][ \t]++)?+[*_]{{0,3}}+(?:input|output|answer|输入|输出|答案)[*_]{{0,3}}+{BLANK}[:：]",
    re.IGNORECASE,
)
# The sign of a YAML block, alone on the line above the text: '- instruction: |'
_BLOCK_SIGN = re.compile(r"[|>][+-]?+\s*+$")
_CLOSING = (RULE, FENCE, _HEADING, _SAYS_MORE)
_FULL_STOPS = (".", "!", "?", "。", "！", "？")
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "`": "`"}


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
        numbers = {at: bullet for at, line in enumerate(lines) if (bullet := _BULLET.match(line))}
    first = 0 if continues else min(numbers, default=0)
    wrapped = opens_fence(lines[:first])
    # Of '1. ```python', the fence counts.
    ends = {at: number.end() for at, number in numbers.items()}
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
            items.append([text_after(line, starts[at])])
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


def text_after(line: str, number: re.Match[str]) -> str:
    """Return what follows the number on a line, without the end of emphasis that began before the number."""
    bold = number.groupdict().get("bold") or ""
    rest = line[number.end() :]
    return without_closing(rest, bold) if bold and number.group().count(bold) == 1 else rest


def without_closing(text: str, mark: str) -> str:
    """Return a text without the end of emphasis that began before it: 'Plan a trip.**', '** Plan', 'Travel:** Plan'."""
    text = text.strip()
    # The end follows a word; '2 ** 3' has none.
    ends = [end.start() for end in re.finditer(rf"(?:^|(?<=\S)){re.escape(mark)}", text)]
    if text.count(mark) % 2 == 0 or not ends:
        return text
    at = ends[-1] if text.endswith(mark) and ends[0] > 0 else ends[0]
    return text[:at] + text[at + len(mark) :]


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
    return [item[number.end() :] for item, number in zip(items, numbers, strict=True) if number]


def strip_emphasis(text: str) -> str:
    """Return the text without Markdown emphasis that encloses all of it."""
    text = text.strip()
    for mark in ("***", "**", "__", "*"):
        # '**Plan a trip.**', but not '**Plan** a **trip**'.
        inner = text[len(mark) : -len(mark)]
        if inner and text.startswith(mark) and text.endswith(mark):
            return text if mark in inner else inner.strip()
    return text


def number_of(line: str) -> re.Match[str] | None:
    """Match the number at the start of a list line, in any style; the match ends where the text begins."""
    return _NUMBER.match(line) if _HAS_NUMBER.search(line, 0, 60) else None


def numeral_of(line: str) -> re.Match[str] | None:
    """Match a Roman numeral at the start of a line: 'IV. ', '**Task iv:** '. 'I. ' may also be a word."""
    found = _COUNTED.match(line)
    return found if found and found["roman"] else None


def roman_value(numeral: str) -> int:
    """Return the value of a Roman numeral up to 29, or 0."""
    numerals = _NUMERALS.split()
    return numerals.index(numeral.lower()) + 1 if numeral.lower() in numerals else 0


def _counted(lines: list[str]) -> dict[int, re.Match[str]]:
    """Return the lines with Roman numerals in one case, or with digits and a dash, if they count up; else nothing."""
    found = {at: number for at, line in enumerate(lines) if (number := _COUNTED.match(line))}
    numerals = " ".join(number["roman"] or "" for number in found.values())
    digits = [int(number["digits"] or -1) for number in found.values()]
    counts_up = f" {numerals} " in (_NUMERALS if numerals.islower() else _NUMERALS.upper())
    counts_up = counts_up or (min(digits, default=-1) >= 0 and digits == [*range(digits[0], digits[0] + len(digits))])
    return found if counts_up and len(found) > 1 else {}


def _starts(lines: list[str], numbers: dict[int, re.Match[str]], continues: bool) -> dict[int, re.Match[str]]:
    """Return the lines that start an item, leaving out the numbers of sub-lists."""
    # If the first number is 'Task 1:', a bare '1.' below belongs to a sub-list.
    first = next(iter(numbers.values()), None)
    worded = first is not None and (_has_word(first) or (continues and any(map(_has_word, numbers.values()))))
    numbers = {at: number for at, number in numbers.items() if _has_word(number) or not worded}
    # The last line with each number shows whether the outer numbering continues further down.
    last_at = {_value(number): at for at, number in numbers.items()}
    least = 0 if continues or not numbers else min(indent_of(lines[min(numbers)]), 8)
    starts: dict[int, re.Match[str]] = {}
    before: int | None = None
    for at, number in numbers.items():
        value = _value(number)
        above = lines[at - 1] if at else ""
        joined = bool(starts or continues) and bool(above.strip()) and not _HEADING.match(above)
        # '2. Sort the steps:', '1. boil', '2. pour', '3. Plan ...': 1 restarts, and 3 continues the outer list.
        restarts = before is not None and value is not None and value <= before
        outer_continues = before is not None and last_at.get(before + 1, -1) > at
        if joined and (indent_of(lines[at]) >= least + 2 or (restarts and outer_continues)):
            continue
        starts[at] = number
        before = value
    return starts


def _value(number: re.Match[str]) -> int | None:
    digits = re.search(DIGITS, number.group())
    return int(digits.group()) if digits else None


def _has_word(number: re.Match[str]) -> bool:
    """Return whether a number comes with a word: 'Task 3', '第三题'."""
    groups = number.groupdict()
    return groups.get("word") is not None or groups.get("ordinal") is not None
