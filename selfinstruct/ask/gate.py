"""The places for questions in flight with one teacher, and the exception that says that nobody is let in any more."""

from __future__ import annotations

import asyncio
import heapq


class DoorClosed(Exception):
    """No question is sent any more; `Door.reason` says why."""


class Gate:
    """A semaphore whose waiters come in by priority, the lower first, then by arrival."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._closed = False
        self._count = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    async def enter(self, priority: int) -> None:
        """Wait for a place. Raises DoorClosed once `close` was called."""
        if self._closed:
            raise DoorClosed
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._waiting, (priority, self._count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        """Give a place back; the next who waits has it."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Send everybody away who waits, and who comes."""
        self._closed = True
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_exception(DoorClosed())
