"""A run that brings no records ends early, whichever stage rejects what the teacher writes, and says why."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from test_loop import MakeConfig, Recorder, changed, grow, verdicts

from selfinstruct.core.prompts import Completion, Prompt, Usage
from selfinstruct.generate.yield_watch import FIRST_LOOK, LONGEST_DROUGHT

LOW = json.dumps({"reason": "weak", "clarity": 2, "correctness": 2, "helpfulness": 2, "safety": 2})


def always(purpose: str, completion: Completion) -> Callable[[Prompt, int], Completion | None]:
    """Give each prompt of one purpose the same answer."""
    return lambda prompt, number: completion if prompt.purpose == purpose else None


def tasks_with(output: str) -> Callable[[Prompt, int], Completion | None]:
    """Propose one new task per question, with the same output in each."""

    def answer(prompt: Prompt, number: int) -> Completion | None:
        if prompt.purpose != "propose":
            return None
        words = random.Random(prompt.text).sample("amber brook candle dune ember fjord grove harbor".split(), 5)
        task = {"instruction": f"Compare {' and '.join(words)} in a few words.", "input": "", "output": output}
        return Completion(json.dumps({"tasks": [task]}), usage=Usage(9, 9))

    return answer


KINDS: dict[str, tuple[dict[str, Any], Callable[[Prompt, int], Completion | None], str]] = {
    "empty": ({}, always("propose", Completion("", error="empty_answer")), "20 of 20 answers were empty; check"),
    "filtered": (
        {},
        always("propose", Completion("", error="content_filter")),
        "20 of 20 answers were stopped by the provider's content filter; use other seeds",
    ),
    "unreadable": ({}, always("propose", Completion("Certainly!")), "20 of 20 answers could not be read; look at one"),
    "one_filter": (
        {"filters": {"keywords": ["compare"]}},
        tasks_with("Fine."),
        "20 of 20 proposed tasks were rejected as 'keyword'; change the option",
    ),
    "outputs": (
        {"filters": {"repetition": True}},
        tasks_with("round and round " * 40),
        "admitted tasks were rejected as 'repetition'; change the option",
    ),
    "instances": (
        {"strategy": "self_instruct"},
        always("classify", Completion("", error="empty_answer", finish_reason="length")),
        "admitted tasks ended with nothing but reasoning; raise teacher.reasoning_tokens",
    ),
    "judge": (
        {"judge": {"min_score": 3.0}},
        always("judge", Completion(LOW)),
        "admitted tasks got marks below judge.min_score; lower judge.min_score",
    ),
    "no_marks": (
        {"judge": {"min_score": 3.0}},
        always("judge", Completion("4/10")),
        "admitted tasks got no readable marks; use another judge",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_records_ends_after_its_first_questions(make_config: MakeConfig, kind: str) -> None:
    settings, bad, cause = KINDS[kind]
    config = make_config(target=100, concurrency=4, lookahead=8, **settings)
    teacher = Recorder(bad=bad)
    first = grow(config, teacher)
    assert (first.outcome.reason, first.outcome.exit_code) == ("exhausted", 3)
    assert first.outcome.detail.startswith(f"0 of 100 records: the last {FIRST_LOOK} questions brought no record: ")
    assert cause in first.outcome.detail
    proposals = [prompt for prompt in teacher.asked if prompt.purpose == "propose"]
    # Until a task is admitted, no more is asked ahead than fits in flight.
    admitted = "admitted tasks" in cause
    assert len(proposals) <= FIRST_LOOK + (config.lookahead if admitted else config.concurrency)

    # The end depends on the answers alone: at another timing it is the same, and the next start asks nothing.
    other = changed(config, run_dir=f"{config.run_dir}-other", concurrency=32)
    late = grow(other, Recorder(bad=bad, latencies=random.Random(1)))
    assert (late.outcome, verdicts(late)) == (first.outcome, verdicts(first))
    asked = len(teacher.asked)
    assert (grow(config, teacher).outcome, len(teacher.asked)) == (first.outcome, asked)


def test_a_run_whose_teacher_breaks_down_later_ends_too(make_config: MakeConfig) -> None:
    config = make_config(target=1000, concurrency=4, lookahead=8)
    empty = Completion("", error="empty_answer")
    teacher = Recorder(bad=lambda prompt, number: empty if number > 40 else None)
    done = grow(config, teacher)
    assert f"the last {LONGEST_DROUGHT} questions brought no record: 50 of 50 answers were empty" in done.outcome.detail
    assert len(teacher.asked) < 41 + LONGEST_DROUGHT + config.lookahead + 1
    assert len(done.records()) > 20


def test_a_low_yield_counts_records_not_admitted_tasks(make_config: MakeConfig) -> None:
    """One in ten tasks becomes a record, which is less than `min_yield`."""
    refused = Completion("", error="refusal: no")

    def bad(prompt: Prompt, number: int) -> Completion | None:
        return refused if prompt.purpose == "instances" and int(prompt.digest(), 16) % 10 else None

    config = make_config(strategy="self_instruct", target=500, min_yield=2.0, min_yield_window=12)
    done = grow(config, Recorder(bad=bad))
    assert done.outcome.reason == "exhausted"
    assert "records each, less than min_yield 2: " in done.outcome.detail
    assert "admitted tasks were refused by the model; use other seeds" in done.outcome.detail


def test_zero_never_stops(make_config: MakeConfig) -> None:
    config = make_config(target=5, min_yield=0, max_requests=2 * LONGEST_DROUGHT)
    assert grow(config, Recorder(bad=always("propose", Completion("Hm.")))).outcome.reason == "budget"


def test_failures_count_neither_way(make_config: MakeConfig) -> None:
    """Every second question fails at the server; the others bring tasks."""
    failed = Completion("", error="server_error: 503", failed=True)
    config = make_config(target=60, concurrency=1)
    teacher = Recorder(bad=lambda prompt, number: failed if prompt.purpose == "propose" and number % 2 else None)
    assert grow(config, teacher).outcome.reason == "target"
