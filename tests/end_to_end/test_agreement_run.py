"""Runs whose tasks are decided by tests: replayed without a sandbox, killed, and capped, against a real server."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import start_python
from planted_functions import BY_NAME, model_of_functions

import selfinstruct as si
from conftest import NEEDS_SANDBOX, ROOT
from selfinstruct.generate.start import run
from selfinstruct.journal.snapshot import read

pytestmark = NEEDS_SANDBOX


def values(url: str, folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(folder),
        "target": 12,
        "max_similarity": 1.0,
        "lookahead": 4,
        "min_yield": 0,
        "answers": {"samples": 5, "until": "all", "min_agreement": 0.5, "agree_by": "auto", "test_sets": 3},
        "teacher": {"kind": "openai", "model": "m", "base_url": url, "api_key_env": None, "structured": "text"},
        "dataset": {"license": "apache-2.0", "formats": ["messages", "grpo"]},
        **changes,
    }


def rows_in(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted((folder / "dataset").rglob("*.parquet")) if path.parent.name != "provenance"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def count(folder: Path, table: str) -> int:
    journal = f"file:{folder}/journal.sqlite?mode=ro"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(journal, uri=True)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    return 0


def test_a_run_is_right_and_replays_without_a_sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with model_of_functions() as (url, asked):
        config = si.RunConfig.parse(values(url, tmp_path / "run"))
        with read(run(config)) as snapshot:
            records = list(snapshot.records)
        assert len(records) == 12
        assert any("Write eight tests" in prompt for prompt in asked)
        for record in records:
            truth = record.examples[0].ground_truth
            assert truth is not None
            assert (truth.verifier, truth.by) == ("code", "agreement")
            expected = json.loads(truth.expected)
            task = BY_NAME[expected["function"]]
            assert all(case["result"] == task.result(*case["input"]) for case in expected["cases"])
            assert task.right in record.examples[0].output
        # With one request after the other, the dataset is the same.
        again = si.RunConfig.parse(values(url, tmp_path / "again", concurrency=1))
        with read(run(again)) as snapshot:
            assert [each.examples for each in snapshot.records] == [each.examples for each in records]
        requests, rows, programs = asked.total(), rows_in(tmp_path / "run"), count(tmp_path / "run", "runs")
        assert programs > 12
        shutil.rmtree(tmp_path / "run" / "dataset")
        monkeypatch.setenv("PATH", "")
        run(config)
        assert rows_in(tmp_path / "run") == rows
        assert (asked.total(), count(tmp_path / "run", "runs")) == (requests, programs)


@pytest.mark.slow
def test_kills_lose_nothing_that_was_paid_for(tmp_path: Path) -> None:
    draw = random.Random(4)
    with model_of_functions() as (url, asked):
        whole = tmp_path / "whole"
        run(si.RunConfig.parse(values(url, whole)))
        asked.clear()
        folder, file = tmp_path / "killed", tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(values(url, folder, concurrency=4)), encoding="utf-8")
        kills = 0
        while kills < 6:
            # Kill it at a random instant after it has got on, with an answer or with a program.
            before = count(folder, "answers") + count(folder, "runs")
            with (tmp_path / "log").open("ab") as log:
                process = start_python("-m", "selfinstruct", "generate", file, stdout=log, stderr=log)
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if count(folder, "answers") + count(folder, "runs") > before:
                    break
                time.sleep(0.01)
            time.sleep(draw.uniform(0, 0.4))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            kills += 1
        with (tmp_path / "log").open("ab") as log:
            process = start_python("-m", "selfinstruct", "generate", file, stdout=log, stderr=log)
        assert process.wait(120) == 0, (tmp_path / "log").read_text()
        assert kills >= 3
        assert rows_in(folder) == rows_in(whole)
        # A kill costs no more than what was in flight.
        assert asked.total() - len(asked) <= kills * 4


@pytest.mark.parametrize(
    "caps", [pytest.param({"max_requests": 300}, marks=pytest.mark.slow), {"max_tokens": 40_000}], ids=str
)
def test_no_cap_is_exceeded_with_256_in_flight(tmp_path: Path, caps: dict[str, int]) -> None:
    with model_of_functions() as (url, asked):
        config = values(url, tmp_path / "run", target=500, concurrency=256, lookahead=8, **caps)
        status = run(si.RunConfig.parse(config)).status()
        assert status.outcome is not None
        assert status.outcome.reason == "budget"
        assert any("Write eight tests" in prompt for prompt in asked)
        assert asked.total() <= caps.get("max_requests", asked.total())
        used = status.prompt_tokens + status.completion_tokens
        assert used <= caps.get("max_tokens", used)
