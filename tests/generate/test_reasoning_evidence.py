"""Reasoning never becomes data, and every limit leaves room for it, once answers show that a teacher reasons."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from test_loop import MakeConfig, Recorder, changed, grow, truths, verdicts

from selfinstruct.core.prompts import Asking, Completion, Prompt, Usage
from selfinstruct.generate.reasoning_evidence import ROOM
from selfinstruct.teachers.fake.teacher import FakeTeacher

DRAFT = "Okay.\n\n### 4\nInstruction: Draft {} about a river.\nInput: <none>\nOutput: Later.\n\n### 5\nInstruction: N"
TASK = "### {}\nInstruction: {}\nInput: <none>\nOutput: It {} a little.\n\n"
WORDS = "amber brook candle dune ember fjord grove harbor island jasmine kettle lagoon meadow nectar orchard".split()


def tasks(number: int, count: int = 2) -> str:
    chosen = random.Random(number)
    texts = [f"Describe {' and '.join(chosen.sample(WORDS, 5))} briefly." for _ in range(count)]
    return "".join(TASK.format(n, text, chosen.choice(WORDS)) for n, text in enumerate(texts, 4))


class Thinker(Recorder):
    """A teacher whose answers begin inside reasoning. `cut` says which of its proposals end before `</think>`."""

    asking = Asking(structured=False)

    def __init__(self, cut: Callable[[int], bool], opens: bool = True, **options: Any) -> None:
        super().__init__(bad=self._answer, **options)
        self._cut, self._opens = cut, opens
        self._numbers: dict[str, int] = {}

    def _answer(self, prompt: Prompt, _: int) -> Completion | None:
        if prompt.purpose != "propose":
            return None
        number = self._numbers.setdefault(prompt.text, len(self._numbers))
        draft = DRAFT.format(number)
        if self._cut(number):
            return Completion(draft, "length", usage=Usage(9, 99))
        text = f"{draft} do better.\n</think>\n\n{tasks(number)}" if self._opens else tasks(number)
        return Completion(text, usage=Usage(9, 99))


@pytest.mark.parametrize("cut", [lambda n: n % 2 == 0, lambda n: n < 5, lambda n: n == 3])
def test_drafts_of_answers_that_were_cut_off_are_no_tasks(make_config: MakeConfig, cut: Callable[[int], bool]) -> None:
    config = make_config(target=12, concurrency=1, lookahead=8)
    teacher = Thinker(cut)
    first = grow(config, teacher)
    assert first.outcome.reason == "target"
    assert not [record for record in first.records() if "Draft" in record.instruction]
    assert "only_reasoning" in first.status().refused
    again = Thinker(cut)
    records = first.records()
    assert (grow(config, again).records(), again.asked) == (records, [])
    more = grow(changed(config, target=20), teacher)
    assert more.records()[:12] == records


def test_an_answer_that_was_cut_off_keeps_its_tasks_where_no_answer_closes_reasoning(make_config: MakeConfig) -> None:
    config = make_config(target=12, concurrency=1, lookahead=8)
    done = grow(config, Thinker(lambda n: n % 2 == 0, opens=False))
    assert done.records()[0].instruction == "Draft 0 about a river."
    assert {"truncated", "too_similar"} <= set(done.status().refused)


def test_the_evidence_is_the_same_at_any_timing(make_config: MakeConfig) -> None:
    runs = []
    for seed in range(4):
        teacher = Scripted(latencies=random.Random(seed) if seed else None)
        config = make_config(
            target=30, concurrency=1 + 5 * seed, lookahead=8, run_dir=f"{make_config().run_dir}-{seed}"
        )
        runs.append(grow(config, teacher))
    for each in runs[1:]:
        assert each.records() == runs[0].records()
        shared = min(len(truths(each)), len(truths(runs[0])))
        assert truths(each)[:shared] == truths(runs[0])[:shared]


class Scripted(Recorder):
    """Like `Thinker`, but an answer depends on its prompt alone, so that it is the same in any order."""

    asking = Asking(structured=False)

    def __init__(self, **options: Any) -> None:
        super().__init__(bad=self._answer, **options)

    def _answer(self, prompt: Prompt, _: int) -> Completion | None:
        number = random.Random(prompt.text).randrange(10**6)
        if number % 3:
            return Completion(DRAFT.format(number), "length")
        return Completion(f"{DRAFT.format(number)} do better.\n</think>\n\n{tasks(number)}")


def test_answers_about_a_task_are_read_with_what_its_proposal_shows(make_config: MakeConfig) -> None:
    def answer(prompt: Prompt, _: int) -> Completion:
        number = random.Random(prompt.text).randrange(10**6)
        if prompt.purpose == "propose":
            listed = [tasks(number + n, 1).split(": ")[1].split("\n")[0] for n in (9, 10)]
            return Completion(
                "They want a list.\n</think>\n\n" + "\n".join(f"{n}. {t}" for n, t in enumerate(listed, 9))
            )
        if prompt.purpose == "classify":
            return Completion("It names things, so no.\n</think>\nNo")
        if number % 2:
            return Completion("An example:\nOutput: Draft.\n\nInput: x\nOutput: Perhaps", "length")
        return Completion("An example:\nOutput: Draft.\n</think>\nOutput: It grew.")

    teacher = Recorder(bad=answer)
    teacher.asking = Asking(structured=False)
    done = grow(make_config(strategy="self_instruct", target=12), teacher)
    assert done.outcome.reason == "target"
    assert {example.output for record in done.records() for example in record.examples} == {"It grew."}
    assert {row[5] for row in verdicts(done) if row[2] == "instance"} == {"only_reasoning"}


# --- room in the limits -------------------------------------------------------------------------


class Limited(Recorder):
    """A teacher that reasons for 150 tokens, which count toward its limit. hidden: it doesn't return the reasoning."""

    asking = Asking(structured=False)

    def __init__(self, hidden: bool = False, **options: Any) -> None:
        super().__init__(bad=self._limit, **options)
        self._hidden, self._fake = hidden, FakeTeacher()

    def _limit(self, prompt: Prompt, _: int) -> Completion | None:
        limit = prompt.sampling.max_tokens or 0
        reasoning = "" if self._hidden else "Hmm, the"
        if limit < 150:
            error = "empty_answer" if self._hidden else "only_reasoning: 3 tokens"
            return Completion("", "length", Usage(9, limit), error=error, reasoning=reasoning)
        return None


@pytest.mark.parametrize("hidden", [False, True])
def test_a_small_limit_that_leaves_no_room_is_raised(make_config: MakeConfig, hidden: bool) -> None:
    config = make_config(strategy="self_instruct", target=12, judge={"max_tokens": 100})
    teacher = Limited(hidden)
    done = grow(config, teacher)
    assert done.outcome.reason == "target"
    limits = {(prompt.purpose, prompt.sampling.max_tokens) for prompt in teacher.asked}
    assert {("classify", 3), ("classify", 3 + ROOM)} <= limits
    again = Limited(hidden)
    assert (grow(config, again).records(), again.asked) == (done.records(), [])


@pytest.mark.parametrize("tokens", [0, 500])
def test_a_stated_room_is_used_from_the_first_question_on(make_config: MakeConfig, tokens: int) -> None:
    teacher = {"kind": "fake", "model": "fake", "reasoning_tokens": tokens}
    asked = Limited()
    done = grow(make_config(strategy="self_instruct", target=12, teacher=teacher), asked)
    limits = {(prompt.purpose, prompt.sampling.max_tokens) for prompt in asked.asked}
    assert limits >= {("propose", 1024 + tokens), ("classify", 3 + tokens)}
    assert len(limits) == (2 if tokens == 0 else 3), "no other limit is tried"
    assert done.outcome.reason == ("exhausted" if tokens == 0 else "target")


def test_a_proposal_that_shows_reasoning_gives_later_limits_room(make_config: MakeConfig) -> None:
    class Open(Limited):
        def _limit(self, prompt: Prompt, number: int) -> Completion | None:
            if prompt.purpose == "propose":
                text = "\n".join(f"{n}. {tasks(number + n, 1).split(': ')[1].split(chr(10))[0]}" for n in (9, 10))
                return Completion(text, reasoning="Hmm.")
            return super()._limit(prompt, number)

    teacher = Open()
    done = grow(make_config(strategy="self_instruct", target=20, concurrency=1, lookahead=2), teacher)
    assert done.outcome.reason == "target"
    assert {p.sampling.max_tokens for p in teacher.asked if p.purpose == "classify"} == {3 + ROOM}
    proposed = [p.sampling.max_tokens for p in teacher.asked if p.purpose == "propose"]
    assert proposed[:2] == [1024, 1024]
    assert set(proposed[2:]) == {1024 + ROOM}
    assert not [row for row in verdicts(done) if row[5] == "only_reasoning"]


@pytest.mark.parametrize(
    ("usage", "reasons"),
    [(Usage(9, 120), True), (Usage(9, 9), False), (Usage(), False), (Usage(9, 0, partial=True), False)],
)
def test_the_probe_shows_hidden_reasoning_by_stated_tokens(
    make_config: MakeConfig, usage: Usage, reasons: bool
) -> None:
    def answer(prompt: Prompt, _: int) -> Completion | None:
        return Completion("Red and blue.", usage=usage) if prompt.purpose == "probe" else None

    teacher = Recorder(bad=answer)
    teacher.asking = None  # type: ignore[assignment]  # so that the teacher is probed
    grow(make_config(strategy="self_instruct", target=12), teacher)
    assert {p.sampling.max_tokens for p in teacher.asked if p.purpose == "classify"} == {3 + reasons * ROOM}
