"""A judge reads rows blind over HTTP, and its grades are kept like a person's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from chat_server import chat_server
from typer.testing import CliRunner, Result

from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.prompts import Completion
from selfinstruct.worth.blind_comparison import reading
from selfinstruct.worth.blind_reading import QUESTIONS, Grade, Grades
from selfinstruct.worth.judge_reader import read_grade, reader_of

ROWS = 60
JUDGE = "judge:grader-7b"


def grade(keep: bool, difficulty: str = "easy", **others: Any) -> str:
    return json.dumps({"reason": "so it is", **dict.fromkeys(QUESTIONS, keep), "difficulty": difficulty, **others})


@dataclass
class World:
    """Two datasets, a judge behind a server, and the command that compares them."""

    folder: Path
    url: str
    asked: list[str] = field(default_factory=list)
    written: Callable[[str], str] = lambda prompt: grade("Name good thing" in prompt)

    def __post_init__(self) -> None:
        for name in ("good", "bad"):
            rows = ({"instruction": f"Name {name} thing {n}.", "output": f"{n} is it."} for n in range(ROWS))
            (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.configure()

    @property
    def sources(self) -> list[str]:
        return [str(self.folder / "good.jsonl"), str(self.folder / "bad.jsonl")]

    def answer(self, prompt: str, body: dict[str, Any]) -> str:
        self.asked.append(prompt)
        return self.written(prompt)

    def configure(self, **changes: Any) -> None:
        judge = {"model": "org/grader-7b", "base_url": self.url, "api_key_env": None, "structured": "text"}
        values = {"seeds": self.sources[0], "run_dir": str(self.folder / "run"), "teacher": judge, "judge": {}}
        (self.folder / "c.yaml").write_text(yaml.safe_dump(values | changes))

    def worth(self, *more: str) -> Result:
        judged = ["--judge", str(self.folder / "c.yaml"), "--grades", str(self.folder / "grades.jsonl")]
        return CliRunner().invoke(app, ["worth", *self.sources, *judged, *more])

    def grades(self) -> dict[str, Grade]:
        return Grades(self.folder / "grades.jsonl").by_reader().get(JUDGE, {})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    worlds: list[World] = []
    with chat_server(lambda prompt, body: worlds[0].answer(prompt, body)) as url:
        worlds.append(World(tmp_path, url))
        yield worlds[0]


def test_the_judge_finds_the_better_dataset_stops_early_and_is_never_asked_twice(world: World) -> None:
    done = world.worth()
    assert done.exit_code == 0, done.stderr
    assert f"read blind by {JUDGE}, a model and no person" in done.stdout
    assert f"{world.sources[0]} is better than {world.sources[1]} by " in done.stdout
    assert "no person has graded these rows" in done.stdout
    read = len(world.grades())
    assert 4 < read < ROWS
    assert read <= len(world.asked) < read + 8

    # A second call knows from the grades, and without them from the journal.
    sent, grades = list(world.asked), world.grades()
    assert world.worth().stdout == done.stdout
    (world.folder / "grades.jsonl").unlink()
    assert world.worth().stdout == done.stdout
    assert world.asked == sent
    assert list(world.grades()) == list(grades)


def test_the_judge_sees_the_questions_and_the_row_but_not_its_source(world: World) -> None:
    world.worth()
    rows = reading(world.sources, world.folder / "none.jsonl", JUDGE).rows.values()
    shown = [re.findall(r"===== task\n(.*)\n===== answer\n(.*)\n=====\n", prompt)[0] for prompt in world.asked]
    expected = [(row.content["instruction"], row.content["examples"][0]["answer"]) for row in rows]
    assert set(shown) <= set(expected[: len(shown)])
    assert all(question in world.asked[0] for question in QUESTIONS.values())
    assert ".jsonl" not in "".join(world.asked)


def test_its_grades_are_compared_with_those_of_a_person(world: World) -> None:
    world.worth()
    grades = Grades(world.folder / "grades.jsonl")
    for each in list(world.grades().values())[:4]:
        grades.add(Grade(each.digest, "anna", valid=True, correct=True, keep=each.keep, difficulty="hard"))
    done = world.worth()
    assert f"{JUDGE} and anna agree on 4 of 4, Cohen's kappa 1.00" in done.stdout
    assert "anna: 116 rows left to read" in done.stdout
    assert "no person" not in done.stdout.replace("a model and no person", "")
    assert "next: selfinstruct worth" in done.stderr  # a person has not finished


def test_an_answer_that_is_no_grade_counts_as_none(world: World) -> None:
    world.written = lambda prompt: "It is fine." if "thing 7." in prompt else grade(keep=True)
    done = world.worth("--margin", "1")
    assert f"{JUDGE}: 118 rows graded" in done.stderr
    assert f"{JUDGE}: 2 answers can't be read and count as no grade" in done.stderr
    assert f"read blind by {JUDGE}, a model and no person; 2 rows without a grade" in done.stdout
    sent = len(world.asked)
    assert f"{JUDGE}: 0 rows graded" in world.worth("--margin", "1").stderr
    assert len(world.asked) == sent


def test_a_cap_ends_the_reading_and_a_higher_one_continues_it(world: World) -> None:
    world.configure(max_requests=3)
    done = world.worth()
    assert done.exit_code == 2
    assert "worth: ended before all rows were judged: max_requests: 3 of 3" in done.stderr
    assert len(world.asked) == 3
    world.configure(max_requests=500)
    assert world.worth().exit_code == 0
    assert len(set(world.asked)) == len(world.asked)


def test_a_configuration_without_a_judge_is_refused(world: World) -> None:
    world.configure(judge=None)
    done = world.worth()
    assert done.exit_code == 2
    assert "judge: the configuration has none" in done.stderr
    assert world.asked == []


def test_the_name_is_that_of_the_models_with_the_role(world: World) -> None:
    teachers = [{"model": "small"}, {"model": "big/one", "roles": ["judge"]}, {"model": "other", "roles": ["judge"]}]
    values = {"seeds": "-", "run_dir": "-", "judge": {}}
    assert reader_of(RunConfig.parse({**values, "teachers": teachers})) == "judge:one+other"
    assert reader_of(RunConfig.parse({**values, "teacher": {"model": "m" * 80}})) == f"judge:{'m' * 34}"


SAID = {"valid": False, "correct": False, "keep": False, "difficulty": "hard", "note": "so it is"}


@pytest.mark.parametrize(
    "text",
    [
        grade(False, "hard"),
        f"```json\n{grade(False, 'Hard')}\n```\nThat is all.",
        f"<think>{grade(True)}</think>{grade(False, 'hard')}",
        grade(False, "hard", valid="no", correct="False"),
    ],
)
def test_a_grade_is_read(text: str) -> None:
    assert read_grade(Completion(text)) == SAID


@pytest.mark.parametrize("text", ["", "keep: yes", "{}", grade(True) + grade(False), "[true, true, true]"])
def test_what_is_no_grade_is_empty(text: str) -> None:
    assert read_grade(Completion(text)) == {}
    assert read_grade(Completion(grade(True), error="refusal")) == {}
