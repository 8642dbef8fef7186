"""One stream of a scattered job: an ordinary run whose teachers wait for a permit from the shared budget.

`scatter_job` runs each stream in a Ray task.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

from ..ask.budget import BudgetSpent
from ..config.run_config import RunConfig
from ..core.errors import RunLocked, SelfInstructError
from ..core.prompts import Completion, Prompt, Usage
from ..generate.start import arun
from ..journal.folder import Run
from ..teachers.limits import LEAVING
from ..teachers.protocol import Teacher, full
from .shared_budget import Permit

# How long to wait for the lock of an earlier process of the stream, which may still be shutting down.
_LOCK_WAIT_S = 60.0


class BudgetClient(Protocol):
    """Access of one stream to the `SharedBudget`, which may be in another process."""

    async def acquire(self, teacher: str, prompt: Prompt) -> Permit | str: ...

    def release(self, number: int, usage: Usage | None, requests: int) -> None:
        """Settle a permit, without waiting for the result."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """How one start of a stream ended; `reason`, `detail` and `exit_code` are as in `Outcome`."""

    stream: int
    records: int
    reason: str
    detail: str
    exit_code: int


class SharingTeacher:
    """A teacher whose questions wait for a permit from the shared budget."""

    def __init__(self, name: str, teacher: Teacher, shared: BudgetClient) -> None:
        self._name, self._teacher, self._shared = name, full(teacher), shared

    async def __aenter__(self) -> SharingTeacher:
        await self._teacher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._teacher.__aexit__(kind, error, trace)

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the answer. Raises BudgetSpent if the shared caps leave no room for the question."""
        permit = await self._shared.acquire(self._name, prompt)
        if isinstance(permit, str):
            raise BudgetSpent(permit)
        requests = _RequestCounter(permit.requests)
        LEAVING.set(requests)
        usage: Usage | None = None
        try:
            completion = await self._teacher.complete(prompt)
            usage = completion.usage
            return completion
        finally:
            self._shared.release(permit.number, usage, max(requests.count, int(usage is not None)))


class _RequestCounter:
    """Counts requests as they are sent, and calls the counter that was set before."""

    def __init__(self, most: int | None) -> None:
        self._before, self._most = LEAVING.get(), most
        self.count = 0

    def __call__(self) -> None:
        if self.count == self._most:
            raise BudgetSpent(f"max_requests: a question used all {self.count} requests reserved for it")
        if self._before is not None:
            self._before()
        self.count += 1


def run_stream(
    values: Mapping[str, Any], stream: int, shared: BudgetClient, progress: Callable[[int], None]
) -> StreamResult:
    """Start or resume the stream that `values` configure, until its target is met or it has to stop.

    `progress` is called with the number of records. Errors of the run are returned, not raised.
    """
    config = RunConfig.parse(dict(values), f"stream {stream}")

    def around(name: str, teacher: Teacher) -> Teacher:
        return SharingTeacher(name, teacher, shared)

    end = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            run = asyncio.run(arun(config, around=around, progress=lambda now: progress(now.records)))
        except RunLocked as error:  # an earlier process of the stream still holds the lock
            if time.monotonic() > end:
                return StreamResult(stream, 0, "locked", str(error), error.exit_code)
            time.sleep(1.0)
        except SelfInstructError as error:
            return StreamResult(stream, _records(config), "stopped", str(error), error.exit_code)
        else:
            outcome = run.outcome
            return StreamResult(stream, _records(config), outcome.reason, outcome.detail, outcome.exit_code)


def _records(config: RunConfig) -> int:
    """Return the number of records of the stream, 0 if the stream has not begun."""
    try:
        return Run(config.run_dir).status().records
    except SelfInstructError:
        return 0
