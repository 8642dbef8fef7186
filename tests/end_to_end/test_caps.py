"""No server makes a run spend more than its caps, or more than it reports: against a billing server on loopback.

The server bills every request that it runs, whatever becomes of the answer, and keeps its own log. It states tokens in
every way in use, or not at all, fails in every way, and redirects; runs are killed with SIGKILL and started again. Each
request takes at least one token per word, and at most the prompt's bound and `max_tokens`, as on any server that keeps
to what it was asked. SELFINSTRUCT_PROOF=full tries many more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ask_samples import ask_all, prompts_of
from forked import start_python
from hypothesis import HealthCheck, given, settings, strategies as st

from conftest import FIGURES, FULL, IN_FULL
from selfinstruct.config.run_config import RunConfig
from selfinstruct.core.errors import SelfInstructError
from selfinstruct.generate.start import run
from selfinstruct.journal.folder import Run

PRICES = {"input_usd_per_mtok": 3.0, "output_usd_per_mtok": 15.0}
WORDS = "amber brook candle dune ember fjord grove harbor island kettle lagoon meadow orchard pebble quartz".split()
Stated = Callable[[int, int, int], Any]  # prompt tokens, reasoning tokens, tokens of the text -> usage

HONEST: dict[str, Stated] = {
    "plain": lambda p, r, t: {"prompt_tokens": p, "completion_tokens": r + t, "total_tokens": p + r + t},
    "no total": lambda p, r, t: {"prompt_tokens": p, "completion_tokens": r + t},
    "reasoning beside": lambda p, r, t: {
        "prompt_tokens": p,
        "completion_tokens": t,
        "total_tokens": p + r + t,
        "completion_tokens_details": {"reasoning_tokens": r},
    },
    "reasoning beside, no total": lambda p, r, t: {
        "prompt_tokens": p,
        "completion_tokens": t,
        "completion_tokens_details": {"reasoning_tokens": r},
    },
    "reasoning only in the total": lambda p, r, t: {
        "prompt_tokens": p,
        "completion_tokens": t,
        "total_tokens": p + r + t,
    },
    "cached beside": lambda p, r, t: {
        "input_tokens": p - p // 3,
        "cache_read_input_tokens": p // 3,
        "output_tokens": r + t,
    },
    "gemini": lambda p, r, t: {"promptTokenCount": p, "candidatesTokenCount": t, "thoughtsTokenCount": r},
    "text": lambda p, r, t: {"prompt_tokens": str(p), "completion_tokens": str(r + t)},
    "floats": lambda p, r, t: {"prompt_tokens": p - 0.5, "completion_tokens": r + t - 0.5},
    "only a total": lambda p, r, t: {"total_tokens": p + r + t},
    "answer null": lambda p, r, t: {"prompt_tokens": p, "completion_tokens": None, "total_tokens": p + r + t},
}
EMPTY: dict[str, Stated] = {
    "missing": lambda p, r, t: ...,
    "null": lambda p, r, t: None,
    "word": lambda p, r, t: "many",
    "list": lambda p, r, t: [p, r, t],
    "zeros": lambda p, r, t: {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "ones": lambda p, r, t: {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    "negative": lambda p, r, t: {"prompt_tokens": -p, "completion_tokens": -t},
    "booleans": lambda p, r, t: {"prompt_tokens": True, "completion_tokens": False},
    "not a number": lambda p, r, t: {"prompt_tokens": float("nan"), "completion_tokens": float("inf")},
    "absurd": lambda p, r, t: {"prompt_tokens": 10**30, "completion_tokens": 10**30},
    "only the prompt": lambda p, r, t: {"prompt_tokens": p},
    "an empty object": lambda p, r, t: {},
}
USAGES = HONEST | EMPTY
FAULTS = (
    "500",
    "502 html",
    "503 unbilled",
    "408",
    "429",
    "400",
    "slow",
    "cut",
    "html",
    "torn json",
    "no choices",
    "error inside",
    "redirect",
    "empty text",
)


@dataclass
class Biller:
    """A server and its log. seed: of all draws; faults: the share of bad responses; kinds: what it does."""

    seed: int
    usages: list[str]
    faults: list[str]
    share: float
    slow_s: float
    requests: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def bill(self, draw: random.Random, body: dict[str, Any], text: str) -> tuple[int, int, int]:
        """Bill a request, and return its prompt tokens, reasoning tokens, and tokens of the text."""
        sent = " ".join(message["content"] for message in body["messages"])
        prompt = draw.randrange(len(sent.split()), len(sent.encode()) + 1)
        limit = body["max_tokens"]
        answer = draw.randrange(min(limit, len(text.split())), min(limit, len(text.encode())) + 1)
        reasoning = draw.randrange(limit - answer + 1) if draw.random() < 0.5 else 0
        with self.lock:
            self.tokens += prompt + reasoning + answer
            self.cost_usd += (prompt * 3.0 + (reasoning + answer) * 15.0) / 1e6
        return prompt, reasoning, answer

    def respond(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], bytes, float]:
        """Return status, headers, body, and how many seconds to wait before them."""
        with self.lock:
            self.requests += 1
            draw = random.Random(f"{self.seed}:{self.requests}")
        kind = draw.choice(self.faults) if self.faults and draw.random() < self.share else ""
        at_once = {"retry-after-ms": "1", "content-type": "application/json"}
        if kind == "redirect" and "again" not in path:
            return 307, {"location": f"{path}/again"}, b"", 0
        unbilled = {"503 unbilled": 503, "429": 429, "400": 400}
        if kind in unbilled:
            return unbilled[kind], at_once, b'{"error": {"message": "no"}}', 0

        # The model runs.
        text = _answer(draw, body) if kind != "empty text" else ""
        counts = self.bill(draw, body, text)
        failures = {
            "500": (500, b'{"error": {"message": "after work"}}'),
            "502 html": (502, b"<html>"),
            "408": (408, b""),
            "html": (200, b"<html>"),
            "torn json": (200, b'{"choices": [{"mess'),
            "no choices": (200, b'{"id": "x"}'),
            "error inside": (200, b'{"error": {"message": "overloaded", "code": 503}}'),
        }
        if kind in failures:
            return failures[kind][0], at_once, failures[kind][1], 0
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        answer = {"id": "x", "model": "m", "choices": [choice]}
        usage = USAGES[draw.choice(self.usages)](*counts)
        if usage is not ...:
            answer["usage"] = usage
        return 200, at_once, json.dumps(answer).encode(), self.slow_s if kind == "slow" else 0.02 * draw.random()


def _answer(draw: random.Random, body: dict[str, Any]) -> str:
    """A few tasks in the format that the prompt asks for; the schema's probe gets a sentence."""
    if body["max_tokens"] < 250:
        return "Red and blue."
    tasks = []
    for number in range(draw.randrange(1, 5)):
        words = " ".join(draw.choices(WORDS, k=7))
        task = f"Describe how the {words} changed.\nInput: <noinput>\nOutput: It grew {words}.\n"
        tasks.append(f"### {number + 4}\nInstruction: {task}")
    return "\n".join(tasks)


@contextlib.contextmanager
def serving(biller: Biller) -> Iterator[Biller]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None: ...

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, headers, content, wait_s = biller.respond(self.path, body)
            time.sleep(wait_s)
            with contextlib.suppress(OSError):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                is_cut = status == 200 and "cut" in biller.faults and hash(content) % 7 == 0
                self.wfile.write(content[: len(content) // 2] if is_cut else content)
                self.close_connection = is_cut

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    biller.url = f"http://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield biller
    finally:
        server.shutdown()
        server.server_close()


def values(biller: Biller, seeds: Path, folder: Path, timeout_s: float = 0.4, **caps: Any) -> dict[str, Any]:
    return {
        "seeds": str(seeds),
        "run_dir": str(folder),
        "target": 100_000,
        "concurrency": 6,
        "lookahead": 12,
        "max_failures_in_a_row": 1000,
        "strategy": {"kind": "alpaca", "propose": {"max_tokens": 400}},
        "teacher": {
            "model": "m",
            "base_url": biller.url,
            "api_key_env": None,
            "structured": "text",
            "timeout_s": timeout_s,
            "max_retries": 2,
            **PRICES,
        },
        **caps,
    }


def check(biller: Biller, folder: Path, caps: dict[str, float]) -> None:
    """What the run reports is at least what the server has billed, and that is within the caps."""
    status = Run(folder).status()
    used = {
        "max_requests": (status.requests, biller.requests),
        "max_tokens": (status.prompt_tokens + status.completion_tokens, biller.tokens),
        "max_cost_usd": (status.cost_usd, biller.cost_usd),
    }
    for cap, (reported, billed) in used.items():
        assert reported is not None
        assert reported >= billed - 1e-9, f"{cap}: {billed} billed, {reported} reported"
        assert cap not in caps or billed <= caps[cap] + 1e-9, f"{cap}: {billed} billed"
        parts = [sum(each[name] for each in status.by_teacher.values()) for name in ("requests", "cost_usd")]
        assert parts == pytest.approx([status.requests, status.cost_usd]), "the table has all of it"


caps_drawn = st.fixed_dictionaries(
    {},
    optional={
        "max_requests": st.integers(1, 60),
        "max_tokens": st.integers(3_000, 150_000),
        "max_cost_usd": st.floats(0.02, 0.6),
    },
).filter(bool)


@settings(max_examples=150 if FULL else 4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    usages=st.lists(st.sampled_from(list(USAGES)), min_size=1, max_size=4, unique=True),
    faults=st.lists(st.sampled_from(FAULTS), max_size=5, unique=True),
    share=st.floats(0, 0.6),
    caps=caps_drawn,
    starts=st.integers(1, 3),
)
def test_what_is_reported_covers_the_bill_and_the_bill_stays_under_the_cap(
    tmp_path_factory: pytest.TempPathFactory,
    seed_file: Path,
    seed: int,
    usages: list[str],
    faults: list[str],
    share: float,
    caps: dict[str, float],
    starts: int,
) -> None:
    folder = tmp_path_factory.mktemp("caps") / "run"
    with serving(Biller(seed, usages, faults, share, slow_s=0.7)) as biller:
        for _ in range(starts):
            # Some starts are stopped after a moment, with requests in flight.
            max_runtime_s = None if random.Random(seed).random() < 0.5 else 1.0
            config = RunConfig.parse(values(biller, seed_file, folder, **caps))
            with contextlib.suppress(SelfInstructError):  # 404 and the like
                run(config, export=False, progress=None, max_runtime_s=max_runtime_s or 12.0)
            time.sleep(0.8 if "slow" in faults else 0)  # what is still running there is billed
            check(biller, folder, caps)


SLOW = pytest.mark.slow
KILLED = [
    pytest.param({"max_requests": 50}, "plain"),
    pytest.param({"max_cost_usd": 0.4}, "null"),
    pytest.param({"max_cost_usd": 0.4}, "reasoning beside", marks=IN_FULL),
    pytest.param({"max_tokens": 50_000}, "plain", marks=IN_FULL),
    pytest.param({"max_requests": 150}, "null", marks=SLOW),
]


@pytest.mark.slow
@pytest.mark.parametrize(("caps", "usage"), KILLED)
def test_kills_do_not_help_past_a_cap(tmp_path: Path, seed_file: Path, caps: dict[str, float], usage: str) -> None:
    """A run is killed with SIGKILL again and again, until a start ends by itself: at the cap."""
    kills, draw = 20 if FULL else 2, random.Random(usage)
    with serving(Biller(1, [usage], ["slow", "500", "redirect"], 0.2, slow_s=0.3)) as biller:
        config = tmp_path / "config.yaml"
        config.write_text(yaml.safe_dump(values(biller, seed_file, tmp_path / "run", **caps)), encoding="utf-8")
        killed = 0
        for number in range(kills + 1):
            with (tmp_path / "log").open("ab") as log:
                process = start_python("-m", "selfinstruct", "generate", config, stdout=log, stderr=log)
            asked = biller.requests
            while number < kills and process.poll() is None and biller.requests < asked + 9:
                time.sleep(0.005)
            time.sleep(draw.random() * 0.05)
            if number < kills and process.poll() is None:
                process.send_signal(signal.SIGKILL)
                killed += 1
            process.wait(120)
            time.sleep(0.4)
            check(biller, tmp_path / "run", caps)
    assert killed
    assert process.returncode == 3, (tmp_path / "log").read_text()
    status = Run(tmp_path / "run").status()
    assert status.outcome.reason == "budget"
    FIGURES.append(f"caps: {caps}, {killed} kills, usage {usage}: {biller.requests} requests, ${biller.cost_usd:.3f}")


@pytest.mark.parametrize(
    "caps", [{"max_requests": 200}, {"max_tokens": 60_000}, {"max_cost_usd": 0.6}, {"max_cost_usd": 5.0}], ids=str
)
def test_no_cap_is_exceeded_with_sixteen_samples_and_256_in_flight(
    tmp_path: Path, seed_file: Path, caps: dict[str, float]
) -> None:
    """The worst case of every sample in flight is reserved, before its request leaves."""
    prompts = prompts_of(24, 16)
    with serving(Biller(7, ["plain", "null", "reasoning beside"], ["500", "408"], 0.1, slow_s=0)) as biller:
        config = RunConfig.parse(
            values(biller, seed_file, tmp_path / "run", timeout_s=30, **caps) | {"concurrency": 256}
        )
        asked = asyncio.run(ask_all(config, prompts, within_s=120))
    counted = asked.totals
    assert counted.requests >= biller.requests
    assert counted.prompt_tokens + counted.completion_tokens >= biller.tokens
    assert counted.cost_usd >= biller.cost_usd - 1e-9
    billed = {"max_requests": biller.requests, "max_tokens": biller.tokens, "max_cost_usd": biller.cost_usd}
    assert all(billed[cap] <= most for cap, most in caps.items())
    if caps == {"max_cost_usd": 5.0}:
        assert (asked.reason, asked.in_flight) == (None, 256)
        assert all(asked.answers)
    else:
        assert asked.reason == "budget"
        assert 0 < sum(answer is not None for answer in asked.answers) < len(prompts)
    FIGURES.append(f"caps: {caps}, {asked.in_flight} in flight, {biller.requests} requests, ${biller.cost_usd:.3f}")
