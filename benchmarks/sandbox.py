"""How many programs a second the sandbox runs: empty ones, and ones that compute for a while.

.venv/bin/python benchmarks/sandbox.py [--runs 200] [--at-once 2]
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from selfinstruct.core.programs import Program
from selfinstruct.sandbox import RUNTIME_VERSION, run_program

PROGRAMS = {
    "empty": "",
    "sorts a list, prints JSON": "import json; print(json.dumps(sorted(range(10**5), key=lambda n: -n)[:5]))",
    "SQL in memory": "import sqlite3; print(sqlite3.connect(':memory:').execute('SELECT 1 + 1').fetchall())",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"{RUNTIME_VERSION}, {options.at_once} at once, load {os.getloadavg()[0]:.1f}")
    print(f"{'program':<28} {'runs/s':>7} {'median ms':>10} {'CPU ms':>7}")
    for name, source in PROGRAMS.items():
        run_program(Program(source))  # the first start reads files from the disk
        before, started = os.times(), time.perf_counter()
        with ThreadPoolExecutor(options.at_once) as pool:
            ran = list(pool.map(lambda _, text=source: run_program(Program(text)), range(options.runs)))
        seconds, after = time.perf_counter() - started, os.times()
        assert all(each.problem is None for each in ran)
        cpu_s = sum(after[:4]) - sum(before[:4])
        median_ms = statistics.median(each.seconds for each in ran) * 1000
        print(f"{name:<28} {options.runs / seconds:>7.1f} {median_ms:>10.0f} {cpu_s / options.runs * 1000:>7.0f}")


if __name__ == "__main__":
    main()
