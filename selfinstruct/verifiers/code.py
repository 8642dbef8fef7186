"""The verifier 'code': runs the code of an answer in the sandbox, and compares its results with those of a reference.

Python must define the named function, SQL is one query on SQLite, and a regular expression (Python's `re`) must match
whole texts. Types count: True isn't 1, and 1.0 isn't 1 where an integer is expected; where a float is expected, an
integer of the same value passes, and the last digits may differ. A tuple counts as a list. Rows of SQL may come in any
order unless the task asks for one, and SQL's numbers are compared by value.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..core.code_blocks import split_blocks
from ..core.programs import Program, Run
from ..core.tasks import PASS, Verdict

_LABELS = {
    "python": ("python", "py", "python3", ""),
    "sql": ("sql", "sqlite", "sqlite3", ""),
    "regex": ("regex", "regexp", "re", "text", "plaintext", "", "python", "py", "python3"),
}
_LONGEST_REMARK = 200
"""The characters that an answer may have besides its one block of code: 'Here is the function:'."""
_NO_RESULT = "it ends before it returns a result"
_NONE = object()
"""Stands for a value that an answer can't have."""


async def verify(expected: Any, answer: str, run: Run) -> Verdict:
    """Run the code of an answer on all inputs.

    Args:
        expected: {"language": "python", "function": "f", "cases": [{"input": [1, 2], "result": 3}]}: each input is the
            list of f's arguments. "sql": "setup" is a script that makes the tables, the input one that fills them, the
            result a list of rows, whose order counts if "ordered" is true. "regex": the input is a text, the result
            whether it matches. "only" is what the task asks for: "block", one block of code with at most a short
            remark, or "code", nothing but the code itself; without it, the code may be anywhere in the answer.
        answer: What the teacher wrote: one fenced block of code, or the code alone; any text.
        run: Runs a program in the sandbox.

    Returns:
        PASS, or the verdict 'wrong_answer' with the first input for which the result differs.
    """
    language, cases = expected["language"], expected["cases"]
    function, only = expected.get("function", ""), expected.get("only", "")
    code = find_code(answer, language, function, only)
    if only and (excess := _excess(answer, code, function, only)):
        return _wrong(excess)
    outcomes = await outcomes_of(expected, code, [case["input"] for case in cases], run)
    if isinstance(outcomes, str):
        return _wrong(outcomes)
    for case, (error, found) in zip(cases, outcomes, strict=True):
        wanted = case["result"]
        if error is not None:
            return _wrong(f"{error}, for {_shown(case['input'])}")
        if language == "sql":
            found, wanted = (_rows(each, ordered=expected["ordered"]) for each in (found, wanted))
        if not same_result(wanted, found):
            return _wrong(f"{_shown(found)} instead of {_shown(wanted)}, for {_shown(case['input'])}")
    return PASS


async def outcomes_of(
    expected: Mapping[str, Any], code: str, inputs: Sequence[Any], run: Run
) -> list[tuple[str | None, Any]] | str:
    """Run code on inputs; expected: its language, function, and setup, as for `verify`.

    Returns for each input the error, or None, and the result; or, if the code ended early, why.
    """
    job = {"language": expected["language"], "code": code, "inputs": inputs}
    job |= {key: expected.get(key, "") for key in ("function", "setup")}
    ran = await run(Program(_source(), json.dumps(job)))
    if ran.problem:
        return ran.problem
    try:
        # The code may have printed in place of the program that runs it.
        outcomes = json.loads(ran.stdout)
        if isinstance(outcomes, list) and len(outcomes) == len(inputs):
            return [_outcome(each) for each in outcomes]
    except (ValueError, RecursionError):
        pass
    return _NO_RESULT


def _outcome(outcome: Any) -> tuple[str | None, Any]:
    match outcome:
        case {"value": encoded}:
            return None, _value(encoded)
        case {"error": str(error)}:
            return error, None
    raise ValueError(_NO_RESULT)


def find_code(answer: str, language: str, function: str = "", only: str = "") -> str:
    """Return the code of an answer: the block that defines the function, else the first block, else the whole text.

    Unless `only` is empty, a pattern is taken as it is, or from a literal, but not from a program or a sentence.
    """
    blocks = [(label, code) for label, code, closed in split_blocks(answer)[0] if closed and label in _LABELS[language]]
    defining = [block for block in blocks if function and re.search(rf"^def {function}\b", block[1], re.MULTILINE)]
    label, code = next(iter([*defining, *blocks]), ("", answer.strip()))
    if language != "regex":
        return code
    if not blocks and not only:  # 'Use `[a-z]+`.'
        code = next(iter(re.findall(r"`([^`\n]+)`", code)), code)
    code = _literal(code.strip(), anywhere=label.startswith("py") and not only)
    return code[1:-1] if re.fullmatch(r"/.+/", code) and not only else code


def _literal(code: str, *, anywhere: bool) -> str:
    r"""Return the text of a literal: [a-z]+ for 'r"[a-z]+"'; one anywhere in a program: 'p = re.compile(r"[a-z]+")'."""
    if anywhere or re.fullmatch(r"""[rRuU]?(["']).*\1""", code):
        strings = [node.value for node in ast.walk(parse_code(code)) if isinstance(node, ast.Constant)]
        code = next((each for each in strings if isinstance(each, str)), code)
    return code


def _excess(answer: str, code: str, function: str, only: str) -> str | None:
    """Say what an answer has that a task for one block, or for only the code, doesn't ask for; None if nothing."""
    blocks, outside = split_blocks(answer)
    if len(blocks) > 1:
        return f"{len(blocks)} blocks of code instead of one"
    if blocks and len(outside) > (_LONGEST_REMARK if only == "block" else 0):
        return f"more than the code: {outside[:60]}"
    if only == "code" and function:
        # 'print(f([1, 2]))', and the same under 'if __name__ == "__main__":'.
        kept = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
        rest = [node for each in parse_code(code).body if not isinstance(each, kept) for node in ast.walk(each)]
        if any(isinstance(node, ast.Name) and node.id == function and isinstance(node.ctx, ast.Load) for node in rest):
            return f"an example of how {function} is used, besides the code"
    return None


def parse_code(code: str) -> ast.Module:
    """Return the syntax tree of a program; an empty one for what isn't Python."""
    try:
        with warnings.catch_warnings():  # of an invalid escape sequence, which isn't ours
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


@cache
def _source() -> str:
    return Path(__file__).with_name("code_program.py").read_text(encoding="utf-8") + "\nmain()\n"


def _wrong(why: str) -> Verdict:
    return Verdict("wrong_answer", " ".join(why.split())[:300])


def _value(encoded: Any) -> Any:
    """Turn what `code_program` prints back into values; a value of any other type equals nothing."""
    match encoded:
        case None | bool() | int() | str():
            return encoded
        case {"float": str(text)} if re.fullmatch(r"-?(inf|nan|[\d.e+-]+)", text):
            return float(text)
        case {"list": [*members]}:
            return [_value(each) for each in members]
        case {"dict": [*pairs]} if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
            keys = [_value(key) for key, _ in pairs]
            # A dict with other keys than texts is never expected.
            return {key: _value(each) for key, (_, each) in zip(keys, pairs, strict=True)} if _texts(keys) else _NONE
        case _:
            return _NONE


def _texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def same_result(expected: Any, found: Any) -> bool:
    """Return whether a result is the expected one, by value and type."""
    if isinstance(expected, float) and type(found) in (int, float):
        # An integer may be too large to become a float.
        is_close = type(found) is float and math.isclose(expected, found, rel_tol=1e-9, abs_tol=1e-9)
        return is_close or bool(expected == found)
    if type(expected) is not type(found):
        return False
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(same_result, expected, found))
    if isinstance(expected, dict):
        return expected.keys() == found.keys() and all(same_result(each, found[key]) for key, each in expected.items())
    return bool(expected == found)


def _rows(found: Any, *, ordered: bool) -> Any:
    """Return the rows of a query as they are compared: numbers as floats, and in a fixed order."""
    if not isinstance(found, list) or not all(isinstance(row, list) for row in found):
        return found
    rows = [[float(cell) if type(cell) is int else cell for cell in row] for row in found]
    return rows if ordered else sorted(rows, key=_by_value)


def _by_value(row: list[Any]) -> list[tuple[str, Any]]:
    return [(type(cell).__name__, round(cell, 6) if isinstance(cell, float) else str(cell)) for cell in row]


def _shown(value: Any) -> str:
    text = "another type" if value is _NONE else json.dumps(value, ensure_ascii=False, default=lambda _: "another type")
    return text if len(text) <= 100 else text[:97] + "..."
