"""`Runner` runs each program once, and commits its result before any caller sees it; a replay runs nothing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from conftest import NEEDS_SANDBOX
from selfinstruct.ask import runner
from selfinstruct.ask.runner import Runner
from selfinstruct.core.errors import SandboxMissing
from selfinstruct.core.programs import Program, ProgramLimits, Ran
from selfinstruct.journal.history import NewGeneration
from selfinstruct.journal.journal import Journal

DONE = Ran("out\n", "err\n", 0, "exit", 0.5)


class Counted:
    """Stands for the sandbox: counts the programs, and how many run at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sources: list[str] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        monkeypatch.setattr(runner, "run_program", self.run)
        monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})

    def run(self, program: Program) -> Ran:
        with self._lock:
            self.sources.append(program.source)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(0.03)
        with self._lock:
            self.at_once -= 1
        return DONE


def test_a_program_runs_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Counted(monkeypatch)

    async def all_at_once() -> list[Ran]:
        journal = Journal(tmp_path / "journal.sqlite")
        asked = Runner(journal)
        found = await asyncio.gather(*(asked.run(Program(str(n % 10))) for n in range(40)))
        found += await asyncio.gather(*(asked.run(Program(str(n))) for n in range(10)))
        journal.close()
        return found

    assert asyncio.run(all_at_once()) == [DONE] * 50
    assert sorted(sandbox.sources) == sorted(map(str, range(10)))
    assert sandbox.most_at_once == 3


def test_a_replay_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ran(path: Path, source: str) -> Ran:
        journal = Journal(path)
        try:
            return await Runner(journal).run(Program(source))
        finally:
            journal.close()

    Counted(monkeypatch)
    path = tmp_path / "journal.sqlite"
    asyncio.run(ran(path, "1"))
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    assert asyncio.run(ran(path, "1")) == DONE
    with pytest.raises(SandboxMissing, match="isn't installed"):
        asyncio.run(ran(path, "2"))
    # A fork inherits the results with the answers.
    journal = Journal(path)
    journal.copy_to(tmp_path / "fork.sqlite", NewGeneration("digest", {}, {}, "1"))
    journal.close()
    assert asyncio.run(ran(tmp_path / "fork.sqlite", "1")) == DONE


def test_a_result_is_on_disk_before_its_caller_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Counted(monkeypatch)

    async def rows_then() -> list[tuple[object, ...]]:
        journal = Journal(tmp_path / "journal.sqlite")
        await Runner(journal).run(Program("1"))
        with sqlite3.connect(tmp_path / "journal.sqlite") as other:
            rows = other.execute("SELECT digest, stdout, stderr, code, ended, seconds FROM runs").fetchall()
        journal.close()
        return rows

    assert asyncio.run(rows_then()) == [(Program("1").digest, "out\n", "err\n", 0, "exit", 0.5)]


def test_a_canceled_caller_leaves_the_program_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Counted(monkeypatch)

    async def canceled() -> Ran:
        journal = Journal(tmp_path / "journal.sqlite")
        asked = Runner(journal)
        first = asyncio.create_task(asked.run(Program("1")))
        await asyncio.sleep(0.01)
        first.cancel()
        await asked.drain()
        found = await asked.run(Program("1"))
        journal.close()
        return found

    assert asyncio.run(canceled()) == DONE
    assert sandbox.sources == ["1"]


def test_an_older_journal_gets_the_table(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE runs")
    Journal(path, read_only=True).close()
    journal = Journal(path)
    assert journal.runs.recall("0") is None
    journal.close()


def test_the_digest_stands_for_all_that_a_program_is() -> None:
    programs = [
        Program("a"),
        Program("b"),
        Program("a", "in"),
        Program("a", files={"x": ""}),
        Program("a", files={"y": ""}),
    ]
    programs += [Program("a", limits=ProgramLimits(cpu_s=3)), Program("a", limits=ProgramLimits(output_bytes=3))]
    assert len({each.digest for each in programs}) == len(programs)
    assert Program("a", files={"x": "1", "y": "2"}).digest == Program("a", files={"y": "2", "x": "1"}).digest
    assert len(Program("\ud800").digest) == 32


@NEEDS_SANDBOX
def test_programs_run_in_the_sandbox(tmp_path: Path) -> None:
    async def both() -> list[str | None]:
        journal = Journal(tmp_path / "journal.sqlite")
        asked = Runner(journal)
        sources = ["print(1)", "raise ValueError('no\\nsense')", "import os; os.abort()"]
        found = await asyncio.gather(*(asked.run(Program(source)) for source in sources))
        journal.close()
        return [each.problem for each in found]

    assert asyncio.run(both()) == [None, "sense", "it crashed"]
