"""Find numbers at the start of lines: of list items and of blocks, in any style and script, with any decoration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .lines import BLANK, DIGITS, HANZI, WORDS

_WORDS = "|".join(WORDS["task"] + WORDS["number"])
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
# A whole line that numbers a block, with an optional title:
#   '### 5', '5.', 'Example 2:', '- **Task 3:**', '**Task 3: Travel**', 'Example 2 - Travel', '第三题：'
_HEAD = re.compile(
    rf"""{BLANK}(?:[-*•>][ \t]++)?+
        (?:(?P<lead>\#{{0,6}}+{BLANK}[*_]{{0,3}}+{BLANK}(?:[^\W\d_]{{1,20}}+\.?+{BLANK}){{0,2}}+[\#(（\[【]?+){BLANK}{DIGITS}
          |(?P<hanzi>第){HANZI})
        {BLANK}(?P<mark>[.．:：)）、\]】题]{{0,2}}+)[*_]{{0,3}}+{BLANK}[:：]?+{BLANK}(?P<dash>[-–—])?+(?P<title>.{{0,80}}+)$""",
    re.VERBOSE,
)
# '### 4 **Input:** text': a heading with a number that `number_of` does not accept
_HASH_NUMBER = re.compile(rf"{BLANK}\#{{1,6}}+{BLANK}{DIGITS}{BLANK}")


class Number(NamedTuple):
    """A number at the start of a line.

    kind: what precedes the digits, in lower case, such as 'example' or '###', or 'roman'. value: the number, 0 if it
    isn't in digits or Roman numerals. end: where the text after it begins. bold: the mark of emphasis that is open
    there. worded: whether it is 'Task 3' or '第三题' in a list. title: the rest of a line that numbers a block.
    """

    kind: str
    value: int
    end: int
    bold: str = ""
    worded: bool = False
    title: str = ""

    def text_after(self, line: str) -> str:
        """Return what follows the number on its line, without the end of emphasis that began before the number."""
        return without_closing(line[self.end :], self.bold) if self.bold else line[self.end :]


def number_of(line: str) -> Number | None:
    """Return the number at the start of a list line, in any style."""
    return _number(_NUMBER.match(line) if _HAS_NUMBER.search(line, 0, 60) else None)


def hash_number_of(line: str) -> Number | None:
    """Return the number behind hash signs, whatever follows."""
    return _number(_HASH_NUMBER.match(line))


def counted_of(line: str) -> Number | None:
    """Return a Roman numeral, or digits and a dash: 'IV. ', '**Task iv:** ', '4 - '. 'I. ' may also be a word."""
    return _number(_COUNTED.match(line))


def numeral_of(line: str) -> Number | None:
    """Return the Roman numeral at the start of a line."""
    found = counted_of(line)
    return found if found and found.kind == "roman" else None


def head_of(line: str) -> Number | None:
    """Return the number on a line that numbers a block ('### 5', 'Example 2:', '**Task 3: Travel**'), or None."""
    found = _HEAD.match(line) if len(line) <= 120 else None
    if found is None:
        numeral = numeral_of(line)
        return numeral if numeral and numeral.end == len(line) else None
    head = Number("第", 0, len(line)) if found["hanzi"] else Number(*_kind_and_value(line), len(line))
    # 'Task 3: Travel' has a mark before its title; '3. Travel' has no word and 'Chapter 3 begins' no mark: content.
    if title := found["title"].strip():
        return head._replace(title=title) if head.kind and (found["mark"] or found["dash"]) else None
    # '### 5', 'Example 2', '5.', or '**5**'; a bare '5' is None.
    return head if head.kind or found["mark"] or "*" in line else None


def counts_up(values: Sequence[int]) -> bool:
    """Return whether there are several numbers, each the next one."""
    return len(values) > 1 and [*values] == [*range(values[0], values[0] + len(values))]


def without_closing(text: str, mark: str) -> str:
    """Return a text without the end of emphasis that began before it: 'Plan a trip.**', '** Plan', 'Travel:** Plan'."""
    text = text.strip()
    # The end follows a word; '2 ** 3' has none.
    ends = [end.start() for end in re.finditer(rf"(?:^|(?<=\S)){re.escape(mark)}", text)]
    if text.count(mark) % 2 == 0 or not ends:
        return text
    at = ends[-1] if text.endswith(mark) and ends[0] > 0 else ends[0]
    return text[:at] + text[at + len(mark) :]


def _number(found: re.Match[str] | None) -> Number | None:
    if found is None:
        return None
    groups = found.groupdict()
    bold = groups.get("bold") or ""
    worded = bool(groups.get("word") or groups.get("ordinal"))
    kind, value = _kind_and_value(found.group())
    if numeral := groups.get("roman"):
        numerals = _NUMERALS.split()
        kind, value = "roman", numerals.index(numeral.lower()) + 1 if numeral.lower() in numerals else 0
    return Number(kind, value, found.end(), bold if found.group().count(bold) == 1 else "", worded)


def _kind_and_value(text: str) -> tuple[str, int]:
    """Split a number: '### 6.' into '###' and 6."""
    digits = re.search(DIGITS, text)
    if digits is None:
        return "第" if "第" in text else "numeral", 0
    return text[: digits.start()].strip(" \t\u3000*_([（【-•>").casefold(), int(digits.group())
