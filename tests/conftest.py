"""What tests share: small seed files, configurations, and the fake teacher behind a real server on loopback."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from forked import Process, start_python
from typer.testing import CliRunner

from selfinstruct.cli.app import app
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import SandboxMissing
from selfinstruct.core.prompts import Prompt
from selfinstruct.core.records import Example, Neighbour, Novelty, Origin, Record, Response
from selfinstruct.dataset import FORMATS
from selfinstruct.dataset.preference_formats import PREFERENCE_FORMATS
from selfinstruct.dataset.reward_formats import REWARD_FORMATS
from selfinstruct.sandbox import check_sandbox
from selfinstruct.teachers.fake.teacher import FakeTeacher

ROOT = Path(__file__).parents[1]
FULL = os.environ.get("SELFINSTRUCT_PROOF") == "full"
"""Whether this is `make proof`: property tests try many more examples, and every command is a process."""
IN_FULL = pytest.mark.skipif(not FULL, reason="full proof")


def _no_sandbox() -> str:
    """Return why no program can be run on this machine; '' if programs can be run."""
    try:
        check_sandbox()
    except SandboxMissing as error:
        return str(error)
    return ""


_MISSING = _no_sandbox()
NEEDS_SANDBOX = pytest.mark.skipif(bool(_MISSING), reason=_MISSING)
# No test may fail because the machine is busy.
hypothesis.settings.register_profile("untimed", deadline=None, max_examples=500 if FULL else 40)
hypothesis.settings.load_profile("untimed")
ANSWER_FORMATS = tuple(name for name in FORMATS if name not in {**PREFERENCE_FORMATS, **REWARD_FORMATS})
"""The formats of one answer per row, which any run can have."""
FIGURES: list[str] = []
"""What proofs have measured, printed under the tests' result."""
RECORD = Record(
    id="abc-0-1",
    question=0,
    index=1,
    instruction="Name the capital.",
    examples=(
        Example.of("Name the capital.", "France", Response("Paris", "fake")),
        Example.of("Name the capital.", "Peru", Response("Lima", "fake")),
    ),
    origin=Origin(strategy="self_instruct", teacher="fake", version="v1", demos=("seed_task_3",)),
    novelty=Novelty(Neighbour("seed_task_1", 0.25)),
    labels={"is_classification": False},
)
"""A finished record with two examples."""
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"


class KnowsSolutions(FakeTeacher):
    """The fake teacher, which remembers the right answer to each drawn task for when it is asked again."""

    def __init__(self) -> None:
        super().__init__()
        self._solutions: dict[str, str] = {}

    def solution(self, prompt: Prompt) -> str:
        """Return the right answer to the task of a prompt; 'red' if no task was drawn for it."""
        if prompt.made_of.unit:
            self._solutions[prompt.text] = json.loads(prompt.made_of.unit)["solution"]
        return self._solutions.get(prompt.text, "red")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for figure in FIGURES:
        terminalreporter.write_line(figure)


def cli(*arguments: str | Path, cwd: Path = ROOT, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run `selfinstruct` with these arguments.

    The command runs inside the test's process, because a new one spends up to three seconds on importing libraries.
    The full proof, and a test about the process itself (signals, pipes, a user's own modules), take `cli_process`.
    """
    if FULL:
        return cli_process(*arguments, cwd=cwd, stdin=stdin, **env)
    line = [*map(str, arguments)]
    on_sigterm = signal.getsignal(signal.SIGTERM)
    assert logging.lastResort is not None
    logging.getLogger().addHandler(logging.lastResort)  # prints warnings, as in a process that sets up no logging
    try:
        with contextlib.chdir(cwd):
            result = CliRunner().invoke(app, line, input=stdin, env=env, catch_exceptions=False)
    finally:
        logging.getLogger().removeHandler(logging.lastResort)
        signal.signal(signal.SIGTERM, on_sigterm)
    return subprocess.CompletedProcess(line, result.exit_code, result.stdout, result.stderr)


def cli_process(
    *arguments: str | Path,
    cwd: Path = ROOT,
    stdin: str = "",
    before: Callable[[], object] | None = None,
    **env: str,
) -> subprocess.CompletedProcess[str]:
    """Run `selfinstruct` in a new process, as a shell does. `before` runs in that process first, to limit it."""
    command = ["-m", "selfinstruct", *map(str, arguments)]
    if before is not None:
        whole = os.environ | {"PYTHONPATH": str(ROOT)} | env
        line = [sys.executable, *command]
        return subprocess.run(line, capture_output=True, text=True, cwd=cwd, env=whole, timeout=120, preexec_fn=before)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as given:
        given.write(stdin)
        given.seek(0)
        process = start_python(*command, cwd=cwd, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **env)
        stdout, stderr = process.communicate(timeout=120)
    return subprocess.CompletedProcess(command, process.wait(), stdout, stderr)


@pytest.fixture
def seed_file(tmp_path: Path) -> Path:
    """Eight short seed tasks."""
    verbs = "Explain Translate Summarise Classify List Compare Rewrite Invent".split()
    topics = "tides poems contracts reviews rivers engines letters games".split()
    rows = [
        {
            "id": f"seed_task_{n}",
            "name": topic,
            "instruction": f"{verb} something about {topic} that a child of {n + 6} would enjoy.",
            "instances": [{"input": "", "output": f"{topic} are fun."}],
            "is_classification": verb == "Classify",
        }
        for n, (verb, topic) in enumerate(zip(verbs, topics, strict=True))
    ]
    path = tmp_path / "seeds.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def make_config(tmp_path: Path, seed_file: Path) -> Callable[..., RunConfig]:
    """Configurations with the fake teacher; keyword arguments change top-level keys."""

    def make(**changes: Any) -> RunConfig:
        values: dict[str, Any] = {
            "seeds": str(seed_file),
            "run_dir": str(tmp_path / "run"),
            "target": 40,
            "teacher": {"kind": "fake", "model": "fake"},
            "concurrency": 4,
            "lookahead": 16,
        }
        return RunConfig.parse(values | changes)

    return make


@dataclass
class Loopback:
    """A fake server in a process of its own, and the log of what it was asked."""

    base_url: str
    log: Path

    def events(self, name: str) -> list[str]:
        """The requests of the log's events called `name`, 'asked' or 'answered', in order."""
        whole, _, _ = self.log.read_text().rpartition("\n")  # the server may be writing the last line
        lines = [json.loads(line) for line in whole.splitlines()]
        return [line["request"] for line in lines if line["event"] == name]


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Callable[..., Loopback]]:
    """Start fake servers, `loopback(latency_s=0.01)`; each is a real process with a real socket."""
    processes: list[Process] = []

    def start(latency_s: float = 0.0, faults: str = "0", token_s: float = 0.0) -> Loopback:
        log = tmp_path / f"server-{len(processes)}.log"
        command = ["-m", "selfinstruct", "serve-fake", "--latency-s", str(latency_s), "--log", log, "--faults", faults]
        command += ["--token-s", str(token_s)]
        process = start_python(*command, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        return Loopback(process.stdout.readline().strip(), log)

    yield start
    for process in processes:
        process.terminate()
        process.wait(60)
