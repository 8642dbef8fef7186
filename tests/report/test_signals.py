"""What a run tells the world: JSON lines, metrics and notices; none of them ends a run or carries a secret."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from forked import start_python
from prometheus_client.parser import text_string_to_metric_families
from test_security import KEY, PART, Hostile, assert_no_key

import selfinstruct as si
from conftest import ROOT, Loopback, cli, cli_process
from receiver import Receiver, receiving
from selfinstruct.report.signals import notify
from selfinstruct.teachers.fake.fake_server import serving

SUCCESS, ENDED = "selfinstruct_last_success_timestamp_seconds", "selfinstruct_last_run_timestamp_seconds"
TOKEN = "T0KEN-in-a-webhooks-address"
Config = Callable[..., Path]


@pytest.fixture
def config_file(tmp_path: Path, seed_file: Path) -> Config:
    """A configuration with the fake teacher, changed by top-level keys; the run lies in `tmp_path/run`."""

    def write(**changes: Any) -> Path:
        values = {"seeds": str(seed_file), "run_dir": str(tmp_path / "run"), "target": 30}
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump(values | {"teacher": {"kind": "fake", "model": "fake"}} | changes))
        return path

    return write


def over(server: Loopback | str, **changes: Any) -> dict[str, Any]:
    address = server if isinstance(server, str) else server.base_url
    return {"kind": "openai", "model": "fake", "base_url": address, "api_key_env": None, "max_retries": 0} | changes


def generate(config: Path, *arguments: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return cli("generate", config, *arguments, **env)


def told(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(post.body) for post in receiver.posts]


# --- JSON lines ---------------------------------------------------------------------------------


def lines(said: str) -> list[dict[str, Any]]:
    """Every line of standard error, each of which is an object."""
    return [json.loads(line) for line in said.splitlines()]


def test_every_line_is_an_object_from_start_to_outcome(config_file: Config, tmp_path: Path) -> None:
    done = generate(config_file(), "--log-format", "json")
    events = lines(done.stderr)
    assert [event["event"] for event in events] == ["start", "progress", "outcome"], done.stderr
    for event in events:
        assert datetime.fromisoformat(event["timestamp"]).tzinfo is not None
        assert event["level"] == "info"
    start, progress, outcome = events
    assert start["target"] == progress["records"] == outcome["records"] == 30
    assert (outcome["outcome"], outcome["exit_code"], outcome["nothing_to_do"]) == ("target", 0, False)
    assert sum(outcome["requests"].values()) == progress["requests"] == si.Run(tmp_path / "run").status().requests
    again = lines(generate(config_file(), "--log-format", "json").stderr)
    assert [event["event"] for event in again] == ["start", "outcome"]
    assert again[-1]["nothing_to_do"]


@pytest.mark.parametrize(
    "arguments", [("--set", "targt=3"), ("--set", "max_similarity=0.5"), ("--debug", "--set", "seeds=no")]
)
def test_an_error_is_an_object_too(config_file: Config, arguments: tuple[str, ...]) -> None:
    assert generate(config_file()).returncode == 0
    done = generate(config_file(), "--log-format", "json", *arguments)
    events = {event["event"]: event for event in lines(done.stderr)}
    assert done.returncode == events["outcome"]["exit_code"] == 2
    assert events["error"]["level"] == events["outcome"]["level"] == "error"
    assert events["error"]["message"]
    assert ("traceback" in events) is ("--debug" in arguments)


@pytest.mark.slow
def test_warnings_of_ours_and_of_libraries_are_objects(config_file: Config, seed_file: Path, tmp_path: Path) -> None:
    row = json.loads(seed_file.read_text().splitlines()[0]) | {"id": "x", "instruction": "Write to ann.lee@firm.de."}
    with seed_file.open("a") as file:
        file.write(json.dumps(row) + "\n")
    (tmp_path / "noisy.py").write_text(
        "import logging, warnings\nclass Noisy:\n    def __init__(self, config):\n"
        "        warnings.warn('old'); logging.getLogger('lib').error('broken\\x1b[2J')\n"
        "    def check(self, task):\n        from selfinstruct import Verdict\n        return Verdict()\n"
    )
    custom = config_file(filters={"custom": ["noisy:Noisy"]})
    done = cli_process("generate", custom, "--log-format", "json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    events = lines(done.stderr)
    (personal,) = [event for event in events if event["event"] == "warning"]
    assert (personal["level"], "seed" in personal["message"]) == ("warning", True), personal
    logged = {event["logger"]: event for event in events if event["event"] == "log"}
    assert logged["lib"]["level"] == "error"
    assert "old" in logged["py.warnings"]["message"]
    assert "\x1b" not in done.stderr


def test_an_early_end_is_a_warning(config_file: Config) -> None:
    done = generate(config_file(), "--log-format", "json", "--set", "max_requests=2")
    events = lines(done.stderr)
    (outcome,) = [event for event in events if event["event"] == "outcome"]
    assert done.returncode == outcome["exit_code"] == 3
    assert (outcome["level"], outcome["outcome"]) == ("warning", "budget")
    assert events[-1]["message"].startswith("to resume")


# --- metrics ------------------------------------------------------------------------------------


def metrics(path: Path) -> dict[str, float]:
    """Samples by name and labels but `run`, as a collector reads them."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.documentation
        for sample in family.samples:
            assert sample.labels.pop("run") == "run"
            found[sample.name + "".join(f"/{value}" for value in sample.labels.values())] = sample.value
    return found


def labelled(found: dict[str, float], metric: str) -> dict[str, float]:
    return {name.partition("/")[2]: count for name, count in found.items() if name.startswith(f"{metric}/")}


def test_metrics_are_those_of_the_run(config_file: Config, loopback: Callable[..., Loopback], tmp_path: Path) -> None:
    path = tmp_path / "run.prom"
    teacher = over(loopback(faults="0.2"), timeout_s=1.0, input_usd_per_mtok=1, output_usd_per_mtok=2)
    began = time.time()
    done = generate(config_file(teacher=teacher, strategy="self_instruct", target=60), "--metrics-file", path)
    assert done.returncode == 0, done.stderr
    now, found = si.Run(tmp_path / "run").status(), metrics(path)
    assert found["selfinstruct_records"] == found["selfinstruct_target_records"] == 60
    assert found["selfinstruct_admitted_tasks"] == now.admitted
    assert labelled(found, "selfinstruct_refused") == now.refused != {}
    requests = labelled(found, "selfinstruct_requests_total")
    assert sum(requests.values()) == now.requests
    assert len(requests) > 1, "what became of them: answered, and some fault"
    assert found["selfinstruct_tokens_total/prompt"] == now.prompt_tokens > 0
    assert found["selfinstruct_tokens_total/completion"] == now.completion_tokens > 0
    assert found["selfinstruct_cost_usd_total"] == pytest.approx(now.cost_usd)
    assert found["selfinstruct_last_run_exit_code"] == 0
    assert 0 < found["selfinstruct_last_run_duration_seconds"] < time.time() - began
    assert began < found[SUCCESS] == found[ENDED]


@pytest.mark.slow
def test_a_failed_run_updates_all_but_the_last_success(
    config_file: Config, loopback: Callable[..., Loopback], tmp_path: Path
) -> None:
    path, more = tmp_path / "run.prom", "--set=target=500"
    config = config_file(teacher=over(loopback()))
    assert generate(config, "--metrics-file", path).returncode == 0
    latest = first = metrics(path)
    with receiving(code=401) as refusing:
        refused = (more, f"--set=teacher.base_url={refusing.address}/v1")
        for code, arguments in ((3, (more, "--set=max_requests=3")), (2, ("--set=targt=3",)), (5, refused)):
            assert generate(config, "--metrics-file", path, *arguments).returncode == code
            before, latest = latest, metrics(path)
            assert latest["selfinstruct_last_run_exit_code"] == code
            assert latest[ENDED] > before[ENDED]
            assert latest[SUCCESS] == first[SUCCESS]
    assert generate(config, "--metrics-file", path).returncode == 0
    success = metrics(path)[SUCCESS]
    assert success > first[SUCCESS]
    assert generate(config, "--metrics-file", path, "--skip-code").returncode == 99
    assert metrics(path)[SUCCESS] > success, "nothing to do is a success"
    assert metrics(path)["selfinstruct_last_run_exit_code"] == 99


def test_the_file_is_replaced_and_never_half_there(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    """A reader that holds the old file open reads the old numbers to the end; nothing else is left in the folder."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    path = folder / "run.prom"
    path.write_text("something else's, not to be parsed {{{\n")
    config = make_config()
    with path.open() as held:
        with si.reporting(config, metrics_file=path) as signals:
            signals.run = si.run(config)
        assert held.read().startswith("something else's")
    assert metrics(path)["selfinstruct_records"] == 40
    assert [each.name for each in folder.iterdir()] == ["run.prom"]


def test_metrics_that_cannot_be_written_end_no_run(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    folder, warnings = tmp_path / "metrics", list[str]()
    folder.mkdir()
    config = make_config()
    with si.reporting(config, metrics_file=folder / "run.prom", say=warnings.append) as signals:
        folder.rmdir()
        signals.run = si.run(config)
    assert signals.run.outcome.reason == "target"
    assert "no metrics: " in warnings[0]


@pytest.mark.parametrize("name", ["nowhere/run.prom", "run.txt"])
def test_a_file_that_could_never_be_collected_is_a_mistake(config_file: Config, tmp_path: Path, name: str) -> None:
    done = generate(config_file(), "--metrics-file", tmp_path / name)
    assert done.returncode == 2
    assert "--metrics-file" in done.stderr
    assert not (tmp_path / "run").exists()


WITHOUT = "import sys\nsys.modules[{module!r}] = None\nfrom selfinstruct.cli.app import main\nmain()"


@pytest.mark.slow
def test_a_missing_extra_is_named(config_file: Config, tmp_path: Path) -> None:
    def without(module: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WITHOUT.format(module=module), "generate", str(config_file()), *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | env, timeout=60)

    done = without("prometheus_client", "--metrics-file", str(tmp_path / "run.prom"))
    assert done.returncode == 2
    assert "pip install 'selfinstruct[metrics]'" in done.stderr


# --- notices ------------------------------------------------------------------------------------


def test_a_summary_is_posted_at_the_end(config_file: Config, tmp_path: Path) -> None:
    with receiving() as hook:
        done = generate(config_file(), "--notify-url", f"{hook.address}/{TOKEN}?t={TOKEN}")
    assert done.returncode == 0, done.stderr
    (post,) = hook.posts
    assert post.path == f"/{TOKEN}?t={TOKEN}"
    assert post.headers["content-type"] == "application/json"
    (summary,) = told(hook)
    now = si.Run(tmp_path / "run").status()
    assert (summary["run"], summary["outcome"], summary["exit_code"]) == ("run", "target", 0)
    assert (summary["records"], summary["target"], summary["refused"]) == (30, 30, now.refused)
    assert sum(summary["requests"].values()) == now.requests
    assert summary["text"] == "selfinstruct run: target, 30 records", "what a chat shows"
    assert len(post.body) < 4096
    assert TOKEN not in done.stderr + done.stdout
    with receiving() as hook:
        assert generate(config_file(), SELFINSTRUCT_NOTIFY_URL=f"{hook.address}/{TOKEN}").returncode == 0
    (again,) = told(hook)
    assert again["nothing_to_do"], "and so it is out of the process's arguments"


@pytest.mark.slow
def test_it_is_posted_however_a_start_ends(
    config_file: Config, loopback: Callable[..., Loopback], tmp_path: Path
) -> None:
    with receiving() as hook:
        notify_url = ("--notify-url", hook.address)
        slow = config_file(teacher=over(loopback(latency_s=1.0)), target=500)
        command = ("-m", "selfinstruct", "generate", slow, *notify_url)
        running = start_python(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while not (tmp_path / "server-0.log").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert generate(slow, *notify_url).returncode == 4
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=60)
        assert running.returncode == 3
        assert generate(slow, *notify_url, "--max-runtime", "1s").returncode == 3
        gone = config_file(teacher=over("http://127.0.0.1:9/v1"), run_dir=str(tmp_path / "gone"))
        assert generate(gone, *notify_url).returncode == 3
        assert generate(config_file(), *notify_url, "--set", "targt=3").returncode == 2
    ends = [(each["outcome"], each["exit_code"]) for each in told(hook)]
    assert ends == [("run_locked", 4), ("interrupted", 3), ("max_runtime", 3), ("teacher_down", 3), ("config", 2)]
    assert all(each["detail"] for each in told(hook))


def test_what_a_server_says_is_one_harmless_line(make_config: Callable[..., si.RunConfig]) -> None:
    config, hostile = make_config(), "\x1b[2J\u202eowned\n" * 200
    with receiving() as hook, pytest.raises(si.TeacherRefused), si.reporting(config, notify_url=hook.address):
        raise si.TeacherRefused(hostile)
    (summary,) = told(hook)
    assert (summary["outcome"], summary["exit_code"]) == ("teacher_refused", 5)
    assert "owned" in summary["detail"]
    assert summary["detail"].isprintable()
    assert summary["text"].isprintable()
    assert len(summary["detail"]) <= 500


def test_no_redirect_is_followed(config_file: Config) -> None:
    with receiving() as elsewhere, receiving(code=307, location=f"{elsewhere.address}/stolen") as hook:
        done = generate(config_file(), "--notify-url", f"{hook.address}/{TOKEN}")
    assert done.returncode == 0
    assert (len(hook.posts), elsewhere.posts) == (1, [])
    assert "the notification failed: the server answered 307, a redirect, which is not followed" in done.stderr
    assert TOKEN not in done.stderr


@pytest.mark.parametrize("code", [404, 500])
def test_a_hook_that_refuses_ends_no_run(config_file: Config, code: int) -> None:
    with receiving(code=code) as hook:
        done = generate(config_file(), "--notify-url", hook.address)
    assert done.returncode == 0
    assert f"the notification failed: the server answered {code}" in done.stderr


def test_a_hook_that_is_not_there_ends_no_run(config_file: Config) -> None:
    done = generate(config_file(), "--notify-url", f"http://127.0.0.1:9/{TOKEN}")
    assert done.returncode == 0
    assert "the notification failed: ConnectionRefusedError" in done.stderr
    assert TOKEN not in done.stderr


def test_a_hook_that_never_answers_is_given_up(
    make_config: Callable[..., si.RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "TIMEOUT_S", 0.5)
    config, warnings, held = make_config(), list[str](), threading.Event()
    with receiving(hold=held) as hook:
        with si.reporting(config, notify_url=hook.address, say=warnings.append) as signals:
            signals.run = si.run(config)
        held.set()
    assert warnings[0].startswith("warning: the notification failed: ")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"http://hook.example/{TOKEN}", "hook.example is not encrypted"),
        (f"http://10.0.0.7/{TOKEN}", "is not encrypted"),
        (f"http://127.0.0.1.hook.example/{TOKEN}", "is not encrypted"),
        (f"ftp://127.0.0.1/{TOKEN}", "must be an address"),
        (f"file:///tmp/{TOKEN}", "must be an address"),
        (TOKEN, "must be an address"),
        (f"https://[{TOKEN}", "must be an address"),
        (f"https://user:{TOKEN}@hook.example/", "not contain a user or password"),
    ],
)
def test_where_nothing_is_posted_to(config_file: Config, tmp_path: Path, url: str, expected: str) -> None:
    done = generate(config_file(), "--notify-url", url)
    assert done.returncode == 2
    assert expected in done.stderr
    assert TOKEN not in done.stderr
    assert not (tmp_path / "run").exists()


def test_egress_binds_notices(config_file: Config, tmp_path: Path) -> None:
    done = generate(config_file(egress="local-only"), "--notify-url", f"https://hook.example/{TOKEN}")
    assert done.returncode == 2
    assert "egress: --notify-url: hook.example may not be asked" in done.stderr
    assert TOKEN not in done.stderr
    with receiving() as hook:
        done = generate(config_file(egress="local-only"), "--notify-url", hook.address, HTTP_PROXY="http://127.0.0.1:9")
    assert done.returncode == 0
    assert len(hook.posts) == 1


# --- all of them --------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_key_is_in_none_of_them(config_file: Config, tmp_path: Path) -> None:
    """A server that repeats the key in whatever it answers, and signals of every kind."""

    async def course(hook: Receiver) -> tuple[int, str]:
        async with serving(Hostile()) as base_url:
            config = config_file(teacher=over(base_url, api_key_env="SOME_KEY"), strategy="self_instruct")
            command = [sys.executable, "-m", "selfinstruct", "generate", str(config), "--log-format", "json", "--debug"]
            command += ["--metrics-file", str(tmp_path / "run.prom"), "--notify-url", hook.address]
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=ROOT,
                env=os.environ | {"SOME_KEY": KEY},
            )
            out, _ = await process.communicate()
            return process.returncode or 0, out.decode()

    with receiving() as hook:
        code, said = asyncio.run(course(hook))
    assert code == 0, said
    assert told(hook)
    assert PART.decode() not in said
    assert not [post for post in hook.posts if PART in post.body]
    assert_no_key(tmp_path)


def test_the_library_gives_them_too(make_config: Callable[..., si.RunConfig], tmp_path: Path) -> None:
    config, path = make_config(), tmp_path / "run.prom"
    with receiving() as hook:
        with si.reporting(config, metrics_file=path, notify_url=hook.address) as signals:
            signals.run = si.run(config, progress=signals.progress, on_exchange=signals.on_exchange)
        with (
            pytest.raises(si.ConfigChanged),
            si.reporting(config, metrics_file=path, notify_url=hook.address) as signals,
        ):
            signals.run = si.run(make_config(max_similarity=0.5))
    assert [each["outcome"] for each in told(hook)] == ["target", "config_changed"]
    assert metrics(path)["selfinstruct_last_run_exit_code"] == 2


def test_who_watches_is_told_of_every_question(make_config: Callable[..., si.RunConfig]) -> None:
    seen: list[Any] = []
    done = si.run(make_config(), on_exchange=seen.append)
    assert len(seen) == done.status().requests
    assert all(each.completion is not None and each.latency_s >= 0 and each.teacher == "fake" for each in seen)
    assert len({each.question.key for each in seen}) == len(seen)
