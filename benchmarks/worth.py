"""What each recipe yields with one teacher, and how often a blind reading decides rightly.

    .venv/bin/python benchmarks/worth.py yields
    .venv/bin/python benchmarks/worth.py collect CONFIG.yaml ... [--minutes 20]
    .venv/bin/python benchmarks/worth.py readings [--readings 100] [--pairs 200]

`yields` prints, for each recipe in benchmarks/experiment/, what share of its rows a strict reader kept, with its 95%
interval, and the tokens and seconds for each kept row. The reader did not know which recipe a row is from.

`collect` runs the configurations, each for some minutes at most, and writes their rows and what they cost to that
folder; a later call continues. `selfinstruct worth ROWS.jsonl ... --read --grades benchmarks/experiment/grades.jsonl`
is how the rows are read.

`readings` simulates readers, who keep rows of two datasets with given chances, and look at the result after each pair
of rows. For each two chances, the table says in what share of the readings a difference was found within 50, 100, ...
pairs: by the interval of `selfinstruct worth`, and, in the last column, by an ordinary 95% interval (Newcombe's, of
Wilson's) that is looked at after each pair, too. Between equal datasets, any difference found is wrong.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from pathlib import Path
from typing import Any

import yaml
from checks_kept import busy_seconds, completion_tokens

import selfinstruct as si
from selfinstruct.core.reviews import digest_of, wilson_interval
from selfinstruct.journal.snapshot import read
from selfinstruct.worth.arms import contents_of
from selfinstruct.worth.blind_reading import Grades
from selfinstruct.worth.sequential import Difference

FOLDER = Path(__file__).parent / "experiment"
READER = "a"
"""Whose grades the table of recipes shows; `selfinstruct worth` shows those of both readers."""
CHANCES = ((0.9, 0.9), (0.6, 0.6), (0.9, 0.75), (0.65, 0.5), (0.9, 0.6), (0.95, 0.5))


def differs(kept: tuple[int, int], pairs: int) -> bool:
    """Whether an ordinary interval (Newcombe 1998, method 10) excludes that both shares are the same."""
    one, other = (each / pairs for each in kept)
    (low_one, high_one), (low_other, high_other) = (wilson_interval(share, pairs) for share in (one, other))
    gap = one - other
    low = gap - math.hypot(one - low_one, high_other - other)
    high = gap + math.hypot(high_one - one, other - low_other)
    return low > 0 or high < 0


def first_found(chances: tuple[float, float], pairs: int, seed: int) -> tuple[int | None, int | None]:
    """Return after how many pairs each of the two ways finds a difference for the first time."""
    draw, difference, kept = random.Random(seed), Difference(), (0, 0)
    ours = ordinary = None
    for number in range(1, pairs + 1):
        one, other = (draw.random() < chance for chance in chances)
        kept = (kept[0] + one, kept[1] + other)
        if ours is None:
            difference.add(one, other)
            low, high = difference.interval
            ours = number if low > 0 or high < 0 else None
        if ordinary is None and number >= 10 and differs(kept, number):
            ordinary = number
        if ours and ordinary:
            break
    return ours, ordinary


def print_readings(readings: int, pairs: int) -> None:
    """Print the table of simulated readings."""
    within = range(50, pairs + 1, 50)
    print("kept      " + "".join(f"{f'in {count}':>8}" for count in within) + "    ordinary")
    for chances in CHANCES:
        found = [first_found(chances, pairs, seed) for seed in range(readings)]
        shares = [sum(ours is not None and ours <= count for ours, _ in found) / len(found) for count in within]
        ordinary = sum(other is not None for _, other in found) / len(found)
        words = " ".join(f"{chance:.0%}" for chance in chances)
        print(f"{words:<10}" + "".join(f"{share:>8.0%}" for share in shares) + f"{ordinary:>12.0%}", flush=True)


def collect(path: Path, minutes: float) -> None:
    """Run a configuration for some minutes at most, and write its rows and what they cost."""
    config = si.RunConfig.load(path, min_yield=0.0)
    si.run(config, max_runtime_s=60 * minutes, progress=None)
    write_rows(path.stem, config.run_dir)


def write_rows(name: str, run: str | Path, folder: Path = FOLDER) -> None:
    """Write a run's rows, and what they cost."""
    contents = contents_of(run)
    with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as rows:
        for each in contents:
            [example] = each["examples"]
            turns = [*example["messages"], ["assistant", example["answer"]]]
            messages = [{"role": role, "content": text} for role, text in turns]
            rows.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    with read(run) as snapshot:
        tokens, seconds = completion_tokens(snapshot), busy_seconds(snapshot)
    costs = folder / "runs.yaml"
    runs = yaml.safe_load(costs.read_text(encoding="utf-8")) if costs.exists() else {}
    runs[name] = {"rows": len(contents), "tokens": tokens, "seconds": round(seconds)}
    costs.write_text(yaml.safe_dump(runs, sort_keys=True), encoding="utf-8")


def yields(folder: Path = FOLDER) -> list[tuple[str, ...]]:
    """Return the lines of the table, the recipe with the fewest tokens for each kept row first."""
    runs: dict[str, dict[str, Any]] = yaml.safe_load((folder / "runs.yaml").read_text(encoding="utf-8"))
    grades = Grades(folder / "grades.jsonl").by_reader()[READER]
    found = []
    for name, cost in runs.items():
        digests = map(digest_of, contents_of(folder / f"{name}.jsonl"))
        read = [grades[digest] for digest in digests if digest in grades]
        if not read:
            continue
        kept = sum(each.keep for each in read)
        share = kept / len(read)
        low, high = wilson_interval(share, len(read))
        tokens, seconds = (cost[key] / cost["rows"] / share if kept else math.inf for key in ("tokens", "seconds"))
        shares = (f"{kept} ({share:.0%})", f"{low:.0%} to {high:.0%}")
        found.append((tokens, (name, str(cost["rows"]), str(len(read)), *shares, f"{tokens:,.0f}", f"{seconds:,.0f}")))
    return [cells for _, cells in sorted(found)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("yields")
    command = commands.add_parser("collect")
    command.add_argument("configs", nargs="+", type=Path)
    command.add_argument("--minutes", type=float, default=20)
    command = commands.add_parser("readings")
    command.add_argument("--readings", type=int, default=100)
    command.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()
    if options.command == "readings":
        print_readings(options.readings, options.pairs)
    elif options.command == "collect":
        for path in options.configs:
            collect(path, options.minutes)
    else:
        lines = [("recipe", "rows", "read", "kept", "95% interval", "tokens/kept", "s/kept"), *yields()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
