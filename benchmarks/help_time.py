"""How long `selfinstruct --help` and a shell's completion take: the fastest and the median of several processes.

    python benchmarks/help_time.py --times 20

The target is 0.25 s on a quiet machine of two cores. What takes the time is the import of Typer:

    python -X importtime -m selfinstruct --help 2>&1 | sort -t'|' -k2 -n | tail
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

MAIN = "import sys; sys.argv[0] = 'selfinstruct'; from selfinstruct.cli.app import main; main()"
CASES: dict[str, tuple[list[str], dict[str, str]]] = {
    "python -c pass": ([], {}),
    "selfinstruct --help": (["--help"], {}),
    "selfinstruct generate --help": (["generate", "--help"], {}),
    "completion of 'selfinstruct gen'": (
        [],
        {"_SELFINSTRUCT_COMPLETE": "complete_bash", "COMP_WORDS": "selfinstruct gen", "COMP_CWORD": "1"},
    ),
}


def main() -> None:
    """Print a table with a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="processes for each case")
    times = parser.parse_args().times
    print(f"{'':<34} fastest  median")
    for name, (arguments, env) in CASES.items():
        code = "pass" if name.startswith("python") else MAIN
        seconds = []
        for _ in range(times):
            started = time.perf_counter()
            line = [sys.executable, "-c", code, *arguments]
            subprocess.run(line, env=os.environ | env, stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - started)
        print(f"{name:<34} {min(seconds):.3f} s  {statistics.median(seconds):.3f} s")


if __name__ == "__main__":
    main()
