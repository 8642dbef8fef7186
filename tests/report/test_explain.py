"""`explain` tells a task's whole story, whatever became of it: from the journal, without asking anything."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from conftest import Loopback, cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.core.prompts import Completion, Message, Prompt, Sampling, Usage
from selfinstruct.core.records import Development, Example, Response
from selfinstruct.core.tasks import Candidate, Material
from selfinstruct.core.tokens import tokenize
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.journal import Journal
from selfinstruct.journal.snapshot import TaskRow
from selfinstruct.novelty import rouge_l
from selfinstruct.report.explain import QuestionStory, SeedStory, Story, align, explain
from selfinstruct.report.explain.describe import describe
from selfinstruct.report.explain.find import find
from selfinstruct.report.explain.story import part_of
from selfinstruct.report.explain.values import NearestText

MakeConfig = Callable[..., RunConfig]


def rows(made: Run, sql: str) -> list[Any]:
    journal = Journal(made.path / "journal.sqlite", read_only=True)
    try:
        return journal.query(sql)
    finally:
        journal.close()


def story(made: Run, id: str) -> Story:
    found = explain(made, id)
    assert isinstance(found, Story)
    return found


@pytest.fixture
def made(make_config: MakeConfig) -> Run:
    """40 records, each developed by two questions; some tasks are refused as too similar, some as too long."""
    config = make_config(strategy="self_instruct", max_similarity=0.6, filters={"max_words": 14})
    return run(config, export=False)


def test_one_explanation_opens_the_journal_once(made: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: opened.append(args) or connect(*args, **options))
    id = made.records()[3].id
    opened.clear()
    assert isinstance(explain(made.path, id), Story)
    assert len(opened) == 1


# --- a task ---------------------------------------------------------------------------------------


def test_a_record_from_the_question_to_its_instances(made: Run) -> None:
    record = made.records()[7]
    found = story(made, record.id)
    assert (found.id, found.outcome, found.record) == (f"q{record.question}.{record.index}", "record", record)
    assert found.proposal is not None
    assert found.proposal.key == f"p:{record.question}"
    assert [demo.id for demo in found.demonstrations] == list(record.origin.demos)
    assert all(demo.instruction for demo in found.demonstrations), "of seeds and of this run's own tasks"
    assert record.instruction in found.part
    assert [check.stage for check in found.checks] == ["filter", "novelty", "instance"]
    assert all(check.passed for check in found.checks)
    assert [asked.purpose for asked in found.developed] == ["classify", "instances"]
    assert record.instruction in found.developed[0].prompt[-1][1]
    assert record.novelty.nearest is not None
    assert found.nearest is not None
    assert (found.nearest.id, found.nearest.score) == (record.novelty.nearest.id, record.novelty.nearest.score)
    assert story(made, found.id) == found == story(made, f"{record.id}.1")


def test_every_refused_task_says_which_check_which_score_nearest_to_which_text(made: Run) -> None:
    refused = rows(made, "SELECT question, idx, reason, score, nearest FROM verdicts WHERE stage = 'novelty'")
    assert refused
    for question, index, reason, score, nearest in refused:
        found = story(made, f"q{question}.{index}")
        *passed, last = found.checks
        assert (found.outcome, last.reason, last.score) == (reason, reason, score)
        assert all(check.passed for check in passed)
        assert found.nearest is not None
        assert found.nearest.id == nearest
        assert found.nearest.alignment is not None
        assert found.nearest.alignment.score == score, "the texts that are shown are those that were compared"
        assert found.record is None


def test_a_task_that_a_filter_refused_names_the_filters_and_the_reason(made: Run) -> None:
    question, index, detail = rows(made, "SELECT question, idx, detail FROM verdicts WHERE stage = 'filter' LIMIT 1")[0]
    (check,) = story(made, f"q{question}.{index}").checks
    assert (check.passed, check.reason, check.detail) == (False, "too_long", detail)
    assert check.checks[:3] == ("truncated", "scaffolding", "length")


def test_every_id_of_the_run_has_a_story(made: Run) -> None:
    for question, index in rows(made, "SELECT DISTINCT question, idx FROM verdicts WHERE idx >= 0"):
        lines = describe(explain(made, f"q{question}.{index}"), full=True)
        assert all("\n" not in line for line in lines)


class Odd:
    """One task a question; the second has no instance that can be kept, the third answer none at all."""

    name, digest, seed_demos, machine_demos, tasks_per_question = "odd", "o1", 1, 1, 1

    def __init__(self, *_: object) -> None: ...

    def propose(self, material: Material) -> Prompt:
        return Prompt("propose", (Message("user", " ".join(material.ids)),), Sampling(), version="o1")

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        return [Candidate(completion.text)] if completion.text else []

    async def develop(self, candidate: Candidate, ask: Any) -> Development:
        await ask(Prompt("instances", (Message("user", candidate.instruction),), Sampling(), version="o1"))
        good = "\x1b[31mbad" if "Second" not in candidate.instruction else ""
        return Development((Example.of(candidate.instruction, "", Response(good)),))


class Scripted:
    """Answers in order, whatever is asked."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)

    async def complete(self, prompt: Prompt) -> Completion:
        text = (
            self._texts.pop(0) if prompt.purpose == "propose" and self._texts else f"about {prompt.messages[0].content}"
        )
        return Completion(text, usage=Usage(10, 4), model="scripted \x1b[2J")


@pytest.fixture
def odd(make_config: MakeConfig) -> Run:
    config = make_config(target=2, lookahead=1, concurrency=1, max_similarity=1.0)
    teacher = Scripted(
        "First say \x1b[31m this \u202e loud", "Second write nothing down", "", "Third sing a little song"
    )
    return run(config, strategy=Odd, teacher=teacher, filters=[], export=False)


def test_what_developed_a_task_without_instances_is_told_too(odd: Run) -> None:
    found = story(odd, "q1.0")
    assert found.outcome == "empty_output"
    assert [check.passed for check in found.checks] == [True, True, False]
    assert [asked.text for asked in found.developed] == ["about Second write nothing down"]
    assert found.share.prompt_tokens == 20


def test_an_answer_that_no_task_was_read_from_is_a_question_with_its_reason(odd: Run) -> None:
    found = explain(odd, "q2")
    assert isinstance(found, QuestionStory)
    assert [check.reason for check in found.checks] == ["unparsable"]
    assert found.tasks == ()
    with pytest.raises(UsageError, match=r"q2\.0"):
        explain(odd, "q2.0.0")


def test_what_a_model_wrote_can_not_act_in_a_terminal(odd: Run) -> None:
    for id in ("q0.0", "q0", "q1.0", "seed_task_1"):
        text = "\n".join(describe(explain(odd, id), full=True))
        assert "\x1b" not in text
        assert "\u202e" not in text


# --- questions, seeds, forks ----------------------------------------------------------------------


def test_a_question_lists_its_tasks_and_what_became_of_them(made: Run) -> None:
    found = explain(made, "q0")
    assert isinstance(found, QuestionStory)
    kept = {record.index for record in made.records() if record.question == 0}
    assert {task.index for task in found.tasks if task.outcome == "record"} >= kept
    assert len(found.tasks) == 8


def test_a_seed_tells_where_it_was_shown_and_whom_it_refused(made: Run) -> None:
    found = explain(made, "seed_task_3")
    assert isinstance(found, SeedStory)
    assert found.instruction == "Classify something about reviews that a child of 9 would enjoy."
    shown = sum("seed_task_3" in json.loads(row[0]) for row in rows(made, "SELECT demos FROM answers"))
    assert found.shown_in == shown > 0
    nearest = rows(made, "SELECT count(*) FROM verdicts WHERE nearest = 'seed_task_3'")[0][0]
    assert found.refused + found.admitted == nearest


def test_a_seed_is_told_as_it_was_shown_whatever_became_of_its_file(made: Run, seed_file: Path) -> None:
    seed_file.write_text(seed_file.read_text().replace("enjoy", "like"))
    found = explain(made, "seed_task_3")
    assert isinstance(found, SeedStory)
    assert found.instruction == "Classify something about reviews that a child of 9 would enjoy."


def test_a_fork_tells_what_it_took_over_and_from_which_configuration(make_config: MakeConfig, tmp_path: Path) -> None:
    first = run(make_config(target=10, strategy="self_instruct"), export=False)
    config = make_config(
        target=20, strategy="self_instruct", run_dir=str(tmp_path / "fork"), teacher={"kind": "fake", "model": "other"}
    )
    forked = run(config, fork_of=first.path, export=False)
    old, new = (story(forked, record.id) for record in (forked.records()[0], forked.records()[-1]))
    assert old.proposal is not None
    assert new.proposal is not None
    assert (old.proposal.inherited, old.proposal.teacher, old.proposal.generation) == (True, "fake", 1)
    assert (new.proposal.inherited, new.proposal.teacher, new.proposal.generation) == (False, "other", 2)
    assert old.proposal.config_digest != new.proposal.config_digest


def test_the_host_is_that_of_the_start_that_asked(make_config: MakeConfig, loopback: Callable[..., Loopback]) -> None:
    one = loopback().base_url
    teacher = {"kind": "openai", "model": "fake", "base_url": one, "api_key_env": None}
    run(make_config(target=5, teacher=teacher), export=False)
    other = teacher | {"base_url": loopback().base_url.replace("127.0.0.1", "localhost")}
    made = run(make_config(target=60, teacher=other), export=False)
    hosts = [story(made, record.id).proposal for record in made.records()]
    assert hosts[0] is not None
    assert hosts[-1] is not None
    assert (hosts[0].host, hosts[-1].host) == ("127.0.0.1", "localhost")


# --- ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("q0.99", "q0 has tasks q0.0 to q0.7"),
        ("q9999", "this run has questions q0 to q"),
        ("seed_task_33", "similar: seed_task_3"),
        ("00000000-0-1", "a task of another run"),
        ("nothing like it", "--text finds a task by its words"),
        ("q" + "9" * 30, "nothing in this run"),
    ],
)
def test_an_unknown_id_is_answered_with_what_is_near(made: Run, id: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        explain(made, id)


def test_the_command_tells_finds_and_prints_json(made: Run) -> None:
    record = made.records()[3]
    told = cli("explain", made.path, record.id)
    assert told.returncode == 0, told.stderr
    assert "[in brackets]" in told.stdout
    assert "\x1b" not in told.stdout, "no terminal, no escapes"
    values = json.loads(cli("explain", made.path, record.id, "--json").stdout)
    assert values["record"]["id"] == record.id
    assert values["nearest"]["alignment"]["rows"]
    one = cli("explain", made.path, "--text", record.instruction.upper())
    assert one.stdout == told.stdout, "one task with these words: its story"
    several = cli("explain", made.path, "--text", "number")
    assert several.stdout.startswith("q0.")
    assert "give the ID of one to see its story" in several.stderr
    for arguments, code in ((["q9999"], 2), (["--text", "no such words"], 2), ([], 2), (["q0", "--text", "x"], 2)):
        wrong = cli("explain", made.path, *arguments)
        assert wrong.returncode == code
        assert "Traceback" not in wrong.stderr


def test_the_published_score_stands_next_to_ours(made: Run) -> None:
    where = "reason = 'too_similar'"
    question, index, score = rows(made, f"SELECT question, idx, score FROM verdicts WHERE {where}")[0]
    lines = describe(explain(made, f"q{question}.{index}"))
    assert f"  the package rouge-score gives {score:.4f}" in lines


@pytest.mark.parametrize(
    ("text", "other", "line"),
    [
        ("写一首关于春天的诗", "写一首关于春天的短诗", "0.0000, because it drops every character outside ASCII"),
        ("Name a café", "Name a caf", "1.0000, because it drops every character outside ASCII"),
        ("Name a ‘cafe’", "Name a cafe…", "1.0000"),
    ],
)
def test_the_published_score_of_other_scripts_is_explained(made: Run, text: str, other: str, line: str) -> None:
    nearest = NearestText("seed_1", 0.9, other, align(text, other))
    told = replace(story(made, made.records()[0].id), instruction=text, nearest=nearest)
    assert f"  the package rouge-score gives {line}" in describe(told)


# --- side by side ---------------------------------------------------------------------------------


def test_the_common_words_are_marked_and_stand_side_by_side() -> None:
    found = align("Write a short story about a dog.", "Write a poem about a dog, please!")
    assert [(row.left.strip(), row.right.strip(), row.common) for row in found.rows] == [
        ("Write a", "Write a", True),
        ("short story", "poem", False),
        ("about a dog.", "about a dog,", True),
        ("", "please!", False),
    ]
    assert (found.lcs, found.left_tokens, found.right_tokens) == (5, 7, 7)


TEXTS = st.one_of(
    st.text(max_size=60), st.lists(st.sampled_from("a b 用 写 ＡＢ Maß ﬁ e\u0301 , . “ ไทย".split())).map(" ".join)
)


@given(TEXTS, TEXTS)
def test_an_alignment_is_exact_in_any_script(left: str, right: str) -> None:
    found = align(left, right)
    m, n = len(tokenize(left)), len(tokenize(right))
    assert (found.left_tokens, found.right_tokens) == (m, n)
    assert found.score == rouge_l(found.lcs, m, n)
    sides = ["".join(row.left for row in found.rows), "".join(row.right for row in found.rows)]
    assert [tokenize(side) for side in sides] == [tokenize(left), tokenize(right)]
    for row in found.rows:
        assert not row.common or tokenize(row.left) == tokenize(row.right)


@pytest.mark.parametrize("width", [40, 100])
def test_side_by_side_keeps_to_its_columns(made: Run, width: int) -> None:
    from unicodedata import east_asian_width

    from selfinstruct.report.explain.describe import _side_by_side

    found = align("请写一首关于 Python 编程的短诗，" * 3, "写一首关于编程的长诗" * 4)
    for line in _side_by_side(found, width, bold=False):
        assert sum(2 if east_asian_width(char) in "WF" else 1 for char in line) <= max(width, 43)


def test_bold_is_closed_on_every_line() -> None:
    from selfinstruct.report.explain.describe import _side_by_side

    for line in _side_by_side(align("one two three " * 20, "one two four " * 20), 60, bold=True):
        assert line.count("\x1b[1m") == line.count("\x1b[0m")


@pytest.mark.parametrize(
    ("answer", "instruction", "following", "part"),
    [
        ("1. Do this.\n2. Do  that\nnow.\n3. More", "Do that now.", "More", "2. Do  that\nnow."),
        ('{"instructions": ["Do this.", "Say \\"that\\".", "More"]}', 'Say "that".', "More", '"Say \\"that\\"."'),
        ('{"tasks": [{"instruction": "A b", "input": ""}, {"instruction": "C"}]}', "A b", "C",
         '{"instruction": "A b", "input": ""}'),
        ("nothing of it", "Do that.", None, ""),
    ],
)  # fmt: skip
def test_the_part_of_the_answer_that_a_task_was_read_from(
    answer: str, instruction: str, following: str | None, part: str
) -> None:
    assert part_of(answer, instruction, following) == part


def test_a_text_is_found_in_any_case_also_beyond_ascii() -> None:
    instructions = ["Überprüfe den Vertrag.", "Erkläre, wie man ihn ÜBERPRÜFT.", "Ordne die Äpfel."]
    database = sqlite3.connect(":memory:")

    class Tasks:
        def tasks_containing(self, text: str, limit: int) -> list[TaskRow]:
            matches = [database.execute("SELECT ? LIKE ?", (each, f"%{text}%")).fetchone()[0] for each in instructions]
            return [TaskRow(at, 0, instructions[at], "record") for at, found in enumerate(matches) if found]

    tasks: Any = Tasks()
    for text in ("überprüf", "Überprüf", "ÜBERPRÜF"):
        assert [task.question for task in find(tasks, text)] == [0, 1]
    assert [task.question for task in find(tasks, "überprüf", limit=1)] == [0]
    assert [task.instruction for task in find(tasks, "äPFEL")] == instructions[2:]
