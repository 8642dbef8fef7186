"""Evaluates a judge: asks it about the golden pairs, and compares its marks with them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config.run_config import RunConfig
from ..core.errors import ConfigError
from ..core.prompts import Ask
from ..core.tasks import Verdict
from ..filters.judge import Agreement, GoldenPair, Judge, agreement, rubric_digest
from .consult_judge import Consultation, consult_judge

LEAST = 3.5
"""The threshold for `kept_good` and `kept_bad` if the configuration has no `judge.min_score`."""


def evaluate_judge(config: RunConfig, pairs: Sequence[GoldenPair], *, teacher: Any = None) -> tuple[Agreement, Path]:
    """Let the judge of `config` grade both answers of each pair, and compare the marks.

    Args:
        config: The configuration, with a section `judge`.
        pairs: The golden pairs.
        teacher: As in `run`.

    Returns:
        The agreement of the marks with the pairs, and the folder that keeps the judge's answers.

    Raises:
        ConfigError: The configuration has no judge.
        UsageError: A cap ended the evaluation early.
        TeacherError: The teacher can't be asked.
    """
    if config.judge is not None and config.judge.compare:
        raise ConfigError("judge.compare: judge-eval measures marks; evaluate the judge without this key")
    marks, folder = asyncio.run(_marks(config, pairs, teacher))
    return agreement(pairs, marks, (config.judge and config.judge.min_score) or LEAST), folder


async def _marks(
    config: RunConfig, pairs: Sequence[GoldenPair], teacher: Any
) -> tuple[list[tuple[Verdict | None, Verdict | None]], Path]:
    """Return the marks of the good and the bad answer of each pair, and the folder of the judge's answers."""

    async def grade(ask: Ask, by_schema: bool) -> list[Verdict | None]:
        judge = Judge(config, by_schema=by_schema)
        graded = (
            judge.mark(each.instruction, each.example(good=good), ask) for each in pairs for good in (True, False)
        )
        return await asyncio.gather(*graded)

    wanted = Consultation("judge-eval", "pairs", 2 * len(pairs), rubric_digest(config))  # two answers per pair
    marks, folder = await consult_judge(config, wanted, grade, teacher)
    return list(zip(marks[::2], marks[1::2], strict=True)), folder
