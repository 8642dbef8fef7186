"""The spending caps and rate limits that all streams of a job share, checked before every request.

`SharedBudget` combines the `Budget` and the `Limits` of one run for many runs. On a cluster it lives in a Ray actor. If
the actor is lost, the streams can send nothing more and stop; the next start reads the spending from the journals.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass

from ..ask.budget import Budget, BudgetSpent, Reservation, price_of
from ..config.run_config import RunConfig
from ..core.prompts import Prompt, Usage
from ..journal.journal import Totals
from ..teachers.counting import bound_of
from ..teachers.limits import Allowance, Limits, Turn
from ..teachers.openai.options import OpenAIOptions

# Effectively no limit on requests in flight: each stream limits its own.
_NO_WIDTH = 1 << 20


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to ask one question."""

    number: int  # identifies the permit in `SharedBudget.release`
    requests: int | None  # requests allowed for the question, retries included; None for any number


@dataclass(slots=True)
class _InFlight:
    stream: int
    teacher: str
    reservation: Reservation
    turn: Turn
    tries: int


class SharedBudget:
    """The caps and stated rate limits of `config`, shared by all streams."""

    def __init__(self, config: RunConfig, spent: Totals) -> None:
        """Start from what all streams have `spent`. Raises ConfigError if dollars are capped and a price is unknown."""
        # Requests are capped here, not in `Budget`: a permit reserves its retries too.
        listed = config.all_teachers
        # A kind of your own states no limits.
        stated = {each.label: each if isinstance(each, OpenAIOptions) else OpenAIOptions() for each in listed}
        self._bounds = {each.label: bound_of(each) for each in listed}
        self._tries = {name: 1 + each.max_retries for name, each in stated.items()}
        self._max_requests = config.max_requests
        uncounted = config.model_copy(update={"max_requests": None})
        self._budget = Budget(uncounted, {each.label: price_of(each) for each in listed}, spent, self._bounds)
        self._limits = {
            name: Limits(
                Allowance(each.max_rpm, each.max_tpm, each.max_input_tpm, each.max_output_tpm),
                _NO_WIDTH,
                each.patience_s,
            )
            for name, each in stated.items()
        }
        self._in_flight: dict[int, _InFlight] = {}
        self._numbers = itertools.count(1)
        self._released = asyncio.Condition()
        self._reserved_requests = 0
        self._restarts: Counter[int] = Counter()
        self._records: dict[int, int] = {}

    async def acquire(self, stream: int, teacher: str, prompt: Prompt) -> Permit | str:
        """Wait until a stream may ask a question. Returns a permit, or a description of the cap that leaves no room."""
        tries, restarts = self._tries[teacher], self._restarts[stream]
        if (cap := await self._wait_for_requests(tries)) is not None:
            return cap
        # Reserve requests, then tokens and dollars, then wait for the rate limit.
        self._reserved_requests += tries
        try:
            reservation = await self._budget.reserve(prompt, teacher)
        except BudgetSpent as spent:
            await self._release_requests(tries)
            return str(spent)
        turn = Turn(prompt.purpose, self._bounds[teacher](prompt), prompt.sampling.max_tokens)
        await self._limits[teacher].enter(turn)
        number = next(self._numbers)
        self._in_flight[number] = _InFlight(stream, teacher, reservation, turn, tries)
        if restarts != self._restarts[stream]:  # the process that asked is gone
            await self.release(number, None, 0)
            return "the stream was restarted"
        return Permit(number, None if self._max_requests is None else tries)

    async def release(self, number: int, usage: Usage | None, requests: int) -> None:
        """Settle a question with the tokens used (None: no answer) and requests sent; ignores canceled permits."""
        request = self._in_flight.pop(number, None)
        if request is None:
            return
        limits = self._limits[request.teacher]
        limits.leave(request.turn, 200)
        if usage is not None:
            limits.settle(request.turn, usage)
        request.reservation.requests = requests
        self._budget.settle(request.reservation, usage)
        self._budget.requests += max(0, requests - 1)
        await self._release_requests(request.tries)

    async def cancel_in_flight(self, stream: int) -> None:
        """Release all permits of a stream that starts or has ended: no earlier process of the stream is left.

        Each permit counts as one request, since the request may have reached the server.
        """
        self._restarts[stream] += 1
        for number in [number for number, each in self._in_flight.items() if each.stream == stream]:
            await self.release(number, None, 1)

    async def report_records(self, stream: int, records: int) -> None:
        """Note how many records the stream has."""
        self._records[stream] = records

    async def record_counts(self) -> list[int]:
        """Return the records of each stream that has reported."""
        return list(self._records.values())

    async def totals(self) -> tuple[int, int, float]:
        """Return the requests, tokens and dollars spent so far."""
        return self._budget.requests, self._budget.tokens, self._budget.cost_usd

    async def _release_requests(self, tries: int) -> None:
        self._reserved_requests -= tries
        async with self._released:
            self._released.notify_all()

    async def _wait_for_requests(self, tries: int) -> str | None:
        """Wait until `tries` requests fit under the cap. Returns a description of the cap if they never will."""
        most, budget = self._max_requests, self._budget
        while most is not None and budget.requests + self._reserved_requests + tries > most:
            if not self._reserved_requests:
                return f"max_requests: {budget.requests:,} of {most:,} requests are used"
            async with self._released:
                await self._released.wait()
        return None
