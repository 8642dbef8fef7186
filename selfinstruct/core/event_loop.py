"""Runs a coroutine from synchronous code, also in a notebook, and names the signals that end a program."""

from __future__ import annotations

import signal
from collections.abc import Coroutine
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
    # A notebook's own event loop is running: use a second one, in a thread, and wait for it.
    with ThreadPoolExecutor(1, thread_name_prefix="selfinstruct") as thread:
        return thread.submit(asyncio.run, coroutine).result()
