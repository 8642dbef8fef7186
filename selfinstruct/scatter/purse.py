"""What all streams together may spend and how fast they may ask: kept in one place, asked before every question.

It is the `Budget` and the `Limits` of one run, with many runs behind them. On a cluster it lives in an actor; when that
is lost, the streams can't ask any more and end, and the next start counts anew what the journals say was spent.
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

_NO_WIDTH = 1 << 20
"""Questions in flight at a time are each stream's own affair."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave for one question. requests: how many may be sent for it, retries included; None: any number."""

    number: int
    requests: int | None


@dataclass(slots=True)
class _UnderWay:
    stream: int
    teacher: str
    reservation: Reservation
    turn: Turn
    tries: int


class Purse:
    """Caps and stated limits of `config`, for all streams. spent: what their journals say so far."""

    def __init__(self, config: RunConfig, spent: Totals) -> None:
        """Raises ConfigError when dollars are capped and a price isn't known."""
        listed = config.all_teachers
        self._bounds = {each.label: bound_of(each) for each in listed}
        self._tries = {each.label: 1 + each.max_retries for each in listed}
        self._max_requests = config.max_requests
        uncounted = config.model_copy(update={"max_requests": None})
        self._budget = Budget(uncounted, {each.label: price_of(each) for each in listed}, spent, self._bounds)
        self._limits = {
            each.label: Limits(
                Allowance(each.max_rpm, each.max_tpm, each.max_input_tpm, each.max_output_tpm),
                _NO_WIDTH,
                each.patience_s,
            )
            for each in listed
        }
        self._under_way: dict[int, _UnderWay] = {}
        self._numbers = itertools.count(1)
        self._left = asyncio.Condition()
        self._reserved_requests = 0
        self._lives: Counter[int] = Counter()
        self._records: dict[int, int] = {}

    async def enter(self, stream: int, teacher: str, prompt: Prompt) -> Ticket | str:
        """Wait until the question may leave. Gives a ticket, or the cap that leaves no room for it."""
        tries, life = self._tries[teacher], self._lives[stream]
        if (cap := await self._request_room(tries)) is not None:
            return cap
        self._reserved_requests += tries
        try:
            reservation = await self._budget.reserve(prompt, teacher)
        except BudgetSpent as spent:
            await self._give_back(tries)
            return str(spent)
        turn = Turn(prompt.purpose, self._bounds[teacher](prompt), prompt.sampling.max_tokens)
        await self._limits[teacher].enter(turn)
        number = next(self._numbers)
        self._under_way[number] = _UnderWay(stream, teacher, reservation, turn, tries)
        if life != self._lives[stream]:  # whoever asked is gone
            await self.leave(number, None, 0)
            return "the stream was begun anew"
        return Ticket(number, None if self._max_requests is None else tries)

    async def leave(self, number: int, usage: Usage | None, requests: int) -> None:
        """The question is over: what was used, None for no answer, and how many requests have left for it.

        number: of the ticket; that of an earlier life of the stream is none any more.
        """
        under_way = self._under_way.pop(number, None)
        if under_way is None:
            return
        limits = self._limits[under_way.teacher]
        limits.leave(under_way.turn, 200)
        if usage is not None:
            limits.settle(under_way.turn, usage)
        under_way.reservation.requests = requests
        self._budget.settle(under_way.reservation, usage)
        self._budget.requests += max(0, requests - 1)
        await self._give_back(under_way.tries)

    async def renew(self, stream: int) -> None:
        """The stream begins or has ended: what an earlier life of it had under way is answered to nobody any more.

        Its requests may have reached the server all the same; so they count.
        """
        self._lives[stream] += 1
        for number in [number for number, each in self._under_way.items() if each.stream == stream]:
            await self.leave(number, None, 1)

    async def note(self, stream: int, records: int) -> None:
        """The stream has so many records."""
        self._records[stream] = records

    async def records(self) -> list[int]:
        """How many records each stream that has told has."""
        return list(self._records.values())

    async def spent(self) -> tuple[int, int, float]:
        """Requests, tokens and dollars so far."""
        return self._budget.requests, self._budget.tokens, self._budget.cost_usd

    async def _give_back(self, tries: int) -> None:
        self._reserved_requests -= tries
        async with self._left:
            self._left.notify_all()

    async def _request_room(self, tries: int) -> str | None:
        """Wait until so many requests fit under the cap. Gives the cap in words when they never will."""
        most, budget = self._max_requests, self._budget
        while most is not None and budget.requests + self._reserved_requests + tries > most:
            if not self._reserved_requests:
                return f"max_requests: {budget.requests:,} of {most:,} requests are used"
            async with self._left:
                await self._left.wait()
        return None
