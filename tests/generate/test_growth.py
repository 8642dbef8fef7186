"""A run grows, start by start: more records, new seeds, another teacher; what was made before stays as it was."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_kill import answers_in, start
from test_loop import Recorder, changed, grow

from conftest import Loopback, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import ConfigChanged, ConfigError, SeedError, StorageError, UsageError
from selfinstruct.core.prompts import Completion, Message, Prompt, Question, Sampling
from selfinstruct.core.tasks import SeedTask
from selfinstruct.journal.answer_values import Receipt
from selfinstruct.journal.folder import Run
from selfinstruct.journal.journal import ANSWER_COLUMNS, Journal
from selfinstruct.journal.provenance import Trail
from selfinstruct.journal.snapshot import read
from selfinstruct.report.explain import SeedStory, explain
from selfinstruct.seeds.load import compare_seeds, load_seeds, seeds_digest
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]
ANSWERS = f"SELECT {', '.join(ANSWER_COLUMNS)}, inherited FROM answers"
both = pytest.mark.parametrize("strategy", ["alpaca", "self_instruct"])


def seed(number: int, **changes: Any) -> dict[str, Any]:
    instruction = f"Question {number}: " + " ".join(random.Random(number).sample(WORDS, 9)) + "?"
    return {"id": f"more_{number}", "instruction": instruction, "output": f"Answer {number}."} | changes


WORDS = "lime oak fig yew ash elm bay plum pear rose iris lily fern moss reed rush sage mint dill leek kale".split()


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of seed files, with one in it."""
    path = tmp_path / "seeds"
    path.mkdir()
    (path / "m.jsonl").write_text(lines(*map(seed, range(8))))
    return path


def stored(run: Run, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(run.path / "journal.sqlite")) as db:
        return db.execute(sql).fetchall()


def demos(run: Run, questions: range) -> set[str]:
    """The ids of what these questions were shown."""
    rows = stored(run, "SELECT question, demos FROM answers WHERE question IS NOT NULL")
    return {id for question, shown in rows if question in questions for id in json.loads(shown)}


# --- so many more records -----------------------------------------------------------------------


@both
def test_every_start_adds_its_records_and_they_are_those_of_one_long_run(
    make_config: MakeConfig, strategy: str
) -> None:
    config = make_config(strategy=strategy, target="+15")
    for starts in range(1, 4):
        run = grow(config)
        assert (run.outcome.reason, run.outcome.exit_code, len(run.records())) == ("target", 0, 15 * starts)
    long = grow(changed(config, target=45, run_dir=config.run_dir + "-long"))
    assert run.records() == long.records()


def test_a_start_that_ended_early_is_gone_on_with_and_not_added_to(make_config: MakeConfig) -> None:
    config = make_config(target="+30")
    grow(config)
    used = Run(config.run_dir).status().requests
    early = grow(changed(config, max_requests=used + 2))
    assert (early.outcome.reason, early.outcome.exit_code, early.status().target) == ("budget", 3, 60)
    assert 30 < len(early.records()) < 60
    again = grow(config)
    assert (again.outcome.exit_code, len(again.records())) == (0, 60)
    assert len(grow(config).records()) == 90


def test_another_number_counts_from_the_next_start_on(make_config: MakeConfig) -> None:
    config = make_config(target="+30")
    grow(changed(config, max_requests=2))
    assert len(grow(changed(config, target="+5")).records()) == 30, "what was taken on stands"
    assert len(grow(changed(config, target="+5")).records()) == 35


def test_a_number_of_its_own_ends_what_was_taken_on(make_config: MakeConfig) -> None:
    config = make_config(target="+30")
    grow(changed(config, max_requests=2))
    assert len(grow(changed(config, target=12)).records()) == 12
    assert len(grow(config).records()) == 42, "30 more than the dataset had"
    assert len(grow(changed(config, target=50)).records()) == 50


def test_a_wrong_template_is_found_before_anything_is_asked(make_config: MakeConfig) -> None:
    config = make_config(target="+20", dataset={"formats": [{"kind": "text", "chat_template": "none.jinja"}]})
    teacher = Recorder()
    with pytest.raises(ConfigError):
        grow(config, teacher, export=True)
    assert teacher.asked == []
    assert not (Path(config.run_dir) / "journal.sqlite").exists()


def test_a_start_counts_when_its_dataset_is_written(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever happens between the last record and the dataset, the start after it adds nothing twice."""
    config = make_config(target="+20")

    def fail(run: Run, *, overwrite: bool) -> Path:
        raise StorageError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("selfinstruct.dataset.write_dataset", fail)
        with pytest.raises(StorageError):
            grow(config, export=True)
    assert len(Run(config.run_dir).records()) == 20
    teacher = Recorder()
    run = grow(config, teacher, export=True)
    assert (len(run.records()), teacher.asked, run.outcome.exit_code) == (20, [], 0)
    assert len(grow(config, export=True).records()) == 40


def test_what_is_taken_on_is_seen_before_and_after(make_config: MakeConfig) -> None:
    from selfinstruct.generate.expectation import check

    config = make_config(target="+30")
    assert check(config).rows["target"] == "30 records (+30: from 0 on)"
    aim = grow(config).status().aim
    assert aim is not None
    assert (aim.base, aim.target, aim.met) == (0, 30, True)
    rows = check(config).rows
    assert rows["target"] == "60 records (+30: from 30 on)"
    assert rows["expected requests"].endswith(" for 30 records")
    grow(changed(config, max_requests=Run(config.run_dir).status().requests + 1))
    there = len(Run(config.run_dir).records())
    assert check(config).rows["expected requests"].endswith(f" for {60 - there} records")
    aim = Run(config.run_dir).status().aim
    assert aim is not None
    assert (aim.base, aim.target, aim.met) == (30, 60, False)


@pytest.mark.slow
def test_two_starts_at_the_same_time_do_not_add_twice(
    make_config: MakeConfig, loopback: Callable[..., Loopback], tmp_path: Path
) -> None:
    server = loopback(latency_s=0.05)
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None}
    config, log = tmp_path / "growing.yaml", tmp_path / "log"
    values = make_config(target="+150", teacher=teacher, concurrency=1).model_dump(exclude_unset=True, mode="json")
    config.write_text(yaml.safe_dump(values))
    first = start(config, log)
    while first.poll() is None and answers_in(tmp_path / "run") == 0:
        time.sleep(0.01)
    second = cli("generate", config)
    assert second.returncode == 4, second.stderr
    assert first.wait(60) == 0, log.read_text()
    assert len(Run(tmp_path / "run").records()) == 150


def test_a_fork_adds_to_what_it_took_over(make_config: MakeConfig) -> None:
    source = grow(make_config(target="+20"))
    config = changed(source.config, run_dir=str(source.path) + "-fork", target="+10")
    assert len(grow(config, fork_of=source.path).records()) == 30
    assert len(grow(config).records()) == 40
    assert len(source.records()) == 20


# --- new seeds ----------------------------------------------------------------------------------


@both
def test_new_seeds_are_the_only_new_work_and_what_was_made_stays(
    make_config: MakeConfig, folder: Path, strategy: str
) -> None:
    config = make_config(seeds=str(folder), target="+25", strategy=strategy)
    before = grow(config, export=True)
    records, rows = before.records(), stored(before, ANSWERS)
    (folder / "a.jsonl").write_text(lines(*map(seed, range(20, 28))))
    teacher = Recorder()
    run = grow(config, teacher, export=True)
    assert run.records()[:25] == records, "the same records, with the same ids, in the same order"
    assert stored(run, ANSWERS)[: len(rows)] == rows
    assert len(teacher.asked) == len(stored(run, "SELECT 1 FROM answers")) - len(rows), "only what is new was asked"
    first = run.generations[1].first_question
    old, new = {f"more_{n}" for n in range(8)}, {f"more_{n}" for n in range(20, 28)}
    assert not demos(run, range(first)) & new
    assert demos(run, range(first, 10_000)) & new
    assert demos(run, range(first, 10_000)) & old
    again = Recorder()
    replayed = grow(changed(config, target=50), again)
    assert (again.asked, replayed.records(), len(replayed.generations)) == ([], run.records(), 2)


def test_files_and_their_order_do_not_count(make_config: MakeConfig, folder: Path) -> None:
    config = make_config(seeds=str(folder), target="+10")
    grow(config)
    rows = (folder / "m.jsonl").read_text().splitlines(keepends=True)
    (folder / "m.jsonl").unlink()
    (folder / "z.jsonl").write_text("".join(rows[:3]))
    (folder / "b.json").write_text(json.dumps([json.loads(row) for row in reversed(rows[3:])]))
    run = grow(changed(config, seeds=[str(folder / "?.json*")]))
    assert (len(run.generations), len(run.records())) == (1, 20)


def test_a_seed_without_an_id_is_known_by_its_words(make_config: MakeConfig, folder: Path) -> None:
    (folder / "m.jsonl").write_text(lines(*(seed(n, id=None) for n in range(8))))
    config = make_config(seeds=str(folder), target="+10")
    grow(config)
    (folder / "a.jsonl").write_text(lines(seed(20, id=None), seed(21, id="mine"), seed(22, id=None)))
    run = grow(config)
    ids = [row[0] for row in stored(run, "SELECT id FROM seeds ORDER BY position")]
    assert ids == [*(f"seed_{n}" for n in range(8)), "seed_8", "mine", "seed_9"]
    assert len(grow(config).generations) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:], '"more_0" gone'),
        (lambda rows: [rows[0] | {"output": "Other."}, *rows[1:]], '"more_0" edited'),
        (lambda rows: [rows[0] | {"instruction": "Something else entirely?"}, *rows[1:]], '"more_0" edited'),
        (lambda rows: [rows[0] | {"id": "renamed"}, *rows[1:]], '"more_0" edited'),
        (lambda rows: [*rows[:1], seed(50)], '"more_1", "more_2", "more_3", "more_4", "more_5" and 2 more gone'),
    ],
)
@pytest.mark.parametrize("new_generation", [False, True])
def test_a_seed_that_is_gone_or_edited_is_an_error_that_says_which(
    make_config: MakeConfig, folder: Path, change: Callable[[list[Any]], list[Any]], said: str, new_generation: bool
) -> None:
    config = make_config(seeds=str(folder), target="+10")
    made = grow(config).records()
    (folder / "m.jsonl").write_text(lines(*change([seed(n) for n in range(8)])))
    with pytest.raises(ConfigChanged, match="put the seeds back as they were") as caught:
        grow(config, new_generation=new_generation)
    assert caught.value.changes == [f"seeds: {said}"]
    assert "--new-generation" not in str(caught.value)
    assert Run(config.run_dir).records() == made
    fork = grow(changed(config, run_dir=config.run_dir + "-fork", target=15), fork_of=config.run_dir)
    assert len(fork.records()) == 15


def test_novelty_begins_with_the_seed_and_says_what_it_would_have_refused(
    make_config: MakeConfig, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(seeds=str(folder), target="+25")
    before = grow(config).records()
    (folder / "n.jsonl").write_text(lines(seed(30, instruction=before[3].instruction), seed(31)))
    run = grow(config)
    assert run.records()[:25] == before
    assert f'the new seed "more_30" is nearly the same as the task {before[3].id} (ROUGE-L F 1.00)' in caplog.text
    assert "more_31" not in caplog.text.replace('"more_30", "more_31": a new generation', "")
    assert [each.near for each in run.status().by_generation] == [0, 1]
    caplog.clear()
    grow(config)
    assert "nearly the same" not in caplog.text, "it is said once"
    refused = stored(run, "SELECT question FROM verdicts WHERE nearest LIKE 'more_3%'")
    assert all(question >= run.generations[1].first_question for (question,) in refused)


def test_a_task_like_a_new_seed_is_refused_after_it(make_config: MakeConfig, folder: Path) -> None:
    """The teacher says one task at each start, and that task becomes a seed: where it was admitted it stays."""
    config = make_config(seeds=str(folder), target="+12", min_yield=0)
    echo = "Name the colour of the harbour wall at dawn."
    answer = Completion(json.dumps({"tasks": [{"instruction": echo, "input": "", "output": "Grey."}]}))

    def grown(seeds_too: bool) -> Run:
        if seeds_too:
            (folder / "n.jsonl").write_text(lines(seed(30, instruction=echo)))
        return grow(config, Recorder(bad=lambda p, n: answer if n == 0 else None))

    made = grown(False).records()
    assert [record.instruction for record in made].count(echo) == 1
    run = grown(True)
    assert [r.instruction for r in run.records()].count(echo) == 1
    near = (
        "SELECT DISTINCT question >= ?, nearest = 'more_30' FROM verdicts WHERE instruction = ? AND reason IS NOT NULL"
    )
    with contextlib.closing(sqlite3.connect(run.path / "journal.sqlite")) as db:
        said = set(db.execute(near, (run.generations[1].first_question, echo)))
    assert {after for after, _ in said} == {1}, "before it came, nothing was refused for it"
    assert run.records()[:12] == made


def test_an_exhausted_run_goes_on_with_new_seeds(make_config: MakeConfig, folder: Path) -> None:
    config = make_config(seeds=str(folder), target="+60", min_yield=5.0, min_yield_window=6)
    worn_out = grow(config, FakeTeacher(repeat=1.0))
    assert (worn_out.outcome.reason, worn_out.outcome.exit_code) == ("exhausted", 3)
    asked = Recorder()
    assert grow(config, asked).outcome.reason == "exhausted"
    assert asked.asked == []
    (folder / "n.jsonl").write_text(lines(*map(seed, range(20, 28))))
    run = grow(config)
    assert (run.outcome.reason, len(run.records())) == ("target", 60)
    assert run.records()[: len(worn_out.records())] == worn_out.records()


def test_what_is_under_way_in_batch_jobs_stays_with_the_generation_that_asked(
    make_config: MakeConfig, folder: Path
) -> None:
    config = make_config(seeds=str(folder), target="+10")
    run = grow(config)
    prompt = Prompt("propose", (Message("user", "Tasks, please."),), Sampling())
    with contextlib.closing(Journal(run.path / "journal.sqlite")) as journal:
        journal.jobs.of("fake").plan("digest", [Question("p:40", prompt, 40), Question("d:open", prompt)])
    (folder / "n.jsonl").write_text(lines(*map(seed, range(20, 22))))
    assert grow(config).generations[1].first_question == 41
    (folder / "o.jsonl").write_text(lines(*map(seed, range(22, 24))))
    assert len(grow(config).generations) == 3

    async def collect() -> list[int]:
        answer = Completion("none")
        with contextlib.closing(Journal(run.path / "journal.sqlite")) as journal:
            arrived = [await journal.commit(key, None, prompt, answer, Receipt()) for key in ("d:open", "d:new")]
        return [each.generation for each in arrived]

    assert asyncio.run(collect()) == [1, 3]
    with pytest.raises(UsageError, match="1 batch jobs are under way"):
        grow(changed(config, teacher={"kind": "fake", "model": "two"}), new_generation=True)
    with contextlib.closing(sqlite3.connect(run.path / "journal.sqlite")) as db, db:
        db.execute("DELETE FROM batch_questions")
    assert len(grow(changed(config, teacher={"kind": "fake", "model": "two"}), new_generation=True).generations) == 4


@both
def test_a_question_left_open_is_shown_the_seeds_of_its_place(
    make_config: MakeConfig, folder: Path, strategy: str
) -> None:
    """It lies before the new generation's first: novelty doesn't know the new seeds there yet."""
    config = make_config(seeds=str(folder), target="+60", strategy=strategy)
    early = grow(changed(config, max_requests=8 if strategy == "self_instruct" else 4))
    with contextlib.closing(sqlite3.connect(early.path / "journal.sqlite")) as db, db:
        db.execute("DELETE FROM answers WHERE question = 1")  # as a kill leaves it when a later answer came first
    answered = {row[0] for row in stored(early, "SELECT question FROM answers")}
    (folder / "n.jsonl").write_text(lines(*map(seed, range(20, 28))))
    run = grow(config)
    since = run.generations[1].first_question
    left = set(range(since)) - answered
    assert left, "nothing was left open: the test shows nothing"
    late = {f"more_{n}" for n in range(20, 28)}
    assert not demos(run, range(since)) & late
    assert demos(run, range(since, 10_000)) & late
    again = Recorder()
    assert grow(changed(config, target=60), again).records() == run.records()
    assert again.asked == []


def test_generations_that_ask_nothing_are_no_trouble(make_config: MakeConfig, folder: Path) -> None:
    """Seeds that come while there is nothing to do count from the next question on, whenever that is."""
    config = make_config(seeds=str(folder), target=15)
    made = grow(config).records()
    for night in (1, 2):
        (folder / f"{night}.jsonl").write_text(lines(*map(seed, range(20 * night, 20 * night + 4))))
        teacher = Recorder()
        assert grow(config, teacher).records() == made
        assert teacher.asked == []
    run = grow(changed(config, target=60))
    assert run.records()[:15] == made
    assert [each.new_seeds for each in run.status().by_generation] == [8, 4, 4]
    assert len({generation.first_question for generation in run.generations[1:]}) == 1
    assert grow(changed(config, target=60), Recorder()).records() == run.records()


def test_a_refilter_and_a_fork_keep_the_time_at_which_seeds_came(make_config: MakeConfig, folder: Path) -> None:
    config = make_config(seeds=str(folder), target="+25")
    before = grow(config).records()
    (folder / "n.jsonl").write_text(lines(seed(30, instruction=before[3].instruction)))
    run = grow(config)
    same = grow(changed(config, run_dir=config.run_dir + "-same", target=50), fork_of=run.path, recall_only=True)
    assert same.records() == run.records()
    (folder / "o.jsonl").write_text(lines(seed(31, instruction=before[5].instruction)))
    fork = grow(changed(config, run_dir=config.run_dir + "-fork", target=60), fork_of=run.path)
    assert fork.records()[:50] == run.records()


# --- another teacher ------------------------------------------------------------------------------


def test_another_teacher_needs_to_be_asked_for_and_is_a_generation(make_config: MakeConfig) -> None:
    config = make_config(target="+20", teacher={"kind": "fake", "model": "one"})
    before = grow(config, export=True).records()
    new = changed(config, teacher={"kind": "fake", "model": "two"})
    with pytest.raises(ConfigChanged, match="`generate --new-generation` to continue this run with it") as caught:
        grow(new)
    assert caught.value.changes == ['teacher.model: was "one", now "two"']
    assert "--fork" in str(caught.value)
    run = grow(new, new_generation=True, export=True)
    assert run.records()[:20] == before
    with read(run) as snapshot:
        trail = Trail(snapshot)
    generations = [trail.of(record).generation for record in run.records()]
    assert generations == sorted(generations)
    assert set(generations) == {1, 2}
    told = [(each.number, each.teacher, each.records) for each in run.status().by_generation]
    assert told == [(1, "one (fake)", generations.count(1)), (2, "two (fake)", generations.count(2))]
    again = grow(new, new_generation=True)
    made = again.records()
    assert (len(again.generations), len(made)) == (2, 60), "asked for again it is the same generation"
    with pytest.raises(ConfigChanged):
        grow(config)
    back = grow(config, new_generation=True)
    assert (len(back.generations), back.records()[:60]) == (3, made)


@pytest.mark.parametrize(
    "change",
    [{"max_similarity": 0.5}, {"lookahead": 8}, {"random_seed": 1}, {"filters": {"min_words": 9}}, {"language": "any"},
     {"judge": {"min_score": 2}}],
)  # fmt: skip
def test_what_would_judge_anew_what_is_there_is_no_generation(make_config: MakeConfig, change: dict[str, Any]) -> None:
    config = make_config(target="+10")
    grow(config)
    with pytest.raises(ConfigChanged) as caught:
        grow(changed(config, **change), new_generation=True)
    assert "--new-generation" not in str(caught.value)
    assert "--fork" in str(caught.value)


def test_a_task_is_developed_once_whatever_generations_come(make_config: MakeConfig) -> None:
    """Also one that an earlier generation proposed and a later one developed, in its own words."""
    config = make_config(strategy="self_instruct", target="+20", teacher={"kind": "fake", "model": "one"}, judge={})
    teacher = Recorder(latencies=random.Random(1))
    records = grow(config, teacher).records()
    asked, judged = sent(teacher, "classify", "instances"), sent(teacher, "judge")
    for number, words in enumerate(("text", "json_schema", "text"), 2):
        teacher = Recorder(latencies=random.Random(number))
        section = {"kind": "fake", "model": f"m{number}", "structured": words}
        run = grow(changed(config, teacher=section), teacher, new_generation=True)
        assert run.records()[: len(records)] == records
        records = run.records()
        assert not sent(teacher, "classify", "instances") & asked, "nothing is paid for twice"
        assert not sent(teacher, "judge") & judged, "nor judged twice, in whatever form the judge answers"
        asked |= sent(teacher, "classify", "instances")
        judged |= sent(teacher, "judge")
        again = Recorder()
        assert grow(changed(config, teacher=section, target=len(records)), again).records() == records
        assert again.asked == []


def test_a_fork_knows_how_the_generation_before_asked(make_config: MakeConfig) -> None:
    config = make_config(strategy="self_instruct", target=20, teacher={"kind": "fake", "model": "one"}, judge={})
    made = grow(config).records()
    teacher = {"kind": "fake", "model": "two", "structured": "text"}
    forked = Recorder()
    fork = grow(changed(config, teacher=teacher, run_dir=config.run_dir + "-fork"), forked, fork_of=config.run_dir)
    assert [record.examples for record in fork.records()] == [record.examples for record in made]
    assert forked.asked == []


def sent(teacher: Recorder, *purposes: str) -> set[str]:
    """The last message of what a teacher was asked: the task itself."""
    return {prompt.messages[-1].content for prompt in teacher.asked if prompt.purpose in purposes}


def test_another_model_of_the_same_name_is_asked_itself_whether_it_follows_schemas(make_config: MakeConfig) -> None:
    values = make_config(target="+10").model_dump(exclude_unset=True)
    del values["teacher"]

    def config(model: str) -> RunConfig:
        return RunConfig.parse(values | {"teachers": [{"kind": "fake", "model": model, "name": "a"}]})

    made = grow(config("one"), FakeTeacher()).records()
    for model in ("two", "two", "one"):
        run = grow(config(model), FakeTeacher(), new_generation=True)
    assert [row[0] for row in stored(run, "SELECT key FROM answers WHERE purpose = 'probe'")] == [
        "probe:a",
        "probe:a:2",
    ]
    assert (len(run.generations), run.records()[:10]) == (3, made)


def test_another_strategy_and_several_teachers_go_on_in_the_same_pool(make_config: MakeConfig) -> None:
    config = make_config(target="+20", teacher={"kind": "fake", "model": "one"})
    before = grow(config).records()
    values = config.model_dump(exclude_unset=True)
    del values["teacher"]
    teachers = [{"kind": "fake", "model": "one", "name": "a"}, {"kind": "fake", "model": "two", "name": "b"}]
    several = RunConfig.parse(values | {"strategy": "self_instruct", "teachers": teachers})
    run = grow(several, {"a": Recorder(), "b": Recorder()}, new_generation=True)
    assert run.records()[:20] == before
    assert {record.origin.strategy for record in run.records()[:20]} == {"alpaca"}
    assert {record.origin.strategy for record in run.records()[-10:]} == {"self_instruct"}


# --- told -----------------------------------------------------------------------------------------


def test_a_seed_tells_with_which_generation_it_came(make_config: MakeConfig, folder: Path) -> None:
    from selfinstruct.report.explain.describe import describe

    config = make_config(seeds=str(folder), target="+20")
    grow(config)
    (folder / "n.jsonl").write_text(lines(*map(seed, range(20, 28))))
    run = grow(config)
    shutil.rmtree(folder)
    story = explain(run, "more_20")
    assert isinstance(story, SeedStory)
    since = run.generations[1].first_question
    assert (story.generation, story.first_question, story.instruction) == (2, since, seed(20)["instruction"])
    assert f"added by generation 2, used from q{since} on" in describe(story)


def test_the_command_line(make_config: MakeConfig, folder: Path, tmp_path: Path) -> None:
    config = tmp_path / "growing.yaml"
    config.write_text(
        f"seeds: {folder}\nrun_dir: {tmp_path / 'run'}\ntarget: +15\nteacher: {{kind: fake, model: one}}\n"
    )
    assert cli("generate", config).returncode == 0
    (folder / "n.jsonl").write_text(lines(*map(seed, range(20, 22))))
    checked = cli("check", config).stdout
    assert '10 tasks, 0 of them classifications; 2 new seeds: "more_20", "more_21"' in checked
    assert "30 records (+15: from 15 on)" in checked
    done = cli("generate", config)
    assert (done.returncode, '2 new seeds, "more_20", "more_21": a new generation' in done.stderr) == (0, True)
    refused = cli("generate", config, "--set", "teacher.model=two")
    assert (refused.returncode, "--new-generation" in refused.stderr) == (2, True)
    assert cli("generate", config, "--set", "teacher.model=two", "--new-generation").returncode == 0
    told = cli("status", tmp_path / "run").stdout
    assert "45 records (+15: from 30 on), met: the next start adds more" in told
    assert "from q0 on: alpaca, one (fake), 8 seeds; " in told
    assert ": alpaca, one (fake), 2 new seeds; " in told
    assert ": alpaca, two (fake); " in told
    status = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    assert status["aim"] == {"target": 45, "more": 15, "met": True}
    assert [each["number"] for each in status["by_generation"]] == [1, 2, 3]
    assert sum(each["records"] for each in status["by_generation"]) == 45
    (folder / "n.jsonl").unlink()
    gone = cli("generate", config, "--set", "teacher.model=two")
    assert (gone.returncode, 'seeds: "more_20", "more_21" gone' in gone.stderr) == (2, True)
    assert "Traceback" not in gone.stderr
    out = tmp_path / "out"
    assert cli("export", tmp_path / "run", "--output", out).returncode == 0
    assert "revision: 1\n" in (out / "README.md").read_text()
    strict = cli("refilter", tmp_path / "run", tmp_path / "strict", "--set", f"seeds={folder}")
    assert strict.returncode in (0, 3), strict.stderr


# --- the values behind it -----------------------------------------------------------------------


def test_folders_patterns_and_what_is_in_them(folder: Path) -> None:
    (folder / "notes.txt").write_text("not a seed file")
    (folder / ".hidden.jsonl").write_text("{")
    (folder / "a.csv").write_text("instruction,output\nCount to 3.,1 2 3\n")
    ids = ["seed_0", *(f"more_{n}" for n in range(8))]
    assert [task.id for task in load_seeds(folder)] == ids
    assert [task.id for task in load_seeds(str(folder / "*.[cj]*"))] == ids
    with pytest.raises(SeedError, match=r"none\*: no such file or folder"):
        load_seeds(str(folder / "none*"))
    (folder / "n.jsonl").write_text(lines(seed(40), {"instruction": 5}))
    with pytest.raises(SeedError, match=r"n\.jsonl:2: 'instruction' must be a string"):
        load_seeds(folder)


def tasks(*rows: dict[str, Any], numbered: Sequence[int] = ()) -> list[SeedTask]:
    from selfinstruct.core.tasks import Instance

    return [
        SeedTask(row["id"], row["instruction"], (Instance("", row["output"]),), numbered=n in numbered)
        for n, row in enumerate(rows)
    ]


def test_compared_with_nothing_all_seeds_are_new_as_they_are() -> None:
    given = tasks(seed(1), seed(2))
    found = compare_seeds([], given)
    assert (found.tasks, found.added, found.removed, found.edited) == (given, given, [], [])


def test_new_numbers_avoid_every_id_that_is_taken() -> None:
    known = tasks(seed(1, id="seed_0"), seed(2, id="seed_3"))
    given = tasks(
        seed(3, id="seed_0"), seed(1, id="seed_1"), seed(2, id="seed_3"), seed(4, id="seed_2"), numbered=[0, 1]
    )
    found = compare_seeds(known, given)
    assert [task.id for task in found.tasks] == ["seed_0", "seed_3", "seed_4", "seed_2"]
    assert (found.removed, found.edited) == ([], [])
    assert seeds_digest(found.tasks[:2]) == seeds_digest(known)
