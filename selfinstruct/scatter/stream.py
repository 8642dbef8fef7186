"""One stream of a scattered job: an ordinary run whose teachers wait for a permit from the shared budget.

`scatter_job` runs each stream in a Ray task.
"""

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
from ..teachers.counting import charge
from ..teachers.protocol import METER, Teacher, full
from .shared_budget import Permit

# How long to wait for the lock of an earlier process of the stream, which may still be shutting down.
_LOCK_WAIT_S = 60.0


class BudgetClient(Protocol):
    """Access of one stream to the `SharedBudget`, which may be in another process."""

    async def acquire(self, teacher: str, prompt: Prompt) -> Permit | str: ...

    def release(self, number: int, usage: Usage | None, *, sent: bool, billed: bool) -> None:
        """Do what `SharedBudget.release` does, without waiting for it."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """How one start of a stream ended; `reason`, `detail` and `exit_code` are as in `Outcome`."""

    stream: int
    records: int
    reason: str
    detail: str
    exit_code: int


class SharingTeacher:
    """A teacher whose requests wait for a permit from the shared budget."""

    def __init__(self, name: str, teacher: Teacher, shared: BudgetClient) -> None:
        self._name, self._teacher, self._shared = name, full(teacher), shared

    async def __aenter__(self) -> SharingTeacher:
        await self._teacher.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._teacher.__aexit__(*error)

    async def complete(self, prompt: Prompt) -> Completion:
        """Return the answer. Raises BudgetSpent if the shared caps leave no room for one of its requests."""
        meter = _SharedMeter(self._name, prompt, self._shared)
        await meter.begin()
        meter.is_presumed = True
        METER.set(meter)
        completion: Completion | None = None
        try:
            completion = await self._teacher.complete(prompt)
            return completion
        finally:
            meter.settle(completion)


class _SharedMeter:
    """Gets a permit for each request of a question, and passes everything on to the meter that was set before.

    is_presumed: a request counts as sent although the teacher doesn't use the meter.
    """

    def __init__(self, teacher: str, prompt: Prompt, shared: BudgetClient) -> None:
        self._teacher, self._prompt, self._shared = teacher, prompt, shared
        self._own = METER.get()
        self._permit: Permit | None = None
        self._is_out = self.is_presumed = False

    async def begin(self) -> None:
        self.is_presumed = False
        await self._own.begin()
        if self._permit is None:
            permit = await self._shared.acquire(self._teacher, self._prompt)
            if isinstance(permit, str):
                raise BudgetSpent(permit)
            self._permit = permit

    def leave(self) -> None:
        self._is_out = True
        self._own.leave()

    def receive(self, tokens: int, limit: asyncio.Timeout | None) -> None:
        self._own.receive(tokens, limit)

    def end(self, *, billed: bool) -> None:
        self._release(None, billed=billed)
        self._own.end(billed=billed)

    def settle(self, completion: Completion | None) -> None:
        """Release the permit of a request that isn't over. completion: the answer to it, if there is one."""
        if self.is_presumed:
            self.leave()
        if self._permit is not None:
            usage = None if completion is None else charge(completion, self._prompt, self._permit.worst)[0]
            self._release(usage, billed=True)

    def _release(self, usage: Usage | None, *, billed: bool) -> None:
        if self._permit is not None:
            self._shared.release(self._permit.number, usage, sent=self._is_out, billed=billed)
        self._permit, self._is_out = None, False


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
            # The stream's dataset is only a part of the merged one, which `run_scattered` protects.
            started = arun(config, around=around, overwrite=True, progress=lambda now: progress(now.records))
            run = asyncio.run(started)
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
