"""Each block of docs/guide/servers.md works with a server that has that server's quirks, from the first request on."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from aiohttp import web

from conftest import ROOT
from selfinstruct.config.run_config import RunConfig
from selfinstruct.generate.start import arun
from selfinstruct.journal.folder import Run
from selfinstruct.journal.journal import Journal
from selfinstruct.teachers.fake.teacher import fake_answer
from selfinstruct.teachers.openai.options import PUBLIC_API

KEY = "sk-test-Zq7RECOGNISABLE0123456789"
DRAFT = "### 4\nInstruction: Draft of a task that nobody wants to see.\nInput: <none>\nOutput: Not yet.\n"
PAGE = (ROOT / "docs" / "guide" / "servers.md").read_text(encoding="utf-8")
BLOCKS = {
    name: yaml.safe_load(block)["teacher"]
    for name, block in re.findall(r"^## (.+)\n\n((?:    .*\n)+)", PAGE, re.MULTILINE)
    if "teacher:" in block
}

Reply = tuple[int, Any]


def text(content: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}


def tagged(opening: str, closing: str) -> Callable[[str], dict[str, Any]]:
    return lambda content: text(f"{opening}\n{DRAFT}\n{closing}\n\n{content}")


def beside(*names: str) -> Callable[[str], dict[str, Any]]:
    return lambda content: {
        "message": {"content": content} | dict.fromkeys(names, DRAFT),
        "finish_reason": "stop",
    }


@dataclass
class Quirks:
    """How a server differs from OpenAI's classic API.

    path: where it listens. choice: the choice for a text. refuses: its error for each parameter that it refuses.
    first, second: what the first and the second request get instead of an answer. sends: what requests must contain.
    loses: the reason of the question that got `second`.
    """

    path: str = "/v1/chat/completions"
    choice: Callable[[str], dict[str, Any]] = text
    finish: str = "stop"
    refuses: dict[str, Reply] = field(default_factory=dict)
    first: Reply | None = None
    second: Reply | None = None
    sends: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    usage: dict[str, Any] = field(default_factory=dict)
    loses: str | None = None


def unsupported(name: str, hint: str = "") -> Reply:
    message = f"Unsupported parameter: '{name}' is not supported with this model.{hint}"
    return 400, {"error": {"message": message, "type": "invalid_request_error", "param": name}}


def choice(finish: str, **more: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": DRAFT}, "finish_reason": finish} | more], "usage": {}}


NEW_LIMIT = {"max_tokens": unsupported("max_tokens", " Use 'max_completion_tokens' instead.")}
SERVERS: dict[str, Quirks] = {
    "OpenAI": Quirks(
        refuses=NEW_LIMIT | {name: unsupported(name) for name in ("temperature", "top_p")},
        first=(429, {"error": {"message": "Please try again in 20ms.", "code": "rate_limit_exceeded"}}),
        sends={"reasoning_effort": "low"},
        usage={"completion_tokens_details": {"reasoning_tokens": 64}},
    ),
    "Azure OpenAI": Quirks(
        path="/openai/v1/chat/completions",
        refuses=NEW_LIMIT,
        second=(400, {"error": {"code": "content_filter", "message": "The response was filtered.", "status": 400}}),
        loses="content_filter",
    ),
    "Anthropic": Quirks(
        finish="end_turn",
        refuses={"top_p": (400, {"error": {"message": "`temperature` and `top_p` cannot both be specified."}})},
        first=(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    ),
    "Gemini": Quirks(
        path="/v1beta/openai/chat/completions",
        choice=tagged("<thought>", "</thought>"),
        finish="STOP",
        first=(429, [{"error": {"code": 429, "message": "Please retry in 0.05s.", "status": "RESOURCE_EXHAUSTED"}}]),
        second=(200, choice("content_filter: PROHIBITED_CONTENT")),
        sends={"reasoning_effort": "low"},
        loses="content_filter",
    ),
    "Mistral": Quirks(
        choice=lambda content: text("") | {
            "message": {"content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": DRAFT}]}, {"type": "text", "text": content},
            ]}
        },
        first=(429, {"object": "error", "message": "Rate limit exceeded", "type": "rate_limited", "code": "1300"}),
        refuses={"top_p": (422, {"detail": [{"type": "extra_forbidden", "loc": ["body", "top_p"], "msg": "Extra"}]})},
    ),
    "xAI": Quirks(
        refuses={"top_p": (400, {"code": "Client error", "error": "Argument not supported on this model: topP"})},
        usage={"completion_tokens_details": {"reasoning_tokens": 900}, "total_tokens": 2000},
    ),
    "DeepSeek": Quirks(
        path="/chat/completions",
        choice=beside("reasoning_content"),
        refuses={"response_format": (400, {"error": {"message": "This response_format type is unavailable now"}})},
        second=(200, choice("insufficient_system_resource")),
        loses="truncated",
    ),
    "Z.AI": Quirks(
        path="/api/paas/v4/chat/completions",
        first=(429, {"error": {"code": "1302", "message": "High concurrency usage of this API"}}),
        second=(200, choice("sensitive")),
        sends={"thinking": {"type": "disabled"}},
        loses="content_filter",
    ),
    "OpenRouter": Quirks(
        path="/api/v1/chat/completions",
        choice=beside("reasoning"),
        first=(200, {"error": {"message": "Rate limit exceeded", "code": 429}, "user_id": "u"}),
        second=(200, choice("error", error={"code": 502, "message": "Upstream provider disconnected"})),
        sends={"reasoning": {"effort": "low"}, "provider": {"require_parameters": True}},
        headers={"x-title": "my dataset"},
        loses="server_error",
    ),
    "vLLM": Quirks(
        choice=lambda content: text(f"<think>\n\n</think>\n\n{content}"),
        second=(200, choice("abort")),
        sends={"chat_template_kwargs": {"enable_thinking": False}},
        loses="truncated",
    ),
    "SGLang": Quirks(
        choice=beside("reasoning_content"),
        sends={"chat_template_kwargs": {"enable_thinking": True}, "separate_reasoning": True},
    ),
    "TGI": Quirks(
        finish="eos_token",
        first=(429, {"error": "Model is overloaded", "error_type": "overloaded"}),
        refuses={"response_format": (422, "Failed to deserialize: response_format: unknown variant `json_schema`")},
    ),
    "llama.cpp": Quirks(
        first=(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}),
        sends={"chat_template_kwargs": {"enable_thinking": False}},
    ),
    "Ollama": Quirks(
        choice=beside("reasoning"),
        second=(200, {"choices": [{"message": {"content": ""}, "finish_reason": "load"}]}),
        sends={"reasoning_effort": "none"},
        loses="empty_answer",
    ),
    "LM Studio": Quirks(
        choice=tagged("<think>", "</think>"),
        first=(200, {"error": "The model has crashed without additional information. (Exit code: null)"}),
    ),
}  # fmt: skip


def test_the_page_has_a_block_for_each_server() -> None:
    assert BLOCKS.keys() == SERVERS.keys()


@pytest.mark.parametrize("name", SERVERS)
def test_the_block_works(
    name: str, seed_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    quirks, teacher = SERVERS[name], dict(BLOCKS[name])
    variable = teacher.get("api_key_env", "OPENAI_API_KEY")
    if variable is not None:
        monkeypatch.setenv(variable, KEY)
    refused: Counter[str] = Counter()
    told: list[str] = []
    requests = answered = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal requests, answered
        if request.path != quirks.path:
            return web.json_response({"error": f"Unexpected endpoint or method. (POST {request.path})"})
        assert request.headers["authorization"] == f"Bearer {KEY if variable else 'none'}"
        body = await request.json()
        assert body["model"] == teacher["model"]
        assert body.items() >= quirks.sends.items()
        assert {each: request.headers[each] for each in quirks.headers} == quirks.headers
        for parameter, (status, error) in quirks.refuses.items():
            if parameter in body:
                refused[parameter] += 1
                return web.Response(text=error if isinstance(error, str) else json.dumps(error), status=status)
        requests += 1
        fault = {1: quirks.first, 2 + (quirks.first is not None): quirks.second}.get(requests)
        if fault is not None:
            return web.json_response(fault[1], status=fault[0], headers={"retry-after-ms": "1"})
        prompt = "".join(message["content"] for message in body["messages"])
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        answer = fake_answer(prompt, schema)
        told.append(answer)
        usage = {"prompt_tokens": 900, "completion_tokens": len(answer) // 4} | quirks.usage
        return web.json_response(
            {
                "model": body["model"],
                "choices": [quirks.choice(answer) | {"finish_reason": quirks.finish}],
                "usage": usage,
            }
        )

    async def course() -> Run:
        app = web.Application()
        app.router.add_post("/{anything:.*}", handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            path = urlsplit(teacher.get("base_url", PUBLIC_API)).path
            here = teacher | {"base_url": f"http://127.0.0.1:{runner.addresses[0][1]}{path}"}
            values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "concurrency": 1, "teacher": here}
            await arun(RunConfig.parse(values | {"target": 12}))
            return await arun(RunConfig.parse(values | {"target": 18}))
        finally:
            await runner.cleanup()

    run = asyncio.run(course())
    assert run.outcome.reason == "target"
    assert len(run.records()) == 18
    for record in run.records():
        assert any(json.dumps(record.instruction)[1:-1] in each for each in told)
        assert "that nobody wants to see" not in record.instruction
    # What the server refuses is sent to it once, by the first start, and each refusal is reported once.
    assert refused == Counter(quirks.refuses.keys())
    assert len([line for line in caplog.messages if "the server refuses" in line]) == len(
        quirks.refuses.keys() - {"max_tokens"}
    )
    journal = Journal(run.path / "journal.sqlite", read_only=True)
    reasons = {reason for (reason,) in journal.query("SELECT reason FROM verdicts WHERE reason IS NOT NULL")}
    kept = [reasoning for (reasoning,) in journal.query("SELECT reasoning FROM answers WHERE failed = 0")]
    journal.close()
    assert quirks.loses is None or quirks.loses in reasons
    if "reasoning" in str(quirks.choice("")) or name == "Mistral":
        assert DRAFT.strip() in [each.strip() for each in kept]
