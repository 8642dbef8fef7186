"""`generate` as a job: nothing to do is known at once, time is bounded, and it may be killed and fired twice."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from forked import Process, start_python
from hypothesis import given, strategies as st

import selfinstruct as si
from conftest import FULL, ROOT, Loopback, cli
from selfinstruct.core.errors import EXIT_CODES
from selfinstruct.generate.stopping import seconds_of, written_of
from selfinstruct.journal import seal

Files = dict[str, tuple[int, int, int]]


def look(folder: Path) -> Files:
    """Every file of a folder: which one it is, its size and when it was written."""
    found = {str(path.relative_to(folder)): path.stat() for path in folder.rglob("*") if path.is_file()}
    return {name: (s.st_ino, s.st_size, s.st_mtime_ns) for name, s in found.items()}


def starts_of(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        return int(db.execute("SELECT count(*) FROM starts").fetchone()[0])


@pytest.fixture
def job(loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path) -> Callable[..., tuple[Path, Loopback]]:
    """A configuration file for a server of its own, and the server; the run lies in `tmp_path/run`."""

    def make(latency_s: float = 0.0, **changes: Any) -> tuple[Path, Loopback]:
        server = loopback(latency_s)
        teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None}
        values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 30, "teacher": teacher}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values | changes))
        return path, server

    return make


def fired(config: Path, *arguments: str) -> Process:
    command = ("-m", "selfinstruct", "generate", config, *arguments)
    return start_python(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(config: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and what was said."""
    done = cli("generate", config, *arguments)
    return done.returncode, done.stderr + done.stdout


# --- nothing to do ------------------------------------------------------------------------------


def test_a_second_start_asks_nothing_and_touches_no_file(job: Callable[..., Any], tmp_path: Path) -> None:
    config, server = job()
    assert ended(config)[0] == 0
    asked, before, starts = server.events("asked"), look(tmp_path / "run" / "dataset"), starts_of(tmp_path / "run")
    code, said = ended(config)
    assert code == 0, said
    assert "nothing to do" in said
    assert str(tmp_path / "run" / "dataset") in said, "where the dataset lies is printed as ever"
    assert ended(config, "--skip-code")[0] == 99
    assert look(tmp_path / "run" / "dataset") == before
    assert server.events("asked") == asked
    assert starts_of(tmp_path / "run") == starts, "it doesn't even count as a start"
    assert si.Run(tmp_path / "run").outcome.reason == "target"


def test_a_server_that_is_gone_is_nothing_to_a_finished_run(job: Callable[..., Any], tmp_path: Path) -> None:
    config, _ = job()
    assert ended(config)[0] == 0
    values = yaml.safe_load(config.read_text())
    values["teacher"]["base_url"] = "http://127.0.0.1:9/v1"
    config.write_text(yaml.safe_dump(values))
    assert ended(config)[0] == 0, "another address: looked through again, nothing is asked"
    assert ended(config, "--skip-code")[0] == 99


@pytest.mark.slow
def test_skip_code_is_for_nothing_to_do_only(job: Callable[..., Any]) -> None:
    config, _ = job()
    assert ended(config, "--skip-code")[0] == 0, "the first start did something"
    assert ended(config, "--skip-code", "--set", "target=35")[0] == 0
    assert ended(config, "--skip-code", "--set", "target=60", "--set", "max_requests=1")[0] == 3


def finished(make_config: Callable[..., si.RunConfig], **changes: Any) -> si.RunConfig:
    config = make_config(**changes)
    assert not si.run(config, overwrite=True).idle
    assert si.run(config).idle
    return config


@pytest.mark.slow
def test_a_seal_is_broken_by_whatever_the_next_start_would_go_by(
    make_config: Callable[..., si.RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Path(finished(make_config).run_dir) / "dataset"
    for changes in (
        {"target": 41},
        {"target": 39},
        {"concurrency": 2},
        {"dataset": {"formats": ["alpaca"]}},
        {
            "max_cost_usd": 5,
            "teacher": {"kind": "fake", "model": "fake", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
        },
    ):
        finished(make_config, **changes)
    config = finished(make_config)
    broken: dict[str, Callable[[], object]] = {
        "the dataset is gone": lambda: shutil.rmtree(dataset),
        "one of its files is gone": lambda: next(dataset.rglob("*.parquet")).unlink(),
        "one was written to": lambda: (dataset / "README.md").write_text("mine"),
        "one was added": lambda: (dataset / "mine.txt").write_text("mine"),
        "another version of the program": lambda: monkeypatch.setattr(seal, "__version__", "0.0.1"),
    }
    for what, breaking in broken.items():
        breaking()
        assert not si.run(config, overwrite=True).idle, what
        assert si.run(config).idle, what
        assert not (dataset / "mine.txt").exists()
        assert datasets.load_dataset(str(dataset), split="train").num_rows == 40


def test_another_starts_end_breaks_it_too(make_config: Callable[..., si.RunConfig]) -> None:
    config = finished(make_config)
    assert si.run(make_config(target=100, max_requests=1)).outcome.exit_code == 3
    again = si.run(config, overwrite=True)  # fewer records than there are
    assert not again.idle, "the target was met, but not by the last start"
    assert (again.outcome.reason, len(again.records())) == ("target", 40)


class NoRivers:
    """A filter of one's own."""

    def check(self, candidate: si.Candidate) -> si.Verdict:
        return si.Verdict("river") if "river" in candidate.instruction else si.Verdict()


def test_a_run_with_code_of_ones_own_is_looked_through_at_every_start(
    make_config: Callable[..., si.RunConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    for _ in range(2):
        assert not si.run(config, filters=[NoRivers()]).idle
    (tmp_path / "of_my_own.py").write_text(
        "class Own:\n    def __init__(self, config): ...\n    def check(self, task):\n"
        "        from selfinstruct import Verdict\n        return Verdict()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = make_config(run_dir=str(tmp_path / "own"), filters={"custom": ["of_my_own:Own"]})
    for _ in range(2):
        done = si.run(config)
        assert not done.idle
        assert done.outcome.reason == "target"


def test_what_was_made_without_a_dataset_is_not_finished(make_config: Callable[..., si.RunConfig]) -> None:
    config = make_config()
    assert not si.run(config, export=False).dataset_path.exists()
    assert not si.run(config, export=False).idle
    assert si.run(config).dataset_path.exists()


# --- bounded ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2h", 7200), ("90m", 5400), ("45s", 45), ("1h30m", 5400), ("1h0m5s", 3605), (" 2h ", 7200)],
)
def test_a_span_of_time_as_people_write_it(written: str, seconds: int) -> None:
    assert seconds_of(written, "--max-runtime") == seconds


@pytest.mark.parametrize("written", ["", "2", "h", "2x", "0s", "0h0m", "-1h", "1.5h", "30m1h", "2h30", "1h 30m", "٢h٢"])
def test_anything_else_is_a_clear_error(written: str) -> None:
    with pytest.raises(si.UsageError, match="write it as 2h, 90m, 45s or 1h30m"):
        seconds_of(written, "--max-runtime")


@given(st.integers(1, 10**6))
def test_what_is_written_back_is_read_again(seconds: int) -> None:
    assert seconds_of(written_of(seconds), "x") == seconds


@pytest.mark.slow
def test_time_that_is_up_ends_a_run_cleanly_and_a_later_start_goes_on(job: Callable[..., Any], tmp_path: Path) -> None:
    config, server = job(latency_s=0.3, target=50_000, concurrency=8)
    code, said = ended(config, "--max-runtime", "8s")
    assert code == 3, said
    assert "max_runtime: " in said
    assert "the time limit of 8s is over" in said
    assert "to resume: selfinstruct generate" in said
    run = si.Run(tmp_path / "run")
    assert run.outcome.reason == "max_runtime"
    assert run.status().requests == len(server.events("answered")), "everything that was answered is on disk"
    have = len(run.records())
    assert have > 0
    assert datasets.load_dataset(str(run.dataset_path), split="train").num_rows == have, "and in the dataset"
    code, said = ended(config, "--set", f"target={have + 20}")
    assert code == 0, said
    assert len(server.events("asked")) == si.Run(tmp_path / "run").status().requests, "each answer was asked for once"
    assert len(si.Run(tmp_path / "run").records()) == have + 20


@pytest.mark.slow
def test_a_server_that_never_answers_is_not_waited_for(job: Callable[..., Any], tmp_path: Path) -> None:
    config, _ = job(latency_s=600)
    code, said = ended(config, "--max-runtime", "1s")
    assert code == 3, said
    assert si.Run(tmp_path / "run").outcome.reason == "max_runtime"


@pytest.mark.slow
def test_time_bounds_a_replay_too_and_loses_nothing(make_config: Callable[..., si.RunConfig]) -> None:
    assert si.run(make_config(target=200)).outcome.reason == "target"
    cut = si.run(make_config(target=300), max_runtime_s=1e-6)
    assert (cut.outcome.reason, cut.outcome.exit_code) == ("max_runtime", 3)
    assert si.run(make_config(target=200)).outcome.reason == "target"


@pytest.mark.parametrize("seconds", [0, -5, float("nan"), float("inf")])
def test_no_time_to_run_in_is_a_mistake(make_config: Callable[..., si.RunConfig], seconds: float) -> None:
    with pytest.raises(si.UsageError, match="above 0"):
        si.run(make_config(), max_runtime_s=seconds)


def test_a_wrong_span_ends_before_anything(job: Callable[..., Any], tmp_path: Path) -> None:
    config, server = job()
    code, said = ended(config, "--max-runtime", "soon")
    assert (code, server.log.exists() and server.events("asked")) == (2, [])
    assert "--max-runtime 'soon': not a duration" in said
    assert not (tmp_path / "run").exists()


# --- killed and fired twice ---------------------------------------------------------------------


def answered(folder: Path) -> int:
    try:  # read-only: an early look must not create an empty file
        with closing(sqlite3.connect(f"file:{folder}/journal.sqlite?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM answers WHERE key NOT LIKE 'failed:%'").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for(condition: Callable[[], bool], process: Process) -> None:
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.slow
def test_killed_and_fired_twice_at_any_time(job: Callable[..., Any], tmp_path: Path) -> None:
    """Every night two of them at once, and the one at work is killed; then one night that nobody disturbs."""
    nights, target = (4, 500) if FULL else (2, 100)
    config, server = job(latency_s=0.1, target=target, concurrency=8, strategy="self_instruct")
    folder, codes = tmp_path / "run", []
    for _ in range(nights):
        before = answered(folder)
        pair = [fired(config), fired(config)]
        wait_for(lambda before=before: answered(folder) > before + 5, pair[0])
        wait_for(lambda pair=pair: None in [each.poll() for each in pair] != [None, None], pair[0])
        for each in pair:
            if each.poll() is None:
                os.kill(each.pid, signal.SIGKILL)
        codes += sorted(each.wait(60) for each in pair)
        for each in pair:
            each.communicate()
    assert codes == [-9, 4] * nights, "one works and is killed, the other finds the lock"
    assert si.Run(folder).outcome.reason == "killed"
    code, said = ended(config)
    assert code == 0, said
    asked = server.events("asked")
    again = len(asked) - si.Run(folder).status().requests
    assert again <= nights * 8, "no more than was in flight at each kill is asked again"
    rows = datasets.load_dataset(str(folder / "dataset"), split="train")
    assert rows.num_rows == len(set(rows["id"])) == target

    before = look(folder / "dataset")
    both = [fired(config, "--skip-code"), fired(config, "--skip-code")]
    assert [each.wait(60) for each in both] == [99, 99], "there is nothing left to do, for both"
    for each in both:
        each.communicate()
    assert look(folder / "dataset") == before
    assert server.events("asked") == asked


@pytest.mark.slow
def test_killed_while_the_dataset_is_written_it_is_written_by_the_next(job: Callable[..., Any], tmp_path: Path) -> None:
    config, server = job(target=600, concurrency=32, strategy="self_instruct")
    process = fired(config)
    folder = tmp_path / "run"
    wait_for(lambda: any(folder.glob(".dataset-*")), process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -9
    assert not (folder / "dataset").exists()
    assert si.Run(folder).outcome.reason == "target"
    asked = server.events("asked")
    assert ended(config, "--skip-code")[0] == 0, "the target was met, but there was something to do"
    assert server.events("asked") == asked
    assert datasets.load_dataset(str(folder / "dataset"), split="train").num_rows == 600


def test_the_exit_codes_are_documented_where_they_are_told() -> None:
    text = " ".join(cli("--help").stdout.split())
    assert all(f"{code} " in text for code in EXIT_CODES)
    assert 99 in EXIT_CODES
    page = (ROOT / "docs" / "guide" / "nightly.md").read_text(encoding="utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == EXIT_CODES.keys()
