"""The check 'bad_code': rejects a code block that is labeled Python or JSON but can't be parsed. Nothing is ever run.

Blocks that aren't meant as a whole file pass: interpreter sessions (`>>>`), notebook magics, '...' for omitted parts,
and fragments that begin with `else`.
"""

from __future__ import annotations

import ast
import json
import re
import warnings

from ..core.code_blocks import split_blocks
from ..core.prompts import Ask
from ..core.records import Example
from ..core.tasks import PASS, Candidate, Verdict

MOST_CHARACTERS = 100_000
"""Longer blocks are not parsed."""
_PYTHON = frozenset(("python", "py", "python3"))
_FRAGMENT = re.compile(r"\s*(?:elif|else|except|finally|case)\b")
# IPython syntax: '%matplotlib inline', '!pip install numpy'.
_MAGIC = re.compile(r"^([ \t]*)[%!?][^\n]*$", re.MULTILINE)
# JSON with omissions or comments: '[1, 2, ...]', '// more rows'.
_OMISSION = re.compile(r"\.\.\.|…|//|/\*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


class BadCode:
    """Rejects the first bad block; the detail gives its number and the parser's message."""

    async def check_answer(self, candidate: Candidate, example: Example, ask: Ask) -> Verdict:
        if "```" not in example.output and "~~~" not in example.output:
            return PASS
        blocks, _ = split_blocks(example.output)
        for number, (kind, code, is_closed) in enumerate(blocks, 1):
            if not is_closed or len(code) > MOST_CHARACTERS or not code.strip():
                continue
            wrong = python_error(code) if kind in _PYTHON else json_error(code) if kind == "json" else None
            if wrong:
                return Verdict("bad_code", f"block {number}, {kind}: {wrong}")
        return PASS


def python_error(code: str) -> str | None:
    """Return the message of Python's parser, such as 'line 3: invalid syntax'; None for valid code or a fragment."""
    if _FRAGMENT.match(code):
        return None
    # From an interpreter session, keep the input: '>>> 1 + 1'.
    if re.search(r"^[ \t]*>>> ", code, re.MULTILINE):
        lines = [line.strip() for line in code.splitlines()]
        code = "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))
    code = _MAGIC.sub(r"\1pass", code)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes such as '\d' are only warnings
            ast.parse(code)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):  # a NUL character, or code that is nested too deeply
        return None
    return None


def json_error(code: str) -> str | None:
    """Return the message of the JSON parser; None for valid JSON, JSON Lines, or a text with omissions."""
    try:
        json.loads(code)
    except json.JSONDecodeError as error:
        if _OMISSION.search(_STRING.sub("", code)) or all(map(_is_json, filter(str.strip, code.splitlines()))):
            return None
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError):
        return None
    return None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
