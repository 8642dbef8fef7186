"""The benchmark of the merge runs, and says when two rows of a size differ."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from scale import _agreement, _exponent


@pytest.mark.slow
def test_it_prints_a_row_for_each_size_and_number_of_workers(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "scale.py"), "--sizes", "300,600"]
    done = subprocess.run(
        [*command, "--cache", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith(("300 ", "600 "))]
    assert [row[:2] for row in rows[:4]] == [[size, workers] for size in ("300", "600") for workers in "12"]
    assert "All rows of a size agree." in done.stdout


def test_rows_that_differ_are_told() -> None:
    row = {"answer": "aa"}
    assert _agreement({1: {5: row}, 2: {5: row}}) == 0
    assert _agreement({1: {5: row}, 2: {5: {"answer": "bb"}}}) == 1
    assert _agreement({1: {5: row}, 2: {5: {"failed": "not done in 600 s"}}}) == 0


def test_what_took_no_time_has_no_exponent() -> None:
    assert _exponent(2.0, 8.0, 2.0) == "2.00"
    assert _exponent(0.0, 0.01, 2.0) == _exponent(0.01, 0.0, 2.0) == "-"
