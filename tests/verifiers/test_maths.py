"""Hand-written pairs, in one process and from threads: no false equal, and hardly a false unequal."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from conftest import FIGURES, NEEDS_SANDBOX
from selfinstruct.core.programs import Program, Ran
from selfinstruct.sandbox import run_program
from selfinstruct.verifiers import maths

needs_math_verify = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None or shutil.which("bwrap") is None,
    reason="needs the extra 'maths', and bubblewrap",
)
PAIRS: list[tuple[str, str, bool]] = []
for _line in Path(__file__).with_name("maths_pairs.txt").read_text(encoding="utf-8").splitlines():
    if _line and not _line.startswith("#"):
        _sign = " == " if " == " in _line else " != "
        PAIRS.append((*_line.split(_sign), _sign == " == "))  # type: ignore[arg-type]


async def in_sandbox(program: Program) -> Ran:
    return await asyncio.to_thread(run_program, program)


async def nothing(program: Program) -> Ran:
    raise AssertionError("nothing is run")


def wrong(decided: list[bool]) -> tuple[list[str], list[str]]:
    """The pairs that are decided wrongly: false equal, false unequal."""
    found = [
        (f"{a} | {b}", same, really) for (a, b, really), same in zip(PAIRS, decided, strict=True) if same != really
    ]
    return [pair for pair, same, _ in found if same], [pair for pair, same, _ in found if not same]


def test_there_are_three_hundred_pairs() -> None:
    assert len(PAIRS) >= 300
    assert len({pair[:2] for pair in PAIRS}) == len(PAIRS)
    assert sum(same for *_, same in PAIRS) > 100
    assert sum(not same for *_, same in PAIRS) > 100


def test_what_is_decided_without_a_program_is_right() -> None:
    decided = [(a, b, same, maths.equal(a, b)) for a, b, same in PAIRS]
    assert [each for each in decided if each[3] is not None and each[3] != each[2]] == []
    assert sum(each[3] is None for each in decided) <= 70


@NEEDS_SANDBOX
@pytest.mark.slow
@needs_math_verify
def test_no_false_equal_and_hardly_a_false_unequal() -> None:
    false_equal, false_unequal = wrong(asyncio.run(maths.compare([pair[:2] for pair in PAIRS], in_sandbox)))
    assert false_equal == []
    assert len(false_unequal) <= 0.03 * len(PAIRS), false_unequal
    FIGURES.append(f"maths: {len(PAIRS)} pairs, no false equal, {len(false_unequal)} false unequal")


@NEEDS_SANDBOX
@pytest.mark.slow
@needs_math_verify
def test_threads_decide_the_same() -> None:

    def part(start: int) -> list[bool]:
        return asyncio.run(maths.compare([pair[:2] for pair in PAIRS[start::4]], in_sandbox))

    with ThreadPoolExecutor(4) as pool:
        decided = [False] * len(PAIRS)
        for start, same in enumerate(pool.map(part, range(4))):
            decided[start::4] = same
    false_equal, false_unequal = wrong(decided)
    assert false_equal == []
    assert len(false_unequal) <= 0.03 * len(PAIRS), false_unequal


def verdict(expected: object, answer: str, ran: Ran | None = None) -> tuple[bool, str]:
    async def run(program: Program) -> Ran:
        assert ran is not None
        return ran

    found = asyncio.run(maths.verify(expected, answer, run))
    return found.ok, found.detail


def test_a_verdict_says_what_was_found() -> None:
    assert verdict({"value": "12", "unit": "km"}, "It is 12 kilometers.") == (True, "")
    assert verdict({"value": "12", "unit": "km"}, "It is 12 m.") == (False, "the answer is '12 m', not '12 [km]'")
    assert verdict(12, "No idea.") == (False, "no final answer found; expected 12")
    assert verdict({"value": "B"}, "So it is (B).") == (True, "")


def test_the_last_line_must_begin_with_the_marker() -> None:
    expected = {"value": "12", "unit": "$", "marker": "Answer:"}
    assert verdict(expected, "3 * 4 = 12\n\n**Answer:** $12\n") == (True, "")
    assert verdict(expected, "Answer: 12") == (True, "")
    assert verdict(expected, "Answer: 12\nHope this helps!") == (False, "the last line doesn't begin with 'Answer:'")
    assert verdict(expected, "So \\boxed{12}.") == (False, "the last line doesn't begin with 'Answer:'")
    assert verdict({"value": "12", "marker": "答案："}, "答案:12") == (True, "")


def test_a_program_that_fails_makes_the_answer_wrong() -> None:
    slow = Ran("", "", None, "time", 20.0)
    assert verdict("\\sqrt{8}", "\\boxed{2\\sqrt{2}}", slow)[1].endswith("(it takes too long)")
    missing = Ran("", "Traceback:\nModuleNotFoundError: No module named 'math_verify'", 1, "exit", 0.1)
    assert "pip install 'selfinstruct[maths]'" in verdict("\\sqrt{8}", "\\boxed{2\\sqrt{2}}", missing)[1]
    assert verdict("\\sqrt{8}", "\\boxed{2\\sqrt{2}}", Ran(json.dumps([True]), "", 0, "exit", 1.0)) == (True, "")


def test_the_largest_group_decides_if_it_is_large_enough() -> None:
    answers = ["So \\boxed{0.5}", "The answer is 1/2.", "It is 0.6", "The answer is 50%", "No idea."]
    assert asyncio.run(maths.group(answers, nothing)) == ([[0, 1, 3], [2]], 0)
    assert asyncio.run(maths.group(answers, nothing, minimum_share=0.7))[1] is None
    assert asyncio.run(maths.group(answers, nothing, minimum_count=4))[1] is None
    assert asyncio.run(maths.group(["It is 1.", "It is 2."], nothing, minimum_count=1))[1] is None
    assert asyncio.run(maths.group([], nothing)) == ([], None)


@settings(max_examples=60)
@given(
    st.text(max_size=30) | st.text(alphabet="0123456789$%\\{}^/.,= sqrtboxed", max_size=30),
    st.integers() | st.text(max_size=8),
)
def test_no_answer_raises(answer: str, expected: object) -> None:
    verdict(expected, answer, Ran("[false]", "", 0, "exit", 0.1))


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        ("Monday", "Answer: the day before Monday"),
        ("Monday", "Answer: Sunday, the day before Monday"),
        ("7.5", "The answer is not 7.5."),
        ("7.5", "The answer is between 7 and 7.5."),
        ("12", "Answer: less than 12"),
        ("12", "Answer: 12 dozen"),
        ("12", "Answer: 12 hundred"),
        ("446", "答案：不是446"),
        ("2400", "Answer: everything but 2400"),
        ("-20", "It is not minus twenty."),
        ("12", "It is not twelve."),
    ],
)
def test_a_value_that_is_qualified_is_another_one(expected: str, answer: str) -> None:
    assert not verdict(expected, answer)[0]
    assert verdict(expected, f"Answer: {expected}")[0]


@pytest.mark.parametrize(
    ("expected", "right", "wrong"),
    [
        ("-20", "The temperature is 20 degrees below zero.", "The temperature is 20 degrees."),
        ("-20", "It is negative twenty.", "It is -5 minus 20."),
        ("3", "The difference: x minus 3", "The result is minus 3."),
        ("-20", "气温是零下20度。", "气温是20度。"),
        ({"value": "20", "unit": "km/h"}, "Her speed is 20 kilometers an hour.", "She rides 20 meters an hour."),
        ({"value": "4.25", "unit": "元"}, "一共4元2角5分。", "一共4元2角。"),
    ],
)
def test_values_may_be_said_in_words(expected: object, right: str, wrong: str) -> None:
    assert verdict(expected, right)[0]
    assert not verdict(expected, wrong)[0]


def test_a_result_in_chinese_counts_like_an_answer() -> None:
    assert verdict("星期四", "所以结果是星期四。")[0]
    assert verdict("35.5", "结果是35.5。")[0]
