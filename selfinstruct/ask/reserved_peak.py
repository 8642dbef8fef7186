"""`ReservedPeak` keeps on disk what the requests in flight may cost, with few commits. `Budget` uses it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict

from ..journal.reserved import Amounts, Reserved

_HEADROOM = 8
"""The journal holds an eighth more than what is in flight: below eight requests, nothing more."""
_LOWER_S = 2.0
"""Seconds after which a row that is twice too high is lowered. Answers come in waves, and each raise is a commit."""


class ReservedPeak:
    """The most that the uncommitted requests of each teacher may use, at least as high in the journal as in memory."""

    def __init__(self, reserved: Reserved) -> None:
        self._reserved = reserved
        # By teacher: what the journal must hold, what it holds, and a lock for writing more.
        self._needed: dict[str, Amounts] = defaultdict(Amounts)
        self._saved: dict[str, Amounts] = defaultdict(Amounts)
        self._saving: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._needed_at = 0.0

    async def replace(self, teacher: str, old: Amounts, new: Amounts, *, priced: bool) -> None:
        """Reserve `new` instead of `old` for a question; return once the journal holds it.

        priced: whether the teacher's price is known. Raises StorageError if the journal can't be written: then the
        request must not be sent.
        """
        total = self._needed[teacher]
        total.add(old, -1)
        total.add(new)
        if self._saved[teacher].covers(total):
            return
        # One commit at a time: it covers all who have come meanwhile, and they find that when it's their turn.
        needed = total.plus(Amounts())
        async with self._saving[teacher]:
            if not self._saved[teacher].covers(needed):
                # A little more than needed, so that a steady run with its ups and downs seldom has a new peak.
                peak = self._saved[teacher].peak(total.plus(total.share(_HEADROOM)))
                await self._reserved.commit(teacher, peak, priced=priced)
                self._saved[teacher] = peak

    def release(self, teacher: str, amounts: Amounts, *, priced: bool) -> None:
        """Release what was reserved for a question, because its answer is in the journal or nothing was sent."""
        total, saved = self._needed[teacher], self._saved[teacher]
        total.add(amounts, -1)
        # Lower the row once it has been twice too high for a while, but not while a new peak is being written.
        now = time.monotonic()
        if 2 * total.requests + 2 > saved.requests:
            self._needed_at = now
        elif now > self._needed_at + _LOWER_S and not self._saving[teacher].locked():
            self._saved[teacher] = total.plus(total.share(_HEADROOM))
            self._reserved.note(teacher, self._saved[teacher], priced=priced)

    def close(self) -> None:
        """Delete the rows: nothing is in flight any more, and the journal holds all that was spent."""
        for teacher in self._saved:
            self._reserved.note(teacher, Amounts(), priced=True)
        self._saved.clear()
