"""An allowance that refills evenly, to be taken from before it is used and corrected by what was really used.

`aiolimiter` has neither a way to give back nor debts, lets a whole minute's worth go at once, and serves the small
before the large; so it is written here.
"""

from __future__ import annotations

BURST_S = 1.0
"""At most so many seconds' worth may be saved up: a server that counts by fixed minutes must not be surprised."""
_EPSILON = 1e-9


class Bucket:
    """`per_min` units a minute. Every time is in seconds of one clock that never goes back.

    In any stretch of t seconds at most `per_min` * t / 60 and the larger of `capacity` and one request are taken, where
    what is taken is what was really used.
    """

    def __init__(self, per_min: float, now: float) -> None:
        self.per_min = per_min
        self._level = self.capacity
        self._at = now

    @property
    def capacity(self) -> float:
        """The most that is saved up; one request can always go."""
        return max(1.0, self.per_min / 60 * BURST_S)

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` may be taken. More than `capacity` may go when the bucket is full, into debt."""
        missing = min(amount, self.capacity) - self._filled(now)
        return max(0.0, missing - _EPSILON) / self.per_min * 60

    def take(self, amount: float, now: float) -> None:
        """Take `amount`."""
        self._level = self._filled(now) - amount

    def give(self, amount: float, now: float) -> None:
        """Give back what was not used after all; less than nothing is what was used beyond."""
        self._level = min(self.capacity, self._filled(now) + amount)

    def at_most(self, left: float, now: float) -> None:
        """The server says that only so much is left: others draw on it, too."""
        self._level = min(self._filled(now), left)

    def change(self, per_min: float, now: float) -> None:
        """Refill at another pace from here on."""
        level = self._filled(now)
        self.per_min = per_min
        self._level = min(level, self.capacity)

    def _filled(self, now: float) -> float:
        if now > self._at:
            self._level = min(self.capacity, self._level + (now - self._at) * self.per_min / 60)
            self._at = now
        return self._level
