"""'bad_code': a block that says it is Python or JSON and can't be parsed as such. Nothing is ever run.

What people write in such blocks without meaning a whole file is let pass: sessions of a prompt (`>>>`), magics of a
notebook, '...' for what is left out, a piece that begins with `else`.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Iterator

from ..core.tasks import PASS, Instance, Verdict

MOST_CHARACTERS = 100_000
"""A longer block is not parsed."""
_FENCE = re.compile(r"[ \t]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<kind>\w*)")
_PYTHON = frozenset(("python", "py", "python3"))
_PIECE = re.compile(r"\s*(?:elif|else|except|finally|case)\b")
_MAGIC = re.compile(r"^([ \t]*)[%!?][^\n]*$", re.MULTILINE)
_LEFT_OUT = re.compile(r"\.\.\.|…|//|/\*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


class BadCode:
    """The detail says which block, and what the parser objects to."""

    def check_instance(self, instruction: str, instance: Instance) -> Verdict:
        if "```" not in instance.output and "~~~" not in instance.output:
            return PASS
        for number, (kind, code) in enumerate(blocks_of(instance.output), 1):
            if len(code) > MOST_CHARACTERS or not code.strip():
                continue
            wrong = python_error(code) if kind in _PYTHON else json_error(code) if kind == "json" else None
            if wrong:
                return Verdict("bad_code", f"block {number}, {kind}: {wrong}")
        return PASS


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """The fenced blocks that are closed, each with the language it names, in small letters ('' for none)."""
    fence, kind, code = "", "", list[str]()
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if not fence:
            if found:
                fence, kind, code = found["fence"], found["kind"].lower(), []
        elif found and line.strip() == found["fence"] and found["fence"].startswith(fence):
            yield kind, textwrap.dedent("\n".join(code))
            fence = ""
        else:
            code.append(line)


def python_error(code: str) -> str | None:
    """What Python's parser says of the code, 'line 3: invalid syntax'; None when it takes it, or it is a piece."""
    if _PIECE.match(code):
        return None
    if re.search(r"^[ \t]*>>> ", code, re.MULTILINE):
        lines = [line.strip() for line in code.splitlines()]
        code = "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))
    code = _MAGIC.sub(r"\1pass", code)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError):  # a NUL, or nested too deep to tell
        return None
    return None


def json_error(code: str) -> str | None:
    """What is wrong with a JSON text, or with JSON Lines; None when nothing is, or parts of it are left out."""
    try:
        json.loads(code)
    except json.JSONDecodeError as error:
        if _LEFT_OUT.search(_STRING.sub("", code)) or all(map(_is_json, filter(str.strip, code.splitlines()))):
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
