"""What the readers share: their result, and how they see lines, digits, rules, fences, and fields that are empty.

The readers follow one rule. They remove what is unmistakably structure: its counterpart is in the same response, or
the prompt's wording asks for it. Everything else is part of an item, or is returned in `Extract.lost`.

Every function accepts any text, never raises, and runs in linear time. The patterns therefore use possessive
quantifiers (`*+`, `++`, `?+`): a line of a million blanks causes no backtracking.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ...core.shipped import shipped_yaml

T = TypeVar("T")

WORDS: dict[str, Any] = shipped_yaml(__package__, "words.yaml")
"""Words that structure responses, in several languages."""

BLANK = "[ \t\u00a0\u202f\u3000\u200e\u200f]*+"  # French has narrow blanks before colons
DIGITS = r"\d{1,4}+"  # of any script
HANZI = "[一二三四五六七八九十百]{1,4}+"
# A line that may separate: '###', '---', '=====', '***', '* * *'.
RULE = re.compile(rf"{BLANK}(?:#{{1,6}}+|[-=_~—]{{3,}}+|\*{{3,}}+|\*(?: \*){{2,}}+){BLANK}$")
# '```python', '~~~~', but not '```x = 1```'
FENCE = re.compile(r"[ \t]*+(?P<mark>`{3,}+|~{3,}+)(?P<info>[^`]*+)$")

_NOTHING = re.compile("|".join(WORDS["nothing"]), re.IGNORECASE)
_WORD = re.compile("|".join(WORDS["none"]), re.IGNORECASE)
_MARKS = " \t\r\n\"'“”‘’*_`.。"
_BRACKETS = "<>[]()（）【】「」《》"


@dataclass(frozen=True, slots=True)
class Extract(Generic[T]):
    """What was read of a response.

    lost: what is neither an item nor structure, each as 'reason: text'. closed: whether all items are complete even if
    the token limit cut the response.
    """

    items: list[T] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    closed: bool = False

    def or_else(self, other: Extract[T]) -> Extract[T]:
        """Return another reading of the response instead of one without items, unless neither has any."""
        return other if not self.items and (other.items or not self.lost) else self

    def lose(self, reason: str, text: str) -> None:
        """Add a part that is in no item, unless it is blank. Of more than `_MOST_PARTS`, the last one has the rest."""
        text = text.strip()
        if text and len(self.lost) < _MOST_PARTS:
            shown = " ".join(text[: 2 * _SHOWN].split())[:_SHOWN]
            more = f" ... ({len(text):,} characters)" if len(text) > _SHOWN else ""
            self.lost.append(f"{reason}: {shown}{more}")
        elif text:
            self.lost[-1] = f"{reason}: and further parts"


_SHOWN = 300
"""Characters of a lost part that its verdict quotes; the journal has the whole response."""
_MOST_PARTS = 100


def lines_of(text: str) -> list[str]:
    """Split at LF, CRLF, and CR only; `str.splitlines` also splits at characters such as U+2028, which are content.

    The marks of a block quote are removed if every line has them.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    quoted = len(lines) > 1 and all(line[:1] == ">" or not line.strip() for line in lines)
    return [line[1:].removeprefix(" ") for line in lines] if quoted else lines


def indent_of(line: str) -> int:
    """Return the number of blanks before the text of a line."""
    return len(line) - len(line.lstrip(" \t\u3000"))


def code_lines(lines: Sequence[str], edges: Collection[int], numbers: Mapping[int, int], wrapped: bool) -> set[int]:
    """Return the lines of code blocks inside items, with their fences; what looks like structure there is content.

    Args:
        lines: The lines from the first item on; the others are blank.
        edges: The lines that may begin an item.
        numbers: The numbers of lines that begin an item unless they are code.
        wrapped: Whether a fence around items is open at the first of them. If so, a fence is none of code if an item,
            another fence, a rule, or the end of the response follows.
    """
    code: set[int] = set()
    opened, mark, number = -1, "", 0
    for at, line in enumerate(lines):
        # An item with a higher number: the fence above was never closed.
        if at in numbers and (opened < 0 or numbers[at] > number):
            opened, number = -1, numbers[at]
        fence = FENCE.match(line)
        if fence is None or (opened >= 0 and not fence["mark"].startswith(mark)):
            continue
        bare = not fence["info"].strip()
        if opened >= 0 and bare:
            code.update(range(opened, at + 1))
            opened = -1
        elif not (wrapped and bare and _is_edge(lines, at + 1, edges)):
            opened, mark = at, fence["mark"]
    return code


def _is_edge(lines: Sequence[str], at: int, edges: Collection[int]) -> bool:
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at == len(lines) or at in edges or bool(RULE.match(lines[at]) or FENCE.match(lines[at]))


def opens_fence(lines: Sequence[str]) -> bool:
    """Return whether a fence is left open at the end of these lines."""
    return sum(FENCE.match(line) is not None for line in lines) % 2 == 1


def is_nothing(text: str) -> bool:
    """Return whether a field is empty or says so unmistakably: '', '<none>', 'N/A', '无需输入'."""
    if len(text) > 80:
        return False
    inner = text.strip(_MARKS)
    bare = inner.strip(_BRACKETS + _MARKS)
    marked = inner[:1] in _BRACKETS and inner[-1:] in _BRACKETS and _WORD.fullmatch(bare) is not None
    return not text.strip() or (inner != "" and marked) or _NOTHING.fullmatch(bare) is not None


def without_nothing(inputs: Sequence[str], own: str) -> list[str]:
    """Return the inputs of a response's tasks, each '' if it says that there is none.

    A word such as 'None' says so if it is how this response marks a task without input: at least two tasks have it, and
    more than say it otherwise.

    Args:
        inputs: The inputs.
        own: The mark of the prompt's wording: '<none>'.
    """
    # '<none>', 'Constraints: ...' on the next line
    inputs = [text.lstrip().removeprefix(f"{own}\n") if f"{own}\n" in text else text for text in inputs]
    inputs = ["" if is_nothing(text) or text.strip() == own else text for text in inputs]
    words = [text.strip(_MARKS).casefold() or text for text in inputs]
    counts = Counter(
        word for text, word in zip(inputs, words, strict=True) if len(text) <= 80 and _WORD.fullmatch(word)
    )
    least = max(2, inputs.count("") + 1)
    return ["" if counts[word] >= least else text for text, word in zip(inputs, words, strict=True)]
