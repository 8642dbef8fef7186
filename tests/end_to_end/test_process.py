"""A run as a real process: signals, a second process, a full disk, a changed configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import Process, start_python
from test_kill import answers_in

from conftest import ROOT, Loopback, cli
from selfinstruct.core.errors import RunLocked
from selfinstruct.journal.folder import Run


def process(config: Path, *arguments: str) -> Process:
    command = ("-m", "selfinstruct", "generate", config, *arguments)
    return start_python(*command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)


@pytest.fixture
def config_file(loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path) -> Callable[..., Path]:
    def write(latency_s: float, **changes: Any) -> Path:
        teacher = {"kind": "openai", "model": "fake", "base_url": loopback(latency_s).base_url, "api_key_env": None}
        values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 5000, "teacher": teacher}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values | changes))
        return path

    return write


def wait_for_answers(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "journal.sqlite").exists():
            try:
                if Run(folder).status().requests >= count:
                    return
            except Exception:  # not yet made
                pass
        time.sleep(0.05)
    raise AssertionError("the run doesn't get under way")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_cleanly(config_file: Callable[..., Path], tmp_path: Path, number: signal.Signals) -> None:
    config = config_file(latency_s=0.7, concurrency=8)
    running = process(config)
    try:
        wait_for_answers(tmp_path / "run", 9)  # the probe and a full round
        second = process(config)
        _, said = second.communicate(timeout=60)
        assert second.returncode == RunLocked.exit_code == 4, said
        held = f"another process works on this run (PID {running.pid} on {os.uname().nodename}, since 20"
        assert held in said, "a start is named by its PID and its time"
        before = Run(tmp_path / "run").status().requests
        started = time.monotonic()
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert time.monotonic() - started < 12
    assert running.returncode == 3, said
    run = Run(tmp_path / "run")
    assert run.outcome.reason == "interrupted"
    assert run.status().requests > before, "what was in flight is kept"
    last = said.strip().splitlines()[-1]
    assert "to resume" in last
    assert f"selfinstruct generate {config}" in last


@pytest.mark.slow
def test_a_signal_while_nothing_answers_ends_within_the_grace_period(
    config_file: Callable[..., Path], tmp_path: Path
) -> None:
    config = config_file(latency_s=60)
    running = process(config)
    try:
        deadline = time.monotonic() + 60
        log = tmp_path / "server-0.log"
        while time.monotonic() < deadline and (not log.exists() or "asked" not in log.read_text()):
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert time.monotonic() - started < 9
    assert running.returncode == 3, said
    assert "in flight may take 5 s, a second signal ends now" in said


@pytest.mark.slow
@pytest.mark.parametrize("twice", [False, True], ids=["one signal", "two signals"])
def test_a_signal_keeps_the_complete_tasks_of_streamed_answers(
    loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path, twice: bool
) -> None:
    server, folder, config = loopback(token_s=0.02), tmp_path / "run", tmp_path / "config.yaml"
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None, "stream": True}
    values = {"seeds": str(seed_file), "run_dir": str(folder), "target": 30, "strategy": "alpaca", "concurrency": 2}
    config.write_text(yaml.safe_dump(values | {"teacher": teacher | {"structured": "text"}}))
    running = process(config)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and len(server.events("asked")) < 2:
            time.sleep(0.05)
        time.sleep(2.0)  # a task takes about 0.8 s, an answer 14 s
        running.send_signal(signal.SIGINT)
        if twice:
            time.sleep(0.5)
            running.send_signal(signal.SIGINT)
        started = time.monotonic()
        _, said = running.communicate(timeout=60)
    finally:
        running.kill()
    assert time.monotonic() - started < (4 if twice else 9)
    assert running.returncode == 3, said
    first = Run(folder)
    assert first.outcome.reason == "interrupted"
    assert first.status().records >= 2, "the dataset has the tasks that were complete"
    assert (folder / "dataset").exists()
    asked = set(server.events("asked"))
    smaller = "--set target=10 --set teacher.answer_within_s=5.0".split()
    assert cli("generate", config, "--overwrite", *smaller).returncode == 0
    again = server.events("asked")[len(asked) :]
    assert not asked & set(again), "no answer that was cut off is asked for again"
    assert first.records() == Run(folder).records()[: first.status().records]


def test_a_changed_configuration_is_refused_with_what_differs(config_file: Callable[..., Path], tmp_path: Path) -> None:
    config = config_file(latency_s=0, target=10)
    assert cli("generate", config).returncode == 0
    changes = ["--set", "max_similarity=0.5", "--set", "teacher.model=other"]
    refused = cli("generate", config, *changes, "--set", "target=20")
    said = refused.stderr
    assert refused.returncode == 2
    assert "max_similarity: was 0.7, now 0.5" in said
    assert 'teacher.model: was "fake", now "other"' in said
    assert "target" not in said.replace("another", "")
    assert "--fork" in said
    assert cli("generate", config, "--set", "target=20", "--set", "concurrency=2").returncode == 0
    assert len(Run(tmp_path / "run").records()) == 20


@pytest.mark.slow
def test_a_full_disk_ends_a_run_and_a_later_start_goes_on(config_file: Callable[..., Path], tmp_path: Path) -> None:
    """The limit on the size of a file stands for the disk: writing fails in the middle of the journal."""
    config = config_file(latency_s=0, target=300)
    command = f"ulimit -f 250; exec {sys.executable} -m selfinstruct generate {config}"
    full = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert full.returncode == 3, full.stderr
    assert "then start again: nothing committed is lost" in full.stderr
    assert "Traceback" not in full.stderr
    answered = Run(tmp_path / "run").status().requests
    assert answered > 0
    assert process(config).wait(90) == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "server-0.log").read_text().splitlines()]
    asked = events.count("asked")
    lost = asked - answers_in(tmp_path / "run")
    assert 0 < lost <= 16, "only what was in flight when the disk was full is asked again"
    assert asked <= Run(tmp_path / "run").status().requests <= asked + 16, "what was in flight counts"
    assert len(Run(tmp_path / "run").records()) == 300
