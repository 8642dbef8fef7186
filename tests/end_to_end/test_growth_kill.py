"""A job that adds records every night, killed at random instants, while seeds come in: as if nobody had killed it."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_growth import lines, seed
from test_kill import answers_in, committed, start

from conftest import FULL, Loopback
from selfinstruct.config.run_config import RunConfig
from selfinstruct.dataset.revisions import read_revisions
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.journal.journal import Journal
from selfinstruct.journal.target import Aim, aim_of

MORE, KILLS_A_NIGHT = (100, 4) if FULL else (60, 2)
CONCURRENCY = 16


def values(server: Loopback, seeds: Path, folder: Path) -> dict[str, Any]:
    return {
        "seeds": str(seeds),
        "run_dir": str(folder),
        "target": f"+{MORE}",
        "strategy": "self_instruct",
        "concurrency": CONCURRENCY,
        "lookahead": 64,
        "teacher": {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None},
    }


def rows_of(folder: Path) -> dict[str, bytes]:
    """Every file of rows but those that say when each record was asked for."""
    files = [path for path in sorted((folder / "dataset").rglob("*.parquet")) if path.parent.name != "provenance"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def aim(folder: Path) -> Aim | None:
    with contextlib.closing(Journal(folder / JOURNAL, read_only=True)) as journal:
        return aim_of(journal)


def kill_until_met(config: Path, log: Path, folder: Path, draw: random.Random, server: Loopback) -> list[Any]:
    """One night: killed again and again, then left alone. Returns what was asked and committed at each kill."""
    kills: list[Any] = []
    while True:
        before = answers_in(folder)
        process = start(config, log)
        deadline = time.monotonic() + 60
        while process.poll() is None and answers_in(folder) <= before and time.monotonic() < deadline:
            time.sleep(0.005)
        if len(kills) >= KILLS_A_NIGHT or process.poll() is not None:
            assert process.wait(120) == 0, log.read_text()[-2000:]
            return kills
        time.sleep(draw.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills.append((len(server.events("asked")), committed(folder)))
        reached = aim(folder)
        if reached is not None and reached.met:  # killed after its last word
            return kills


@pytest.mark.slow
def test_killed_every_night_while_seeds_come_in(loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    server, quick = loopback(latency_s=0.02), loopback()
    seeds, folder = tmp_path / "seeds", tmp_path / "killed"
    seeds.mkdir()
    config, log, draw = tmp_path / "config.yaml", tmp_path / "generate.log", random.Random(6)
    config.write_text(yaml.safe_dump(values(server, seeds, folder)))
    kills: list[Any] = []
    made: list[str] = []
    for night in range(1, 4):
        # The first file sorts last: what comes later stands before it in the folder.
        (seeds / f"{9 - night}.jsonl").write_text(lines(*map(seed, range(20 * night, 20 * night + 8))))
        twin = tmp_path / f"unbroken-{night}"
        if folder.exists():
            shutil.copytree(folder, twin)
        unbroken = run(RunConfig.parse(values(quick, seeds, twin) | {"concurrency": 32}))

        kills += kill_until_met(config, log, folder, draw, server)
        killed = Run(folder)
        assert rows_of(folder) == rows_of(twin), f"night {night}"
        ids = [record.id for record in killed.records()]
        assert (len(ids), ids[: len(made)]) == (night * MORE, made), "what was made before stays as it was"
        made = ids
        assert [g.first_question for g in killed.generations] == [g.first_question for g in unbroken.generations]
        assert [r.number for r in read_revisions(folder / "dataset")] == list(range(1, night + 1))
        assert [r.added for r in read_revisions(folder / "dataset")] == [MORE] * night

    asked, began = server.events("asked"), 0
    print(f"{len(kills)} kills in 3 nights, {len(set(asked))} questions, {len(asked)} requests")
    assert len(kills) >= 2 * KILLS_A_NIGHT, "it ended too soon to be killed"
    for seen, kept in kills:
        assert not kept & set(asked[seen:]), "an answer that was committed before a kill was asked for again"
        assert len(set(asked[began:seen]) - kept) <= CONCURRENCY
        began = seen
    assert set(asked) == committed(folder), "every question that was asked is in the journal, and no other"
    shown = {
        night: {
            json.loads(line)["id"] for line in (seeds / f"{9 - night}.jsonl").read_text().splitlines()
        }
        for night in (1, 2, 3)
    }  # fmt: skip
    since = [generation.first_question for generation in Run(folder).generations]
    for record in Run(folder).records():
        there = sum(record.question >= first for first in since)
        seen_seeds = {demo for demo in record.origin.demos if demo.startswith("more_")}
        assert seen_seeds <= set().union(*(shown[night] for night in range(1, there + 1)))
