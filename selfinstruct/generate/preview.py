"""The exact prompts that a run would send first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..config.run_config import RunConfig
from ..core.prompts import Asking, Prompt
from ..core.tasks import Candidate
from ..filters import AnswerCheck, Filter
from ..strategies.protocol import preview_prompts
from .assembly import assemble
from .rehearsal import rehearse, sample_tasks
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
    proposals = [(f"proposal {n}", made.propose(each)) for n, each in enumerate(parts.first_materials(count))]
    responder = Responder(parts.config, parts.checks, Asking())
    # A strategy that declares no examples is rehearsed on the first task.
    [(place, task), *_] = [*sample_tasks(parts, 1).items(), ("", Candidate(""))]
    declared = [(each.title, each.prompt) for each in preview_prompts(made, task.instruction)]
    sent = [] if declared or not place else rehearse(made, task, place, responder).sent
    return proposals + declared + [(prompt.purpose, prompt) for prompt, _ in sent]
