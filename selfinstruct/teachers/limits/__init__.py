"""How fast a teacher is asked: what the configuration allows, what the server's headers say, what its 429s teach.

One `Limits` stands before one server. Every HTTP request passes it, a retry by the SDK, too. Nothing here asks
again or gives up an answer: it only says when the next request may leave.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass

from ...core.errors import TeacherDown
from ...core.prompts import Usage
from .bucket import Bucket
from .headers import NOTHING, Said, read_headers
from .learned import Pace, Width

__all__ = ["LEAVING", "Allowance", "Limits", "Turn"]

LEAVING: ContextVar[Callable[[], None] | None] = ContextVar("LEAVING", default=None)
"""Called when a request leaves in this context, by whoever counts requests; what it raises stops the request."""

HEADROOM = 0.98
"""Share of a stated limit that is used, so that two clocks and an estimate that is off don't pass it."""
_MEAN = 0.1
"""Weight of the newest answer in the mean by which the next one's tokens are foreseen."""
_OVERLOADED = (408, 502, 503, 504, 529)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests and tokens a minute as stated; None is unlimited. max_tpm: prompts and answers together."""

    max_rpm: float | None = None
    max_tpm: float | None = None
    max_input_tpm: float | None = None
    max_output_tpm: float | None = None


@dataclass(slots=True)
class Turn:
    """One question on its way. kind: what is foreseen together; most_*: its tokens at worst, None: nobody knows."""

    kind: str
    most_input: int
    most_output: int | None
    priority: int = 0
    input: float = 0.0
    output: float = 0.0
    sent_at: float = 0.0


@dataclass(slots=True)
class _Foreseen:
    """Means over the answers of one kind: prompt tokens a byte of bound, and generated tokens."""

    input_share: float
    output: float


class Limits:
    """Says when a request may leave: by priority (the lower first), then by arrival.

    concurrency: the most requests in flight; fewer while the server is overloaded. patience_s: after so long with
    nothing but 429s, everybody who waits gets TeacherDown. in_flight: requests that have entered and not ended.
    """

    def __init__(self, allowed: Allowance, concurrency: int, patience_s: float) -> None:
        self._allowed, self._patience_s = allowed, patience_s
        self._width = Width(concurrency)
        self._foreseen: dict[str, _Foreseen] = {}
        self._waiting: list[tuple[int, int, Turn, asyncio.Future[None]]] = []
        self._count = self.in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._probe: Turn | None = None
        self._refused_since: float | None = None
        self._down: TeacherDown | None = None
        self._pace: Pace | None = None
        self._buckets: dict[str, Bucket] = {}

    async def enter(self, turn: Turn) -> None:
        """Wait until the request may leave. Raises TeacherDown when patience is at its end."""
        now = self._now()
        if self._down is not None:
            raise self._down
        if self._waiting or self._wait_s(turn, now) > 0:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._count += 1
            heapq.heappush(self._waiting, (turn.priority, self._count, turn, place))
            self._pump()
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled() and place.exception() is None:
                    self._take_back(turn)
                raise
        else:
            self._send(turn, now)
        leaving = LEAVING.get()
        if leaving is not None:
            try:
                leaving()
            except BaseException:
                self._take_back(turn)
                raise

    def leave(self, turn: Turn, status: int | None, headers: Mapping[str, str] | None = None) -> None:
        """The request that entered has ended: with a status, or with None when no answer came in time."""
        now = self._now()
        said = NOTHING if headers is None else read_headers(headers)
        self._end(turn)
        assert self._pace is not None
        self._width.limited |= status is None or status >= 400 or said != NOTHING or bool(self._buckets)
        if status == 429:
            self._give(turn, turn.input, turn.output, now)
            self._pace.refused(turn.sent_at, now, said, known=bool(self._buckets))
            self._refused_since = now if self._refused_since is None else self._refused_since
            if now - self._refused_since >= self._patience_s:
                self._give_up(now - self._refused_since)
        elif status is None or status in _OVERLOADED:
            if self._width.overloaded(turn.sent_at, now) and said.retry_after_s:
                self._pace.hold(now + said.retry_after_s)
        else:
            self._width.accepted()
            self._pace.accepted(now)
            if status >= 300:
                self._give(turn, turn.input, turn.output, now)
        if status != 429:
            self._refused_since = None
        self._believe(said, now)
        self._pump()

    def abandon(self, turn: Turn) -> None:
        """The request that entered was given up on this side; it says nothing about the server."""
        self._end(turn)
        self._pump()

    def settle(self, turn: Turn, usage: Usage) -> None:
        """Correct what was taken for an answered request by what it has really used, where the server told."""
        if usage.prompt_tokens + usage.completion_tokens == 0:
            return
        self._give(turn, turn.input - usage.prompt_tokens, turn.output - usage.completion_tokens, self._now())
        share = min(1.0, usage.prompt_tokens / max(1, turn.most_input))
        mean = self._foreseen.get(turn.kind)
        if mean is None:
            self._foreseen[turn.kind] = _Foreseen(share, usage.completion_tokens)
        else:
            mean.input_share += _MEAN * (share - mean.input_share)
            mean.output += _MEAN * (usage.completion_tokens - mean.output)
        self._pump()

    # --- whose turn it is ---------------------------------------------------------------------

    def _pump(self) -> None:
        """Let everybody go whose turn it is, and come back when it is the next one's."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            turn, place = self._waiting[0][2:]
            if not place.done():
                now = self._now()
                wait_s = self._wait_s(turn, now)
                if wait_s > 0:
                    if math.isfinite(wait_s):
                        self._timer = asyncio.get_running_loop().call_later(wait_s, self._pump)
                    return
                self._send(turn, now)
                place.set_result(None)
            heapq.heappop(self._waiting)

    def _wait_s(self, turn: Turn, now: float) -> float:
        """Seconds until `turn` may leave; infinite when somebody has to come back first."""
        assert self._pace is not None
        if self.in_flight >= self._width.places or (self._pace.refusing and self._probe is not None):
            return math.inf
        if now < self._pace.held_until:
            return max(1e-6, self._pace.held_until - now)
        self._foresee(turn)
        wait_s = max((bucket.wait_s(_share(turn, name), now) for name, bucket in self._buckets.items()), default=0.0)
        learned = self._pace.bucket
        if learned is not None:
            wait_s = max(wait_s, learned.wait_s(1.0, now))
        return max(1e-6, wait_s) if wait_s > 0 else 0.0

    def _foresee(self, turn: Turn) -> None:
        """What the next request of this kind will use: the mean of those before, never more than the worst."""
        mean = self._foreseen.get(turn.kind)
        turn.input = turn.most_input * (mean.input_share if mean else 1.0)
        most = turn.most_output
        turn.output = min(mean.output, math.inf if most is None else most) if mean else float(most or 0)

    def _send(self, turn: Turn, now: float) -> None:
        assert self._pace is not None
        for name, bucket in self._buckets.items():
            bucket.take(_share(turn, name), now)
        if self._pace.bucket is not None:
            self._pace.bucket.take(1.0, now)
        if self._pace.refusing:
            self._probe = turn
        turn.sent_at = now
        self.in_flight += 1

    def _take_back(self, turn: Turn) -> None:
        """It had its turn and didn't leave."""
        assert self._pace is not None
        now = self._now()
        self._end(turn)
        self._give(turn, turn.input, turn.output, now)
        for bucket in (self._buckets.get("requests"), self._pace.bucket):
            if bucket is not None:
                bucket.give(1.0, now)
        self._pump()

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        if self._probe is turn:
            self._probe = None

    def _give(self, turn: Turn, input: float, output: float, now: float) -> None:
        for name, amount in (("tokens", input + output), ("input", input), ("output", output)):
            if name in self._buckets:
                self._buckets[name].give(amount, now)

    # --- what is allowed ----------------------------------------------------------------------

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._pace is None:
            self._pace = Pace(now)
            self._buckets = {name: Bucket(per_min * HEADROOM, now) for name, per_min in self._stated().items()}
        return now

    def _stated(self) -> dict[str, float]:
        """What the configuration allows a minute, by bucket."""
        allowed = self._allowed
        stated = {
            "requests": allowed.max_rpm,
            "tokens": allowed.max_tpm,
            "input": allowed.max_input_tpm,
            "output": allowed.max_output_tpm,
        }
        return {name: per_min for name, per_min in stated.items() if per_min is not None}

    def _believe(self, said: Said, now: float) -> None:
        """Take over limits that nobody stated or that are lower, and what is left where others draw on it, too."""
        for name, limit, left in (
            ("requests", said.limit_requests, said.left_requests),
            ("tokens", said.limit_tokens, said.left_tokens),
        ):
            bucket = self._buckets.get(name)
            if limit is not None:
                per_min = max(1.0, min(limit, self._stated().get(name, math.inf))) * HEADROOM
                if bucket is None:
                    bucket = self._buckets[name] = Bucket(per_min, now)
                elif bucket.per_min != per_min:
                    bucket.change(per_min, now)
            if bucket is not None and left is not None:
                bucket.at_most(left, now)

    def _give_up(self, refused_s: float) -> None:
        """Tell everybody who waits that the server has refused for too long."""
        self._down = TeacherDown(
            f"nothing but rate-limit answers (429) for {refused_s:,.0f} s; start again later, nothing is lost "
            "(teacher.patience_s says how long that is waited for)"
        )
        while self._waiting:
            place = heapq.heappop(self._waiting)[3]
            if not place.done():
                place.set_exception(self._down)


def _share(turn: Turn, name: str) -> float:
    """What a turn takes of the bucket `name`."""
    if name == "requests":
        return 1.0
    return {"tokens": turn.input + turn.output, "input": turn.input, "output": turn.output}[name]
