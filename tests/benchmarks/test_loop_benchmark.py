"""The benchmark of the whole loop: its server keeps the score, its clients ask what is given, its goals are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from conftest import IN_FULL, ROOT
from selfinstruct.teachers.fake.teacher import fake_answer

sys.path.insert(0, str(ROOT / "benchmarks"))
import loop
from loop_peers import PEERS, Client, find_peer

TRIALS = 4
TEXT = "Write a task.\n\nTask: Name a colour.\n"


def _post(url: str, content: Any) -> Any:
    body = json.dumps({"model": "fake", "messages": [{"role": "user", "content": content}]}).encode()
    request = urllib.request.Request(f"{url}/chat/completions", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)["choices"][0]["message"]["content"]


def test_the_server_answers_as_the_fake_teacher_does_and_keeps_the_score() -> None:
    with loop._server(0.001) as url:
        parts = [{"type": "text", "text": TEXT[:10]}, {"type": "text", "text": TEXT[10:]}]
        for content in [TEXT, parts] * TRIALS:
            assert _post(url, content) == fake_answer(TEXT)
        seen = loop._get(url, "requests")
        assert (seen["answered"], seen["trials"], seen["in_flight"], seen["most_in_flight"]) == (8, TRIALS, 0, 1)
        assert seen["seconds"] > TRIALS * 0.001
        assert [body["messages"][0]["content"] for body in loop._get(url, "bodies")] == [TEXT, parts]
        loop._get(url, "reset")
        assert loop._get(url, "requests")["answered"] == 0
        assert loop._get(url, "bodies") == []


def test_a_body_that_is_no_question_is_refused() -> None:
    with loop._server(0.001) as url:
        request = urllib.request.Request(f"{url}/chat/completions", b"[]", method="POST")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(request, timeout=30)


@IN_FULL
@pytest.mark.slow
def test_every_line_that_needs_no_peer_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "loop.py"), "--cache", str(tmp_path)]
    command += ["--requests", "60", "--in-flight", "64", "--rounds", "1", "--latency-ms", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for peer in PEERS:
        assert f"{peer.name} {peer.version}: not installed; --peers does that" in done.stdout
    rows = [line for line in done.stdout.splitlines() if line.startswith(("AsyncOpenAI", "bare", "the "))]
    assert [row[:27].strip() for row in rows] == [
        "AsyncOpenAI",
        "AsyncOpenAI, aiohttp",
        "the same, client.post",
        "bare aiohttp",
        "the whole loop",
        "the same, synchronous=OFF",
    ]
    assert all(float(row[27:].split()[0].replace(",", "")) > 0 for row in rows)
    assert "AsyncOpenAI as it comes, 64 in flight" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "said"),
    [("raise SystemExit('no such model')", "no such model"), ("", "the server answered 0 requests instead of 20")],
)
def test_a_client_that_fails_is_an_error(
    script: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(script, encoding="utf-8")
    monkeypatch.setattr(loop, "clients", lambda options: [Client("broken", str(broken))])
    monkeypatch.setattr(sys, "argv", ["loop.py", "--requests", "20", "--in-flight", "8", "--cache", str(tmp_path)])
    assert loop.main() == 1
    assert f"broken: failed: {said}" in capsys.readouterr().out


def test_a_ratio_is_the_median_of_the_rounds_ratios_to_the_fastest_of_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rates = {loop.LOOP: (100, 400, 90), "slow": (10, 10, 10), "fast": (80, 200, 60), loop.CARELESS: (101, 402, 100)}
    rounds = {(name, 64): [loop.Measured(rate, 1.0, 0.1, 64) for rate in found] for name, found in rates.items()}
    peers = [Client("slow", "", peer=True), Client("fast", "", peer=True)]
    loop._goals(peers, rounds)
    said = [line.split("in flight")[1].split() for line in capsys.readouterr().out.splitlines() if line]
    assert said[0] == ["not", "measured"]
    assert said[2] == "1.50 goal >= 1.5 reached".split()
    assert said[3] == "1.0 goal < 5 reached".split()


def test_a_peer_that_is_missing_is_not_installed_unasked(tmp_path: Path) -> None:
    assert find_peer(PEERS[0], tmp_path, install=False).missing
    assert list(tmp_path.iterdir()) == []
    done = tmp_path / f"{PEERS[0].name}-{PEERS[0].version}" / "installed"
    done.parent.mkdir()
    done.touch()
    assert find_peer(PEERS[0], tmp_path, install=False).missing is None
