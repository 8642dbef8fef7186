"""The whole loop beside other programs and bare clients: requests a second and CPU seconds, all against one server.

    python benchmarks/loop.py [--peers] [--requests 2000] [--in-flight 64,256] [--rounds 3] [--strategy self_instruct]

`loop_server.py` answers after 50 ms, in a process of its own. Every client is a process of its own, too, one after the
other in each round; the whole loop begins, and what it asks in a run that isn't counted is what all others ask.
Exit code 1 when a client failed; a goal that is missed is only printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loop_peers import PEERS, SCRIPTS, Client, find_peer

LONGEST_S = 600
"""What takes longer has failed."""
BASE = "AsyncOpenAI"
LOOP = "the whole loop"
CARELESS = "the same, synchronous=OFF"


@dataclass(frozen=True)
class Measured:
    """One client in one round. rate: requests/s, as the server saw it; cpu_s: of the client, for 1,000 requests."""

    rate: float
    cpu_s: float
    server_cpu_s: float
    most_in_flight: int


@dataclass(frozen=True)
class Goal:
    """A ratio of two lines. at_least: None where it is a loss in per cent that shall stay below 5."""

    text: str
    over: str
    in_flight: int
    at_least: float | None = None


GOALS = (
    Goal("whole loop / AsyncOpenAI as it comes", BASE, 64, 1.5),
    Goal("whole loop / AsyncOpenAI as it comes", BASE, 256, 2.5),
    Goal("whole loop / fastest peer", "peer", 64, 1.5),
    Goal("what durability costs, %", CARELESS, 64),
    Goal("what durability costs, %", CARELESS, 256),
)
Rounds = dict[tuple[str, int], list[Measured]]
"""By client and requests in flight, one entry a round."""


def clients(options: argparse.Namespace) -> list[Client]:
    """All lines of the table, in its order."""
    found = [find_peer(peer, options.cache, options.peers) for peer in PEERS]
    found += [
        Client(BASE, "ask_sdk.py", "httpx"),
        Client("AsyncOpenAI, aiohttp", "ask_sdk.py", "aiohttp"),
        Client("the same, client.post", "ask_sdk.py", "post"),
        Client("bare aiohttp", "ask_sdk.py", "bare"),
        Client(LOOP, "ask_loop.py", options.strategy),
        Client(CARELESS, "ask_loop.py", f"{options.strategy}-off"),
    ]
    return [client for client in found if not options.only or any(word in client.name for word in options.only)]


def main() -> int:
    """Measure and print; the exit code."""
    options = _options()
    options.cache.mkdir(parents=True, exist_ok=True)
    lines = clients(options)
    print(
        f"{options.requests:,} requests, {options.strategy}, latency {options.latency_ms:g} ms, {_load()}", flush=True
    )
    for line in lines:
        if line.missing:
            print(f"  {line.name}: {line.missing}")
    rounds: Rounds = {}
    failed: set[str] = set()
    with contextlib.suppress(KeyboardInterrupt):  # what there is until then is printed
        _measure_all(options, [line for line in lines if line.missing is None], rounds, failed)
    print(f"afterwards {_load()}; medians of {options.rounds} rounds\n")
    _table(lines, rounds, options.in_flight)
    _goals(lines, rounds)
    return 1 if failed else 0


# --- measuring ------------------------------------------------------------------------------------


def _measure_all(options: argparse.Namespace, lines: list[Client], rounds: Rounds, failed: set[str]) -> None:
    """All lines in turn, round after round, into `rounds`; one that fails is not asked again."""
    with _server(options.latency_ms / 1000) as url, tempfile.TemporaryDirectory(dir=options.cache) as made:
        folder = Path(made)
        questions = {number: _questions(options, url, folder, number) for number in options.in_flight}
        turns = [(number, line) for _ in range(options.rounds) for number in options.in_flight for line in lines]
        for turn, (in_flight, line) in enumerate(turns, 1):
            if line.name in failed:
                continue
            print(f"{turn}/{len(turns)}: {line.name}, {in_flight} in flight", file=sys.stderr, flush=True)
            try:
                found = _measure(line, url, questions[in_flight], in_flight, folder)
            except (subprocess.SubprocessError, ValueError) as error:
                failed.add(line.name)
                print(f"  {line.name}: failed: {_last_line(error)}", flush=True)
            else:
                rounds.setdefault((line.name, in_flight), []).append(found)


def _questions(options: argparse.Namespace, url: str, folder: Path, in_flight: int) -> Path:
    """What the whole loop asks with so many in flight: a file of bodies."""
    file = folder / f"questions-{in_flight}.json"
    file.write_text(json.dumps([{}] * options.requests), encoding="utf-8")
    _measure(Client(LOOP, "ask_loop.py", options.strategy), url, file, in_flight, folder)
    bodies = _get(url, "bodies")
    bodies = (bodies * (options.requests // len(bodies) + 1))[: options.requests]
    file.write_text(json.dumps(bodies), encoding="utf-8")
    return file


def _measure(client: Client, url: str, questions: Path, in_flight: int, folder: Path) -> Measured:
    """Run one client. Raises SubprocessError when it fails, ValueError when the server has not seen its requests."""
    place, result = folder / "client", folder / "result.json"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    result.unlink(missing_ok=True)
    _get(url, "reset")
    command = [client.python, SCRIPTS / client.script, "--base-url", url, "--questions", questions, "--result", result]
    command += ["--in-flight", str(in_flight), "--folder", place, "--variant", client.variant]
    environment = os.environ | {"PYTHONHASHSEED": "0", "HOME": str(place)}  # nothing of the user's is read or written
    subprocess.run(
        [str(part) for part in command],
        check=True,
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        cwd=place,
        env=environment,
    )
    asked, seen = len(json.loads(questions.read_text(encoding="utf-8"))), _get(url, "requests")
    if not asked <= seen["answered"] <= asked + 10:
        raise ValueError(f"the server answered {seen['answered']} requests instead of {asked}")
    cpu_s = json.loads(result.read_text(encoding="utf-8"))["cpu_s"]
    thousands = asked / 1000
    return Measured(
        (seen["answered"] - seen["trials"]) / seen["seconds"],
        cpu_s / thousands,
        seen["cpu_s"] / thousands,
        seen["most_in_flight"],
    )


def _last_line(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return (said.strip().splitlines() or ["?"])[-1][:200]


@contextlib.contextmanager
def _server(latency_s: float) -> Iterator[str]:
    command = [sys.executable, str(Path(__file__).with_name("loop_server.py")), "--latency-s", str(latency_s)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def _get(url: str, what: str) -> Any:
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/{what}", timeout=30) as response:
        return json.load(response)


def _load() -> str:
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


# --- printing -------------------------------------------------------------------------------------


def _table(lines: list[Client], rounds: Rounds, in_flight: list[int]) -> None:
    """requests/s, CPU seconds for 1,000 (client, server), the most that the server saw in flight, two ratios."""
    print(f"{'':27}" + "".join(f"{f'{number} in flight':^49}" for number in in_flight))
    heads = "requests/s  CPU s  server  most  x OpenAI  x peer"
    print(f"{'':27}" + "".join(f"{heads:>49}" for _ in in_flight))
    peers = [line.name for line in lines if line.peer]
    for line in lines:
        row = ""
        for number in in_flight:
            found = rounds.get((line.name, number))
            if not found:
                row += f"{'-':>12}{'':37}"
                continue
            row += (
                f"{_median(found, 'rate'):>12,.0f}{_median(found, 'cpu_s'):>7.2f}{_median(found, 'server_cpu_s'):>8.2f}"
            )
            row += f"{_median(found, 'most_in_flight'):>6.0f}"
            for over in ([BASE], peers):
                ratio = _ratio(rounds, line.name, over, number)
                row += f"{'-':>8}" if ratio is None else f"{ratio:>8.2f}"
        print(f"{line.name:<27}{row}")


def _goals(lines: list[Client], rounds: Rounds) -> None:
    print()
    peers = [line.name for line in lines if line.peer]
    for goal in GOALS:
        over = peers if goal.over == "peer" else [goal.over]
        ratio = _ratio(rounds, LOOP, over, goal.in_flight)
        if ratio is None:
            said = "not measured"
        elif goal.at_least is None:
            lost = 100 * (1 - ratio)
            said = f"{lost:>7.1f}   goal < 5     {'reached' if lost < 5 else 'MISSED'}"
        else:
            said = f"{ratio:>7.2f}   goal >= {goal.at_least}  {'reached' if ratio >= goal.at_least else 'MISSED'}"
        print(f"{goal.text}, {goal.in_flight} in flight".ljust(56) + said)


def _median(found: list[Measured], field: str) -> float:
    return statistics.median(getattr(each, field) for each in found)


def _ratio(rounds: Rounds, name: str, over: list[str], in_flight: int) -> float | None:
    """Of requests/s to those of the fastest of `over` in the same round, the median over the rounds."""
    mine = rounds.get((name, in_flight), [])
    others = [rounds[each, in_flight] for each in over if (each, in_flight) in rounds]
    if not mine or not others:
        return None
    fastest = [max(each.rate for each in same) for same in zip(*others, strict=False)]
    return statistics.median(a.rate / b for a, b in zip(mine, fastest, strict=False))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--in-flight", type=lambda text: [int(part) for part in text.split(",")], default=[64, 256])
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--strategy", default="self_instruct", choices=["self_instruct", "alpaca"])
    parser.add_argument("--peers", action="store_true", help="install the peers first: three environments, 2.3 GB")
    parser.add_argument("--only", type=lambda text: text.split(","), help="lines whose name has one of these words")
    default = Path.home() / ".cache" / "selfinstruct-benchmarks"
    parser.add_argument("--cache", type=Path, default=default, help="on a real disk: journals are written there, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
