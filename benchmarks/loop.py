"""The whole loop against a bare `AsyncOpenAI` client: what prompts, budget, journal, parsing and novelty cost.

    python benchmarks/loop.py [--records 4000] [--concurrency 64] [--latency-ms 50] [--rounds 3]

A fake teacher in a process of its own answers every request after a fixed latency. Both sides ask the very same
questions over the same sockets' protocol, one after the other in each round; the bare side sends the requests that
the run asked, taken from its journal, with `chat.completions.create` and nothing else. Printed: requests and
records per second, CPU seconds per 1,000 requests, and the ratio in the median round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import openai

import selfinstruct as si

ROOT = Path(__file__).parents[1]


def main() -> None:
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="selfinstruct-bench-"))
    server = subprocess.Popen(
        [sys.executable, "-m", "selfinstruct", "serve-fake", "--latency-s", str(options.latency_ms / 1000)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        base_url = server.stdout.readline().strip()
        print(f"latency {options.latency_ms} ms, {options.concurrency} in flight, openai {openai.__version__}")
        print(f"{'':24}{'requests':>9}{'seconds':>9}{'requests/s':>12}{'records/s':>11}{'CPU s/1000':>12}")
        ratios = []
        for number in range(options.rounds):
            run = _loop(base_url, folder / f"run-{number}", options)
            bodies = _bodies(folder / f"run-{number}")
            bare = asyncio.run(_bare(base_url, bodies, options.concurrency))
            _row("the whole loop", *run, records=options.records)
            _row("bare AsyncOpenAI", *bare)
            ratios.append((run[0] / run[1]) / (bare[0] / bare[1]))
        print(f"requests per second, loop / bare, median of {options.rounds} rounds: {statistics.median(ratios):.2f}")
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _loop(base_url: str, folder: Path, options: argparse.Namespace) -> tuple[int, float, float]:
    config = si.RunConfig.parse(
        {
            "seeds": str(ROOT / "seeds" / "en.jsonl"),
            "run_dir": str(folder),
            "target": options.records,
            "strategy": options.strategy,
            "concurrency": options.concurrency,
            "lookahead": 4 * options.concurrency,
            "teacher": {"kind": "openai", "model": "fake", "base_url": base_url, "api_key_env": None},
        }
    )
    start, cpu = time.perf_counter(), time.process_time()
    run = si.run(config)
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    return run.status().requests, seconds, used


def _bodies(folder: Path) -> list[dict[str, Any]]:
    """The requests of a run, as its journal keeps them."""
    with contextlib.closing(sqlite3.connect(folder / "journal.sqlite")) as journal:
        texts = dict(journal.execute("SELECT hash, text FROM texts"))
        prompts = [json.loads(row[0]) for row in journal.execute("SELECT prompt FROM answers ORDER BY asked_at")]
    return [
        {
            "model": "fake",
            "messages": [{"role": m[0], "content": texts[m[2]] if len(m) > 2 else m[1]} for m in prompt["messages"]],
            **prompt["sampling"],
        }
        for prompt in prompts
    ]


async def _bare(base_url: str, bodies: list[dict[str, Any]], concurrency: int) -> tuple[int, float, float]:
    waiting = iter(bodies)
    start, cpu = time.perf_counter(), time.process_time()
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def worker() -> None:
            for body in waiting:
                await client.chat.completions.create(**body)

        await asyncio.gather(*(worker() for _ in range(concurrency)))
    return len(bodies), time.perf_counter() - start, time.process_time() - cpu


def _row(name: str, requests: int, seconds: float, cpu: float, records: int | None = None) -> None:
    made = f"{records / seconds:>11.0f}" if records else f"{'':>11}"
    rate = requests / seconds
    print(f"{name:<24}{requests:>9}{seconds:>9.2f}{rate:>12.0f}{made}{cpu / requests * 1000:>12.2f}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strategy", default="self_instruct", choices=["self_instruct", "alpaca"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
