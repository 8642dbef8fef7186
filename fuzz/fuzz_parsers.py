"""The parsers of tests/parsers.py under atheris, guided by coverage: `make fuzz` gives each of them a while.

    python fuzz/fuzz_parsers.py completion -max_total_time=60      # --list prints the names

Ends with a traceback and the input in a file when something but the project's own errors gets out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

with atheris.instrument_imports(include=["selfinstruct"]):
    from parsers import TARGETS


def main() -> None:
    name = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if name == "--list":
        print(*TARGETS)
        return
    if name not in TARGETS:
        sys.exit(f"name a parser: {', '.join(TARGETS)}")
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
