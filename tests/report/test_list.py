"""`list`: records and refused tasks in the terminal, selected by reason, topic, and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from test_loop import grow

from conftest import cli
from selfinstruct.config.run_config import RunConfig
from selfinstruct.journal.folder import Run


@pytest.fixture
def made(make_config: Callable[..., RunConfig]) -> Run:
    return grow(make_config(target=12, strategy="alpaca", max_similarity=0.5))


def listed(run: Run, *options: str) -> list[dict[str, object]]:
    result = cli("list", run.path, *options, "--format", "jsonl")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_all_records_in_order_with_their_texts(made: Run) -> None:
    rows = listed(made)
    assert [(row["id"], row["instruction"], row["output"]) for row in rows] == [
        (f"q{each.question}.{each.index}", each.instruction, each.examples[0].output) for each in made.records()
    ]


def test_refused_tasks_by_reason(made: Run) -> None:
    reasons = made.status().refused
    assert reasons, "the run must refuse something"
    refused = listed(made, "--refused")
    assert {row["reason"] for row in refused} <= reasons.keys()
    for reason in {str(row["reason"]) for row in refused}:
        assert listed(made, "--reason", reason) == [row for row in refused if row["reason"] == reason]


def test_words_may_stand_anywhere_in_any_case(made: Run) -> None:
    record = made.records()[3]
    words = " ".join(reversed(record.instruction.upper().split()))
    assert f"q{record.question}.{record.index}" in [row["id"] for row in listed(made, "--text", words)]
    assert listed(made, "--text", "nosuchwordanywhere") == []


def test_topics_are_those_that_questions_asked_for(make_config: Callable[..., RunConfig]) -> None:
    facets = {"topic": ["law", "gardens"]}
    run = grow(make_config(target=12, facets=facets))
    both = [listed(run, "--topic", name) for name in ("law", "gardens")]
    assert sum(map(len, both)) == 12
    assert all(row["facets"] == {"topic": "law"} for row in both[0])


def test_a_table_fits_the_terminal(made: Run) -> None:
    result = cli("list", made.path, COLUMNS="70")
    lines = result.stdout.splitlines()
    assert len(lines) == 12
    assert max(map(len, lines)) <= 70
    assert "12 of them" in result.stderr


def test_an_unknown_reason_names_those_there_are(made: Run) -> None:
    result = cli("list", made.path, "--reason", "ugly")
    assert result.returncode == 2
    assert "--reason ugly: refused no task; this run has" in result.stderr


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    assert cli("list", tmp_path).returncode == 2
