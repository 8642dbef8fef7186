"""The fake teacher behind a real HTTP server on loopback, for tests, benchmarks, and rehearsals.

Implements the chat, completions, and embeddings endpoints and, with `fake_batches`, those for batch jobs. A log records
each request for an answer with one JSON line on arrival and one before the response is sent, so that a test can prove
which requests were made.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from .fake_batches import FakeBatches
from .faults import Faults, Handler
from .teacher import count_tokens, fake_answer, fake_vector


class FakeServer:
    """The routes of a fake server, and their settings.

    Args:
        latency_s: Seconds before each response.
        token_s: Seconds before each token of a streamed answer.
        log: File to append requests to.
        before: aiohttp middlewares that requests pass first, such as `fake_limits.limiting`.
        batches: The batch jobs; `FakeBatches()` by default.
        faults: Faults for some of the requests.
        seeds: Whether requests may have a `seed`. Otherwise they are refused, and a repeated prompt gets a new answer.
    """

    def __init__(
        self,
        *,
        latency_s: float = 0.0,
        token_s: float = 0.0,
        log: Path | None = None,
        before: Sequence[Any] = (),
        batches: FakeBatches | None = None,
        faults: Faults | None = None,
        seeds: bool = True,
    ) -> None:
        self._before = [_streaming(token_s), *before]
        self._latency_s, self._faults = latency_s, faults
        self._times: Counter[str] | None = None if seeds else Counter()
        self._log: TextIO | None = log.open("a", encoding="utf-8") if log else None
        self._batches = batches or FakeBatches()
        self.requests = 0

    def app(self) -> web.Application:
        """Return the aiohttp application with all routes."""
        app = web.Application(client_max_size=256 * 1024 * 1024, middlewares=self._before)  # batch files are large
        # Faults come last, so that a rate-limited request does not use up its fault.
        if self._faults is not None:
            app.middlewares.append(self._faults.middleware(_request_name_of_body, self._write))
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_get("/v1/models", self._models)
        self._batches.add_to(app)
        return app

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        text, is_chat = _prompt_text(body), "messages" in body
        answer = await self._answer(body, text)
        message = {"role": "assistant", "content": answer, "refusal": None}
        choice = {"index": 0, "finish_reason": "stop", "logprobs": None}
        limit = body.get("max_tokens", body.get("max_completion_tokens"))
        used = {"prompt_tokens": count_tokens(text), "completion_tokens": count_tokens(answer, limit)}
        return web.json_response(
            {
                "id": f"fake-{self.requests}",
                "object": "chat.completion" if is_chat else "text_completion",
                "created": 0,
                "model": body.get("model", "fake"),
                "choices": [choice | ({"message": message} if is_chat else {"text": answer})],
                "usage": {**used, "total_tokens": sum(used.values())},
            }
        )

    async def _embed(self, request: web.Request) -> web.Response:
        body = await request.json()
        vector, used = await self._answer(body, body["input"]), count_tokens(body["input"])
        usage = {"prompt_tokens": used, "total_tokens": used}
        return web.json_response({"object": "list", "data": [{"embedding": vector}], "usage": usage})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})

    async def _answer(self, body: dict[str, Any], text: str) -> str:
        self.requests += 1
        sample = body.get("seed", 0)
        if self._times is not None:
            if "seed" in body:
                refusal = {"error": {"message": "Unsupported parameter: 'seed'"}}
                raise web.HTTPBadRequest(text=json.dumps(refusal), content_type="application/json")
            sample, self._times[text] = self._times[text], self._times[text] + 1
        name = request_name(text, sample)
        self._write({"event": "asked", "request": name})
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        # {"response_format": {"type": "json_schema", "json_schema": {"schema": {...}}}}
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        answer = fake_vector(text) if "input" in body else fake_answer(text, schema, sample=sample)
        self._write({"event": "answered", "request": name})
        return answer

    def _write(self, event: dict[str, str]) -> None:
        if self._log is not None:
            self._log.write(json.dumps(event) + "\n")
            self._log.flush()


def _streaming(token_s: float) -> Any:
    """Return an aiohttp middleware that sends an answer as server-sent events if the request asks for a stream."""

    @web.middleware
    async def streaming(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        asked = await request.json() if request.path.endswith("/completions") else {}
        if not asked.get("stream") or response.status != 200 or not isinstance(response, web.Response):
            return response
        try:
            answer = json.loads(response.text or "")
        except ValueError:  # a fault
            return response
        limits = {name: value for name, value in response.headers.items() if name.lower().startswith("x-")}
        stream = web.StreamResponse(headers=limits | {"content-type": "text/event-stream"})
        with contextlib.suppress(ConnectionError):  # the client has left
            await stream.prepare(request)
            for event in _events_of(answer, asked):
                await asyncio.sleep(token_s)
                await stream.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            await stream.write(b"data: [DONE]\n\n")
        return stream

    return streaming


def _events_of(answer: dict[str, Any], asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of an answer, one for each token of four characters, with llama.cpp's timings if asked for."""
    usage, choices = answer.pop("usage"), answer.pop("choices")
    for choice in choices:
        # {"message": {"content": ...}} for chat, {"text": ...} for completions
        name = "content" if "message" in choice else "text"
        fields, finish = choice.pop("message", choice), choice.pop("finish_reason")
        text = fields.pop(name) or ""
        size = max(4, len(text) // 4000)  # a fault may have several megabytes
        pieces = [{name: text[at : at + size]} for at in range(0, len(text), size)]
        for number, piece in enumerate([*pieces, fields], 1):
            part = {"delta": piece} if name == "content" else piece
            event = {**answer, "choices": [part | {"finish_reason": finish if piece is fields else None}]}
            if asked.get("timings_per_token"):
                event["timings"] = {"prompt_n": usage["prompt_tokens"], "predicted_n": number}
            yield event
    if asked.get("stream_options", {}).get("include_usage"):
        yield {**answer, "choices": [], "usage": usage}


def _prompt_text(body: dict[str, Any]) -> str:
    """Return the prompt of a request body: the joined texts of the messages, or the completions prompt."""
    messages = body.get("messages")
    return body["prompt"] if messages is None else "".join(message["content"] for message in messages)


def _request_name_of_body(body: bytes) -> str:
    values = json.loads(body)
    return request_name(_prompt_text(values), values.get("seed", 0))


def request_name(text: str, sample: int = 0) -> str:
    """Return the name of a request in the log: a hash of the joined message texts, and the sample if it isn't 0."""
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{name}.{sample}" if sample else name


@contextlib.asynccontextmanager
async def serving(server: FakeServer, port: int = 0) -> AsyncIterator[str]:
    """Serve on 127.0.0.1 and yield the base URL, 'http://127.0.0.1:PORT/v1'. Port 0 chooses a free port."""
    runner = web.AppRunner(server.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()
