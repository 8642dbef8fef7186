"""benchmarks/agreement.py: collects answers with both marks from a run, and compares the marks with grades."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import NEEDS_SANDBOX, ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import agreement


def script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "agreement.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


@NEEDS_SANDBOX
@pytest.mark.parametrize("agree_by", ["text", "auto"])
def test_answers_are_collected_for_grading_and_compared(tmp_path: Path, agree_by: str) -> None:
    answers = {"samples": 4, "until": "all", "min_agreement": 0.2, "agree_by": agree_by}
    teacher = {"kind": "fake", "model": "fake"}
    seeds = str(ROOT / "seeds" / "en.jsonl")
    config = {"seeds": seeds, "run_dir": "unused", "target": 8, "answers": answers, "teacher": teacher}
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump({**config, "dataset": {"license": "apache-2.0"}}), encoding="utf-8")
    collected = script("collect", file, "--folder", tmp_path / "out")
    assert collected.returncode == 0, collected.stderr
    path = tmp_path / "out" / "answers.yaml"
    rows: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert len(rows) == 8
    assert all(len(row["answers"]) > 1 for row in rows)
    assert {each["kept"] for row in rows for each in row["answers"]} == {None}
    assert all(1 <= each["judge"] <= 5 for row in rows for each in row["answers"] if each["judge"] is not None)
    assert len({each["agreement"] for row in rows for each in row["answers"]}) > 3

    # Grades are never overwritten.
    assert "exists, perhaps with grades" in script("collect", file, "--folder", tmp_path / "out").stderr
    assert "set kept to true or false" in script("report", path).stderr
    path.unlink()
    assert script("collect", file, "--folder", tmp_path / "out").returncode == 0  # from the journals
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == rows
    middle = sorted(each["agreement"] for row in rows for each in row["answers"])[10]
    for row in rows:
        for each in row["answers"]:
            each["kept"] = each["agreement"] >= middle
    path.write_text(yaml.safe_dump(rows), encoding="utf-8")
    told = script("report", path)
    assert told.returncode == 0, told.stderr
    assert "agreement: AUC 1.00" in told.stdout
    assert "judge: AUC " in told.stdout


def test_equal_marks_count_half() -> None:
    assert agreement.auc([(1.0, True), (0.5, False)]) == 1.0
    assert agreement.auc([(0.5, True), (0.5, False)]) == 0.5
    assert agreement.auc([(0.5, True), (0.9, False), (0.1, False)]) == 0.5
    assert agreement.auc([(0.5, True)]) is None


def test_each_mark_is_judged_by_the_answer_that_it_prefers() -> None:
    def answer(sample: int, agrees: float, judged: float | None, kept: bool | None) -> dict[str, Any]:
        return {"sample": sample, "answer": "", "agreement": agrees, "judge": judged, "kept": kept}

    rows = [
        {"task": "a", "answers": [answer(0, 0.9, 3.0, True), answer(1, 0.1, 5.0, False)]},
        {"task": "b", "answers": [answer(0, 0.2, None, False), answer(1, 0.2, 2.0, None)]},
    ]
    assert agreement.preferred(rows, "agreement") == [(0.9, True), (0.2, False)]
    assert agreement.preferred(rows, "judge") == [(5.0, False)]
    lines = "\n".join(agreement.report(rows))
    assert "2 tasks; 2 graded answers with both marks, 1 of them kept" in lines
    assert "agreement: AUC 1.00, n = 2" in lines
