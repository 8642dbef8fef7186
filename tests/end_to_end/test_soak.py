"""The soak: faults of every kind at once, and the process killed again and again. Nothing lost, nothing paid twice.

The full form, 5,000 questions at concurrency 64 and 50 kills, and the one about memory: SELFINSTRUCT_PROOF=full.
"""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import Process
from test_faults import AGAIN, assert_no_wrong_row
from test_kill import answers_in, committed, start

from conftest import FIGURES, FULL, ROOT, Loopback
from selfinstruct.journal.folder import Run
from selfinstruct.teachers.fake.faults import KINDS

TARGET, KILLS, LEAST_QUESTIONS = (1700, 50, 5000) if FULL else (120, 4, 250)
ON_THE_WIRE_S = 0.3
"""Seconds after a kill in which the server still reads, and logs, what had been sent to it."""


@dataclass
class Asked:
    """One request of the server's log."""

    name: str
    fault: str | None


def requests_of(server: Loopback) -> list[Asked]:
    met: dict[str, str] = {}
    found = []
    for line in map(json.loads, server.log.read_text().splitlines()):
        if line["event"] == "fault":
            met[line["request"]] = line["fault"]
        elif line["event"] == "asked":
            found.append(Asked(line["request"], met.pop(line["request"], None)))
    return found


def configuration(server: Loopback, folder: Path, path: Path) -> Path:
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None, "timeout_s": 1.5}
    values: dict[str, Any] = {
        "seeds": str(ROOT / "seeds" / "en.jsonl"),
        "run_dir": str(folder),
        "target": TARGET,
        "strategy": "self_instruct",
        "concurrency": 64,
        "lookahead": 64,
        "teacher": teacher | {"structured": "text"},
    }
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.soak
def test_nothing_is_lost_and_nothing_paid_twice_under_faults_and_kills(
    loopback: Callable[..., Loopback], tmp_path: Path
) -> None:
    server, folder, log = loopback(latency_s=0.01, faults="0.3"), tmp_path / "run", tmp_path / "generate.log"
    config = configuration(server, folder, tmp_path / "config.yaml")
    draw = random.Random(5000)
    between = LEAST_QUESTIONS // KILLS
    at_kills: list[tuple[int, set[str]]] = []
    while True:
        process, before = start(config, log), answers_in(folder)
        wanted = before + draw.randint(1, between) if len(at_kills) < KILLS else TARGET**2
        while process.poll() is None and answers_in(folder) < wanted:
            time.sleep(draw.uniform(0, 0.02))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(ON_THE_WIRE_S)
        at_kills.append((len(requests_of(server)), committed(folder)))
    assert process.returncode == 0, log.read_text()[-2000:]
    assert len(at_kills) == KILLS, "the run is too short for so many kills"
    assert "Traceback" not in log.read_text()

    asked = requests_of(server)
    times = Counter(request.name for request in asked)
    lost: set[str] = set()
    for seen, kept in at_kills:
        later = {request.name for request in asked[seen:]}
        assert not kept & later, "an answer that was committed before a kill was asked for again"
        in_flight = {request.name for request in asked[:seen]} - kept
        assert len(in_flight) <= 64, "more was lost in a kill than was in flight"
        lost |= in_flight & later
    failed = {one.name for number, one in enumerate(asked) if one.fault in AGAIN and later_than(number, one, asked)}
    twice = {name for name, count in times.items() if count > 1}
    met = Counter(request.fault for request in asked if request.fault)
    FIGURES.append(
        f"soak: {KILLS} kills, {len(times)} questions, {len(asked)} requests, {sum(met.values())} of them faulty "
        f"({sum(met.values()) / len(asked):.1%}); asked more than once: {len(twice)}, in flight at a kill {len(lost)}, "
        f"failed by a fault {len(failed)}; records: {len(Run(folder).records())} of {TARGET}"
    )
    assert len(times) >= LEAST_QUESTIONS
    assert set(met) == set(KINDS) or (not FULL and len(met) > 8)
    told = {
        name: [(at, one.fault) for at, one in enumerate(asked) if one.name == name] for name in twice ^ (lost | failed)
    }
    assert not told, (
        f"asked twice: in flight at a kill or failed by a fault, nothing else; {told}, kills {[k[0] for k in at_kills]}"
    )
    never = set(times) - committed(folder)
    assert never <= {request.name for request in asked if request.fault in AGAIN}, "given up at the end while failing"
    assert committed(folder) <= set(times)
    assert len(Run(folder).records()) == TARGET
    assert_no_wrong_row(folder)


def later_than(number: int, request: Asked, asked: list[Asked]) -> bool:
    """Whether a request is followed by another for the same question."""
    return any(other.name == request.name for other in asked[number + 1 :])


@pytest.mark.soak
@pytest.mark.skipif(not FULL, reason="memory shows in a long run only: SELFINSTRUCT_PROOF=full")
def test_memory_stays_flat_in_an_unbroken_run(loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    server, folder = loopback(latency_s=0.01, faults="0.3"), tmp_path / "run"
    config = configuration(server, folder, tmp_path / "config.yaml")
    process, samples = start(config, tmp_path / "generate.log"), list[tuple[int, float]]()
    while process.poll() is None:
        rss_mb = memory_mb(process)
        if rss_mb:
            samples.append((answers_in(folder), rss_mb))
        time.sleep(0.05)
    assert process.returncode == 0, (tmp_path / "generate.log").read_text()[-2000:]
    answers = answers_in(folder)
    at_20 = next(rss for count, rss in samples if count >= 0.2 * answers)
    at_end = next(rss for count, rss in samples if count == samples[-1][0])
    last, peak = samples[-1][1], max(rss for _, rss in samples)
    FIGURES.append(
        f"memory: {answers} answers; RSS at 20% {at_20:.0f} MB, with the last answer {at_end:.0f} MB "
        f"({at_end / at_20:.2f} x), after the dataset is written {last:.0f} MB, at most {peak:.0f} MB"
    )
    assert answers >= LEAST_QUESTIONS
    assert at_end <= 1.2 * at_20


def memory_mb(process: Process) -> float:
    """Resident memory of a process, 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)
