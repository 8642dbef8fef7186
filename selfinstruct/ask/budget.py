"""`Budget` enforces the caps of a run, whatever the teachers report. `Asker` uses it.

Each request is reserved at its worst case before it leaves, and charged when it is over: with what the teacher states
about an answer, or with the worst case if the teacher states nothing credible or sends no answer but may bill the
request. So nothing in flight can exceed a cap. A request that doesn't fit waits while others are in flight, because
they may take less than their worst case; if none is in flight, the run ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..config.run_config import RunConfig
from ..core.counted import dollars
from ..core.errors import ConfigError
from ..core.prompts import Completion, Prompt, Usage
from ..journal.answer_values import Totals
from ..journal.reserved import Amounts, Reserved
from ..teachers.counting import Bound, bytes_bound, charge
from .prices import Price, check_prices
from .reserved_peak import ReservedPeak

_log = logging.getLogger(__name__)


class BudgetSpent(Exception):
    """The next request doesn't fit. The message names the cap."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What some requests of a question count for: tokens, and dollars (None if the price is unknown).

    assumed: how many of the requests count with their worst case, because the teacher didn't say what they took.
    """

    requests: int
    usage: Usage
    cost_usd: float | None
    assumed: int


@dataclass(slots=True, eq=False)
class Reservation:
    """One question in flight: what its requests count for, and what the next one may take. It is their `Meter`.

    Attributes:
        spent: What its requests count for so far.
        lost: The part of it for requests that may be billed, but brought no answer.
        worst: What is reserved for the current request. requests: 1 until it leaves.
        is_held: Whether `worst` is reserved now.
        is_out: Whether a request has left and is not over.
        is_presumed: Whether a request counts as sent although the teacher doesn't use the meter.
        unsaved: What the journal must hold of it until its answer is committed.
        received: Tokens of the current request's answer that have arrived so far, if it is streamed.
        limit: Ends an answer that may be cut off. is_cut: Whether it was.
    """

    budget: Budget
    teacher: str
    prompt: Prompt
    price: Price | None
    spent: Amounts = field(default_factory=Amounts)
    lost: Amounts = field(default_factory=Amounts)
    worst: Amounts = field(default_factory=Amounts)
    is_held: bool = False
    is_out: bool = False
    is_presumed: bool = False
    unsaved: Amounts = field(default_factory=Amounts)
    received: int = 0
    limit: asyncio.Timeout | None = None
    is_cut: bool = False

    async def begin(self) -> None:
        """Reserve the next request, in the budget and on disk. Raises BudgetSpent, StorageError."""
        self.is_presumed = False
        if not self.is_held:
            await self.budget.hold(self)
        await self.budget.save(self)

    def leave(self) -> None:
        """Count the reserved request as sent."""
        self.budget.leave(self)

    def receive(self, tokens: int, limit: asyncio.Timeout | None) -> None:
        """Count tokens of an answer that is arriving."""
        self.limit = limit
        self.received += tokens
        self.budget.arriving += tokens

    def cut_off(self) -> bool:
        """End an answer that is arriving, and keep what has arrived; return whether that is possible."""
        if self.limit is not None and not self.is_cut:
            self.limit.reschedule(0)
            self.is_cut = True
        return self.is_cut

    def end(self, *, billed: bool) -> None:
        """Charge a request that brought no answer, if it may be billed."""
        self.budget.end(self, billed=billed)


class Budget:
    """Caps on dollars, tokens and requests, and what was spent.

    Attributes:
        priced: Whether the price of every teacher is known.
        max_cost_usd, max_tokens, max_requests: The caps; None for no cap.
        cost_usd, tokens, requests: What was spent, including earlier starts.
        arriving: Tokens of answers in flight that have arrived so far, where answers are streamed.
    """

    def __init__(
        self,
        config: RunConfig,
        prices: Mapping[str, Price | None],
        spent: Totals,
        bounds: Mapping[str, Bound] | None = None,
        reserved: Reserved | None = None,
    ) -> None:
        """Start from what earlier starts have spent.

        Args:
            config: Contains the caps.
            prices: The price of each teacher by its name; None if unknown.
            spent: What earlier starts have spent.
            bounds: For each teacher, a function that returns the most tokens a prompt can have; by default its bytes.
            reserved: Where the worst case of the requests in flight is written before they leave; None: nowhere.

        Raises:
            ConfigError: Dollars are capped and a price is unknown.
        """
        check_prices(config, prices)
        self._prices, self._bounds = prices, bounds or {}
        self._peak = None if reserved is None else ReservedPeak(reserved)
        self.priced = None not in prices.values()
        self.max_cost_usd = config.max_cost_usd
        self.max_tokens = config.max_tokens
        self.max_requests = config.max_requests
        # Tokens whose price was unknown when they were used are counted at the price that is known now.
        unpriced = ((prices.get(name), usage) for name, usage in spent.unpriced.items())
        self.requests = spent.requests
        self.tokens = spent.prompt_tokens + spent.completion_tokens
        self.cost_usd = spent.cost_usd + sum(price.cost(usage) for price, usage in unpriced if price is not None)
        # Requests in flight: all of them, the sum of their worst cases, and by how much a teacher exceeded one.
        self._held: set[Reservation] = set()
        self._reserved = Amounts()
        self._excess: dict[str, Amounts] = defaultdict(Amounts)
        self.arriving = 0
        self._changed = asyncio.Event()
        self._warned: set[str] = set()

    async def reserve(self, prompt: Prompt, teacher: str) -> Reservation:
        """Reserve the worst case of sending `prompt` to `teacher`; wait for answers in flight if it doesn't fit now.

        Raises:
            BudgetSpent: The request doesn't fit, and no other request is in flight.
            ConfigError: Tokens or dollars are capped, but the prompt has no token limit and so no worst case.
        """
        reservation = Reservation(self, teacher, prompt, self._prices.get(teacher))
        await self.hold(reservation)
        return reservation

    async def hold(self, reservation: Reservation) -> None:
        """Reserve the worst case of one more request of a question, as `reserve` does."""
        while (cap := self._passed(worst := self._worst_case(reservation))) is not None:
            if not self._held:  # no answer can make room any more
                raise BudgetSpent(cap)
            self._changed.clear()  # the next request that is over sets it
            await self._changed.wait()
        reservation.worst, reservation.is_held = worst, True
        self._held.add(reservation)
        self._reserved.add(worst)

    def leave(self, reservation: Reservation) -> None:
        """Count a reserved request as sent."""
        reservation.is_out, reservation.is_presumed, reservation.worst.requests = True, False, 0
        self._reserved.requests -= 1
        self.requests += 1
        reservation.spent.requests += 1

    def end(self, reservation: Reservation, *, billed: bool) -> None:
        """Charge a request that brought no answer with its worst case if it may be billed, and release the rest."""
        reservation.is_out = False
        if billed:
            worst = reservation.worst
            charged = Amounts(0, worst.prompt_tokens, worst.completion_tokens, worst.cost_usd)
            self._charge(reservation, charged)
            reservation.lost.add(charged)
            reservation.lost.requests += 1
        self._release(reservation)

    def settle(self, reservation: Reservation, completion: Completion | None) -> tuple[Charge | None, Charge | None]:
        """End a question: charge the request that is out, and release what is reserved.

        Args:
            reservation: What `reserve` returned.
            completion: The answer; None if there is none. A request that is out may be billed nevertheless.

        Returns:
            What counts for the answer, and what counts for requests that brought none; None for nothing. A failed
            answer takes all.
        """
        # A teacher that doesn't use the meter has sent one request if it was asked, or if it answered.
        if reservation.is_presumed or (completion is not None and not reservation.spent.requests):
            self.leave(reservation)
        spent, lost, price = reservation.spent, reservation.lost, reservation.price
        usage, is_assumed = Usage(), False
        if reservation.is_out and completion is not None:
            worst = Usage(reservation.worst.prompt_tokens, reservation.worst.completion_tokens)
            usage, is_assumed = charge(completion, reservation.prompt, worst)
            if is_assumed and not completion.failed:
                said = completion.usage
                is_silent = not (said.prompt_tokens or said.completion_tokens)
                sent = f"{said.prompt_tokens:,}" if said.prompt_tokens else "unknown"
                generated = "unknown" if said.partial or is_silent else f"{said.completion_tokens:,}"
                counts = f"{sent} in the prompt, {generated} generated"
                what = f"states no credible token counts ({counts}); the budget counts the worst case"
                self._warn(reservation.teacher, what)
            cost_usd = (price.highest(usage) if is_assumed else price.cost(usage)) if price else 0.0
            self._note_excess(reservation, usage, cost_usd)
            self._charge(reservation, Amounts(0, usage.prompt_tokens, usage.completion_tokens, cost_usd))
        elif reservation.is_out:
            self.end(reservation, billed=True)
        self._release(reservation)

        # An answer's own tokens are its record's; how often it was tried must not change the dataset.
        every = Usage(spent.prompt_tokens, spent.completion_tokens, usage.cached_tokens)
        whole = Charge(spent.requests, every, spent.cost_usd if price else None, lost.requests + is_assumed)
        if completion is None:
            return None, whole if spent.requests else None
        if completion.failed or not lost.requests:
            return whole, None
        tried = Charge(
            lost.requests,
            Usage(lost.prompt_tokens, lost.completion_tokens),
            lost.cost_usd if price else None,
            lost.requests,
        )
        rest_usd = spent.cost_usd - lost.cost_usd if price else None
        return Charge(spent.requests - lost.requests, replace(usage, cost_usd=0.0), rest_usd, int(is_assumed)), tried

    def _charge(self, reservation: Reservation, amounts: Amounts) -> None:
        reservation.spent.add(amounts)
        self.tokens += amounts.prompt_tokens + amounts.completion_tokens
        self.cost_usd += amounts.cost_usd

    def _release(self, reservation: Reservation) -> None:
        """Release what is reserved for the current request, and wake the questions that wait for room."""
        self.arriving -= reservation.received
        reservation.received, reservation.limit = 0, None
        if reservation.is_held:
            reservation.is_held = reservation.is_out = reservation.is_presumed = False
            self._held.discard(reservation)
            self._reserved.add(reservation.worst, -1)
            if not self._held:
                self._reserved.cost_usd = 0.0  # remove rounding errors
        self._changed.set()

    def _note_excess(self, reservation: Reservation, usage: Usage, cost_usd: float) -> None:
        """If an answer took or cost more than its worst case, reserve so much more for this teacher from now on."""
        worst, teacher, price = reservation.worst, reservation.teacher, reservation.price
        prompt = max(0, usage.prompt_tokens - worst.prompt_tokens)
        generated = max(0, usage.completion_tokens - worst.completion_tokens) if worst.completion_tokens else 0
        # Fees, that is, dollars beyond what the tokens cost at the teacher's price.
        fee_usd = cost_usd - worst.cost_usd - price.highest(Usage(prompt, generated)) if price else 0.0
        if fee_usd > 1e-9:  # rounding
            self._warn(teacher, "states a higher cost than its tokens have; the budget counts it")
        else:
            fee_usd = 0.0
        self._excess[teacher].add(Amounts(0, prompt, generated, fee_usd))
        for other in self._held:
            if other is not reservation and other.teacher == teacher:
                extra = self._amounts(0, prompt, generated, other.price, fee_usd)
                other.worst.add(extra)
                self._reserved.add(extra)
        if prompt or generated:
            self._warn(
                teacher, "counts more tokens than the prompt and max_tokens allow; the budget reserves more from now on"
            )

    @staticmethod
    def _amounts(requests: int, prompt: int, completion: int, price: Price | None, fee_usd: float) -> Amounts:
        cost_usd = price.highest(Usage(prompt, completion)) + fee_usd if price else 0.0
        return Amounts(requests, prompt, completion, cost_usd)

    def _warn(self, teacher: str, what: str) -> None:
        line = f"selfinstruct: warning: {teacher}: the server {what}"
        if line not in self._warned:
            self._warned.add(line)
            _log.warning("%s", line)

    def _worst_case(self, reservation: Reservation) -> Amounts:
        """Return the most that one more request of a question can take."""
        prompt, price, more = reservation.prompt, reservation.price, self._excess[reservation.teacher]
        size, limit = self._bounds.get(reservation.teacher, bytes_bound)(prompt), prompt.sampling.max_tokens
        if limit is None and (self.max_tokens is not None or self.max_cost_usd is not None):
            section = "judge" if prompt.purpose == "judge" else f"strategy.{prompt.purpose}"
            raise ConfigError(f"{section}.max_tokens: a cap on tokens or dollars needs a token limit here; set one")
        # Without caps, no limit is needed.
        most = limit + more.completion_tokens if limit is not None else 0
        return self._amounts(1, size + more.prompt_tokens, most, price, more.cost_usd)

    def _passed(self, worst: Amounts) -> str | None:
        """Return the cap that `worst` would exceed, in words, or None."""
        if self.max_requests is not None and self.requests + self._reserved.requests + 1 > self.max_requests:
            return f"max_requests: {self.requests:,} of {self.max_requests:,} requests are used"
        next_tokens = worst.prompt_tokens + worst.completion_tokens
        tokens = self.tokens + self._reserved.prompt_tokens + self._reserved.completion_tokens + next_tokens
        if self.max_tokens is not None and tokens > self.max_tokens:
            return (
                f"max_tokens: {self.tokens:,} of {self.max_tokens:,} tokens are used, and the next request "
                f"may take {next_tokens:,}"
            )
        cost = self.cost_usd + self._reserved.cost_usd + worst.cost_usd
        if self.max_cost_usd is not None and cost > self.max_cost_usd + 1e-12:  # rounding
            return (
                f"max_cost_usd: {dollars(self.cost_usd)} of {dollars(self.max_cost_usd)} are spent, and the next "
                f"request may cost {dollars(worst.cost_usd)}"
            )
        return None

    # --- on disk --------------------------------------------------------------------------------

    async def save(self, reservation: Reservation) -> None:
        """Have the journal hold what a question may cost before its next request leaves. Raises StorageError."""
        if self._peak is not None:
            old, reservation.unsaved = reservation.unsaved, reservation.spent.plus(reservation.worst)
            is_priced = reservation.price is not None
            await self._peak.replace(reservation.teacher, old, reservation.unsaved, priced=is_priced)

    def committed(self, reservation: Reservation) -> None:
        """Note that the journal holds what a question has cost, so its worst case needn't be there any more."""
        if self._peak is not None:
            self._peak.release(reservation.teacher, reservation.unsaved, priced=reservation.price is not None)
            reservation.unsaved = Amounts()

    def close(self) -> None:
        """Delete what the journal holds for requests in flight; there are none any more."""
        if self._peak is not None:
            self._peak.close()
