"""The `openai` SDK in three ways, and bare aiohttp, which is the limit of what they can reach.

Variants: `httpx` (AsyncOpenAI as it comes), `aiohttp` (with DefaultAioHttpClient), `post` (that, through the client's
own `post`, without typed requests and responses), `bare` (aiohttp alone).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx2
import openai
from loop_task import Task, measure

Body = dict[str, Any]


async def _by_sdk(task: Task) -> None:
    limits = httpx2.Limits(max_connections=task.in_flight, max_keepalive_connections=task.in_flight)
    http_client = None if task.variant == "httpx" else openai.DefaultAioHttpClient(limits=limits)
    async with openai.AsyncOpenAI(base_url=task.base_url, api_key="none", http_client=http_client) as client:

        async def create(body: Body) -> None:
            answer = await client.chat.completions.create(**body)
            assert answer.choices[0].message.content

        async def post(body: Body) -> None:
            answer: Any = await client.post("/chat/completions", body=body, cast_to=object)
            assert answer["choices"][0]["message"]["content"]

        await _all(task, post if task.variant == "post" else create)


async def _bare(task: Task) -> None:
    url = f"{task.base_url}/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=task.in_flight)) as session:

        async def ask(body: Body) -> None:
            async with session.post(url, json=body) as response:
                answer = json.loads(await response.read())
            assert answer["choices"][0]["message"]["content"]

        await _all(task, ask)


async def _all(task: Task, ask: Callable[[Body], Awaitable[None]]) -> None:
    waiting = iter(task.questions)

    async def worker() -> None:
        for body in waiting:
            await ask(body)

    await asyncio.gather(*(worker() for _ in range(task.in_flight)))


if __name__ == "__main__":
    measure(lambda task: asyncio.run(_bare(task) if task.variant == "bare" else _by_sdk(task)))
