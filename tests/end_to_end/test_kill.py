"""A run is a pure function of its journal: SIGKILL at random instants loses nothing and changes nothing."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ask_samples import prompts_of
from forked import Process, start_python

from conftest import FIGURES, FULL, IN_FULL, Loopback
from selfinstruct.config.run_config import RunConfig
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import JOURNAL, Run
from selfinstruct.journal.journal import Journal
from selfinstruct.teachers.fake.fake_server import request_name
from selfinstruct.teachers.fake.teacher import fake_answer


def _values(server: Loopback, seeds: Path, folder: Path, concurrency: int, **changes: Any) -> dict[str, Any]:
    return {
        "seeds": str(seeds),
        "run_dir": str(folder),
        "target": 450,
        "strategy": "self_instruct",
        "concurrency": concurrency,
        "lookahead": 64,
        "teacher": {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None},
        **changes,
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
        rows = db.execute("SELECT key, prompt FROM answers WHERE key NOT LIKE 'failed:%'")  # what kills may have cost
        asked = [(key, json.loads(prompt)["messages"]) for key, prompt in rows]
    # 'd:5f3a….2' is sample 2 of a prompt.
    samples = [int(key.partition(".")[2] or 0) for key, _ in asked]
    joined = ["".join(texts[m[2]] if len(m) > 2 else m[1] for m in messages) for _, messages in asked]
    return set(map(request_name, joined, samples))


def start(config: Path, log: Path, *command: str | Path) -> Process:
    """Start `selfinstruct generate`, or another command of this Python."""
    command = command or ("-m", "selfinstruct", "generate", config)
    with log.open("ab") as out:
        return start_python(*command, stdout=out, stderr=out)


def kill_again_and_again(
    begin: Callable[[], Process],
    server: Loopback,
    folder: Path,
    kills: int,
    wait_s: float = 0.05,
) -> tuple[int, list[tuple[int, set[str]]]]:
    """Start a process and kill it `kills` times; then let it end.

    Args:
        begin: Starts the process.
        server: The server that it asks.
        folder: The run's folder.
        kills: How often to kill it.
        wait_s: The longest time from a new answer to a kill, in seconds.

    Returns:
        The exit status of the last process; and for each kill, the number of requests so far, and the names of those
        whose answers were committed.
    """
    draw = random.Random(20)
    at_kills: list[tuple[int, set[str]]] = []
    while True:
        before = answers_in(folder)
        process = begin()
        # Kill only after at least one new answer is committed, at a random instant after it.
        deadline = time.monotonic() + 60
        while process.poll() is None and answers_in(folder) <= before and time.monotonic() < deadline:
            time.sleep(0.005)
        if len(at_kills) < kills:
            time.sleep(draw.uniform(0, wait_s))
        if len(at_kills) >= kills or process.poll() is not None:
            return process.wait(120), at_kills
        process.send_signal(signal.SIGKILL)
        process.wait()
        at_kills.append((len(server.events("asked")), committed(folder)))


def assert_paid_once(server: Loopback, folder: Path, at_kills: list[tuple[int, set[str]]], concurrency: int) -> str:
    """No committed answer was asked for again, and a kill costs no more than what was in flight. Returns figures."""
    asked = server.events("asked")
    again = len(asked) - len(set(asked))
    began = 0
    for seen, kept in at_kills:
        assert not kept & set(asked[seen:]), "an answer that was committed before a kill was asked for again"
        lost = len(set(asked[began:seen]) - kept)
        assert lost <= concurrency, f"{lost} questions were lost in a kill, more than the {concurrency} in flight"
        began = seen
    assert set(asked) == committed(folder), "every question that was asked is in the journal, and no other"
    assert again <= len(at_kills) * concurrency
    return f"{len(at_kills)} kills, {len(set(asked))} questions, {len(asked)} requests, {again} asked again"


SAMPLED: dict[str, Any] = {
    "target": 60,
    "answers": {"samples": 4, "until": "all", "keep": "all"},
    "judge": {"compare": True},
}
CONSTRAINED: dict[str, Any] = {
    "target": 60,
    "strategy": {"kind": "plan", "seed_demos": 8},  # so that no two questions are the same
    "answers": {"samples": 4, "constrained": 1.0},
}
STREAMED: dict[str, Any] = {
    "target": 250,
    "strategy": {"kind": "alpaca", "seed_demos": 8},  # with fewer, two questions may have the same prompt
}
DIALOGUES: dict[str, Any] = {"target": 90, "answers": {"turns": 3, "samples": 3}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "changes", "token_s"),
    [
        pytest.param(*((20, {}) if FULL else (8, {"target": 200})), 0.0, id="one answer"),
        pytest.param(3, STREAMED, 0.0005, id="streamed lists"),
        pytest.param(6, SAMPLED, 0.0, id="four samples", marks=IN_FULL),
        pytest.param(6, DIALOGUES, 0.0, id="dialogues", marks=IN_FULL),
        pytest.param(6, CONSTRAINED, 0.0, id="constraints", marks=IN_FULL),
    ],
)
def test_same_dataset_killed_or_not_at_any_concurrency(
    loopback: Callable[..., Loopback],
    seed_file: Path,
    tmp_path: Path,
    kills: int,
    changes: dict[str, Any],
    token_s: float,
) -> None:
    concurrency, folder = 16, tmp_path / "killed"
    server = loopback(latency_s=0.02, token_s=token_s)
    config, log = tmp_path / "config.yaml", tmp_path / "generate.log"
    values = _values(server, seed_file, folder, concurrency, **changes)
    values["teacher"]["stream"] = token_s > 0
    config.write_text(yaml.safe_dump(values))
    status, at_kills = kill_again_and_again(lambda: start(config, log), server, folder, kills)
    assert status == 0, log.read_text()[-2000:]
    assert len(at_kills) == kills, "the run is too short for this test"
    print(assert_paid_once(server, folder, at_kills, concurrency))

    killed, rows = Run(folder), _dataset_bytes(folder)
    for other in (32, 1):
        unbroken = tmp_path / f"straight-{other}"
        straight = run(RunConfig.parse(_values(loopback(), seed_file, unbroken, other, **changes)))
        assert _dataset_bytes(unbroken) == rows
        assert len(straight.records()) == straight.config.target
        assert straight.records() == killed.records()


SAMPLES = 12
PROGRAM = Path(__file__).with_name("ask_samples.py")


@pytest.mark.slow
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=[pytest.mark.soak, IN_FULL])])
def test_no_sample_is_paid_for_twice(loopback: Callable[..., Loopback], tmp_path: Path, kills: int) -> None:
    """A process that asks for twelve samples of each prompt is killed; later ones ask for what is missing."""
    server, folder, log = loopback(latency_s=0.02), tmp_path / "run", tmp_path / "log"
    prompts, concurrency = 20 * kills, 16
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(_values(server, tmp_path, folder, concurrency)))
    command = (PROGRAM, config, str(prompts), str(SAMPLES))

    status, at_kills = kill_again_and_again(lambda: start(config, log, *command), server, folder, kills)

    assert (status, len(at_kills)) == (0, kills), log.read_text()[-2000:]
    FIGURES.append(f"samples: {assert_paid_once(server, folder, at_kills, concurrency)}")
    with contextlib.closing(Journal(folder / JOURNAL, read_only=True)) as journal:
        for prompt in prompts_of(prompts, SAMPLES):
            answer = journal.recall(prompt.key)
            assert answer is not None
            assert answer.completion.text == fake_answer(prompt.text, sample=prompt.sample)
