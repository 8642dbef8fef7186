"""The references of the operations are right, and the checks catch wrong solutions and keep right ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from conftest import NEEDS_SANDBOX, ROOT
from selfinstruct.strategies.verifiable.python_tasks import inputs_of, operations, reference

sys.path.insert(0, str(ROOT / "benchmarks"))
import checks
import checks_kept
import checks_planted
import checks_solutions


def test_each_reference_agrees_with_another_style() -> None:
    """On inputs of the type itself, and on what other operations make of them."""
    unlike = set()
    known = operations()
    for operation in (each for group in known.values() for each in group):
        other = getattr(checks_solutions, operation.name)
        before = [[]] + [
            [replace(each, parameters={key: values[0] for key, values in each.parameters.items()})]
            for group in known.values()
            for each in group
            if each.gives == operation.takes and each.name not in ("product", "codepoints")
        ]
        for number, parameters in enumerate(checks.parameters_of(operation)):
            step = replace(operation, parameters=parameters)
            for chain in before:
                for given in inputs_of([*chain, step], Random(number)):
                    value = reference(chain)(given)
                    found = json.loads(json.dumps(other(value, *parameters.values())))
                    if found != json.loads(json.dumps(reference([*chain, step])(given))):
                        unlike.add((operation.name, str(value)[:80]))
    assert unlike == set()


@pytest.mark.slow
@NEEDS_SANDBOX
def test_wrong_code_is_caught_and_right_code_is_kept() -> None:
    found = asyncio.run(checks.measure(200))
    assert (found["wrong"], found["right"]) == (100, 100)
    assert len(found["missed"]) <= 5
    assert len(found["lost"]) <= 2


@pytest.mark.parametrize("kind", checks_planted.PLANTS)
def test_planted_mistakes_are_caught_and_right_answers_are_kept(kind: str) -> None:
    found = asyncio.run(checks.measure_kind(kind, 200))
    assert (found["wrong"], found["right"]) == (100, 100)
    assert [each for _, each, _ in found["missed"]] == []
    assert len(found["lost"]) <= 2


def collected(folder: Path, **values: Any) -> dict[str, Any]:
    common = {"run_dir": "run", "target": 20, "teacher": {"kind": "fake", "model": "fake"}}
    answers = {"answers": {"samples": 3, "until": "pass"}, "dataset": {"license": "apache-2.0"}}
    (folder / "one.yaml").write_text(yaml.safe_dump({**common, **answers, **values}))
    made = checks_kept.collect([folder / "one.yaml"], folder / "made", records=20, minutes=2)
    assert made == folder / "made" / "checks.yaml"
    found: dict[str, Any] = yaml.safe_load(made.read_text())
    return found


def test_answers_are_collected_with_those_that_a_check_refused(tmp_path: Path) -> None:
    found = collected(tmp_path, strategy={"kind": "verifiable", "kinds": {"structured": 1}})
    [totals] = found["runs"]["one"].values()
    rows = found["rows"]
    first = [each for each in rows if each["sample"] == 0]
    assert len(first) == totals["tasks"]
    assert sum(each["passed"] for each in first) == totals["passed"] < totals["tasks"]
    assert sum(each["passed"] for each in rows) == totals["records"] >= 20
    assert all(each["kept"] is None and each["prompt"] and each["kind"] == "structured" for each in rows)
    with contextlib.closing(sqlite3.connect(tmp_path / "made" / "one" / "journal.sqlite")) as journal:
        [(tokens,)] = journal.execute("SELECT sum(completion_tokens) FROM answers").fetchall()
    assert totals["tokens"] == pytest.approx(tokens)
    assert totals["tokens_first"] < totals["tokens"]
    # A second call reads the same run, and asks for nothing.
    assert checks_kept.collect([tmp_path / "one.yaml"], tmp_path / "made", records=20, minutes=2).exists()
    assert yaml.safe_load((tmp_path / "made" / "checks.yaml").read_text())["rows"] == rows


def test_tasks_with_constraints_are_told_from_the_others(tmp_path: Path) -> None:
    strategy, seeds = {"kind": "plan", "seed_demos": 4}, str(ROOT / "seeds" / "demo.jsonl")
    answers = {"samples": 3, "until": "pass", "constrained": 0.5}
    found = collected(tmp_path, strategy=strategy, seeds=seeds, answers=answers)
    assert found["runs"]["one"].keys() == {"plain", "constraints"}


GRADED = """
runs:
  alpaca: {plain: {tasks: 10, passed: 8, records: 8, tokens_first: 800, tokens: 800, seconds_first: 80, seconds: 80}}
  drawn: {maths: {tasks: 4, passed: 2, records: 3, tokens_first: 100, tokens: 240, seconds_first: 10, seconds: 24}}
rows:
  - {run: alpaca, kind: plain, sample: 0, passed: true, kept: true}
  - {run: alpaca, kind: plain, sample: 0, passed: true, kept: false}
  - {run: alpaca, kind: plain, sample: 0, passed: false, kept: null}
  - {run: drawn, kind: maths, sample: 0, passed: true, kept: true}
  - {run: drawn, kind: maths, sample: 0, passed: true, kept: true}
  - {run: drawn, kind: maths, sample: 0, passed: false, kept: false}
  - {run: drawn, kind: maths, sample: 0, passed: false, kept: false}
  - {run: drawn, kind: maths, sample: 1, passed: true, kept: true}
"""


def test_the_cost_of_a_kept_record_with_and_without_checks_and_retries(tmp_path: Path) -> None:
    (tmp_path / "graded.yaml").write_text(GRADED)
    lines = [" ".join(line.split()) for line in checks_kept.kept(tmp_path / "graded.yaml").splitlines()]
    assert lines[1:] == [
        "alpaca plain first answer 10 2 1 (50%) 9% to 91% 160 16",
        "alpaca plain checked 8 2 1 (50%) 9% to 91% 200 20",
        "drawn maths first answer 4 4 2 (50%) 15% to 85% 50 5",
        "drawn maths checked 2 2 2 (100%) 34% to 100% 50 5",
        "drawn maths retried 3 3 3 (100%) 44% to 100% 80 8",
    ]


def test_the_interval_is_wilsons() -> None:
    assert checks_kept.wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert checks_kept.wilson(0, 0) == (0.0, 1.0)
