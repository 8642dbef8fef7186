"""Answers that agree on a value or on tests decide what is right; wrong and hostile ones don't get through."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from planted_functions import PLANTED

import selfinstruct as si
from conftest import NEEDS_SANDBOX, ROOT
from selfinstruct.config.sections import AnswersConfig
from selfinstruct.core.errors import SandboxMissing
from selfinstruct.core.programs import Program, Ran
from selfinstruct.core.prompts import Completion, Prompt, Sampling
from selfinstruct.core.records import Example, GroundTruth, Response
from selfinstruct.generate.assembly import assemble
from selfinstruct.generate.consensus import Consensus
from selfinstruct.generate.estimate import estimate
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read
from selfinstruct.report.explain import explain
from selfinstruct.report.explain.describe import describe
from selfinstruct.report.page.page import write_report
from selfinstruct.sandbox import run_program
from selfinstruct.teachers.fake.teacher import FakeTeacher
from selfinstruct.verifiers import verdict_on
from selfinstruct.verifiers.dual_execution import function_of, mutants, read_tests


async def run_here(program: Program) -> Ran:
    return await asyncio.to_thread(run_program, program)


class Writes:
    """An `Ask` that returns these sets of tests, and runs programs."""

    def __init__(self, *sets: str) -> None:
        self.sets, self.asked = sets, list[Prompt]()

    async def __call__(self, prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        self.asked.append(prompt)
        return Completion(self.sets[sample])

    async def run(self, program: Program) -> Ran:
        return await run_here(program)


def compare(
    instruction: str, texts: Sequence[str], *sets: str, by: str = "tests", least: float = 0.5
) -> tuple[list[Response], GroundTruth | None]:
    settings = AnswersConfig.model_validate(
        {"samples": 5, "until": "all", "min_agreement": least, "agree_by": by, "test_sets": max(2, len(sets))}
    )
    responses = [Response(text, sample=n) for n, text in enumerate(texts)]
    example = Example.of(instruction, "", *responses)
    return asyncio.run(Consensus(settings, Sampling()).compare(example, responses, Writes(*sets)))


def objections(responses: Sequence[Response]) -> set[str]:
    return {verdict.detail for each in responses for verdict in each.verdicts.values()}


# --- values ---------------------------------------------------------------------------------------


def test_the_largest_group_of_equal_values_decides() -> None:
    texts = ["The answer is 42 km.", "\\boxed{42}", "It is 41 km.", "So it is 42.0 km", "No idea."]
    responses, truth = compare("How far is it?", texts, by="maths")
    assert truth == GroundTruth("maths", '{"value": "42", "unit": "km"}', "agreement")
    assert truth.name == "maths by agreement"
    assert [each.marks["agreement"] for each in responses] == [0.6, 0.6, 0, 0.6, 0]
    assert all(each.passed for each in responses)


@pytest.mark.parametrize(
    ("texts", "least", "said"),
    [
        (["It is 42."] * 3 + [f"It is {n}." for n in range(5)], 0.5, "3 of 8 answers agree on 42; at least 0.5"),
        (["It is 1."] * 2 + ["It is 2."] * 2, 0.5, "2 of 4 answers agree on 1; as many on 2"),
        (["It is 1.", "It is 2.", "It is 3."], 0.0, "1 of 3 answers agree on 1; as many on 2"),
        (["No idea.", "Who knows?", "Ask me later."], 0.5, "no answer states a result"),
        (["It is 1."] * 2, 0.5, "2 answers passed the checks; at least 3"),
    ],
)
def test_what_is_undecided_says_why(texts: list[str], least: float, said: str) -> None:
    responses, truth = compare("How many?", texts, by="maths", least=least)
    assert truth is None
    assert objections(responses) == {said}
    assert {verdict.reason for each in responses for verdict in each.verdicts.values()} == {"no_agreement"}


# --- tests ----------------------------------------------------------------------------------------


def test_a_test_is_one_line_with_literals() -> None:
    text = """Here are the tests:
    ```python
    assert f(1, [2]) == 3
    assert f("a")
    assert not f("b")
    assert (1, 2) == f({"k": -1.5})
    assert f(None) is None, "a note"
    ```"""
    found = [(case.arguments, case.result) for case in read_tests(text, "f")]
    assert found == [
        ("[1, [2]]", "3"),
        ('["a"]', "true"),
        ('["b"]', "false"),
        ('[{"k": -1.5}]', "[1, 2]"),
        ("[null]", "null"),
    ]


HOSTILE_TESTS = """
import sys; sys.exit(0)
assert True
assert f(1) == 1; exit(0)
def f(x): return 1
f = lambda x: 1
assert (f := print)
assert f(__import__("os").getpid()) == 1
assert [f(x) for x in range(10**9)]
assert f(1) == f(1)
assert f(1) == 1e999
assert f(x=1) == 1
assert f((1, 2)) == 3
assert f.__class__ == 1
assert g(1) == 1
assert f(*[1]) == 1
__builtins__.AssertionError = None
"""


def test_a_line_that_is_no_test_is_passed_over() -> None:
    assert read_tests(HOSTILE_TESTS, "f") == []
    assert read_tests("assert f(" + "[" * 400, "f") == []


def test_the_function_is_the_one_that_most_answers_define() -> None:
    code = "```python\ndef helper(x): return x\n\ndef solve(x): return helper(x)\n```"
    assert function_of("Write solve.", [code, code, "no code"]) == "solve"
    assert function_of("Write helper(x), then use it.", [code, code, code]) == "helper"
    assert function_of("Write solve.", [code, "none", "none"]) is None


def test_each_mutant_differs_by_one_small_mistake() -> None:
    code = "def f(a):\n    if a > 3 and (not a % 2 == 0):\n        return a + 1\n    return True"
    found = mutants(code)
    assert len(set(found)) == len(found) >= 5
    assert code not in found
    for each in found:
        compile(each, "", "exec")


@pytest.mark.parametrize("terms", [100, 400, 800, 1500, 5000])
def test_code_that_a_parser_gives_up_on_breaks_nothing(terms: int) -> None:
    for code in ("def f(x):\n    return x" + " + x" * terms, f"def f(x): return {'9' * terms}", "(" * terms):
        assert len(mutants(code)) <= 8
        assert function_of("Write f.", [solution(code)] * 3) in ("f", None)
        assert read_tests(f"assert f({code}) == 1", "f") == []


@NEEDS_SANDBOX
def test_agreement_picks_a_right_solution_of_each_planted_task() -> None:
    draw = random.Random(3)
    wrong = []
    for task in PLANTED:
        kinds = draw.sample(["right", "right", "right", "wrong", "other"], 5)
        texts = [task.solution(kind, n) for n, kind in enumerate(kinds)]
        sets = [task.tests(draw, 0.4) for _ in range(4)]
        responses, truth = compare(task.instruction, texts, *sets)
        assert truth is not None, (task.name, objections(responses))
        chosen = [kind for each, kind in zip(responses, kinds, strict=True) if each.marks["agreement"] > 0]
        wrong += [] if chosen == ["right"] * 3 else [task.name]
        # Every result of the key is right, although two of five tests were wrong.
        cases = json.loads(truth.expected)["cases"]
        assert all(case["result"] == task.result(*case["input"]) for case in cases)
    assert wrong == []


@NEEDS_SANDBOX
def test_a_wrong_majority_with_tests_of_its_own_is_agreement_and_nothing_more() -> None:
    [task] = [each for each in PLANTED if each.name == "keep_positive"]
    sets = [task.tests(random.Random(n), 0, task.wrong[0]) for n in range(4)]
    texts = [task.solution(kind, n) for n, kind in enumerate(["wrong", "wrong", "wrong", "right", "other"])]
    responses, truth = compare(task.instruction, texts, *sets)
    assert truth is not None
    assert truth.by == "agreement"
    assert [each.marks["agreement"] for each in responses] == [0.6, 0.6, 0.6, 0, 0]
    # Right tests stop it: the three pass fewer of them together than one right solution would with two others.
    sets = [task.tests(random.Random(n), 0) for n in range(4)]
    responses, _ = compare(
        task.instruction, [task.solution(k, n) for n, k in enumerate(["right"] * 3 + ["wrong"] * 2)], *sets
    )
    assert [each.marks["agreement"] for each in responses] == [0.6, 0.6, 0.6, 0, 0]


def solution(body: str) -> str:
    return f"```python\n{body}\n```"


HOSTILE = [
    "import sys\nsys.exit(0)\ndef f(x): return 1",
    "import os\nos._exit(0)\ndef f(x): return 1",
    "print('[{\"value\": 3}]')\ndef f(x): return 7",
    'import os\ndef f(x):\n    os.write(3, b\'[{"value": 3}, {"value": 3}]\')\n    os._exit(0)',
    "def f(x):\n    while True: pass",
    "class Any:\n    def __eq__(self, other): return True\n    def __hash__(self): return 1\ndef f(x): return Any()",
    "import json\njson.dumps = lambda *a, **k: '{\"value\": true}'\ndef f(x): return 0",
    "import builtins\nbuiltins.AssertionError = SystemExit\ndef f(x): return x * 3",
    "class N(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\ndef f(x): return N(99)",
    "raise SystemExit(0)\ndef f(x): return 2",
    "def f(x):\n    return f(x)",
    "def f(x): return 'x' * 10**9",
]


@NEEDS_SANDBOX
@pytest.mark.parametrize("body", HOSTILE)
def test_a_hostile_solution_is_never_among_the_best(body: str) -> None:
    sets = ["\n".join(f"assert f({n}) == {n + 2}" for n in range(k, k + 5)) + HOSTILE_TESTS for k in (0, 2, 4, 6)]
    right = solution("def f(x):\n    return x + 2")
    responses, truth = compare(
        "Write a Python function f(x).", [solution(body), right, solution(body), right, right], *sets
    )
    assert truth is not None, objections(responses)
    assert [each.marks["agreement"] for each in responses] == [0, 0.6, 0, 0.6, 0.6]
    assert asyncio.run(verdict_on(right, truth, run_here)).ok
    assert not asyncio.run(verdict_on(solution(body), truth, run_here)).ok


@NEEDS_SANDBOX
def test_one_input_that_takes_too_long_does_not_hide_the_others() -> None:
    slow = solution("def f(x):\n    while x > 100: pass\n    return x + 1")
    sets = ["assert f(1) == 2\nassert f(2) == 3", "assert f(101) == 102\nassert f(5) == 6\nassert f(0) == 1"]
    responses, truth = compare("Write a Python function f(x).", [slow] * 3, *sets)
    assert truth is not None, objections(responses)
    assert 101 not in [case["input"][0] for case in json.loads(truth.expected)["cases"]]


@NEEDS_SANDBOX
@pytest.mark.parametrize(
    ("solutions", "sets", "said"),
    [
        (["x + 1"] * 3, ["assert f(1) == 2", "nothing"], "1 of 2 sets of tests can be read and differ; at least 2"),
        (["x + 1"] * 3, ["assert f(1) == 2"] * 2, "1 of 2 sets of tests can be read and differ; at least 2"),
        (["x + 1"] * 3, ["assert f(1) == 3", "assert f(2) == 2"], "no answer passes any of 2 tests"),
        (["x + 1"] * 3, ["assert f(1) == 2", "assert f(2) == 2"], "the best answers pass the tests of one set only"),
        (
            ["x", "x + 1", "2 * x"],
            ["assert f(1) == 2\nassert f(7) == 8", "assert f(0) == 1"],
            "no two answers that agree",
        ),
        (
            ["x", "x", "-x", "-x"],
            ["assert f(1) == 1\nassert f(1) == -1", "assert f(2) == 2\nassert f(2) == -2"],
            "equally",
        ),
        (["x"] * 3, ["assert f('a') == 'a'", "assert f('b') == 'b'"], "none of 2 tests fails with a wrong solution"),
        (
            ["x + 1", "x + 1", "x", "-x", "x - 1"],
            ["assert f(1) == 2", "assert f(2) == 3"],
            "2 of 5 answers pass the same 2",
        ),
    ],
)
def test_tests_that_decide_nothing_say_why(solutions: list[str], sets: list[str], said: str) -> None:
    texts = [solution(f"def f(x):\n    return {each}") for each in solutions]
    responses, truth = compare("Write a Python function f(x).", texts, *sets)
    assert truth is None
    [detail] = objections(responses)
    assert said in detail


@NEEDS_SANDBOX
def test_a_literal_that_no_file_can_keep_is_kept_as_ascii() -> None:
    code = solution("def f(x):\n    return x + '!'")
    sets = [r"assert f('\ud800') == '\ud800!'", r"assert f('\0') == '\0!'"]
    _, truth = compare("Write a Python function f(x).", [code] * 3, *sets)
    assert truth is not None
    assert truth.text.isascii()
    assert asyncio.run(verdict_on(code, truth, run_here)).ok


def test_each_way_may_have_a_number_of_its_own() -> None:
    settings = {"samples": 5, "until": "all", "agree_by": "auto", "min_agreement": {"text": 0.2, "maths": 0.75}}
    answers = AnswersConfig.model_validate(settings)
    assert [answers.least_agreement(by) for by in ("text", "maths", "tests")] == [0.2, 0.75, 0.0]
    with pytest.raises(si.ConfigError, match=r"answers\.min_agreement") as error:
        si.RunConfig.parse({"seeds": "s", "run_dir": "r", "answers": {**settings, "min_agreement": {"math": 2}}})
    assert "\n" not in str(error.value), str(error.value)
    with pytest.raises(
        si.ConfigError, match=r"must be a number from 0 to 1, or one for each of text, maths, and tests"
    ):
        si.RunConfig.parse({"seeds": "s", "run_dir": "r", "answers": {**settings, "min_agreement": 2}})


@NEEDS_SANDBOX
def test_auto_compares_what_the_answers_are() -> None:
    code = solution("def f(x):\n    return x + 2")
    sets = ["assert f(1) == 3\nassert f(2) == 4", "assert f(5) == 7"]
    assert (compare("Write a Python function f(x).", [code] * 3, *sets, by="auto")[1] or code) != code
    assert (compare("How many?", ["So 6 × 7 = 42"] * 3, by="auto")[1] or code) != code
    tips = ["Drink 8 glasses of water.", "Drink 8 glasses of water, and rest.", "Drink 8 glasses of water a day."]
    responses, truth = compare("How do I stay healthy?", tips, by="auto")
    assert truth is None
    assert all(each.passed and each.marks["agreement"] > 0.5 for each in responses)


# --- configurations, and whole runs ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"agree_by": "maths"}, "answers.agree_by: says how answers are compared; set answers.min_agreement too"),
        ({"samples": 2, "min_agreement": 0.5, "agree_by": "maths"}, "set answers.samples to 3 or more"),
        ({"samples": 4, "until": "all", "min_agreement": 0.5, "agree_by": "tests", "turns": 2}, "remove answers.turns"),
        ({"agree_by": "test"}, "did you mean 'tests'"),
    ],
)
def test_what_cannot_work_is_one_clear_line(answers: dict[str, Any], message: str) -> None:
    with pytest.raises(si.ConfigError, match=message) as error:
        si.RunConfig.parse({"seeds": "s.jsonl", "run_dir": "run", "answers": answers})
    assert "\n" not in str(error.value)


def test_no_teacher_for_tests_is_one_clear_line(make_config: Any) -> None:
    agreed = {"samples": 4, "until": "all", "min_agreement": 0.5, "agree_by": "tests"}
    teacher = {"kind": "fake", "model": "fake", "roles": ["propose", "answer"]}
    with pytest.raises(si.ConfigError, match="none has the role 'tests'; add it"):
        run(make_config(answers=agreed, teacher=teacher))


class Counting(FakeTeacher):
    """Answers every question with the length of the task, wrongly in one of four cases, or with a false equation."""

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.purpose == "propose":
            return await super().complete(prompt)
        task = prompt.messages[-1].content
        count, kind = len(task), random.Random(f"{task}:{prompt.sample}").randrange(8)
        if kind == 0:
            return Completion(
                f"There are {count} + 1 = {count + 3} letters. The answer is {count} letters.", model="fake"
            )
        return Completion(f"The answer is {count + (kind < 3) * (prompt.sample + 1)} letters.", model="fake")


def agreed_config(folder: Path, **values: Any) -> si.RunConfig:
    answers = {"samples": 6, "until": "all", "min_agreement": 0.5, "agree_by": "maths", **values.pop("answers", {})}
    common = {"seeds": str(ROOT / "seeds" / "en.jsonl"), "run_dir": folder, "target": 12, "answers": answers}
    teacher = {"kind": "fake", "model": "fake"}
    dataset = {"license": "apache-2.0", "formats": ["messages", "rlvr", "grpo", "verl"]}
    return si.RunConfig.parse({**common, "teacher": teacher, "dataset": dataset, **values})


@NEEDS_SANDBOX
def test_a_run_keeps_what_agrees_and_says_where_the_key_comes_from(tmp_path: Path) -> None:
    from datasets import load_dataset

    config = agreed_config(tmp_path / "run")
    with read(run(config, teacher=Counting())) as snapshot:
        records = list(snapshot.records)
        rejected = [each for each in snapshot.instance_verdicts() if each.reason == "no_agreement"]
    assert len(records) == 12
    for record in records:
        example = record.examples[0]
        assert example.ground_truth is not None
        assert example.ground_truth.by == "agreement"
        assert f"The answer is {len(example.messages[-1].content)} letters." in example.output
        assert " + 1 = " not in example.output  # the way is checked, too

    folder = tmp_path / "run" / "dataset"
    for name in ("rlvr", "grpo", "verl"):
        rows = load_dataset(str(folder), name, split="train")
        assert {row["ground_truth_by"] for row in rows} == {"agreement"}
        assert all(si.verify(row, records[n].examples[0].output) for n, row in enumerate(rows))
        assert not any(si.verify(row, "The answer is -1.") for row in rows)
    card = " ".join((folder / "README.md").read_text(encoding="utf-8").split())
    assert "| `maths by agreement` |" in card
    assert (
        "most of the teacher's own answers agree on this final value; a mistake that they share goes unnoticed" in card
    )
    told = describe(explain(tmp_path / "run", f"q{rejected[0].question}.{rejected[0].idx}"))
    assert any(
        re.fullmatch(r"  instance  refused, no_agreement: 1: \d of \d answers agree on .*", line) for line in told
    )
    told = describe(explain(tmp_path / "run", records[0].id))
    assert "example 1, ground truth of maths by agreement" in told
    assert "example 1, checked by maths by agreement: right" in told
    report = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "maths by agreement" in report
    assert "By agreement: the ground truth is what most of the teacher" in report


@NEEDS_SANDBOX
def test_nothing_changes_unless_it_is_asked_for(tmp_path: Path) -> None:
    config = agreed_config(tmp_path / "run", answers={"min_agreement": None, "agree_by": "text"}, dataset={})
    assert not config.has_ground_truths
    with read(run(config, teacher=Counting())) as snapshot:
        assert all(each.examples[0].ground_truth is None for each in snapshot.records)
    with pytest.raises(si.ConfigError, match="rlvr needs tasks whose answers a program checks"):
        run(agreed_config(tmp_path / "other", answers={"agree_by": "text"}))


def test_a_machine_without_a_sandbox_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SandboxMissing, match="bubblewrap isn't installed"):
        run(agreed_config(tmp_path / "run"), teacher=Counting())
    with read(tmp_path / "run") as snapshot:
        assert snapshot.status.requests == 0


def test_the_estimate_has_the_tests_of_each_task(tmp_path: Path) -> None:
    def purposes(agree_by: str) -> dict[str, int]:
        config = agreed_config(tmp_path / agree_by, answers={"agree_by": agree_by, "test_sets": 3}, dataset={})
        found = estimate(assemble(config), records=10)
        return {share.purpose: share.requests for share in found.shares}

    assert purposes("auto")["tests"] == purposes("tests")["tests"] == 30
    assert "tests" not in purposes("maths")
    # The fake teacher's answers agree on nothing, which says nothing about a real one's.
    assert purposes("maths")["answer"] <= 100
