"""Tasks whose answer is code: distinct, worded in two languages, and with inputs that tell right code from wrong."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from random import Random

import pytest

from conftest import NEEDS_SANDBOX
from selfinstruct.core.programs import Program, Ran
from selfinstruct.core.tasks import Verdict
from selfinstruct.sandbox import run_program
from selfinstruct.strategies.verifiable.code import draw
from selfinstruct.strategies.verifiable.python_tasks import Operation, inputs_of, operations, reference
from selfinstruct.strategies.verifiable.task import Task
from selfinstruct.verifiers.code import verify

ONLY_THE_CODE = re.compile(
    "without an example|Only the code|query only|nothing else:|pattern only|only the pattern|pattern alone"
    "|只给出|只用一条|只需要|只用一个代码块|请只在"
)
ALL = [each for group in operations().values() for each in group]


def tasks(count: int, language: str = "en") -> list[Task]:
    return [draw(Random(f"7:{number}"), language) for number in range(count)]


def test_a_task_follows_from_the_state_of_the_generator() -> None:
    assert tasks(20) == tasks(20)


def test_tasks_are_distinct() -> None:
    drawn = tasks(1000)
    assert len({each.meaning for each in drawn}) > 930
    assert len({each.instruction for each in drawn}) > 970
    kinds = Counter(json.loads(each.ground_truth.expected)["language"] for each in drawn)
    assert min(kinds.values()) > 100
    assert kinds["python"] > 600


@pytest.mark.parametrize("language", ["en", "zh"])
def test_tasks_are_worded_completely(language: str) -> None:
    for task in tasks(150, language):
        truth = json.loads(task.ground_truth.expected)
        assert task.ground_truth.verifier == "code"
        assert 10 < len(task.instruction) < 1200
        assert truth["only"] == ("code" if ONLY_THE_CODE.search(task.instruction) else "block"), task.instruction
        if truth["language"] == "python":
            assert truth["function"] in task.instruction
            assert not re.search(r"\{\w*\}", task.instruction)
        is_chinese = re.search("[一-鿿]", task.instruction) is not None
        assert is_chinese == (language == "zh")


def test_each_operation_is_worded_and_runs() -> None:
    assert len(ALL) >= 60
    assert len({each.name for each in ALL}) == len(ALL)
    for operation in ALL:
        first = {key: values[0] for key, values in operation.parameters.items()}
        step = Operation(operation.name, operation.takes, operation.gives, operation.words, operation.code, first)
        assert "{" not in step.worded("en") + step.worded("zh")
        for name, value in first.items():
            for language in ("en", "zh"):
                assert str(value) in step.worded(language), (operation.name, name)
        if operation.takes in ("ints", "words", "text", "rows", "dates", "number"):
            inputs = list(inputs_of([step], Random(1)))
            results = [reference([step])(each) for each in inputs]
            assert len({json.dumps(each, sort_keys=True) for each in results}) > 1, operation.name
            # No reference changes its input.
            assert inputs == list(inputs_of([step], Random(1)))


def test_inputs_have_the_edges() -> None:
    [plus] = [each for each in ALL if each.name == "plus"]
    inputs = list(inputs_of([Operation("plus", "ints", "ints", plus.words, plus.code, {"k": 5})], Random(1)))
    assert [] in inputs
    assert [0] in inputs
    assert any(len(each) == 1 for each in inputs)
    assert any(len(set(each)) < len(each) for each in inputs)
    assert any(n < 0 for each in inputs for n in each)
    [upper] = [each for each in ALL if each.name == "upper"]
    words = [word for each in inputs_of([upper], Random(1)) for word in each]
    assert "" in words
    assert not all(word.isascii() for word in words)


def test_a_step_always_matters() -> None:
    """No task can be solved without one of its filters or changes: some input tells."""
    for task in tasks(60):
        truth = json.loads(task.ground_truth.expected)
        results = [json.dumps(case["result"]) for case in truth["cases"]]
        assert len(set(results)) > 1, task.instruction
        assert len(truth["cases"]) >= 6


@NEEDS_SANDBOX
def test_the_solution_of_a_task_passes() -> None:
    async def run(program: Program) -> Ran:
        return await asyncio.to_thread(run_program, program)

    async def verify_all(drawn: list[Task]) -> list[Verdict]:
        pairs = [(json.loads(each.ground_truth.expected), each.solution) for each in drawn]
        return await asyncio.gather(*(verify(expected, solution, run) for expected, solution in pairs))

    drawn = tasks(40)
    verdicts = asyncio.run(verify_all(drawn))
    assert [(task.instruction, each.detail) for task, each in zip(drawn, verdicts, strict=True) if not each.ok] == []
