"""The exact prompts that a run would send first."""

from __future__ import annotations

from ..config.run_config import RunConfig
from ..core.prompts import Prompt
from ..strategies.material import demonstration, draw_demos
from ..strategies.protocol import preview_prompts
from .assembly import assemble


def preview(config: RunConfig, count: int = 2) -> list[tuple[str, Prompt]]:
    """Return the first `count` proposals and the prompts that develop a task, each with a title. Sends nothing.

    Raises ConfigError or SeedError.
    """
    parts = assemble(config)
    strategy = parts.strategy
    shown = [demonstration(seed) for seed in parts.seeds]
    proposals = [
        (f"proposal {number}", strategy.propose(draw_demos(config.random_seed, number, strategy, shown, ())))
        for number in range(count)
    ]
    return proposals + [(each.title, each.prompt) for each in preview_prompts(strategy, parts.seeds[0].instruction)]
