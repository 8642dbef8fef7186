"""Datasets are compared by blind grades, and by what can be measured."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import selfinstruct as si
from selfinstruct.cli.app import app
from selfinstruct.config.sections import SelectConfig
from selfinstruct.core.errors import UsageError
from selfinstruct.dataset.select import select
from selfinstruct.journal.snapshot import read
from selfinstruct.worth.arms import arms_of, contents_of, contents_of_records
from selfinstruct.worth.blind_comparison import compare, gaps_of, reading
from selfinstruct.worth.blind_reading import BlindRow, Grade, Grades

ROWS = 120
Chance = Mapping[str, float]


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """Two datasets of different rows."""
    paths = [tmp_path / "good.jsonl", tmp_path / "bad.jsonl"]
    for path in paths:
        rows = [{"instruction": f"Name {path.stem} thing {n}.", "output": f"It is {n} {n + 1}."} for n in range(ROWS)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(map(str, paths))


def grade(rows: list[BlindRow], chances: Chance, grades: Grades, reader: str = "anna", seed: int = 1) -> None:
    draw = random.Random(seed)
    for row in rows:
        kept = draw.random() < chances[row.sources[0]]
        grades.add(Grade(row.digest, reader, valid=True, correct=kept, keep=kept, difficulty="easy"))


def test_the_better_dataset_is_found_and_reading_ends_early(sources: list[str], tmp_path: Path) -> None:
    grades = tmp_path / "grades.jsonl"
    desk, draw = reading(sources, grades, "anna"), random.Random(2)
    chances = dict(zip(sources, (0.95, 0.4), strict=True))
    for row in desk.rows.values():
        kept = draw.random() < chances[row.sources[0]]
        said = {"digest": row.digest, "valid": True, "correct": kept, "keep": kept, "difficulty": "easy"}
        ends = desk.decide(said)["ends"]
        assert ends == (desk.left() == 0)
        if ends:
            break
        with pytest.raises(UsageError, match="left to read"):
            desk.end()
    read = desk.decided
    assert 4 < read < ROWS
    assert desk.shown()[-1]["ends"]
    assert [each["source"] for each in desk.end()["results"]] == sources
    found = compare(sources, grades)
    [gap] = found.gaps["anna"]
    assert gap.high < 0
    assert found.is_over
    assert gap.line.startswith(f"{sources[0]} is better than {sources[1]} by ")
    assert [each.read for each in found.read["anna"]] == pytest.approx([read / 2, read / 2], abs=1)


def test_equal_datasets_are_said_to_be_about_equal_or_undecided(sources: list[str], tmp_path: Path) -> None:
    grades = Grades(tmp_path / "grades.jsonl")
    desk = reading(sources, grades.path, "anna", margin=0.4)
    grade(list(desk.rows.values()), dict.fromkeys(sources, 0.95), grades)
    assert "no difference of 40 points" in compare(sources, grades.path, margin=0.4).gaps["anna"][0].line
    assert "not decided" in compare(sources, grades.path, margin=0.01).gaps["anna"][0].line
    assert compare(sources, grades.path, margin=0.01).is_over  # there is nothing left to read


def test_three_datasets_have_wider_intervals(sources: list[str], tmp_path: Path) -> None:
    third = tmp_path / "third.jsonl"
    third.write_text(Path(sources[0]).read_text().replace("good", "third"))
    grades = Grades(tmp_path / "grades.jsonl")
    desk = reading([*sources, third], grades.path, "anna")
    rows = list(desk.rows.values())
    grade(rows, dict.fromkeys([*sources, str(third)], 0.7), grades)
    given = grades.by_reader()["anna"]
    of_two, of_three = (gaps_of(names, rows, given, 0.15)[0] for names in (sources, [*sources, str(third)]))
    assert of_three.low < of_two.low
    assert of_three.high > of_two.high


def test_a_run_says_what_a_kept_row_cost_and_what_programs_checked(make_config: Callable[..., si.RunConfig]) -> None:
    strategy = {"kind": "verifiable", "kinds": {"lists": 1}}
    made = si.run(make_config(strategy=strategy, target=12))
    other = made.path.parent / "other.jsonl"
    other.write_text('{"instruction": "Name a color.", "output": "Please provide the text."}\n' * 2)
    measures = compare([made.path, other], made.path.parent / "none.jsonl").measures
    run, file = measures[str(made.path)], measures[str(other)]
    assert run.rows == 12
    assert (run.values["checked"] or 0) >= (run.values["checked_right"] or 0) == 12
    assert (run.values["tokens_per_row"] or 0) > 1
    assert (file.rows, file.values["checked"], file.values["tokens_per_row"]) == (1, None, None)
    assert (run.values["hit_by_rules"], file.values["hit_by_rules"]) == (0.0, 1.0)


SPREAD = {"count": 4, "by": "spread"}


def test_a_selection_is_compared_with_random_and_longest_of_its_size(make_config: Callable[..., si.RunConfig]) -> None:
    made = si.run(make_config(target=12, dataset={"select": SPREAD}))
    name, grades = str(made.path), made.path.parent / "none.jsonl"
    found = compare([name], grades)
    assert found.names == [f"{name} (spread)", f"{name} (random)", f"{name} (longest)"]
    assert [each.rows for each in found.measures.values()] == [4, 4, 4]
    assert list(found.added) == list(found.names[1:])
    # The selection needs all records to choose from; random ones could have been generated alone.
    tokens = [each.values["tokens_per_row"] or 0 for each in found.measures.values()]
    assert tokens[0] == tokens[2] == pytest.approx(3 * tokens[1])
    # The same without the configuration, and what is read of a dataset.
    chosen = SelectConfig(count=4, by="spread")
    arms = arms_of([name], chosen)
    assert [each.contents for each in arms] == [each.contents for each in arms_of([name])]
    assert contents_of(name) == arms[0].contents
    with read(made) as snapshot:
        random_ones = select(snapshot.records, chosen.model_copy(update={"by": "random"}), made.config.random_seed)
    assert arms[1].contents == contents_of_records(random_ones)


@pytest.mark.parametrize(("chosen", "rows"), [({"count": 12, "by": "spread"}, 12), ({"count": 5, "by": "longest"}, 5)])
def test_no_dataset_is_added_where_nothing_is_to_be_compared(
    chosen: dict[str, Any], rows: int, make_config: Callable[..., si.RunConfig], sources: list[str]
) -> None:
    made = si.run(make_config(target=12, dataset={"select": chosen}))
    arms = arms_of([made.path, sources[0]])
    assert [each.name for each in arms] == [str(made.path), sources[0]]
    assert len(arms[0].contents) == rows


def test_the_command_selects_and_says_what_it_added(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    name = str(si.run(make_config(target=12)).path)
    given = ["worth", name, "--select", "{count: 4, by: spread}", "--grades", str(tmp_path / "grades.jsonl")]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.stderr
    assert f"added {name} (random): as many of {name} as `spread` selects, 4 of 12 records" in done.stdout
    assert f"worth {name} --read --select '{{count: 4, by: spread}}'" in done.stderr
    for value, said in [("{count: 4, by: best}", "dataset.select.by"), ("{count: 4, by: marks}", "marks of a judge")]:
        done = CliRunner().invoke(app, [*given[:3], value])
        assert done.exit_code == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_selection_needs_a_run(sources: list[str]) -> None:
    with pytest.raises(UsageError, match="no source is one"):
        arms_of(sources, SelectConfig(count=4))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sources: [sources[0], sources[0]], "is named twice"),
        (lambda sources: [sources[0], sources[0].replace("/", "//")], "is named twice"),
        (lambda sources: [sources[0], "nowhere.jsonl"], "nowhere.jsonl"),
    ],
)
def test_wrong_sources_are_refused_in_one_line(
    change: Callable[[list[str]], list[str]], said: str, sources: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        compare(change(sources), tmp_path / "grades.jsonl")
    done = CliRunner().invoke(app, ["worth", *change(sources)])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_configuration_names_its_run(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    config = make_config(target=12)
    run = si.run(config).path
    written = tmp_path / "own.yaml"
    written.write_text(f"seeds: none.jsonl\nrun_dir: {run}\ntarget: 12\nteacher: {{kind: fake}}\n", encoding="utf-8")
    given = ["worth", str(written), "--select", "{count: 4, by: spread}", "--grades", str(tmp_path / "grades.jsonl")]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.stderr
    assert f"added {run} (random)" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--full"], "--full: is for a student; name one with --student"),
        (["--held-out", "tasks.jsonl"], "--held-out: is for a student; name one with --student"),
        (["--read", "--reader", "judge:eva"], "--reader judge:eva: such names are for judges; choose another one"),
        (["--html", "nowhere/page.html"], "--html nowhere/page.html: its folder doesn't exist; create it, or"),
    ],
)
def test_options_that_can_not_work_are_refused_before_anything_is_read(options: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["worth", "no.jsonl", "none.jsonl", *options])
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_next_command_repeats_the_options_that_were_given(sources: list[str], tmp_path: Path) -> None:
    given = ["--rows", "10", "--seed", "7", "--reader", "anna", "--margin", "20"]
    done = CliRunner().invoke(app, ["worth", *sources, *given, "--grades", str(tmp_path / "g.jsonl")])
    assert done.stderr.rstrip().endswith("g.jsonl --reader anna --rows 10 --seed 7 --margin 20")


def test_the_command_prints_what_the_grades_say_and_what_to_do_next(sources: list[str], tmp_path: Path) -> None:
    grades = Grades(tmp_path / "grades.jsonl")
    done = CliRunner().invoke(app, ["worth", *sources, "--grades", str(grades.path)])
    assert "nothing read yet" in done.stdout
    assert f"next: selfinstruct worth {sources[0]} {sources[1]} --read" in done.stderr
    grade(list(reading(sources, grades.path, "eva").rows.values())[:3], dict.fromkeys(sources, 1.0), grades, "eva")
    done = CliRunner().invoke(app, ["worth", *sources, "--grades", str(grades.path)])
    assert "eva: 237 rows left to read" in done.stdout
    assert "kept" not in done.stdout  # a reader who continues doesn't know the result yet
    for reader in ("anna", "ben"):
        desk = reading(sources, grades.path, reader)
        grade(list(desk.rows.values()), dict(zip(sources, (0.95, 0.4), strict=True)), grades, reader)
    done = CliRunner().invoke(app, ["worth", *sources, "--grades", str(grades.path)])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("is better than") == 2
    assert "anna and ben agree on 240 of 240, Cohen's kappa 1.00" in done.stdout
    assert "next:" not in done.stderr
