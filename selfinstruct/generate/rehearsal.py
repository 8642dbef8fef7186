"""Develops a task with the fake teacher, to see what a strategy and the section `answers` ask.

`check` and `preview` use it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from ..core.event_loop import run_to_end
from ..core.programs import Program, Ran
from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate
from ..sandbox import run_program
from ..strategies.protocol import Strategy, developed, source_of
from ..teachers.fake.teacher import FakeTeacher
from .assembly import Assembly
from .respond import Responder


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
