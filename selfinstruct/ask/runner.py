"""`Runner` runs programs in the sandbox: each once, with its result committed before any caller sees it.

It is to the sandbox what `Asker` is to the teachers. A replay finds all results in the journal and runs nothing.
"""

from __future__ import annotations

import asyncio
import os

from ..core.programs import Program, Ran
from ..journal.journal import Journal
from ..sandbox import RUNTIME_VERSION, run_program


class Runner:
    """Runs programs for one start, at most as many at once as there are cores. `run` is a `core.programs.Run`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._slots = asyncio.Semaphore(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
        self._in_flight_by_digest: dict[str, asyncio.Task[Ran]] = {}

    async def run(self, program: Program) -> Ran:
        """Return what came of a program, from the journal or from the sandbox.

        Raises:
            SandboxMissing: The journal has no result, and no program can be run on this machine.
            StorageError: The result can't be written.
        """
        digest = program.digest
        ran = self._journal.runs.recall(digest)
        if ran is not None:
            return ran
        task = self._in_flight_by_digest.get(digest)
        if task is None:
            task = self._in_flight_by_digest[digest] = asyncio.create_task(self._run(digest, program))
            task.add_done_callback(lambda _: self._in_flight_by_digest.pop(digest))
        # A canceled caller leaves the program running, for others that wait for it, and for the journal.
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait for the programs in flight; their limits bound the time."""
        await asyncio.gather(*self._in_flight_by_digest.values(), return_exceptions=True)

    async def _run(self, digest: str, program: Program) -> Ran:
        async with self._slots:
            ran = await asyncio.to_thread(run_program, program)
        await self._journal.runs.commit(digest, ran, RUNTIME_VERSION)
        return ran
