"""The rate limiter: decides when the next request to a server may leave.

It follows what the configuration allows, what the server's headers say, and what it learns from 429s. There is one
`Limits` for each server, and every HTTP request passes through it, the SDK's retries included. It sends nothing itself.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ...core.errors import TeacherDown
from ...core.prompts import Usage
from .bucket import Bucket
from .headers import NO_HEADERS, RateHeaders, read_headers
from .learned import Pace, Width

__all__ = ["Allowance", "Limits", "Turn"]

HEADROOM = 0.98
"""Share of a stated limit that is used: a margin for the difference of two clocks and for wrong estimates."""
_MEAN = 0.1
"""Weight of the newest answer in the moving average that estimates the tokens of the next one."""
_OVERLOADED = (408, 502, 503, 504, 529)


@dataclass(frozen=True, slots=True)
class Allowance:
    """Requests and tokens per minute that the configuration allows; None: unlimited. max_tpm: input plus output."""

    max_rpm: float | None = None
    max_tpm: float | None = None
    max_input_tpm: float | None = None
    max_output_tpm: float | None = None


@dataclass(slots=True)
class Turn:
    """One question in the limiter. Reused for each of its requests.

    kind: questions of one kind share an estimate of their tokens. most_input, most_output: upper bounds in tokens; None
    if unknown. priority: the lower goes first. cut_after_s: seconds after which a streamed answer is cut off; None if
    it must not be. input, output: tokens reserved for the current request.
    """

    kind: str
    most_input: int
    most_output: int | None
    priority: int = 0
    cut_after_s: float | None = None
    input: float = 0.0
    output: float = 0.0
    sent_at: float = 0.0


@dataclass(slots=True)
class _Means:
    """Moving averages over the answers of one kind: input tokens as a share of the bound, and output tokens."""

    input_share: float
    output: float


class Limits:
    """Decides when a request may leave: by priority (the lower first), then by arrival.

    Call `enter` before a request, then `leave` or `abandon`, and `settle` once the answer's usage is known. in_flight:
    requests between `enter` and its end.
    """

    def __init__(self, allowed: Allowance, concurrency: int, patience_s: float) -> None:
        """Start with the configured limits. concurrency: the most requests in flight; overloads reduce it for a while.

        patience_s: after so many seconds with nothing but 429s, all waiters get TeacherDown.
        """
        self._allowed, self._patience_s = allowed, patience_s
        self._width = Width(concurrency)
        self._means: dict[str, _Means] = {}
        self._waiting: list[tuple[int, int, Turn, asyncio.Future[None]]] = []
        self._count = self.in_flight = 0
        self._timer: asyncio.TimerHandle | None = None
        self._probe: Turn | None = None
        self._refused_since: float | None = None
        self._down: TeacherDown | None = None
        self._pace: Pace | None = None
        self._buckets: dict[str, Bucket] = {}

    async def enter(self, turn: Turn) -> None:
        """Wait until the request may leave. Raises TeacherDown after `patience_s` of nothing but 429s."""
        now = self._now()
        if self._down is not None:
            raise self._down

        # Leave at once, or queue behind those who already wait.
        if self._waiting or self._wait_s(turn, now) > 0:
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._count += 1
            heapq.heappush(self._waiting, (turn.priority, self._count, turn, place))
            self._release()
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled() and place.exception() is None:
                    self._undo(turn)
                raise
        else:
            self._send(turn, now)

    def leave(self, turn: Turn, status: int | None, headers: Mapping[str, str] | None = None) -> None:
        """A request that entered has ended. status: None if no response came. headers: names in lower case."""
        now = self._now()
        said = NO_HEADERS if headers is None else read_headers(headers)
        self._end(turn)
        assert self._pace is not None
        self._width.limited |= status is None or status >= 400 or said != NO_HEADERS or bool(self._buckets)

        # Learn from the status. Without an answer no tokens were used.
        if status == 429:
            self._refund(turn, turn.input, turn.output, now)
            self._pace.refused(turn.sent_at, now, said, known=bool(self._buckets))
            self._refused_since = now if self._refused_since is None else self._refused_since
            if now - self._refused_since >= self._patience_s:
                self._reject_all(now - self._refused_since)
        elif status is None or status in _OVERLOADED:
            if self._width.overloaded(turn.sent_at, now) and said.retry_after_s:
                self._pace.hold(now + said.retry_after_s)
        else:
            self._width.accepted()
            self._pace.accepted(now)
            if status >= 300:  # a redirect or an error
                self._refund(turn, turn.input, turn.output, now)
        if status != 429:
            self._refused_since = None

        # Let the next ones go under the limits as they are now.
        self._apply_headers(said, now)
        self._release()

    def abandon(self, turn: Turn) -> None:
        """A request that entered was cancelled on our side, which says nothing about the server."""
        self._end(turn)
        self._release()

    def settle(self, turn: Turn, usage: Usage) -> None:
        """Replace the tokens reserved for an answered request by what counts for it."""
        self._refund(turn, turn.input - usage.prompt_tokens, turn.output - usage.completion_tokens, self._now())
        share = min(1.0, usage.prompt_tokens / max(1, turn.most_input))
        mean = self._means.get(turn.kind)
        if mean is None:
            self._means[turn.kind] = _Means(share, usage.completion_tokens)
        else:
            mean.input_share += _MEAN * (share - mean.input_share)
            mean.output += _MEAN * (usage.completion_tokens - mean.output)
        self._release()

    # --- order -------------------------------------------------------------------------------

    def _release(self) -> None:
        """Let the first waiters go until one has to wait; set a timer for that one."""
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
                        self._timer = asyncio.get_running_loop().call_later(wait_s, self._release)
                    return
                self._send(turn, now)
                place.set_result(None)
            heapq.heappop(self._waiting)

    def _wait_s(self, turn: Turn, now: float) -> float:
        """Seconds until `turn` may leave; infinite if another request has to end first."""
        assert self._pace is not None
        if self.in_flight >= self._width.places or (self._pace.refusing and self._probe is not None):
            return math.inf
        if now < self._pace.held_until:
            return max(1e-6, self._pace.held_until - now)
        self._estimate(turn)
        wait_s = max((bucket.wait_s(_share(turn, name), now) for name, bucket in self._buckets.items()), default=0.0)
        learned = self._pace.bucket
        if learned is not None:
            wait_s = max(wait_s, learned.wait_s(1.0, now))
        return max(1e-6, wait_s) if wait_s > 0 else 0.0

    def _estimate(self, turn: Turn) -> None:
        """Reserve what requests of this kind used on average, at most the upper bound."""
        mean = self._means.get(turn.kind)
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

    def _undo(self, turn: Turn) -> None:
        """The request got its turn but didn't leave."""
        assert self._pace is not None
        now = self._now()
        self._end(turn)
        self._refund(turn, turn.input, turn.output, now)
        for bucket in (self._buckets.get("requests"), self._pace.bucket):
            if bucket is not None:
                bucket.give(1.0, now)
        self._release()

    def _end(self, turn: Turn) -> None:
        self.in_flight -= 1
        if self._probe is turn:
            self._probe = None

    def _refund(self, turn: Turn, input: float, output: float, now: float) -> None:
        for name, amount in (("tokens", input + output), ("input", input), ("output", output)):
            if name in self._buckets:
                self._buckets[name].give(amount, now)

    # --- what is allowed ----------------------------------------------------------------------

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._pace is None:
            self._pace = Pace(now)
            self._buckets = {name: Bucket(per_min * HEADROOM, now) for name, per_min in self._configured().items()}
        return now

    def _configured(self) -> dict[str, float]:
        allowed = self._allowed
        stated = {
            "requests": allowed.max_rpm,
            "tokens": allowed.max_tpm,
            "input": allowed.max_input_tpm,
            "output": allowed.max_output_tpm,
        }
        return {name: per_min for name, per_min in stated.items() if per_min is not None}

    def _apply_headers(self, said: RateHeaders, now: float) -> None:
        """Adopt limits that aren't configured or are lower than configured, and what other clients left of them."""
        for name, limit, left in (
            ("requests", said.limit_requests, said.left_requests),
            ("tokens", said.limit_tokens, said.left_tokens),
        ):
            bucket = self._buckets.get(name)
            if limit is not None:
                per_min = max(1.0, min(limit, self._configured().get(name, math.inf))) * HEADROOM
                if bucket is None:
                    bucket = self._buckets[name] = Bucket(per_min, now)
                elif bucket.per_min != per_min:
                    bucket.change(per_min, now)
            if bucket is not None and left is not None:
                bucket.at_most(left, now)

    def _reject_all(self, refused_s: float) -> None:
        """Reject current and future waiters: the server has refused everything for too long."""
        self._down = TeacherDown(
            f"nothing but rate-limit answers (429) for {refused_s:,.0f} s; start again later, nothing is lost "
            "(teacher.patience_s says how long that is waited for)"
        )
        while self._waiting:
            place = heapq.heappop(self._waiting)[3]
            if not place.done():
                place.set_exception(self._down)


def _share(turn: Turn, name: str) -> float:
    if name == "requests":
        return 1.0
    return {"tokens": turn.input + turn.output, "input": turn.input, "output": turn.output}[name]
