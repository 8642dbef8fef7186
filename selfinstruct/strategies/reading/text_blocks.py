"""Read responses made of 'Name: value' blocks, one block per task or example; the strategies use it for plain text.

Where does a value end? An output may contain anything: lines such as 'Input: 3', numbered lists, code with '#', a rule
'---', a table. What merely looks like structure therefore does not end a value; only the next block does:

- Lines of a code fence that is closed, or of a YAML block ('output: |' above indented lines), are content.
- Once the closing field (the output) has text, lines that name other fields are content. The next block begins at a
  new *opening* field (the instruction), or at a field directly below a numbered line of the kind that numbers the
  blocks of this text ('### 5', 'Example 2').
- Between two blocks, the number above the next block is structure, and so is a rule or a title if the same one is at
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
from itertools import takewhile

from .lines import BLANK, FENCE, RULE, WORDS, Extract, code_lines, indent_of, lines_of, opens_fence
from .lists import strip_emphasis
from .loose_json import lose_members
from .marks import Mark, filled_above, find_marks
from .numbers import Number, counts_up, head_of
from .yaml_blocks import block_lines, read_scalar, yaml_marks

TASK = ("instruction", "input", "output")
EXAMPLE = ("input", "output")
LABEL_FIRST = ("label", "input")

# '### Travel', '**4. Rivers**', '4. Rivers', or '**Category:** Science' above a block
_TITLE = re.compile(
    rf"""{BLANK}(?:(?P<hashes>\#{{2,6}}+[ \t])[ \t]*+\S | \d{{1,4}}+[.．)、](?!\d)
        | \*{{0,2}}+(?P<label>[^\W\d]\w{{1,20}}+)\*{{0,2}}+[:：] | (?P<bold>\*\*)[^*]++\*\*[ \t]*+$).{{0,80}}+$""",
    re.VERBOSE,
)
# '... the end. ### 6': the number of the next block on the last line of a value, as small models write it
_NEXT_HEAD = re.compile(r"(?<=[^\s#])[ \t]*+(#{2,6}+)[ \t]*+(\d{0,4}+)[ \t]*+$")
_BEHIND_HASHES = re.compile(r"(?<=#)[^#].*+")
# 'I hope these tasks help!', 'Let me know if you need more tasks.', '希望这些任务 ...'
_FAREWELL = re.compile("|".join(pattern.replace("\n", "") for pattern in WORDS["farewell"]), re.IGNORECASE)


def read_blocks(text: str, names: Sequence[str], own: Mapping[str, str] | None = None) -> Extract[dict[str, str]]:
    """Return the blocks of a response, each with its fields; a value keeps its lines, without blank lines around it.

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
    keys = yaml_marks(lines, marks)
    extract = _BlockReader(lines, keys or marks, names, is_yaml=bool(keys)).read()
    for fields in extract.items:
        lose_members({name: fields.pop(name) for name in [*fields] if name not in names}, (), extract)
    return extract


def read_examples(text: str, own: Mapping[str, str] | None = None) -> Extract[dict[str, str]]:
    """Return blocks of input and output, or the single output of a response that starts with an output."""
    marks = find_marks(lines_of(text), EXAMPLE, own or {})
    if not marks or marks[0].name != "output":
        return read_blocks(text, EXAMPLE, own)
    # 'Output: ...' first: the task needs no input, and a later 'Input:' is part of the output.
    extract = read_blocks(text, ("output",), own)
    for block in extract.items[1:]:
        extract.lose("left_out", block["output"])
    del extract.items[1:]
    return extract


@dataclass(slots=True)
class _Part:
    """One field of a block: the mark that names it, and the line after its last one."""

    mark: Mark
    end: int


class _BlockReader:
    """Reads one response.

    content: the lines that are no structure, whatever they look like. shape: the kind of number above the blocks, or
    None. wrapped: whether a fence is open at the first block. yaml: whether quotes and block signs are those of YAML.
    """

    def __init__(self, lines: list[str], marks: list[Mark], names: Sequence[str], is_yaml: bool) -> None:
        self._lines, self._yaml, self._wrapped = lines, is_yaml, opens_fence(lines[: marks[0].line])
        scalars = block_lines(lines, marks) if is_yaml else set()
        # Of 'Output: ```python', the fence counts.
        texts = {mark.line: mark.text for mark in marks}
        coded = [texts.get(at, line) if at >= marks[0].line else "" for at, line in enumerate(lines)]
        shape = _shape(marks, names[0])
        numbers = {mark.top: mark.head.value for mark in marks if mark.head and mark.head.kind == shape}
        edges = {line for mark in marks for line in (mark.top, mark.line)}
        self._content = scalars | code_lines(coded, edges, numbers, self._wrapped)
        marks = [mark for mark in marks if mark.line not in self._content or FENCE.match(mark.text)]
        # An instruction opens a block by itself; an input may also be a line of an output, so numbers take precedence.
        opener, closer = _order([mark.name for mark in marks], names)
        self._shape = _shape(marks, opener)
        self._blocks = self._group(marks, opener, closer, firm=opener != "input")

    def read(self) -> Extract[dict[str, str]]:
        """Return the blocks."""
        extract: Extract[dict[str, str]] = Extract()
        if not self._blocks:
            return extract
        lines, openers, lasts = self._lines, [block[0].mark for block in self._blocks], [b[-1] for b in self._blocks]
        # The lines above the number of the first block, of the last field of each block, and of the last block
        tops = [mark.top if self._is_number(mark.head) else mark.line for mark in openers]
        starts = [0, *(part.mark.line + 1 for part in lasts)]
        spans = list(zip(starts, [*tops, len(lines)], strict=True))
        above_first = self._tail(*spans[0])
        tails = [above_first, *(self._tail(*span, set(above_first.values())) for span in spans[1:])]
        structure = self._repeated(tails)
        separators = {kind for kind in structure if kind[-1:] != " "}  # no titles
        ends = [0, *(_trimmed(span[1], tail, structure) for span, tail in zip(spans[1:], tails[1:], strict=True))]
        ends[-1] = _trimmed(len(lines), tails[-1], separators)
        ends[-1] = self._before_closing(spans[-1][0], ends[-1], separators)
        # What is in no block: a preface, titles, a closing sentence.
        for end, following in zip(ends, [*(mark.line for mark in openers), len(lines)], strict=True):
            rest = [lines[at] for at in range(end, following) if not self._separates(at, separators)]
            extract.lose("left_out", "\n".join(rest))
        for block, end in zip(self._blocks, ends[1:], strict=True):
            block[-1].end = end
            indent = self._indent(block)
            fields: dict[str, str] = {}
            for part in block:
                text = self._value(part, indent)
                if fields.get(part.mark.name):
                    extract.lose("left_out", text)
                else:
                    fields[part.mark.name] = text
            extract.items.append(fields)
        self._remove_numbers(extract.items)
        for fields in extract.items:
            fields.update({name: strip_emphasis(fields[name]) for name in ("instruction", "label") if name in fields})
        return extract

    def _group(self, marks: list[Mark], opener: str, closer: str, firm: bool) -> list[list[_Part]]:
        """Group the marks into blocks. firm: whether an opener without a number begins a block among numbered ones."""
        blocks: list[list[_Part]] = []
        firm = firm and not self._all_numbered(marks, opener)
        filled: set[str] = set()  # the fields of the current block that have text
        for before, mark in zip([marks[0], *marks], marks, strict=False):
            last = blocks[-1][-1] if blocks else None
            between = (before.text, *self._lines[before.line + 1 : mark.line])
            if last is not None and (last.mark is not before or any(map(str.strip, between))):
                filled.add(last.mark.name)
            # '### 5' above the field begins a block; so does the opening field once the block before has some text.
            # 'Example 1' below 'Example 2' is content where any line may say 'Input:'.
            head, head_before = mark.head, blocks[-1][0].mark.head if blocks else None
            begins = head is not None and head.kind == self._shape
            if begins and head and head_before and not firm:
                begins = head.value >= head_before.value
            if mark.name == opener and not begins:
                free = (firm or self._shape is None) and opener != closer
                begins = last is None or (free and not filled.isdisjoint((opener, closer)))
            if begins:
                blocks.append([])
                filled = set()
            # 'Input: 3' inside an output: content, because the output has text.
            elif last is None or (last.mark.name == closer and (closer in filled or mark.name in filled)):
                continue
            if last is not None:
                last.end = mark.line
            blocks[-1].append(_Part(mark, len(self._lines)))
        return blocks

    def _all_numbered(self, marks: list[Mark], opener: str) -> bool:
        """Return whether numbers that count up begin all blocks, so that an opener without one is content."""
        heads = [mark.head for mark in marks if mark.name == opener and mark.head]
        return marks[0].head is not None and counts_up([head.value for head in heads if head.kind == self._shape])

    # --- what is structure ------------------------------------------------------------------------

    def _is_number(self, head: Number | None) -> bool:
        """Return whether a number is of the kind that numbers the blocks; '### 5. Songs' follows '### Task 4: Sums'."""
        if head is None or self._shape is None:
            return False
        return _BEHIND_HASHES.sub("", head.kind) == _BEHIND_HASHES.sub("", self._shape)

    def _kind(self, at: int) -> str | None:
        """Return what structure a line may be: '' if it is blank, a rule, a title's '### ', '```', or None for text."""
        line = self._lines[at]
        if at in self._content:
            return None
        if not line.strip() or RULE.match(line):
            return line.strip()
        if FENCE.match(line):
            return "```"
        title = _TITLE.match(line)
        if title is None or title["hashes"]:
            return title and title["hashes"]
        # Other titles begin a paragraph, and the block follows all of them at the same distance.
        above, below = ("".join(self._lines[max(0, at - 1) : at]), "".join(self._lines[at + 1 : at + 2]))
        begins = not above.strip() or RULE.match(above) or head_of(above) or _TITLE.match(above)
        name = (title["label"] or title["bold"] or "1").casefold()
        return name + (" " if below.strip() else "\n ") if begins else None

    def _separates(self, at: int, separators: Collection[str]) -> bool:
        """Return whether a line outside the blocks only separates them: a rule, a fence, a number, 'tasks:' in YAML."""
        line = self._lines[at]
        head = head_of(line) if at not in self._content else None
        if self._is_number(head) and head and not head.title:
            return True
        return self._kind(at) in separators or (self._yaml and re.fullmatch(r"\w{1,40}+:\s*+", line) is not None)

    def _tail(self, start: int, end: int, proven: Collection[str] | None = None) -> dict[int, str]:
        """Return the kinds of the lines that end a span and may be structure, from the last one up.

        A title ends the search if the span has one of its kind further down, or if it is not among the proven ones.
        """
        tail: dict[int, str] = {}
        while end > start and (kind := self._kind(end - 1)) is not None:
            if kind[-1:] == " " and (kind in tail.values() or (proven is not None and kind not in proven)):
                break
            end -= 1
            tail[end] = kind
        return tail

    def _repeated(self, tails: list[dict[int, str]]) -> set[str]:
        """Return the kinds of structure: lines between all blocks, or above a single one; titles above all blocks."""
        inner = tails[1:-1] or tails[:1]
        structure = {"", "```"} if self._wrapped else {""}
        for kind in set.intersection(*(set(tail.values()) for tail in inner)) - {"", "```"}:
            at, places = min(at for at in inner[0] if inner[0][at] == kind), sum(kind in t.values() for t in tails)
            # '===' below a text and above a blank line may underline it, unless it occurs in two places.
            line_above, line_below = self._lines[at - 1 : at + 2 : 2] if 0 < at < len(self._lines) - 1 else ("", "")
            underlines = kind[0] in "-=" and places == 1 and line_above.strip() and not line_below.strip()
            if len(tails) > 2 and kind in tails[0].values() if kind[-1] == " " else not underlines:
                structure.add(kind)
        return structure

    def _before_closing(self, start: int, end: int, structure: set[str]) -> int:
        """Return where the last value ends: at a rule used between blocks, or at a closing sentence about the tasks."""
        # '---' between the blocks and once below the last one, with a paragraph: it is not part of the output.
        used = [at for at in range(start, end) if self._lines[at].strip() and self._kind(at) in structure]
        rest = "\n".join(self._lines[used[0] + 1 : end]).strip() if len(used) == 1 and len(self._blocks) > 1 else ""
        if rest and "\n\n" not in rest:
            return used[0]
        # '', 'Let me know if you need more tasks!'
        last = filled_above(self._lines, end, start - 1)
        closes = last > start and not self._lines[last - 1].strip() and _FAREWELL.match(self._lines[last].strip()[:400])
        return last if closes else end

    # --- what a value is --------------------------------------------------------------------------

    def _indent(self, block: list[_Part]) -> int:
        """Return how many blanks begin each line of a block below its first: the indentation of a list item."""
        below = self._lines[block[0].mark.line + 1 : block[-1].end] if len(block) > 1 else []
        return min((indent_of(line) for line in below if line.strip()), default=0)

    def _value(self, part: _Part, indent: int) -> str:
        """Join the lines of a value, without blank lines around it and the indentation of its block."""
        first, rest = part.mark.text, [line[indent:] for line in self._lines[part.mark.line + 1 : part.end]]
        if self._yaml and (scalar := read_scalar(first, rest)) is not None:
            return scalar
        # 'Output:' alone: the lines below keep their indentation, which matters in code.
        if first.strip():
            return "\n".join([first, *rest]).strip()
        filled = next((at for at, line in enumerate(rest) if line.strip()), len(rest))
        return "\n".join(rest[filled:]).rstrip()

    def _remove_numbers(self, items: list[dict[str, str]]) -> None:
        """Remove the number of the next block from the last values of blocks: 'The end. ### 6', or below the last one.

        '### 18' may also be a result. It is content if the next block has its own number, and, below the last block, if
        it isn't the next number or if other values end in such numbers as well.
        """
        results = False
        for at, (fields, block) in enumerate(zip(items, self._blocks, strict=True)):
            text, before = fields[block[-1].mark.name], block[0].mark.head
            begins = text.rfind("\n") + 1
            head, found = head_of(text[begins:]), _NEXT_HEAD.search(text, max(begins, len(text) - 20))
            if head is not None and head.kind == self._shape and not head.title:
                number = head.value
            elif found and found[1] == self._shape:
                begins, number = found.start(), int(found[2] or 0)
            else:
                continue
            follows = not number or before is None or not before.value or number == before.value + 1
            final = at == len(items) - 1
            if follows and not results if final else self._blocks[at + 1][0].mark.head is None:
                fields[block[-1].mark.name] = text[:begins].rstrip()
            else:
                results = True


def _trimmed(end: int, tail: Mapping[int, str], structure: Collection[str]) -> int:
    """Return where a value ends: above the structure among the lines that end its span."""
    return min((at for at, _ in takewhile(lambda line: line[1] in structure, tail.items())), default=end)


# --- which marks begin a block --------------------------------------------------------------------


def _order(found: list[str], names: Sequence[str]) -> tuple[str, str]:
    """Return the names that open and close a block: as requested, unless the text uses another order throughout."""
    # Input first: ['input', 'instruction', 'output', 'input', 'instruction', 'output']
    order = list(dict.fromkeys(found))
    turns: list[list[str]] = []
    for name in found:
        if name == order[0]:
            turns.append([])
        turns[-1].append(name)
    kept = all(turn == [name for name in order if name in turn] and names[0] in turn for turn in turns)
    # A single 'Input:' below an output may be its content, and an instruction closes no task.
    closes = order[-1] not in names[:-1] or sum(order[-1] in turn for turn in turns) > 1
    if kept and closes and len(order) > 1 and (order[-1] != names[0] or len(names) == 2):
        return order[0], order[-1]
    return names[0], names[-1]


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
