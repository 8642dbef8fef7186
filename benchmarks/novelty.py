"""Exact novelty beside the published filters, brute force and MinHash: one command, one table.

    python benchmarks/novelty.py [--sizes 5000,52000,200000,1000000] [--languages en,zh,mixed] [--file TEXTS]

Every method runs in a process of its own (`novelty_methods.py`), one after the other, over the same file. Exit code
1 when two exact methods admit different sets. Reading the table: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
EXACT = ("ours, 1 worker", "ours, 2 workers", "ours, 2 workers, explained", "ours, online", "rapidfuzz blocks")
METHODS = ("floor", *EXACT, "datasketch MinHash", "rensa MinHash", "Alpaca's", "Self-Instruct's")
COLUMNS = (
    f"{'':28}{'seconds':>12}{'x floor':>9}{'Alpaca/it':>11}{'peak MB':>9}{'µs each':>12}{'postings':>10}{'pairs':>10}"
)

Result = dict[str, Any]
Table = dict[str, dict[int, dict[str, Result]]]
"""What was measured: by corpus, size and method."""


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="selfinstruct-bench-") as temporary:
        folder = Path(temporary)
        environment = os.environ | {"PYTHONPATH": str(HERE.parent), "NUMBA_CACHE_DIR": str(folder / "compiled")}
        _print_machine()
        table: Table = {}
        started = False
        for name, size, file in _corpora(options, options.cache or folder):
            if not started:
                _print_start_up(file, environment)
                started = True
            flags = folder / f"flags-{name}-{size}"
            rows = {m: _measure(m, file, flags, name, environment) for m in METHODS if options.wanted(m)}
            table.setdefault(name, {})[size] = rows
            _print_rows(name, size, None if options.file else options.near_share, rows)
        for name, sizes in table.items():
            _print_goals(name, sizes)
        return _agreement(table)


def _corpora(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Corpus, number of texts, file; made when it is its turn, and in another process, so that this one stays small."""
    if options.file:
        with options.file.open(encoding="utf-8") as lines:
            yield options.file.name, sum(1 for _ in lines), options.file
        return
    folder.mkdir(parents=True, exist_ok=True)
    for language in options.languages:
        for size in options.sizes:
            file = folder / f"{language}-{size}-{options.near_share:g}-{options.seed}.txt"
            if not file.exists():
                command = [sys.executable, str(HERE / "corpora.py"), language, str(size), f"{file}.part"]
                command += ["--near-share", str(options.near_share), "--seed", str(options.seed)]
                subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(HERE.parent)})
                Path(f"{file}.part").rename(file)
            yield language, size, file


def _measure(method: str, file: Path, flags: Path, language: str, environment: dict[str, str]) -> Result:
    """What `novelty_methods.py` prints for the method."""
    command = [sys.executable, str(HERE / "novelty_methods.py"), method, str(file), "--flags", str(flags)]
    done = subprocess.run([*command, "--language", language], capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]}
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _print_machine() -> None:
    versions = [f"{name} {metadata.version(name)}" for name in ("numba", "rapidfuzz", "rouge_score")]
    print(f"Python {platform.python_version()}, {', '.join(versions)}; {os.cpu_count()} cores", end="")
    print(f", load before the start {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "")


def _print_start_up(file: Path, environment: dict[str, str]) -> None:
    """Ours with an empty cache of compiled code, and again with a full one."""
    cold, cached = (_measure("start-up", file, Path(os.devnull), "", environment) for _ in range(2))
    for name, found in (("nothing compiled", cold), ("compiled code at hand", cached)):
        print(f"start-up of ours, {name}: ", end="")
        print(found.get("failed") or f"{found['ready_s']:.1f} s, and {found['imports_s']:.1f} s of imports")


def _print_rows(name: str, size: int, near_share: float | None, rows: dict[str, Result]) -> None:
    tokens = rows["floor"].get("tokens", 0) / max(size, 1)
    print(f"\n{name}, {size:,} texts of {tokens:.1f} tokens", end="")
    print("" if near_share is None else f", {near_share:.0%} near-duplicates", end="")
    print(f"; {rows['ours, 1 worker'].get('admitted', 0):,} admitted\n{COLUMNS}  admitted set")
    floor = rows["floor"].get("seconds", 0.0)
    alpaca = rows.get("Alpaca's", {}).get("seconds", 0.0)
    for method, row in rows.items():
        why = (
            row.get("failed")
            or row.get("left_out")
            or ("missing" in row and "not installed: pip install '.[benchmarks]'")
        )
        if why:
            print(f"{method:<28}  {why}")
            continue
        seconds = row["seconds"]
        cells = [
            f"{seconds:,.3f}" if seconds < 100 else f"{seconds:,.0f}",
            f"{seconds / floor:,.1f}" if floor and seconds / floor < 10_000 else "",
            f"{alpaca / seconds:,.{0 if alpaca > 10 * seconds else 2}f}" if alpaca else "",
            f"{row['peak_mb']:,.0f}" if "peak_mb" in row else "",
            f"{row['candidate_s'] * 1e6:,.1f}" if "candidate_s" in row else "",
            f"{row['postings']:,.1f}" if "postings" in row else "",
            f"{row['compared']:,.2f}" if "compared" in row else "",
        ]
        cells[0] += " E" if row.get("estimated") else "  "
        widths = (12, 9, 11, 9, 12, 10, 10)
        line = "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        print(f"{method:<28}{line}  {_admitted(row)}", flush=True)


def _admitted(row: Result) -> str:
    if "recall" in row:
        return f"refused: recall {row['recall']:.3f}, precision {row['precision']:.3f}"
    if "agrees" in row:
        return "first texts: " + ("the same" if row["agrees"] else "DIFFERENT")
    return str(row.get("digest", ""))


def _print_goals(name: str, sizes: dict[int, dict[str, Result]]) -> None:
    """Ratios, growth and goals, as far as what they need was measured."""

    def value(size: int, method: str, key: str = "seconds") -> float:
        return float(sizes.get(size, {}).get(method, {}).get(key, math.nan))

    one, two, small, large = "ours, 1 worker", "ours, 2 workers", 52_000, 1_000_000
    goals = [
        ("Alpaca's / ours at 52K, 2 cores each", value(small, "Alpaca's") / value(small, two), ">=", 50_000),
        ("ours / floor at 52K, 1 core", value(small, one) / value(small, "floor"), "<=", 2.5),
        ("ours / floor at 1M, 1 core", value(large, one) / value(large, "floor"), "<=", 4.0),
        ("two cores / one at 1M, speedup", value(large, one) / value(large, two), ">=", 1.5),
        ("peak memory at 1M, 1 core, MB", value(large, one, "peak_mb"), "<=", 1000),
        ("peak memory at 1M, 2 cores, MB", value(large, two, "peak_mb"), "<=", 1000),
        ("online mean at 52K, µs a candidate", value(small, "ours, online", "candidate_s") * 1e6, "<=", 20),
        ("online mean at 1M, µs a candidate", value(large, "ours, online", "candidate_s") * 1e6, "<=", 40),
        (
            "growth exponent of time, 52K to 1M",
            _exponent(value(small, one), value(large, one), small, large),
            "<=",
            1.25,
        ),
    ]
    shown = [goal for goal in goals if not math.isnan(goal[1])]
    print(f"\n{name}" if shown else "", end="\n" if shown else "")
    for what, reached, sign, goal in shown:
        met = reached >= goal if sign == ">=" else reached <= goal
        print(f"  {what:<40}{reached:>12,.2f}   goal {sign} {goal:,}{'' if met else '   MISSED'}")
    first, last = min(sizes), max(sizes)
    for key in ("postings", "compared") if first < last else ():
        grown = _exponent(value(first, one, key), value(last, one, key), first, last)
        print(f"  growth exponent of {key} a candidate, {first:,} to {last:,}: {grown:.2f}")


def _exponent(before: float, after: float, size: int, later: int) -> float:
    """The x of 'grows like size to the x'."""
    return math.log(after / before) / math.log(later / size) if before > 0 and after > 0 else math.nan


def _agreement(table: Table) -> int:
    """0 when all exact methods that ran over a whole set admit the same, and nothing failed."""
    problems = []
    for name, sizes in table.items():
        for size, rows in sizes.items():
            digests = {rows[method]["digest"] for method in EXACT if "digest" in rows.get(method, {})}
            if len(digests) != 1:
                problems.append(f"{name}, {size:,}: the exact methods admit different sets")
            problems += [
                f"{name}, {size:,}: {m} decides otherwise" for m, row in rows.items() if not row.get("agrees", 1)
            ]
            problems += [f"{name}, {size:,}: {m} failed: {row['failed']}" for m, row in rows.items() if "failed" in row]
    print("\n" + ("\n".join(problems) or "The exact methods admit the same sets."))
    return 1 if problems else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=_sizes, default=[5_000, 52_000, 200_000, 1_000_000])
    parser.add_argument("--languages", type=lambda text: text.split(","), default=["en"])
    parser.add_argument("--file", type=Path, help="a text file of your own, one text a line, in place of the corpora")
    parser.add_argument("--near-share", type=float, default=0.25, help="share of near-duplicates, 0.1 to 0.4")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--methods", default="", help="words; only methods with one of them in their name")
    parser.add_argument("--cache", type=Path, help="keep the corpora here; else in a temporary folder")
    options = parser.parse_args()
    words = options.methods.split(",")
    options.wanted = lambda method: method in METHODS[:2] or any(word in method for word in words)
    return options


def _sizes(text: str) -> list[int]:
    return [int(size) for size in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
