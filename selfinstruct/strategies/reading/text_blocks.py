"""Read responses made of 'Name: value' blocks, one block per task or example; the strategies use it for plain text.

Where does a value end? An output may contain anything: lines such as 'Input: 3', numbered lists, code with '#', a rule
'---', a table. What merely looks like structure therefore does not end a value; only the next block does:

- Lines of a code fence that is closed, or of a YAML block ('output: |' above indented lines), are content.
- Once the closing field (the output) has text, lines that name other fields are content. The next block begins at a
  new *opening* field (the instruction), or at a field directly below a numbered line of the kind that numbers the
  blocks of this text ('### 5', 'Example 2').
- Between two blocks, the number above the next block is structure, and so is a rule or a title if the same stands at
  every boundary. A fence is, if it has its counterpart above the first block.
- After the last block, the same rule is structure, and so is the next number.

Everything else is content, or is returned in `Extract.lost`: text before the first block or after the last rule, a
closing sentence about the tasks, and a field that a block has twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import yaml

from .lines import BLANK, FENCE, RULE, Extract, code_lines, indent_of, lines_of, opens_fence
from .lists import strip_emphasis
from .marks import Head, Mark, filled_above, find_marks, head_of

TASK = ("instruction", "input", "output")
EXAMPLE = ("input", "output")
LABEL_FIRST = ("label", "input")

# '### Travel' above a block
_TITLE = re.compile(rf"{BLANK}(#{{2,6}}+)[ \t]++\S.{{0,80}}+$")
# '... the end. ### 6': the number of the next block on the last line of a value, as small models write it
_NEXT_HEAD = re.compile(r"(?<=[^\s#])[ \t]*+(#{2,6}+)[ \t]*+(\d{0,4}+)[ \t]*+$")
_HASHES = re.compile(r"(#++).*+")
# The sign of a YAML block, alone behind the name of a field: 'output: |'
_BLOCK_SIGN = re.compile(r"[|>][+-]?+[1-9]?+[+-]?+[ \t]*+$")
# 'I hope these tasks help!', 'Let me know if you need more tasks.', '希望这些任务 ...'
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*+\"|'(?:[^']|'')*+'", re.DOTALL)
_MOST_YAML = 100_000
"""Characters of a value that are read as YAML."""
_FAREWELL = re.compile(
    r"(?:(?:(?:I |We )?hope|Let me know|Feel free|Would you like|If you (?:need|want|would like))\b|希望|如需|如果需要)"
    r".*(?:\b(?:tasks|instructions)\b|(?:these|more)(?: \w+)? examples\b|任务|指令|示例)",
    re.IGNORECASE,
)


def read_blocks(text: str, names: Sequence[str], own: Mapping[str, str] | None = None) -> Extract[dict[str, str]]:
    """Return the blocks of a response, each with the fields that it has.

    A value keeps its lines unchanged, without blank lines around it. If a block has a field twice, the first text
    counts.

    Args:
        text: A teacher's response.
        names: The fields in the requested order; the first opens a block and the last closes it. If the response uses
            another order throughout, that order applies.
        own: Additional field names from the prompt wording: {'eingabe': 'input'}.
    """
    lines = lines_of(text)
    marks = find_marks(lines, names, own or {})
    if not marks:
        return Extract()
    return _BlockReader(lines, marks, names).read()


def read_examples(text: str, own: Mapping[str, str] | None = None) -> Extract[dict[str, str]]:
    """Return blocks of input and output, or the single output of a response that starts with an output.

    Args:
        text: A teacher's response.
        own: Additional field names from the prompt wording.
    """
    marks = find_marks(lines_of(text), EXAMPLE, own or {})
    if not marks or marks[0].name != "output":
        return read_blocks(text, EXAMPLE, own)
    # 'Output: ...' first: the task needs no input, and a later 'Input:' is part of the output.
    reading = read_blocks(text, ("output",), own)
    for block in reading.items[1:]:
        reading.lose("left_out", block["output"])
    del reading.items[1:]
    return reading


@dataclass(slots=True)
class _Part:
    """One field of a block: the mark that names it, and its further lines up to `end`.

    full: cached answer of `filled`, which scans the same lines for every mark otherwise.
    """

    mark: Mark
    end: int
    full: bool = False

    @property
    def start(self) -> int:
        """The line below the mark."""
        return self.mark.line + 1

    def filled(self, lines: list[str], upto: int) -> bool:
        """Return whether the field has any text before line `upto`."""
        self.full = self.full or bool(self.mark.text.strip()) or any(map(str.strip, lines[self.start : upto]))
        return self.full


class _BlockReader:
    """Reads one response.

    content: the lines that are no structure, whatever they look like. shape: the kind of number above the blocks, or
    None. yaml: whether quotes and block signs are those of YAML. wrapped: whether a fence is open at the first block.
    """

    def __init__(self, lines: list[str], marks: list[Mark], names: Sequence[str]) -> None:
        self._lines = lines
        self._wrapped = opens_fence(lines[: marks[0].line])
        scalars = _scalar_lines(lines, marks)
        self._yaml = bool(scalars) or _has_quoted_scalars(lines, marks)
        self._content = scalars | self._code_lines(marks, _shape(marks, names[0]))
        # The mark of 'Output: ```python' stands on a line of code.
        marks = [mark for mark in marks if mark.line not in self._content or FENCE.match(mark.text)]
        # An instruction opens a block by itself; an input may also be a line of an output, so numbers take precedence.
        opener, closer = _order([mark.name for mark in marks], names)
        self._shape = _shape(marks, opener)
        self._blocks = _group(lines, marks, (opener, closer), self._shape, firm=opener != "input")

    def _code_lines(self, marks: list[Mark], shape: str | None) -> set[int]:
        # Of 'Output: ```python', the fence counts.
        lines = [""] * marks[0].line + self._lines[marks[0].line :]
        for mark in marks:
            lines[mark.line] = mark.text
        edges = {mark.top for mark in marks} | {mark.line for mark in marks}
        heads = {mark.top: mark.head for mark in marks if mark.head and mark.head.kind == shape}
        return code_lines(lines, edges, {at: head.number for at, head in heads.items() if head.number}, self._wrapped)

    def read(self) -> Extract[dict[str, str]]:
        """Return the blocks."""
        reading: Extract[dict[str, str]] = Extract()
        lines, blocks = self._lines, self._blocks
        if not blocks:
            return reading
        # What stands above the first block, between the blocks, and below the last one
        regions = [(0, blocks[0][0].mark.line), *((block[-1].start, block[-1].end) for block in blocks)]
        rules, titles = self._repeated(regions)
        below = {"", *rules} | ({_FENCE} if self._wrapped else set())
        between = {_HEAD, *titles} | below
        end = self._trim(0, self._trim(*regions[0], between)[0], between)[0]
        # '```yaml', 'tasks:'
        above = [line for line in lines[:end] if not (self._wrapped and FENCE.match(line))]
        above = [line for line in above if not (self._yaml and re.fullmatch(r"\w{1,40}:\s*", line))]
        reading.lose("left_out", "\n".join([*above, *self._titles(end, regions[0][1])]))
        answers_end_in_heads = False
        for block in blocks:
            part, final = block[-1], block is blocks[-1]
            end, headed = self._trim(part.start, part.end, below if final else between)
            closes = end > part.start and self._kind(end - 1) == _HEAD
            # The number after the last block; '### 18' may be the result that other answers also end in.
            if closes and final and not answers_end_in_heads and _follows(head_of(lines[end - 1]), block[0].mark.head):
                end, headed = self._trim(part.start, end - 1, below)[0], True
            answers_end_in_heads = answers_end_in_heads or closes
            reading.lose("left_out", "\n".join(self._titles(end, part.end)))
            if final:
                whole, end = end, self._before_closing(part.start, end, rules, regions)
                reading.lose("left_out", "\n".join(line for line in lines[end:whole] if line.strip() not in rules))
            fields: dict[str, str] = {}
            for each in block:
                text = self._value(each, end if each is part else each.end)
                if each is part and not headed and not answers_end_in_heads:
                    text = self._without_head(text, block[0].mark.head, final)
                elif each is part and _NEXT_HEAD.search(text, max(0, len(text) - 20)):
                    answers_end_in_heads = True
                if fields.get(each.mark.name):
                    reading.lose("left_out", text)
                else:
                    emphasized = each.mark.name in ("instruction", "label")
                    fields[each.mark.name] = strip_emphasis(text) if emphasized else text
            reading.items.append(fields)
        return reading

    def _kind(self, at: int) -> str | None:
        """Return what structure a line may be: a rule, a title's '### ', `_HEAD`, `_FENCE`, '' if blank; None: text."""
        line = self._lines[at]
        if at in self._content:
            return None
        if not line.strip() or RULE.match(line):
            return line.strip()
        head, title = head_of(line), _TITLE.match(line)
        # '### 5. Songs' also follows '### Task 4: Sums'.
        if (
            head is not None
            and self._shape is not None
            and _HASHES.sub(r"\1", head.kind) == _HASHES.sub(r"\1", self._shape)
        ):
            return _HEAD
        return _FENCE if FENCE.match(line) else title[1] + " " if title else None

    def _trim(self, start: int, end: int, structure: Collection[str]) -> tuple[int, bool]:
        """Move `end` up past structure, with at most one number or title; return whether there was one."""
        headed = False
        while end > start:
            kind = self._kind(end - 1)
            if kind is None or kind not in structure or (headed and kind[-1:] == " "):
                break
            headed = headed or kind[-1:] == " "
            end -= 1
        return end, headed

    def _titles(self, start: int, end: int) -> list[str]:
        """Return the lines of structure that have a title: '### Travel', 'Task 3: Travel'."""
        heads = ((line, head_of(line)) for line in self._lines[start:end])
        return [line for line, head in heads if (head.title if head else _TITLE.match(line))]

    def _repeated(self, regions: list[tuple[int, int]]) -> tuple[set[str], set[str]]:
        """Return the rules between all blocks, or above a single one, and the titles above all blocks."""
        found: list[dict[str, int]] = []
        for start, end in regions:
            kinds: dict[str, int] = {}
            while end > start and (kind := self._kind(end - 1)) is not None:
                if kind[-1:] == " " and any(each[-1:] == " " for each in kinds):
                    break
                end -= 1
                kinds[kind] = end
            found.append(kinds)
        above = found[1:-1] or found[:1]
        repeated = set.intersection(*map(set, above))
        titles = {kind for kind in repeated if kind[-1:] == " " and kind in found[0] and len(found) > 2}
        rules = {kind for kind in repeated if kind and kind[-1] != " " and kind != _FENCE}
        # '===' below a text and above a blank line may underline it, unless it stands in two places.
        for kind in [kind for kind in rules if kind[0] in "-=" and sum(kind in kinds for kinds in found) == 1]:
            at = above[0][kind]
            if at and self._lines[at - 1].strip() and not self._lines[at + 1].strip():
                rules.remove(kind)
        return rules, titles

    # --- where a value ends -------------------------------------------------------------------------

    def _before_closing(self, start: int, end: int, rules: set[str], regions: list[tuple[int, int]]) -> int:
        """Return where the last value ends: at a rule used between blocks, or at a closing sentence about the tasks."""
        # '---' between the blocks and once below the last one, with a paragraph: it is not part of the output.
        used = [at for at in range(start, end) if at not in self._content and self._lines[at].strip() in rules]
        if len(used) == 1 and len(regions) > 2:
            paragraph = "\n".join(self._lines[used[0] + 1 : end]).strip()
            if all(map(str.strip, paragraph.split("\n"))):
                return used[0]
        # '', 'Let me know if you need more tasks!'
        last = filled_above(self._lines, end, start - 1)
        if last > start and not self._lines[last - 1].strip() and _FAREWELL.match(self._lines[last].strip()[:400]):
            return last
        return end

    def _value(self, part: _Part, end: int) -> str:
        """Join the lines of a value, without blank lines around it."""
        first, rest = part.mark.text, self._lines[part.start : end]
        if self._yaml and (scalar := _read_scalar(first, rest)) is not None:
            return scalar
        # 'Output:' alone: the lines below keep their indentation, which matters in code.
        if first.strip():
            return "\n".join([first, *rest]).strip()
        filled = next((at for at, line in enumerate(rest) if line.strip()), len(rest))
        return "\n".join(rest[filled:]).rstrip()

    def _without_head(self, text: str, head: Head | None, final: bool) -> str:
        """Remove the number of the next block from the last line: 'The end. ### 6', as small models write it."""
        found = _NEXT_HEAD.search(text, max(0, len(text) - 20))
        if found is None or found[1] != self._shape:
            return text
        following = not final or not found[2] or _follows(Head(found[1], int(found[2])), head)
        return text[: found.start()].rstrip() if following else text


# Kinds of structure, next to rules; those of titles, such as '### ', end in a blank, too.
_HEAD, _FENCE = "number ", "```"


def _follows(head: Head | None, before: Head | None) -> bool:
    """Return whether one number comes after another; no number, or 0, stands for an unknown one."""
    if head is None or head.number is None:
        return False
    return before is None or not before.number or head.number == before.number + 1


def _precedes(head: Head | None, before: Head | None) -> bool:
    """Return whether a number is lower than the one before it."""
    return bool(head and before and head.number and before.number and head.number < before.number)


def _scalar_lines(lines: list[str], marks: list[Mark]) -> set[int]:
    """Return the lines of YAML blocks: those below 'output: |' that are indented more than the name."""
    found: set[int] = set()
    for mark in marks:
        if mark.line not in found and _BLOCK_SIGN.match(mark.text):
            end = mark.line + 1
            indent = indent_of(lines[mark.line])
            while end < len(lines) and (not lines[end].strip() or _blanks(lines[end]) > indent):
                end += 1
            below = range(mark.line + 1, filled_above(lines, end, mark.line) + 1)
            found.update(below)
    return found


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _has_quoted_scalars(lines: list[str], marks: list[Mark]) -> bool:
    """Return whether the response is a YAML list ('- instruction: ...', '  input: ...') with quotes around values."""
    texts = [mark.text.strip() for mark in marks]
    if not any(text in ('""', "''") for text in texts) and not all(text[:1] in ('"', "'") for text in texts):
        return False
    shown, first = [lines[mark.line] for mark in marks], marks[0]
    dashes = [line.lstrip().startswith("- ") for line in shown]
    return dashes == [mark.name == first.name for mark in marks] and len(set(map(indent_of, shown))) == 1


def _read_scalar(first: str, rest: list[str]) -> str | None:
    """Return the text of a quoted value, a block, or null in YAML; None for another value, which is read as it is."""
    source = "\n".join([first, *rest]).strip()
    if source in ("null", "~"):
        return ""
    block = _BLOCK_SIGN.match(first) is not None
    if len(source) > _MOST_YAML or not (block or _QUOTED.fullmatch(source)):
        return None
    try:
        text = yaml.load(f"- {source}", Loader=yaml.BaseLoader)[0]  # noqa: S506 - makes strings, lists, and dicts only
    except (yaml.YAMLError, ValueError, OverflowError):
        return None
    # A line that isn't indented like the others may be a comment in YAML.
    lost = block and "".join(text.split()) != "".join("".join(rest).split())
    return None if lost else text.strip("\n")


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
        return marks[0].head.kind
    openers = [mark.head for mark in marks if mark.name == opener]
    kinds = Counter(head.kind for head in openers if head is not None)
    if not kinds:
        return None
    kind, count = kinds.most_common(1)[0]
    return kind if 2 * count >= len(openers) else None


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
            filled.add(last.mark.name)
        # '### 5' above the field begins a block; so does the opening field once the block before has some text.
        # 'Example 1' below 'Example 2' is content where any line may say 'Input:'.
        numbered = mark.head is not None and mark.head.kind == shape
        begins = numbered and (firm or last is None or not _precedes(mark.head, blocks[-1][0].mark.head))
        if mark.name == opener and not begins:
            free = (firm or shape is None) and opener != closer
            begins = last is None or (free and not filled.isdisjoint(ends))
        if begins:
            blocks.append([])
            filled = set()
        # 'Input: 3' inside an output: content, because the output has text.
        elif last is None or (last.mark.name == closer and (closer in filled or mark.name in filled)):
            continue
        if last is not None:
            last.end = mark.line
        blocks[-1].append(_Part(mark, len(lines)))
    return blocks
