"""The embedded teacher: an OpenAI teacher whose server is a `LlamaServer` that starts and stops with the run.

The weights come from the model catalog or a GGUF file. The teacher needs no key and no cloud service.
"""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from ...config.run_config import RunConfig
from ...core.errors import TeacherRefused, UsageError
from ...core.prompts import Asking, Completion, Prompt
from ..openai.options import OpenAIOptions
from ..openai.teacher import OpenAITeacher
from .catalog import LocalModel, resolve
from .llama_server import LlamaServer
from .options import LocalOptions
from .weights import cached, fetch

SLOTS = 4
"""Requests that the server processes at the same time; more would only divide the same cores and memory."""


class LocalTeacher:
    """A model on this machine. Entering the teacher downloads missing weights and starts the server.

    Raises:
        UsageError: The model is unknown, the file does not exist, or xllamacpp is not installed.
        TeacherRefused: The server can't start, or `egress` forbids downloading the weights.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._options = LocalOptions.of(config.teacher)
        self._model = resolve(config.teacher.model)
        self.model = self._model.name if isinstance(self._model, LocalModel) else self._model.stem
        self.asking = catalog_asking(config.teacher.model)
        self._log = Path(config.run_dir) / "teacher.log"
        self._stack = AsyncExitStack()
        self._server: LlamaServer | None = None
        self._teacher: OpenAITeacher | None = None

    async def __aenter__(self) -> LocalTeacher:
        settings = self._options
        # Check the runtime and `egress` before downloading a gigabyte.
        if importlib.util.find_spec("xllamacpp") is None:
            raise UsageError("teacher.kind: local needs the package xllamacpp; pip install 'selfinstruct[local]'")
        if self._config.egress != "any" and isinstance(self._model, LocalModel) and cached(self._model) is None:
            raise TeacherRefused(
                f"egress: the weights of {self.model} are not in the cache and may not be downloaded; "
                f"run `selfinstruct teacher fetch {self._config.teacher.model}` on a machine with network access"
            )
        # Start the server; the exit stack stops it.
        path = await asyncio.to_thread(fetch, self._model)
        slots = min(SLOTS, self._config.concurrency)
        self._server = await self._stack.enter_async_context(
            LlamaServer(
                path,
                parallel=slots,
                context=settings.context,
                log_path=self._log,
                alias=self.model,
                threads=settings.threads,
            )
        )
        # Send the prompts through the OpenAI teacher.
        reached = OpenAIOptions(
            model=self.model,
            base_url=self._server.base_url,
            api_key_env=None,
            endpoint=settings.endpoint,
            tokenizer=settings.tokenizer,
            timeout_s=settings.timeout_s,
            max_retries=settings.max_retries,
            stream=settings.stream,
            answer_within_s=settings.answer_within_s if settings.stream else None,
            extra_body={"timings_per_token": True} if settings.stream else {},
        )
        # Further requests wait here, where they don't run into a timeout, and answers go before proposals.
        self._teacher = await self._stack.enter_async_context(OpenAITeacher(reached, concurrency=slots))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the model's response. Raises TeacherDown if the server has died; its log says why."""
        assert self._server is not None
        assert self._teacher is not None
        completion = await self._teacher.complete(prompt)
        if completion.failed:
            self._server.check()
        return completion


def catalog_asking(model: str) -> Asking:
    """Return how to ask `model` according to the catalog; by chat if the catalog does not list the model."""
    found = resolve(model)
    asking = found.asking if isinstance(found, LocalModel) else Asking()
    return replace(asking, structured=bool(asking.structured))
