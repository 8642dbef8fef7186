"""Dual execution agreement: solutions and tests that a model wrote for the same task decide about each other.

After CodeT (Chen et al. 2022, arXiv 2207.10397). A test is one `assert` line, read as an input and a result, and never
run itself. So a solution can only compute: it can't see results, and can't change how they are compared. A small model
writes more wrong tests than right ones, so no test counts that isn't passed by the solutions that agree most.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core.code_blocks import split_blocks
from ..core.programs import Run
from .code import find_code, outcomes_of, parse_code, same_result

_MOST_TESTS, _MOST_CHARACTERS, _MOST_MUTANTS, _PARTS = 20, 500, 8, 4
_OPPOSITES = "Lt:LtE LtE:Lt Gt:GtE GtE:Gt Eq:NotEq NotEq:Eq In:NotIn NotIn:In And:Or Or:And Add:Sub Sub:Add"
_OPPOSITES += " Mult:Add FloorDiv:Mult Mod:FloorDiv"
_MISTAKES = {getattr(ast, one): getattr(ast, other) for one, other in (pair.split(":") for pair in _OPPOSITES.split())}


@dataclass(frozen=True, slots=True)
class Case:
    """A test: the arguments of a function as a JSON list, and the result as a JSON text."""

    arguments: str
    result: str

    @property
    def input(self) -> Any:
        return json.loads(self.arguments)


@dataclass(frozen=True, slots=True)
class DualExecution:
    """What came of it.

    best: the positions of the solutions that agree most, the first of which was chosen; empty if none passes a test.
    cases: the tests that they pass and that tell the chosen one from a wrong one, each with its own result.
    problem: why nothing was decided, or None.
    """

    best: tuple[int, ...] = ()
    cases: tuple[dict[str, Any], ...] = ()
    problem: str | None = None


def function_of(instruction: str, answers: Sequence[str]) -> str | None:
    """Return the Python function that more than half of the answers define; of several, one that the task names."""
    defined = [dict.fromkeys(_functions(answer)) for answer in answers]
    counts = Counter(name for names in defined for name in names)
    common = [name for name, count in counts.items() if 2 * count > len(answers)]
    named = [name for name in common if re.search(rf"\b{name}\b", instruction)]
    return next(reversed(named or common), None)


def _functions(answer: str) -> Iterator[str]:
    for code in [block.code for block in split_blocks(answer)[0] if block.is_closed] or [answer]:
        yield from (node.name for node in parse_code(code).body if isinstance(node, ast.FunctionDef))


def read_tests(text: str, function: str) -> list[Case]:
    """Return the tests in a text: each line `assert f(1, [2]) == 3`, `assert f("a")`, or `assert not f("b")`.

    Arguments and results are literals of JSON's types; other lines are passed over.
    """
    found = dict[Case, None]()
    for line in text.split("\n"):
        if line.strip().startswith("assert ") and len(line) <= _MOST_CHARACTERS and len(found) < _MOST_TESTS:
            with contextlib.suppress(ValueError, TypeError, RecursionError, MemoryError):
                [statement] = parse_code(line.strip()).body
                found[_case(statement, function)] = None
    return list(found)


def _case(statement: ast.stmt, function: str) -> Case:
    """Read a test. Raises ValueError if it has another form, or other types than JSON's."""
    match statement:
        case ast.Assert(test=ast.Compare(left=call, ops=[ast.Eq() | ast.Is()], comparators=[other])):
            call, other = (call, other) if isinstance(call, ast.Call) else (other, call)
            result = ast.literal_eval(other)
        case ast.Assert(test=ast.UnaryOp(op=ast.Not(), operand=call)):
            result = False
        case ast.Assert(test=call):
            result = True
    match call:
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name == function:
            given = [ast.literal_eval(each) for each in arguments]
            return Case(json.dumps(_plain(given)), json.dumps(_plain(result, tuples=True)))
    raise ValueError("another form")


def _plain(value: Any, *, tuples: bool = False) -> Any:
    """Return a value of JSON's types as it is; raise ValueError for any other. tuples: whether they become lists."""
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list) or (tuples and isinstance(value, tuple)):
        return [_plain(each, tuples=tuples) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(each, tuples=tuples) for key, each in value.items()}
    raise ValueError("another type")


async def dual_execution(
    function: str, answers: Sequence[str], sets: Sequence[Sequence[Case]], run: Run
) -> DualExecution:
    """Group solutions that pass the same tests; the group with the largest product of solutions and tests decides.

    Args:
        function: The function that the tests call.
        answers: Texts with a solution each.
        sets: The tests of each set; two or more must have some, and some that the best solutions pass.
        run: Runs a program in the sandbox.
    """
    read = list(dict.fromkeys(tuple(each) for each in sets if each))
    cases = list(dict.fromkeys(case for each in read for case in each))
    if len(read) < 2:
        return DualExecution(problem=f"{len(read)} of {len(sets)} sets of tests can be read and differ; at least 2")

    # Run each solution on the inputs of all tests, and compare what it returns here.
    codes = [find_code(answer, "python", function) for answer in answers]
    different = list(dict.fromkeys(codes))
    found = await asyncio.gather(*(_results(code, function, cases, run, _PARTS) for code in different))
    results = dict(zip(different, found, strict=True))
    groups = defaultdict[frozenset[Case], list[int]](list)
    for position, code in enumerate(codes):
        if passed := frozenset(case for case, result in results[code].items() if _passes(case, result)):
            groups[passed].append(position)
    ranked = sorted(groups, key=lambda passed: (-len(passed) * len(groups[passed]), groups[passed][0]))
    if not ranked:
        return DualExecution(problem=f"no answer passes any of {len(cases)} tests")
    first, *others = ranked
    best = tuple(groups[first])
    if others and len(first) * len(best) == len(others[0]) * len(groups[others[0]]):
        return DualExecution(best, problem="two groups of answers agree equally well with the tests")
    if len(best) < 2:
        return DualExecution(best, problem="no two answers that agree with the tests agree with each other")
    if sum(not first.isdisjoint(each) for each in read) < 2:
        return DualExecution(best, problem="the best answers pass the tests of one set only")

    # A test that no wrong solution fails shows nothing: solutions of other groups, or the chosen one with a mistake.
    chosen = codes[best[0]]
    left = [case for case in cases if case in first]
    wrong = [results[codes[groups[each][0]]] for each in others]
    wrong += await asyncio.gather(*(_results(mutant, function, left, run) for mutant in mutants(chosen)))
    told = {case for case in left if any(case in each and not _passes(case, each[case]) for each in wrong)}
    kept = [{"input": case.input, "result": results[chosen][case][1]} for case in left if case in told]
    return DualExecution(best, tuple(kept), None if kept else f"none of {len(left)} tests fails with a wrong solution")


Results = dict[Case, tuple[str | None, Any]]
"""For each case the error, or None, and what the function returned; without those that it didn't get to."""


async def _results(code: str, function: str, cases: Sequence[Case], run: Run, parts: int = 1) -> Results:
    """Run the code on all cases; if it ends early, again in parts, as one input must not hide the others."""
    job = {"language": "python", "function": function}
    outcomes = await outcomes_of(job, code, [case.input for case in cases], run)
    if not isinstance(outcomes, str):
        return dict(zip(cases, outcomes, strict=True))
    chosen = [cases[start::parts] for start in range(parts)] if parts > 1 else []
    again = await asyncio.gather(*(_results(code, function, part, run) for part in chosen if part))
    return {case: result for each in again for case, result in each.items()}


def _passes(case: Case, result: tuple[str | None, Any]) -> bool:
    # As `assert` compares: True is 1, and 4.0 is 4.
    expected = json.loads(case.result)
    return result[0] is None and (same_result(expected, result[1]) or bool(expected == result[1]))


def mutants(code: str) -> list[str]:
    """Return programs that differ from a program by one small mistake: a comparison, an operator, or a constant."""
    count = len(list(_places(parse_code(code))))
    found = list[str]()
    for number in range(0, count, max(1, math.ceil(count / _MOST_MUTANTS))):
        tree = parse_code(code)
        list(_places(tree))[number]()
        with contextlib.suppress(RecursionError, ValueError):  # deep expressions, and numbers too long to print
            found.append(ast.unparse(tree))
    return found


def _places(tree: ast.Module) -> Iterator[Callable[[], None]]:
    """Yield a function for each mistake that can be made in a program."""
    for node in ast.walk(tree):
        match node:
            case ast.Compare(ops=[op, *rest]) if type(op) in _MISTAKES:
                yield partial(setattr, node, "ops", [_MISTAKES[type(op)](), *rest])
            case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in _MISTAKES:
                yield partial(setattr, node, "op", _MISTAKES[type(op)]())
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield partial(setattr, node, "operand", ast.UnaryOp(ast.Not(), operand))
            case ast.Constant(value=bool(value)):
                yield partial(setattr, node, "value", not value)
            case ast.Constant(value=int(value)):
                yield partial(setattr, node, "value", value + 1)
