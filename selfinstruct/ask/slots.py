"""`RequestSlots` limits the requests in flight with one teacher; `AskClosed` ends every wait for an answer."""

from __future__ import annotations

import asyncio
import heapq


class AskClosed(Exception):
    """The asker sends no more requests; `Asker.reason` says why."""


class RequestSlots:
    """A semaphore that serves waiters by priority, lower numbers first, then in order of arrival."""

    def __init__(self, slots: int) -> None:
        self._free = slots
        self._closed = False
        self._count = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def acquire(self, priority: int) -> None:
        """Wait for a free slot. Raises AskClosed once `close` was called."""
        if self._closed:
            raise AskClosed
        # A free slot means that the queue is empty.
        if self._free > 0:
            self._free -= 1
            return
        # Queue by priority, then by arrival.
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            # The slot was granted in the same tick as the cancellation: pass it on.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release()
            raise

    def release(self) -> None:
        """Return a slot, and grant it to the next waiter."""
        # Skip waiters that were canceled.
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Reject current and future waiters."""
        self._closed = True
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_exception(AskClosed())
