"""Standard streams in any state: closed, without a reader, on a full disk, in any encoding, with hostile text."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import Process, start_python

from conftest import IN_FULL, ROOT, cli
from selfinstruct.cli.app import app
from selfinstruct.cli.streams import SafeStream
from selfinstruct.journal.folder import Run

HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202egnp\u2066\x9b\x7f\u2028"
"""Sets a terminal's title and color, and reverses the text after it."""
NAME = "café 中文"
"""The name of a folder whose characters no small encoding has."""

# What each command is called with. {out} is a new path, and {run}, {config} and {data} are those of `place`.
COMMANDS: dict[str, str] = {
    "help": "--help",
    "version": "--version",
    "init": "init {out}",
    "check": "check {config}",
    "preview": "preview {config} -n 3",
    "generate": "generate {config} --set run_dir={out}",
    "resume": "generate {config}",
    "status": "status {run}",
    "status as JSON": "status {run} --json",
    "list": "list {run}",
    "list of rows": "list {run} --format jsonl",
    "documents": "documents {data}",
    "schema": "schema",
    "explain a seed": "explain {run} SEED",
    "explain a question": "explain {run} q0 --full",
    "explain found tasks": "explain {run} --text a",
    "explain as JSON": "explain {run} SEED --json",
    "report": "report {run} --output {out}",
    "worth": "worth {run} {data}",
    "worth as JSON": "worth {run} {data} --json",
    "export": "export {run} --output {out}",
    "refilter": "refilter {run} {out} --set max_similarity=0.69",
    "validate": "validate {run}/dataset --for trl-sft",
    "validate as JSON": "validate {run}/dataset --for trl-sft --json",
    "configuration of a trainer": "validate {run}/dataset --for axolotl --write-config -",
    "push": "push {run} owner/name",
    "dedup": "dedup {data} {out}",
    "dedup to standard output": "dedup {data} -",
    "merge": "merge {run} {data} {out} --column instruction",
    "judge-eval": "judge-eval {config}",
    "teacher list": "teacher list",
    "usage error": "status",
    "unknown option": "status {run} --nonesuch-" + HOSTILE.replace("\u2028", ""),
    "no such run": "status {out}",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run, whose seeds, ids and texts are hostile."""
    folder = tmp_path_factory.mktemp("streams") / NAME
    folder.mkdir()
    rows = [
        {"id": f"{HOSTILE}{n}", "instruction": f"Say something{HOSTILE} about {word} to a child of {n + 4}.",
         "instances": [{"input": HOSTILE, "output": f"{word}{HOSTILE} is fun."}], "is_classification": False}
        for n, word in enumerate("tides poems contracts reviews rivers engines letters games".split())
    ]  # fmt: skip
    (folder / "seeds.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    values = {"seeds": str(folder / "seeds.jsonl"), "run_dir": str(folder / "run"), "target": 12}
    values |= {"teacher": {"kind": "fake", "model": f"fake {NAME}"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    done = cli("generate", folder / "config.yaml")
    assert done.returncode == 0, done.stderr
    return folder


def words(name: str, place: Path, out: Path) -> list[str]:
    names = {"run": place / "run", "config": place / "config.yaml", "data": place / "data.jsonl", "out": out}
    words = [word.format(**names) for word in COMMANDS[name].split(" ")]
    return [f"{HOSTILE}3" if word == "SEED" else word for word in words]


class Streams:
    """The command in this process, with the streams given to `run`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def run(self, arguments: list[str], stdin: Any, stdout: Any, stderr: Any) -> int:
        with self._patch.context() as patch:
            for name, stream in (("stdin", stdin), ("stdout", stdout), ("stderr", stderr)):
                patch.setattr(sys, name, stream)
            with pytest.raises(SystemExit) as ended:
                app(arguments)
        assert isinstance(ended.value.code, int | None)
        return ended.value.code or 0


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Streams:
    monkeypatch.chdir(tmp_path)
    return Streams(monkeypatch)


def written_to(encoding: str = "utf-8") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)


def text_of(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(stream.encoding)


def plain(streams: Streams, name: str, place: Path, out: Path) -> tuple[int, str, str]:
    """Exit code and output of the command with ordinary streams."""
    stdout, stderr = written_to(), written_to()
    code = streams.run(words(name, place, out), io.StringIO(), stdout, stderr)
    return code, text_of(stdout), text_of(stderr)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_prints_a_control_character(streams: Streams, place: Path, tmp_path: Path, name: str) -> None:
    code, stdout, stderr = plain(streams, name, place, tmp_path / "out")
    assert code in (0, 2), stderr
    assert [char for char in stdout + stderr if not char.isprintable() and char != "\n"] == []
    if name in ("explain a seed", "explain a question", "preview"):
        assert "⟨U+001B⟩]0;owned⟨U+0007⟩" in stdout
        assert "⟨U+202E⟩gnp" in stdout
    if "JSON" in name and "explain" in name:
        assert json.loads(stdout)["id"] == f"{HOSTILE}3", "JSON has the value itself"


def test_progress_bars_are_written_as_they_are_but_for_their_text() -> None:
    stream = written_to()
    safe = SafeStream(stream, optional=True)
    for text in ("\r 10%|#  | a", "\n\n", "\x1b[A\x1b[A", "\r\x1b[31mb", "c\rd", "\x1b[Ae", ""):
        safe.write(text)
    bars = "\r 10%|#  | a\n\n\x1b[A\x1b[A\r"
    assert text_of(stream) == f"{bars}⟨U+001B⟩[31mbc⟨U+000D⟩d⟨U+001B⟩[Ae"


ENCODINGS = ["ascii", *(pytest.param(name, marks=IN_FULL) for name in ("latin-1", "cp1252", "gb18030"))]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_in_any_encoding(
    streams: Streams, place: Path, tmp_path: Path, name: str, encoding: str
) -> None:
    expected = plain(streams, name, place, tmp_path / "out")
    stdout, stderr = written_to(encoding), written_to(encoding)
    code = streams.run(words(name, place, tmp_path / "again"), io.StringIO(), stdout, stderr)
    assert code == expected[0], text_of(stderr)
    if "JSON" in name:
        values, same = json.loads(text_of(stdout)), json.loads(expected[1])
        values.pop("waiting", None), same.pop("waiting", None)
        assert values == same, "escapes that JSON decodes"
    elif encoding == "gb18030" and name == "status":
        assert text_of(stdout) == expected[1]


@pytest.mark.parametrize(
    "closed", ["all", *(pytest.param(name, marks=IN_FULL) for name in ("stdin", "stdout", "stderr"))]
)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_runs_with_closed_streams(
    streams: Streams, place: Path, tmp_path: Path, name: str, closed: str
) -> None:
    expected = plain(streams, name, place, tmp_path / "out")
    given = {"stdin": io.StringIO(), "stdout": written_to(), "stderr": written_to()}
    given |= dict.fromkeys(given if closed == "all" else [closed])  # type: ignore[arg-type]
    code = streams.run(words(name, place, tmp_path / "again"), given["stdin"], given["stdout"], given["stderr"])
    assert code == expected[0]
    assert (tmp_path / "again").exists() == (tmp_path / "out").exists()


@pytest.mark.parametrize("gone", ["both", *(pytest.param(name, marks=IN_FULL) for name in ("stdout", "stderr"))])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_goes_on_when_its_reader_leaves(
    streams: Streams, place: Path, tmp_path: Path, name: str, gone: str
) -> None:
    expected = plain(streams, name, place, tmp_path / "out")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as pipe:
        stdout = written_to() if gone == "stderr" else pipe
        stderr = written_to() if gone == "stdout" else pipe
        code = streams.run(words(name, place, tmp_path / "again"), io.StringIO(), stdout, stderr)
    assert code == expected[0]
    assert (tmp_path / "again").exists() == (tmp_path / "out").exists()


# --- real processes -----------------------------------------------------------------------------


def shell(script: str, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a Bash script in which `$S` is the program and `$1` ... are the arguments."""
    whole = os.environ | {"PYTHONPATH": str(ROOT), "S": f"{sys.executable} -m selfinstruct"} | env
    command = ["bash", "-c", f"set -o pipefail; {script}", "-", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=whole, cwd=ROOT)


@pytest.mark.parametrize(
    "streams",
    ["<&- >&- 2>&-", *(pytest.param(name, marks=IN_FULL) for name in ("<&-", ">&-", "2>&-", ">&- 2>&-"))],
)
def test_a_run_with_closed_streams_is_complete(streams: str, place: Path, tmp_path: Path) -> None:
    done = shell(
        f"$S generate $1/config.yaml --set run_dir=$2 {streams}".replace("$1/", '"$1"/'), place, tmp_path / "run"
    )
    assert done.returncode == 0, done.stderr
    assert len(Run(tmp_path / "run").records()) == 12
    journal = (tmp_path / "run" / "journal.sqlite").read_bytes()
    assert journal.startswith(b"SQLite format 3\0"), "no text went to a file that took the number of a closed stream"


@pytest.mark.parametrize("script", ['generate "$1"/config.yaml --set run_dir=$2', 'preview "$1"/config.yaml -n 40'])
@pytest.mark.parametrize("reader", ["true", pytest.param("head -1", marks=pytest.mark.slow)])
def test_a_pipe_without_a_reader_is_no_failure(script: str, reader: str, place: Path, tmp_path: Path) -> None:
    done = shell(f"$S {script} 2>&1 | {reader} > /dev/null", place, tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_into_a_closed_pipe_in_ascii(tmp_path: Path) -> None:
    done = shell("$S --help | true", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


def test_help_onto_a_full_disk_is_no_defect() -> None:
    done = shell("$S --help > /dev/full")
    assert done.returncode == 3
    assert done.stderr == (
        "selfinstruct: error: the output: No space left on device; free some space, and the same command resumes\n"
    )


# --- signals ------------------------------------------------------------------------------------


@pytest.fixture
def started(loopback: Callable[..., Any], seed_file: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a run of a slow teacher, and wait until it has got some answers."""
    processes: list[Process] = []

    def start(*before: str) -> Process:
        server = loopback(0.1)
        teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None}
        values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 200, "concurrency": 2}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(values | {"teacher": teacher}))
        command = ("-m", "selfinstruct", "generate", tmp_path / "config.yaml")
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        if before:
            process = subprocess.Popen([*before, sys.executable, *command], cwd=ROOT, text=True, **streams)
        else:
            process = start_python(*command, **streams)
        processes.append(process)
        deadline = time.monotonic() + 60
        while len(server.events("answered")) < 8 and time.monotonic() < deadline:
            time.sleep(0.05)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_signal_ends_a_run_that_writes_what_it_has(
    started: Callable[..., Process], number: signal.Signals, tmp_path: Path
) -> None:
    process = started()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 3, stderr
    assert "interrupted" in stderr
    assert stdout.strip() == str(tmp_path / "run" / "dataset")
    assert Run(tmp_path / "run").status().outcome.reason == "interrupted"


@pytest.mark.slow
def test_nohup_keeps_a_run_alive(started: Callable[..., Process], tmp_path: Path) -> None:
    process = started("nohup")
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert len(Run(tmp_path / "run").records()) == 200


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_a_run_cleanly(
    loopback: Callable[..., Any], seed_file: Path, tmp_path: Path
) -> None:
    import pty

    server = loopback(0.1)
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None}
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 200, "concurrency": 2}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values | {"teacher": teacher}))
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "selfinstruct", "generate", str(tmp_path / "config.yaml")])
    deadline = time.monotonic() + 60
    while len(server.events("answered")) < 8 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.close(terminal)  # the kernel sends SIGHUP, and every write fails from now on
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    assert Run(tmp_path / "run").status().outcome.reason == "interrupted"
    assert (tmp_path / "run" / "dataset").is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_a_signal_ends_any_command_like_ctrl_c(number: signal.Signals, tmp_path: Path) -> None:
    fifo = tmp_path / "rows.jsonl"
    os.mkfifo(fifo)
    command = ("-m", "selfinstruct", "dedup", fifo, tmp_path / "out.jsonl")
    process = start_python(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with fifo.open("w"):  # opens once the command reads
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "interrupted" in stderr
    assert list(tmp_path.iterdir()) == [fifo]
