"""Evaluates a judge: asks about the golden pairs as a run asks its questions, journaled and within the same caps.

The answers are kept in a folder next to the run, one for each configuration of the judge, so that nothing is paid for
twice. `status` reads it like a run.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..ask.prices import prices_of
from ..ask.router import AskClosed
from ..config.run_config import RunConfig, digest_of
from ..core.errors import ConfigError, UsageError
from ..core.tasks import Verdict
from ..filters.judge import Agreement, GoldenPair, Judge, agreement, rubric_digest
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
    if config.judge is None:
        raise ConfigError("judge: the configuration has none; add a section judge, such as judge: {min_score: 3}")
    if config.judge.compare:
        raise ConfigError("judge.compare: judge-eval measures marks; evaluate the judge without this key")
    marks, folder = asyncio.run(_marks(config, pairs, teacher))
    return agreement(pairs, marks, config.judge.min_score or LEAST), folder


async def _marks(
    config: RunConfig, pairs: Sequence[GoldenPair], teacher: Any
) -> tuple[list[tuple[Verdict | None, Verdict | None]], Path]:
    """Return the marks of the good and the bad answer of each pair, and the folder of the judge's answers."""
    own = own_teachers(teacher, config)
    prices = prices_of(config, own=bool(own))
    teachers = own or build_teachers(config)

    # The pairs take the place of the seeds; a changed judge or rubric gets another folder.
    meaning = config.meaning("golden", f"judge {rubric_digest(config)}")
    folder = Path(config.run_dir) / "judge-eval" / digest_of(meaning)[:8]
    config = config.model_copy(update={"run_dir": str(folder), "target": 2 * len(pairs)})  # two answers per pair
    askings = askings_of(config, own)

    # Ask about all answers at once. A question that can't be sent any more raises AskClosed; the others still arrive.
    with open_run(config, meaning, Inputs()) as opened:
        asker, _ = make_asker(config, opened.journal, teachers, prices)
        generations = Generations(opened.configs, build_strategy, askings)
        async with contextlib.AsyncExitStack() as stack:
            asker.open(await enter(stack, teachers, asker))
            await generations.prepare(asker, opened.journal)
            judge = Judge(config, by_schema=generations.judges[-1].by_schema)

            evidence = generations.with_probes(NOTHING)
            room = generations.rooms_since(1, evidence)[-1]
            graded = await asyncio.gather(
                *(
                    judge.mark(pair.instruction, pair.example(good=good), Asked(asker, room, evidence))
                    for pair in pairs
                    for good in (True, False)
                ),
                return_exceptions=True,
            )
            await asker.drain(None)
        closed = next((each for each in graded if isinstance(each, AskClosed)), None)
        outcome = ("target", f"{len(pairs)} pairs", 0) if closed is None else (asker.reason or "", asker.detail, 3)
        note_outcome(opened.journal, Outcome(*outcome))

    # Answers are stored, whatever happened: only now raise what went wrong.
    for each in graded:
        if isinstance(each, AskClosed):
            raise asker.error or UsageError(f"judge-eval: ended before all pairs were judged: {asker.detail}")
        if isinstance(each, BaseException):
            raise each
    marks = [each for each in graded if not isinstance(each, BaseException)]
    return list(zip(marks[::2], marks[1::2], strict=True)), folder
