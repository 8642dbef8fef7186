"""The yields of recipes: the page shows what the command prints, and every grade is of a row that is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from selfinstruct.core.reviews import digest_of
from selfinstruct.worth.arms import contents_of
from selfinstruct.worth.blind_reading import Grades
from selfinstruct.worth.student import read_trial

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = ROOT / "benchmarks" / "experiment"


def test_the_page_shows_what_the_command_prints() -> None:
    command = [sys.executable, "benchmarks/worth.py", "yields"]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True)
    page = (ROOT / "docs" / "guide" / "recipes.md").read_text(encoding="utf-8")
    for line in done.stdout.splitlines():
        assert f"    {line}\n" in page


def test_the_page_shows_what_the_trial_found() -> None:
    page = (ROOT / "docs" / "guide" / "recipes.md").read_text(encoding="utf-8")
    for line in read_trial(EXPERIMENT / "trial").lines:
        assert f"    {line}\n" in page


@pytest.mark.parametrize("reader", Grades(EXPERIMENT / "grades.jsonl").by_reader())
def test_every_grade_is_of_a_committed_row(reader: str) -> None:
    files = set(EXPERIMENT.glob("*.jsonl")) - {EXPERIMENT / "grades.jsonl"}
    rows = {digest_of(each) for path in files for each in contents_of(path)}
    assert Grades(EXPERIMENT / "grades.jsonl").by_reader()[reader].keys() <= rows
