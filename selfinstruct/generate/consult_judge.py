"""Asks the judge of a configuration outside a run, as a run asks its questions: journaled and within the same caps.

The answers are kept in a folder next to the run, one for each configuration of the judge, so that nothing is paid for
twice. `status` reads it like a run. `judge-eval` and `worth --judge` use it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..ask.prices import prices_of
from ..ask.router import AskClosed
from ..config.run_config import DatasetConfig, RunConfig, digest_of
from ..core.errors import ConfigError, UsageError
from ..core.prompts import Ask
from ..journal.changes import Inputs
from ..journal.folder import open_run
from ..journal.status import Outcome, note_outcome
from ..strategies import build_strategy
from ..teachers import askings_of, build_teachers
from .assembly import own_teachers
from .develop import Asked
from .generations import Generations
from .opening import enter, make_asker
from .reasoning_evidence import NOTHING

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Consultation:
    """What a judge is asked for outside a run.

    name: of the command, and of the folder in the run's folder. judged: what is judged, such as 'pairs'. most: how many
    answers to ask for, at most. version: of the wording of the prompts; another one gets another folder.
    """

    name: str
    judged: str
    most: int
    version: str


async def consult_judge(
    config: RunConfig,
    wanted: Consultation,
    ask_all: Callable[[Ask, bool], Awaitable[T]],
    teacher: Any = None,
) -> tuple[T, Path]:
    """Let `ask_all` ask the judge of a configuration, and keep the answers.

    Args:
        config: The configuration, with a section `judge`.
        wanted: What the judge is asked for.
        ask_all: Gets what sends a prompt, and whether the judge is to be asked by a JSON schema.
        teacher: As in `run`.

    Returns:
        What `ask_all` returns, and the folder that keeps the judge's answers.

    Raises:
        ConfigError: The configuration has no judge.
        UsageError: A cap ended the work early.
        TeacherError: The teacher can't be asked.
    """
    if config.judge is None:
        raise ConfigError("judge: the configuration has none; add a section judge, such as judge: {min_score: 3}")
    config = config.model_copy(update={"dataset": DatasetConfig()})  # no selection, so no embedding model
    own = own_teachers(teacher, config)
    prices = prices_of(config, own=bool(own))
    teachers = own or build_teachers(config)
    no_seeds = Inputs()
    meaning = config.meaning(no_seeds.meaning["seeds"], f"judge {wanted.version}")
    folder = Path(config.run_dir) / wanted.name / digest_of(meaning)[:8]
    config = config.model_copy(update={"run_dir": str(folder), "target": wanted.most})

    # A question that can't be sent any more raises AskClosed; those in flight are still answered and stored.
    with open_run(config, meaning, no_seeds) as opened:
        asker, _ = make_asker(config, opened.journal, teachers, prices)
        generations = Generations(opened.configs, build_strategy, askings_of(config, own))
        async with contextlib.AsyncExitStack() as stack:
            asker.open(await enter(stack, teachers, asker))
            await generations.prepare(asker, opened.journal)
            evidence = generations.with_probes(NOTHING)
            ask = Asked(asker, generations.rooms_since(1, evidence)[-1], evidence)
            try:
                found = await ask_all(ask, generations.judges[-1].by_schema)
            except AskClosed:
                note_outcome(opened.journal, Outcome(asker.reason or "", asker.detail, 3))
                early = f"{wanted.name}: ended before all {wanted.judged} were judged: {asker.detail}"
                raise asker.error or UsageError(early) from None
            finally:
                await asker.drain(None)
        note_outcome(opened.journal, Outcome("target", f"the {wanted.judged} are judged", 0))
    return found, folder
