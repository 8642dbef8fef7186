"""How the cost of a merge grows: seconds and memory by size and workers, and the exponents.

    python benchmarks/scale.py [--sizes 100000,1000000] [--workers 1,2] [--limit-s 600]

Every measurement runs in a process of its own over the same file of `corpora.py`, with the nearest text of each
refused one. Time is measured inside, from opening the file to the last answer, after a first run over WARM_UP texts,
so that compiling isn't counted. CPU seconds are those of all processes meanwhile; where others
use the machine, too, they say more than the seconds do. Memory is that of the process and of all that it has started,
together, shared pages counted once (PSS), sampled from outside every SAMPLE_S: the most that
was seen. A row that takes longer than the limit is stopped and says so. Exit code 1 when two rows of a size differ.
Reading the table: docs/guide/scale.md.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
WARM_UP = 5000
SAMPLE_S = 0.5
BATCH = 8192
COLUMNS = f"{'texts':>12}{'workers':>9}{'seconds':>10}{'CPU s':>10}{'CPU µs':>9}{'peak MB':>10}{'pairs':>14}"

Result = dict[str, Any]


def main() -> int:
    options = _options()
    if options.one:
        print(json.dumps(_run(options.workers[0], options.file)))
        return 0
    print(f"Python {platform.python_version()}; {os.cpu_count()} cores, load before the start {os.getloadavg()[0]:.1f}")
    print(f"{COLUMNS}  answer")
    table: dict[int, dict[int, Result]] = {}
    with tempfile.TemporaryDirectory(prefix="selfinstruct-scale-") as temporary:
        for size, file in _corpora(options, options.cache or Path(temporary)):
            for workers in options.workers:
                row = _measured(workers, file, options.limit_s)
                table.setdefault(workers, {})[size] = row
                print(_line(size, workers, row), flush=True)
    _print_growth(table)
    return _agreement(table)


def _run(workers: int, file: Path) -> Result:
    """Decide over all texts of the file."""
    from selfinstruct.novelty import Join

    def decide(first: int | None) -> Any:
        join = Join(0.7, workers=workers)
        with file.open(encoding="utf-8") as lines:
            left = itertools.islice(lines, first)
            while batch := [line.rstrip("\n") for line in itertools.islice(left, BATCH)]:
                join.add(batch)
        return join.run()

    decide(WARM_UP)
    with _cpu_counted() as used:
        started = time.perf_counter()
        joined = decide(None)
        seconds = time.perf_counter() - started
    answer = hashlib.sha256(joined.admitted.tobytes() + joined.nearest.tobytes() + joined.score.tobytes())
    return {"seconds": seconds, "cpu_s": sum(used), "answer": answer.hexdigest()[:12], "pairs": joined.work.compared}


def _measured(workers: int, file: Path, limit_s: float) -> Result:
    """What a process of its own finds, and the most memory that it and its offspring have had."""
    command = [sys.executable, __file__, "--one", "--workers", str(workers), "--file", str(file)]
    environment = os.environ | {"PYTHONPATH": str(HERE.parent)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    peak, started = 0.0, time.monotonic()
    while process.poll() is None:
        peak = max(peak, _memory_mb(process.pid))
        if time.monotonic() - started > limit_s:
            _stop(process)
            return {"failed": f"not done in {limit_s:.0f} s", "peak_mb": peak}
        time.sleep(SAMPLE_S)
    out, error = process.communicate()
    if process.returncode != 0:
        return {"failed": (error.strip().splitlines() or ["?"])[-1], "peak_mb": peak}
    found: Result = json.loads(out.splitlines()[-1])
    return found | {"peak_mb": peak}


def _stop(process: subprocess.Popen[str]) -> None:
    """End a process by Ctrl-C, and then whatever is left of it."""
    left = _offspring(process.pid)
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        for pid in [process.pid, *left]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    process.communicate()


def _offspring(root: int) -> list[int]:
    """All processes that descend from one."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _cpu_s(root: int) -> dict[int, float]:
    """CPU seconds so far of a process and of each that descends from it."""
    found = {}
    for pid in [root, *_offspring(root)]:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


@contextmanager
def _cpu_counted() -> Iterator[list[float]]:
    """Fill a list with the CPU seconds of this process and of each that descends from it, also of those that end."""
    used: list[float] = []
    before = _cpu_s(os.getpid())
    latest, done = dict(before), threading.Event()

    def look() -> None:
        while not done.wait(SAMPLE_S):
            latest.update(_cpu_s(os.getpid()))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield used
    finally:
        done.set()
        thread.join()
        latest.update(_cpu_s(os.getpid()))
        used += [seconds - before.get(pid, 0.0) for pid, seconds in latest.items()]


def _memory_mb(root: int) -> float:
    """Proportional set size of a process and all that descend from it."""
    total = 0
    for pid in [root, *_offspring(root)]:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def _corpora(options: argparse.Namespace, folder: Path) -> Iterator[tuple[int, Path]]:
    """Made when it is their turn, and in another process, so that this one stays small."""
    folder.mkdir(parents=True, exist_ok=True)
    for size in options.sizes:
        file = folder / f"{options.language}-{size}-0.25-20.txt"
        if not file.exists():
            command = [sys.executable, str(HERE / "corpora.py"), options.language, str(size), f"{file}.part"]
            subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(HERE.parent)})
            Path(f"{file}.part").rename(file)
        yield size, file


def _line(size: int, workers: int, row: Result) -> str:
    start = f"{size:>12,}{workers:>9}"
    if "failed" in row:
        return f"{start}  {row['failed']}; {row['peak_mb']:,.0f} MB until then"
    cpu_s = row["cpu_s"]
    cells = f"{row['seconds']:>10,.1f}{cpu_s:>10,.1f}{cpu_s / size * 1e6:>9,.1f}"
    cells += f"{row['peak_mb']:>10,.0f}{row['pairs']:>14,}"
    return f"{start}{cells}  {row['answer']}"


def _print_growth(table: dict[int, dict[int, Result]]) -> None:
    """The x of 'grows like size to the x', between one size and the next."""
    print("\nexponents of growth, between one size and the next")
    for workers, rows in table.items():
        done = {size: row for size, row in rows.items() if "seconds" in row}
        for size, later in itertools.pairwise(done):
            grown = [
                f"{name} {_exponent(done[size][key], done[later][key], later / size)}"
                for name, key in (("seconds", "seconds"), ("CPU s", "cpu_s"), ("memory", "peak_mb"), ("pairs", "pairs"))
            ]
            print(f"  {workers:>2} {size:>12,} to {later:>12,}: {', '.join(grown)}")


def _exponent(before: float, after: float, ratio: float) -> str:
    """'-' where there is none: CPU time is counted in hundredths of a second, and small sets take less."""
    return f"{math.log(after / before) / math.log(ratio):.2f}" if before > 0 and after > 0 else "-"


def _agreement(table: dict[int, dict[int, Result]]) -> int:
    """0 when all rows of a size that were done say the same."""
    answers: dict[int, set[str]] = {}
    for rows in table.values():
        for size, row in rows.items():
            answers.setdefault(size, set()).update([row["answer"]] if "answer" in row else [])
    differing = [size for size, found in answers.items() if len(found) > 1]
    print("\nDIFFERENT answers: " + ", ".join(map(str, differing)) if differing else "\nAll rows of a size agree.")
    return 1 if differing else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_numbers, default=[100_000, 1_000_000])
    parser.add_argument("--workers", type=_numbers, default=[1, 2])
    parser.add_argument("--language", default="en", choices=("en", "zh", "mixed"))
    parser.add_argument("--limit-s", type=float, default=600.0)
    parser.add_argument("--cache", type=Path, help="keep the corpora here; else in a temporary folder")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
