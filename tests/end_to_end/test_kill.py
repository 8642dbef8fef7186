"""A run is a pure function of its journal: SIGKILL at random instants loses nothing and changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT, Loopback
from selfinstruct.config.run_config import RunConfig
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.teachers.fake.fake_server import request_name

KILLS = 20
TARGET = 450


def _values(server: Loopback, seeds: Path, folder: Path, concurrency: int) -> dict[str, Any]:
    return {
        "seeds": str(seeds),
        "run_dir": str(folder),
        "target": TARGET,
        "strategy": "self_instruct",
        "concurrency": concurrency,
        "lookahead": 64,
        "teacher": {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None},
    }


def _dataset_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of rows. `provenance` apart: it says when each record was asked for."""
    files = [path for path in sorted((folder / "dataset").rglob("*.parquet")) if path.parent.name != "provenance"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def answers_in(folder: Path) -> int:
    journal = f"file:{folder}/journal.sqlite?mode=ro"  # else an early look would create an empty file
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(journal, uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM answers WHERE key NOT LIKE 'failed:%'").fetchone()[0])
    return 0


def committed(folder: Path) -> set[str]:
    """The journal's answers, by the name that the server's log gives their questions."""
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        texts = dict(db.execute("SELECT hash, text FROM texts"))
        rows = db.execute("SELECT prompt FROM answers WHERE key NOT LIKE 'failed:%'")  # what kills may have cost
        prompts = [json.loads(row[0]) for row in rows]
    joined = ("".join(texts[m[2]] if len(m) > 2 else m[1] for m in prompt["messages"]) for prompt in prompts)
    return {request_name(text) for text in joined}


def start(config: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "selfinstruct", "generate", str(config)]
    with log.open("ab") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


@pytest.fixture
def unbroken(
    loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path
) -> Callable[[int], tuple[Run, dict[str, bytes]]]:
    """The same run straight through, at a given concurrency."""

    def straight(concurrency: int) -> tuple[Run, dict[str, bytes]]:
        folder = tmp_path / f"straight-{concurrency}"
        done = run(RunConfig.parse(_values(loopback(), seed_file, folder, concurrency)))
        return done, _dataset_bytes(folder)

    return straight


@pytest.mark.slow
def test_same_dataset_killed_or_not_at_any_concurrency(
    loopback: Callable[..., Loopback],
    seed_file: Path,
    tmp_path: Path,
    unbroken: Callable[[int], tuple[Run, dict[str, bytes]]],
) -> None:
    concurrency, folder = 16, tmp_path / "killed"
    server = loopback(latency_s=0.02)
    config, log = tmp_path / "config.yaml", tmp_path / "generate.log"
    config.write_text(yaml.safe_dump(_values(server, seed_file, folder, concurrency)))
    draw = random.Random(20)
    kills, wait = 0, 0.05
    at_kills: list[tuple[int, set[str]]] = []
    while True:
        before = answers_in(folder)
        process = start(config, log)
        # Kill only after at least one new answer is committed, at a random instant after it.
        deadline = time.monotonic() + 60
        while process.poll() is None and answers_in(folder) <= before and time.monotonic() < deadline:
            time.sleep(0.005)
        if kills < KILLS:
            time.sleep(draw.uniform(0, wait))
        if kills >= KILLS or process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        at_kills.append((len(server.events("asked")), committed(folder)))
    assert process.wait(120) == 0, log.read_text()[-2000:]
    assert kills == KILLS, f"the run ended after {kills} kills; it is too short for this test"

    asked = server.events("asked")
    again = len(asked) - len(set(asked))
    print(f"{kills} kills, {len(set(asked))} questions, {len(asked)} requests, {again} asked again")
    began = 0
    for seen, kept in at_kills:
        assert not kept & set(asked[seen:]), "an answer that was committed before a kill was asked for again"
        lost = len(set(asked[began:seen]) - kept)
        assert lost <= concurrency, f"{lost} questions were lost in a kill, more than the {concurrency} in flight"
        began = seen
    assert set(asked) == committed(folder), "every question that was asked is in the journal, and no other"
    assert again <= kills * concurrency

    straight, rows = unbroken(32)
    assert rows == _dataset_bytes(folder)
    assert unbroken(1)[1] == rows
    assert len(straight.records()) == len(Run(folder).records()) == TARGET
    assert [record.id for record in straight.records()] == [record.id for record in Run(folder).records()]
