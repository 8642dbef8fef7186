"""A coroutine in a notebook, whose own event loop is running: it ends with its result, its error, or an interrupt."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from selfinstruct import Completion, Prompt, RunConfig, run
from selfinstruct.core.event_loop import run_to_end
from selfinstruct.teachers.fake.teacher import FakeTeacher


def in_a_notebook(cell: Callable[[], object]) -> None:
    """Call `cell` inside a running loop, where SIGINT raises KeyboardInterrupt, as in a notebook's kernel."""

    async def kernel() -> None:
        cell()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(kernel())
    finally:
        loop.close()


def interrupt() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)


def test_the_result_and_an_error_come_back() -> None:
    async def answer() -> int:
        return 42

    async def fail() -> int:
        raise LookupError("no answer")

    found: list[int] = []
    in_a_notebook(lambda: found.append(run_to_end(answer())))
    assert found == [42] == [run_to_end(answer())]
    with pytest.raises(LookupError, match="no answer"):
        in_a_notebook(lambda: run_to_end(fail()))


def test_an_interrupt_ends_a_run_in_a_notebook_and_the_next_start_continues(tmp_path: Path, seed_file: Path) -> None:
    class Slow(FakeTeacher):
        """Answers twice, then never."""

        asked = 0

        async def complete(self, prompt: Prompt) -> Completion:
            Slow.asked += 1
            if Slow.asked > 2:
                interrupt()
                await asyncio.sleep(1000)
            return await super().complete(prompt)

    config = RunConfig.parse(
        {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 40, "concurrency": 1}
    )
    with pytest.raises(KeyboardInterrupt):
        in_a_notebook(lambda: run(config, teacher=Slow()))
    in_a_notebook(lambda: run(config, teacher=FakeTeacher()))
    assert len(run(config, teacher=FakeTeacher()).records()) == 40
