"""What the tasks of datasets ask for, and what was kept of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from selfinstruct.cli.app import app
from selfinstruct.worth.arms import Arm, contents_of
from selfinstruct.worth.blind_comparison import compare
from selfinstruct.worth.blind_reading import Grade, Grades, draw
from selfinstruct.worth.topics import ANOTHER, MOST, NOTHING, QUESTION, topics_of

VERBS = "write name explain compare translate summarize list describe classify rewrite".split()


def dataset(folder: Path, name: str, tasks: list[str]) -> str:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"instruction": task, "output": "Done."}) + "\n" for task in tasks))
    return str(path)


def arms(folder: Path, **tasks: list[str]) -> list[Arm]:
    return [Arm(name, "", contents_of(dataset(folder, name, each))) for name, each in tasks.items()]


def test_the_shares_of_each_dataset_add_up_and_the_rest_comes_last(tmp_path: Path) -> None:
    many = [f"{verb.title()} the {thing}." for verb in VERBS for thing in ("poem", "letter")]
    found = topics_of(arms(tmp_path, a=[*many, "Why is it so?"], b=["Write a poem.", "A poem, please."]), [], {})
    names = [each.name for each in found]
    assert names[0] == "write"
    assert names[MOST:] == [ANOTHER, QUESTION, NOTHING]
    for name in "ab":
        assert sum(each.shares[name] for each in found) == pytest.approx(1)
    assert [each.cells for each in found if each.name in ("write", QUESTION)] == [["10%", "50%"], ["5%", "0%"]]


def test_a_question_may_have_an_input_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"instruction": "Is it long?", "input": "A river.", "output": "Yes."}) + "\n")
    assert [each.name for each in topics_of([Arm("a", "", contents_of(path))], [], {})] == [QUESTION]


def test_what_was_kept_counts_for_every_dataset_that_has_the_row(tmp_path: Path) -> None:
    both = arms(tmp_path, a=["Write a poem.", "Write a letter.", "Name a river."], b=["Write a poem."])
    rows = draw({each.name: each.contents for each in both}, 10, 1)
    kept = {row.content["instruction"]: row.content["instruction"] != "Write a letter." for row in rows}
    grades = {
        row.digest: Grade(row.digest, "anna", valid=True, correct=True, keep=kept[text], difficulty="easy")
        for row in rows
        if (text := row.content["instruction"]) != "Name a river."
    }
    found = {each.name: each for each in topics_of(both, rows, grades)}
    assert found["write"].kept == {"a": (2, 1), "b": (1, 1)}
    assert found["write"].cells == ["67% (1 of 2)", "100% (1 of 1)"]
    assert found["name"].cells == ["33%", "0%"]


def test_a_rare_verb_is_not_said_to_be_missing(tmp_path: Path) -> None:
    tasks = [*(f"Write a poem about number {n}." for n in range(299)), "Name a river."]
    found = {each.name: each for each in topics_of(arms(tmp_path, a=tasks), [], {})}
    assert found["name"].cells == ["<1%"]


def test_only_a_finished_reading_is_shown_and_a_person_goes_before_a_judge(tmp_path: Path) -> None:
    sources = [dataset(tmp_path, "a", ["Write a poem."]), dataset(tmp_path, "b", ["Write a letter.", "Name a river."])]
    grades = Grades(tmp_path / "grades.jsonl")
    rows = draw({name: contents_of(name) for name in sources}, 10, 42)

    def grade(reader: str, count: int) -> str:
        for row in rows[:count]:
            grades.add(Grade(row.digest, reader, valid=True, correct=True, keep=True, difficulty="easy"))
        return compare(sources, grades.path).topics_reader

    assert compare(sources, grades.path).topics_reader == ""
    assert grade("anna", 2) == ""
    assert grade("judge:m", 2) == "judge:m"
    assert grade("anna", 3) == "anna"
    done = CliRunner().invoke(app, ["worth", *sources, "--grades", str(grades.path)])
    assert "share of the tasks by verb, and in parentheses how many anna kept of those graded" in done.stdout
    assert "write  100% (1 of 1)  50% (1 of 1)" in done.stdout
