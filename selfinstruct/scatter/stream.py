"""One stream: a run like any other, whose teachers are asked when the shared purse lets them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..ask.budget import BudgetSpent
from ..config.run_config import RunConfig
from ..core.errors import RunLocked, SelfInstructError
from ..core.prompts import Completion, Prompt, Usage
from ..generate.start import arun
from ..journal.folder import Run
from ..teachers.limits import LEAVING
from ..teachers.protocol import Teacher
from .purse import Ticket

_LOCK_WAIT_S = 60.0
"""A stream's earlier life may take so long to be over, and its lock with it."""


class Shared(Protocol):
    """The purse as a stream sees it, wherever that is."""

    async def enter(self, teacher: str, prompt: Prompt) -> Ticket | str: ...

    def leave(self, number: int, usage: Usage | None, requests: int) -> None:
        """Sent, and not waited for."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a stream's start ended; reason, detail and exit_code as those of `Outcome`."""

    stream: int
    records: int
    reason: str
    detail: str
    exit_code: int


class SharingTeacher:
    """A teacher whose questions wait for the purse of all streams."""

    def __init__(self, name: str, teacher: Teacher, shared: Shared) -> None:
        self._name, self._teacher, self._shared = name, teacher, shared

    async def __aenter__(self) -> SharingTeacher:
        if hasattr(self._teacher, "__aenter__"):
            await self._teacher.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        if hasattr(self._teacher, "__aexit__"):
            await self._teacher.__aexit__(*error)

    async def complete(self, prompt: Prompt) -> Completion:
        """The answer. Raises BudgetSpent when the caps of all streams leave no room for the question."""
        ticket = await self._shared.enter(self._name, prompt)
        if isinstance(ticket, str):
            raise BudgetSpent(ticket)
        requests = _Counted(ticket.requests)
        LEAVING.set(requests)
        usage: Usage | None = None
        try:
            completion = await self._teacher.complete(prompt)
            usage = completion.usage
            return completion
        finally:
            self._shared.leave(ticket.number, usage, max(requests.count, int(usage is not None)))


class _Counted:
    """Counts requests as they leave, and tells whoever counted them before."""

    def __init__(self, most: int | None) -> None:
        self._before, self._most = LEAVING.get(), most
        self.count = 0

    def __call__(self) -> None:
        if self.count == self._most:
            raise BudgetSpent(f"max_requests: a question was sent {self.count} times, as often as was set aside for it")
        if self._before is not None:
            self._before()
        self.count += 1


def grow(values: Mapping[str, Any], stream: int, shared: Shared, progress: Callable[[int], None]) -> Ended:
    """Run, or go on with, the stream that `values` configure, until its target is met or it can't go on.

    progress: told how many records it has. What a run ends with, errors of the teacher included, is what this gives.
    """
    config = RunConfig.parse(dict(values), f"stream {stream}")

    def around(name: str, teacher: Teacher) -> Teacher:
        return SharingTeacher(name, teacher, shared)

    end = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            run = asyncio.run(arun(config, around=around, progress=lambda now: progress(now.records)))
        except RunLocked as error:
            if time.monotonic() > end:
                return Ended(stream, 0, "locked", str(error), error.exit_code)
            time.sleep(1.0)
        except SelfInstructError as error:
            return Ended(stream, _records(config), "stopped", str(error), error.exit_code)
        else:
            outcome = run.outcome
            return Ended(stream, _records(config), outcome.reason, outcome.detail, outcome.exit_code)


def _records(config: RunConfig) -> int:
    """How many the stream has; none where it never began."""
    try:
        return Run(config.run_dir).status().records
    except SelfInstructError:
        return 0
