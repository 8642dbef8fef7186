"""No cap is ever exceeded, however many questions are in flight; a run within its caps continues."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from selfinstruct.ask.budget import Budget, BudgetSpent, Charge
from selfinstruct.ask.prices import Price, price_of, stated_price
from selfinstruct.config.options import TeacherOptions
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.journal.answer_values import Totals
from selfinstruct.teachers.fake.options import FakeOptions
from selfinstruct.teachers.local.options import LocalOptions
from selfinstruct.teachers.openai.options import OpenAIOptions

TEACHER = "gpt-4o-mini"
PRICE = Price(1.5, 0.3, 6.0, "test")
MakeConfig = Callable[..., RunConfig]


def config(**caps: float | int | None) -> RunConfig:
    return RunConfig.parse({"seeds": "s", "run_dir": "r", **caps})


def prompt(size: int = 40, limit: int | None = 100) -> Prompt:
    return Prompt("propose", (Message("user", "x" * size),), Sampling(max_tokens=limit))


caps = st.fixed_dictionaries(
    {
        "max_cost_usd": st.none() | st.floats(0, 0.02),
        "max_tokens": st.none() | st.integers(0, 20_000),
        "max_requests": st.none() | st.integers(0, 120),
    }
)


@given(caps, st.integers(1, 256), st.integers(1, 300), st.randoms(use_true_random=False))
def test_no_cap_is_ever_passed(
    limits: dict[str, float | int | None], at_once: int, count: int, draw: random.Random
) -> None:
    """Random prompts, usages, retries, failures, cancellations and orders; the caps are checked after every step.

    `billed` is what a provider bills that runs each request whose end doesn't rule it out.
    """
    budget = Budget(config(**limits), {TEACHER: PRICE}, Totals())
    turned_away_with_others_in_flight = 0
    out = sent = billed_tokens = 0
    billed_usd = 0.0

    def hold() -> None:
        assert limits["max_requests"] is None or sent <= limits["max_requests"]
        assert limits["max_tokens"] is None or billed_tokens <= limits["max_tokens"]
        assert limits["max_cost_usd"] is None or billed_usd <= limits["max_cost_usd"] + 1e-9

    def run(size: int, limit: int) -> Usage:
        """What the provider does once it has a request."""
        nonlocal billed_tokens, billed_usd
        # At least as many tokens as words in the prompt, which is one.
        prompt_tokens = draw.randrange(1, size + 16 + 2)
        usage = Usage(prompt_tokens, draw.randrange(1, limit + 1), draw.randrange(prompt_tokens + 1))
        billed_tokens += usage.prompt_tokens + usage.completion_tokens
        billed_usd += PRICE.cost(usage)
        hold()
        return usage

    async def ask(places: asyncio.Semaphore) -> None:
        nonlocal out, sent, turned_away_with_others_in_flight
        size, limit = draw.randrange(1, 200), draw.randrange(1, 400)
        async with places:
            completion = None
            try:
                reservation = await budget.reserve(prompt(size, limit), TEACHER)
            except BudgetSpent:
                turned_away_with_others_in_flight += out > 0
                return
            for _ in range(draw.randrange(5)):
                try:
                    await reservation.begin()
                except BudgetSpent:
                    turned_away_with_others_in_flight += out > 0
                    break
                reservation.leave()
                sent += 1
                out += 1
                hold()
                await asyncio.sleep(0)
                end = draw.randrange(5)
                if end > 1:
                    usage = run(size, limit)
                out -= 1
                if end == 0:
                    reservation.end(billed=False)
                elif end in (1, 2):  # with and without work done
                    reservation.end(billed=True)
                elif end == 3:  # canceled
                    break
                else:
                    stated = usage if draw.random() < 0.7 else Usage(partial=True)
                    completion = Completion("", usage=stated)
                    break
            budget.settle(reservation, completion)
            hold()

    async def all_of_them() -> None:
        places = asyncio.Semaphore(at_once)
        async with asyncio.timeout(30):
            await asyncio.gather(*(ask(places) for _ in range(count)))

    asyncio.run(all_of_them())
    assert budget.requests == sent
    assert budget.tokens >= billed_tokens
    assert budget.cost_usd >= billed_usd - 1e-9
    assert turned_away_with_others_in_flight == 0, "their true usage may leave room"


def answer(prompt_tokens: int, completion_tokens: int) -> Completion:
    return Completion("", usage=Usage(prompt_tokens, completion_tokens))


def test_a_question_waits_while_others_may_leave_room() -> None:
    async def course() -> None:
        budget = Budget(config(max_tokens=430), {TEACHER: None}, Totals())
        first = await budget.reserve(prompt(), TEACHER)  # 40 + 16 + 64 + 100 are set aside
        second = asyncio.create_task(budget.reserve(prompt(), TEACHER))
        await asyncio.sleep(0.01)
        assert not second.done(), "220 more could pass 430"
        budget.settle(first, answer(10, 20))
        await asyncio.wait_for(second, 1)
        assert budget.tokens == 30
        third = asyncio.create_task(budget.reserve(prompt(200), TEACHER))
        await asyncio.sleep(0.01)
        budget.settle(second.result(), answer(56, 100))
        with pytest.raises(BudgetSpent, match="max_tokens: 186 of 430 tokens are used"):
            await asyncio.wait_for(third, 1)

    asyncio.run(course())


def test_a_retry_waits_while_others_may_leave_room() -> None:
    async def course() -> None:
        budget = Budget(config(max_tokens=700), {TEACHER: None}, Totals())
        first, second = [await budget.reserve(prompt(), TEACHER) for _ in range(2)]
        for each in (first, second):
            await each.begin()
            each.leave()
        first.end(billed=True)
        assert budget.tokens == 220
        again = asyncio.create_task(first.begin())
        await asyncio.sleep(0.01)
        assert again.done(), "220 are charged, and twice 220 fit"
        third = asyncio.create_task(budget.reserve(prompt(), TEACHER))
        await asyncio.sleep(0.01)
        assert not third.done(), "another 220 don't"
        budget.settle(second, answer(10, 20))
        await asyncio.wait_for(third, 1)
        budget.settle(third.result(), None)
        first.leave()
        first.end(billed=True)
        assert budget.tokens == 220 + 30 + 220
        with pytest.raises(
            BudgetSpent, match="max_tokens: 470 of 700 tokens are used, and the next request may take 320"
        ):
            await budget.reserve(prompt(140), TEACHER)
        assert budget.settle(first, None) == (None, Charge(2, Usage(240, 200), None, 2))

    asyncio.run(course())


def test_a_stated_cost_counts_if_it_is_more_and_is_reserved_from_then_on() -> None:
    async def course() -> None:
        budget = Budget(config(max_cost_usd=0.2), {TEACHER: PRICE}, Totals())
        first, second = [await budget.reserve(prompt(), TEACHER) for _ in range(2)]
        whole, _ = budget.settle(first, Completion("", usage=Usage(100, 50, cost_usd=0.05)))
        assert whole == Charge(1, Usage(100, 50), 0.05, 0)
        assert budget.cost_usd == 0.05
        whole, _ = budget.settle(second, Completion("", usage=Usage(100, 50, cost_usd=1e-9)))
        assert whole == Charge(1, Usage(100, 50), PRICE.cost(Usage(100, 50)), 0), "the tokens cost more"
        for _ in range(2):
            budget.settle(await budget.reserve(prompt(), TEACHER), Completion("", usage=Usage(100, 50, cost_usd=0.05)))
        with pytest.raises(BudgetSpent, match=r"the next request may cost \$0\.05"):
            await budget.reserve(prompt(), TEACHER)
        assert 0.15 < budget.cost_usd <= 0.2

    asyncio.run(course())


def test_one_that_was_given_up_while_it_waited_leaves_nothing_behind() -> None:
    async def course() -> None:
        budget = Budget(config(max_requests=1), {TEACHER: None}, Totals())
        first = await budget.reserve(prompt(), TEACHER)
        waiting = asyncio.create_task(budget.reserve(prompt(), TEACHER))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        budget.settle(first, None)
        await asyncio.wait_for(budget.reserve(prompt(), TEACHER), 1)

    asyncio.run(course())


def test_earlier_starts_count() -> None:
    async def course() -> None:
        spent = Totals(requests=7, prompt_tokens=600, completion_tokens=350, cost_usd=0.5)
        for caps in ({"max_requests": 7}, {"max_tokens": 960}, {"max_cost_usd": 0.5001}):
            with pytest.raises(BudgetSpent, match=next(iter(caps))):
                await Budget(config(**caps), {TEACHER: PRICE}, spent).reserve(prompt(), TEACHER)

    asyncio.run(course())


def test_what_was_used_before_a_price_was_known_counts_once_it_is() -> None:
    spent = Totals(2, 1_000_000, 500_000, 0.25, unpriced={TEACHER: Usage(400_000, 100_000)})
    assert Budget(config(), {TEACHER: PRICE}, spent).cost_usd == pytest.approx(0.25 + 0.6 + 0.6)
    assert Budget(config(), {TEACHER: None}, spent).cost_usd == 0.25


def test_a_cap_needs_a_token_limit() -> None:
    async def course() -> None:
        for caps in ({"max_tokens": 10**9}, {"max_cost_usd": 10**6}):
            with pytest.raises(ConfigError, match=r"propose\.max_tokens"):
                await Budget(config(**caps), {TEACHER: PRICE}, Totals()).reserve(prompt(limit=None), TEACHER)
        await Budget(config(max_requests=1), {TEACHER: PRICE}, Totals()).reserve(prompt(limit=None), TEACHER)

    asyncio.run(course())


# --- prices -------------------------------------------------------------------------------------


def test_a_cap_in_dollars_needs_a_price() -> None:
    with pytest.raises(ConfigError, match=r"teacher\.input_usd_per_mtok"):
        Budget(config(max_cost_usd=1.0), {TEACHER: None}, Totals())


def test_the_price_in_the_configuration_goes_first() -> None:
    teacher = OpenAIOptions(model="gpt-4o-mini", input_usd_per_mtok=2, output_usd_per_mtok=4)
    assert price_of(teacher) == Price(2, 2, 4, "config")
    local = LocalOptions(model="m", input_usd_per_mtok=2, cached_usd_per_mtok=0.5, output_usd_per_mtok=4)
    assert price_of(local) == Price(2, 0.5, 4, "config")
    with pytest.raises(ConfigError, match="set both"):
        stated_price(OpenAIOptions(input_usd_per_mtok=2))


def test_a_known_model_is_looked_up() -> None:
    price = price_of(OpenAIOptions(model="gpt-4o-mini"))
    assert price is not None
    assert (price.input, price.cached, price.output) == pytest.approx((0.15, 0.075, 0.6))
    assert price.source.startswith("genai-prices")


def test_a_teacher_on_this_machine_is_free() -> None:
    for teacher in (LocalOptions(model="gpt-4o-mini"), FakeOptions(model="gpt-4o-mini")):
        price = price_of(teacher)
        assert price is not None
        assert price.cost(Usage(10**6, 10**6)) == 0


@pytest.mark.parametrize(
    "teacher",
    [
        OpenAIOptions(model="nobody-knows-this-model"),
        OpenAIOptions(model="gpt-4o-mini", base_url="http://127.0.0.1:8000/v1"),
        TeacherOptions(kind="my.module:Teacher", model="gpt-4o-mini"),
    ],
)
def test_otherwise_the_price_is_unknown(teacher: TeacherOptions) -> None:
    assert price_of(teacher) is None


def test_cached_tokens_have_their_own_price() -> None:
    assert PRICE.cost(Usage(1_000_000, 0, 400_000)) == pytest.approx(0.6 * 1.5 + 0.4 * 0.3)
    assert PRICE.cost(Usage(100, 0, 10**9)) > 0, "a server that miscounts doesn't earn us money"
