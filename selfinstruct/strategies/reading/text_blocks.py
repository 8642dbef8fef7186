"""Read responses made of 'Name: value' blocks, one block per task or example; the strategies use it for plain text.

Where does a value end? An output may contain anything: lines such as 'Input: 3', numbered lists, code with '#', a rule
'---', a table. What merely looks like structure therefore does not end a value; only the next block does:

- Once the closing field (the output) has text, lines that name other fields are content. The next block begins at a
  new *opening* field (the instruction), or at a field directly below a numbered line of the kind that numbers the
  blocks of this text ('### 5', 'Example 2').
- Numbered lines and rules ('###', '---') are structure only directly above a new block (blank lines may lie between)
  or at the end of the text. Anywhere else they are content.

An output is therefore cut short only if one of its own lines names the opening field. Responses that lost their
numbering could not be read otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .lists import BLANK, RULE, lines_of, strip_emphasis
from .marks import Mark, filled_above, find_marks, head_of

TASK = ("instruction", "input", "output")
EXAMPLE = ("input", "output")
LABEL_FIRST = ("label", "input")

# '### Travel' above a block
_TITLE = re.compile(rf"{BLANK}#{{3,6}}+[ \t]++\S.{{0,80}}+$")
# '```python'
_FENCE = re.compile(rf"{BLANK}```")
# 'I hope these tasks help!', 'Let me know if you need more examples.', '希望这些任务 ...'
_FAREWELL = re.compile(
    r"(?:(?:I hope|Hope|Let me know|Feel free|Would you like)\b.*\b(?:tasks|instructions|examples)\b"
    r"|These\b[^.]*\b(?:tasks|instructions)\b|If you (?:need|want|would like)\b.*\bmore\b"
    r"|(?:希望|以上).{0,20}(?:任务|指令|示例)|(?:如需|如果需要|需要)更多).*",
    re.IGNORECASE,
)


def read_blocks(text: str, names: Sequence[str], own: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Return the blocks of a response, each with the fields that it has.

    A value keeps its lines unchanged, without blank lines around it. If a block has a field twice, the first text
    counts. Text before the first block is dropped.

    Args:
        text: A teacher's response.
        names: The fields in the requested order; the first opens a block and the last closes it. If the response uses
            another order throughout, that order applies.
        own: Additional field names from the prompt wording: {'eingabe': 'input'}.
    """
    lines = lines_of(text)
    marks = find_marks(lines, names, own or {})
    if not marks:
        return []
    # An instruction opens a block by itself; an input may also be a line of an output, so numbers take precedence.
    opener, closer = _order([mark.name for mark in marks], names)
    shape = _shape(marks, opener)
    blocks = _group(lines, marks, (opener, closer), shape, firm=opener != "input")
    return [_texts(lines, blocks, at, shape) for at in range(len(blocks))]


def read_examples(text: str, own: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Return blocks of input and output, or the single output of a response that starts with an output.

    Args:
        text: A teacher's response.
        own: Additional field names from the prompt wording.
    """
    marks = find_marks(lines_of(text), EXAMPLE, own or {})
    # 'Output: ...' first: the task needs no input, and a later 'Input:' is part of the output.
    if marks and marks[0].name == "output":
        return read_blocks(text, ("output",), own)[:1]
    return read_blocks(text, EXAMPLE, own)


# --- which marks begin a block --------------------------------------------------------------------


def _order(found: list[str], names: Sequence[str]) -> tuple[str, str]:
    """Return the names that open and close a block: as requested, unless the text uses another order throughout."""
    opener, closer = names[0], names[-1]
    # Input first: ['input', 'instruction', 'output', 'input', 'instruction', 'output'].
    if found[0] != opener:
        turns = _turns(found, found[0])
        lasts = {turn[-1] for turn in turns}
        if all(opener in turn for turn in turns) and len(lasts) == 1 and (len(names) == 2 or opener not in lasts):
            return found[0], lasts.pop()
    # Output before input: ['instruction', 'output', 'input', 'instruction', 'output', 'input'].
    elif len(names) > 2:
        middle = names[1]
        both = [turn for turn in _turns(found, opener) if middle in turn and closer in turn]
        if len(both) > 1 and all(turn.index(closer) < turn.index(middle) and turn.count(closer) == 1 for turn in both):
            return opener, middle
    return opener, closer


def _turns(found: list[str], opener: str) -> list[list[str]]:
    """Split the names at each `opener`: [['input', 'output'], ['input', 'output']]."""
    turns: list[list[str]] = []
    for name in found:
        if name == opener:
            turns.append([])
        if turns:
            turns[-1].append(name)
    return turns


def _shape(marks: list[Mark], opener: str) -> str | None:
    """Return the kind of number above the blocks of this text: that of the first block, or of at least half."""
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
    """One field of a block: the text on the line that names the field, and the lines from `start` to `end`.

    full: cached answer of `filled`, which scans the same lines for every mark otherwise.
    """

    name: str
    text: str
    start: int
    end: int
    full: bool = False

    def filled(self, lines: list[str], upto: int) -> bool:
        """Return whether the field has any text before line `upto`."""
        self.full = self.full or bool(self.text.strip()) or any(line.strip() for line in lines[self.start : upto])
        return self.full


def _group(
    lines: list[str], marks: list[Mark], ends: tuple[str, str], shape: str | None, firm: bool
) -> list[list[_Part]]:
    """Group the marks into blocks.

    Args:
        lines: The lines of the response.
        marks: The lines that name fields, in order.
        ends: The names that open and close a block.
        shape: The kind of number above the blocks, or None.
        firm: Whether an opening field without a number begins a block even if the other blocks have numbers.
    """
    opener, closer = ends
    blocks: list[list[_Part]] = []
    filled: set[str] = set()  # the fields of the current block that have text
    for mark in marks:
        last = blocks[-1][-1] if blocks else None
        if last is not None and last.filled(lines, mark.line):
            filled.add(last.name)
        # '### 5' above the field begins a block; so does the opening field once the block before has some text.
        begins = shape is not None and mark.head == shape
        if mark.name == opener and not begins:
            free = (firm or shape is None) and opener != closer
            begins = last is None or (free and not filled.isdisjoint(ends))
        if begins:
            blocks.append([])
            filled = set()
        # 'Input: 3' inside an output: content, because the output has text.
        elif last is None or (last.name == closer and (closer in filled or mark.name in filled)):
            continue
        if last is not None:
            last.end = mark.line
        blocks[-1].append(_Part(mark.name, mark.text, mark.line + 1, len(lines)))
    return blocks


# --- where a value ends ---------------------------------------------------------------------------


def _texts(lines: list[str], blocks: list[list[_Part]], at: int, shape: str | None) -> dict[str, str]:
    """Return the fields of block `at`; if a field occurs twice, the first text that is not empty counts.

    Args:
        lines: The lines of the response.
        blocks: All blocks.
        at: Index of the block.
        shape: The kind of number above the blocks, or None.
    """
    found: dict[str, str] = {}
    for part in blocks[at]:
        end = part.end
        # Only the last field of a block is followed by structure: a rule, the next number, a closing sentence.
        if part is blocks[at][-1]:
            final = at == len(blocks) - 1
            if final:
                end = _before_farewell(lines, part, _separators(lines, blocks, shape))
            end = _before_heads(lines, part.start, end, shape, final)
        text = _value(part.text, lines[part.start : end])
        if not found.get(part.name):
            found[part.name] = strip_emphasis(text) if part.name in ("instruction", "label") else text
    return found


def _before_heads(lines: list[str], start: int, end: int, shape: str | None, final: bool) -> int:
    """Move `end` up past the rules and the one number or title ('---', '### 6', '### Travel') of the next block.

    Args:
        lines: The lines of the response.
        start: First line of the value.
        end: Line after the value.
        shape: The kind of number above the blocks, or None.
        final: Whether this is the last block; a title at the end of the text is content.
    """
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
    """Return the rules ('---') that this text puts between its blocks.

    Args:
        lines: The lines of the response.
        blocks: All blocks.
        shape: The kind of number above the blocks, or None.
    """
    found: set[str] = set()
    for block in blocks[:-1]:
        part = block[-1]
        structure = lines[_before_heads(lines, part.start, part.end, shape, final=False) : part.end]
        found.update(line.strip() for line in structure if RULE.match(line))
    return found


def _before_farewell(lines: list[str], part: _Part, separators: set[str]) -> int:
    """Return where the last value ends: at a rule used between blocks, or at a closing paragraph about the tasks.

    Args:
        lines: The lines of the response.
        part: The last field of the last block.
        separators: The rules used between blocks.
    """
    # '---' between the blocks and again after the last one: what follows is not part of the output.
    for at in range(part.start, part.end):
        if lines[at].strip() in separators:
            return at
    # '', 'Let me know if you need more tasks!'
    last = filled_above(lines, part.end, part.start - 1)
    if last > part.start and not lines[last - 1].strip() and _FAREWELL.match(lines[last].strip()[:400]):
        return last
    return part.end


def _value(first: str, rest: list[str]) -> str:
    """Join the lines of a value; drop an unpaired code fence at the end, which closes one around the whole response."""
    filled = [at for at, line in enumerate(rest) if line.strip()]
    if filled and rest[filled[-1]].strip() == "```" and sum(1 for at in filled if _FENCE.match(rest[at])) % 2:
        filled.pop()
    if not filled:
        return first.strip()
    # 'Output:' alone: the lines below keep their indentation, which matters in code.
    if not first.strip():
        return "\n".join(rest[filled[0] : filled[-1] + 1]).rstrip()
    return "\n".join([first, *rest[: filled[-1] + 1]]).strip()
