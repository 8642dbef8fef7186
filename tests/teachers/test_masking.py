"""No part of a secret gets past the transport: whole or cut off at any position, in any field of any response."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from selfinstruct.core.errors import TeacherError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling
from selfinstruct.teachers.batch.batch_job import read_results
from selfinstruct.teachers.openai.answer_body import read_answer
from selfinstruct.teachers.openai.batches import NoRoom, Unreachable
from selfinstruct.teachers.openai.masking import MASK, SecretMask
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.teacher import OpenAITeacher

KEY = "sk-live-Zq7RECOGNISABLE0123456789abcdefghij"
HEADER = "gateway-9f8e7d6c5b4a39281706"
PARTS = [KEY[:n] for n in range(8, len(KEY) + 1)] + [KEY[n:] for n in range(1, len(KEY) - 7)]
WINDOWS = [secret[at : at + 8] for secret in (KEY, HEADER) for at in range(len(secret) - 7)]
MESSAGES = (Message("user", "Go on."),)
CHAT = Prompt("propose", MESSAGES, Sampling(max_tokens=50), top_logprobs=5)
COMPLETIONS = Prompt("propose", MESSAGES, Sampling(max_tokens=50), "completions", top_logprobs=5)


def leaks(said: object) -> list[str]:
    return [window for window in WINDOWS if window in str(said)]


@pytest.mark.parametrize("wrap", ["{}", "x{}", "{}y", 'Bearer "{}".', "é{}\n", "{}{}"])
def test_each_part_of_at_least_eight_characters_is_masked(wrap: str) -> None:
    mask = SecretMask([KEY, HEADER])
    for part in PARTS:
        text = wrap.format(part, part)
        assert not leaks(mask.text(text))
        for content in (text.encode(), json.dumps({part: [text, {"a": part}]}).encode(), text.encode("utf-16-le")):
            body = mask.body(content)
            assert not leaks(body)
            assert not leaks(body.replace(b"\0", b""))


def test_a_key_that_is_spelled_with_escapes_is_masked() -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
    body = SecretMask([KEY]).body(f'{{"a": "say {escaped}", "b": "s\\u0000{KEY[1:]}"}}'.encode())
    assert json.loads(body)["a"] == f"say {MASK}"
    assert not leaks(body.replace(b"\0", b""))
    slashed = "aB3/cD4+eF5/gH6=iJ7"
    assert (
        json.loads(SecretMask([slashed]).body(json.dumps(f"x {slashed}").replace("/", "\\/").encode())) == f"x {MASK}"
    )


ESCAPES: dict[str, Callable[[str], str]] = {
    "itself": lambda char: char,
    "unicode": lambda char: f"\\u{ord(char):04x}",
    "nested": lambda char: f"\\\\\\\\u{ord(char):04X}",
    "long": lambda char: f"\\U{ord(char):08x}",
    "braces": lambda char: f"\\u{{{ord(char):x}}}",
    "hex": lambda char: f"\\x{ord(char):02x}",
    "url": lambda char: f"%{ord(char):02X}",
    "url twice": lambda char: f"%25{ord(char):02x}",
    "html": lambda char: f"&#{ord(char)};",
    "html hex": lambda char: f"&#x{ord(char):x};",
    "html twice": lambda char: f"&amp;#{ord(char)};",
    "escaped backslash": lambda char: f"\\u005cu{ord(char):04x}",
    "markdown": lambda char: char if char.isalnum() else f"\\{char}",
}


def answer_with(message: dict[str, Any]) -> bytes:
    return json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()


def completion_of(mask: SecretMask, message: dict[str, Any]) -> Completion:
    return read_answer(json.loads(mask.body(answer_with(message))), CHAT)


@given(st.data())
def test_a_key_in_any_mix_of_spellings_is_masked(data: st.DataObject) -> None:
    one = st.sampled_from(sorted(ESCAPES))
    names = data.draw(one.map(lambda name: [name] * len(KEY)) | st.lists(one, min_size=len(KEY), max_size=len(KEY)))
    spelled = "".join(ESCAPES[name](char) for name, char in zip(names, KEY, strict=True))
    mask = SecretMask([KEY, HEADER])
    assert mask.text(f'x "{spelled}\\n" \\"y') == f'x "{MASK}\\n" \\"y'
    assert completion_of(mask, {"content": f'{{"tasks": ["{spelled}"]}}'}).text == f'{{"tasks": ["{MASK}"]}}'
    assert MASK in mask.body(f"<p>{spelled}\\\\</p>".encode()).decode()


@pytest.mark.parametrize("escape", ["\\u0041", "\\", "%41", "&#65;", "&amp;", "\\u005c", "&#x", "%25"])
def test_masking_takes_linear_time(escape: str) -> None:
    started = time.perf_counter()
    mask = SecretMask([KEY])
    mask.body(json.dumps({"content": escape * (400_000 // len(escape))}).encode())
    mask.text(escape * (400_000 // len(escape)) + KEY)
    assert time.perf_counter() - started < 6


@pytest.mark.parametrize("size", [1, 3, 6, 7, 10])
@pytest.mark.parametrize(
    "part",
    [
        lambda text: text,
        lambda text: {"type": "text", "text": text},
        lambda text: {"text": text},
        lambda text: {"type": "output_text", "text": {"value": text, "annotations": []}},
        lambda text: {"type": "thinking", "thinking": [{"type": "text", "text": text}]},
        lambda text: {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0},
        lambda text: {"type": "reasoning.summary", "summary": text},
    ],
)
def test_a_key_in_pieces_is_masked(size: int, part: Callable[[str], Any]) -> None:
    pieces = [part(each) for each in ["Say ", *(KEY[at : at + size] for at in range(0, len(KEY), size)), ", I said."]]
    mask = SecretMask([KEY])
    found = completion_of(mask, {"content": pieces})
    # The parts of reasoning are joined by line breaks.
    said = (found.text + found.reasoning).replace("\n", "")
    assert said == f"Say {MASK}, I said."
    for name in ("reasoning", "reasoning_content", "reasoning_details", "thinking"):
        beside = completion_of(mask, {"content": "Yes", name: pieces})
        assert (beside.text, beside.reasoning.replace("\n", "")) in (("Yes", f"Say {MASK}, I said."), ("Yes", ""))
    refusals = [{"type": "refusal", "refusal": KEY[at : at + size]} for at in range(0, len(KEY), size)]
    assert completion_of(mask, {"content": [part("No. "), *refusals]}).error == f"refusal: {MASK}"
    answer = answer_with({"content": [part("Hello, "), part("you.")]})
    assert mask.body(answer) is answer


@given(st.text() | st.text("skliveZq7RECO01-", max_size=60))
def test_a_text_without_a_secret_is_unchanged(text: str) -> None:
    if not leaks(text) and "\0" not in text:  # which `storable` removes from every text
        mask = SecretMask([KEY, HEADER])
        assert mask.text(text) == text
        content = json.dumps({"a": [text, 1.5, None]}).encode()
        assert mask.body(content) is content or json.loads(mask.body(content)) == json.loads(content)


@pytest.mark.parametrize("key", ["none", "EMPTY", "sk-no-key-required", "not-needed", "lm-studio"])
def test_a_key_of_words_masks_no_words(key: str) -> None:
    text = "An empty key is not required: none is needed in the lm studio, so-called key-requests."
    assert SecretMask([key]).text(text) == text


def chat(said: str) -> dict[str, Any]:
    logprobs = {"content": [{"token": said, "top_logprobs": [{"token": said, "logprob": -1.0}]}]}
    message = {"content": f"Say {said}", "tool_calls": [{"id": said}]}
    choice = {"message": message, "finish_reason": said, "logprobs": logprobs, "text": said}
    return {"model": said, "id": said, "choices": [choice], "usage": {"prompt_tokens": 3, said: 4}, said: said}


def reasoning(said: str) -> dict[str, Any]:
    message = {"content": f"<think>{said}</think>Say {said}", "reasoning_content": said, "reasoning": said}
    return {"choices": [{"message": message}]}


def completions(said: str) -> dict[str, Any]:
    choice = {"text": f"Say {said}", "finish_reason": f"stop {said}", "logprobs": {"top_logprobs": [{said: -1.0}]}}
    return {"model": f"m {said}", "choices": [choice]}


def refusal(said: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": None, "refusal": said}, "finish_reason": said}], "model": said}


def error(said: str) -> dict[str, Any]:
    nested = json.dumps({"error": {"message": said, "code": said}})
    return {"error": {"message": f"No {said}", "code": said, "type": said, "param": said, "metadata": {"raw": nested}}}


def in_choice(said: str) -> dict[str, Any]:
    return {"choices": [{"message": {"content": said}, "error": error(said)["error"], "finish_reason": said}]}


ANSWERS: dict[str, tuple[int, Callable[[str], Any], Prompt]] = {
    "chat": (200, chat, CHAT),
    "reasoning": (200, reasoning, CHAT),
    "completions": (200, completions, COMPLETIONS),
    "refusal": (200, refusal, CHAT),
    "error in 200": (200, error, CHAT),
    "error in the choice": (200, in_choice, CHAT),
    "no choices": (200, lambda said: {"choices": [], "model": said}, CHAT),
    "400": (400, error, CHAT),
    "401": (401, error, CHAT),
    "503": (503, error, CHAT),
    "html": (200, lambda said: f"<html>{'x' * 290}{said}", CHAT),
    "text": (500, lambda said: f"{said} is wrong", CHAT),
    "half a json": (200, lambda said: json.dumps(chat(said))[:-9], CHAT),
    "cut inside": (200, lambda said: '{"choices": [{"message": {"content": "' + said, CHAT),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_part_of_the_key_in_any_field_of_a_response(
    httpserver: HTTPServer, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY", HEADER)
    status, answer, prompt = ANSWERS[name]
    said = ""

    def handle(request: Request) -> Response:
        assert request.headers["x-gateway"] == HEADER
        value = answer(said)
        text = value if isinstance(value, str) else json.dumps(value)
        kind = "text/html" if name == "html" else "application/json"
        headers = {"content-type": kind, "x-request-id": said, "retry-after": said, "retry-after-ms": "1"}
        return Response(text, status, headers)

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(handle)
    httpserver.expect_request("/v1/completions").respond_with_handler(handle)

    async def course() -> None:
        nonlocal said
        headers: Any = {"x-gateway": {"env": "GATEWAY"}}
        where: Any = {"purposes": {"propose": {"extra_headers": headers}}}
        config = OpenAIOptions(model="m", base_url=httpserver.url_for("/v1"), max_retries=0, **where)
        async with OpenAITeacher(config, api_key=KEY) as teacher:
            for said in [*PARTS, HEADER, HEADER[:-1], HEADER[1:]]:
                try:
                    found: object = await teacher.complete(prompt)
                except TeacherError as caught:
                    found = caught
                assert not leaks(found), said
                if name in ("chat", "completions"):
                    assert isinstance(found, Completion)
                    assert found.text == f"Say {MASK}"
                    assert found.logprobs == {MASK: -1.0}

    asyncio.run(course())
    assert not leaks(caplog.text)


@pytest.mark.parametrize("size", [3, 5, 7, 20])
def test_a_key_in_pieces_that_are_tokens(size: int) -> None:
    pieces = ["Say", *(KEY[at : at + size] for at in range(0, len(KEY), size))]
    tops = [{"token": each, "logprob": -1.0} for each in dict.fromkeys(pieces)]
    for prompt, logprobs in (
        (CHAT, {"content": [{"token": "Say", "top_logprobs": tops}]}),
        (COMPLETIONS, {"tokens": ["Say"], "top_logprobs": [dict.fromkeys(pieces, -1.0)]}),
    ):
        choice = {"message": {"content": "No."}, "text": "No.", "finish_reason": "stop", "logprobs": logprobs}
        body = SecretMask([KEY]).body(json.dumps({"choices": [choice]}).encode())
        found = read_answer(json.loads(body), prompt)
        assert found.text == "No."
        assert not leaks("".join(found.logprobs or ())), "nor in pieces"


def test_tokens_without_a_secret_are_kept() -> None:
    body = json.dumps({"choices": [{"logprobs": {"top_logprobs": [{"Yes": -0.1, "sk-": -2.0}]}}]}).encode()
    assert SecretMask([KEY]).body(body) == body


def test_no_part_of_the_key_in_anything_about_a_batch_job(httpserver: HTTPServer) -> None:
    said = ""

    def file(_: Request) -> Response:
        rows = [
            {"custom_id": "p:0", "response": {"status_code": 200, "body": chat(said)}, "error": None},
            {"custom_id": "p:1", "response": {"status_code": 400, "body": error(said)}, "error": None},
            {"custom_id": "p:2", "response": None, "error": error(said)["error"]},
            {"custom_id": "p:3", "response": {"status_code": 200, "body": json.dumps(completions(said))}},
        ]
        return Response("\n".join(map(json.dumps, rows)), 200, {"content-type": "application/jsonl"})

    def job(_: Request) -> Response:
        errors = {"data": [{"code": said, "message": said}]}
        return Response(json.dumps({"id": f"batch_{said}", "status": said, "errors": errors, "output_file_id": said}))

    def failure(_: Request) -> Response:
        return Response(json.dumps(error(said)), 400, {"content-type": "application/json"})

    httpserver.expect_request("/v1/files/f/content").respond_with_handler(file)
    httpserver.expect_request("/v1/batches/b").respond_with_handler(job)
    httpserver.expect_request("/v1/batches").respond_with_handler(failure)

    async def course() -> None:
        nonlocal said
        config = OpenAIOptions(model="m", base_url=httpserver.url_for("/v1"), max_retries=0)
        async with OpenAITeacher(config, api_key=KEY) as teacher:
            for said in PARTS:  # noqa: B007  (the handlers read it)
                content = await teacher.batches().content("f")
                assert content is not None
                found, _ = read_results([content], dict.fromkeys(["p:0", "p:1", "p:2", "p:3"], CHAT))
                assert len(found) == 4
                assert not leaks(found)
                with contextlib.suppress(Unreachable):
                    assert not leaks(await teacher.batches().retrieve("b"))
                with pytest.raises((TeacherError, NoRoom, Unreachable)) as caught:
                    await teacher.batches().create("f", "/v1/chat/completions", {})
                assert not leaks(caught.value)

    asyncio.run(course())
