"""How often a blind reading decides, and how often it is wrong, on simulated readers.

    .venv/bin/python benchmarks/worth.py [--readings 100] [--pairs 200]

A simulated reader keeps rows of two datasets with given chances, and looks at the result after each pair of rows. For
each two chances, the table says in what share of the readings a difference was found within 50, 100, ... pairs: by the
interval of `selfinstruct worth`, and, in the last column, by an ordinary 95% interval (Newcombe's, of Wilson's) that
is looked at after each pair, too. Between equal datasets, any difference found is wrong.
"""

from __future__ import annotations

import argparse
import math
import random

from selfinstruct.core.reviews import wilson_interval
from selfinstruct.worth.sequential import Difference

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readings", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=200)
    options = parser.parse_args()
    within = range(50, options.pairs + 1, 50)
    print("kept      " + "".join(f"{f'in {count}':>8}" for count in within) + "    ordinary")
    for chances in CHANCES:
        found = [first_found(chances, options.pairs, seed) for seed in range(options.readings)]
        shares = [sum(ours is not None and ours <= count for ours, _ in found) / len(found) for count in within]
        ordinary = sum(other is not None for _, other in found) / len(found)
        words = " ".join(f"{chance:.0%}" for chance in chances)
        print(f"{words:<10}" + "".join(f"{share:>8.0%}" for share in shares) + f"{ordinary:>12.0%}", flush=True)


if __name__ == "__main__":
    main()
