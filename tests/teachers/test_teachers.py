"""Several teachers: who is asked what, what happens when one can't be asked, and that records say who made what."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import Process, start_python

from conftest import Loopback, cli
from selfinstruct.ask import router
from selfinstruct.ask.asker import Asker
from selfinstruct.ask.budget import Budget
from selfinstruct.ask.prices import Price
from selfinstruct.ask.router import AskClosed, Router
from selfinstruct.cli.console import spending
from selfinstruct.config.run_config import RunConfig, digest_of, overridden
from selfinstruct.core.errors import ConfigError, TeacherDown, TeacherRefused
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.generate.expectation import check
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.journal import Journal
from selfinstruct.teachers.asking import asking_for
from selfinstruct.teachers.fake.teacher import FakeTeacher

MakeConfig = Callable[..., RunConfig]


def fake(name: str, **values: Any) -> dict[str, Any]:
    return {"kind": "fake", "model": "fake", "name": name, **values}


# --- the configuration --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"teachers": []}, "teachers: must not be empty; name at least one"),
        ({"teachers": {"a": 1}}, "teachers: must be a list (it is a section)"),
        (
            {"teachers": [5]},
            "teachers.0: must be a section; indent its keys below it, or set teachers.0.KEY=VALUE",
        ),
        ({"teachers": [{"modl": "a"}]}, "teachers.0.modl: unknown key; did you mean 'teachers.0.model'?"),
        ({"teachers": [{"weight": 0}]}, "teachers.0.weight: must be greater than 0 (it is 0)"),
        ({"teachers": [{"target": 5}]}, "teachers.0.target: unknown key; did you mean 'target'?"),
        ({"teachers": [{}, {}]}, "teachers: two teachers are called 'gpt-4o-mini'; give each its own name"),
        (
            {"teachers": [{}], "teacher": {"model": "a"}},
            "teachers: contradicts teacher, which is set too; keep one of the two keys",
        ),
    ],
)
def test_a_wrong_list_is_explained(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        RunConfig.parse({"seeds": "s", "run_dir": "r"} | values)
    assert said in str(error.value).removeprefix("config: ").split("\nconfig: ")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"teachers": [{"roles": ["propose", "jury"]}]},
            "teachers: the role 'jury' is unknown; one of propose, judge",
        ),
        ({"teacher": {"roles": ["propos"]}}, "teacher.roles: none has the role 'propose'; add it to the roles of one"),
        (
            {"teachers": [{"roles": ["propose", "instancs"]}, {"name": "b"}], "strategy": "self_instruct"},
            "teachers: the role 'instancs' is unknown; did you mean 'instances'?",
        ),
        (
            {"teachers": [{}, {"name": "b", "roles": ["judge"]}]},
            "teachers: one has the role 'judge', which nothing needs; add a section judge, such as "
            "judge: {min_score: 3}",
        ),
        (
            {"teachers": [{}, {"name": "b", "roles": ["answer"]}]},
            "teachers: one has the role 'answer', which nothing needs; add a section answers, such as "
            "answers: {samples: 4}",
        ),
        (
            {"teachers": [{}, {"name": "b", "roles": ["answer", "user"]}], "answers": {"samples": 2}},
            "teachers: one has the role 'user', which nothing needs; add a section answers, such as answers: {turns",
        ),
        (
            {"teacher": {"roles": ["propose", "answer"]}, "answers": {"turns": 3}},
            "teacher.roles: none has the role 'plan'; add it to the roles of one",
        ),
        (
            {"teachers": [{"roles": ["judge"]}], "judge": {}},
            "teachers: none has the role 'propose'; add it to the roles",
        ),
        (
            {"teachers": [{"roles": ["propose", "classify"]}], "strategy": "self_instruct"},
            "teachers: none has the role 'instances'; add it to the roles of one",
        ),
        (
            {"teacher": {"purposes": {"jugde": {"reasoning_effort": "high"}}}},
            "teacher.purposes: 'jugde' is unknown; one of propose, judge, answer, plan, user, tests, probe",
        ),
    ],
)
def test_a_wrong_role_is_explained(make_config: MakeConfig, values: dict[str, Any], said: str) -> None:
    config = make_config().model_dump(mode="json", exclude_unset=True)
    del config["teacher"]
    with pytest.raises(ConfigError) as error:
        check(RunConfig.parse(config | values))
    assert any(line.startswith(said) for line in str(error.value).splitlines()), str(error.value)


def test_an_override_names_an_entry_by_its_number() -> None:
    values: dict[str, Any] = {"teachers": [{"model": "a"}, {"model": "b"}]}
    assert overridden(values, ["teachers.1.model=c"])["teachers"] == [{"model": "a"}, {"model": "c"}]
    for item in ("teachers.2.model=c", "teachers.x.model=c", "teachers.0=c"):
        with pytest.raises(ConfigError, match=f"--set {item.partition('=')[0]}: "):
            overridden(values, [item])


def test_what_changes_the_meaning() -> None:
    def digest(*teachers: dict[str, Any]) -> str:
        config = RunConfig.parse({"seeds": "s", "run_dir": "r", "teachers": list(teachers)})
        return digest_of(config.meaning("", ""))

    one, other = {"name": "one", "model": "a"}, {"name": "other", "model": "b"}
    same = digest(one, other)
    assert digest(other, one) == same
    assert digest(one | {"max_rpm": 5.0, "base_url": "http://127.0.0.1:1/v1"}, other) == same
    changes = ({"weight": 2.0}, {"roles": ["propose"]}, {"model": "c"}, {"name": "x"}, {"structured": "text"})
    assert all(digest(one | change, other) != same for change in changes)


def test_those_of_one_role_are_asked_over_one_endpoint(make_config: MakeConfig) -> None:
    teachers = [fake("a"), fake("b", endpoint="completions")]
    with pytest.raises(ConfigError, match="'a' is asked by chat and 'b' by completions for the same role 'propose'"):
        run(make_config(teachers=teachers, teacher=None))
    teachers = [fake("a", roles=["classify", "instances"]), fake("b", endpoint="completions", roles=["propose"])]
    done = run(make_config(teachers=teachers, teacher=None, strategy="self_instruct", target=5))
    assert done.outcome.reason == "target"


def test_only_teachers_with_a_role_decide_its_endpoint() -> None:
    teachers = [
        fake("base", endpoint="completions", roles=["propose"]),
        fake("strong", endpoint="chat", roles=["instances", "judge"]),
        fake("student", endpoint="completions", roles=["answer"]),
    ]
    asking = asking_for(RunConfig.parse({"seeds": "s", "run_dir": "r", "teachers": teachers}))
    endpoints = {role: asking.endpoint(role) for role in ("propose", "classify", "instances", "answer", "judge")}
    assert endpoints == {
        "propose": "completions",
        "classify": "chat",
        "instances": "chat",
        "answer": "completions",
        "judge": "chat",
    }


# --- whose turn it is ---------------------------------------------------------------------------


def router_of(*teachers: dict[str, Any], **values: Any) -> Router:
    return Router(RunConfig.parse({"seeds": "s", "run_dir": "r", "teachers": list(teachers), **values}))


def test_weights_are_shares() -> None:
    drawn = router_of(fake("a", weight=3), fake("b"), fake("c", roles=["instances"], weight=100))
    first = Counter(drawn.draw(f"p:{n}", "propose")[0].name for n in range(4000))
    assert first["c"] == 0
    assert 0.72 < first["a"] / 4000 < 0.78


def test_chance_follows_from_the_key_alone() -> None:
    def order(router: Router) -> list[list[str]]:
        return [[state.name for state in router.draw(f"d:{n}", "instances")] for n in range(50)]

    a, b, c = fake("a"), fake("b", weight=2), fake("c")
    assert order(router_of(a, b, c)) == order(router_of(c, a, b))
    assert order(router_of(a, b, c)) != order(router_of(a, b, c, random_seed=1))
    assert all(len(names) == 3 for names in order(router_of(a, b, c)))


def test_a_purpose_that_is_nobodys_role_is_everybodys() -> None:
    assert len(router_of(fake("a"), fake("b")).draw("probe:a", "probe")) == 2


def test_one_that_fails_again_and_again_is_asked_last_and_tried_by_one_question_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1000.0
    monkeypatch.setattr(router.time, "monotonic", lambda: now)
    drawn = router_of(fake("a", weight=1e6), fake("b"), max_failures_in_a_row=3)
    a = drawn.states[0]

    def first(key: str) -> str:
        return drawn.draw(key, "propose")[0].name

    for _ in range(3):
        assert first("k") == "a"
        drawn.note(a, failed=True)
    assert first("k") == "b"
    now += router.REST_S + 1
    assert [first("k"), first("k"), first("k")] == ["a", "b", "b"], "one question tries it"
    drawn.note(a, failed=False)
    assert first("k") == "a"


# --- the asker -----------------------------------------------------------------------------------


class Teacher:
    """Answers, fails or raises as it is told."""

    def __init__(self, answer: Callable[[], Completion | Exception]) -> None:
        self.asked = 0
        self.answer = answer

    async def complete(self, prompt: Prompt) -> Completion:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answer()
        if isinstance(answer, Exception):
            raise answer
        return answer


def good() -> Completion:
    return Completion("yes", usage=Usage(10, 10))


def broken() -> Completion:
    return Completion("", error="server_error: 503", failed=True)


def prompt(purpose: Any = "propose") -> Prompt:
    return Prompt(purpose, (Message("user", "x"),), Sampling(max_tokens=20))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


def asker_for(journal: Journal, prices: dict[str, Price | None] | None = None, **teachers: Teacher) -> Asker:
    listed = [fake(name, weight=1e6 if number == 0 else 1.0) for number, name in enumerate(teachers)]
    config = RunConfig.parse({"seeds": "s", "run_dir": "r", "teachers": listed, "max_failures_in_a_row": 3})
    budget = Budget(config, prices or dict.fromkeys(teachers), journal.totals())
    asker = Asker(journal, budget, Router(config), config.max_failures_in_a_row)
    asker.open(teachers)
    return asker


def within(course: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10):
            await course()

    asyncio.run(bounded())


def test_what_one_fails_another_answers_and_both_are_kept(journal: Journal) -> None:
    async def course() -> None:
        down, up = Teacher(broken), Teacher(good)
        asker = asker_for(journal, down=down, up=up)
        answer = await asker.ask("p:0", prompt(), question=0)
        assert (answer.completion.text, answer.teacher) == ("yes", "up")
        rows = journal.query("SELECT key, teacher, failed, question FROM answers ORDER BY failed DESC")
        assert [row[1:] for row in rows] == [("down", 1, None), ("up", 0, 0)]
        assert rows[0][0].endswith(":p:0")
        assert journal.recall("p:0") == answer

    within(course)


def test_after_failing_in_a_row_it_is_left_alone(journal: Journal) -> None:
    async def course() -> None:
        down, up = Teacher(broken), Teacher(good)
        asker = asker_for(journal, down=down, up=up)
        for number in range(10):
            await asker.ask(f"p:{number}", prompt(), question=number)
        assert (down.asked, up.asked, asker.reason) == (3, 10, None)

    within(course)


def test_one_that_refuses_is_out_and_the_others_go_on(journal: Journal) -> None:
    async def course() -> None:
        poor, up = Teacher(lambda: TeacherRefused("no credit")), Teacher(good)
        asker = asker_for(journal, poor=poor, up=up)
        for number in range(5):
            assert (await asker.ask(f"p:{number}", prompt(), question=number)).teacher == "up"
        assert (poor.asked, up.asked, asker.reason) == (1, 5, None)

    within(course)


def test_when_nobody_is_left_the_last_one_says_why(journal: Journal) -> None:
    async def course() -> None:
        asker = asker_for(
            journal, poor=Teacher(lambda: TeacherRefused("no credit")), dead=Teacher(lambda: TeacherDown("dead"))
        )
        with pytest.raises(AskClosed):
            await asker.ask("p:0", prompt(), question=0)
        assert (asker.reason, asker.detail) == ("teacher_down", "dead")

    within(course)


def test_one_that_failed_is_asked_again_where_the_other_is_lost(journal: Journal) -> None:
    async def course() -> None:
        answers = iter([broken(), good()])
        asker = asker_for(journal, shaky=Teacher(lambda: next(answers)), dead=Teacher(lambda: TeacherDown("dead")))
        assert (await asker.ask("p:0", prompt(), question=0)).teacher == "shaky"

    within(course)


def test_all_failing_in_a_row_ends_the_start_and_leaves_their_questions_open(journal: Journal) -> None:
    async def course() -> None:
        asker = asker_for(journal, a=Teacher(broken), b=Teacher(broken))
        for number in range(3):
            await asker.ask(f"p:{number}", prompt(), question=number)
        assert (asker.reason, asker.gave_up) == ("teacher_down", True)
        assert [journal.recall(f"p:{number}") for number in range(3)] == [None] * 3

    within(course)


def test_a_question_that_is_for_one_alone_goes_to_nobody_else(journal: Journal) -> None:
    async def course() -> None:
        poor, up = Teacher(lambda: TeacherRefused("no credit")), Teacher(good)
        asker = asker_for(journal, poor=poor, up=up)
        with pytest.raises(AskClosed):
            await asker.ask("probe:poor", prompt("probe"), teacher="poor")
        assert (up.asked, asker.reason) == (0, None)

    within(course)


def test_each_is_paid_at_its_own_price(journal: Journal) -> None:
    async def course() -> None:
        prices: dict[str, Price | None] = {"down": Price(100, 100, 100, "x"), "up": Price(1, 1, 1, "x")}
        paid = Teacher(lambda: Completion("", usage=Usage(10, 10), error="server_error", failed=True))
        asker = asker_for(journal, prices, down=paid, up=Teacher(good))
        await asker.ask("p:0", prompt(), question=0)
        costs = dict(journal.query("SELECT teacher, cost_usd FROM answers"))
        assert costs == pytest.approx({"down": 20 * 100 / 1e6, "up": 20 / 1e6})

    within(course)


# --- whole runs ---------------------------------------------------------------------------------


def server(loopback: Loopback, model: str, **values: Any) -> dict[str, Any]:
    return {"model": model, "name": model, "base_url": loopback.base_url, "api_key_env": None, **values}


def test_a_cheap_one_proposes_and_a_strong_one_answers(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    one, other = loopback(), loopback()
    teachers = [
        server(one, "cheap", roles=["propose"], input_usd_per_mtok=1, output_usd_per_mtok=1),
        server(other, "strong", roles=["classify", "instances"], input_usd_per_mtok=10, output_usd_per_mtok=10),
    ]
    config = make_config(teachers=teachers, teacher=None, strategy="self_instruct", target=10, max_cost_usd=1.0)
    done = run(config)
    assert done.outcome.reason == "target"
    assert {(r.origin.teacher, r.examples[0].responses[0].teacher) for r in done.records()} == {("cheap", "strong")}
    with sqlite3.connect(done.path / "journal.sqlite") as journal:
        asked = set(journal.execute("SELECT purpose, teacher FROM answers WHERE purpose <> 'probe'"))
    assert asked == {("propose", "cheap"), ("classify", "strong"), ("instances", "strong")}
    now = done.status()
    assert now.by_teacher.keys() == {"cheap", "strong"}
    assert now.cost_usd == pytest.approx(sum(used["cost_usd"] for used in now.by_teacher.values()))
    assert {"  by cheap", "  by strong", "  for propose"} <= spending(now).keys()
    rows = (done.dataset_path / "README.md").read_text()
    assert "`cheap`" in rows
    assert "`strong`" in rows


def test_one_that_dies_in_the_middle_is_replaced_and_nothing_is_asked_again(
    make_config: MakeConfig, tmp_path: Path
) -> None:
    def started(log: Path) -> tuple[Process, str]:
        command = ("-m", "selfinstruct", "serve-fake", "--latency-s", "0.01", "--log", log)
        process = start_python(*command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    (mortal, url), (other, other_url) = started(tmp_path / "a.log"), started(tmp_path / "b.log")
    try:
        alike = {"api_key_env": None, "max_retries": 0, "timeout_s": 5.0, "structured": "json_schema"}
        teachers = [
            {"model": "mortal", "base_url": url, "weight": 9.0, **alike},
            {"model": "other", "base_url": other_url, **alike},
        ]
        config = make_config(teachers=teachers, teacher=None, target=150)

        def kill(progress: Any) -> None:
            if progress.records >= 40 and mortal.poll() is None:
                mortal.send_signal(signal.SIGKILL)
                mortal.wait()

        done = run(config, progress=kill)
        assert done.outcome.reason == "target"
        makers = Counter(record.origin.teacher for record in done.records())
        assert makers["mortal"] > 30
        assert makers["other"] > 30
        told = done.status()
        assert told.asked < told.requests, "what the dead one failed was a request, and no question of its own"
        assert told.unanswered == 0, "the other one has answered all of them"
        again = run(config)
        assert [r.id for r in again.records()] == [r.id for r in done.records()]
        assert len((tmp_path / "b.log").read_text().splitlines()) == 2 * again.status().by_teacher["other"]["requests"]
    finally:
        for process in (mortal, other):
            process.kill()
            process.wait()


def test_schemas_are_asked_for_where_all_of_a_role_follow_them(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    one = loopback()
    teachers = [
        server(one, "a", roles=["propose", "classify"]),
        server(one, "b", roles=["propose", "instances"], structured="text"),
        server(one, "c", roles=["instances"], structured="json_schema"),
    ]
    done = run(make_config(teachers=teachers, teacher=None, strategy="self_instruct", target=6))
    with sqlite3.connect(done.path / "journal.sqlite") as journal:
        sent = [json.loads(row[0]) for row in journal.execute("SELECT prompt FROM answers WHERE purpose <> 'probe'")]
        assert journal.execute("SELECT value FROM meta WHERE key = 'schemas:1'").fetchone() == ("[]",)
    assert sent
    assert not any("schema" in prompt for prompt in sent)


def test_what_was_decided_about_schemas_stands_though_one_could_not_be_asked_then(
    make_config: MakeConfig, loopback: Callable[..., Loopback]
) -> None:
    """Otherwise every question for instances would be worded anew, and paid for again."""
    one = loopback()
    lost = server(one, "lost", base_url="http://127.0.0.1:9/v1", max_retries=0)
    config = make_config(teachers=[server(one, "up"), lost], teacher=None, strategy="self_instruct", target=6)
    asked = run(config).status().by_teacher["up"]["requests"]
    back = make_config(
        teachers=[server(one, "up"), server(one, "lost")], teacher=None, strategy="self_instruct", target=6
    )
    again = run(back)
    assert again.outcome.reason == "target"
    assert again.status().by_teacher["up"]["requests"] == asked
    assert len(one.events("asked")) == asked


def test_own_objects_are_handed_over_by_name(make_config: MakeConfig) -> None:
    config = make_config(teachers=[fake("a", roles=["propose"]), fake("b")], teacher=None, target=5)
    assert run(config, teacher={"a": FakeTeacher(), "b": FakeTeacher()}).outcome.reason == "target"
    with pytest.raises(ConfigError, match="one object for each of a, b, as a mapping of these names"):
        run(config, teacher=FakeTeacher())


def test_one_that_cannot_be_made_ready_leaves_its_questions_to_the_others(make_config: MakeConfig) -> None:
    class Unready(FakeTeacher):
        async def __aenter__(self) -> Unready:
            raise TeacherDown("no weights")

        async def __aexit__(self, *_: object) -> None: ...

    config = make_config(teachers=[fake("a"), fake("b")], teacher=None, target=5)
    done = run(config, teacher={"a": Unready(), "b": FakeTeacher()})
    assert done.outcome.reason == "target"
    assert done.status().by_teacher.keys() == {"b"}


@pytest.mark.slow
def test_check_and_status_name_them(tmp_path: Path, seed_file: Path) -> None:
    config = {
        "seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 3, "strategy": "self_instruct",
        "teachers": [fake("cheap", weight=3.0, roles=["propose"]), fake("strong", roles=["classify", "instances"])],
    }  # fmt: skip
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(config))

    def said(*arguments: str) -> str:
        return cli(*arguments).stdout

    checked = re.sub(" {2,}", "  ", said("check", str(path)))
    assert "teacher cheap  fake: fake, propose, weight 3" in checked
    assert "for instances  3 requests, " in checked
    said("generate", str(path))
    assert "self_instruct, cheap (fake), strong (fake)" in said("status", str(tmp_path / "run"))
    assert Run(tmp_path / "run").status().teacher == "cheap (fake), strong (fake)"
