"""Comparisons in pairs: read from whatever the judge writes, asked in both orders, and blind to the position."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.choice import choose
from selfinstruct.core.prompts import Completion, Message, Prompt
from selfinstruct.core.records import Example, Response
from selfinstruct.core.tasks import Verdict
from selfinstruct.filters.judge.compare import SCHEMA, PairwiseJudge, read_comparison
from selfinstruct.generate.expectation import check

MakeConfig = Callable[..., RunConfig]


def example(*texts: str) -> Example:
    return Example.of("Name a city.", "", *(Response(text, sample=number) for number, text in enumerate(texts)))


def shown(prompt: Prompt) -> tuple[str, str]:
    """The two answers that a prompt shows, in order."""
    match = re.search("===== answer A\n(.*)\n===== answer B\n(.*)\n=====", prompt.messages[1].content, re.DOTALL)
    assert match is not None
    return match[1], match[2]


def compare(judge: PairwiseJudge, given: Example, pick: Callable[[str, str], str]) -> tuple[list[tuple[int, ...]], int]:
    """The samples that each response beats under a judge that picks 'A', 'B', or 'tie', and the number of requests."""
    prompts: list[Prompt] = []

    async def ask(prompt: Prompt) -> Completion:
        prompts.append(prompt)
        await asyncio.sleep(0)
        return Completion(json.dumps({"reason": "so it is", "better": pick(*shown(prompt))}))

    responses = asyncio.run(judge.compare(given, ask))
    assert [each.text for each in responses] == [each.text for each in given.responses]
    assert len({prompt.digest() for prompt in prompts}) == len(prompts)
    return [each.beats for each in responses], len(prompts)


def longer(first: str, second: str) -> str:
    return "tie" if len(first) == len(second) else "A" if len(first) > len(second) else "B"


@pytest.fixture
def judge(make_config: MakeConfig) -> PairwiseJudge:
    return PairwiseJudge(make_config(judge={}), by_schema=False)


def test_a_response_beats_those_that_it_beats_in_both_orders(judge: PairwiseJudge) -> None:
    beats, requests = compare(judge, example("Rome", "London", "Oslo"), longer)
    assert beats == [(), (0, 2), ()]
    # Rome and Oslo are a tie in the first order, so the second order is not asked.
    assert requests == 2 + 2 + 1


@pytest.mark.parametrize("letter", ["A", "B", "tie", "neither of them", ""])
def test_a_judge_that_looks_at_the_position_alone_orders_nothing(judge: PairwiseJudge, letter: str) -> None:
    beats, requests = compare(judge, example("Rome", "London", "Oslo", "Vienna"), lambda *_: letter)
    assert beats == [(), (), (), ()]
    assert requests == (12 if letter in ("A", "B") else 6)


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=5), st.data())
def test_whatever_the_judge_says_wins_are_in_both_orders_and_requests_are_bounded(
    texts: list[str], data: st.DataObject
) -> None:
    said: dict[tuple[str, str], str] = {}

    def pick(first: str, second: str) -> str:
        # One answer per prompt, as in a run: the journal has it when the question comes again.
        return said.setdefault((first, second), data.draw(st.sampled_from(("A", "B", "tie", "unclear"))))

    async def ask(prompt: Prompt) -> Completion:
        return Completion(json.dumps({"better": pick(*shown(prompt))}))

    judge = PairwiseJudge(RunConfig(seeds="seeds.jsonl", run_dir="run", teacher="fake"), by_schema=False)
    responses = asyncio.run(judge.compare(example(*texts), ask))
    for winner in responses:
        for loser in winner.beats:
            assert said[winner.text, texts[loser]] == "A"
            assert said[texts[loser], winner.text] == "B"
            assert winner.sample not in responses[loser].beats
    assert len(said) <= len(texts) * (len(texts) - 1)


def test_a_response_that_failed_is_not_compared(judge: PairwiseJudge) -> None:
    failed = Response("Reykjavik", sample=2, verdicts={"cut_off": Verdict("cut_off")})
    given = Example.of("Name a city.", "", *example("Rome", "London").responses, failed)
    assert compare(judge, given, longer) == ([(), (0,), ()], 2)


def test_equal_texts_are_not_compared(judge: PairwiseJudge) -> None:
    assert compare(judge, example("Rome", " ROME.", ""), longer) == ([(), (), ()], 0)


def test_the_requests_of_an_order_are_in_flight_together(judge: PairwiseJudge) -> None:
    async def ask(prompt: Prompt) -> Completion:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.01)
        waiting -= 1
        return Completion("A")

    waiting = most = 0
    asyncio.run(judge.compare(example("Rome", "London", "Oslo"), ask))
    assert most == 3


def test_the_winner_of_the_comparisons_is_chosen(judge: PairwiseJudge) -> None:
    async def ask(prompt: Prompt) -> Completion:
        return Completion(longer(*shown(prompt)))

    responses = asyncio.run(judge.compare(example("Rome", "Copenhagen", "London"), ask))
    choice = choose(responses)
    assert [each.text for each in choice.order] == ["Copenhagen", "London", "Rome"]
    assert (choice.by, choice.margin) == ("comparisons", 2.0)


def test_check_expects_each_pair_once_or_in_both_orders(make_config: MakeConfig) -> None:
    def judged(**answers: object) -> int:
        expected = check(make_config(target=10, judge={"compare": True}, answers=answers)).estimate
        return sum(share.requests for share in expected.shares if share.purpose == "judge")

    # The second order is asked only if the first has a winner; answers that fail a check are not compared.
    assert 10 < judged(samples=2, until="all") <= 10 * 2
    assert 10 * 6 < judged(samples=4, until="all") <= 10 * 12


# --- the prompt ----------------------------------------------------------------------------------


def test_texts_are_filled_in_literally(judge: PairwiseJudge) -> None:
    given = Example.of("Write {first}.", "", Response("{second}"), Response("{question}", sample=1))
    prompt = judge.prompt(given, *given.responses)
    assert shown(prompt) == ("{second}", "{question}")
    assert "===== question\nWrite {first}.\n=====" in prompt.messages[1].content
    assert prompt.purpose == "judge"


def test_a_dialogue_is_shown_with_its_roles(make_config: MakeConfig) -> None:
    turns = (Message("user", "Hello"), Message("assistant", "Yes?"), Message("user", "Name a city."))
    given = Example(turns, (Response("Rome"), Response("Oslo", sample=1)))
    for language, text in (
        ("en", "User: Hello\n\nAssistant: Yes?\n\nUser: Name a city."),
        ("zh", "用户：Hello\n\n助手：Yes?"),
    ):
        judge = PairwiseJudge(make_config(judge={}, language=language), by_schema=True)
        prompt = judge.prompt(given, *given.responses)
        assert text in prompt.messages[1].content
        assert prompt.schema == SCHEMA


def test_the_sampling_of_the_judge_applies(make_config: MakeConfig) -> None:
    judge = PairwiseJudge(make_config(judge={"max_tokens": 50}), by_schema=False)
    sampling = judge.prompt(example("a", "b"), *example("a", "b").responses).sampling
    assert (sampling.max_tokens, sampling.temperature) == (50, 0.0)


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"reason": "B is wrong", "better": "A"}', "A"),
        ('```json\n{"reason": "x", "better": "b"}\n```', "B"),
        ('I think so.\n{"winner": "Answer B"}', "B"),
        ('{"better": "tie"}', "tie"),
        ('{"better": "A", "verdict": "A is correct, and B is not"}', "A"),
        ('<think>A, no: {"better": "A"}</think>{"better": "B"}', "B"),
        ("A", "A"), (" **B** ", "B"), ("[[A]]", "A"), ("tie.", "tie"), ("Answer B", "B"), ("B is better.", "B"),
        ("Equally good", "tie"), ("回答A更好", "A"), ("平局", "tie"), ("更好的回答是 B。", "B"), ("更好：A", "A"),
        ("B states a wrong year.\n\nBetter: A", "A"), ("The better answer is B.", "B"),
        ("Final verdict: **tie**", "tie"),
        ("Antwort B ist besser.", "B"), ("Besser: A", "A"), ("Die bessere Antwort ist B.", "B"), ("gleich gut", "tie"),
        ('{"better": "unentschieden"}', "tie"), ("La réponse A est meilleure.", "A"), ("Égalité", "tie"),
        ("La meilleure réponse est B.", "B"), ("La respuesta B es mejor.", "B"), ("La mejor respuesta es A.", "A"),
        ("Empate.", "tie"), ("答えA", "A"), ("Bのほうがよい。", "B"), ("よい答えは A", "A"), ("引き分け", "tie"),
        ("A is complete, B is not.\n[[A]]", "A"), ('{"reason": "the "odd" one", "better": "B"}', "B"),
    ],
)  # fmt: skip
def test_every_way_to_state_a_preference(text: str, expected: str) -> None:
    assert read_comparison(Completion(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "C", "Apple", "A and B", "A or B", "both", "I can't tell.", "A\nB", "Better: A\nBetter: B",
        '{"better": "C"}', '{"better": null}', '{"better": ["A"]}', '{"better": {"answer": "A"}}', '{"reason": "A"}',
        '{"better": "A"}\n{"better": "B"}', '{"better": "A", "better": "B"}', '{"better": "A and B"}',
        "A states that Rome is better.", '{"better": 1}', "Better: A nor B", "{}\nA",
    ],
)  # fmt: skip
def test_an_unclear_preference_is_none(text: str) -> None:
    assert read_comparison(Completion(text)) is None


def test_a_failed_answer_and_a_draft_state_nothing() -> None:
    assert read_comparison(Completion("A", error="timeout: 60 s", failed=True)) is None
    assert read_comparison(Completion("Better: A", finish_reason="length")) is None
    assert read_comparison(Completion('{"better": "A"} and', finish_reason="length")) == "A"


@pytest.mark.parametrize("unit", ["{", '"better":"', "the ", "better ", "answer ", "A ", "\n", "**", "更", "final "])
def test_long_answers_are_read_in_linear_time(unit: str) -> None:
    start = time.process_time()
    read_comparison(Completion(unit * (100_000 // len(unit))))
    assert time.process_time() - start < 1
