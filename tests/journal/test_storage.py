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
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import start_python

from conftest import ROOT, Loopback, cli
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run


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
    command = ("-m", "selfinstruct", "generate", config)
    process = start_python(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
            return int(db.execute("SELECT count(*) FROM answers WHERE key NOT LIKE 'failed:%'").fetchone()[0])
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


# Each changes the file of a real run. The pattern is what the line must say.
Damage = Callable[[Path], object]


def at(place: float, length: int, value: bytes | None = None) -> Damage:
    """Overwrite bytes at a share of the file's length (or at an offset below 100) with others; None: flip them."""

    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        start = int(place) if place >= 1 or place == 0 else int(len(data) * place) // 4096 * 4096
        for offset in range(start, min(start + length, len(data))):
            data[offset] = data[offset] ^ 0xFF if value is None else value[(offset - start) % len(value)]
        path.write_bytes(data)

    return damage


def by(*statements: str) -> Damage:
    """Change rows or tables, as another program could."""

    def damage(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA writable_schema=1")
            for statement in statements:
                db.execute(statement)

    return damage


def cut(share: float) -> Damage:
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def index_page(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'answers_by_question'").fetchone()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = bytes(range(256)) * 16
    path.write_bytes(data)


def other_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE songs (title TEXT)")
        db.commit()


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[str, tuple[Damage, str]] = {
    "page in the middle overwritten": (at(0.5, 4096, os.urandom(64)), "damaged"),
    "page in the middle zeroed": (at(0.5, 4096, b"\0"), "damaged"),
    "many pages zeroed": (at(0.3, 100_000, b"\0"), "damaged"),
    "last page overwritten": (at(0.99, 4096, b"x"), "damaged"),
    "index overwritten": (index_page, "damaged"),
    "head of a page flipped": (at(0.4, 12), "damaged"),
    "cut in half": (cut(0.5), "damaged"),
    "cut in a page": (cut(0.771), "damaged"),
    "cut in the first page": (cut(0.001), "is not a journal, or its beginning is damaged|damaged"),
    "magic overwritten": (at(0, 16, b"x"), "is not a journal, or its beginning is damaged"),
    "page size overwritten": (at(16, 2, b"\x12\x34"), "is not a journal, or its beginning is damaged"),
    "file format flipped": (at(18, 2), "damaged"),
    "schema page zeroed": (at(100, 3996, b"\0"), "damaged"),
    "schema overwritten": (by("UPDATE sqlite_schema SET sql = 'garbage' WHERE name = 'answers'"), "damaged"),
    "text file": (lambda path: path.write_text("a diary, not a journal\n" * 300), "is not a journal"),
    "garbage": (lambda path: path.write_bytes(os.urandom(50_000)), "is not a journal"),
    "folder": (folder_instead, "is a folder, not a journal; name a run's folder, or remove it"),
    "another program's file": (other_program, "is a SQLite file of another program; name another run_dir"),
    "no such table": (by("DROP TABLE seeds"), "damaged (no such table: seeds)"),
    "no table of answers": (by("DROP TABLE answers"), "damaged (no such table: answers)"),
    "no such column": (by("ALTER TABLE answers DROP COLUMN requests"), "damaged (no such column: requests)"),
    "later format": (by("PRAGMA user_version=99"), "journal format 99, this program reads"),
    "no format": (by("PRAGMA user_version=0"), "damaged (its format number is missing)"),
    "JSON of a prompt": (by("UPDATE answers SET prompt = '{' WHERE key = 'p:1'"), "a value in the table answers"),
    "JSON of demonstrations": (
        by("UPDATE answers SET demos = x'ff' WHERE key = 'p:1'"),
        "a value in the table answers",
    ),
    "JSON of a seed": (by("UPDATE seeds SET instances = '[[' WHERE position = 1"), "a value in the table seeds"),
    "JSON of the configuration": (by("UPDATE generations SET config = 'x'"), "a value in the table generations"),
    "number of requests": (by("UPDATE answers SET requests = 'x' WHERE key = 'p:1'"), "a value in the table answers"),
    "cost": (by("UPDATE answers SET cost_usd = 'x' WHERE key = 'p:1'"), "a value in the table answers"),
    "text that is no UTF-8": (by("UPDATE answers SET text = CAST(x'ff41' AS TEXT) WHERE key = 'p:1'"), "damaged"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, with its configuration next to it."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(ROOT / "seeds" / "demo.jsonl", folder / "seeds.jsonl")
    values = {"seeds": str(folder / "seeds.jsonl"), "run_dir": str(folder / "run"), "target": 100}
    values |= {"teacher": {"kind": "fake", "model": "fake"}, "strategy": "self_instruct"}
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    assert generate(folder / "config.yaml").returncode == 0
    return folder


def damaged_copy(finished: Path, folder: Path, damage: Damage) -> Path:
    """Copy the run, and damage its journal; the path of the journal."""
    shutil.copytree(finished / "run", folder / "run")
    with closing(sqlite3.connect(folder / "run" / "journal.sqlite")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for leftover in ("-wal", "-shm"):
        (folder / "run" / f"journal.sqlite{leftover}").unlink(missing_ok=True)
    path = folder / "run" / "journal.sqlite"
    damage(path)
    return path


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_journal_is_reported_before_anything_is_asked(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    damage, words = DAMAGES[name]
    path = damaged_copy(finished, tmp_path, damage)
    before = path.read_bytes() if path.is_file() else b""
    asked: list[object] = []

    async def complete(teacher: object, prompt: object) -> object:
        asked.append(prompt)
        raise AssertionError("nothing may be asked")

    monkeypatch.setattr("selfinstruct.teachers.fake.teacher.FakeTeacher.complete", complete)
    done = generate(finished / "config.yaml", "--set", f"run_dir={path.parent}", "--set", "target=200")
    assert done.returncode == 2, done.stderr
    assert any(word in told(done) for word in words.split("|"))
    assert not re.search("disk|free some space|permission", told(done))
    assert asked == []
    assert (path.read_bytes() if path.is_file() else b"") == before, "nothing was changed"


@pytest.mark.parametrize("command", ["status", "explain", "report", "export", "refilter", "push"])
@pytest.mark.parametrize(
    "name",
    [
        "page in the middle overwritten",
        "no such table",
        "JSON of the configuration",
        "cost",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("JSON of a seed", "text that is no UTF-8", "cut in half", "text file", "folder")
        ),
    ],
)
def test_no_command_calls_a_damaged_journal_a_defect(finished: Path, tmp_path: Path, name: str, command: str) -> None:
    path = damaged_copy(finished, tmp_path, DAMAGES[name][0])
    rest = {"explain": ["q1"], "refilter": [str(tmp_path / "new")], "push": ["owner/name"]}.get(command, [])
    done = cli(command, path.parent, *rest)
    assert done.returncode in (0, 2, 3), done.stderr
    if done.returncode:
        assert told(done)


def test_a_damaged_run_is_not_forked(finished: Path, tmp_path: Path) -> None:
    path = damaged_copy(finished, tmp_path, DAMAGES["page in the middle overwritten"][0])
    done = generate(
        finished / "config.yaml",
        "--set",
        f"run_dir={path.parent}",
        "--fork",
        str(tmp_path / "new"),
        "--set",
        "target=110",
    )
    assert done.returncode == 2
    assert f"{path}: damaged" in told(done)
    assert not (tmp_path / "new" / "journal.sqlite").exists()


@pytest.mark.slow
def test_random_damage_is_reported_or_harmless(finished: Path, tmp_path: Path) -> None:
    draw = random.Random(7)
    for trial in range(60):
        share, length = draw.random(), draw.choice([1, 8, 64, 4096, 20_000])
        folder = tmp_path / str(trial)
        folder.mkdir()
        path = damaged_copy(
            finished, folder, at(share if share > 0.02 else draw.randrange(100), length, draw.randbytes(8))
        )
        done = generate(finished / "config.yaml", "--set", f"run_dir={path.parent}", "--set", "target=110")
        assert done.returncode in (0, 2), (trial, share, length, done.stderr)
        shutil.rmtree(folder)


def test_the_content_is_checked_at_every_start_that_may_ask(
    monkeypatch: pytest.MonkeyPatch, make_config: Callable[..., Any]
) -> None:
    checked: list[Path] = []
    monkeypatch.setattr("selfinstruct.journal.store.check_content", lambda path, *_: checked.append(path))
    done = run(make_config())
    Run(done.path).status()
    run(make_config())
    assert checked == [], "a new file, a reader, and a start with nothing to do"
    run(make_config(target=50))
    assert checked == [done.path / "journal.sqlite"]


def test_a_start_that_was_killed_before_its_first_table_begins_anew(
    make_config: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    with closing(sqlite3.connect(tmp_path / "run" / "journal.sqlite")) as db:
        db.execute("PRAGMA journal_mode=WAL")
    assert run(make_config()).outcome.reason == "target"


# --- the folder and its lock --------------------------------------------------------------------


@pytest.mark.parametrize("content", [[], ["notes.txt"]])
def test_a_folder_that_exists_keeps_its_mode(
    make_config: Callable[..., Any], tmp_path: Path, content: list[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o1777)
    for name in content:
        (folder / name).touch()
    run(make_config())
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert (folder / "journal.sqlite").stat().st_mode & 0o777 == 0o600, "answers stay private"


@pytest.mark.parametrize("link", [False, True])
def test_a_lock_that_was_deleted_by_hand_still_keeps_others_out(
    make_config: Callable[..., Any], tmp_path: Path, link: bool
) -> None:
    from selfinstruct.core.errors import RunLocked

    (tmp_path / "link").symlink_to(tmp_path / "run")
    other = tmp_path / "link" if link else tmp_path / "run"
    refused: list[str] = []

    def intrude(_: object) -> None:
        if not refused:
            (tmp_path / "run" / "run.lock").unlink()
            with pytest.raises(RunLocked, match="another process works on this run; wait") as caught:
                run(make_config(run_dir=str(other)))
            refused.append(str(caught.value))
            assert Run(other).status().running

    done = run(make_config(), progress=intrude)
    assert done.outcome.reason == "target"
    assert refused
    assert not Run(done.path).status().running


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


@pytest.mark.parametrize("loss", ["emptied", "deleted"])
def test_a_journal_that_was_lost_beside_its_dataset_is_never_replaced(
    make_config: Callable[..., Any], tmp_path: Path, loss: str
) -> None:
    from selfinstruct.core.errors import SelfInstructError

    done = run(make_config())
    journal, card = done.path / "journal.sqlite", (done.dataset_path / "README.md").read_bytes()
    shutil.copy(journal, tmp_path / "copy")
    journal.write_bytes(b"") if loss == "emptied" else journal.unlink()
    for changes in ({}, {"target": 50}):
        with pytest.raises(SelfInstructError, match=r"journal\.sqlite.*[Rr]estore it from a copy, or") as caught:
            run(make_config(**changes))
        assert caught.value.exit_code == 2
        assert (done.dataset_path / "README.md").read_bytes() == card
        assert not journal.exists() or not journal.read_bytes()
    shutil.copy(tmp_path / "copy", journal)
    assert run(make_config()).outcome.reason == "target"


def test_status_says_that_a_kill_makes_amounts_upper_bounds(make_config: Callable[..., Any]) -> None:
    done = run(make_config())
    assert done.status().killed == 0
    with closing(sqlite3.connect(done.path / "journal.sqlite")) as db, db:
        db.execute("INSERT INTO meta VALUES ('reserved:fake', '[4, 100, 100, 0.0]')")
    line = r"at most +4 of the requests were in flight at a kill"
    assert Run(done.path).status().killed == 4
    assert re.search(line, cli("status", done.path).stdout)
    run(make_config(target=50))
    assert Run(done.path).status().killed == 4
    assert re.search(line, cli("status", done.path).stdout)
