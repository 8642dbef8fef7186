"""What a run shows of its progress: one line that fits its terminal, from the first token on."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from forked import start_python

from conftest import Loopback
from selfinstruct.core.events import Progress
from selfinstruct.report.signals import progress as module
from selfinstruct.report.signals.progress import Reporter


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def strftime(self, form: str) -> str:
        return "07:40:46 "


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def at(records: int, **changes: object) -> Progress:
    values = {
        "records": records, "target": 150, "admitted": records, "proposed": records, "refused": 0, "consumed": 1,
        "in_flight": 4, "requests": 4, "tokens": 1027, "cost_usd": 0.0, "priced": True,
    } | changes  # fmt: skip
    return Progress(**values)  # type: ignore[arg-type]


def slow(clock: Clock, *changes: Progress) -> Reporter:
    """A reporter that has seen a start without a request, and then each change 50 s after the one before."""
    reporter = Reporter("text", io.StringIO())
    reporter(at(0, requests=0, in_flight=0, tokens=0))
    for change in changes:
        clock.now += 50
        reporter(change)
    return reporter


def test_what_fits_is_shown_the_most_important_first(clock: Clock) -> None:
    reporter = slow(clock, at(2))
    reporter.note_answer(24.6)
    shown = {width: reporter.describe(at(2), width) for width in range(20, 140)}
    assert all(len(line) <= width for width, line in shown.items())
    assert shown[45] == "2 of 150 records, 62 min left, 1,027 tokens"
    assert shown[48] == "2 of 150, 62 min left, 1,027 tokens, 4 in flight"
    assert shown[60] == "2 of 150 records, 62 min left, 1,027 tokens, 4 in flight"
    assert shown[71] == "2 of 150 records, 62 min left, 1,027 tokens, 4 in flight, 25 s/answer"
    assert shown[139] == (
        "2 of 150 records, 62 min left, 1,027 tokens, 4 requests in flight, 25 s per answer, 100% accepted, 2.4 rec/min"
    )


def test_the_time_left_is_known_from_the_first_answer_on(clock: Clock) -> None:
    waiting = slow(clock, at(0, tokens=312))
    clock.now += 10
    assert (
        waiting.describe(at(0, tokens=312), 80)
        == "0 of 150 records, no answer yet after 60 s, 312 tokens, 4 requests in flight"
    )
    assert waiting.describe(at(0, tokens=312), 48) == "0 of 150, 60 s so far, 312 tokens, 4 in flight"
    tasks = slow(clock, at(0, admitted=5, proposed=5))
    tasks.note_answer(50)
    assert "over 25 min left" in tasks.describe(at(0, admitted=5, proposed=5), 80), "each task needs more answers"
    assert "left" not in slow(clock, at(150)).describe(at(150), 80), "nothing is"


@pytest.mark.parametrize(("records", "left"), [(100, "25 s left"), (20, "5 min left"), (1, "2.1 h left")])
def test_the_time_left_is_in_a_unit_that_people_read(clock: Clock, records: int, left: str) -> None:
    assert f", {left}, " in slow(clock, at(records)).describe(at(records), 80)


def test_records_of_an_earlier_start_do_not_count_for_the_speed(clock: Clock) -> None:
    reporter = Reporter("text", io.StringIO())
    for records, requests in ((0, 40), (90, 40), (92, 44)):
        clock.now += 50
        reporter(at(records, requests=requests))
    assert "24 min left" in reporter.describe(at(92, requests=44), 80)
    assert reporter.first_record_s == 150


def test_a_log_gets_a_line_every_30_seconds_and_the_last_one(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    log = io.StringIO()
    reporter = Reporter("auto", log)
    for second in range(70):
        clock.now = float(second)
        reporter(at(second // 10, requests=second))
    reporter.close()
    lines = log.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"07:40:46 {count} of 150" for count in (3, 6, 6)]
    assert max(map(len, lines)) <= 60


def test_json_lines_have_the_same_figures(clock: Clock) -> None:
    log = io.StringIO()
    reporter = Reporter("json", log)
    reporter(at(0, requests=0))
    clock.now = 50.0
    reporter.note_answer(24.6)
    reporter(at(2))
    line = json.loads(log.getvalue())
    assert (line["records"], line["records_per_min"], line["seconds_per_answer"]) == (2, 2.4, 24.6)
    assert line["seconds_left"] == 3700


def test_a_terminal_of_60_columns_shows_tokens_as_they_stream_and_agrees_with_ctrl_c(
    loopback: Callable[..., Loopback], seed_file: Path, tmp_path: Path
) -> None:
    server, config = loopback(token_s=0.05), tmp_path / "config.yaml"
    teacher = {"kind": "openai", "model": "fake", "base_url": server.base_url, "api_key_env": None, "stream": True}
    values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 300, "concurrency": 3}
    config.write_text(yaml.safe_dump(values | {"teacher": teacher | {"structured": "text"}}))
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    running = start_python("-m", "selfinstruct", "generate", config, stdout=subprocess.DEVNULL, stderr=inner)
    os.close(inner)
    shown, interrupted = "", False
    try:
        deadline = time.monotonic() + 120
        with contextlib.suppress(OSError):  # EIO: the program has ended
            while time.monotonic() < deadline and (more := os.read(outer, 65536)):
                shown += more.decode()
                if not interrupted and len(set(re.findall(r"([\d,.]+k?) tokens?", shown))) > 3:
                    running.send_signal(signal.SIGINT)
                    interrupted = True
    finally:
        running.kill()
        running.wait(30)
        os.close(outer)
    before, _, after = shown.partition("\r\x1b[Kselfinstruct: stopping; ")
    drawn = re.findall(r"\r +\d+%\|[^\r\n]*", before)
    assert max(len(line.rstrip()) - 1 for line in drawn) <= 60
    assert len({line for line in drawn if "0 of 300" in line and " tokens" in line}) > 3
    in_flight = re.match(r"(\d+) requests? in flight may take 5 s", after)
    assert in_flight is not None, after
    assert f"{in_flight[1]} in flight" in drawn[-1]
