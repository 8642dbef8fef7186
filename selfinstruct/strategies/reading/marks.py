"""Find lines that name a field of a task ('Input: ...') and the numbers above them, in any decoration.

`text_blocks` groups these lines into blocks; `loose_json` uses the field names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .lines import BLANK, WORDS
from .numbers import Number, hash_number_of, head_of, number_of, numeral_of, without_closing

_SHIPPED = {word: name for names in WORDS["fields"].values() for name, word in names.items()}
PROPER = {word: name for name in WORDS["fields"]["en"] for word in (name, WORDS["fields"]["zh"][name])}
LOOSE = _SHIPPED | {word: name for name, words in WORDS["loose"].items() for word in words}
"""Names that count only if the response never uses the proper name: an 'Answer:' inside an output is content. The names
in the prompt's wording are proper ones."""
# In a classification the model sometimes calls the label its output.
_AS_LABEL = {word: "label" for word, name in LOOSE.items() if name == "output"}


@dataclass(frozen=True, slots=True)
class Mark:
    """A line that names a field: its index, the field, and the text after the name.

    head: the number above or before the name, or None. top: index of the line with that number, or of the line itself.
    """

    line: int
    name: str
    text: str
    head: Number | None
    top: int


def loose_names(names: Collection[str]) -> dict[str, str]:
    """Return the names that count where no proper one is used, if a response has these fields."""
    return LOOSE | (_AS_LABEL if "label" in names else {})


def is_mark(line: str) -> bool:
    """Return whether a line names a field of a task."""
    return _field(line, tuple(_SHIPPED)) is not None


def find_marks(lines: list[str], names: Sequence[str], own: Mapping[str, str]) -> list[Mark]:
    """Return the lines that name a field, each with its number.

    Args:
        lines: The lines of a response.
        names: The fields to find.
        own: Additional names from the prompt wording: {'eingabe': 'input'}.
    """
    # The words that can name a field, longest first, so that 'class label' is not read as 'class'.
    proper = {word: name for word, name in ({**PROPER, **own}).items() if name in names}
    loose = {word: name for word, name in loose_names(names).items() if name in names and word not in proper}
    words = tuple(sorted([*proper, *loose], key=len, reverse=True))
    found = [(at, field) for at, line in enumerate(lines) if (field := _field(line, words))]
    # Drop a loose name ('Answer:') if the response uses the proper one ('Output:') for the same field.
    used = {proper[word] for _, (word, _, _) in found if word in proper}
    known = proper | {word: name for word, name in loose.items() if name not in used}
    # A number is on the line itself ('4. Input: ...') or alone above ('### 4').
    marks: list[Mark] = []
    for at, (word, text, head) in found:
        if word in known:
            above = -1 if head else filled_above(lines, at, marks[-1].line if marks else -1)
            head_above = head_of(lines[above]) if above >= 0 else None
            marks.append(Mark(at, known[word], text, head or head_above, above if head_above else at))
    return _with_numbered_openers(lines, marks, names)


@lru_cache(maxsize=64)
def _field_patterns(words: tuple[str, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return two patterns: a cheap one that finds any of the words in a line, and one for a line that names a field."""
    named = "|".join(map(re.escape, words))
    # 'Input: text', '- **Input 2:** text', '### Output', '【输入】text'. A group tells which decoration was there.
    field = re.compile(
        rf"""{BLANK}(?:[-*•·>+][ \t]++)?+(?P<heading>\#{{1,6}}+)?+{BLANK}(?P<bold>[*_]{{1,3}}+)?+{BLANK}
            (?P<bracket>[【\[「])?+{BLANK}(?P<name>{named}){BLANK}\d{{0,3}}+{BLANK}(?(bracket)[】\]」])
            (?:(?(bold)(?P<closed>[*_]{{1,3}}+)|(?P<tail>[*_]{{1,3}}+(?=[ \t]*+[:：]))))?+{BLANK}(?P<colon>[:：])?+""",
        re.VERBOSE | re.IGNORECASE,
    )
    return re.compile(named, re.IGNORECASE), field


def _field(line: str, words: tuple[str, ...]) -> tuple[str, str, Number | None] | None:
    """Split a line that names a field, in lower case: '**4. Input:** text' becomes ('input', 'text', Head('', 4))."""
    somewhere, pattern = _field_patterns(words)
    if not somewhere.search(line, 0, 80):
        return None
    # '4. Input: text', 'Task 4: Input: text': the number is removed if a name is behind it.
    number = number_of(line) or hash_number_of(line) or numeral_of(line)
    field = pattern.match(line, number.end) if number else None
    if field is None or not field["colon"]:
        plain = pattern.match(line)
        field, number = (plain, None) if plain else (field, number)
    if field is None:
        return None
    text = line[field.end() :]
    # Without a colon, only '【输入】text' or a decorated word alone ('### Input', '**Input**') names a field.
    # 'Input the data' is content.
    if not field["colon"]:
        decorated = field["heading"] or field["bold"] or field["bracket"] or number
        if field["bracket"] != "【" and not (decorated and not text.strip()):
            return None
    # '**Input: text**' or '**Input:** text': remove the closing mark, wherever it is.
    bold = field["bold"] or (number.bold if number else "")
    if bold and not field["closed"] and not field["tail"]:
        text = without_closing(text, bold)
    return field["name"].lower(), text.lstrip(), number


def _with_numbered_openers(lines: list[str], marks: list[Mark], names: Sequence[str]) -> list[Mark]:
    """Add a mark for each instruction that is a numbered line above another field: '5. Name three ...'."""
    # Only where blocks start with an instruction, and no line says 'Instruction:'
    if names[0] != "instruction" or any(mark.name == "instruction" for mark in marks):
        return marks
    found: list[Mark] = []
    after = -1
    for mark in marks:
        above = filled_above(lines, mark.line, after)
        number = (number_of(lines[above]) or numeral_of(lines[above])) if above >= 0 else None
        # '5. Name three rivers.' has text after the number; '### 5' has none and is a mere number.
        if number and lines[above][number.end :].strip():
            found.append(Mark(above, "instruction", number.text_after(lines[above]), number, above))
            mark = Mark(mark.line, mark.name, mark.text, None, mark.line)
        found.append(mark)
        after = mark.line
    return found


def filled_above(lines: Sequence[str], at: int, after: int) -> int:
    """Return the index of the nearest nonblank line above line `at` and below line `after`, or -1."""
    at -= 1
    while at > after and not lines[at].strip():
        at -= 1
    return at if at > after else -1
