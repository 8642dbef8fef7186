"""The OpenAI teacher, asked over a real socket with the real SDK: whatever a server does, a value or one clear line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from selfinstruct.ask.budget import BudgetSpent
from selfinstruct.core.errors import ConfigError, TeacherDown, TeacherRefused
from selfinstruct.core.network import find_proxy
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.teacher import OpenAITeacher
from selfinstruct.teachers.protocol import METER

KEY = "sk-proj-RECOGNISABLE0123456789abcdefghij"
CHAT = "/v1/chat/completions"
SOON = {"retry-after-ms": "1"}
PROMPT = Prompt("propose", (Message("system", "Rules."), Message("user", "Go on.")), Sampling(max_tokens=50))
PLAIN = Prompt("classify", PROMPT.messages, Sampling(max_tokens=3), endpoint="completions", top_logprobs=10)


def ask(server: HTTPServer, prompt: Prompt = PROMPT, **settings: Any) -> Completion:
    """One question, with the client opened and closed around it."""
    return ask_at(server.url_for("/v1"), prompt, **settings)


def ask_at(url: str, prompt: Prompt = PROMPT, **settings: Any) -> Completion:
    config = OpenAIOptions(model="m", base_url=url, **{"max_retries": 1, "timeout_s": 5.0} | settings)

    async def once() -> Completion:
        async with asyncio.timeout(60), OpenAITeacher(config, api_key=KEY) as teacher:
            return await teacher.complete(prompt)

    return asyncio.run(once())


def body(message: Any = None, **changes: Any) -> dict[str, Any]:
    """A chat answer."""
    choice = {"index": 0, "finish_reason": "stop", "message": message or {"role": "assistant", "content": "Hello."}}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 8}}
    return {"id": "x", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": usage} | changes


def test_an_answer_with_everything(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_json(body())
    assert ask(httpserver) == Completion("Hello.", "stop", Usage(12, 3, 8), "m-1")


HTML = "<!doctype html><title>Sign in</title>"
BAD_BODIES = {
    "html with 200": ((HTML, 200, {"content-type": "text/html"}), "html_answer: <!doctype html>", True),
    "html that says json": ((HTML, 200, {"content-type": "application/json"}), "broken_json", True),
    "half a json": (('{"choices": [', 200, {"content-type": "application/json"}), "broken_json", True),
    "json nested too deep": (("[" * 200_000, 200, {"content-type": "application/json"}), "broken_json", True),
    "wrong encoding": ((b'{"a": "\xff\xfe"}', 200, {"content-type": "application/json"}), "broken", True),
    "plain text": (("busy", 200, {"content-type": "text/plain"}), "not_json: busy", True),
    "a gateway's page": (("<title>502 Bad Gateway</title>", 200, {}), "server_error: 502: 502 Bad Gateway", True),
    "a gateway's text": (("Service Unavailable", 200, {}), "server_error: 503: Service Unavailable", True),
    "a list": (("[]", 200, {"content-type": "application/json"}), "broken_answer: list", True),
    "null": (("null", 200, {"content-type": "application/json"}), "broken_answer: NoneType", True),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_is_no_answer(httpserver: HTTPServer, name: str) -> None:
    (data, status, headers), error, failed = BAD_BODIES[name]
    httpserver.expect_request(CHAT).respond_with_data(data, status=status, headers=headers)
    completion = ask(httpserver)
    assert (completion.error or "").startswith(error), completion
    assert completion.failed is failed
    assert completion.text == ""


ODD_JSON = {
    "error body, choices null": (body(choices=None, error={"message": "overloaded"}), "server_error: 503", True),
    "no choices at all": (body(choices=[]), "no_choices", True),
    "a choice that is no object": (body(choices=["Hello."]), "no_choices", True),
    "refusal": (body({"content": None, "refusal": "I can't\nhelp."}), "refusal: I can't help.", False),
    "empty answer": (body({"content": ""}), "empty_answer", False),
    "blanks only": (body({"content": " \n"}), "empty_answer", False),
    "null content": (body({"content": None}), "empty_answer", False),
    "no message": (body(choices=[{"finish_reason": "stop"}]), "empty_answer", False),
    "filtered": (
        body(choices=[{"finish_reason": "content_filter", "message": {"content": "Par"}}]),
        "content_filter",
        False,
    ),
}


@pytest.mark.parametrize("name", ODD_JSON)
def test_json_that_is_no_good_answer(httpserver: HTTPServer, name: str) -> None:
    answer, error, failed = ODD_JSON[name]
    httpserver.expect_request(CHAT).respond_with_json(answer)
    completion = ask(httpserver)
    assert (completion.error or "").startswith(error), completion
    assert completion.failed is failed
    assert completion.usage == Usage(12, 3, 8), "what was used counts, whatever came back"


def test_an_answer_cut_by_the_token_limit_is_an_answer(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_json(
        body(choices=[{"finish_reason": "length", "message": {"content": "Once upon"}}])
    )
    completion = ask(httpserver)
    assert (completion.text, completion.truncated, completion.error) == ("Once upon", True, None)


def test_content_in_parts_is_joined(httpserver: HTTPServer) -> None:
    parts = [{"type": "text", "text": "One, "}, {"type": "image"}, {"type": "text", "text": "two."}]
    httpserver.expect_request(CHAT).respond_with_json(body({"content": parts}))
    assert ask(httpserver).text == "One, two."


def test_json_under_another_content_type_is_read(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_data(json.dumps(body()), content_type="text/plain")
    assert ask(httpserver).text == "Hello."


@pytest.mark.parametrize("usage", [None, "many", {}, {"prompt_tokens": -3, "completion_tokens": 10**30}])
def test_usage_that_is_missing_or_absurd_is_unknown(httpserver: HTTPServer, usage: Any) -> None:
    httpserver.expect_request(CHAT).respond_with_json(body(usage=usage))
    completion = ask(httpserver)
    assert (completion.text, completion.usage) == ("Hello.", Usage(partial=True))


def test_characters_that_no_file_can_keep_are_replaced(httpserver: HTTPServer) -> None:
    text = json.dumps(body({"content": "a\x00b \ud83d c 😀"}))
    httpserver.expect_request(CHAT).respond_with_data(text, content_type="application/json")
    assert ask(httpserver).text == "ab ? c 😀"


def test_an_answer_of_3_mb(httpserver: HTTPServer) -> None:
    long = "word " * 600_000
    httpserver.expect_request(CHAT).respond_with_json(body({"content": long}))
    assert ask(httpserver).text == long


# --- statuses -----------------------------------------------------------------------------------


def answering(*statuses: tuple[int, Any, dict[str, str]]) -> Callable[[Request], Response]:
    """One status after the other, the last one for ever."""
    left = list(statuses)

    def handle(_: Request) -> Response:
        status, content, headers = left.pop(0) if len(left) > 1 else left[0]
        return Response(json.dumps(content), status, headers | {"content-type": "application/json"})

    return handle


def said(message: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": f"{message} (you sent {KEY})"} | more}


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, "invalid_api_key", "OPENAI_API_KEY"),
        (402, "no_credit", "credit"),
        (403, "forbidden", "may not use"),
        (404, "model_not_found", "teacher.model and teacher.base_url"),
        (429, "insufficient_quota", "quota is used up"),
    ],
)
def test_what_asking_again_cannot_mend_is_raised(httpserver: HTTPServer, status: int, code: str, hint: str) -> None:
    httpserver.expect_request(CHAT).respond_with_handler(answering((status, said("No", code=code, type=code), SOON)))
    with pytest.raises(TeacherRefused) as caught:
        ask(httpserver, max_retries=2)
    line = str(caught.value)
    assert hint in line
    assert str(status) in line
    assert "'m'" in line
    assert "\n" not in line
    assert KEY not in line
    assert len(httpserver.log) == 1, "not even a quota that is used up is asked about again"


def test_a_rate_limit_that_passes(httpserver: HTTPServer) -> None:
    limited = (429, said("Slow down", code="rate_limit_exceeded"), {"Retry-After": "1"})
    httpserver.expect_request(CHAT).respond_with_handler(answering(limited, (200, body(), {})))
    started = time.monotonic()
    assert ask(httpserver).text == "Hello."
    assert time.monotonic() - started >= 0.9, "the server's Retry-After is kept"


@pytest.mark.parametrize(
    ("status", "reason", "requests"),
    [
        (400, "bad_request", 1),
        (413, "bad_request", 1),
        (422, "bad_request", 1),
        (408, "server_error", 3),
        (500, "server_error", 3),
        (503, "server_error", 3),
    ],
)
def test_a_status_that_may_pass_is_retried_by_the_sdk_then_a_failed_answer(
    httpserver: HTTPServer, status: int, reason: str, requests: int
) -> None:
    httpserver.expect_request(CHAT).respond_with_handler(answering((status, said("Oh"), SOON)))
    completion = ask(httpserver, max_retries=2)
    assert (completion.error or "").startswith(f"{reason}: ")
    assert completion.failed
    assert KEY not in (completion.error or "")
    assert len(httpserver.log) == requests


# --- connections --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def raw_server(answer: Callable[[asyncio.StreamWriter], Any]) -> AsyncIterator[str]:
    """A server that reads a request and then does what it likes with the socket."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def ask_raw(answer: Callable[[asyncio.StreamWriter], Any], **settings: Any) -> Completion:
    async def once() -> Completion:
        async with asyncio.timeout(60), raw_server(answer) as url:
            config = OpenAIOptions(model="m", base_url=url, **{"timeout_s": 5.0, "max_retries": 0} | settings)
            async with OpenAITeacher(config, api_key=KEY) as teacher:
                return await teacher.complete(PROMPT)

    return asyncio.run(once())


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n"


def test_no_answer_in_time(httpserver: HTTPServer) -> None:
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    completion = ask_raw(silent, timeout_s=0.2)
    assert (completion.error, completion.failed) == ("timeout: no answer within 0.2 s", True)


def test_an_answer_that_drips_for_ever_ends() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    completion = ask_raw(drip, timeout_s=0.2)
    assert (completion.error, completion.failed) == ("timeout: no answer within 0.2 s", True)


def test_a_connection_that_breaks_inside_the_body() -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b'{"choices": [')
        await writer.drain()

    completion = ask_raw(cut)
    assert (completion.error or "").startswith("connection"), completion
    assert completion.failed


def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    hint = "start the server, or check teacher.base_url; with a higher teacher.max_retries, a start waits for longer"
    with pytest.raises(TeacherDown, match=rf"^http://127.0.0.1:9/v1/: Cannot connect to host.*; {hint}$") as down:
        ask_at("http://127.0.0.1:9/v1", max_retries=1)
    (said,) = (line for line in caplog.messages if "127.0.0.1" in line)  # before the second try, and once
    assert said.startswith("selfinstruct: no answer from http://127.0.0.1:9/v1 yet: ")
    assert "ssl" not in said + str(down.value), "aiohttp says 'ssl:default' of plain HTTP, too"


def test_a_host_that_is_silent_is_not_asked_again() -> None:
    with socket.socket() as full:
        # A queue of connections that is full: the kernel doesn't answer the next one.
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        try:
            with pytest.raises(TeacherDown, match=r"timeout.*with a higher teacher\.connect_timeout_s"):
                ask_at(f"http://127.0.0.1:{address[1]}/v1", max_retries=50, timeout_s=60.0, connect_timeout_s=0.3)
        finally:
            for each in waiting:
                each.close()


def test_a_server_that_stops_after_an_answer_may_come_back() -> None:
    server = HTTPServer()
    server.expect_request(CHAT).respond_with_json(body())

    async def ask_twice() -> tuple[Completion, Completion]:
        config = OpenAIOptions(model="m", base_url=server.url_for("/v1"), max_retries=1, timeout_s=5.0)
        async with OpenAITeacher(config, api_key=KEY) as teacher:
            first = await teacher.complete(PROMPT)
            server.stop()  # type: ignore[no-untyped-call]
            return first, await teacher.complete(PROMPT)

    server.start()  # type: ignore[no-untyped-call]
    first, second = asyncio.run(ask_twice())
    assert first.text == "Hello."
    assert (second.failed, (second.error or "").partition(":")[0]) == (True, "connection")


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("", "; try teacher.base_url: {url}/v1, or check teacher.model"),
        ("/api", "; try teacher.base_url: {url}/v1, or check teacher.model"),
        ("/v1", "; check teacher.model and teacher.base_url"),
        ("/v1beta/openai", "; check teacher.model and teacher.base_url"),
    ],
)
def test_a_404_of_an_address_without_v1_suggests_it(httpserver: HTTPServer, path: str, hint: str) -> None:
    httpserver.expect_request(f"{path}/chat/completions").respond_with_data("404 page not found", status=404)
    url = httpserver.url_for(path).rstrip("/")
    with pytest.raises(TeacherRefused) as refused:
        ask_at(url)
    assert str(refused.value).startswith(f"{url}/: 404 for model 'm': ")
    assert str(refused.value).endswith(hint.format(url=url))


def test_a_key_that_comes_back_where_no_http_is_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def repeat(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nbad header Bearer {KEY}: x\r\n\r\n".encode())
        await writer.drain()

    completion = ask_raw(repeat)
    assert "[key]" in (completion.error or "")
    assert "[key]" in caplog.text
    assert KEY[:20] not in caplog.text


def test_what_is_no_http_is_asked_once() -> None:
    came = []

    async def speak(writer: asyncio.StreamWriter) -> None:
        came.append(1)
        writer.write(b"SSH-2.0-x\r\n")
        await writer.drain()

    assert ask_raw(speak, max_retries=2).failed
    assert len(came) == 1


@pytest.mark.parametrize("said", [None, "true", "false"])
def test_a_used_up_quota_is_asked_once_whatever_the_server_says(httpserver: HTTPServer, said: str | None) -> None:
    headers = {} if said is None else {"x-should-retry": said}
    text = json.dumps({"error": {"code": "insufficient_quota", "message": "No."}})
    httpserver.expect_request(CHAT).respond_with_data(text, 429, headers, content_type="application/json")
    with pytest.raises(TeacherRefused):
        ask(httpserver)
    assert len(httpserver.log) == 1


def test_of_a_server_that_answers_nothing_is_said_of_a_failure(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    httpserver.expect_ordered_request(CHAT).respond_with_data("busy", status=503, headers=SOON)
    httpserver.expect_ordered_request(CHAT).respond_with_json(body())
    assert ask(httpserver).text == "Hello."
    assert not [line for line in caplog.messages if line.startswith("selfinstruct")]


# --- what is sent -------------------------------------------------------------------------------


def sent(server: HTTPServer) -> dict[str, Any]:
    request: Request = server.log[0][0]
    found: dict[str, Any] = json.loads(request.get_data())
    return found


def test_parameters_that_are_null_are_left_out(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_json(body())
    ask(httpserver, Prompt("propose", PROMPT.messages, Sampling()))
    messages = [{"role": "system", "content": "Rules."}, {"role": "user", "content": "Go on."}]
    assert sent(httpserver) == {"model": "m", "messages": messages}
    assert httpserver.log[0][0].headers["authorization"] == f"Bearer {KEY}"


def test_every_parameter_and_the_schema(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_json(body())
    schema = {"title": "tasks", "type": "object"}
    sampling = Sampling(0.7, 0.5, 2.0, 0.0, 99, ("\n\n",))
    prompt = Prompt("propose", PROMPT.messages, sampling, schema=schema, top_logprobs=5)
    ask(httpserver, prompt, max_tokens_param="max_completion_tokens")
    request = sent(httpserver)
    del request["messages"]
    assert request == {
        "model": "m",
        "temperature": 0.7,
        "top_p": 0.5,
        "presence_penalty": 2.0,
        "frequency_penalty": 0.0,
        "max_completion_tokens": 99,
        "stop": ["\n\n"],
        "logprobs": True,
        "top_logprobs": 5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "tasks", "strict": True, "schema": schema}},
    }


def test_the_completions_endpoint_gets_the_parts_joined(httpserver: HTTPServer) -> None:
    choice = {"text": " Yes", "finish_reason": "stop", "logprobs": {"top_logprobs": [{" Yes": -0.1, " No": -2.5}]}}
    httpserver.expect_request("/v1/completions").respond_with_json(body(choices=[choice]))
    completion = ask(httpserver, PLAIN)
    assert (completion.text, completion.logprobs) == (" Yes", {" Yes": -0.1, " No": -2.5})
    assert sent(httpserver) == {"model": "m", "prompt": "Rules.Go on.", "max_tokens": 3, "logprobs": 10}


def test_log_probabilities_in_the_chat_shape(httpserver: HTTPServer) -> None:
    top = [{"token": "Yes", "logprob": -0.2, "bytes": [1]}, {"token": "No", "logprob": -1}, {"token": None}, "odd"]
    logprobs = {"content": [{"token": "Yes", "logprob": -0.2, "top_logprobs": top}]}
    choice = {"text": "Yes", "logprobs": logprobs, "message": {"content": "Yes"}}
    httpserver.expect_request("/v1/completions").respond_with_json(body(choices=[choice]))
    assert ask(httpserver, PLAIN).logprobs == {"Yes": -0.2, "No": -1.0}


@pytest.mark.parametrize("logprobs", [None, [], {}, {"content": []}, {"top_logprobs": [None]}, {"top_logprobs": 3}])
def test_log_probabilities_that_are_not_there(httpserver: HTTPServer, logprobs: Any) -> None:
    choice = {"text": "Yes", "logprobs": logprobs}
    httpserver.expect_request("/v1/completions").respond_with_json(body(choices=[choice]))
    completion = ask(httpserver, PLAIN)
    assert (completion.text, completion.logprobs) == ("Yes", None)


# --- the key ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pad", [0, 250, 270, 299, 1960, 1980, 1999])
def test_no_part_of_the_key_is_in_an_error(httpserver: HTTPServer, pad: int) -> None:
    page = "<" + "x" * pad + KEY + "y" * 3000
    httpserver.expect_request(CHAT).respond_with_data(page, content_type="text/html")
    error = ask(httpserver).error or ""
    assert "sk-proj" not in error
    assert len(error) <= 300


def test_a_key_variable_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    for url in (None, "https://api.example.com/v1"):
        with pytest.raises(ConfigError, match=r"\$SOME_KEY is not set"):
            OpenAITeacher(OpenAIOptions(base_url=url, api_key_env="SOME_KEY"))
    for url in ("http://127.0.0.1:8000/v1", "http://localhost:11434/v1", "http://[::1]:80/v1"):
        OpenAITeacher(OpenAIOptions(base_url=url, api_key_env="SOME_KEY"))
    OpenAITeacher(OpenAIOptions(base_url="https://api.example.com/v1", api_key_env=None))


@pytest.mark.parametrize("key", ["sk-abc…xyz", "sk-abc\nxyz", "“sk-abc”"])
def test_a_key_that_no_header_can_carry(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(ConfigError, match=r"\$SOME_KEY holds characters") as caught:
        OpenAITeacher(OpenAIOptions(api_key_env="SOME_KEY"))
    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://user:secret@127.0.0.1/v1", "http://127.0.0.1/v1?key=secret"])
def test_a_secret_in_the_address_of_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(ConfigError, match=r"^\$OPENAI_BASE_URL: must not contain") as caught:
        OpenAITeacher(OpenAIOptions(), api_key=KEY)
    assert "secret" not in str(caught.value)


def test_the_key_is_read_from_the_variable(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
    httpserver.expect_request(CHAT).respond_with_json(body())

    async def once() -> None:
        config = OpenAIOptions(base_url=httpserver.url_for("/v1"), api_key_env="SOME_KEY")
        async with OpenAITeacher(config) as teacher:
            await teacher.complete(PROMPT)

    asyncio.run(once())
    assert httpserver.log[0][0].headers["authorization"] == f"Bearer {KEY}"


# --- limits -------------------------------------------------------------------------------------


def test_a_question_that_is_only_refused_for_its_pace_is_asked_until_it_is_answered(httpserver: HTTPServer) -> None:
    limited = (429, said("Slow down", code="rate_limit_exceeded"), SOON)
    httpserver.expect_request(CHAT).respond_with_handler(answering(*[limited] * 5, (200, body(), {})))
    assert ask(httpserver, max_retries=1).text == "Hello."
    assert len(httpserver.log) == 6


@pytest.mark.slow
def test_refusals_without_end_bring_the_teacher_down(httpserver: HTTPServer) -> None:
    limited = (429, said("Slow down", code="rate_limit_exceeded"), SOON)
    httpserver.expect_request(CHAT).respond_with_handler(answering(limited))
    with pytest.raises(TeacherDown, match=r"nothing but rate-limit answers .*teacher\.patience_s"):
        ask(httpserver, patience_s=0.5)


class Counter:
    """A meter that writes down what happens, and stops the request number `stop`."""

    def __init__(self, stop: int = 10**9) -> None:
        self.log: list[str] = []
        self._stop = stop

    async def begin(self) -> None:
        if self.log.count("leave") == self._stop:
            raise BudgetSpent("enough")
        self.log.append("begin")

    def leave(self) -> None:
        self.log.append("leave")

    def receive(self, tokens: int, limit: asyncio.Timeout | None) -> None:
        self.log.append("receive")

    def end(self, *, billed: bool) -> None:
        self.log.append("billed" if billed else "free")


def metered(url: str, counter: Counter, **settings: Any) -> Completion:
    async def once() -> Completion:
        config = OpenAIOptions(model="m", base_url=url, **{"timeout_s": 0.5, "max_retries": 1} | settings)
        METER.set(counter)
        async with asyncio.timeout(60), OpenAITeacher(config, api_key=KEY) as teacher:
            return await teacher.complete(PROMPT)

    return asyncio.run(once())


def test_every_retry_is_a_request_and_is_reserved_before_it_leaves(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_handler(answering((503, said("Oh"), SOON)))
    with pytest.raises(BudgetSpent):
        metered(httpserver.url_for("/v1"), Counter(stop=3), max_retries=9)
    assert len(httpserver.log) == 3


@pytest.mark.parametrize(
    ("status", "log"),
    [
        (200, "begin leave"),
        (400, "begin leave free"),
        (404, "begin leave free"),
        (422, "begin leave free"),
        (408, "begin leave billed begin leave billed"),
        (429, "begin leave free begin leave"),
        (500, "begin leave billed begin leave billed"),
        (503, "begin leave billed begin leave billed"),
        (529, "begin leave billed begin leave billed"),
    ],
)
def test_a_request_without_an_answer_may_be_billed(httpserver: HTTPServer, status: int, log: str) -> None:
    first = (status, body() if status == 200 else said("No"), SOON)
    after = (200, body(), {}) if status == 429 else first
    httpserver.expect_request(CHAT).respond_with_handler(answering(first, after))
    counter = Counter()
    with contextlib.suppress(TeacherRefused):
        metered(httpserver.url_for("/v1"), counter)
    assert " ".join(counter.log) == log


def test_each_step_of_a_redirect_is_a_request(httpserver: HTTPServer) -> None:
    for step in range(3):
        moved = Response(status=307, headers={"Location": f"/v1/moved/{step}"})
        httpserver.expect_request(f"/v1/moved/{step - 1}" if step else CHAT).respond_with_response(moved)
    httpserver.expect_request("/v1/moved/2").respond_with_json(body())
    counter = Counter()
    assert metered(httpserver.url_for("/v1"), counter).text == "Hello."
    assert " ".join(counter.log) == "begin leave free " * 3 + "begin leave"
    with pytest.raises(BudgetSpent):
        metered(httpserver.url_for("/v1"), Counter(stop=2))
    assert len(httpserver.log) == 4 + 2


def test_a_request_that_no_server_got_is_free(httpserver: HTTPServer) -> None:
    httpserver.expect_request(CHAT).respond_with_handler(lambda _: time.sleep(1.2) or Response())  # type: ignore[func-returns-value]
    counter = Counter()
    assert metered(httpserver.url_for("/v1"), counter, max_retries=0).failed
    assert " ".join(counter.log) == "begin leave billed", "a timeout after it was sent"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
    counter = Counter()
    with pytest.raises(TeacherDown):
        metered(url, counter, max_retries=0)
    assert " ".join(counter.log) == "begin leave free"


def test_requests_are_those_of_the_sdk(httpserver: HTTPServer) -> None:
    """Address, headers and body are the ones that the SDK sends over its own aiohttp transport, a retry's included."""
    import openai

    seen: list[tuple[Any, ...]] = []

    def note(request: Request) -> Response:
        headers = sorted((name.lower(), value) for name, value in request.headers.items())
        seen.append((request.method, request.url, headers, request.get_json()))
        status = 503 if len(seen) % 4 == 3 else 200  # the third is tried again
        return Response(json.dumps(body()), status, SOON | {"content-type": "application/json"})

    httpserver.expect_request(CHAT).respond_with_handler(note)
    httpserver.expect_request("/v1/completions").respond_with_handler(note)
    url = httpserver.url_for("/v1")
    prompts = [
        Prompt("propose", (Message("user", text),), Sampling()) for text in ("one", "deux – 二", "three", "four")
    ]

    async def by_the_teacher() -> None:
        config = OpenAIOptions(model="m", base_url=url, timeout_s=7.0, max_retries=2)
        async with OpenAITeacher(config, api_key=KEY) as teacher:
            for prompt in prompts:
                for endpoint in ("chat", "completions"):
                    await teacher.complete(replace(prompt, endpoint=endpoint))

    async def by_the_sdk() -> None:
        transport = openai.DefaultAioHttpClient()
        async with openai.AsyncOpenAI(api_key=KEY, base_url=url, timeout=7.0, http_client=transport) as client:
            for prompt in prompts:
                messages = [{"role": "user", "content": prompt.text}]
                await client.post("/chat/completions", body={"model": "m", "messages": messages}, cast_to=object)
                await client.post("/completions", body={"model": "m", "prompt": prompt.text}, cast_to=object)

    asyncio.run(by_the_teacher())
    own = list(seen)
    seen.clear()
    asyncio.run(by_the_sdk())
    assert own == seen
    assert [dict(headers)["x-stainless-retry-count"] for _, _, headers, _ in own].count("1") > 0


# --- proxies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({}, "https://api.example.com/v1", None),
        ({"HTTPS_PROXY": "proxy:3128"}, "https://api.example.com/v1", "http://proxy:3128"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://api.example.com/v1", None),
        ({"ALL_PROXY": "http://u:p@proxy", "http_proxy": "http://other"}, "https://x.org/v1", "http://u:p@proxy"),
        ({"ALL_PROXY": "http://proxy", "http_proxy": "http://other"}, "http://x.org/v1", "http://other"),
    ],
)
def test_the_proxy_that_the_environment_sets(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    clear_proxies(monkeypatch)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert find_proxy(url) == proxy


@pytest.mark.parametrize(
    ("exempt", "url", "is_exempt"),
    [
        ("*", "http://x.org", True),
        ("a.org, Example.com", "http://example.com", True),
        ("example.com", "http://api.example.com:81", True),
        ("example.com", "http://notexample.com", False),
        (".example.com", "http://api.example.com", True),
        (".example.com", "http://example.com", False),
        ("*.example.com", "http://api.example.com", True),
        ("example.com:81", "http://example.com:81", True),
        ("example.com:81", "http://example.com", False),
        ("https://example.com", "http://example.com", False),
        ("10.0.0.0/8", "http://10.1.2.3:8000", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("[fd00::5]", "http://[fd00::5]:81", True),
        ("", "http://x.org", False),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, exempt: str, url: str, is_exempt: bool) -> None:
    clear_proxies(monkeypatch)
    monkeypatch.setenv("ALL_PROXY", "http://proxy")
    monkeypatch.setenv("NO_PROXY", exempt)
    assert (find_proxy(url) is None) is is_exempt


def clear_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def test_a_proxy_that_fails_is_a_connection_that_fails(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)
    monkeypatch.setenv("HTTPS_PROXY", httpserver.url_for("").replace("http://", f"http://user:{KEY}@"))
    completion = ask_at("https://teacher.invalid/v1", max_retries=0)
    assert (completion.error or "").startswith("connection: the proxy answered 500"), completion
