"""Answers made of 'Name: value' blocks, one block a task or an example.

Where does a value end? An output may hold anything: lines such as 'Input: 3', numbered lists, code with '#', a rule
'---', a table. So nothing that merely looks like structure ends it, only what goes with the next block:

- Once the closing field (the output) has text, lines that name other fields are content. A new *opening* field
  (the instruction), or a field directly under a numbered line of the kind that stands over the blocks of
  this text ('### 5', 'Example 2'), begins the next block.
- Numbered lines and rules ('###', '---') belong to the structure only directly above a new block, blank lines
  between, or at the end of the text. Anywhere else they are content.

So an output is cut short only where one of its own lines names the opening field. That is the
price of reading the answers whose numbering is lost.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .lists import BLANK, RULE, lines_of, unwrapped
from .marks import Mark, filled_above, find_marks, head_of

TASK = ("instruction", "input", "output")
EXAMPLE = ("input", "output")
LABELLED = ("label", "input")

_TITLE = re.compile(rf"{BLANK}#{{3,6}}+[ \t]++\S.{{0,80}}+$")
_FENCE = re.compile(rf"{BLANK}```")
_FAREWELL = re.compile(
    r"(?:(?:I hope|Hope|Let me know|Feel free|Would you like)\b.*\b(?:tasks|instructions|examples)\b"
    r"|These\b[^.]*\b(?:tasks|instructions)\b|If you (?:need|want|would like)\b.*\bmore\b"
    r"|(?:希望|以上).{0,20}(?:任务|指令|示例)|(?:如需|如果需要|需要)更多).*",
    re.IGNORECASE,
)


def read_blocks(text: str, names: Sequence[str], own: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """The blocks of a text, each with the fields that it has.

    names: the fields in the order in which they are asked for; the first opens a block, the last closes it.
    Where a text keeps to another order, that one is followed.
    own: what a wording calls the fields, beside the names that are always known: {'eingabe': 'input'}.

    A value keeps its lines as they are; blank lines around it are dropped. Of a field that is
    there twice the first text counts. Text before the first block is dropped.
    """
    lines = lines_of(text)
    marks = find_marks(lines, names, own or {})
    if not marks:
        return []
    opener, closer = _order([mark.name for mark in marks], names)
    shape = _shape(marks, opener)
    blocks = _group(lines, marks, (opener, closer), shape, firm=opener != "input")
    return [_texts(lines, blocks, at, shape) for at in range(len(blocks))]


def read_examples(text: str, own: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Blocks of input and output; the one output of an answer that begins with it: the task needs no input."""
    marks = find_marks(lines_of(text), EXAMPLE, own or {})
    if marks and marks[0].name == "output":
        return read_blocks(text, ("output",), own)[:1]
    return read_blocks(text, EXAMPLE, own)


# --- which marks begin a block --------------------------------------------------------------------


def _order(found: list[str], names: Sequence[str]) -> tuple[str, str]:
    """The names that open and close a block in this text: as asked for, unless it keeps to another order throughout."""
    opener, closer = names[0], names[-1]
    if found[0] != opener:
        turns = _turns(found, found[0])
        lasts = {turn[-1] for turn in turns}
        if all(opener in turn for turn in turns) and len(lasts) == 1 and (len(names) == 2 or opener not in lasts):
            return found[0], lasts.pop()
    elif len(names) > 2:
        middle = names[1]
        both = [turn for turn in _turns(found, opener) if middle in turn and closer in turn]
        if len(both) > 1 and all(turn.index(closer) < turn.index(middle) and turn.count(closer) == 1 for turn in both):
            return opener, middle
    return opener, closer


def _turns(found: list[str], opener: str) -> list[list[str]]:
    turns: list[list[str]] = []
    for name in found:
        if name == opener:
            turns.append([])
        if turns:
            turns[-1].append(name)
    return turns


def _shape(marks: list[Mark], opener: str) -> str | None:
    """The kind of number that stands over the blocks of this text: the first one's, or that of most."""
    if marks[0].head is not None:
        return marks[0].head
    openers = [mark.head for mark in marks if mark.name == opener]
    kinds = Counter(head for head in openers if head is not None)
    if not kinds:
        return None
    kind, count = kinds.most_common(1)[0]
    return kind if 2 * count >= len(openers) else None


@dataclass(slots=True)
class _Part:
    """One field of a block: the text on the line that names it, and the lines from `start` to `end`."""

    name: str
    text: str
    start: int
    end: int
    full: bool = False

    def filled(self, lines: list[str], upto: int) -> bool:
        """Whether there is any text before line `upto`."""
        self.full = self.full or bool(self.text.strip()) or any(line.strip() for line in lines[self.start : upto])
        return self.full


def _group(
    lines: list[str], marks: list[Mark], ends: tuple[str, str], shape: str | None, firm: bool
) -> list[list[_Part]]:
    """Marks into blocks. firm: an opener without number begins a block also where the others have numbers."""
    opener, closer = ends
    blocks: list[list[_Part]] = []
    filled: set[str] = set()
    for mark in marks:
        last = blocks[-1][-1] if blocks else None
        if last is not None and last.filled(lines, mark.line):
            filled.add(last.name)
        begins = shape is not None and mark.head == shape
        if mark.name == opener and not begins:
            free = (firm or shape is None) and opener != closer
            begins = last is None or (free and not filled.isdisjoint(ends))
        if begins:
            blocks.append([])
            filled = set()
        elif last is None or (last.name == closer and (closer in filled or mark.name in filled)):
            continue
        if last is not None:
            last.end = mark.line
        blocks[-1].append(_Part(mark.name, mark.text, mark.line + 1, len(lines)))
    return blocks


# --- where a value ends ---------------------------------------------------------------------------


def _texts(lines: list[str], blocks: list[list[_Part]], at: int, shape: str | None) -> dict[str, str]:
    """The texts of block `at`: of each field the first that isn't empty."""
    found: dict[str, str] = {}
    for part in blocks[at]:
        end = part.end
        if part is blocks[at][-1]:
            final = at == len(blocks) - 1
            if final:
                end = _before_farewell(lines, part, _separators(lines, blocks, shape))
            end = _before_heads(lines, part.start, end, shape, final)
        text = _value(part.text, lines[part.start : end])
        if not found.get(part.name):
            found[part.name] = unwrapped(text) if part.name in ("instruction", "label") else text
    return found


def _before_heads(lines: list[str], start: int, end: int, shape: str | None, final: bool) -> int:
    """The end of a value without the rules and the one number or title that belong to the next block."""
    headed = False
    while end > start:
        line = lines[end - 1]
        if not line.strip() or RULE.match(line):
            end -= 1
        elif not headed and ((shape is not None and head_of(line) == shape) or (not final and _TITLE.match(line))):
            headed = True
            end -= 1
        else:
            break
    return end


def _separators(lines: list[str], blocks: list[list[_Part]], shape: str | None) -> set[str]:
    """The rules ('---') that this text puts between its blocks."""
    found: set[str] = set()
    for block in blocks[:-1]:
        part = block[-1]
        structure = lines[_before_heads(lines, part.start, part.end, shape, final=False) : part.end]
        found.update(line.strip() for line in structure if RULE.match(line))
    return found


def _before_farewell(lines: list[str], part: _Part, separators: set[str]) -> int:
    """Where the last value ends: at a rule as between the blocks, or at a last paragraph that speaks of the tasks."""
    for at in range(part.start, part.end):
        if lines[at].strip() in separators:
            return at
    last = filled_above(lines, part.end, part.start - 1)
    if last > part.start and not lines[last - 1].strip() and _FAREWELL.match(lines[last].strip()[:400]):
        return last
    return part.end


def _value(first: str, rest: list[str]) -> str:
    """A value's lines joined; an unpaired code fence at the end closes the whole answer and is left out."""
    filled = [at for at, line in enumerate(rest) if line.strip()]
    if filled and rest[filled[-1]].strip() == "```" and sum(1 for at in filled if _FENCE.match(rest[at])) % 2:
        filled.pop()
    if not filled:
        return first.strip()
    if not first.strip():
        return "\n".join(rest[filled[0] : filled[-1] + 1]).rstrip()
    return "\n".join([first, *rest[: filled[-1] + 1]]).strip()
