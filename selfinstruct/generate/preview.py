"""The exact prompts that a run would send first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config.run_config import RunConfig
from ..core.prompts import Asking, Prompt
from ..filters import AnswerCheck, Filter
from ..strategies.material import View, build_source, demonstration
from ..strategies.protocol import preview_prompts
from .assembly import assemble
from .rehearsal import rehearse
from .respond import Responder


def preview(
    config: RunConfig,
    count: int = 2,
    *,
    teacher: Any = None,
    strategy: Any = None,
    filters: Sequence[Filter | AnswerCheck] | None = None,
) -> list[tuple[str, Prompt]]:
    """Return the first `count` proposals and the prompts that develop a task, each with a title. Sends nothing.

    The objects are those that `run` accepts. Raises ConfigError or SeedError.
    """
    parts = assemble(config, teacher=teacher, strategy=strategy, filters=filters)
    made = parts.strategy
    source, view = build_source(parts.config, made), View([demonstration(seed) for seed in parts.seeds], ())
    proposals = [(f"proposal {number}", made.propose(source.draw(number, view))) for number in range(count)]
    responder = Responder(parts.config, parts.checks, Asking())
    # A strategy that declares no examples is rehearsed on the first seed.
    declared = [(each.title, each.prompt) for each in preview_prompts(made, parts.seeds[0].instruction)]
    sent = [] if declared else rehearse(made, parts.seeds[0], responder).sent
    return proposals + declared + [(prompt.purpose, prompt) for prompt, _ in sent]
