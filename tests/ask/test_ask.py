"""`Asker` recalls an answer before asking, pays for an answer once, and commits it before any caller sees it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.ask.asker import Asker
from selfinstruct.ask.budget import Budget
from selfinstruct.ask.router import AskClosed, Router
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import TeacherDown, TeacherRefused
from selfinstruct.core.prompts import Completion, MadeOf, Message, Prompt, Sampling, Usage
from selfinstruct.journal.answer_values import Answer
from selfinstruct.journal.journal import Journal

NAME = "gpt-4o-mini"
"""The name of the teacher in a configuration that sets none."""


class Teacher:
    """Answers with the prompt's own text once `go` is set, and keeps a list of the prompts."""

    def __init__(self, answer: Callable[[str], Completion | Exception] | None = None) -> None:
        self.asked: list[str] = []
        self._more = asyncio.Condition()
        self.go = asyncio.Event()
        self.go.set()
        self._answer = answer or (lambda text: Completion(text, usage=Usage(5, 5)))

    async def all_asked(self, count: int) -> None:
        """Wait until so many prompts have come."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.asked) >= count)

    async def complete(self, prompt: Prompt) -> Completion:
        self.asked.append(prompt.text)
        async with self._more:
            self._more.notify_all()
        await self.go.wait()
        await asyncio.sleep(0)
        answer = self._answer(prompt.text)
        if isinstance(answer, Exception):
            raise answer
        return answer


def prompt(text: str) -> Prompt:
    return Prompt("propose", (Message("user", text),), Sampling(max_tokens=20), made_of=MadeOf(("s1",)), version="v1")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def asker_for(journal: Journal, teacher: Teacher, concurrency: int = 4, failures: int = 3, **caps: int) -> Asker:
    asker = closed_asker(journal, concurrency=concurrency, max_failures_in_a_row=failures, **caps)
    asker.open({NAME: teacher})
    return asker


def closed_asker(journal: Journal, **values: Any) -> Asker:
    config = RunConfig.parse({"seeds": "s", "run_dir": "r", **values})
    prices = dict.fromkeys((each.label for each in config.all_teachers), None)
    budget = Budget(config, prices, journal.totals(), reserved=journal.reserved)
    return Asker(journal, budget, Router(config), config.max_failures_in_a_row)


def within(course: Callable[[], Awaitable[None]]) -> None:
    """Run a scenario; fail if it never ends."""

    async def bounded() -> None:
        async with asyncio.timeout(10):
            await course()

    asyncio.run(bounded())


async def settled(*asks: Awaitable[Answer]) -> list[Answer | BaseException]:
    return await asyncio.gather(*asks, return_exceptions=True)


def test_an_answer_is_recalled_before_it_is_asked(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        asker = asker_for(journal, teacher)
        first = await asker.ask("k", prompt("one"))
        assert first == await asker.ask("k", prompt("one")) == journal.recall("k")
        assert (first.completion.text, first.made_of.demos, first.version) == ("one", ("s1",), "v1")
        assert teacher.asked == ["one"]

    within(course)


def test_the_same_question_asked_twice_at_once_is_paid_once(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        asker = asker_for(journal, teacher)
        answers = await asyncio.gather(*(asker.ask("k", prompt("one")) for _ in range(20)))
        assert len(set(map(id, answers))) == 1
        assert teacher.asked == ["one"]
        assert journal.totals().requests == 1

    within(course)


def test_two_samples_are_two_requests_and_the_same_sample_is_one(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        asker = asker_for(journal, teacher)
        samples = [replace(prompt("one"), sample=sample) for sample in (0, 1, 2, 1, 0)]
        answers = await asyncio.gather(*(asker.ask(sample.key, sample) for sample in samples))
        assert teacher.asked == ["one"] * 3
        assert [answer.completion.key for answer in answers] == [sample.key for sample in samples]
        assert await asker.ask(samples[2].key, samples[2]) == answers[2] == journal.recall(samples[2].key)
        assert journal.totals().requests == 3

    within(course)


def test_who_stops_waiting_does_not_take_the_answer_from_the_others(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        teacher.go.clear()
        asker = asker_for(journal, teacher)
        one, two = (asyncio.create_task(asker.ask("k", prompt("one"))) for _ in range(2))
        await asyncio.sleep(0.01)
        one.cancel()
        await asyncio.sleep(0)
        teacher.go.set()
        assert (await two).completion.text == "one"
        assert one.cancelled()

    within(course)


def test_an_answer_is_on_disk_before_anyone_sees_it(journal: Journal) -> None:
    async def course() -> None:
        asker = asker_for(journal, Teacher())
        answer = await asker.ask("k", prompt("one"))
        other = Journal(journal.path, read_only=True)
        assert other.recall("k") == answer
        other.close()

    within(course)


def test_an_answer_is_the_same_when_it_comes_and_when_it_is_recalled(journal: Journal) -> None:
    odd = Completion("a\x00b\ud83dc", "st\ud83dop", Usage(1, 2, 1), "m\x00", "e\udc00: x", True, {"Yes": -0.5})

    async def course() -> None:
        asker = asker_for(journal, Teacher(lambda _: odd))
        assert await asker.ask("k", prompt("one")) == journal.recall("k")

    within(course)


def test_proposals_let_all_other_questions_go_first(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        teacher.go.clear()
        asker = asker_for(journal, teacher, concurrency=1)
        asks = [asyncio.create_task(asker.ask("p:0", prompt("p0"), question=0))]
        await asyncio.sleep(0.01)
        for number in (1, 2):
            asks.append(asyncio.create_task(asker.ask(f"p:{number}", prompt(f"p{number}"), question=number)))
        await asyncio.sleep(0.01)
        asks += [asyncio.create_task(asker.ask(f"d:{name}", prompt(name))) for name in ("a", "b")]
        await asyncio.sleep(0.01)
        assert asker.in_flight == 1
        teacher.go.set()
        await asyncio.gather(*asks)
        assert teacher.asked == ["p0", "a", "b", "p1", "p2"]

    within(course)


@pytest.mark.parametrize("concurrency", [1, 7, 256])
def test_no_more_in_flight_than_allowed(journal: Journal, concurrency: int) -> None:
    async def course() -> None:
        most = 0

        def answer(text: str) -> Completion:
            nonlocal most
            most = max(most, asker.in_flight)
            return Completion(text)

        asker = asker_for(journal, Teacher(answer), concurrency)
        await asyncio.gather(*(asker.ask(f"k{n}", prompt(str(n))) for n in range(400)))
        assert 1 <= most <= concurrency
        assert asker.in_flight == 0

    within(course)


def test_before_it_is_opened_it_only_recalls(journal: Journal) -> None:
    async def course() -> None:
        await asker_for(journal, Teacher()).ask("k", prompt("one"))
        shut = closed_asker(journal)
        assert (await shut.ask("k", prompt("one"))).completion.text == "one"
        with pytest.raises(AskClosed):
            await shut.ask("other", prompt("two"))
        assert shut.reason is None

    within(course)


def test_closing_wakes_who_waits_and_keeps_what_is_in_flight(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        teacher.go.clear()
        asker = asker_for(journal, teacher, concurrency=2)
        asks = [asyncio.create_task(asker.ask(f"k{n}", prompt(str(n)))) for n in range(6)]
        await asyncio.sleep(0.01)
        heard: list[str] = []
        asker.when_closed(lambda: heard.append(asker.reason or ""))
        asker.close("interrupted", "by a signal")
        asker.close("budget", "too late: the first reason counts")
        await asyncio.sleep(0.01)
        assert [ask.done() for ask in asks] == [False, False, True, True, True, True]
        teacher.go.set()
        await asker.drain(5)
        results = await settled(*asks)
        assert [isinstance(result, AskClosed) for result in results] == [False, False, True, True, True, True]
        assert (asker.reason, heard, journal.totals().requests) == ("interrupted", ["interrupted"], 2)

    within(course)


def test_what_is_given_up_ends_at_once(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        teacher.go.clear()
        asker = asker_for(journal, teacher)
        asks = [asyncio.create_task(asker.ask(f"k{n}", prompt(str(n)))) for n in range(3)]
        await asyncio.sleep(0.01)
        asker.close("interrupted", "")
        await asker.drain(0.05)
        assert all(isinstance(result, AskClosed) for result in await settled(*asks))
        assert asker.in_flight == 0

    within(course)


def test_a_cap_that_is_reached_closes(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        asker = asker_for(journal, teacher, concurrency=8, max_requests=5)
        results = await settled(*(asker.ask(f"k{n}", prompt(str(n))) for n in range(12)))
        assert sum(isinstance(result, AskClosed) for result in results) == 7
        assert (asker.reason, len(teacher.asked)) == ("budget", 5)

    within(course)


def failing(*bad: str) -> Callable[[str], Completion]:
    return lambda text: Completion("", error="timeout: 5 s", failed=True) if text in bad else Completion(text)


def test_failures_in_a_row_close_and_are_forgotten_the_late_ones_too(journal: Journal) -> None:
    async def course() -> None:
        asker = asker_for(journal, Teacher(failing(*"abcdef")), concurrency=6, failures=3)
        await settled(*(asker.ask(name, prompt(name)) for name in "abcdef"))
        await asker.drain(1)
        assert (asker.reason, type(asker.error)) == ("teacher_down", TeacherDown)
        assert "3 questions in a row" in asker.detail
        assert [journal.recall(name) for name in "abcdef"] == [None] * 6
        assert journal.totals().requests == 6, "they were sent, so a cap on requests still counts them"

    within(course)


def test_failures_between_answers_are_rows(journal: Journal) -> None:
    async def course() -> None:
        asker = asker_for(journal, Teacher(failing("a", "b", "d", "e")), concurrency=1, failures=3)
        for name in "abcdef":
            await asker.ask(name, prompt(name))
        assert asker.reason is None
        recalled = [journal.recall(name) for name in "abcdef"]
        assert [bool(answer and answer.completion.failed) for answer in recalled] == [True, True, False] * 2

    within(course)


def test_requests_that_the_server_does_not_take_are_refused_not_down(journal: Journal) -> None:
    async def course() -> None:
        bad = Completion("", error="bad_request: top_p is unknown", failed=True)
        asker = asker_for(journal, Teacher(lambda _: bad))
        await settled(*(asker.ask(name, prompt(name)) for name in "abc"))
        assert (asker.reason, type(asker.error)) == ("teacher_refused", TeacherRefused)
        assert "top_p is unknown" in asker.detail

    within(course)


@pytest.mark.parametrize(("error", "reason"), [(TeacherRefused, "teacher_refused"), (TeacherDown, "teacher_down")])
def test_a_teacher_that_gives_up_closes(journal: Journal, error: type[Exception], reason: str) -> None:
    async def course() -> None:
        asker = asker_for(journal, Teacher(lambda _: error("no key")), concurrency=2)
        results = await settled(*(asker.ask(name, prompt(name)) for name in "abcde"))
        assert all(isinstance(result, AskClosed) for result in results)
        assert (asker.reason, asker.detail, type(asker.error)) == (reason, "no key", error)
        assert journal.totals().requests == 0

    within(course)


def test_a_defect_of_a_teacher_reaches_who_asked(journal: Journal) -> None:
    async def course() -> None:
        asker = asker_for(journal, Teacher(lambda _: ZeroDivisionError("mine")), concurrency=1)
        results = await settled(*(asker.ask(name, prompt(name)) for name in "ab"))
        assert all(isinstance(result, ZeroDivisionError) for result in results), "and the place is free again"

    within(course)


# --- what is in flight, on disk ------------------------------------------------------------------


def on_disk(journal: Journal) -> list[tuple[str, int, int]]:
    """Teacher, requests and generated tokens of what another process would find if this one were killed now."""
    with contextlib.closing(Journal(journal.path, read_only=True)) as other:
        return [(teacher, each.requests, each.completion_tokens) for teacher, each, _ in other.reserved.left_behind()]


def test_the_worst_case_is_on_disk_before_a_request_leaves_and_gone_at_the_end(journal: Journal) -> None:
    async def course() -> None:
        held: list[int] = []

        def answer(text: str) -> Completion:
            ((_, requests, generated),) = on_disk(journal)
            assert generated == 20 * requests
            assert requests >= len(teacher.asked) - len(held), "as many as have left and are not answered"
            held.append(requests)
            return Completion(text, usage=Usage(5, 5))

        teacher = Teacher(answer)
        asker = asker_for(journal, teacher, concurrency=8)
        await settled(*(asker.ask(f"k{n}", prompt(str(n))) for n in range(40)))
        assert max(held) <= 8 + 1, "and an eighth more"
        await asker.drain(1)
        journal.flush()
        assert on_disk(journal) == []
        assert (journal.totals().requests, journal.totals().assumed) == (40, 0)

    within(course)


def test_what_was_in_flight_at_a_kill_counts_at_the_next_start(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        teacher.go.clear()
        asker = asker_for(journal, teacher, concurrency=3)
        asks = [asyncio.create_task(asker.ask(f"k{n}", prompt(str(n)))) for n in range(5)]
        async with asyncio.timeout(5):
            await teacher.all_asked(3)
        copy = journal.path.with_name("copy.sqlite")
        with contextlib.closing(sqlite3.connect(journal.path)) as db:
            db.execute("VACUUM INTO ?", (str(copy),))
        with contextlib.closing(Journal(copy)) as left:
            spent = left.totals(killed=True)
            assert (spent.requests, spent.completion_tokens, spent.assumed) == (3, 60, 3)
            assert left.totals().requests == 0
            left.begin_start("1")
            assert left.totals() == left.totals(killed=True) == spent
            left.begin_start("1")
            assert left.totals() == spent, "once"
            assert left.recall("k0") is None
            after = asker_for(left, Teacher(), max_requests=4)
            assert (
                len(
                    [
                        each
                        for each in await settled(*(after.ask(f"k{n}", prompt("")) for n in range(3)))
                        if isinstance(each, Answer)
                    ]
                )
                == 1
            )
        teacher.go.set()
        await settled(*asks)

    within(course)


def test_what_is_cancelled_in_flight_counts(journal: Journal) -> None:
    async def course() -> None:
        teacher = Teacher()
        teacher.go.clear()
        asker = asker_for(journal, teacher, concurrency=3)
        asks = [asyncio.create_task(asker.ask(f"k{n}", prompt(str(n)))) for n in range(5)]
        await asyncio.sleep(0.05)
        asker.close("interrupted", "")
        await asker.drain(0.01)
        await settled(*asks)
        journal.flush()
        spent = journal.totals()
        assert (spent.requests, spent.completion_tokens, spent.assumed) == (3, 60, 3)
        assert on_disk(journal) == []
        assert [journal.recall(f"k{n}") for n in range(5)] == [None] * 5, "the next start asks them again"

    within(course)


def test_a_teacher_without_credible_counts_is_named_once(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    async def course() -> None:
        asker = asker_for(journal, Teacher(lambda text: Completion(text)), concurrency=2)
        for n in range(4):
            answer = await asker.ask(f"k{n}", prompt("two words"))
            assert answer.completion.usage == Usage(9 + 16 + 64, 20)
        assert journal.totals().assumed == 4

    within(course)
    (line,) = caplog.messages
    assert line == (
        f"selfinstruct: warning: {NAME}: the server states no credible token counts (unknown in the prompt, "
        "unknown generated); the budget counts the worst case"
    )


def test_a_server_that_takes_more_than_its_worst_case_gets_more_reserved(journal: Journal) -> None:
    async def course() -> None:
        # The worst case is 1 + 80 + 20; each answer takes 81 + 220. After the first, 301 are reserved.
        asker = asker_for(
            journal, Teacher(lambda text: Completion(text, usage=Usage(81, 220))), concurrency=1, max_tokens=1000
        )
        results = await settled(*(asker.ask(f"k{n}", prompt(str(n))) for n in range(9)))
        assert sum(isinstance(result, Answer) for result in results) == 3
        assert asker.reason == "budget"
        assert journal.totals().completion_tokens == 660

    within(course)
