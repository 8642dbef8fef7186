"""Runs a coroutine from synchronous code, also in a notebook. The public functions use it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


def run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of `coroutine`, whether or not an event loop is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # A notebook's own event loop is running: use a second one, in a thread, and wait for it.
    with ThreadPoolExecutor(1, thread_name_prefix="selfinstruct") as thread:
        return thread.submit(asyncio.run, coroutine).result()
