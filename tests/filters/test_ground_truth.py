"""The check 'wrong_answer'."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.records import Example, GroundTruth, Response
from selfinstruct.core.tasks import PASS, Candidate, Verdict
from selfinstruct.filters import build_checks, describe_filters
from selfinstruct.filters.evaluation_sets import EvaluationSets
from selfinstruct.filters.wrong_answers import WrongAnswer


class NothingRuns:
    """An `Ask` that nothing asks."""

    run: Any = None

    async def __call__(self, *asked: Any) -> Any:
        raise AssertionError(asked)


def verdict_of(answer: str, truth: GroundTruth | None, **options: bool) -> Verdict:
    example = replace(Example.of("What is 3 times 4?", "", Response(answer)), ground_truth=truth)
    return asyncio.run(WrongAnswer(**options).check_answer(Candidate("What is 3 times 4?"), example, NothingRuns()))


def test_an_answer_is_compared_with_the_ground_truth_of_its_task() -> None:
    truth = GroundTruth("maths", '{"value": "12"}')
    assert verdict_of("It is 12.", truth) == Verdict(None, "maths: right", 1.0)
    assert verdict_of("It is 7.", truth) == Verdict("wrong_answer", "maths: the answer is '7', not '12'", 0.0)
    assert verdict_of("It is 7.", None) == PASS


def test_a_wrong_answer_is_kept_if_it_is_only_labeled() -> None:
    truth = GroundTruth("maths", '{"value": "12"}')
    assert verdict_of("It is 12.", truth, keeps=True) == Verdict(None, "maths: right", 1.0)
    assert verdict_of("It is 7.", truth, keeps=True) == Verdict(None, "maths: the answer is '7', not '12'", 0.0)
    assert verdict_of("It is 7.", None, keeps=True) == PASS


@pytest.mark.parametrize(
    ("strategy", "wrong_answer", "said"),
    [
        ("verifiable", True, "wrong_answer"),
        ("verifiable", "label", "wrong_answer (label only)"),
        ("verifiable", False, ""),
        ("alpaca", True, ""),
    ],
)
def test_it_is_named_where_tasks_have_ground_truths(
    make_config: Callable[..., RunConfig], strategy: str, wrong_answer: bool | str, said: str
) -> None:
    config = make_config(strategy=strategy, filters={"wrong_answer": wrong_answer})
    *_, last = describe_filters(config, EvaluationSets(), build_checks(config))["answer checks"].split(", ")
    assert last == said or (not said and "wrong_answer" not in last)


def test_an_unknown_verifier_is_an_error() -> None:
    with pytest.raises(ConfigError, match="verifier 'math' is unknown; did you mean 'maths'"):
        verdict_of("It is 12.", GroundTruth("math", '{"value": "12"}'))
