"""The fake teacher answers what samples, dialogues, and comparisons ask, so that every feature can be rehearsed."""

from __future__ import annotations

import asyncio
import random
from graphlib import TopologicalSorter

import pytest

from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Asking, Completion, Endpoint, Message, Prompt, Sampling
from selfinstruct.core.records import Example, Response
from selfinstruct.filters.judge.compare import PairwiseJudge
from selfinstruct.generate.dialogue import UserSimulator
from selfinstruct.teachers.fake.teacher import FakeTeacher, fake_answer

TASKS = {"en": "Explain to a child of {} why the tide turns.", "zh": "请向{}岁的孩子解释为什么有潮汐。"}
languages = pytest.mark.parametrize("language", TASKS)


def ask(prompt: Prompt, sample: int = 0) -> str:
    return asyncio.run(FakeTeacher().complete(Prompt(prompt.purpose, prompt.messages, Sampling(), sample=sample))).text


def task(language: str, number: int) -> Prompt:
    return Prompt("answer", (Message("user", TASKS[language].format(number)),), Sampling())


@languages
def test_samples_differ_and_one_in_eight_is_bad(language: str) -> None:
    texts = [[ask(task(language, number), sample) for sample in range(8)] for number in range(60)]
    assert texts[7] == [ask(task(language, 7), sample) for sample in range(8)], "each is always the same"
    every = [text for samples in texts for text in samples]
    good = [text for text in every if text.endswith((".", "。")) and not text.startswith(("I'm", "对不起"))]
    assert len(set(good)) == len(good)
    assert 0.06 < 1 - len(good) / 480 < 0.2
    bad = {text[-5:] for text in set(every) - set(good)}
    assert len(bad) == 2, "a refusal, and a text that stops too early"


@languages
@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_it_plays_the_user_of_a_dialogue(language: str, endpoint: Endpoint) -> None:
    simulator, draw = UserSimulator(language, Asking.over(endpoint)), random.Random(1)
    ended = 0
    for number in range(40):
        conversation = (*task(language, number).messages, Message("assistant", ask(task(language, number))))
        intents = simulator.draw_intents(3, draw)
        notes = simulator.read_plan(Completion(ask(simulator.plan(conversation, intents))), 3)
        assert len(set(notes)) == 3
        prompt = simulator.ask_turn(conversation, intents[0], notes[0])
        text, reason = simulator.read_turn(Completion(ask(prompt)), conversation)
        assert (text == "") == (reason is not None)
        assert reason in (None, "nothing_left: [END]")
        assert text == "" or text.endswith(("?", "？"))
        ended += reason is not None
    assert 1 < ended < 16, "now and then the user has nothing left to ask"


@languages
@pytest.mark.parametrize("by_schema", [True, False])
def test_it_compares_by_the_texts_themselves(language: str, by_schema: bool) -> None:
    config = RunConfig.parse({"seeds": "s", "run_dir": "r", "language": language, "judge": {}})
    judge, prompt = PairwiseJudge(config, by_schema=by_schema), task(language, 7)
    texts = list(dict.fromkeys(ask(prompt, sample) for sample in range(8)))
    responses = tuple(Response(text, "fake", sample) for sample, text in enumerate(texts))
    example = Example.of(prompt.messages[0].content, "", *responses)

    compared = asyncio.run(judge.compare(example, FakeTeacher().complete))

    pairs = len(texts) * (len(texts) - 1) / 2
    assert pairs / 2 < sum(len(each.beats) for each in compared) < pairs, "most pairs have a winner"
    TopologicalSorter({each.sample: each.beats for each in compared}).prepare()  # raises CycleError


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        (
            "Subject: Vim\nFact: The log of Vim is in `vim.log` by default.\nAnswer: vim.log\nQuestion: Which file",
            "The log of Vim is in ` ` by default?",
        ),
        (
            "Thema: Vim\nTatsache: Das Protokoll liegt in `vim.log`.\nAntwort: vim.log\nFrage:\nNur die Frage. Beginne "
            "mit: Welche Datei",
            "Welche Datei Das Protokoll liegt in ` `?",
        ),
        (
            "Text: Vim is old. The log of Vim is in vim.log by default.\nQuestion: Which is the log of Vim by default "
            "in?\nAnswer:",
            "vim.log",
        ),
    ],
)
def test_a_fact_becomes_a_question_and_a_text_answers_it(prompt: str, answer: str) -> None:
    assert fake_answer(f"Rules.\n\n{prompt}") == answer
