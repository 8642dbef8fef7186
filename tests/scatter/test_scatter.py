"""Streams of one job: each draws for itself, none spends what another has, and none waits for one that is gone."""

from __future__ import annotations

import asyncio
import functools
import json
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.prompts import Message, Prompt, Sampling, Usage
from selfinstruct.generate.start import arun
from selfinstruct.journal.answer_values import Totals
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.scatter.plan import SURPLUS, check_scatterable, folder_of, split_target, stream_targets, stream_values
from selfinstruct.scatter.scatter_job import spent_so_far
from selfinstruct.scatter.shared_budget import Permit, SharedBudget
from selfinstruct.scatter.stream import SharingTeacher
from selfinstruct.teachers.limits import Allowance, Limits, Turn
from selfinstruct.teachers.protocol import Teacher

PROMPT = Prompt("propose", (Message("user", "x" * 100),), Sampling(max_tokens=50))


class LocalClient:
    """A budget in this process, as one stream sees it."""

    def __init__(self, budget: SharedBudget, stream: int) -> None:
        self._budget, self._stream = budget, stream
        self._leaving: set[asyncio.Task[None]] = set()

    async def acquire(self, teacher: str, prompt: Prompt) -> Permit | str:
        return await self._budget.acquire(self._stream, teacher, prompt)

    def release(self, number: int, usage: Usage | None, *, sent: bool, billed: bool) -> None:
        release = self._budget.release(number, usage, sent=sent, billed=billed)
        task = asyncio.get_running_loop().create_task(release)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def run_streams(config: RunConfig, budget: SharedBudget, targets: list[int]) -> list[Run]:
    """All streams at once, in this process."""

    async def stream(number: int, target: int) -> Run:
        def around(name: str, teacher: Teacher) -> Teacher:
            return SharingTeacher(name, teacher, LocalClient(budget, number))

        return await arun(RunConfig.parse(stream_values(config, number, target)), around=around)

    return list(await asyncio.gather(*[stream(number, target) for number, target in enumerate(targets)]))


def in_a_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


def acquire_later(budget: SharedBudget, stream: int) -> asyncio.Task[Permit | str]:
    return asyncio.ensure_future(budget.acquire(stream, "fake", PROMPT))


# --- the plan ------------------------------------------------------------------------------------


def test_each_stream_is_a_run_of_its_own_with_its_own_draws(make_config: Callable[..., RunConfig]) -> None:
    config = make_config()
    runs = asyncio.run(run_streams(config, SharedBudget(config, Totals()), [8, 8, 8]))
    assert [run.path for run in runs] == [folder_of(config, stream) for stream in range(3)]
    assert len({run.id for run in runs}) == 3
    first = [run.records()[0].origin.demos for run in runs]
    assert len(set(first)) > 1
    assert [len(run.records()) for run in runs] == [8, 8, 8]


def test_status_and_explain_know_the_job_by_its_folder(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(target=12)
    runs = asyncio.run(run_streams(config, SharedBudget(config, Totals()), [7, 6]))
    told = CliRunner().invoke(app, ["status", config.run_dir])
    assert told.exit_code == 0, told.output
    assert "2 streams, 0 of them running" in told.output
    assert "7 of 7 records; target met" in told.output
    assert "13 in all streams" in told.output
    whole = json.loads(CliRunner().invoke(app, ["status", config.run_dir, "--json"]).stdout)
    assert (
        whole["requests"] == sum(run.status().requests for run in runs) == sum(s["requests"] for s in whole["streams"])
    )
    for run in runs:
        record = run.records()[-1]
        story = CliRunner().invoke(app, ["explain", config.run_dir, record.id])
        assert record.instruction.split()[0] in story.output
    (folder_of(config, 2)).mkdir()
    (folder_of(config, 2) / JOURNAL).touch()
    told = CliRunner().invoke(app, ["status", config.run_dir])
    assert "3 streams, 0 of them running" in told.output, "one that is just being made is no error"
    shutil.rmtree(folder_of(config, 2))
    report = CliRunner().invoke(app, ["report", config.run_dir])
    assert report.exit_code == 2
    assert f"a job of 2 streams; name one of them, such as {runs[0].path}" in report.stderr


def test_a_runs_own_folder_stays_one(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(target=6)
    asyncio.run(run_streams(config, SharedBudget(config, Totals()), [4, 4]))
    own = asyncio.run(arun(config))
    assert (own.status().records, own.dataset_path.is_dir()) == (6, True)
    with pytest.raises(UsageError, match="holds a run; name another folder for the streams"):
        check_scatterable(config, 2)


def test_rows_that_do_not_say_which_task_they_are_of_can_not_be_counted(make_config: Callable[..., RunConfig]) -> None:
    uncountable = {"formats": ["openai", "messages"], "instances": "all"}
    with pytest.raises(UsageError, match=r"dataset\.formats: rows of 'openai' don't tell how many tasks there are"):
        check_scatterable(make_config(dataset=uncountable), 2)
    check_scatterable(make_config(dataset=uncountable | {"formats": ["messages", "openai"]}), 2)
    check_scatterable(make_config(dataset=uncountable | {"instances": "first"}), 2)


def test_shares_add_up_to_a_little_more_than_the_target() -> None:
    for target, shards in ((1, 4), (100, 3), (52_000, 7)):
        parts = split_target(target, shards)
        assert len(parts) == shards
        assert max(parts) - min(parts) <= 1
        assert sum(parts) == max(shards, round(target * SURPLUS)) >= target


def test_a_further_start_aims_at_no_less_than_the_one_before(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(target=10)
    asyncio.run(run_streams(config, SharedBudget(config, Totals()), [9, 3]))
    assert stream_targets(config, 3) == [9, 3, 3]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "a relative target": ({"target": "+5"}, "target: streams need a total, not a number of further records"),
    "batch jobs": ({"teacher": {"mode": "batch", "model": "gpt-4o-mini"}}, "teacher.mode: streams share their limits"),
    "a model here": ({"teacher": {"kind": "local", "model": "qwen2.5-coder-1.5b"}}, "teacher.kind: local would load"),
    "standard input": ({"seeds": "-"}, "seeds: streams can't share standard input"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_can_not_be_scattered_ends_in_one_line(
    tmp_path: Path, seed_file: Path, mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    changes, expected = MISTAKES[mistake]
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "teacher": {"kind": "fake", "model": "fake"}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values | changes))
    done = CliRunner().invoke(app, ["scatter", str(tmp_path / "c.yaml"), "--shards", "2"])
    assert done.exit_code == 2, done.output
    assert f"selfinstruct: error: {expected}" in done.stderr
    assert not (tmp_path / "run").exists()


# --- the shared budget -----------------------------------------------------------------------------------

CAPS = {
    "max_requests": {"max_requests": 40},
    "max_tokens": {"max_tokens": 60_000},
    "max_cost_usd": {"max_cost_usd": 0.06},
}


@pytest.mark.parametrize("cap", CAPS)
def test_all_streams_together_stay_under_a_cap_and_use_it(make_config: Callable[..., RunConfig], cap: str) -> None:
    priced = {"kind": "fake", "model": "fake", "input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0, "max_retries": 0}
    config = make_config(teacher=priced, **CAPS[cap])  # type: ignore[arg-type]
    runs = asyncio.run(run_streams(config, SharedBudget(config, Totals()), [2000, 2000, 2000]))
    assert {run.outcome.reason for run in runs} == {"budget"}
    assert all(f"records: {cap}: " in run.outcome.detail for run in runs)
    spent = spent_so_far(config)
    used = {
        "max_requests": spent.requests,
        "max_tokens": spent.prompt_tokens + spent.completion_tokens,
        "max_cost_usd": spent.cost_usd,
    }[cap]
    assert 0.6 * CAPS[cap][cap] < used <= CAPS[cap][cap]


def test_what_an_earlier_start_has_spent_counts(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(max_requests=12, teacher={"kind": "fake", "model": "fake", "max_retries": 0})
    asyncio.run(run_streams(config, SharedBudget(config, Totals()), [2000, 2000]))
    before = spent_so_far(config).requests
    runs = asyncio.run(run_streams(config, SharedBudget(config, spent_so_far(config)), [2000, 2000]))
    assert spent_so_far(config).requests == before == 12
    assert {run.outcome.reason for run in runs} == {"budget"}


@in_a_loop
async def test_a_limit_a_minute_lets_no_more_pass_for_two_streams_than_for_one(
    make_config: Callable[..., RunConfig],
) -> None:
    config = make_config(teacher={"kind": "fake", "model": "fake", "max_rpm": 120})
    alone, budget = Limits(Allowance(120), 1 << 20, 60), SharedBudget(config, Totals())
    one = [asyncio.ensure_future(alone.enter(Turn("propose", 100, 50))) for _ in range(40)]
    two = [acquire_later(budget, number % 2) for number in range(40)]
    await asyncio.sleep(0.05)
    passed = sum(task.done() for task in one)
    assert 0 < passed < 40
    assert abs(sum(task.done() for task in two) - passed) <= 1
    for task in [*one, *two]:
        task.cancel()


@in_a_loop
async def test_a_stream_that_is_gone_holds_nothing_back(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(max_requests=3, teacher={"kind": "fake", "model": "fake", "max_retries": 0})
    budget = SharedBudget(config, Totals())
    assert all([isinstance(await budget.acquire(0, "fake", PROMPT), Permit) for _ in range(3)])
    waiting = acquire_later(budget, 1)
    await asyncio.sleep(0)
    assert not waiting.done()
    await budget.cancel_in_flight(0)
    assert await waiting == "max_requests: 3 of 3 requests are used", "what was under way may have reached the server"


@in_a_loop
async def test_a_question_of_an_earlier_life_gets_no_permit(make_config: Callable[..., RunConfig]) -> None:
    config = make_config(max_requests=2, teacher={"kind": "fake", "model": "fake", "max_retries": 0})
    budget = SharedBudget(config, Totals())
    held = await budget.acquire(0, "fake", PROMPT)
    also = await budget.acquire(0, "fake", PROMPT)
    late = acquire_later(budget, 1)
    await asyncio.sleep(0)
    await budget.cancel_in_flight(1)
    assert isinstance(held, Permit)
    assert isinstance(also, Permit)
    await budget.release(held.number, None, sent=False)
    assert await late == "the stream was restarted"
    assert isinstance(await budget.acquire(1, "fake", PROMPT), Permit)
