"""What the limiter learns about a server: a request rate from its 429s, and a concurrency from its overloads.

Some servers fail at random, so a single bad response says little. One 429 lowers the rate slightly; two in a row stop
all requests for a moment. Two overloads in a row reduce the concurrency.
"""

from __future__ import annotations

from collections import deque

from .bucket import Bucket
from .headers import RateHeaders

_SOON = 50
"""A cut with fewer requests since the last one is twice as deep: the rate is far too high."""
_FIRST_CUT, _DEEPEST_CUT = 0.03, 0.5
_GROWTH, _DOUBLING_S, _MOST_GROWTH = 0.0002, 20.0, 0.02
"""Growth of the rate per second, the seconds without a 429 in which that growth doubles, and its maximum."""
_BACK_OFF_S = (0.25, 10.0)
"""First and longest wait for a server that refuses everything and sends no Retry-After."""
_TRUST = 3
"""How often a Retry-After that is too short is followed. After that, wait longer than it says."""
_CERTAIN = 4
"""This many 429s in a row aren't random: the limit per minute is what was accepted in the last minute."""
_DOUBT, _DOUBT_SHARE = 10, 0.02
"""Where limits are known, this many 429s plus this share of all answers count as random."""
_MEASURED, _RECENT_S, _FLOOR = 10, 15.0, 0.95
"""A cut leaves at least the share _FLOOR of the accepted rate. It's measured since the cuts began if at least _MEASURED
requests were accepted, else over the last _RECENT_S seconds."""
_IN_VAIN, _DEAF = 0.4, 500
"""If the rate falls below the share _IN_VAIN of the best one and 429s go on, the rate isn't the reason. Then single
429s are ignored for the next _DEAF answers."""
_SLOT_S = 1.0
"""Accepted requests are counted in slots of this length."""
_LEAST_PER_MIN = 1.0
_START_WIDTH, _UNLIMITED_WIDTH, _START_GROWTH = 32, 64, 3


class Pace:
    """The request rate learned from 429s; unlimited (`bucket` is None) until the first one.

    A 429 cuts the rate, by 3% at first. Between 429s it grows slowly, so that about one request in a hundred is
    refused: the price of knowing the limit. Some servers refuse at random at any rate: no cut goes more than 5% below
    what was accepted meanwhile, and cuts that don't help are reverted. held_until: nothing may be sent before then.
    """

    def __init__(self, now: float) -> None:
        self.bucket: Bucket | None = None
        self.held_until = now
        self._born = now
        self._slots: deque[list[float]] = deque([[now, 0]])  # when it began, how many were accepted
        self._in_a_row = self._waits = self._answered = self._refused = 0
        self._held_at = now
        self._cut_at, self._cut_by, self._since_cut = now, _FIRST_CUT, _SOON
        self._grown_at = now
        self._best, self._deaf_until = 0.0, 0
        self._streak = (now, 0)  # since when one cut has followed the other, and how many were accepted since then

    @property
    def refusing(self) -> bool:
        """Whether the server refuses everything. Then one request at a time finds out when that ends."""
        return self._in_a_row >= 2

    def accepted(self, now: float) -> None:
        """A request was answered."""
        self._in_a_row = self._waits = 0
        self._since_cut += 1
        self._answered += 1
        self._streak = (self._streak[0], self._streak[1] + 1)
        self._slot(now)[1] += 1
        passed, self._grown_at = min(1.0, now - self._grown_at), now
        if self.bucket is not None:
            share = min(_MOST_GROWTH, _GROWTH * 2 ** min((now - self._cut_at) / _DOUBLING_S, 20.0))
            self.bucket.change(self.bucket.per_min * (1 + share * passed), now)

    def refused(self, sent_at: float, now: float, said: RateHeaders, known: bool) -> None:
        """A request that left at `sent_at` got a 429. known: whether the server's limits are known."""
        self._in_a_row += 1
        self._refused += 1

        # Lower the rate.
        if known and self._refused <= _DOUBT + _DOUBT_SHARE * self._answered:
            pass
        elif self._in_a_row == 1 and self._answered >= self._deaf_until and sent_at >= self._cut_at:
            self._cut(now)
        elif self._in_a_row == _CERTAIN and (count := self._accepted(60, now)[0]) >= _MEASURED:
            self._set(count, now)
            self._best, self._streak = 0.0, (now, 0)

        # Two in a row: hold everything, for as long as the server says, else longer each time.
        if not self.refusing:
            return
        first, most = _BACK_OFF_S
        pause_s = min(most, first * 2**self._waits)
        if said.retry_after_s is not None:
            self.hold(now + max(said.retry_after_s, pause_s if self._waits > _TRUST else 0.0))
        elif sent_at >= self._held_at:
            self.hold(now + (pause_s if said.reset_s is None else min(said.reset_s, pause_s)))
        if sent_at >= self._held_at:
            self._waits = min(self._waits + 1, 10)
            self._held_at = now

    def hold(self, until: float) -> None:
        """Send nothing before `until`."""
        self.held_until = max(self.held_until, until)

    def _cut(self, now: float) -> None:
        if self._since_cut < _SOON:
            self._cut_by = min(_DEEPEST_CUT, self._cut_by * 2)
        else:
            self._cut_by, self._streak = _FIRST_CUT, (now, 0)
        self._cut_at, self._since_cut = now, 0

        # The accepted rate: since the cuts began, or recently.
        since, count = self._streak
        seconds = max(0.1, now - since)
        if count >= _MEASURED and seconds >= 1:
            self._best = max(self._best, count / seconds * 60)
        else:
            count, seconds = self._accepted(_RECENT_S, now)
        if self.bucket is None and count < _MEASURED:
            return

        # Cut, but not below what was accepted. Revert if cutting doesn't help.
        taken = count / seconds * 60
        slower = taken if self.bucket is None else self.bucket.per_min * (1 - self._cut_by)
        self._set(max(slower, _FLOOR * taken), now)
        if self.bucket is not None and self.bucket.per_min < _IN_VAIN * self._best:
            self.bucket, self._best, self._deaf_until = None, 0.0, self._answered + _DEAF

    def _set(self, per_min: float, now: float) -> None:
        """Limit the rate to `per_min`; never raise it."""
        per_min = max(per_min, _LEAST_PER_MIN)
        if self.bucket is None:
            self.bucket = Bucket(per_min, now)
        elif per_min < self.bucket.per_min:
            self.bucket.change(per_min, now)

    def _accepted(self, seconds: float, now: float) -> tuple[int, float]:
        """How many requests were accepted in the last `seconds`, and how many seconds of them are recorded."""
        recent = [slot for slot in self._slots if slot[0] > now - seconds]
        return int(sum(count for _, count in recent)), max(0.1, now - recent[0][0]) if recent else 1.0

    def _slot(self, now: float) -> list[float]:
        if now - self._slots[-1][0] >= _SLOT_S:
            self._slots.append([now, 0])
            while self._slots[0][0] < now - 60:
                self._slots.popleft()
        return self._slots[-1]


class Width:
    """The most requests in flight. Grows fourfold a round until the first overload, which halves it; then by one.

    Later overloads halve it again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._width = float(min(most, _START_WIDTH))
        self._starting = True
        self.limited = False
        """Whether the server has shown any limit."""
        self._in_a_row = 0
        self._cut_at = -1.0

    @property
    def places(self) -> int:
        """The most requests in flight now."""
        return max(1, int(self._width))

    def accepted(self) -> None:
        """A request was answered."""
        self._in_a_row = 0
        grown = self._width + (_START_GROWTH if self._starting else 1 / self._width)
        if self._starting and not self.limited:
            grown = max(grown, _UNLIMITED_WIDTH)
        self._width = min(self._most, grown)

    def overloaded(self, sent_at: float, now: float) -> bool:
        """A timeout, or a status that means overload. Halve once for all requests that were in flight together.

        Returns whether the previous response was an overload, too.
        """
        self._in_a_row += 1
        if self._in_a_row >= 2 and sent_at >= self._cut_at:
            self._width, self._starting, self._cut_at = max(1.0, self._width / 2), False, now
        return self._in_a_row >= 2
