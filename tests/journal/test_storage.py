"""Disks that fill up, pages that tear, files that may not be written, clocks that jump: one line, and it goes on."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import ROOT, Loopback, cli
from selfinstruct.core.errors import StorageError
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run
from selfinstruct.journal.journal import Journal


def generate(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return cli("generate", config, *arguments)


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that says what went wrong."""
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "error: " in line]
    return line


@pytest.fixture
def written(loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path) -> Callable[..., tuple[Path, Loopback]]:
    def write(run_dir: Path, latency_s: float = 0.0, **changes: Any) -> tuple[Path, Loopback]:
        server = loopback(latency_s)
        teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None}
        values = {"seeds": str(seed_file), "run_dir": str(run_dir), "target": 300, "strategy": "self_instruct"}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values | {"teacher": teacher} | changes))
        return path, server

    return write


def killed_after(config: Path, folder: Path, answers: int) -> None:
    """Start, and SIGKILL once so many answers are committed."""
    command = [sys.executable, "-m", "selfinstruct", "generate", str(config)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if (folder / "journal.sqlite").exists() and kept_in(folder) >= answers:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def kept_in(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder}/journal.sqlite?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])
    except sqlite3.Error:
        return 0


# --- the disk is full ---------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 1 MB, where that can be had."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small tmpfs needs root; tests/test_process.py limits the size of files instead")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_with_one_line_and_a_start_with_room_loses_nothing(
    written: Callable[..., tuple[Path, Loopback]], small_disk: Path
) -> None:
    config, server = written(small_disk / "run")
    full = generate(config)
    assert full.returncode == 3
    assert re.search("disk is full|No space left", told(full))
    assert "nothing committed is lost" in told(full)
    status = Run(small_disk / "run").status()
    assert status.outcome.exit_code == 3
    assert status.outcome.reason in ("storage", "killed"), "where there was no room to say so, it tells of that"
    kept = status.requests
    assert kept > 50
    assert generate(config).returncode == 3, "again, as long as there is no room"
    subprocess.run(["mount", "-o", "remount,size=40m", str(small_disk)], check=True)
    done = generate(config)
    assert done.returncode == 0, done.stderr
    assert len(Run(small_disk / "run").records()) == 300
    again = sum(count - 1 for count in Counter(server.events("asked")).values())
    assert again <= 2 * 16, "only what was in flight when the disk was full"


@pytest.mark.slow
@pytest.mark.parametrize("command", [["status"], ["export"], ["generate"]])
def test_an_output_that_takes_nothing_is_no_defect(
    written: Callable[..., tuple[Path, Loopback]], tmp_path: Path, command: list[str]
) -> None:
    config, _ = written(tmp_path / "run", target=20)
    assert generate(config).returncode == 0
    place = config if command == ["generate"] else tmp_path / "run"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "selfinstruct", *command, str(place)],
            cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert done.returncode == 3
    assert told(done).endswith(
        "error: the output: No space left on device; free some space, and the same command resumes"
    )


@pytest.mark.slow
def test_a_log_on_a_full_disk_does_not_end_a_run(written: Callable[..., tuple[Path, Loopback]], tmp_path: Path) -> None:
    config, _ = written(tmp_path / "run", target=20)
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "selfinstruct", "generate", str(config), "--log-format", "json"]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=full, timeout=120)
    assert done.returncode == 0
    assert len(Run(tmp_path / "run").records()) == 20


# --- torn and damaged ---------------------------------------------------------------------------


@pytest.mark.parametrize("tear", ["cut", *(pytest.param(tear, marks=pytest.mark.slow) for tear in ("noise", "gone"))])
def test_a_torn_end_of_the_wal_costs_the_torn_answers_and_nothing_else(
    written: Callable[..., tuple[Path, Loopback]], tmp_path: Path, tear: str
) -> None:
    folder = tmp_path / "run"
    config, server = written(folder, latency_s=0.02, target=120)
    killed_after(config, folder, 60)
    time.sleep(0.3)
    asked = len(server.events("asked"))
    before = kept_in(folder)
    wal = folder / "journal.sqlite-wal"
    data = wal.read_bytes()
    assert len(data) > 5000, "an unclean end leaves a WAL"
    if tear == "gone":
        wal.unlink()
        (folder / "journal.sqlite-shm").unlink(missing_ok=True)
    else:
        wal.write_bytes(data[:-3000] + (os.urandom(3000) if tear == "noise" else b""))
    torn = before - kept_in(folder)
    done = generate(config)
    assert done.returncode == 0, done.stderr
    assert len(Run(folder).records()) == 120
    again = len(set(server.events("asked")[:asked]) & set(server.events("asked")[asked:]))
    assert again <= torn + 16, "the torn answers, and what was in flight"


@pytest.mark.slow
def test_pages_that_are_damaged_are_found_after_an_unclean_end(
    written: Callable[..., tuple[Path, Loopback]], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    config, server = written(folder, latency_s=0.01, target=400)
    killed_after(config, folder, 500)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    with closing(sqlite3.connect(folder / "journal.sqlite")) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'answers_by_question'").fetchone()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with (folder / "journal.sqlite").open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(os.urandom(4096))
    asked = len(server.events("asked"))
    shutil.copy(copy / "journal.sqlite-wal", tmp_path / "wal")
    (folder / "journal.sqlite-wal").write_bytes((tmp_path / "wal").read_bytes()[:32])  # its head: no frames, unclean
    done = generate(config)
    assert done.returncode == StorageError.exit_code == 3
    assert "damaged" in told(done)
    assert "Restore it from a copy" in told(done)
    assert len(server.events("asked")) == asked, "nothing is asked on top of damage"
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    assert generate(config).returncode == 0
    assert len(Run(folder).records()) == 400


def test_pages_are_checked_after_an_unclean_end_only(
    monkeypatch: pytest.MonkeyPatch, make_config: Callable[..., Any], tmp_path: Path
) -> None:
    checked: list[Path] = []
    monkeypatch.setattr("selfinstruct.journal.store.Store._check_pages", lambda store: checked.append(store.path))
    done = run(make_config())
    Run(done.path).status()
    run(make_config(target=50))
    assert checked == []
    code = """
        import asyncio, os, signal, sys
        sys.path[:0] = ["tests", "tests/journal"]
        from pathlib import Path
        from selfinstruct.journal.journal import Journal
        from test_journal import put

        async def go():
            await put(Journal(Path(sys.argv[1])), "p:0")
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(go())
    """
    path = tmp_path / "j"
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], cwd=ROOT, timeout=60)
    Journal(path).close()
    assert checked == [path]
    Journal(path).close()
    assert checked == [path]


# --- may not be written -------------------------------------------------------------------------


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], None]]:
    """Become a user whom permissions bind, until the test ends."""
    user = os.geteuid()

    def become() -> None:
        if user == 0:
            os.seteuid(65534)

    yield become
    os.seteuid(user)


@pytest.mark.parametrize("what", ["folder", "journal", "lock", "parent"])
def test_what_may_not_be_written_is_a_wrong_path(
    make_config: Callable[..., Any], seed_file: Path, as_nobody: Callable[[], None], what: str
) -> None:
    from selfinstruct.core.errors import UsageError

    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o777)
    shutil.copy(seed_file, parent / "seeds.jsonl")
    folder, changes = parent / "run", {"seeds": str(parent / "seeds.jsonl"), "run_dir": str(parent / "run")}
    try:
        if what != "parent":
            run(make_config(**changes))
            modes = {"folder": 0o755, "journal": 0o777, "lock": 0o777}
            folder.chmod(modes[what])
            for path in [*folder.glob("*-wal"), *folder.glob("*-shm")]:
                path.unlink()
            for path in folder.iterdir():
                if path.is_file():
                    path.chmod(0o666)
            (folder / "run.lock").touch(mode=0o666)
            (folder / "run.lock").chmod(0o444 if what == "lock" else 0o666)
            if what == "journal":
                (folder / "journal.sqlite").chmod(0o444)
        else:
            parent.chmod(0o755)
        as_nobody()
        with pytest.raises(UsageError, match=r"can't be written.*make .*writable, or choose another folder") as caught:
            run(make_config(**changes | {"target": 50}))
        assert caught.value.exit_code == 2
        assert "\n" not in str(caught.value)
        if what == "folder":
            assert len(Run(folder).records()) == 40, "it can still be read"
    finally:
        os.seteuid(os.getuid())
        shutil.rmtree(parent)


# --- clocks that jump ---------------------------------------------------------------------------


def test_a_clock_that_jumps_changes_nothing(
    make_config: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draw = random.Random(3)
    runs = []
    for name, clock in (("steady", None), ("jumping", lambda: draw.uniform(-4e9, 4e9))):
        if clock is not None:
            monkeypatch.setattr(time, "time", clock)
        for target in (20, 60):
            done = run(make_config(run_dir=str(tmp_path / name), target=target, max_requests=500))
        runs.append([record.id + record.instruction for record in done.records()])
        assert done.outcome.reason == "target"
    assert runs[0] == runs[1]
    with closing(sqlite3.connect(tmp_path / "jumping" / "journal.sqlite")) as db:
        asked_at = [row[0] for row in db.execute("SELECT asked_at FROM answers")]
        assert min(asked_at) < 0 < max(asked_at), "the clock did jump"
        assert db.execute("SELECT min(latency_s) >= 0 FROM answers").fetchone() == (1,)


# --- what a wrong address says ------------------------------------------------------------------


def test_an_address_that_is_no_api_is_named_as_such(
    httpserver: Any, written: Callable[..., tuple[Path, Loopback]], tmp_path: Path
) -> None:
    httpserver.expect_request("/chat/completions").respond_with_data(
        "<h1>Welcome to nginx!</h1>", content_type="text/html"
    )
    config, _ = written(tmp_path / "run")
    done = generate(config, "--set", f"teacher.base_url={httpserver.url_for('')}")
    assert done.returncode == 3
    assert "Welcome to nginx!" in told(done)
    assert "doesn't seem to be an OpenAI-compatible API; check teacher.base_url" in told(done)
    assert json.loads(json.dumps(done.stderr)).count("Welcome") <= 2
