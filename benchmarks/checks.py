"""How well the checks tell right answers from wrong ones, and what they are worth.

    .venv/bin/python benchmarks/checks.py planted [code maths structured lists constraints] [--tasks 200]
    .venv/bin/python benchmarks/checks.py collect CONFIG.yaml ... [--records 64] [--minutes 9]
    .venv/bin/python benchmarks/checks.py kept [data/checks/checks.yaml]

`planted`: half of the tasks get a right answer in one of several styles, the other half one with a planted mistake. In
code, a mistake counts if some input of a much larger set, drawn in the same way, shows it.

`collect` runs configurations with the teachers that they name (`--set` changes both). It writes the first answer to
each task, also where a check refused it, and the answer that was kept instead, to FOLDER/checks.yaml. Someone reads
them, and sets `kept` in each row to true or false. `kept` prints what share of them is worth keeping, with its 95%
interval, and the tokens and seconds for each kept record: of all first answers, of those that passed, and of the run
with its retries. Without a file, it reads benchmarks/grades/checks.yaml.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import inspect
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import checks_kept
import checks_planted
import checks_solutions

from selfinstruct.core.programs import Program, Ran
from selfinstruct.sandbox import run_program
from selfinstruct.strategies.verifiable.python_tasks import Operation, draw_python, inputs_of, operations, reference
from selfinstruct.strategies.verifiable.regex_tasks import draw_regex
from selfinstruct.strategies.verifiable.sql_tasks import draw_sql
from selfinstruct.strategies.verifiable.task import Task
from selfinstruct.verifiers import VERIFIERS
from selfinstruct.verifiers.code import find_code, verify

KINDS = ("code", "maths", "structured", "lists", "constraints")

_FLIPPED = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Mod: ast.FloorDiv,
    ast.FloorDiv: ast.Mod,
    ast.Pow: ast.Mult,
}


@dataclass(frozen=True)
class Planted:
    """A task with a solution. wider: the ground truth with many more inputs."""

    task: Task
    solution: str
    mistake: str
    wider: dict[str, Any]

    @property
    def expected(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.task.ground_truth.expected)
        return found


# --- Python -----------------------------------------------------------------------------------


def chain_of(task: Task) -> list[Operation] | None:
    """The operations of a task, from its meaning; None if one has no other style."""
    by_token: dict[str, Operation] = {}
    for operation in (each for group in operations().values() for each in group):
        for parameters in parameters_of(operation):
            step = Operation(*(getattr(operation, name) for name in operation.__slots__[:-1]), parameters)
            by_token[step.token] = step
    chain = [by_token[token] for token in task.meaning.split()]
    return chain if all(hasattr(checks_solutions, each.name) for each in chain) else None


def parameters_of(operation: Operation) -> Iterator[dict[str, Any]]:
    """Yield each choice of an operation's parameters."""
    found: list[dict[str, Any]] = [{}]
    for key, values in operation.parameters.items():
        found = [{**each, key: value} for each in found for value in values]
    yield from found


def other_style(function: str, chain: list[Operation]) -> str:
    """A solution of the functions in `checks_solutions`, one call for each step."""
    names = dict.fromkeys(each.name for each in chain)
    # A function named like a builtin must not hide it from the others.
    parts = [
        re.sub(rf"\bdef {name}\b", f"def step_{name}", inspect.getsource(getattr(checks_solutions, name)))
        for name in names
    ]
    calls = []
    for step in chain:
        given = "".join(f", {value!r}" for value in step.parameters.values())
        calls.append(f"    value = step_{step.name}(value{given})")
    return "\n\n".join([*parts, "\n".join([f"def {function}(value):", *calls, "    return value"])])


def mutants(source: str) -> list[tuple[str, str]]:
    """All programs that differ from a program by one small mistake: (what was changed, source)."""
    found = []
    count = len(list(_places(ast.parse(source))))
    for number in range(count):
        tree = ast.parse(source)
        what, change = list(_places(tree))[number]
        change()
        with contextlib.suppress(Exception):
            changed = ast.unparse(ast.fix_missing_locations(tree))
            compile(changed, "", "exec")
            found.append((what, changed))
    return found


def _places(tree: ast.AST) -> Iterator[tuple[str, Callable[[], None]]]:
    for node in ast.walk(tree):
        for field in ("op", "ops"):
            old = getattr(node, field, None)
            op = old[0] if isinstance(old, list) and old else old
            if type(op) in _FLIPPED:
                new = _FLIPPED[type(op)]()
                value = new if old is op else [new]
                yield f"{type(op).__name__} -> {type(new).__name__}", _setter(node, field, value)
        if isinstance(node, ast.Constant) and type(node.value) is int:
            for by in (1, -1):
                yield f"{node.value} -> {node.value + by}", _setter(node, "value", node.value + by)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            # `+(not x)` would be a number, so `not` becomes `not not`.
            operand = node.operand if isinstance(node.op, ast.USub) else ast.UnaryOp(ast.Not(), node.operand)
            yield f"without {type(node.op).__name__}", _setter(node, "operand", ast.UnaryOp(node.op, operand))
        if isinstance(node, ast.Call) and node.keywords:
            yield "without a keyword", _setter(node, "keywords", node.keywords[:-1])
        if isinstance(node, ast.Return) and node.value is not None:
            for name in ("str", "list", "sorted", "set"):
                yield f"returns {name}", _setter(node, "value", ast.Call(ast.Name(name), [node.value], []))
        body = getattr(node, "body", None)
        if isinstance(body, list) and not isinstance(node, ast.Module):
            for at, statement in enumerate(body):
                if not isinstance(statement, ast.Return | ast.FunctionDef | ast.Import | ast.ImportFrom):
                    rest = [*body[:at], *(body[at + 1 :] or [ast.Pass()])]
                    yield f"without '{ast.unparse(statement)[:40]}'", _setter(node, "body", rest or [ast.Pass()])


def _setter(node: ast.AST, field: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, field, value)


def plant_python(random: Random, right: bool) -> Planted:
    while True:
        task = draw_python(random, "en")
        chain = chain_of(task)
        if chain is not None:
            break
    function = json.loads(task.ground_truth.expected)["function"]
    solution, mistake = other_style(function, chain), ""
    if not right:
        mistake, solution = random.choice(mutants(solution))
    apply = reference(chain)
    inputs = [each for _ in range(30) for each in inputs_of(chain, random)]
    cases = [{"input": [each], "result": json.loads(json.dumps(apply(each)))} for each in inputs]
    wider = {"language": "python", "function": function, "cases": cases}
    remark = "Here is the function:\n\n" if '"only": "block"' in task.ground_truth.expected else ""
    return Planted(task, f"{remark}```python\n{solution}\n```", mistake, wider)


# --- SQL --------------------------------------------------------------------------------------

# The same in other words, and mistakes. The first pattern of a pair is replaced where it occurs.
SQL_OTHER_STYLE = (
    (r"(\w+) BETWEEN (\d+) AND (\d+)", r"(\1 >= \2 AND \1 <= \3)"),
    (r"(\w+) IN \('(\w+)', '(\w+)'\)", r"(\1 = '\2' OR \1 = '\3')"),
    (r"COALESCE\(SUM\((\w+)\), 0\)", r"IFNULL(SUM(\1), 0)"),
    (r"AVG\((\w+)\) FROM (\w+) WHERE (\w+) IS", r"SUM(\1) * 1.0 / COUNT(\1) FROM \2 WHERE \3 IS"),
    (r"SELECT DISTINCT (\w+) (FROM .*)", r"SELECT \1 \2 GROUP BY \1"),
    (r"COUNT\(\*\)", "COUNT(id)"),
    (r" JOIN (\w+ \w+) ON (.*?) WHERE ", r", \1 WHERE \2 AND "),
    (r"(?<!LEFT) JOIN", " INNER JOIN"),
    (r"ORDER BY (\w+) DESC, id", r"ORDER BY -\1, id ASC"),
    (r"SELECT", "select"),
)
SQL_MISTAKES = (
    *((r" > ", " >= "), (r" >= ", " > "), (r" < ", " <= "), (r" <= ", " < "), (r" DESC", ""), (r" OR ", " AND ")),
    *((r"LIMIT 2", "LIMIT 3"), (r"LIMIT 3", "LIMIT 2"), (r"LEFT JOIN", "JOIN"), (r"DISTINCT ", ""), (r"MAX", "MIN")),
    *((r"AVG\(", "SUM("), (r"COUNT\(\*\)", "COUNT(DISTINCT id / 2)"), (r"COALESCE\((.*), 0\)", r"\1")),
    *((r" WHERE .*? (ORDER|GROUP)", r" \1"), (r", id(?= LIMIT|$)", ", id DESC"), (r" ORDER BY \w+ DESC, id", "")),
    *((r"BETWEEN (\d+) AND (\d+)", r"BETWEEN \1 + 1 AND \2"), (r" IS NOT NULL AND", " IS NULL OR")),
    *((r" AND \w+ IS NOT NULL", ""), (r"SELECT (\w+), (\w+)", r"SELECT \2, \1"), (r" GROUP BY \w+", "")),
    *((r"'(\w+)', '(\w+)'", r"'\1'"), (r"p\.(\w+), COUNT\(t\.id\)", r"p.\1, COUNT(*)"), (r"= '(\w+)'", r"<> '\1'")),
)


def plant_sql(random: Random, right: bool) -> Planted:
    while True:
        task = draw_sql(random, "en")
        statement = find_code(task.solution, "sql").rstrip(";")
        if right:
            solution, mistake = statement, ""
            for pattern, other in SQL_OTHER_STYLE:
                solution = re.sub(pattern, other, solution)
        else:
            pattern, other = random.choice([each for each in SQL_MISTAKES if re.search(each[0], statement)])
            solution, mistake = re.sub(pattern, other, statement, count=1), f"{pattern} -> {other}"
        expected = json.loads(task.ground_truth.expected)
        return Planted(task, solution, mistake, {**expected, "cases": list(_more_rows(expected, statement, random))})


def _more_rows(expected: dict[str, Any], statement: str, random: Random) -> Iterator[dict[str, Any]]:
    """Yield the same tables with other rows, whose values are those of the task's own rows."""
    with contextlib.closing(sqlite3.connect(":memory:")) as known:
        known.executescript(expected["setup"])
        known.executescript(expected["cases"][0]["input"])
        # The first table references the second, which stays as it is.
        (table, _), (parent, _) = known.execute("SELECT name, rootpage FROM sqlite_schema WHERE sql != ''").fetchall()
        columns = list(zip(*known.execute(f"SELECT * FROM {table}"), strict=True))[1:]
        kept = next(line for line in expected["cases"][0]["input"].splitlines() if f"INTO {parent} " in line)
    for _ in range(150):
        rows = [
            [str(number), *("NULL" if each is None else repr(each) for each in map(random.choice, columns))]
            for number in range(1, random.randrange(2, 16))
        ]
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        script = f"INSERT INTO {table} VALUES {values};\n{kept}"
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            connection.executescript(expected["setup"] + script)
            yield {"input": script, "result": list(map(list, connection.execute(statement)))}


# --- regular expressions ----------------------------------------------------------------------

REGEX_OTHER_STYLE = (
    (r"\[0-9\]\{(\d)\}", r"\\d{\1}"),
    (r"(\[\w-]+\])\{(\d)\}\(\?:,\1\{\2\}\)\*", r"(\1{\2},)*\1{\2}"),
    (r"(\[[^\]]+\])\{2\}", r"\1\1"),
    (r"(\[[^\]]+\])\{1,\}", r"\1+"),
    (r"(\[[^\]]+\])\{2,3\}", r"\1\1\1?"),
    (r"\(\?:(\w+)\|(\w+)\)$", r"(\2|\1)"),
    (r"\\\.", "[.]"),
    (r"^(.*)$", r"^\1$"),
)
REGEX_MISTAKES = (
    *((r"\{(\d),(\d)\}", r"{\1,}"), (r"\{(\d),(\d)\}", r"{\2}"), (r"\{(\d)\}", r"{\1,}"), (r"\{(\d),\}", r"{\1}")),
    *(
        (r"\{\d,?\d?\}", "+"),
        (r"\)\?$", ")"),
        (r"\)\*", ")?"),
        (r"\)\*", ")"),
        (r"\\\.", "."),
        (r"\[A-Z\]", "[A-Za-z]"),
    ),
    *((r"\[a-z\]", "[A-Za-z]"), (r"\[0-9\]", r"\\w"), (r"\[0-9a-f\]", "[0-9]"), (r"\[aeiou\]", "[a-z]")),
    *((r"\[01\]", r"\\d"), (r"\|\w+\)$", ")"), (r"$", ".*"), (r"^", ".*"), (r"\{2\}", "{3}"), (r"\{3\}", "{2}")),
    *((r"[-/:_@#]", ""), (r"[-/:_@#](?=\[)", ".?"), (r"\(\?:(.*)\)\?$", ""), (r"\{1,(\d)\}", r"{0,\1}")),
)


def plant_regex(random: Random, right: bool) -> Planted:
    task = draw_regex(random, "en")
    pattern = find_code(task.solution, "regex")
    solution, mistake = pattern, ""
    if right:
        for old, new in REGEX_OTHER_STYLE:
            solution = re.sub(old, new, solution)
    else:
        old, new = random.choice([each for each in REGEX_MISTAKES if re.search(each[0], pattern)])
        solution, mistake = re.sub(old, new, pattern, count=1), f"{old} -> {new}"
    cases = [
        {"input": text, "result": re.fullmatch(pattern, text) is not None}
        for case in json.loads(task.ground_truth.expected)["cases"]
        for text in _nearly(case["input"], random)
    ]
    return Planted(task, f"```\n{solution}\n```", mistake, {"language": "regex", "cases": cases})


def _nearly(text: str, random: Random) -> Iterator[str]:
    yield text
    for _ in range(60):
        at, length = random.randrange(len(text) + 1), random.choice((0, 1, 1, 2))
        put = random.choice(("", text[at : at + 1] * 2, text[at : at + 1] * 3, random.choice("a0Z-,._1ef x")))
        yield text[:at] + put + text[at + length :]


# --- figures ----------------------------------------------------------------------------------

PLANTS = {"python": plant_python, "sql": plant_sql, "regex": plant_regex}


async def _run(program: Program) -> Ran:
    async with _SLOTS:
        return await asyncio.to_thread(run_program, program)


async def _planted(kind: str, number: int, right: bool) -> tuple[str, Planted, bool]:
    """Plant a solution; whether the verifier accepts it."""
    random = Random(f"{kind}:{number}:{right}")
    for _ in range(30):
        planted = PLANTS[kind](random, right)
        # A mistake that no input of the wider set shows is none.
        if right or not (await verify(planted.wider, planted.solution, _run)).ok:
            return kind, planted, (await verify(planted.expected, planted.solution, _run)).ok
    raise RuntimeError(f"{kind}: no mistake shows")


async def measure(tasks: int) -> dict[str, Any]:
    """Return the figures: of how many wrong and right solutions how many are accepted, and these and those in full."""
    global _SLOTS
    _SLOTS = asyncio.Semaphore(2)
    kinds = ["python", "python", "python", "sql", "regex"]
    jobs = [(kinds[n % len(kinds)], n, right) for n in range(tasks // 2) for right in (False, True)]
    done = await asyncio.gather(*(_planted(*job) for job in jobs))
    wrong = [each for each, (_, _, right) in zip(done, jobs, strict=True) if not right]
    right = [each for each, (_, _, right) in zip(done, jobs, strict=True) if right]
    return {"wrong": len(wrong), "right": len(right), "missed": [each for each in wrong if each[2]]} | {
        "lost": [each for each in right if not each[2]]
    }


async def measure_kind(kind: str, tasks: int) -> dict[str, Any]:
    """The same figures for a kind whose answers no sandbox has to run."""
    global _SLOTS
    _SLOTS = asyncio.Semaphore(2)
    jobs = [(number, right) for number in range(tasks // 2) for right in (False, True)]
    found: dict[str, Any] = {"wrong": tasks // 2, "right": tasks // 2, "missed": [], "lost": []}
    for number, right in jobs:
        task, answer, mistake = checks_planted.PLANTS[kind](Random(f"{kind}:{number}:{right}"), right)
        verdict = await VERIFIERS[kind](json.loads(task.ground_truth.expected), answer, _run)
        if verdict.ok != right:
            found["lost" if right else "missed"].append((kind, Planted(task, answer, mistake, {}), verdict.detail))
    return found


def planted(kinds: Sequence[str], tasks: int) -> None:
    print(f"{'kind':<13}{'wrong':>6}{'caught':>8}{'share':>8}{'right':>8}{'lost':>6}{'share':>8}")
    unlike = []
    for kind in kinds:
        found = asyncio.run(measure(tasks) if kind == "code" else measure_kind(kind, tasks))
        wrong, right, missed, lost = found["wrong"], found["right"], len(found["missed"]), len(found["lost"])
        shares = f"{1 - missed / wrong:>8.1%}{right:>8}{lost:>6}{lost / right:>8.1%}"
        print(f"{kind:<13}{wrong:>6}{wrong - missed:>8}{shares}", flush=True)
        unlike += [(name, *each) for name in ("missed", "lost") for each in found[name]]
    for name, kind, each, why in unlike:
        said = f" ({why})" if isinstance(why, str) else ""
        print(f"\n{name}, {kind}: {each.mistake}{said}\n{each.task.instruction}\n{each.solution}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("planted", help="right and wrong answers to drawn tasks")
    command.add_argument("kinds", nargs="*", choices=(*KINDS, KINDS), default=KINDS, metavar="KIND")
    command.add_argument("--tasks", type=int, default=200)
    command = commands.add_parser("collect", help="run configurations, and write their answers to be graded")
    command.add_argument("configs", nargs="+", type=Path)
    command.add_argument("--records", type=int, default=64)
    command.add_argument("--minutes", type=float, default=9, help="for each configuration")
    command.add_argument("--folder", type=Path, default=Path("data/checks"))
    command.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    command = commands.add_parser("kept", help="what a reader kept, and what that cost")
    command.add_argument("file", nargs="?", type=Path, default=checks_kept.GRADES)
    options = parser.parse_args()
    if options.command == "planted":
        planted(options.kinds, options.tasks)
    elif options.command == "collect":
        print(checks_kept.collect(options.configs, options.folder, options.records, options.minutes, options.sets))
    else:
        print(checks_kept.kept(options.file))


if __name__ == "__main__":
    main()
