"""What a question is made from: the demonstrations that it shows."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..core.tasks import Demonstration, SeedTask
from .protocol import Strategy


def demonstration(seed: SeedTask) -> Demonstration:
    """A seed task as it is shown: with its first instance."""
    first = seed.instances[0]
    return Demonstration(seed.id, seed.instruction, first.input, first.output)


def draw_demos(
    random_seed: int, number: int, strategy: Strategy, seeds: Sequence[Demonstration], pool: Sequence[Demonstration]
) -> list[Demonstration]:
    """The demonstrations of question `number`: machine-made ones of `pool`, filled up with seeds, shuffled."""
    draw = random.Random(f"{random_seed}:{number}")
    machine = draw.sample(range(len(pool)), min(strategy.machine_demos, len(pool)))
    wanted = strategy.seed_demos + strategy.machine_demos - len(machine)
    demos = [seeds[position] for position in draw.sample(range(len(seeds)), min(wanted, len(seeds)))]
    demos += [pool[position] for position in machine]
    draw.shuffle(demos)
    return demos
