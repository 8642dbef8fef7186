"""The spending caps and rate limits that all streams of a job share, checked before every request.

`SharedBudget` combines the `Budget` and the `Limits` of one run for many runs. On a cluster it lives in a Ray actor. If
the actor is lost, the streams can send nothing more and stop; the next start reads the spending from the journals.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass

from ..ask.budget import Budget, BudgetSpent, Reservation
from ..ask.prices import price_of
from ..config.run_config import RunConfig
from ..core.prompts import Completion, Prompt, Usage
from ..journal.answer_values import Totals
from ..teachers.counting import bound_of
from ..teachers.limits import Allowance, Limits, Turn
from ..teachers.openai.options import OpenAIOptions

# Effectively no limit on requests in flight: each stream limits its own.
_NO_WIDTH = 1 << 20


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to send one request."""

    number: int  # identifies the permit in `SharedBudget.release`
    worst: Usage  # the most that the request may take


@dataclass(slots=True)
class _InFlight:
    stream: int
    teacher: str
    reservation: Reservation
    turn: Turn


class SharedBudget:
    """The caps and stated rate limits of `config`, shared by all streams."""

    def __init__(self, config: RunConfig, spent: Totals) -> None:
        """Start from what all streams have `spent`. Raises ConfigError if dollars are capped and a price is unknown."""
        listed = config.all_teachers
        # A kind of your own states no limits.
        stated = {each.label: each if isinstance(each, OpenAIOptions) else OpenAIOptions() for each in listed}
        self._bounds = {each.label: bound_of(each) for each in listed}
        self._budget = Budget(config, {each.label: price_of(each) for each in listed}, spent, self._bounds)
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
        self._restarts: Counter[int] = Counter()
        self._records: dict[int, int] = {}

    async def acquire(self, stream: int, teacher: str, prompt: Prompt) -> Permit | str:
        """Wait until a stream may send a request. Returns a permit, or a description of the cap that leaves no room."""
        restarts = self._restarts[stream]
        # Reserve the worst case, then wait for the rate limit.
        try:
            reservation = await self._budget.reserve(prompt, teacher)
        except BudgetSpent as spent:
            return str(spent)
        turn = Turn(prompt.purpose, self._bounds[teacher](prompt), prompt.sampling.max_tokens)
        await self._limits[teacher].enter(turn)
        number, worst = next(self._numbers), reservation.worst
        self._in_flight[number] = _InFlight(stream, teacher, reservation, turn)
        if restarts != self._restarts[stream]:  # the process that asked is gone
            await self.release(number, None, sent=False)
            return "the stream was restarted"
        return Permit(number, Usage(worst.prompt_tokens, worst.completion_tokens))

    async def release(self, number: int, usage: Usage | None, *, sent: bool, billed: bool = True) -> None:
        """End a request; ignores canceled permits.

        Args:
            number: The permit's number.
            usage: The tokens that count for the answer; None if there is no answer.
            sent: Whether the request was sent.
            billed: Whether the provider may bill a request that was sent and brought no answer.
        """
        request = self._in_flight.pop(number, None)
        if request is None:
            return
        limits = self._limits[request.teacher]
        limits.leave(request.turn, 200)
        if usage is not None:
            limits.settle(request.turn, usage)
        if sent:
            self._budget.leave(request.reservation)
        if sent and usage is None:
            self._budget.end(request.reservation, billed=billed)
        self._budget.settle(request.reservation, None if usage is None else Completion("", usage=usage))

    async def cancel_in_flight(self, stream: int) -> None:
        """Release all permits of a stream that starts or has ended: no earlier process of the stream is left.

        Each permit counts as a request that may be billed, since it may have reached the server.
        """
        self._restarts[stream] += 1
        for number in [number for number, each in self._in_flight.items() if each.stream == stream]:
            await self.release(number, None, sent=True)

    async def report_records(self, stream: int, records: int) -> None:
        """Note how many records the stream has."""
        self._records[stream] = records

    async def record_counts(self) -> list[int]:
        """Return the records of each stream that has reported."""
        return list(self._records.values())

    async def totals(self) -> tuple[int, int, float]:
        """Return the requests, tokens and dollars spent so far."""
        return self._budget.requests, self._budget.tokens, self._budget.cost_usd
