"""Runs a coroutine from synchronous code, also in a notebook, and names the signals that end a program."""

from __future__ import annotations

import signal
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def stop_signals() -> list[signal.Signals]:
    """Return the signals that end a program; not SIGHUP where it is ignored, as under nohup."""
    hangs_up = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hangs_up else [])]


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of `coroutine`, whether or not an event loop is running."""
    import asyncio  # `--help` doesn't need it
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    cancel: list[Callable[[], object]] = []

    async def cancelable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        cancel.append(lambda: loop.call_soon_threadsafe(task.cancel))
        return await coroutine

    # A notebook's own event loop is running: use a second one, in a thread, and wait for it. "Interrupt" cancels it.
    with ThreadPoolExecutor(1, thread_name_prefix="selfinstruct") as thread:
        result = thread.submit(asyncio.run, cancelable())
        try:
            return result.result()
        except KeyboardInterrupt:
            for each in cancel:
                each()
            raise
