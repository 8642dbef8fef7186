"""How much of a provider's limits is used, and how many requests it refuses for it.

    python benchmarks/limits.py [--minutes 3] [--latency-ms 200] [--concurrency 64]

For each case a server in a process of its own enforces 600 requests and 60,000 tokens a minute by answering 429. The
real teacher asks it short questions as fast as its limits let it; the server counts. Printed is what the server has
counted after the first minute: the share of the allowance that was used (of requests or tokens, the one that was used
more), and the share of requests that got a 429. All cases run at once: they are slow by design, not busy.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import urllib.request
from typing import Any

from selfinstruct.core.prompts import Message, Prompt, Sampling
from selfinstruct.teachers.openai.options import OpenAIOptions
from selfinstruct.teachers.openai.teacher import OpenAITeacher

MAX_RPM, MAX_TPM = 600, 60_000
STATED: dict[str, Any] = {"max_rpm": MAX_RPM, "max_tpm": MAX_TPM}
BARE = ("--no-retry-after", "--no-rate-headers")
CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "stated in the configuration": (STATED, BARE),
    "not stated, in headers": ({}, ()),
    "not stated, Retry-After": ({}, ("--no-rate-headers",)),
    "not stated, bare 429": ({}, BARE),
}
SIZES = {"requests bind": 110, "tokens bind": 420}
"""Mean bytes of a question; its answer has about 25 tokens, a token is counted as 4 bytes."""


def main() -> None:
    options = _options()
    cases = list(itertools.product(CASES, ("bucket", "fixed minutes"), SIZES))
    results = asyncio.run(_all(cases, options))
    print(
        f"{options.minutes} minutes a case, latency {options.latency_ms:g} ms, {options.concurrency} in flight at most"
    )
    print(f"{'limits':<30}{'server counts by':<18}{'':<16}{'used':>8}{'429':>8}")
    for (limits, counting, size), (used, refused) in zip(cases, results, strict=True):
        print(f"{limits:<30}{counting:<18}{size:<16}{used:>8.1%}{refused:>8.2%}")


async def _all(cases: list[tuple[str, str, str]], options: argparse.Namespace) -> list[tuple[float, float]]:
    return await asyncio.gather(*(_case(*case, options) for case in cases))


async def _case(limits: str, counting: str, size: str, options: argparse.Namespace) -> tuple[float, float]:
    """Shares used and refused, after the first minute."""
    settings, flags = CASES[limits]
    fixed = ("--fixed-minutes",) if counting == "fixed minutes" else ()
    command = [sys.executable, "-m", "selfinstruct", "serve-fake", "--latency-s", str(options.latency_ms / 1000)]
    command += ["--max-rpm", str(MAX_RPM), "--max-tpm", str(MAX_TPM), *flags, *fixed]
    server = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert server.stdout is not None
        base_url = (await server.stdout.readline()).decode().strip()
        config = OpenAIOptions(model="fake", base_url=base_url, api_key_env=None, **settings)
        async with OpenAITeacher(config, concurrency=options.concurrency) as teacher:
            asking = [asyncio.create_task(_ask(teacher, SIZES[size], n)) for n in range(options.concurrency)]
            await asyncio.sleep(60)
            before = await asyncio.to_thread(_usage, base_url)
            await asyncio.sleep(60 * (options.minutes - 1))
            after = await asyncio.to_thread(_usage, base_url)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
    finally:
        server.terminate()
        await server.wait()
    count = {name: after[name] - before[name] for name in after}
    used = max(count["answered"] / MAX_RPM, count["tokens"] / MAX_TPM) / (count["clock_s"] / 60)
    return used, count["refused"] / (count["answered"] + count["refused"])


async def _ask(teacher: OpenAITeacher, size: int, number: int) -> None:
    """Questions of random sizes, one after the other, for ever."""
    draw = random.Random(number)
    for count in itertools.count():
        text = f"Task {number}-{count}. ".ljust(draw.randrange(size // 2, size * 3 // 2), "x")
        await teacher.complete(Prompt("instances", (Message("user", text),), Sampling(max_tokens=300)))


def _usage(base_url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{base_url}/usage", timeout=10) as answer:
        counted: dict[str, float] = json.load(answer)
        return counted


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=3)
    parser.add_argument("--latency-ms", type=float, default=200)
    parser.add_argument("--concurrency", type=int, default=64)
    return parser.parse_args()


if __name__ == "__main__":
    main()
