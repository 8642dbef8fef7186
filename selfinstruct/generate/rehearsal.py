"""Develops a task with the fake teacher, to see what a strategy and the section `answers` ask.

`check` and `preview` use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.event_loop import run_to_end
from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate
from ..strategies.protocol import Strategy, developed
from ..teachers.fake.teacher import FakeTeacher
from .assembly import Assembly
from .respond import Responder


@dataclass
class Rehearsal:
    """What developing a task has sent: each prompt, with the tokens of the fake answer.

    kept: whether an example is left.
    """

    sent: list[tuple[Prompt, int]] = field(default_factory=list)
    kept: bool = False


def sample_tasks(parts: Assembly, count: int) -> dict[str, Candidate]:
    """Return tasks to rehearse, by a name: the first seed tasks, or without seeds what the fake teacher proposes."""
    if parts.seeds:
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
    rehearsal, teacher = Rehearsal(), FakeTeacher()

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        prompt = replace(prompt, sample=sample, purpose=role or prompt.purpose)
        completion = await teacher.complete(prompt)
        rehearsal.sent.append((prompt, completion.usage.completion_tokens))
        return completion

    async def develop() -> None:
        development = await developed(strategy, candidate, ask)
        if development.error is None:
            settled = await responder.settle(candidate, development.examples, development.truncated, place, ask)
            rehearsal.kept = bool(settled.kept)

    run_to_end(develop())
    return rehearsal
