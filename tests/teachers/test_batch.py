"""Batch jobs: the same dataset as live, whatever the jobs bring and wherever the process is killed, and paid once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from ask_samples import ask_all, prompts_of
from forked import Process, start_python

from conftest import FULL, IN_FULL
from selfinstruct.ask.prices import price_of
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError, TeacherDown, TeacherRefused, UsageError
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.journal.journal import Journal
from selfinstruct.teachers.batch.teacher import TRIES
from selfinstruct.teachers.fake.fake_batches import FakeBatches
from selfinstruct.teachers.fake.fake_server import FakeServer, serving
from selfinstruct.teachers.fake.teacher import FakeTeacher, fake_answer
from troubled_batches import Trouble, TroubledBatches

FIRST = {f"p:{number}" for number in range(12)}
"""The questions of a run's first job, as `values` has it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Between = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]


class Provider:
    """The fake server on a thread of this process: its jobs can be looked at, and requests stopped on their way."""

    def __init__(self, log: Path, batches: FakeBatches, port: int = 0, seeds: bool = True) -> None:
        self.log, self.batches, self._seeds = log, batches, seeds
        self.between: Between | None = None
        self.base_url = ""
        self._port, self._up = port, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        @web.middleware
        async def between(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await (handler(request) if self.between is None else self.between(request, handler))

        class Stoppable(FakeServer):
            def app(self) -> web.Application:
                app = super().app()
                app.middlewares.append(between)
                return app

        self._loop, self._down = asyncio.get_running_loop(), asyncio.Event()
        async with serving(
            Stoppable(log=self.log, batches=self.batches, seeds=self._seeds), self._port
        ) as self.base_url:
            self._up.set()
            await self._down.wait()

    def __enter__(self) -> Provider:
        self._thread.start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)

    def asked(self) -> list[str]:
        """What was asked for an answer, in jobs or live, in order."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line["request"] for line in lines if line["event"] == "asked"]

    def finish_jobs(self) -> None:
        """End the jobs that are under way; later ones take as long as before."""
        job_s, self.batches.job_s = self.batches.job_s, 0
        while any(job["status"] in ("validating", "in_progress", "finalizing") for job in self.batches.jobs.values()):
            time.sleep(0.01)
        self.batches.job_s = job_s

    def inputs(self, job: dict[str, Any]) -> list[str]:
        """The keys of a job's questions."""
        return [json.loads(line)["custom_id"] for line in self.batches.files[job["input_file_id"]].splitlines()]

    def brought(self, job: dict[str, Any]) -> set[str]:
        """The keys that a job has brought an answer to."""
        found = set()
        for line in self.batches.files.get(job["output_file_id"], b"").splitlines():
            with contextlib.suppress(ValueError):
                found.add(json.loads(line)["custom_id"])
        return found

    def times_executed(self) -> Counter[str]:
        """In how many jobs that were executed each key was."""
        jobs = (job for job in self.batches.jobs.values() if job["status"] != "failed")
        return Counter(key for job in jobs for key in self.inputs(job))

    def assert_paid_once(self) -> None:
        """No question that a job has answered was ever in a later one."""
        answered: set[str] = set()
        for job in self.batches.jobs.values():
            if job["status"] != "failed":
                assert not answered & set(self.inputs(job)), f"{job['id']} asks again what was answered"
                answered |= self.brought(job)


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Callable[..., Provider]]:
    """Start providers, `provider(job_s=0.1, troubles=["missing"])`."""
    with contextlib.ExitStack() as stack:
        count = 0

        def start(port: int = 0, seeds: bool = True, **options: Any) -> Provider:
            nonlocal count
            count += 1
            log = tmp_path / f"provider-{count}.log"
            return stack.enter_context(Provider(log, TroubledBatches(**options), port, seeds))

        yield start


@pytest.fixture
def values(seed_file: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """A configuration's values; `teacher` is changed key by key."""

    def make(server: Provider, run_dir: str = "run", **changes: Any) -> dict[str, Any]:
        teacher = {
            "kind": "openai",
            "model": "fake",
            "base_url": server.base_url,
            "api_key_env": None,
            "mode": "batch",
            "batch_poll_s": 0.05,
            "batch_quiet_s": 0.2,
        }
        teacher |= changes.pop("teacher", {})
        base = {"seeds": str(seed_file), "run_dir": str(tmp_path / run_dir), "strategy": "self_instruct"}
        return base | {"target": 90, "lookahead": 12, "teacher": teacher} | changes

    return make


@pytest.fixture
def live_rows(provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]) -> dict[str, bytes]:
    """The dataset of the same configuration, asked live."""
    return rows_of(run(RunConfig.parse(values(provider(), "live", teacher={"mode": "live"}))))


def rows_of(done: Run) -> dict[str, bytes]:
    """Every file of rows. `provenance` apart: it says when each record was asked for, and at which price."""
    files = [path for path in sorted(done.dataset_path.rglob("*.parquet")) if path.parent.name != "provenance"]
    return {str(file.relative_to(done.path)): file.read_bytes() for file in files}


def query(folder: Path, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return db.execute(sql).fetchall()


@pytest.mark.parametrize(
    "changes",
    [{}, {"target": 20, "answers": {"samples": 4, "until": "all", "keep": "all"}}],
    ids=["one answer", "four samples"],
)
def test_live_and_batch_give_the_same_dataset(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], changes: dict[str, Any]
) -> None:
    live = run(RunConfig.parse(values(provider(), "live", teacher={"mode": "live"}, **changes)))
    server = provider()
    done = run(RunConfig.parse(values(server, **changes)))
    assert rows_of(done) == rows_of(live)
    assert done.records() == live.records()
    assert len(server.asked()) == len(set(server.asked())), "nothing is asked twice"
    keys = {key for (key,) in query(done.path, "SELECT key FROM answers WHERE purpose != 'probe'")}
    assert keys == {key for job in server.batches.jobs.values() for key in server.inputs(job)}
    assert query(done.path, "SELECT count(*) FROM batch_questions") == [(0,)]
    assert max(len(server.inputs(job)) for job in server.batches.jobs.values()) > 12, "tasks are developed abreast"
    asked = len(server.asked())
    assert run(RunConfig.parse(values(server, **changes))).outcome.reason == "target"
    assert len(server.asked()) == asked


TROUBLES: list[Trouble] = ["expired", "cancelled", "errors", "missing", "doubled", "unknown", "swapped", "torn", "gone"]


@pytest.mark.slow
@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_a_job_brings_each_question_gets_its_own_answer(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    trouble: Trouble,
) -> None:
    server = provider(troubles=[trouble, "", trouble])
    done = run(RunConfig.parse(values(server)))
    assert rows_of(done) == live_rows
    server.assert_paid_once()
    again = {key for key, times in server.times_executed().items() if times > 1}
    first = next(iter(server.batches.jobs.values()))
    unanswered = set(server.inputs(first)) - server.brought(first)
    assert bool(unanswered) == (trouble not in ("doubled", "swapped"))
    assert unanswered <= again
    failed = query(done.path, "SELECT key, error, assumed FROM answers WHERE failed = 1")
    assert {(key.startswith("failed:"), error) for key, error, _ in failed} <= {(True, "no_answer")}
    repeats = sum(times - 1 for times in server.times_executed().values())
    never_run = trouble in ("expired", "cancelled")  # the row says so
    assert sum(assumed for *_, assumed in failed) == (0 if never_run else repeats), "what a lost row may have cost"


def test_a_question_is_part_of_three_jobs_at_most_and_then_recorded_with_its_error(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]
) -> None:
    server = provider(troubles=["gone"] * TRIES)
    done = run(RunConfig.parse(values(server, max_failures_in_a_row=20)))
    failed = dict(query(done.path, "SELECT key, error FROM answers WHERE failed = 1"))
    assert failed.keys() == {key for key, times in server.times_executed().items() if times > 1} == FIRST
    assert set(failed.values()) == {"batch: no answer in 3 jobs; the last: the job's results are gone at the server"}
    assert max(server.times_executed().values()) == TRIES
    assert done.outcome.reason == "target", "other questions have been asked instead"


@pytest.mark.slow
def test_when_nothing_is_answered_the_run_ends_and_the_next_start_asks_anew(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    """The tries of a question count across starts."""
    server = provider(troubles=["gone"] * TRIES, job_s=3600)
    config = RunConfig.parse(values(server, max_failures_in_a_row=5))
    for _ in range(TRIES):
        assert run(config, detach=True).outcome.reason == "detached"
        server.finish_jobs()
    with pytest.raises(TeacherDown, match="no answer in 3 jobs"):
        run(config)
    assert server.times_executed() == Counter(dict.fromkeys(FIRST, TRIES))
    server.batches.job_s = 0
    assert rows_of(run(config)) == live_rows


def test_a_job_that_is_refused_ends_the_run_and_is_made_anew_by_the_next_start(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    server = provider(troubles=["refused"])
    with pytest.raises(TeacherRefused, match="batch_0 was refused: model_not_found"):
        run(RunConfig.parse(values(server)))
    assert rows_of(run(RunConfig.parse(values(server)))) == live_rows
    server.assert_paid_once()


@pytest.mark.slow
def test_a_full_queue_is_waited_for_and_jobs_get_shorter_where_none_of_ours_fills_it(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    server = provider(troubles=["full"], limit=7)
    assert rows_of(run(RunConfig.parse(values(server)))) == live_rows
    server.assert_paid_once()
    done = [job for job in server.batches.jobs.values() if job["status"] == "completed"]
    assert max(len(server.inputs(job)) for job in done) <= 7
    assert set(server.times_executed().values()) == {1}


@pytest.mark.slow
def test_jobs_are_as_long_as_the_provider_takes(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = provider()
    assert rows_of(run(RunConfig.parse(values(server, teacher={"batch_questions": 5})))) == live_rows
    assert max(len(server.inputs(job)) for job in server.batches.jobs.values()) == 5
    server = provider()
    monkeypatch.setattr("selfinstruct.teachers.batch.teacher.JOB_BYTES", 9000)
    assert rows_of(run(RunConfig.parse(values(server, "by-size")))) == live_rows
    sizes = [len(server.batches.files[job["input_file_id"]]) for job in server.batches.jobs.values()]
    assert 4500 < max(sizes) <= 9000


def test_no_cap_is_passed(provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]) -> None:
    server = provider()
    done = run(RunConfig.parse(values(server, max_requests=30)))
    assert done.outcome.reason == "budget"
    assert len(server.asked()) == done.status().requests == 30


@pytest.mark.parametrize(
    ("teacher", "factor"),
    [
        ({}, 1.0),
        ({"mode": "batch"}, 0.5),
        ({"mode": "batch", "base_url": "https://eu.api.openai.com/v1"}, 0.5),
        ({"mode": "batch", "base_url": "https://api.openai.com.example/v1"}, 1.0),
        ({"mode": "batch", "batch_price_factor": 0.25}, 0.25),
        ({"batch_price_factor": 0.25}, 1.0),
    ],
)
def test_a_batch_costs_its_share_of_the_live_price(teacher: dict[str, Any], factor: float) -> None:
    stated = {"input_usd_per_mtok": 2.0, "cached_usd_per_mtok": 1.0, "output_usd_per_mtok": 8.0}
    price = price_of(RunConfig.parse({"seeds": "s", "run_dir": "r", "teacher": stated | teacher}).teacher)
    assert price is not None
    assert (price.input, price.cached, price.output) == (2.0 * factor, factor, 8.0 * factor)


def test_only_openais_protocol_has_batch_jobs(make_config: Callable[..., RunConfig]) -> None:
    with pytest.raises(ConfigError, match=r"teacher\.mode: must be live for this teacher\.kind"):
        make_config(teacher={"kind": "fake", "mode": "batch"})
    with pytest.raises(ConfigError, match=r"teacher\.mode: batch needs OpenAI's protocol"):
        run(make_config(teacher={"mode": "batch", "api_key_env": None}), teacher=FakeTeacher())


# --- leaving and coming back ------------------------------------------------------------------


def started(config: dict[str, Any], folder: Path, *arguments: str) -> Process:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    command = ("-m", "selfinstruct", "generate", path, *arguments)
    return start_python(*command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_detach_leaves_and_the_next_start_collects(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    tmp_path: Path,
) -> None:
    server = provider(job_s=3600)
    for start in range(12):
        process = started(values(server), tmp_path, "--detach")
        _, said = process.communicate(timeout=60)
        server.finish_jobs()
        if process.returncode == 0:
            break
        assert process.returncode == 3, said
        assert "waiting in batch jobs" in said
        assert "--detach" in said.strip().splitlines()[-1]
        assert Run(tmp_path / "run").outcome.reason == "detached"
        if start == 0:
            assert server.times_executed().keys() == FIRST
    assert process.returncode == 0, said
    assert rows_of(Run(tmp_path / "run")) == live_rows
    assert len(server.asked()) == len(set(server.asked()))


@pytest.mark.slow
def test_seeds_that_come_while_jobs_are_under_way(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], seed_file: Path
) -> None:
    """What waits was asked without them, is collected all the same, and says so; a replay is the same."""
    server = provider(job_s=0.3)
    config = RunConfig.parse(values(server, target="+200"))
    assert run(config, detach=True).outcome.reason == "detached"
    waiting = {key for (key,) in query(Path(config.run_dir), "SELECT key FROM batch_questions")}
    row = {"id": "late", "instruction": "Count the windows of a house that nobody lives in.", "output": "Nine."}
    seed_file.write_text(seed_file.read_text() + json.dumps(row) + "\n")
    done = run(config)
    assert done.outcome.reason == "target"
    server.assert_paid_once()
    by_key = {key: (generation, "late" in demos) for key, generation, demos in
              query(done.path, "SELECT key, generation, demos FROM answers")}  # fmt: skip
    assert waiting
    assert {by_key[key] for key in waiting} == {(1, False)}
    assert (2, True) in by_key.values()
    asked, records = len(server.asked()), done.records()
    again = run(RunConfig.parse(values(server, target=200)))
    assert (again.records(), len(server.asked())) == (records, asked)


def test_detach_needs_batch_jobs(provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(UsageError, match=r"set teacher\.mode to batch"):
        run(RunConfig.parse(values(provider(), teacher={"mode": "live"})), detach=True)


def test_a_start_that_asks_live_waits_for_what_is_in_jobs(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    server = provider(job_s=3600)
    assert run(RunConfig.parse(values(server)), detach=True).outcome.reason == "detached"
    server.batches.job_s = 1
    assert rows_of(run(RunConfig.parse(values(server, teacher={"mode": "live"})))) == live_rows
    assert len(server.batches.jobs) == 1
    assert len(server.asked()) == len(set(server.asked()))


def test_what_was_asked_in_a_job_counts_not_what_would_be_asked_now(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]
) -> None:
    server = provider(job_s=3600)
    folder = run(RunConfig.parse(values(server)), detach=True).path
    server.batches.job_s = 0
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db, db:
        db.execute("UPDATE batch_questions SET prompt = json_set(prompt, '$.version', 'of another program')")
    run(RunConfig.parse(values(server)))
    versions = dict(query(folder, "SELECT question, version FROM answers WHERE question IN (0, 11, 12)"))
    assert versions[0] == versions[11] == "of another program"
    assert versions[12] != versions[0]
    assert set(server.times_executed().values()) == {1}


@pytest.mark.slow
def test_a_signal_while_a_job_runs_ends_the_start_and_the_next_collects(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    tmp_path: Path,
) -> None:
    server = provider(job_s=3600)
    process = started(values(server), tmp_path)
    while "in_progress" not in {job["status"] for job in server.batches.jobs.values()} and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert Run(tmp_path / "run").outcome.reason == "interrupted"
    server.batches.job_s = 0
    assert rows_of(run(RunConfig.parse(values(server)))) == live_rows
    assert set(server.times_executed().values()) == {1}


@pytest.mark.slow
def test_a_fork_leaves_open_jobs_to_the_run_that_paid_for_them(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    server = provider(job_s=3600)
    config = RunConfig.parse(values(server))
    folder = run(config, detach=True).path
    server.batches.job_s = 0
    forked = RunConfig.parse(values(server, "forked", teacher={"model": "other"}))
    run(forked, fork_of=folder)
    assert len(query(folder, "SELECT key FROM batch_questions")) == len(FIRST)
    assert run(config).outcome.reason == "target"


def test_a_server_that_is_gone_ends_the_run_and_a_later_start_collects(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    tmp_path: Path,
) -> None:
    with Provider(tmp_path / "first.log", batches := FakeBatches(3600)) as server:
        config = RunConfig.parse(values(server, teacher={"max_retries": 0, "batch_poll_s": 0.01}))
        run(config, detach=True)
        server.finish_jobs()
        batches.job_s = 0
        port = int(server.base_url.split(":")[2].split("/")[0])
    with pytest.raises(TeacherDown, match="start the server"):
        run(config)
    with Provider(tmp_path / "first.log", batches, port) as server:
        assert rows_of(run(config)) == live_rows
        assert set(server.times_executed().values()) == {1}


def test_a_result_file_that_breaks_off_is_fetched_again(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    server, cut = provider(), 0

    async def cutting(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal cut
        whole = await handler(request)
        if not request.path.endswith("/content") or cut == 2:
            return whole
        cut += 1
        response = web.StreamResponse(headers={"content-length": "100000"})
        await response.prepare(request)
        await response.write(b'{"custom_id": "p:0", "response"')
        assert request.transport is not None
        request.transport.close()
        return response

    server.between = cutting
    assert rows_of(run(RunConfig.parse(values(server)))) == live_rows
    assert cut == 2
    assert set(server.times_executed().values()) == {1}


def test_a_result_file_above_the_bound_ends_the_run_and_is_read_once_it_fits(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = provider()
    config = RunConfig.parse(values(server))
    with monkeypatch.context() as bounded:
        bounded.setattr("selfinstruct.teachers.openai.transport.MAX_FILE_BYTES", 500)
        with pytest.raises(TeacherRefused, match=r"too large: more than .* lower teacher\.batch_questions"):
            run(config)
    assert rows_of(run(config)) == live_rows
    assert set(server.times_executed().values()) == {1}


def test_no_file_of_questions_follows_a_redirect_to_elsewhere(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    server, elsewhere = provider(), provider()

    async def onward(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(("/v1/files", "/v1/batches")):
            return await handler(request)
        return web.Response(status=307, headers={"location": elsewhere.base_url + request.path.removeprefix("/v1")})

    server.between = onward
    config = RunConfig.parse(values(server))
    with pytest.raises(TeacherRefused, match=f"sends its requests on to {elsewhere.base_url[:-3]}; nothing was sent"):
        run(config)
    assert not elsewhere.batches.files
    server.between = None
    assert rows_of(run(config)) == live_rows


# --- killed -----------------------------------------------------------------------------------


class Killer:
    """Kills the client when a request of `method` to a path that begins with `path` is on its way.

    when: 'before' the server acts on it, 'after' it has but before the answer leaves, 'sent' when the answer is out.
    Each of the first `kills` starts is killed once, at the first such request of its job.
    """

    def __init__(self, method: str, path: str, when: str, kills: int) -> None:
        self._method, self._path, self._when = method, path, when
        self.kills = kills
        self.process: Process | None = None

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path.removeprefix("/v1/")
        hit = request.method == self._method and path.startswith(self._path) and self.kills > 0
        if hit and self._when == "before":
            self._kill()
        response = await handler(request)
        if hit and self._when == "after":
            self._kill()
        if hit and self._when == "sent":
            await response.prepare(request)
            await response.write_eof()
            self._kill()
        return response

    def _kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            self.kills -= 1
            process.send_signal(signal.SIGKILL)


KILLS = 3 if FULL else 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "when"),
    [
        pytest.param("POST", "files", "before", id="planned, not uploaded", marks=IN_FULL),
        pytest.param("POST", "files", "after", id="uploaded, not created"),
        pytest.param("POST", "batches", "before", id="about to be created", marks=IN_FULL),
        pytest.param("POST", "batches", "after", id="created, not noted"),
        pytest.param("GET", "batches/", "after", id="running", marks=IN_FULL),
        pytest.param("GET", "files/", "sent", id="downloaded, not committed"),
    ],
)
def test_a_kill_at_any_instant_of_a_job_costs_nothing(
    provider: Callable[..., Provider],
    values: Callable[..., dict[str, Any]],
    live_rows: dict[str, bytes],
    tmp_path: Path,
    method: str,
    path: str,
    when: str,
) -> None:
    server = provider(job_s=0.1)
    server.between = killer = Killer(method, path, when, KILLS)
    killed = 0
    while True:
        killer.process = process = started(values(server), tmp_path)
        _, said = process.communicate(timeout=90)
        if process.returncode != -signal.SIGKILL:
            break
        killed += 1
    assert process.returncode == 0, said
    assert killed == KILLS
    assert rows_of(Run(tmp_path / "run")) == live_rows
    assert len(server.asked()) == len(set(server.asked())), "no question was executed twice"
    sql = "SELECT key FROM answers WHERE purpose NOT IN ('probe', 'unanswered')"
    keys = [key for (key,) in query(tmp_path / "run", sql)]
    assert server.times_executed() == Counter(keys)


def test_a_lost_answer_to_the_creation_makes_no_second_job(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], live_rows: dict[str, bytes]
) -> None:
    server = provider()

    async def lose(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        created = request.method == "POST" and request.path == "/v1/batches"
        return web.json_response({"error": {"message": "bad gateway"}}, status=502) if created else response

    server.between = lose
    assert rows_of(run(RunConfig.parse(values(server)))) == live_rows
    assert set(server.times_executed().values()) == {1}
    assert len(server.asked()) == len(set(server.asked()))


# --- several teachers -------------------------------------------------------------------------


@pytest.mark.parametrize("modes", [("batch", "batch"), ("live", "batch"), ("batch", "live")])
def test_each_teachers_jobs_are_its_own_and_a_start_leaves_when_all_that_is_asked_waits(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]], modes: tuple[str, str]
) -> None:
    proposing, answering = provider(job_s=3600), provider(job_s=3600)
    config = values(proposing, target=20)
    alike = config.pop("teacher") | {"structured": "json_schema"}
    roles = (["propose"], ["classify", "instances"])
    config["teachers"] = [
        alike | {"model": name, "base_url": server.base_url, "mode": mode, "roles": having}
        for name, server, mode, having in zip("ab", (proposing, answering), modes, roles, strict=True)
    ]
    for _ in range(12):
        done = run(RunConfig.parse(config), detach=True)
        if done.outcome.reason == "target":
            break
        assert done.outcome.reason == "detached"
        waiting = done.status().waiting
        assert waiting
        assert all(f"questions at {name}: batch_" in line for line in waiting for name in line.split()[3][:1])
        proposing.finish_jobs()
        answering.finish_jobs()
    assert done.outcome.reason == "target"
    assert done.status().waiting == []
    for server, mode, proposes in ((proposing, modes[0], True), (answering, modes[1], False)):
        keys = [key for job in server.batches.jobs.values() for key in server.inputs(job)]
        assert bool(keys) == (mode == "batch")
        assert all(key.startswith("p:") == proposes for key in keys)
        assert len(server.asked()) == len(set(server.asked())), "nothing is asked twice"


# --- another server ---------------------------------------------------------------------------


def test_a_job_for_a_server_that_is_not_there_is_not_waited_for(
    values: Callable[..., dict[str, Any]], provider: Callable[..., Provider]
) -> None:
    teacher = {"base_url": "http://127.0.0.1:9/v1", "max_retries": 0}
    with pytest.raises(TeacherDown, match=r"start the server, or check teacher\.base_url"):
        run(RunConfig.parse(values(provider(), teacher=teacher)))


@pytest.mark.slow
def test_a_server_that_we_have_not_written(
    values: Callable[..., dict[str, Any]], tmp_path: Path, provider: Callable[..., Provider]
) -> None:
    """llmock speaks files and batches, too. Its answers are no tasks, so the run is left once they are in."""
    pytest.importorskip("llmock")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "llmock.main:app", "--port", str(port), "--log-level", "error"]
    with subprocess.Popen(command) as server:
        try:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.1)
            base_url = f"http://127.0.0.1:{port}/v1"
            config = RunConfig.parse(values(provider(), teacher={"base_url": base_url}, max_requests=13))
            assert run(config, detach=True).outcome.reason == "detached"
            assert run(config).outcome.reason == "budget"
        finally:
            server.terminate()
    answered = query(tmp_path / "run", "SELECT key FROM answers WHERE purpose = 'propose' AND error IS NULL")
    assert {key for (key,) in answered} == FIRST
    assert query(tmp_path / "run", "SELECT note FROM batch_jobs") == [
        ("completed: 12 answered, 0 without an answer, 0 useless rows",)
    ]


# --- samples ------------------------------------------------------------------------------------


def test_samples_of_a_prompt_are_rows_of_one_file(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]
) -> None:
    """What a start leaves in a job, the next one collects: each sample its own answer, from its own row."""
    server, prompts = provider(job_s=60), prompts_of(5, 4)
    config = RunConfig.parse(values(server))
    left = asyncio.run(ask_all(config, prompts, detach=True))
    assert (left.reason, left.answers) == ("detached", [None] * 20)

    server.finish_jobs()
    answers = asyncio.run(ask_all(config, prompts[:7])).answers

    (job,) = server.batches.jobs.values()
    assert sorted(server.inputs(job)) == sorted({prompt.key for prompt in prompts})
    with contextlib.closing(Journal(Path(config.run_dir) / JOURNAL)) as journal:
        found = {prompt: journal.recall(prompt.key) for prompt in prompts}
    assert list(found.values())[:7] == answers
    texts = {prompt: found[prompt].completion.text for prompt in prompts}  # type: ignore[union-attr]
    assert texts == {prompt: fake_answer(prompt.text, sample=prompt.sample) for prompt in prompts}


def test_a_provider_that_refuses_seeds_gets_the_rows_again_without(
    provider: Callable[..., Provider], values: Callable[..., dict[str, Any]]
) -> None:
    server, prompts = provider(seeds=False), prompts_of(3, 4)
    answers = asyncio.run(ask_all(RunConfig.parse(values(server)), prompts)).answers
    assert [len(server.inputs(job)) for job in server.batches.jobs.values()] == [12, 9]
    texts = [answer.completion.text for answer in answers if answer is not None]
    assert len(set(texts)) == len(texts) == 12
