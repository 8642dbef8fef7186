"""The exact prompts that a run would send first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config.run_config import RunConfig
from ..core.prompts import Prompt
from ..filters import Filter
from ..strategies.material import demonstration, draw_demos
from ..strategies.protocol import preview_prompts
from .assembly import assemble
from .rehearsal import rehearse


def preview(
    config: RunConfig,
    count: int = 2,
    *,
    teacher: Any = None,
    strategy: Any = None,
    filters: Sequence[Filter] | None = None,
) -> list[tuple[str, Prompt]]:
    """Return the first `count` proposals and the prompts that develop a task, each with a title. Sends nothing.

    The objects are those that `run` accepts. Raises ConfigError or SeedError.
    """
    parts = assemble(config, teacher=teacher, strategy=strategy, filters=filters)
    made = parts.strategy
    shown = [demonstration(seed) for seed in parts.seeds]
    proposals = [
        (f"proposal {number}", made.propose(draw_demos(config.random_seed, number, made, shown, ())))
        for number in range(count)
    ]
    # A strategy that declares no examples is rehearsed on the first seed.
    declared = [(each.title, each.prompt) for each in preview_prompts(made, parts.seeds[0].instruction)]
    rehearsed = [] if declared else [(prompt.purpose, prompt) for prompt, _ in rehearse(made, parts.seeds[0])]
    return proposals + declared + rehearsed
