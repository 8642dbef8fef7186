"""`preview` returns the prompts that a run would send first; rehearsals show what develops a task.

A rehearsal develops a task with the fake teacher, to see what a strategy and the section `answers` ask. `check` uses
it, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..config.run_config import RunConfig
from ..core.event_loop import run_to_end
from ..core.programs import Program, Ran
from ..core.prompts import Asking, Completion, Prompt
from ..core.tasks import Candidate
from ..filters import AnswerCheck, Filter
from ..sandbox import run_program
from ..strategies.protocol import Strategy, developed, preview_prompts, source_of
from ..teachers.fake.teacher import FakeTeacher
from .assembly import Assembly, assemble
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


@dataclass
class Rehearsal:
    """An `Ask` with the fake teacher, and what it was asked: each prompt, with the tokens of the fake answer.

    kept: whether an example is left.
    """

    sent: list[tuple[Prompt, int]] = field(default_factory=list)
    kept: bool = False

    async def __call__(self, prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        """Return the fake teacher's answer."""
        prompt = replace(prompt, sample=sample, purpose=role or prompt.purpose)
        completion = await FakeTeacher().complete(prompt)
        self.sent.append((prompt, completion.usage.completion_tokens))
        return completion

    async def run(self, program: Program) -> Ran:
        """Run a program in the sandbox."""
        return await asyncio.to_thread(run_program, program)


def sample_tasks(parts: Assembly, count: int) -> dict[str, Candidate]:
    """Return tasks to rehearse, by a name: the first seed tasks, or what the fake teacher proposes if none is shown."""
    if parts.seeds and source_of(parts.strategy) in ("demonstrations", "parents"):
        firsts = [(seed, seed.instances[0]) for seed in parts.seeds[:count]]
        return {seed.id: Candidate(seed.instruction, first.input, first.output) for seed, first in firsts}
    found = dict[str, Candidate]()
    strategy, teacher = parts.strategy, FakeTeacher()
    for number, material in enumerate(parts.first_materials(count)):
        completion = run_to_end(teacher.complete(strategy.propose(material)))
        tasks = [each for each in strategy.parse(completion, material) if each.error is None]
        found |= {f"{number}:{index}": replace(each, material=material) for index, each in enumerate(tasks)}
    return found


def rehearse(strategy: Strategy, candidate: Candidate, place: str, responder: Responder) -> Rehearsal:
    """Develop a task with the fake teacher. Sends nothing. place: as in `Responder.settle`.

    Raises what the strategy raises: a defect of the caller's code shows here, before a run.
    """
    rehearsal = Rehearsal()

    async def develop() -> None:
        development = await developed(strategy, candidate, rehearsal)
        if development.error is None:
            settled = await responder.settle(candidate, development.examples, development.truncated, place, rehearsal)
            rehearsal.kept = bool(settled.kept)

    run_to_end(develop())
    return rehearsal
