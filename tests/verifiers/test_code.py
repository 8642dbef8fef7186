"""The verifier 'code': right code passes however it is written and framed, wrong and hostile code never does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from conftest import NEEDS_SANDBOX
from selfinstruct.core.programs import Program, Ran
from selfinstruct.sandbox import run_program
from selfinstruct.verifiers.code import find_code, verify

pytestmark = NEEDS_SANDBOX

SUM = {"language": "python", "function": "f", "cases": [{"input": [[1, 2]], "result": 3}, {"input": [[]], "result": 0}]}
QUERY = {
    "language": "sql",
    "setup": "CREATE TABLE t (a INTEGER, b TEXT);",
    "ordered": False,
    "cases": [
        {"input": "INSERT INTO t VALUES (2, NULL), (1, 'x'), (1, 'x');", "result": [[1, "x"], [2, None], [1, "x"]]},
        {"input": "", "result": []},
    ],
}
PATTERN = {"language": "regex", "cases": [{"input": "ab1", "result": True}, {"input": "ab1\n", "result": False}]}

RIGHT: list[tuple[dict[str, Any], str]] = [
    (SUM, "def f(x): return sum(x)"),
    (
        SUM,
        "Here it is:\n\n```python\ndef f(x: list[int]) -> int:\n    return sum(x)\n```\nSo.",
    ),
    (
        SUM,
        "Idea:\n```python\nx = 1\n```\nAll:\n```py\ndef f(x):\n    print('[]')\n    return sum(x)\n```",
    ),
    (SUM, "~~~\nf = sum\n~~~"),
    (SUM, "def f(x):\n    return sum(x)\n\nif __name__ == '__main__':\n    print(f(input()))"),
    (SUM, "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: 'int'\ndef f(x):\n    return A(sum(x)).n"),
    (QUERY, "```sql\nSELECT a, b FROM t;\n```"),
    (QUERY, "-- all rows\nSELECT a * 1.0, b FROM t ORDER BY b"),
    (PATTERN, "```\n[a-z]+\\d\n```"),
    (PATTERN, "Use `^[a-z]+[0-9]$`, which `fullmatch` accepts."),
    (PATTERN, "```python\nimport re\nCODE = re.compile(r'[a-z]{2}\\d')\n```"),
    (PATTERN, '```regex\nr"[a-z]{2}\\d"\n```'),
    (PATTERN, "/[a-z]{2}[0-9]/"),
    (PATTERN, "[a-z]+[0-9]"),
]
WRONG: list[tuple[dict[str, Any], str, str]] = [
    (SUM, "def f(x): return max(x)", "2 instead of 3, for [[1, 2]]"),
    (SUM, "def f(x): return x[0] + x[1]", "IndexError: list index out of range, for [[]]"),
    (SUM, "def f(x): return float(sum(x))", "3.0 instead of 3, for [[1, 2]]"),
    (SUM, "def f(x): return str(sum(x))", '"3" instead of 3, for [[1, 2]]'),
    (SUM, "def f(x): return sum(x) or False", "false instead of 0, for [[]]"),
    (SUM, "def f(x): return sum(x) or None", "null instead of 0, for [[]]"),
    (SUM, "def f(x): print(sum(x))", "null instead of 3, for [[1, 2]]"),
    (SUM, "def f(x): yield sum(x)", "another type instead of 3, for [[1, 2]]"),
    (SUM, "def f(x): return f", "another type instead of 3, for [[1, 2]]"),
    (SUM, "def f(x, y): return sum(x)", "TypeError: f() missing 1 required positional argument: 'y', for [[1, 2]]"),
    (SUM, "def g(x): return sum(x)", "NameError: no function f"),
    (SUM, "I can't do that.", "SyntaxError: unterminated string literal (detected at line 1)"),
    (SUM, "", "NameError: no function f"),
    (SUM, "def f(x):\n  while True: pass", "it takes too long"),
    (SUM, "def f(x): return 'x' * 10**7", "it writes too much"),
    (SUM, "def f(x): return [0] * 10**9", "MemoryError: , for [[1, 2]]"),
    (SUM, "import numpy\ndef f(x): return int(numpy.sum(x))", "ModuleNotFoundError: No module named 'numpy'"),
    (SUM, "def f(x):\n  y = []\n  y.append(y)\n  return y", "RecursionError: "),
    (SUM, "def f(x):\n  y = []\n  for _ in range(300): y = [y]\n  return y", "instead of 3"),
    (SUM, "def f(x): return 10**5000", "ValueError: Exceeds the limit"),
    # code that tries to pass without being right
    (SUM, "import os; os._exit(0)", "it ends before it returns a result"),
    (SUM, "raise SystemExit", "it ends before it returns a result"),
    (SUM, "import os; print('OK'); os.write(1, b'OK'); os._exit(0)", "it ends before it returns a result"),
    (SUM, "import os; os.write(3, b'[{}, {}]'); os._exit(0)", "it ends before it returns"),
    (SUM, "class E(int):\n  __eq__ = lambda s, o: True\n  __hash__ = None\ndef f(x): return E(5)", "5 instead of 3"),
    (SUM, "class E:\n  __eq__ = lambda s, o: True\ndef f(x): return E()", "another type instead of 3"),
    (
        SUM,
        "import json\njson.dumps = lambda x: 'true'\ndef f(x): return 1",
        "it ends before it returns a result",
    ),
    (SUM, "import sys\ndef f(x): return sys._getframe(1).f_back.f_locals.get('expected', 9)", "9 instead of 3"),
    (SUM, "import json\ndef f(x): return json.load(open('expected.json'))", "FileNotFoundError: "),
    (SUM, "def f(x): return float('nan')", "NaN instead of 3"),
    (QUERY, "SELECT a FROM t", "instead of"),
    (QUERY, "SELECT DISTINCT a, b FROM t", "instead of"),
    (QUERY, "SELECT b, a FROM t", "instead of"),
    (QUERY, "SELECT CAST(a AS TEXT), b FROM t", "instead of"),
    (QUERY, "SELECT a, b FROM t; SELECT 1", "You can only execute one statement at a time"),
    (QUERY, "SELECT * FROM u", "OperationalError: no such table: u"),
    (QUERY, "DROP TABLE t", "[] instead of"),
    (QUERY, "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n, n FROM r", "it takes too long"),
    (QUERY | {"ordered": True}, "SELECT a, b FROM t", "instead of"),
    (PATTERN, "```\n[a-z]+\n```", 'false instead of true, for "ab1"'),
    (PATTERN, "(?s:.*)", 'true instead of false, for "ab1\\n"'),
    (PATTERN, "[a-z", "re.error: unterminated character set at position 0"),
    (PATTERN | {"cases": [{"input": "a" * 40 + "b", "result": False}]}, "(a+)+", "it takes too long"),
]


async def _run(program: Program) -> Ran:
    return await asyncio.to_thread(run_program, program)


async def _verify_all(cases: list[tuple[dict[str, Any], str]]) -> list[str]:
    verdicts = await asyncio.gather(*(verify(expected, answer, _run) for expected, answer in cases))
    assert {each.reason for each in verdicts} <= {None, "wrong_answer"}
    return ["right" if each.ok else each.detail for each in verdicts]


def test_right_code_passes() -> None:
    found = asyncio.run(_verify_all(RIGHT))
    assert [(answer, each) for (_, answer), each in zip(RIGHT, found, strict=True) if each != "right"] == []


def test_wrong_and_hostile_code_does_not() -> None:
    found = asyncio.run(_verify_all([(expected, answer) for expected, answer, _ in WRONG]))
    unlike = [(answer, each) for (_, answer, why), each in zip(WRONG, found, strict=True) if why not in each]
    assert unlike == []
    assert max(map(len, found)) <= 300


@pytest.mark.parametrize(
    ("result", "same", "other"),
    [
        (1.5, ["1.5", "1.5 + 1e-12"], ["1.51", "'1.5'", "2"]),
        (2.0, ["2.0", "2"], ["True + 1.1", "10**400"]),
        (1, ["1"], ["1.0", "True", "'1'", "[1]"]),
        (True, ["True", "1 == 1"], ["1", "1.0"]),
        (None, ["None"], ["0", "[]", "''"]),
        ([1, [2]], ["[1, [2]]", "(1, (2,))"], ["{1, 2}", "[1, 2]", "[1]", "iter([1, [2]])", "[True, [2]]"]),
        (
            {"a": 1},
            ["{'a': 1}", "__import__('collections').Counter('a')"],
            ["{'a': 1.0}", "{}", "[('a', 1)]"],
        ),
        ({"1": "x"}, ["{'1': 'x'}"], ["{1: 'x'}", "{True: 'x'}", "{}"]),
        ("é\ud800", ["'é\\ud800'"], ["'e'", "b'x'", "['é']"]),
    ],
)
def test_types_count(result: object, same: list[str], other: list[str]) -> None:
    expected = {"language": "python", "function": "f", "cases": [{"input": [], "result": result}]}
    found = asyncio.run(_verify_all([(expected, f"def f(): return {value}") for value in [*same, *other]]))
    assert [each == "right" for each in found] == [True] * len(same) + [False] * len(other)


FORMS: list[tuple[dict[str, Any], str, str]] = [
    # what is expected, an answer, and 'right' or why it isn't
    (SUM | {"only": "block"}, "```python\ndef f(x): return sum(x)\n```", "right"),
    (SUM | {"only": "block"}, "def f(x): return sum(x)", "right"),
    (SUM | {"only": "block"}, "Here is the function:\n\n```python\ndef f(x): return sum(x)\n```", "right"),
    (SUM | {"only": "block"}, "```python\ndef f(x): return sum(x)\n\nprint(f([1]))\n```", "right"),
    (
        SUM | {"only": "block"},
        "```python\ndef f(x): return sum(x)\n```\nYou can use it like this:\n```python\nprint(f([1, 2]))\n```",
        "2 blocks of code instead of one",
    ),
    (
        SUM | {"only": "block"},
        "```python\ndef f(x): return sum(x)\n```\n" + "This function adds all numbers. " * 8,
        "more than the code: This function adds",
    ),
    (SUM | {"only": "code"}, "```python\nfrom math import fsum\ndef f(x): return int(fsum(x))\n```\n", "right"),
    (SUM | {"only": "code"}, "import math\nF = math.fsum\ndef f(x): return int(F(x))", "right"),
    (SUM | {"only": "code"}, "def g(x): return f(x[1:]) + x[0] if x else 0\nf = g", "right"),
    (SUM | {"only": "code"}, "Here it is:\n```python\ndef f(x): return sum(x)\n```", "more than the code: Here it is:"),
    (SUM | {"only": "code"}, "```python\ndef f(x): return sum(x)\nprint(f([1]))\n```", "an example of how f is used"),
    (
        SUM | {"only": "code"},
        "def f(x): return sum(x)\nif __name__ == '__main__':\n    print(f([1]))",
        "an example of how f is used",
    ),
    (QUERY | {"only": "code"}, "```sql\nSELECT a, b FROM t\n```", "right"),
    (QUERY | {"only": "code"}, "```sql\nSELECT a, b FROM t\n```\nIt lists all rows.", "more than the code: It lists"),
    (PATTERN | {"only": "code"}, "```regex\n[a-z]+\\d\n```", "right"),
    (PATTERN | {"only": "code"}, "```python\nr'[a-z]+[0-9]'\n```", "right"),
    (PATTERN | {"only": "code"}, "^[a-z]+[0-9]$", "right"),
    (PATTERN | {"only": "code"}, "```python\nimport re\npattern = r'^[a-z]+[0-9]$'\n```", "false instead of true"),
    (PATTERN | {"only": "code"}, "Use `[a-z]+[0-9]`.", "false instead of true"),
    (PATTERN | {"only": "code"}, "/[a-z]+[0-9]/", "false instead of true"),
]


def test_an_answer_has_the_form_that_the_task_asks_for() -> None:
    found = asyncio.run(_verify_all([(expected, answer) for expected, answer, _ in FORMS]))
    unlike = [(answer, each) for (_, answer, why), each in zip(FORMS, found, strict=True) if why not in each]
    assert unlike == []


def test_expected_results_are_not_in_the_sandbox() -> None:
    seen: list[Program] = []

    async def run(program: Program) -> Ran:
        seen.append(program)
        return Ran("[]", "", 0, "exit", 0.0)

    expected = {"language": "python", "function": "f", "cases": [{"input": [1], "result": "the secret"}]}
    assert not asyncio.run(verify(expected, "def f(x): pass", run)).ok
    assert "secret" not in json.dumps([seen[0].source, seen[0].stdin, dict(seen[0].files)])


def test_the_code_of_an_answer() -> None:
    answer = "```python\ndef g(): pass\n```\n```python\ndef f(): pass\n```\n```python\ndef f(): return 1\n```"
    assert find_code(answer, "python", "f") == "def f(): pass"
    assert find_code(answer, "python", "h") == "def g(): pass"
    assert find_code("```json\n{}\n```\n```sql\nSELECT 1\n```", "sql") == "SELECT 1"
    assert find_code("  SELECT 1\n", "sql") == "SELECT 1"
