"""The fake teacher behind a real HTTP server on loopback: for tests, benchmarks and rehearsals.

It speaks the chat and completions endpoints, and those for batch jobs (`fake_batch`). Every request to the former is
written to a log, one JSON line when it has come in and one when its answer is on the way, so that a test can prove
what was asked and what was not.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from .fake_batches import FakeBatches
from .faults import Faults
from .teacher import fake_answer


class FakeServer:
    """What the server needs to know.

    latency_s: seconds before each answer. repeat: share of proposals that repeat one task. structured: whether JSON
    schemas are followed. log: file that the requests are appended to. before: what requests pass first (aiohttp's
    middlewares), such as `fake_limits`. batches: its batch jobs, FakeBatches by default. faults: what some of them
    meet.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        repeat: float = 0.0,
        structured: bool = True,
        log: Path | None = None,
        before: Sequence[Any] = (),
        batches: FakeBatches | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._before = before
        self._latency_s, self._repeat, self._structured = latency_s, repeat, structured
        self._faults = faults
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self._batches = batches or FakeBatches()
        self.requests = 0

    def app(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=256 * 1024 * 1024, middlewares=self._before)
        if self._faults is not None:
            app.middlewares.append(self._faults.middleware(_name_of, self._write))
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_get("/v1/models", self._models)
        self._batches.add_to(app)
        return app

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = _asked(body)
        answer = await self._answer(body, text)
        message = {"role": "assistant", "content": answer, "refusal": None}
        return self._reply(body, text, answer, "chat.completion", {"message": message})

    async def _completions(self, request: web.Request) -> web.Response:
        body = await request.json()
        answer = await self._answer(body, body["prompt"])
        return self._reply(body, body["prompt"], answer, "text_completion", {"text": answer})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})

    async def _answer(self, body: dict[str, Any], text: str) -> str:
        self.requests += 1
        name = request_name(text)
        self._write({"event": "asked", "request": name})
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        asked = body.get("response_format", {}).get("json_schema", {}).get("schema")
        answer = fake_answer(text, asked if self._structured else None, self._repeat)
        self._write({"event": "answered", "request": name})
        return answer

    def _write(self, event: dict[str, str]) -> None:
        if self._log is not None:
            self._log.write(json.dumps(event) + "\n")
            self._log.flush()

    def _reply(self, body: dict[str, Any], text: str, answer: str, kind: str, choice: dict[str, Any]) -> web.Response:
        used = {"prompt_tokens": len(text.encode()) // 4 + 1, "completion_tokens": len(answer.encode()) // 4 + 1}
        return web.json_response(
            {
                "id": f"fake-{self.requests}",
                "object": kind,
                "created": 0,
                "model": body.get("model", "fake"),
                "choices": [{"index": 0, "finish_reason": "stop", "logprobs": None, **choice}],
                "usage": {**used, "total_tokens": sum(used.values())},
            }
        )


def _asked(body: dict[str, Any]) -> str:
    """What a body asks: its messages' texts joined, or its prompt."""
    messages = body.get("messages")
    return body["prompt"] if messages is None else "".join(message["content"] for message in messages)


def _name_of(body: bytes) -> str:
    return request_name(_asked(json.loads(body)))


def request_name(text: str) -> str:
    """What the log calls a request: a hash of its messages' texts, joined."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextlib.asynccontextmanager
async def serving(server: FakeServer, port: int = 0) -> AsyncIterator[str]:
    """Serve on 127.0.0.1; yields the base URL, 'http://127.0.0.1:PORT/v1'. port 0 takes a free one."""
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
