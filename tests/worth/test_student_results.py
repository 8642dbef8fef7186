"""A trial's folder, read without torch: what was written is read again; what is damaged is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from selfinstruct.cli.app import app
from selfinstruct.core.errors import RunLocked, UsageError
from selfinstruct.worth.student import read_trial
from selfinstruct.worth.student_results import STUDENTS, PlannedArm, StudentResult, TrialFolder, TrialPlan
from selfinstruct.worth.trial import CONTROL

PLAN = TrialPlan(
    "tiny",
    900,
    40,
    {"like a task of an arm": 2},
    "untrained",
    PlannedArm(CONTROL, 60, ("c0", "c1", "c2")),
    (PlannedArm("data/a", 30, ("a0", "a1", "a2")), PlannedArm("data/b", 30, ("b0", "b1", "b2"))),
)


def result(key: str, solves: bool = False) -> StudentResult:
    """Students of the control lose the pairing gap, those of b win some."""
    random = np.random.default_rng(sorted(PLAN.keys).index(key))
    own = random.normal(3, 0.02, 40)
    gap = {"c": -0.5, "b": 0.3}.get(key[0], 0.0) if key != "untrained" else 0.0
    wrong = own + 0.6 + gap + random.normal(0, 0.02, 40)
    return StudentResult(key, tuple(own.tolist()), tuple(wrong.tolist()), (solves, False))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "trial"
    with TrialFolder(place) as open_folder:
        open_folder.write_plan(PLAN)
        for key in PLAN.keys:
            open_folder.add(result(key, key.startswith("b")))
    return place


def test_a_finished_trial_is_read_again(folder: Path) -> None:
    found = read_trial(folder)
    assert found.is_valid
    assert [arm.name for arm in found.arms] == ["data/a", "data/b"]
    assert found.pairs[0].line.startswith("answers of data/b belong to their tasks more than those of data/a")
    assert found.arms[1].passed == (3, 6)
    assert found.untrained_passed == (0, 2)
    assert found.dropped == {"like a task of an arm": 2}


def test_without_a_solved_task_there_is_no_pass_rate(tmp_path: Path) -> None:
    with TrialFolder(tmp_path) as place:
        place.write_plan(PLAN)
        for key in PLAN.keys:
            place.add(result(key))
    found = read_trial(tmp_path)
    assert found.untrained_passed is None
    assert found.arms[0].passed is None
    assert any("no student" in line for line in found.lines)


def test_a_half_written_line_does_not_count(folder: Path) -> None:
    path = folder / STUDENTS
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(UsageError, match="1 student left to train"):
        read_trial(folder)
    TrialFolder(folder).add(result(PLAN.keys[-1], True))
    assert path.read_bytes() == whole


def test_a_line_that_is_no_result_is_named(folder: Path) -> None:
    with (folder / STUDENTS).open("a") as file:
        file.write("{}\n")
    with pytest.raises(UsageError, match="line 11 is no result"):
        read_trial(folder)


def test_two_processes_can_not_run_one_trial(folder: Path) -> None:
    with TrialFolder(folder), pytest.raises(RunLocked), TrialFolder(folder):
        pass


def test_the_command_prints_a_finished_trial_of_its_datasets_and_draws_it(folder: Path, tmp_path: Path) -> None:
    *sources, other = (str(tmp_path / f"{name}.jsonl") for name in ("a", "b", "c"))
    for path in (*sources, other):
        rows = [f'{{"instruction": "Say {number}.", "output": "{path} {number}"}}\n' for number in range(5)]
        Path(path).write_text("".join(rows))
    words = ["worth", *sources, "--grades", str(tmp_path / "grades.jsonl"), "--trial", str(folder)]
    assert "is about data/a, data/b" in CliRunner().invoke(app, words).output
    TrialFolder(folder).write_plan(
        replace(PLAN, arms=tuple(replace(arm, name=name) for arm, name in zip(PLAN.arms, sources, strict=True)))
    )
    # Other datasets may be read, too.
    shown = CliRunner().invoke(app, [*words, other, "--html", str(tmp_path / "page.html")])
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert any("could not separate" in line for line in lines)
    assert any(line.startswith("valid: the control") for line in lines)
    assert any(f"{sources[1]} belong to their tasks more" in line for line in lines)
    assert "could not separate" in (tmp_path / "page.html").read_text()


def test_a_missing_trial_is_reported_before_anything_is_printed(tmp_path: Path) -> None:
    rows = tmp_path / "a.jsonl"
    rows.write_text('{"instruction": "Say one.", "output": "One."}\n')
    done = CliRunner().invoke(app, ["worth", str(rows), "--trial", str(tmp_path / "none")])
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "none" in done.stderr
