"""The loop keeps its promise: a run is a pure function of its journal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfinstruct.ask.asker import Teacher
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigChanged, TeacherDown, TeacherRefused
from selfinstruct.core.events import Progress
from selfinstruct.core.prompts import Asking, Completion, Message, Prompt, Sampling, Usage
from selfinstruct.core.records import Development, Example, Response
from selfinstruct.core.tasks import PASS, Candidate, Material, Verdict
from selfinstruct.generate.start import arun
from selfinstruct.journal.folder import Run
from selfinstruct.report.explain.story import explain
from selfinstruct.report.explain.values import QuestionStory
from selfinstruct.strategies.protocol import Ask
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]


class Recorder:
    """A teacher in front of another: keeps what it was asked, answers late, badly or not at all as told.

    bad: what to answer, or raise, instead; gets the prompt and how many questions came before it.
    """

    asking = Asking(structured=True)

    def __init__(
        self,
        bad: Callable[[Prompt, int], Completion | Exception | None] | None = None,
        latencies: random.Random | None = None,
        inner: Teacher | None = None,
    ) -> None:
        self.asked: list[Prompt] = []
        self._bad, self._latencies, self._inner = bad, latencies, inner or FakeTeacher()

    async def complete(self, prompt: Prompt) -> Completion:
        number = len(self.asked)
        self.asked.append(prompt)
        if self._latencies:
            await asyncio.sleep(self._latencies.choice((0, 0, 0.001, 0.004, 0.02)))
        bad = self._bad(prompt, number) if self._bad else None
        if isinstance(bad, Exception):
            raise bad
        return bad or await self._inner.complete(prompt)


def grow(config: RunConfig, teacher: Any = None, **options: Any) -> Run:
    """A start that may not wait for ever and writes no dataset unless asked to."""

    async def bounded() -> Run:
        async with asyncio.timeout(60):
            return await arun(config, **{"teacher": teacher or Recorder(), "export": False} | options)

    return asyncio.run(bounded())


def changed(config: RunConfig, **changes: Any) -> RunConfig:
    return RunConfig.parse(config.model_dump(exclude_unset=True) | changes)


def verdicts(run: Run) -> list[Any]:
    from selfinstruct.journal.journal import Journal

    journal = Journal(run.path / "journal.sqlite", read_only=True)
    rows = journal.query("SELECT question, idx, stage, part, instruction, reason, detail, score, nearest FROM verdicts")
    journal.close()
    return rows


def truths(run: Run) -> list[Any]:
    """Key, demonstrations and text of every answer of a proposal."""
    from selfinstruct.journal.journal import Journal

    journal = Journal(run.path / "journal.sqlite", read_only=True)
    rows = journal.query("SELECT question, demos FROM answers WHERE question IS NOT NULL ORDER BY question")
    journal.close()
    return rows


def failed(prompt: Prompt, number: int) -> Completion:
    return Completion("", error="timeout: no answer within 60 s", failed=True)


both = pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])


# --- exactly N, extended, again -----------------------------------------------------------------


@both
@pytest.mark.parametrize("target", [1, 7, 40])
def test_exactly_n_records(make_config: MakeConfig, strategy: str, target: int) -> None:
    run = grow(make_config(strategy=strategy, target=target))
    assert (run.outcome.reason, run.outcome.exit_code) == ("target", 0)
    records = run.records()
    assert len(records) == target
    assert [(r.question, r.index) for r in records] == sorted((r.question, r.index) for r in records)


@both
def test_a_second_start_asks_nothing(make_config: MakeConfig, strategy: str) -> None:
    """Whatever the timing of the first one was: the journal's answers suffice, so none is asked for."""
    for seed in range(8):
        config = make_config(strategy=strategy, target=25, run_dir=make_config().run_dir + f"-{seed}", concurrency=32)
        first = grow(config, Recorder(latencies=random.Random(seed), bad=half_bad))
        again = Recorder()
        second = grow(config, again)
        assert again.asked == []
        assert second.records() == first.records()
        assert second.outcome == first.outcome


def half_bad(prompt: Prompt, number: int) -> Completion | None:
    """A third of the instances are refused, by prompt, not by time."""
    if prompt.purpose == "instances" and int(prompt.digest(), 16) % 3 == 0:
        return Completion("", error="refusal: no")
    return None


@both
def test_a_higher_target_goes_on_where_it_stopped(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=20)
    teacher = Recorder(bad=half_bad)
    first = grow(config, teacher)
    second = grow(changed(config, target=60), teacher)
    assert second.records()[:20] == first.records()[:20]
    assert len(second.records()) == 60
    names = Counter(prompt.digest() for prompt in teacher.asked)
    assert max(names.values()) == 1, "nothing is asked again"
    straight = grow(changed(config, target=60, run_dir=config.run_dir + "-straight"), Recorder(bad=half_bad))
    assert [r.examples for r in straight.records()] == [r.examples for r in second.records()]


@both
def test_a_lower_target_is_the_beginning_of_the_higher(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=40)
    first, teacher = grow(config), Recorder()
    records = first.records()
    assert grow(changed(config, target=15), teacher).records() == records[:15]
    assert grow(config, teacher).records() == records
    assert teacher.asked == []


def test_nothing_is_made_ready_when_nothing_is_to_be_asked(make_config: MakeConfig) -> None:
    class Entered(Recorder):
        entered = 0

        async def __aenter__(self) -> Entered:
            self.entered += 1
            return self

        async def __aexit__(self, *_: object) -> None:
            self.entered += 10

    first, second = Entered(), Entered()
    grow(make_config(), first)
    grow(make_config(), second)
    assert (first.entered, second.entered) == (11, 0)


# --- timing changes nothing ---------------------------------------------------------------------


@both
def test_same_answers_same_rows_at_any_concurrency_and_latency(make_config: MakeConfig, strategy: str) -> None:
    base = make_config(strategy=strategy, target=60)
    plain = grow(base, Recorder(bad=half_bad))
    for seed, concurrency in enumerate((1, 32, 32, 256, 3)):
        config = changed(base, run_dir=f"{base.run_dir}-{seed}", concurrency=concurrency)
        run = grow(config, Recorder(latencies=random.Random(seed), bad=half_bad))
        assert run.records() == plain.records()
        shared = min(len(truths(run)), len(truths(plain)))
        assert truths(run)[:shared] == truths(plain)[:shared], "the same questions were asked"


@both
def test_question_i_is_shown_the_pool_as_it_stood_lookahead_questions_before(
    make_config: MakeConfig, strategy: str
) -> None:
    """And nothing younger; checked in the journal of a run whose answers came in any order."""
    config = make_config(strategy={"kind": strategy, "machine_demos": 2}, target=250, lookahead=8, concurrency=16)
    run = grow(config, Recorder(latencies=random.Random(5)))
    admitted_from = {f"{run.id}-{q}-{i}": q for q, i, stage, *_ in verdicts(run) if stage == "admission"}
    machine_made = 0
    for question, demos in truths(run):
        shown = [admitted_from[demo] for demo in json.loads(demos) if demo in admitted_from]
        assert all(source <= question - config.lookahead for source in shown)
        assert len(shown) == (2 if question >= config.lookahead else 0)
        machine_made += len(shown)
    assert machine_made > 10


# --- refusals and bad answers -------------------------------------------------------------------


@both
def test_every_refusal_has_a_row_and_the_counts_add_up(make_config: MakeConfig, strategy: str) -> None:
    run = grow(make_config(strategy=strategy, target=80), Recorder(bad=half_bad, inner=FakeTeacher(repeat=0.3)))
    rows, status = verdicts(run), run.status()
    stages = Counter((row[2], row[5] is None) for row in rows if row[1] >= 0)
    assert status.proposed == stages["admission", True] + stages["filter", False] + stages["novelty", False]
    assert status.admitted == stages["admission", True]
    assert sum(status.refused.values()) == sum(row[5] is not None for row in rows)
    assert status.refused["too_similar"] > 0
    similar = [row for row in rows if row[5] == "too_similar"]
    assert all(row[7] > 0.7 and row[8] for row in similar), "with its score, and nearest to what"
    assert stages["filter", True] == stages["novelty", True] == 0


def test_bad_answers_are_rows_and_the_run_goes_on(make_config: MakeConfig) -> None:
    kinds = {
        1: Completion("", error="refusal: I'd rather not"),
        2: Completion("no list in here at all"),
        3: Completion("", error="server_error: 503", failed=True),
        4: Completion("", error="empty_answer"),
        5: Completion('{"tasks": [{"instruction": "Say \\ud83d and \\u0000 loudly to the whole sea.",'
                      ' "input": "", "output": "\\udc00 yes"}]}'),
    }  # fmt: skip
    run = grow(make_config(concurrency=1), Recorder(bad=lambda _, number: kinds.get(number)))
    assert run.outcome.reason == "target"
    reasons = {row[0]: row[5] for row in verdicts(run) if row[2] == "answer"}
    assert reasons == {1: "refusal", 2: "unparsable", 3: "server_error", 4: "empty_answer"}
    (odd,) = [record for record in run.records() if record.question == 5]
    assert (odd.instruction, odd.examples[0].output) == ("Say ? and  loudly to the whole sea.", "? yes")


def test_what_is_in_no_task_is_a_verdict_and_no_more_tasks_than_requested_are_judged(make_config: MakeConfig) -> None:
    first, second = "Name three rivers that flow into the sea.", "Explain how a lock lifts a boat."
    tasks = [{"instruction": text, "input": "", "output": "As follows."} for text in (first, second)]
    broken = '{"instruction": "Say "hi" to them."}'
    answer = f'Sure!\n{{"tasks": [{json.dumps(tasks[0])}, {broken}, {json.dumps(tasks[1])}'
    answer += "".join(f', {{"instruction": "Count to {number}."}}' for number in range(40_000)) + "]}\nEnjoy!"
    config = make_config(concurrency=1, target=2, strategy={"kind": "alpaca", "tasks_per_question": 2})
    run = grow(config, Recorder(bad=lambda _, number: Completion(answer) if number == 0 else None))
    assert [record.instruction for record in run.records()] == [first, second]
    found = [(row[1], row[5], row[6]) for row in verdicts(run) if row[0] == 0 and row[2] == "reading"]
    assert found == [
        (-1, "left_out", "Sure!"),
        (-1, "unreadable_item", broken),
        (-1, "left_out", "Enjoy!"),
        (-1, "too_many_tasks", "40,000 beyond the 2 requested"),
    ]
    story = explain(run, "q0")
    assert isinstance(story, QuestionStory)
    assert [check.stage for check in story.checks] == ["reading"] * 4


def test_an_answer_that_ends_for_an_unknown_reason_loses_its_last_task(make_config: MakeConfig) -> None:
    def text(number: int) -> str:
        return "".join(f"### {n}\nInstruction: Name the {number} {n} birds.\nOutput: Bird {n}.\n" for n in (4, 5))

    kinds = {1: Completion(text(1), "network_error"), 2: Completion(text(2), "eos"), 3: Completion(text(3), "length")}
    run = grow(make_config(concurrency=1), Recorder(bad=lambda _, number: kinds.get(number)))
    cut = {row[0]: row[6] for row in verdicts(run) if row[5] == "truncated"}
    assert cut == {1: "finish reason 'network_error'", 3: ""}
    assert [row[1] for row in verdicts(run) if row[5] == "truncated"] == [1, 1]


@pytest.mark.parametrize("tag", ["think", "thought", "seed:think"])
def test_reasoning_is_kept_in_the_journal_and_reaches_no_task(make_config: MakeConfig, tag: str) -> None:
    draft = "### 4\nInstruction: Draft the best idea.\nOutput: No."
    task = "### 4\nInstruction: Name the seven birds of the lake.\nOutput: Heron."
    answer = Completion(f"<{tag}>\n{draft}\n</{tag}>\n{task}", reasoning="from the server")
    run = grow(make_config(concurrency=1), Recorder(bad=lambda _, number: answer if number == 1 else None))
    assert "Draft the best idea." not in {row[4] for row in verdicts(run)}
    assert "Name the seven birds of the lake." in {row[4] for row in verdicts(run)}
    rows = sqlite3.connect(run.path / "journal.sqlite").execute("SELECT text, reasoning FROM answers WHERE key = 'p:1'")
    assert rows.fetchall() == [(answer.text, "from the server")]


# --- what ends a run early ----------------------------------------------------------------------


@both
def test_a_budget_ends_a_run_and_a_higher_cap_goes_on(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=40, concurrency=32)
    teacher = Recorder()
    for cap in (2, 5, 9):
        run = grow(changed(config, max_requests=cap), teacher)
        outcome = run.outcome
        if outcome.reason == "target":
            break
        assert (outcome.reason, outcome.exit_code) == ("budget", 3)
        assert f"max_requests: {cap} of {cap} requests are used" in outcome.detail
        assert f"{len(run.records())} of 40 records" in outcome.detail
        assert len(teacher.asked) == cap
    run = grow(config, teacher)
    assert run.outcome.reason == "target"
    assert run.records() == grow(changed(config, run_dir=config.run_dir + "-straight")).records() or strategy
    assert max(Counter(prompt.digest() for prompt in teacher.asked).values()) == 1


def test_a_budget_is_kept_with_many_in_flight(make_config: MakeConfig) -> None:
    config = make_config(target=4000, concurrency=256, lookahead=300, max_tokens=400_000)
    run = grow(config, Recorder(latencies=random.Random(1)))
    status = run.status()
    assert run.outcome.reason == "budget"
    assert status.prompt_tokens + status.completion_tokens <= 400_000


@both
def test_a_teacher_that_only_repeats_itself_ends_the_run(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=500, min_yield=0.5, min_yield_window=12)
    teacher = Recorder(inner=FakeTeacher(repeat=1.0), latencies=random.Random(3))
    first = grow(config, teacher)
    assert (first.outcome.reason, first.outcome.exit_code) == ("exhausted", 3)
    assert "less than min_yield 0.5" in first.outcome.detail
    asked = len(teacher.asked)
    assert asked < 12 + 16 + 5, "the window, what was asked ahead, and little else"
    second = grow(config, teacher)
    assert len(teacher.asked) == asked
    assert (second.outcome, second.records()) == (first.outcome, first.records())
    grow(changed(config, min_yield_window=60), teacher)
    assert len(teacher.asked) > asked, "with another rule it goes on"


def test_failures_say_nothing_about_the_yield(make_config: MakeConfig) -> None:
    config = make_config(min_yield=0.5, min_yield_window=3, max_failures_in_a_row=8)
    with pytest.raises(TeacherDown):
        grow(config, Recorder(bad=failed))


@both
@pytest.mark.parametrize("concurrency", [1, 4, 64])
def test_a_teacher_that_is_down_ends_the_run_and_is_asked_again_later(
    make_config: MakeConfig, strategy: str, concurrency: int
) -> None:
    config = make_config(strategy=strategy, target=60, concurrency=concurrency, max_failures_in_a_row=5)
    down = Recorder(bad=lambda prompt, number: failed(prompt, number) if number >= 6 else None)
    with pytest.raises(TeacherDown, match="5 questions in a row got no answer"):
        grow(config, down)
    run = Run(config.run_dir)
    assert (run.outcome.reason, run.outcome.exit_code) == ("teacher_down", 3)
    up = Recorder()
    run = grow(config, up)
    assert run.outcome.reason == "target"
    straight = grow(changed(config, run_dir=config.run_dir + "-straight"))
    assert run.records() == straight.records(), "as if it had never been down"
    assert "timeout" not in run.status().refused
    answered = {prompt.digest() for prompt in down.asked[:6]}
    assert not answered & {prompt.digest() for prompt in up.asked}


@both
def test_a_teacher_that_refuses_is_raised_after_the_dataset_is_written(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=300)
    refusing = Recorder(bad=lambda _, number: TeacherRefused("401: check the key") if number > 25 else None)
    with pytest.raises(TeacherRefused, match="check the key") as caught:
        grow(config, refusing, export=True)
    assert caught.value.exit_code == 5
    run = Run(config.run_dir)
    assert (run.outcome.reason, run.outcome.exit_code) == ("teacher_refused", 5)
    assert run.dataset_path.exists()
    assert 0 < len(run.records()) < 300


def test_a_refusal_after_the_target_is_met_is_none(make_config: MakeConfig) -> None:
    run = grow(make_config(target=5))
    refusing = Recorder(bad=lambda *_: TeacherRefused("401"))
    assert grow(changed(run.config, target=4), refusing).outcome.exit_code == 0


# --- forks and replays --------------------------------------------------------------------------


@both
def test_a_fork_takes_answers_over_at_no_cost_and_goes_on(make_config: MakeConfig, strategy: str) -> None:
    config = make_config(strategy=strategy, target=30)
    source = grow(config, Recorder(latencies=random.Random(2)))
    other = changed(config, run_dir=config.run_dir + "-fork", max_similarity=0.6, target=60, lookahead=20)
    with pytest.raises(ConfigChanged) as caught:
        grow(changed(other, run_dir=config.run_dir))
    assert sorted(change.split(":")[0] for change in caught.value.changes) == ["lookahead", "max_similarity"]
    teacher = Recorder()
    fork = grow(other, teacher, fork_of=config.run_dir)
    assert (fork.outcome.reason, len(fork.records()), len(fork.generations)) == ("target", 60, 2)
    assert fork.status().requests == len(teacher.asked)
    taken = {(r.question, r.instruction) for r in source.records()}
    assert len(taken & {(r.question, r.instruction) for r in fork.records()}) >= 10
    again = Recorder()
    assert grow(other, again).records() == fork.records()
    assert again.asked == []
    assert source.records() == Run(config.run_dir).records(), "the source is as it was"


def test_a_gap_is_asked_and_read_as_the_newest_generation_does(make_config: MakeConfig) -> None:
    """A question that the first configuration asked, but that was never answered, belongs to the second."""
    config = make_config(target=60, teacher={"kind": "fake", "model": "one"}, max_failures_in_a_row=4)
    gaps = Recorder(bad=lambda p, n: TeacherDown("gone") if n == 2 else None, latencies=random.Random(4))
    with pytest.raises(TeacherDown):
        grow(config, gaps)
    asked = [question for question, _ in truths(Run(config.run_dir))]
    new = changed(config, run_dir=config.run_dir + "-fork", teacher={"kind": "fake", "model": "two"}, random_seed=9)
    teacher = Recorder()
    teacher.asking = Asking(structured=False)
    fork = grow(new, teacher, fork_of=config.run_dir)
    assert fork.outcome.reason == "target"
    missing = set(range(max(asked, default=0))) - set(asked)
    assert {prompt.schema is None for prompt in teacher.asked} == {True}, "nothing is asked in the old way"
    assert grow(new, None).records() == fork.records()
    assert missing <= {question for question, _ in truths(fork)}


@both
@pytest.mark.parametrize("structured", ["text", "auto"])
def test_refilter_replays_without_a_teacher(make_config: MakeConfig, strategy: str, structured: str) -> None:
    config = make_config(
        strategy=strategy, target=40, teacher={"kind": "fake", "model": "fake", "structured": structured}
    )
    source = grow(config, FakeTeacher())
    same = grow(changed(config, run_dir=config.run_dir + "-same"), fork_of=config.run_dir, recall_only=True)
    assert [r.examples for r in same.records()] == [r.examples for r in source.records()]
    assert (same.outcome.exit_code, same.status().requests) == (0, 0)
    other = changed(config, run_dir=config.run_dir + "-strict", max_similarity=0.55)
    strict = grow(other, fork_of=config.run_dir, recall_only=True)
    assert (strict.outcome.reason, strict.outcome.exit_code) == ("recall_only", 3)
    assert 0 < len(strict.records()) < 40
    assert strict.status().refused["too_similar"] > source.status().refused.get("too_similar", 0)
    more = grow(changed(other, target=45, min_yield=0.5, min_yield_window=8), FakeTeacher())
    assert more.records()[: len(strict.records())] == strict.records()
    assert more.status().requests > 0, "and generate goes on with it"


# --- own objects --------------------------------------------------------------------------------


class Chain:
    """The least strategy: one task an answer, developed by one more question."""

    name, digest = "chain", "chain-1"
    seed_demos, machine_demos, tasks_per_question = 1, 1, 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self.asking = asking

    def propose(self, material: Material) -> Prompt:
        return Prompt("propose", (Message("user", f"propose {material.ids}"),), Sampling(max_tokens=9))

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        return [Candidate(completion.text)]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        message = Message("user", f"develop {candidate.instruction}")
        answer = await ask(Prompt("instances", (message,), Sampling(max_tokens=9)))
        return Development((Example.of(candidate.instruction, "", Response(answer.text)),))


class Counting:
    """Answers a number that was never answered before."""

    def __init__(self) -> None:
        self.count = 0

    async def complete(self, prompt: Prompt) -> Completion:
        self.count += 1
        words = random.Random(self.count).choices("red blue oak elm sun rain stone bird milk salt".split(), k=9)
        return Completion(f"Tell {self.count} " + " ".join(words), usage=Usage(1, 1), model="counting")


class NoRain:
    def check(self, candidate: Candidate) -> Verdict:
        return Verdict("rain", "it rains") if "rain" in candidate.instruction else PASS


def test_own_teacher_strategy_and_filters_as_objects(make_config: MakeConfig) -> None:
    seen: list[Progress] = []
    config = make_config(target=30, lookahead=8)
    run = grow(config, Counting(), strategy=Chain, filters=[NoRain()], progress=seen.append, export=True)
    records = run.records()
    assert len(records) == 30
    assert {(r.origin.strategy, r.origin.teacher) for r in records} == {("chain", "counting")}
    assert not any("rain" in r.instruction for r in records)
    assert run.status().refused["rain"] > 0
    assert seen[-1].records == seen[-1].target == 30
    assert [p.consumed for p in seen] == sorted(p.consumed for p in seen)
    assert run.dataset_path.exists()


def test_other_filters_at_the_next_start_leave_no_old_rows(make_config: MakeConfig) -> None:
    config = make_config(target=30, lookahead=8)
    before = grow(config, Counting(), strategy=Chain, filters=[])
    assert any("rain" in r.instruction for r in before.records())
    teacher = Counting()
    teacher.count = 1000
    after = grow(config, teacher, strategy=Chain, filters=[NoRain()])
    assert not any("rain" in r.instruction for r in after.records())
    assert len(after.records()) == 30
    status = after.status()
    assert status.proposed == status.admitted + status.refused["rain"] + status.refused.get("too_similar", 0)


class Broken(Chain):
    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        await super().develop(candidate, ask)
        raise ZeroDivisionError("in my own strategy")


class BrokenParse(Chain):
    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        raise ZeroDivisionError("in my own strategy")


@pytest.mark.parametrize("strategy", [Broken, BrokenParse])
@pytest.mark.parametrize("target", [1, 30])
def test_a_strategy_that_raises_is_a_defect_and_nothing_hangs(
    make_config: MakeConfig, strategy: type[Chain], target: int
) -> None:
    with pytest.raises(ZeroDivisionError, match="my own"):
        grow(make_config(target=target), Counting(), strategy=strategy)


def test_a_teacher_that_raises_is_a_defect_and_nothing_hangs(make_config: MakeConfig) -> None:
    for when in (0, 3, 9):
        config = make_config(run_dir=make_config().run_dir + f"-{when}", strategy="self_instruct")
        teacher = Recorder(bad=lambda _, n, when=when: KeyError("mine") if n == when else None)
        with pytest.raises(KeyError, match="mine"):
            grow(config, teacher)
        assert len(grow(config).records()) == 40, "and what was answered is still there"


class Hanging(Recorder):
    """Never answers after the first few."""

    async def complete(self, prompt: Prompt) -> Completion:
        if len(self.asked) >= 5:
            await asyncio.Event().wait()
        return await super().complete(prompt)


@pytest.mark.slow
def test_who_cancels_a_run_gets_it_back_soon(make_config: MakeConfig) -> None:
    async def course() -> float:
        task = asyncio.create_task(arun(make_config(), teacher=Hanging(), export=False))
        await asyncio.sleep(0.5)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 20)
        return time.monotonic() - started

    assert asyncio.run(course()) < 7
    assert len(grow(make_config()).records()) == 40


def test_a_start_takes_over_which_text_was_nearest_while_the_pool_is_the_same(make_config: MakeConfig) -> None:
    config = make_config(target=12)
    first = verdicts(grow(config, FakeTeacher()))
    journal = Path(config.run_dir) / "journal.sqlite"

    def change(statement: str) -> None:
        with contextlib.closing(sqlite3.connect(journal)) as connection, connection:
            connection.execute(statement)

    change("UPDATE verdicts SET nearest = 'marked' WHERE stage = 'admission'")
    marked = [row for row in verdicts(grow(config)) if "marked" in row]
    assert len(marked) >= 12
    change(
        "UPDATE verdicts SET instruction = 'another' WHERE (question, idx) = "
        "(SELECT question, idx FROM verdicts WHERE stage = 'admission' ORDER BY question, idx LIMIT 1 OFFSET 4)"
    )
    assert len([row for row in verdicts(grow(config)) if "marked" in row]) == 4
    change("UPDATE meta SET value = 'another version' WHERE key = 'program'")
    assert verdicts(grow(config)) == first
