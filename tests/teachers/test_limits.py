"""When a request may leave: never faster than allowed, nearly as fast, in order, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import email.utils
import itertools
import random
import selectors
import time
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings, strategies as st

from conftest import IN_FULL
from selfinstruct.core.errors import TeacherDown
from selfinstruct.core.prompts import Usage
from selfinstruct.teachers.fake.fake_limits import Provider
from selfinstruct.teachers.limits import HEADROOM, Allowance, Limits, Turn
from selfinstruct.teachers.limits.bucket import Bucket
from selfinstruct.teachers.limits.headers import LONGEST_S, NO_HEADERS, read_headers, seconds_of


class Hurried(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer: hours pass in seconds, the same way every time."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class Jumping(selectors.DefaultSelector):
    """Doesn't wait, but moves the loop's clock on."""

    loop: Hurried

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing would ever wake anybody up again"
        self.loop.now += timeout
        return super().select(0)


def hurried(course: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=Hurried) as runner:
        runner.run(course())  # type: ignore[arg-type]


def now() -> float:
    return asyncio.get_running_loop().time()


# --- one allowance ------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 500), st.floats(0, 1)), max_size=60)


@settings(max_examples=200, deadline=None)
@given(st.floats(1, 5000), STEPS)
def test_no_stretch_of_time_sees_more_than_its_share(per_min: float, steps: list[tuple[float, float, float]]) -> None:
    """Waits, amounts, and what share of each was really used; all in that order."""
    bucket, at = Bucket(per_min, 0.0), 0.0
    used: list[tuple[float, float]] = []
    for pause_s, amount, share in steps:
        at += pause_s
        at += bucket.wait_s(amount, at)
        assert bucket.wait_s(amount, at) < 1e-3, "a wait that is over is over"
        bucket.take(amount, at)
        bucket.give(amount * (1 - share), at)
        used.append((at, amount * share))
    largest = max((amount for _, amount, _ in steps), default=0.0)
    for first, (start, _) in enumerate(used):
        total = 0.0
        for end, amount in used[first:]:
            total += amount
            assert total <= per_min * (end - start) / 60 + max(bucket.capacity, largest) + 1e-3


def test_what_is_given_back_can_be_used_at_once() -> None:
    bucket = Bucket(600, 0.0)
    bucket.take(1000, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx((1000 - bucket.capacity + 1) / 10)
    bucket.give(995, 0.0)
    assert bucket.wait_s(1, 0.0) == 0


def test_what_others_used_is_gone() -> None:
    bucket = Bucket(600, 0.0)
    bucket.at_most(0, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(0.1)
    bucket.at_most(10_000, 0.0)
    assert bucket.wait_s(1, 0.0) == pytest.approx(0.1), "a server that says more doesn't give more"


# --- headers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6m0s", 360), ("17ms", 0.017), ("2m59.56s", 179.56), ("1.5", 1.5), ("1h", 3600), ("", None), ("soon", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == (None if seconds is None else pytest.approx(seconds))


def test_retry_after_in_every_form() -> None:
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert read_headers({"retry-after": "7"}).retry_after_s == 7
    assert read_headers({"retry-after-ms": "250", "retry-after": "7"}).retry_after_s == 0.25
    assert 20 < (read_headers({"retry-after": date}).retry_after_s or 0) <= 30
    assert read_headers({"retry-after": "86400"}).retry_after_s == LONGEST_S


def test_the_whole_family() -> None:
    said = read_headers(
        {
            "x-ratelimit-limit-requests": "600",
            "x-ratelimit-remaining-requests": "599",
            "x-ratelimit-reset-requests": "100ms",
            "x-ratelimit-limit-tokens": "60000",
            "x-ratelimit-remaining-tokens": "12",
            "x-ratelimit-reset-tokens": "59.9s",
        }
    )
    assert (said.limit_requests, said.left_requests, said.limit_tokens, said.left_tokens) == (600, 599, 60_000, 12)
    assert said.reset_s == 59.9, "of that which is nearer to its end"


NAMES = ["retry-after", "retry-after-ms"] + [
    f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset") for of in ("requests", "tokens")
]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=40) | st.text("0123456789.-+einfamsh", max_size=12)))
def test_no_header_breaks_anything(headers: dict[str, str]) -> None:
    said = read_headers(headers)
    assert headers or said is NO_HEADERS
    for value in (said.retry_after_s, said.limit_requests, said.left_tokens, said.reset_s):
        assert value is None or 0 <= value < float("inf")


# --- whose turn it is ---------------------------------------------------------------------------


def test_by_priority_then_by_arrival_and_who_leaves_the_queue_takes_nothing() -> None:
    async def course() -> None:
        limits = Limits(Allowance(max_rpm=60), 64, 600)
        order: list[str] = []

        async def one(name: str, priority: int) -> None:
            await limits.enter(Turn("propose", 10, 10, priority))
            order.append(f"{name}@{now():.0f}")

        await one("first", 1)
        asked = [
            asyncio.create_task(one(name, priority)) for name, priority in (("a", 1), ("b", 1), ("c", 0), ("d", 1))
        ]
        await asyncio.sleep(0.1)
        asked[1].cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert order == ["first@0", "c@1", "a@2", "d@3"]

    hurried(course)


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 40), st.integers(1, 12))
def test_who_is_cancelled_gives_the_place_back(draw: random.Random, count: int, places: int) -> None:
    """Random cancellations before, while and after it is one's turn: everybody else gets through."""

    async def course() -> None:
        limits = Limits(Allowance(max_rpm=120, max_tpm=6000), places, 600)
        done = 0

        async def one() -> None:
            nonlocal done
            turn = Turn("propose", draw.randrange(1, 400), 100)
            await limits.enter(turn)
            try:
                await asyncio.sleep(draw.random())
            except asyncio.CancelledError:
                limits.abandon(turn)
                raise
            limits.leave(turn, 200)
            limits.settle(turn, Usage(turn.most_input // 4 + 1, draw.randrange(100)))
            done += 1

        tasks = [asyncio.create_task(one()) for _ in range(count)]
        cancelled = draw.sample(tasks, count // 3)
        for task in cancelled:
            await asyncio.sleep(draw.choice([0, 0.01, 0.5]))
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 3600)
        assert done == sum(not task.cancelled() for task in tasks) >= count - len(cancelled)
        assert limits.in_flight == 0

    hurried(course)


@pytest.mark.parametrize(
    ("ends", "most"),
    [
        ([], 32),
        ([(200, {})], 64),
        ([(200, {"x-ratelimit-limit-requests": "6000"})], 35),
        ([(429, {}), (200, {}), (200, {})], 38),
        ([(500, {}), (200, {})], 38),
        ([(None, None), (200, {})], 35),
    ],
)
def test_how_many_are_in_flight_at_first(ends: list[tuple[int | None, dict[str, str] | None]], most: int) -> None:
    """64 at once only where the first answer is one, and says nothing of limits."""

    async def course() -> None:
        limits = Limits(Allowance(), 256, 600)
        for status, headers in ends:
            turn = Turn("propose", 10, 10)
            await limits.enter(turn)
            limits.leave(turn, status, headers)
        await asyncio.sleep(600)
        waiting = [asyncio.create_task(limits.enter(Turn("propose", 10, 10))) for _ in range(256)]
        await asyncio.sleep(0.001)
        assert limits.in_flight == most
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    hurried(course)


@pytest.mark.parametrize("status", [308, 400])
def test_a_response_without_an_answer_uses_no_tokens(status: int) -> None:
    async def course() -> None:
        limits = Limits(Allowance(max_tpm=60), 64, 600)
        turn = Turn("propose", 60, 0)
        for _ in range(3):
            await limits.enter(turn)
            limits.leave(turn, status, {})
        assert now() < 1

    hurried(course)


# --- against a provider -------------------------------------------------------------------------


def asked_for(minutes: int, provider: Provider, allowed: Allowance, latency_s: float, tokens: int) -> list[list[int]]:
    """What a provider counted in each minute while 64 askers with the SDK's retries asked as fast as they might."""
    draw = random.Random(1)
    counted: list[list[int]] = []

    async def ask_on(limits: Limits) -> None:
        while True:
            prompt, answer = draw.randrange(tokens // 3, tokens), draw.randrange(tokens // 8, tokens)
            turn, tries = Turn("propose", 4 * prompt, 5 * tokens), 0
            while True:
                await limits.enter(turn)
                await asyncio.sleep(latency_s / 2)
                wait_s = provider.arrives(prompt, now())
                if not wait_s:
                    break
                said = provider.rate_headers(wait_s, now())
                limits.leave(turn, 429, said)
                await asyncio.sleep(float(said.get("retry-after", min(8, 0.5 * 2**tries))) if tries < 4 else 0)
                tries = (tries + 1) % 5
            await asyncio.sleep(latency_s * draw.uniform(0.2, 0.8))
            provider.answers(answer, now())
            limits.leave(turn, 200, provider.rate_headers(0, now()))
            limits.settle(turn, Usage(prompt, answer))

    async def course() -> None:
        limits = Limits(allowed, 64, 600)
        tasks = [asyncio.create_task(ask_on(limits)) for _ in range(64)]
        for _ in range(minutes + 1):
            counted.append([provider.answered, provider.refused, provider.tokens])
            await asyncio.sleep(60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    hurried(course)
    return [[y - x for x, y in zip(a, b, strict=True)] for a, b in itertools.pairwise(counted)]


STATED = Allowance(max_rpm=600, max_tpm=60_000)


@pytest.mark.parametrize("latency_s", [0.05, 1.0])
@pytest.mark.parametrize("tokens", [60, pytest.param(120, marks=IN_FULL), 900])
@pytest.mark.parametrize("fixed", [False, True], ids=["bucket", "fixed"])
@pytest.mark.parametrize("told", [False, True], ids=["stated", "in headers"])
def test_limits_that_are_known_are_used_and_kept(told: bool, fixed: bool, tokens: int, latency_s: float) -> None:
    provider = Provider(600, 60_000, fixed, retry_after=told, headers=told)
    minutes = asked_for(4, provider, Allowance() if told else STATED, latency_s, tokens)[1:]
    answered, refused, used = map(sum, zip(*minutes, strict=True))
    assert max(answered / 600, used / 60_000) / 3 >= 0.95, minutes
    assert refused / (answered + refused) <= 0.02, minutes


@pytest.mark.parametrize("retry_after", [False, True], ids=["bare", "retry-after"])
@pytest.mark.parametrize("fixed", [False, True], ids=["bucket", "fixed"])
def test_limits_that_nobody_tells_are_learned_from_refusals(fixed: bool, retry_after: bool) -> None:
    provider = Provider(600, None, fixed, retry_after, headers=False)
    minutes = asked_for(6, provider, Allowance(), 0.05, 60)[1:]
    answered, refused, _ = map(sum, zip(*minutes, strict=True))
    assert answered / 600 / 5 >= 0.95, minutes
    assert refused / (answered + refused) <= 0.02, minutes


def test_input_and_output_are_limited_apart() -> None:
    for allowed, largest in ((Allowance(max_input_tpm=6000), 1), (Allowance(max_output_tpm=6000), 2)):
        provider = Provider()
        minutes = asked_for(3, provider, allowed, 0.05, 100)[1:]
        assert all(minute[2] * largest / 2 > 6000 * 0.85 * HEADROOM for minute in minutes), (allowed, minutes)


def test_a_server_that_refuses_at_random_is_still_asked() -> None:
    """5% of 429s that have nothing to do with any pace: the run slows down, it doesn't crawl."""
    draw = random.Random(3)

    async def course() -> None:
        limits, answered = Limits(Allowance(), 64, 600), 0

        async def ask_on() -> None:
            nonlocal answered
            while answered < 5000:
                turn = Turn("propose", 100, 100)
                await limits.enter(turn)
                await asyncio.sleep(0.05)
                refused = draw.random() < 0.05
                answered += not refused
                limits.leave(turn, 429 if refused else 200)

        await asyncio.gather(*(ask_on() for _ in range(64)))
        assert now() < 300, "64 in flight at 50 ms need 4 s"

    hurried(course)


def test_an_overloaded_server_is_asked_by_fewer_at_a_time() -> None:
    """It serves 10 at once and answers 503 beyond: most of what is asked is answered, and no place stays empty."""

    async def course() -> None:
        limits, inside, answered, refused = Limits(Allowance(), 256, 600), 0, 0, 0

        async def ask_on() -> None:
            nonlocal inside, answered, refused
            while now() < 120:
                turn = Turn("propose", 100, 100)
                await limits.enter(turn)
                if inside >= 10:
                    refused += 1
                    await asyncio.sleep(0.01)
                    limits.leave(turn, 503)
                    await asyncio.sleep(0.5)
                    continue
                inside += 1
                await asyncio.sleep(0.1)
                inside -= 1
                answered += 1
                limits.leave(turn, 200)

        await asyncio.gather(*(ask_on() for _ in range(256)))
        assert answered > 0.7 * 10 * 120 / 0.1
        assert refused < 0.1 * answered

    hurried(course)


def test_a_storm_is_waited_out_and_its_end_is_noticed() -> None:
    async def course() -> None:
        limits, sent, ended = Limits(Allowance(), 64, 600), 0, 0.0

        async def ask_until_answered() -> None:
            nonlocal sent, ended
            status = 429
            while status == 429:
                turn = Turn("propose", 100, 100)
                await limits.enter(turn)
                sent += now() < 300
                await asyncio.sleep(0.05)
                status = 429 if now() < 300 else 200
                limits.leave(turn, status)
            ended = now()

        await asyncio.gather(*(ask_until_answered() for _ in range(64)))
        assert sent < 120, "one at a time, every 10 s, beyond those that were under way"
        assert ended < 420

    hurried(course)


def test_a_storm_without_end_ends_the_wait_for_everybody() -> None:
    async def course() -> None:
        limits = Limits(Allowance(), 8, 120)

        async def ask_on() -> None:
            while True:
                turn = Turn("propose", 100, 100)
                await limits.enter(turn)
                await asyncio.sleep(0.05)
                limits.leave(turn, 429)

        results = await asyncio.gather(*(ask_on() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(result, TeacherDown) for result in results)
        assert "nothing but rate-limit answers" in str(results[0])
        assert 120 <= now() < 150

    hurried(course)
