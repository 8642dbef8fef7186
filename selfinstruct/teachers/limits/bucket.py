"""A token bucket with refunds and debt: take an estimate before a request, then correct it by what was used.

The limiter uses it. `aiolimiter` can neither refund nor go into debt, lets a minute's worth leave at once, and lets
small requests overtake large ones.
"""

from __future__ import annotations

BURST_S = 1.0
"""Seconds' worth that may be saved up. A larger burst could break the limit of a server that counts fixed minutes."""
_EPSILON = 1e-9


class Bucket:
    """Refills evenly with `per_min` units per minute. All times are seconds of one monotonic clock.

    In any t seconds, usage is at most `per_min` * t / 60 plus the larger of `capacity` and one request.
    """

    def __init__(self, per_min: float, now: float) -> None:
        self.per_min = per_min
        self._level = self.capacity
        self._at = now

    @property
    def capacity(self) -> float:
        """The most that is saved up; at least one request."""
        return max(1.0, self.per_min / 60 * BURST_S)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken. More than `capacity` may leave a full bucket, which goes into debt."""
        missing = min(amount, self.capacity) - self._filled(now)
        return max(0.0, missing - _EPSILON) / self.per_min * 60

    def take(self, amount: float, now: float) -> None:
        """Take `amount`."""
        self._level = self._filled(now) - amount

    def give(self, amount: float, now: float) -> None:
        """Refund what wasn't used; a negative amount was used in addition."""
        self._level = min(self.capacity, self._filled(now) + amount)

    def at_most(self, left: float, now: float) -> None:
        """Lower the level to what the server says is left; other clients use the same limit."""
        self._level = min(self._filled(now), left)

    def change(self, per_min: float, now: float) -> None:
        """Change the refill rate from now on."""
        level = self._filled(now)
        self.per_min = per_min
        self._level = min(level, self.capacity)

    def _filled(self, now: float) -> float:
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.per_min / 60)
            self._at = now
        return self._level
