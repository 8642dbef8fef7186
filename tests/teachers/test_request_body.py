"""What a request contains, and what is left out once the server has refused it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling
from selfinstruct.teachers.batch.batch_job import NoAnswer, read_results
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.request_body import RequestBody
from selfinstruct.teachers.openai.server_error import read_error
from selfinstruct.teachers.openai.teacher import OpenAITeacher

EVERYTHING = Prompt(
    "propose",
    (Message("user", "Go on."),),
    Sampling(0.7, 0.5, 1.0, 0.1, 99, ("#",)),
    schema={"title": "tasks"},
    top_logprobs=5,
    sample=3,
)
OPTIONAL = {
    "temperature", "top_p", "presence_penalty", "frequency_penalty", "stop", "seed", "logprobs", "top_logprobs",
    "response_format",
}  # fmt: skip
ANSWER = {"choices": [{"message": {"content": "Hello."}, "finish_reason": "stop"}], "usage": {"completion_tokens": 3}}


def refusals() -> dict[str, tuple[Any, set[str]]]:
    """Messages in the style of several servers, and what they refuse."""

    def openai(param: str, message: str) -> dict[str, Any]:
        return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": "unsupported"}}

    return {
        "OpenAI, a parameter": (openai("top_p", "Unsupported parameter: 'top_p' is not supported here."), {"top_p"}),
        "OpenAI, a value": (
            openai("temperature", "'temperature' does not support 0.7 here. Only the default (1) value is supported."),
            {"temperature"},
        ),
        "OpenAI, schema": (
            openai("response_format", "'response_format' of type 'json_schema' is not supported with this model."),
            {"response_format"},
        ),
        "Anthropic": (
            {"error": {"message": "`temperature` and `top_p` cannot both be specified for this model."}},
            {"top_p"},
        ),
        "Gemini": (
            [{"error": {"code": 400, "message": 'Unknown name "presence_penalty": Cannot find field.'}}],
            {"presence_penalty"},
        ),
        "Gemini, words": ([{"error": {"message": "Logprobs is not enabled for m"}}], {"logprobs", "top_logprobs"}),
        "xAI": ({"code": "x", "error": "Model m does not support parameter presencePenalty."}, {"presence_penalty"}),
        "DeepSeek": ({"error": {"message": "This response_format type is unavailable now"}}, {"response_format"}),
        "Mistral": (
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "frequency_penalty"], "msg": "Extra inputs"}]},
            {"frequency_penalty"},
        ),
        "Mistral, its own name": (
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
            {"seed"},
        ),
        "an old server": ({"error": {"message": "Unrecognized request argument supplied: seed"}}, {"seed"}),
        "Groq": ({"error": {"message": "property 'logprobs' is unsupported"}}, {"logprobs", "top_logprobs"}),
        "TGI": ({"error": "`temperature` must be strictly positive", "error_type": "validation"}, {"temperature"}),
        "two": (
            {"error": {"message": "Unsupported parameters: presence_penalty, stop"}},
            {"presence_penalty", "stop"},
        ),
    }


@pytest.mark.parametrize("name", refusals())
@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_parameter_is_left_out(name: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    body, refused = refusals()[name]
    request = RequestBody(OpenAIOptions(model="m"))
    sent, error = request.of(EVERYTHING), read_error(status, body)
    assert error is not None
    with caplog.at_level(logging.WARNING):
        assert request.learn(sent, error)
    assert sent.keys() - request.of(EVERYTHING).keys() == refused
    assert len(caplog.messages) == 1
    assert request.learn(sent, error), "another request that left before the server said so"
    assert not request.learn(request.of(EVERYTHING), error), "the same again would not end"


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "temperature must be between 0 and 1"),
        (400, "max_tokens is too large: 99. This model supports at most 50 tokens."),
        (400, "This model's maximum context length is 4096 tokens."),
        (400, "messages: unknown role"),
        (400, "Please stop: the extra request is invalid"),
        (500, "Unsupported parameter: 'top_p'"),
        (404, "top_p not supported"),
    ],
)
def test_other_errors_change_nothing(status: int, message: str) -> None:
    request = RequestBody(OpenAIOptions(model="m"))
    sent, error = request.of(EVERYTHING), read_error(status, {"error": {"message": message}})
    assert error is not None
    assert not request.learn(sent, error) or message.startswith("Please stop")
    assert request.of(EVERYTHING) == sent or message.startswith("Please stop")


def test_the_other_name_of_the_limit_and_every_refused_parameter_are_learned_from_one_question(
    httpserver: HTTPServer,
) -> None:
    """Like OpenAI's reasoning models: one parameter after the other is refused."""
    bodies: list[dict[str, Any]] = []
    wrong = {
        "max_tokens": "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
        "temperature": "Unsupported value: 'temperature' does not support 0.7. Only the default (1) is supported.",
        "top_p": "Unsupported parameter: 'top_p' is not supported with this model.",
        "stop": "Unsupported parameter: 'stop' is not supported with this model.",
    }

    def handle(request: Request) -> Response:
        bodies.append(json.loads(request.get_data()))
        for name, message in wrong.items():
            if name in bodies[-1]:
                return Response(json.dumps({"error": {"message": message, "param": name}}), 400)
        return Response(json.dumps(ANSWER), 200, {"content-type": "application/json"})

    httpserver.expect_request("/v1/chat/completions").respond_with_handler(handle)

    async def course() -> list[Completion]:
        config = OpenAIOptions(model="m", base_url=httpserver.url_for("/v1"), max_retries=0)
        async with asyncio.timeout(30), OpenAITeacher(config, api_key="none") as teacher:
            first = await teacher.complete(EVERYTHING)
            count = len(bodies)
            others = await asyncio.gather(*(teacher.complete(EVERYTHING) for _ in range(5)))
            assert len(bodies) == count + 5, "nothing is refused twice"
            return [first, *others]

    assert [each.text for each in asyncio.run(course())] == ["Hello."] * 6
    assert bodies[-1].keys() >= {"presence_penalty", "max_completion_tokens"}
    assert bodies[-1]["max_completion_tokens"] == 99
    assert len(bodies) == 5 + 5


def test_what_was_refused_is_remembered_until_the_teacher_changes() -> None:
    config = OpenAIOptions(model="m", base_url="https://a.example/v1")
    kept: list[str] = []

    def known(config: OpenAIOptions, learned: str | None) -> RequestBody:
        request = RequestBody(config)
        request.remember(learned, kept.append)
        return request

    request = known(config, None)
    for text in ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", "'top_p' is not supported"):
        error = read_error(400, {"error": {"message": text}})
        assert error is not None
        assert request.learn(request.of(EVERYTHING), error)
    assert known(config, kept[-1]).of(EVERYTHING) == request.of(EVERYTHING)
    assert "top_p" not in request.of(EVERYTHING)
    assert "max_tokens" not in request.of(EVERYTHING)
    for change in ({"model": "n"}, {"base_url": "https://b.example/v1"}, {"reasoning_effort": "none"}):
        changed = config.model_copy(update=change)
        assert known(changed, kept[-1]).of(EVERYTHING) == RequestBody(changed).of(EVERYTHING)

    # The server was replaced by one that knows only the old name.
    request = known(config, kept[-1])
    error = read_error(400, {"error": {"message": "Unknown field 'max_completion_tokens'"}})
    assert error is not None
    assert request.learn(request.of(EVERYTHING), error)
    assert "max_tokens" in known(config, kept[-1]).of(EVERYTHING)


@pytest.mark.parametrize("first", ["max_tokens", "max_completion_tokens"])
def test_a_server_that_refuses_both_names_of_the_limit_is_asked_twice(first: Any) -> None:
    request = RequestBody(OpenAIOptions(model="m", max_tokens_param=first))
    error = read_error(400, {"error": {"message": "max_tokens and max_completion_tokens are not supported"}})
    assert error is not None
    assert [request.learn(request.of(EVERYTHING), error) for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_each_further_sample_has_a_seed_unless_the_configuration_sets_one(endpoint: Any) -> None:
    samples = [Prompt("answer", EVERYTHING.messages, Sampling(), endpoint, sample=k) for k in range(3)]
    bodies = [RequestBody(OpenAIOptions(model="m")).of(prompt) for prompt in samples]
    assert [body.pop("seed", None) for body in bodies] == [None, 1, 2]
    assert bodies[0] == bodies[1] == bodies[2], "nothing else tells the samples apart"
    for own, seeds in ((7, [7, 7, 7]), (None, [None, None, None])):
        request = RequestBody(OpenAIOptions(model="m", extra_body={"seed": own}))
        assert [request.of(prompt).get("seed") for prompt in samples] == seeds


@pytest.mark.parametrize(
    "said", ["Unsupported parameter: 'top_p'", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."]
)
def test_every_row_of_a_batch_job_that_refuses_a_parameter_is_asked_again(said: str) -> None:
    """All of them were written before the first one was refused."""
    teacher = OpenAITeacher(OpenAIOptions(model="m", base_url="http://127.0.0.1:1/v1"), api_key="none")
    response = {"status_code": 400, "body": {"error": {"message": said}}}
    rows = [json.dumps({"custom_id": f"p:{n}", "response": response}).encode() for n in range(3)]
    prompts = {f"p:{n}": EVERYTHING for n in range(3)}
    assert all(isinstance(each, NoAnswer) for each in read_results(rows, prompts, teacher.learn)[0].values())
    assert not {"top_p", "max_tokens"} <= teacher.body(EVERYTHING).keys()


def test_options_for_each_purpose_are_merged_over_the_teachers() -> None:
    config = OpenAIOptions(
        model="m",
        extra_body={"thinking": {"type": "disabled"}, "top_k": 5},
        reasoning_effort="low",
        chat_template_kwargs={"enable_thinking": False},
        purposes={"judge": {"reasoning_effort": "high", "extra_body": {"top_k": 9}}},  # type: ignore[dict-item]
    )
    request = RequestBody(config)
    plain = Prompt("propose", EVERYTHING.messages, Sampling())
    common = {"thinking": {"type": "disabled"}, "chat_template_kwargs": {"enable_thinking": False}}
    assert request.of(plain).items() >= ({"top_k": 5, "reasoning_effort": "low"} | common).items()
    judge = Prompt("judge", EVERYTHING.messages, Sampling())
    assert request.of(judge).items() >= ({"top_k": 9, "reasoning_effort": "high"} | common).items()
    completions = Prompt("propose", EVERYTHING.messages, Sampling(), "completions")
    assert request.of(completions).keys() == {"model", "prompt", "thinking", "top_k"}


def test_headers_for_each_purpose_come_from_the_environment(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/v1/chat/completions").respond_with_json(ANSWER)
    monkeypatch.setenv("GATEWAY", "secret-of-the-gateway-1")
    headers = {"x-gateway": {"env": "GATEWAY"}, "X-Title": "tasks"}
    values: dict[str, Any] = {"extra_headers": headers, "purposes": {"judge": {"extra_headers": {"X-Title": "marks"}}}}
    config = OpenAIOptions(model="m", base_url=httpserver.url_for("/v1"), **values)

    async def course() -> None:
        async with OpenAITeacher(config, api_key="none") as teacher:
            for purpose in ("propose", "judge"):
                await teacher.complete(Prompt(purpose, EVERYTHING.messages, Sampling()))

    asyncio.run(course())
    sent = [request.headers for request, _ in httpserver.log]
    assert [each["x-title"] for each in sent] == ["tasks", "marks"]
    assert {each["x-gateway"] for each in sent} == {"secret-of-the-gateway-1"}
    assert {each["authorization"] for each in sent} == {"Bearer none"}
    monkeypatch.delenv("GATEWAY")
    with pytest.raises(ConfigError, match=r"^teacher\.extra_headers\.x-gateway: \$GATEWAY is not set"):
        OpenAITeacher(config, api_key="none")


@pytest.mark.parametrize(
    "values",
    [
        {"extra_body": {"stream": True}},
        {"extra_body": {"n": 5}},
        {"extra_body": {"max_tokens": 10**6}},
        {"extra_headers": {"x-key": "Zq7RECOGNISABLE0123456789"}},
        {"extra_headers": {"bad name": "x"}},
        {"extra_headers": {"Authorization": "Bearer RECOGNISABLE"}},
        {"extra_body": {"auth": {"api_key": "RECOGNISABLE"}}},
        {"extra_headers": {"x-key": {"env": "no name"}}},
        {"purposes": {"judge": {"model": "m"}}},
    ],
)
def test_options_that_would_break_a_promise_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        OpenAIOptions(model="m", **values)
    assert "RECOGNISABLE" not in str(caught.value)
