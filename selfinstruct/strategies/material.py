"""Select the demonstrations that a proposal prompt shows; used by `generate`, its preview, and its estimate."""

from __future__ import annotations

import random
from collections.abc import Sequence

from ..core.tasks import Demonstration, SeedTask
from .protocol import Strategy


def demonstration(seed: SeedTask) -> Demonstration:
    """Return a seed task as a demonstration, with its first instance."""
    first = seed.instances[0]
    return Demonstration(seed.id, seed.instruction, first.input, first.output)


def draw_demos(
    random_seed: int, number: int, strategy: Strategy, seeds: Sequence[Demonstration], pool: Sequence[Demonstration]
) -> list[Demonstration]:
    """Draw and shuffle the demonstrations of one question: generated tasks, filled up with seeds.

    Args:
        random_seed: The run's seed.
        number: The question's number; the same seed and number draw the same demonstrations.
        strategy: Says how many of each kind to show.
        seeds: The seed tasks.
        pool: The tasks generated so far.
    """
    draw = random.Random(f"{random_seed}:{number}")
    # The order of draws is part of every existing run: changing it would change the prompts.
    machine = draw.sample(range(len(pool)), min(strategy.machine_demos, len(pool)))
    wanted = strategy.seed_demos + strategy.machine_demos - len(machine)
    demos = [seeds[position] for position in draw.sample(range(len(seeds)), min(wanted, len(seeds)))]
    demos += [pool[position] for position in machine]
    draw.shuffle(demos)
    return demos
