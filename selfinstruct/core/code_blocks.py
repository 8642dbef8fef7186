"""Find the code blocks of a Markdown text; filters and verifiers read answers with it."""

from __future__ import annotations

import re
import textwrap
from typing import NamedTuple

import regex

# '```python', '~~~', also indented.
_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<label>\w*)")


class CodeBlock(NamedTuple):
    """A code block: its label in lower case, or '', and its text. One that isn't closed ends with the whole text."""

    label: str
    code: str
    is_closed: bool


def split_blocks(text: str) -> tuple[list[CodeBlock], str]:
    """Return the code blocks of a text, and the text outside of them."""
    opened, outside, fence = list[tuple[str, list[str]]](), list[str](), ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not fence and found:
            fence = found["fence"]
            opened.append((found["label"].lower(), []))
        elif not fence:
            outside.append(line)
        # A closing fence has no label and is at least as long as the opening one.
        elif found and line.strip() == found["fence"] and found["fence"].startswith(fence):
            fence = ""
        else:
            opened[-1][1].append(line)
    blocks = [CodeBlock(label, textwrap.dedent("\n".join(lines)), True) for label, lines in opened]
    if fence:
        blocks[-1] = blocks[-1]._replace(is_closed=False)
    return blocks, "\n".join(outside).strip()


# A code block, also one that is never closed, or inline code: '`x = 1`'.
_CODE = regex.compile(
    r"^[ \t]*+(`{3,}+|~{3,}+)[^\n]*+\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)|`[^`\n]+`", regex.MULTILINE | regex.DOTALL
)


def without_code(text: str) -> str:
    """Replace each code block and each piece of inline code by a space."""
    return _CODE.sub(" ", text) if "`" in text or "~~~" in text else text
