"""The embedded teacher: weights from the catalogue or a GGUF file, a server on loopback, no key and no cloud.

It is the OpenAI teacher in front of a `LlamaServer` that starts and stops with the run.
"""

from __future__ import annotations

import asyncio
import importlib.util
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from ...config.run_config import RunConfig
from ...core.errors import TeacherRefused, UsageError
from ...core.prompts import Asking, Completion, Prompt
from ..openai.options import OpenAIOptions
from ..openai.teacher import OpenAITeacher
from .catalogue import LocalModel, resolve
from .llama_server import LlamaServer
from .options import LocalOptions
from .weights import cached, fetch

SLOTS = 4
"""Requests that the server works on at once; more only divide the same cores and memory."""


class LocalTeacher:
    """A model on this machine. Entering it fetches the weights where they are missing and starts the server.

    Raises UsageError: unknown model, no such file; TeacherRefused: the runtime or the weights can't be had.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._options = LocalOptions.of(config.teacher)
        self._model = resolve(config.teacher.model)
        self.model = self._model.name if isinstance(self._model, LocalModel) else self._model.stem
        self.asking = catalogue_asking(config.teacher.model)
        self._log = Path(config.run_dir) / "teacher.log"
        self._stack = AsyncExitStack()
        self._server: LlamaServer | None = None
        self._teacher: OpenAITeacher | None = None

    async def __aenter__(self) -> LocalTeacher:
        settings = self._options
        if importlib.util.find_spec("xllamacpp") is None:  # before a gigabyte is fetched in vain
            raise UsageError("teacher.kind local needs the package xllamacpp: pip install 'selfinstruct[local]'")
        if self._config.egress != "any" and isinstance(self._model, LocalModel) and cached(self._model) is None:
            raise TeacherRefused(
                f"egress: the weights of {self.model} are not here and may not be fetched; "
                f"run `selfinstruct teacher fetch {self._config.teacher.model}` where that is allowed"
            )
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
        reached = OpenAIOptions(
            model=self.model,
            base_url=self._server.base_url,
            api_key_env=None,
            endpoint=settings.endpoint,
            tokenizer=settings.tokenizer,
            timeout_s=settings.timeout_s,
            max_retries=settings.max_retries,
        )
        self._teacher = await self._stack.enter_async_context(
            OpenAITeacher(reached, concurrency=self._config.concurrency)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def complete(self, prompt: Prompt) -> Completion:
        """The model's answer. Raises TeacherDown when the server has died; its log says why."""
        assert self._server is not None
        assert self._teacher is not None
        completion = await self._teacher.complete(prompt)
        if completion.failed:
            self._server.check()
        return completion


def catalogue_asking(model: str) -> Asking:
    """How the catalogue says that `model` is best asked; chat for a file that it doesn't know."""
    found = resolve(model)
    asking = found.asking if isinstance(found, LocalModel) else Asking()
    return replace(asking, structured=bool(asking.structured))
