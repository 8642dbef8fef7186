"""Streamed answers over a real socket: whole, cut off, broken, and compared with answers in one piece."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given, strategies as st

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.events import Progress
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.generate.start import arun, run
from selfinstruct.journal.folder import Run
from selfinstruct.teachers.fake.fake_server import FakeServer, serving
from selfinstruct.teachers.fake.faults import KINDS, Faults
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.streamed_answer import MAX_BODY_BYTES, _joined
from selfinstruct.teachers.openai.teacher import OpenAITeacher
from selfinstruct.teachers.protocol import METER

KEY = "sk-proj-RECOGNISABLE0123456789abcdefghij"
MESSAGES = (Message("user", "Go on."),)
PROMPT = Prompt("propose", MESSAGES, Sampling(max_tokens=400), is_list=True)
ONE = Prompt("answer", MESSAGES, Sampling(max_tokens=400))

Send = Callable[[web.StreamResponse], Awaitable[None]]


def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
    return b"data: " + json.dumps({"model": "m-1", "choices": [choice]}).encode() + b"\n\n"


USAGE = b'data: {"model": "m-1", "choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"


class Server:
    """Sends the n-th request what the n-th function writes, and later ones what the last one does."""

    def __init__(self, *sends: Send | Sequence[bytes], kind: str = "text/event-stream") -> None:
        self.asked: list[dict[str, Any]] = []
        self._sends, self._kind = sends, kind

    async def answer(self, request: web.Request) -> web.StreamResponse:
        send = self._sends[min(len(self.asked), len(self._sends) - 1)]
        self.asked.append(await request.json())
        response = web.StreamResponse(headers={"content-type": self._kind})
        await response.prepare(request)
        if callable(send):
            await send(response)
            assert request.transport is not None
            request.transport.close()
            return response
        for part in send:
            await response.write(part)
        return response


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", server.answer)
    app.router.add_post("/v1/completions", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def ask_at(url: str, prompt: Prompt, **settings: Any) -> Completion:
    given: dict[str, Any] = {"timeout_s": 5.0, "max_retries": 1, "stream": True} | settings
    config = OpenAIOptions(model="m", base_url=url, **given)
    async with asyncio.timeout(30), OpenAITeacher(config, api_key=KEY) as teacher:
        return await teacher.complete(prompt)


def ask(server: Server, prompt: Prompt = PROMPT, **settings: Any) -> Completion:
    async def once() -> Completion:
        async with running(server) as url:
            return await ask_at(url, prompt, **settings)

    return asyncio.run(once())


HELLO = (event({"role": "assistant", "content": None}), event({"content": "Hel"}), event({"content": "lo."}))


def test_a_streamed_answer_is_put_together() -> None:
    server = Server([*HELLO, event({}, "stop"), USAGE, DONE])
    assert ask(server) == Completion("Hello.", "stop", Usage(12, 3), "m-1")
    assert server.asked[0]["stream"] is True
    assert server.asked[0]["stream_options"] == {"include_usage": True}


def test_a_server_that_ignores_the_stream_is_read_as_ever() -> None:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello."}}
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    whole = json.dumps({"model": "m-1", "choices": [choice], "usage": usage}).encode()
    assert ask(Server([whole], kind="application/json")) == Completion("Hello.", "stop", Usage(12, 3), "m-1")


def test_a_server_that_refuses_stream_options_still_streams() -> None:
    asked: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(await request.json())
        if "stream_options" in asked[-1]:
            return web.json_response({"error": {"message": "Unrecognized field: stream_options"}}, status=400)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for part in (*HELLO, event({}, "stop"), DONE):
            await response.write(part)
        return response

    server = Server([])
    server.answer = answer  # type: ignore[method-assign]
    assert ask(server).text == "Hello."
    assert [each.get("stream") for each in asked] == [True, True]


def test_reasoning_and_log_probabilities_are_put_together() -> None:
    def token(text: str, *top: tuple[str, float]) -> dict[str, Any]:
        return {"content": [{"token": text, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}]}

    yes = (event({"content": "Y"}, logprobs=token("Y", ("Y", -0.1), ("N", -2.0))), event({"content": "es"}, "stop"))
    prompt = Prompt("classify", MESSAGES, Sampling(max_tokens=3), top_logprobs=2)
    assert ask(Server([*yes, DONE]), prompt).logprobs == {"Y": -0.1, "N": -2.0}

    thought = (event({"reasoning_content": "They "}), event({"reasoning_content": "greet me."}))
    answer = ask(Server([*thought, *HELLO, event({}, "stop"), USAGE, DONE]))
    assert (answer.text, answer.reasoning) == ("Hello.", "They greet me.")

    parts = ([{"type": "thinking", "thinking": [{"type": "text", "text": t}]}] for t in ("They ", "greet me."))
    answer = ask(Server([*(event({"content": part}) for part in parts), event({"content": "Hello."}, "stop"), DONE]))
    assert "They greet me." in answer.reasoning


def test_the_completions_endpoint_streams_too() -> None:
    pieces = [
        b"data: " + json.dumps({"choices": [{"text": text, "finish_reason": finish}]}).encode() + b"\n\n"
        for text, finish in ((" A", None), (" cat", None), ("", "length"))
    ]
    answer = ask(Server([*pieces, USAGE, DONE]), Prompt("propose", MESSAGES, Sampling(max_tokens=9), "completions"))
    assert (answer.text, answer.finish_reason) == (" A cat", "length")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param([*HELLO, b'data: {"error": {"code": 503, "message": "overloaded"}}\n\n'], id="error event"),
        pytest.param([*HELLO, b"event: error\ndata: 503 Service Unavailable\n\n"], id="error in plain text"),
        pytest.param(
            [*HELLO, event({}, "error").replace(b'{"model', b'{"error": {"code": 502, "message": "x"}, "model')],
            id="error beside choices",
        ),
        pytest.param(HELLO, id="no end"),
    ],
)
def test_an_error_in_the_middle_is_retried(broken: Sequence[bytes]) -> None:
    whole = [*HELLO, event({}, "stop"), USAGE, DONE]
    server = Server(broken, whole)
    assert ask(server) == Completion("Hello.", "stop", Usage(12, 3), "m-1")
    assert len(server.asked) == 2
    assert ask(Server(broken), max_retries=1).failed


def test_a_connection_that_breaks_in_the_middle_is_retried() -> None:
    async def hang_up(response: web.StreamResponse) -> None:
        await response.write(HELLO[1])

    server = Server(hang_up, [*HELLO, event({}, "stop"), DONE])
    assert ask(server).text == "Hello."
    assert len(server.asked) == 2
    failed = ask(Server(hang_up))
    assert failed.failed
    assert (failed.error or "").startswith("connection: ")


def test_a_server_may_close_the_connection_after_a_stream_without_saying_so() -> None:
    async def send(response: web.StreamResponse) -> None:
        for part in (*HELLO, event({}, "stop"), DONE):
            await response.write(part)
        await response.write_eof()
        await asyncio.sleep(0.01)

    server = Server(send)

    async def often() -> None:
        async with running(server) as url:
            config = OpenAIOptions(model="m", base_url=url, stream=True, max_retries=0)
            async with OpenAITeacher(config, api_key=KEY) as teacher:
                for _ in range(30):
                    assert (await teacher.complete(PROMPT)).text == "Hello."
                    await asyncio.sleep(0.01)

    asyncio.run(often())
    assert len(server.asked) == 30


def test_a_secret_in_several_events_is_masked() -> None:
    server = Server([*(event({"content": KEY[at : at + 5]}) for at in range(0, len(KEY), 5)), event({}, "stop"), DONE])
    assert ask(server).text == "[key]"
    split = [event({"reasoning_content": KEY[:9]}), event({"reasoning_content": KEY[9:]}), *HELLO, event({}, "stop")]
    assert ask(Server([*split, DONE])).reasoning == "[key]"
    refused = ask(Server([*HELLO, b'data: {"error": {"code": 400, "message": "no ' + KEY.encode() + b'"}}\n\n']))
    assert KEY[:12] not in str(refused)


def test_a_stream_without_end_is_cut_at_the_size_limit() -> None:
    piece = event({"content": "x" * 100_000})
    server = Server([*[piece] * (MAX_BODY_BYTES // 100_000 + 20), event({}, "stop"), DONE])
    assert (ask(server).error or "").startswith("too_large")
    assert (ask(Server([event({"content": "x" * (MAX_BODY_BYTES + 9)}), DONE])).error or "").startswith("too_large")


async def slowly(response: web.StreamResponse) -> None:
    for number in range(200):
        await response.write(event({"content": f"{number}. Name {number} rivers.\n"}))
        await asyncio.sleep(0.05)


def test_a_list_is_cut_off_after_its_time_and_kept() -> None:
    server, began = Server(slowly), time.monotonic()
    answer = ask(server, answer_within_s=0.6)
    assert 0.5 < time.monotonic() - began < 5
    assert (answer.finish_reason, answer.truncated, answer.failed, answer.error) == ("length", True, False, None)
    assert 5 <= answer.text.count("rivers") <= 13
    assert len(server.asked) == 1


def test_an_answer_that_is_no_list_is_not_cut_off() -> None:
    failed = ask(Server(slowly), ONE, answer_within_s=0.3, timeout_s=0.2, max_retries=0)
    assert (failed.error or "").startswith("timeout")


def test_a_list_that_exceeds_the_time_of_a_whole_attempt_is_kept() -> None:
    answer = ask(Server(slowly), timeout_s=0.2, max_retries=0)  # five times that
    assert (answer.finish_reason, answer.failed) == ("length", False)


class Tokens:
    """A meter that counts tokens, and ends an answer once there are enough."""

    def __init__(self, enough: int) -> None:
        self.received, self._enough = 0, enough

    async def begin(self) -> None: ...

    def leave(self) -> None: ...

    def end(self, *, billed: bool) -> None: ...

    def receive(self, tokens: int, limit: asyncio.Timeout | None) -> None:
        self.received += tokens
        if limit is not None and self.received == self._enough:
            limit.reschedule(0)


def test_the_meter_counts_what_arrives_and_can_end_the_answer() -> None:
    async def once(prompt: Prompt, sends: Send | Sequence[bytes]) -> tuple[Completion, int]:
        meter = Tokens(enough=4)
        METER.set(meter)
        async with running(Server(sends)) as url:
            return await ask_at(url, prompt), meter.received

    answer, received = asyncio.run(once(PROMPT, slowly))
    assert (answer.finish_reason, received) == ("length", 4)
    assert answer.text.count("rivers") == 4
    answer, received = asyncio.run(once(ONE, [*(event({"content": "a"}) for _ in range(9)), event({}, "stop"), DONE]))
    assert (answer.text, received) == ("a" * 9, 9)


def test_the_timings_of_a_cut_answer_are_its_usage() -> None:
    async def once() -> Completion:
        async with serving(FakeServer(token_s=0.02)) as url:
            prompt = Prompt(
                "propose", (Message("user", "Write new tasks, as a numbered list."),), Sampling(), is_list=True
            )
            return await ask_at(url, prompt, answer_within_s=0.5, extra_body={"timings_per_token": True})

    answer = asyncio.run(once())
    assert answer.truncated
    assert answer.usage == Usage(len("Write new tasks, as a numbered list.") // 4 + 1, (len(answer.text) + 3) // 4)


@given(st.binary(max_size=300), st.integers(0, 3), st.integers(1, 40))
def test_no_bytes_in_a_stream_break_the_teacher(noise: bytes, place: int, size: int) -> None:
    whole = [*HELLO, event({}, "stop"), DONE]
    data = b"".join([*whole[:place], noise, *whole[place:]])
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    answer = ask(Server(parts), max_retries=0)
    assert isinstance(answer, Completion)
    assert KEY not in str(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("content text type cache_n".split()), inner)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from("choices error usage timings model".split()), JSON), max_size=5))
def test_no_json_in_a_stream_breaks_the_teacher(values: list[dict[str, Any]]) -> None:
    parts = [b"data: " + json.dumps(value).encode() + b"\n\n" for value in values]
    assert isinstance(ask(Server([*parts, DONE]), max_retries=0), Completion)


PARTS = st.lists(st.fixed_dictionaries({"type": st.sampled_from("ab"), "text": st.text(max_size=2)}), max_size=3)
EVENTS = st.fixed_dictionaries({}, optional={"content": st.none() | st.text(max_size=2) | PARTS, "x": st.integers()})


@given(st.lists(EVENTS, min_size=1), st.data())
def test_events_may_be_joined_in_portions(values: list[dict[str, Any]], data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(values)))
    assert _joined([_joined(values[:at]), *values[at:]]) == _joined(values)


# --- runs ---------------------------------------------------------------------------------------


def rows(folder: str | Path) -> list[tuple[Any, ...]]:
    """The journal's answers without times."""
    with contextlib.closing(sqlite3.connect(Path(folder) / "journal.sqlite")) as db:
        names = [name for _, name, *_ in db.execute("PRAGMA table_info(answers)")]
        kept = [name for name in names if name not in ("asked_at", "latency_s")]
        return list(db.execute(f"SELECT {', '.join(kept)} FROM answers ORDER BY key"))


def dataset(folder: str | Path) -> list[bytes]:
    files = sorted(Path(folder, "dataset").rglob("*.parquet"))
    return [path.read_bytes() for path in files if path.parent.name != "provenance"]


@pytest.fixture
def values(tmp_path: Path, seed_file: Path) -> dict[str, Any]:
    return {
        "seeds": str(seed_file),
        "run_dir": str(tmp_path / "run"),
        "target": 40,
        "strategy": "alpaca",
        "concurrency": 4,
        "teacher": {"kind": "openai", "model": "fake", "api_key_env": None, "structured": "text"},
    }


def run_at(server: FakeServer, values: dict[str, Any], folder: Path, *, teacher: Any = (), **options: Any) -> Run:
    async def once() -> Run:
        async with serving(server) as url:
            changed = {"run_dir": str(folder), "teacher": values["teacher"] | {"base_url": url} | dict(teacher)}
            return await arun(RunConfig.parse(values | changed), **{"progress": None, **options})

    return asyncio.run(once())


@pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])
@pytest.mark.parametrize("structured", ["json_schema", "text"])
def test_streamed_and_unstreamed_answers_make_the_same_journal(
    values: dict[str, Any], tmp_path: Path, strategy: str, structured: str
) -> None:
    values |= {"strategy": strategy, "concurrency": 1, "lookahead": 1}
    teacher = {"structured": structured}
    run_at(FakeServer(), values, tmp_path / "a", teacher=teacher)
    run_at(FakeServer(), values, tmp_path / "b", teacher=teacher | {"stream": True})
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert dataset(tmp_path / "a") == dataset(tmp_path / "b") != []


def test_a_run_over_streams_survives_every_fault(values: dict[str, Any], tmp_path: Path) -> None:
    shares = dict.fromkeys(KINDS, 0.4 / len(KINDS))
    teacher = {"stream": True, "timeout_s": 0.5, "answer_within_s": 5.0, "max_retries": 6}
    done = run_at(FakeServer(faults=Faults(shares)), values | {"target": 100}, tmp_path / "run", teacher=teacher)
    assert done.outcome.reason == "target"


def replayed(values: dict[str, Any], folder: Path) -> Run:
    """Replay a run without a teacher, in a copy."""
    changed = {
        "run_dir": str(folder.with_name("again")),
        "teacher": values["teacher"] | {"base_url": "http://127.0.0.1:9"},
    }
    return run(RunConfig.parse(values | changed), fork_of=folder, recall_only=True, progress=None)


def assert_cut_and_kept(values: dict[str, Any], folder: Path) -> None:
    """Some answers were cut off, their complete tasks are records, and a replay gives the same dataset."""
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        cut = db.execute("SELECT count(*) FROM answers WHERE finish_reason = 'length' AND NOT failed").fetchone()[0]
        lost = db.execute("SELECT count(*) FROM verdicts WHERE reason = 'truncated'").fetchone()[0]
        records = db.execute("SELECT count(*) FROM records").fetchone()[0]
    assert cut >= 1
    assert records >= 1
    assert lost <= cut, "of each answer at most the last task is lost"
    before = dataset(folder)
    assert before
    replayed(values, folder)
    assert dataset(folder.with_name("again")) == before


def test_answers_cut_at_their_time_make_the_dataset(values: dict[str, Any], tmp_path: Path) -> None:
    teacher = {"stream": True, "answer_within_s": 1.5}
    done = run_at(FakeServer(token_s=0.005), values, tmp_path / "run", teacher=teacher)
    assert done.outcome.reason == "target"
    assert_cut_and_kept(values, tmp_path / "run")


def test_the_end_of_the_time_keeps_complete_tasks(
    values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfinstruct.generate.loop.GRACE_S", 0.2)
    monkeypatch.setattr("selfinstruct.generate.stopping.GRACE_S", 0.2)
    began = time.monotonic()
    done = run_at(FakeServer(token_s=0.01), values, tmp_path / "run", teacher={"stream": True}, max_runtime_s=3.0)
    assert time.monotonic() - began < 12
    assert (done.outcome.reason, done.outcome.exit_code) == ("max_runtime", 3)
    assert_cut_and_kept(values, tmp_path / "run")


def test_answers_that_have_no_complete_task_end_the_run_with_a_remedy(values: dict[str, Any], tmp_path: Path) -> None:
    teacher = {"stream": True, "answer_within_s": 0.02}
    done = run_at(FakeServer(token_s=0.01), values, tmp_path / "run", teacher=teacher)
    assert done.outcome.reason == "exhausted"
    assert "cut off" in done.outcome.detail
    assert "teacher.answer_within_s, or lower strategy.tasks_per_question" in done.outcome.detail
    assert len(rows(tmp_path / "run")) < 40


def test_progress_counts_tokens_as_they_arrive(values: dict[str, Any], tmp_path: Path) -> None:
    seen: list[Progress] = []
    run_at(
        FakeServer(token_s=0.005),
        values | {"target": 5},
        tmp_path / "run",
        teacher={"stream": True},
        progress=seen.append,
    )
    early = [each.tokens for each in seen if each.consumed == 0 and each.requests and each.in_flight]
    assert len(set(early)) > 1, "the count grows before the first answer is there"
    assert early == sorted(early)
    now = Run(tmp_path / "run").status()
    assert seen[-1].tokens == now.prompt_tokens + now.completion_tokens


def test_when_answers_are_streamed() -> None:
    assert not OpenAIOptions().streams
    assert OpenAIOptions(stream=True).streams
    assert OpenAIOptions(answer_within_s=5.0).streams
    assert not OpenAIOptions(stream=True, mode="batch").streams


def test_a_cap_on_tokens_holds_for_answers_that_are_cut_off(values: dict[str, Any], tmp_path: Path) -> None:
    strategy = {"kind": "alpaca", "propose": {"max_tokens": 900}}
    values |= {"target": 500, "max_tokens": 20_000, "min_yield": 0.0, "strategy": strategy}
    teacher = {"stream": True, "answer_within_s": 0.3}
    for name, more in (("worst", {}), ("stated", {"extra_body": {"timings_per_token": True}})):
        done = run_at(FakeServer(token_s=0.002), values, tmp_path / name, teacher=teacher | more)
        now = done.status()
        assert done.outcome.reason == "budget"
        assert now.prompt_tokens + now.completion_tokens <= 20_000
        assert (now.assumed > 0) == (name == "worst"), "a server that states no count is charged with the worst case"


def test_the_embedded_teacher_streams(values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    in_flight: list[int] = [0]

    @web.middleware
    async def watch(request: web.Request, handler: Any) -> web.StreamResponse:
        asked.append(await request.json())
        in_flight.append(in_flight[-1] + 1)
        response: web.StreamResponse = await handler(request)
        in_flight.append(in_flight[-1] - 1)
        return response

    class Llama:
        def __init__(self, *_: Any, **__: Any) -> None:
            self._server = serving(FakeServer(latency_s=0.01, before=[watch]))

        async def __aenter__(self) -> Llama:
            self.base_url = await self._server.__aenter__()
            return self

        async def __aexit__(self, *error: Any) -> None:
            await self._server.__aexit__(*error)

        def check(self) -> None: ...

    monkeypatch.setattr("selfinstruct.teachers.local.teacher.LlamaServer", Llama)
    monkeypatch.setattr("selfinstruct.teachers.local.teacher.fetch", lambda model: Path("model.gguf"))
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: name == "xllamacpp" or find(name, *rest))
    teacher = {"kind": "local", "model": "smollm2-135m"}
    values |= {"strategy": {"kind": "alpaca", "tasks_per_question": 2}}
    done = run(RunConfig.parse(values | {"teacher": teacher, "concurrency": 16}), progress=None)
    assert done.outcome.reason == "target"
    assert all(each["stream"] and each["timings_per_token"] for each in asked)
    assert max(in_flight) == 4, "further requests wait here, where they don't run into a timeout"

    asked.clear()
    changed = {"teacher": teacher | {"stream": False}, "run_dir": str(tmp_path / "whole")}
    assert run(RunConfig.parse(values | changed), progress=None).outcome.reason == "target"
    assert not any("stream" in each for each in asked)
