"""Develops a task with the fake teacher, to see what a strategy and the section `answers` ask.

`check` and `preview` use it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.event_loop import run_to_end
from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate, SeedTask
from ..strategies.protocol import Strategy, developed
from ..teachers.fake.teacher import FakeTeacher
from .respond import Responder


@dataclass
class Rehearsal:
    """What developing a task has sent: each prompt, with the tokens of the fake answer.

    kept: whether an example is left.
    """

    sent: list[tuple[Prompt, int]] = field(default_factory=list)
    kept: bool = False


def rehearse(strategy: Strategy, seed: SeedTask, responder: Responder) -> Rehearsal:
    """Develop a seed task with the fake teacher. Sends nothing.

    Raises what the strategy raises: a defect of the caller's code shows here, before a run.
    """
    rehearsal, teacher = Rehearsal(), FakeTeacher()

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        prompt = replace(prompt, sample=sample, purpose=role or prompt.purpose)
        completion = await teacher.complete(prompt)
        rehearsal.sent.append((prompt, completion.usage.completion_tokens))
        return completion

    async def develop() -> None:
        first = seed.instances[0]
        candidate = Candidate(seed.instruction, first.input, first.output)
        development = await developed(strategy, candidate, ask)
        if development.error is None:
            settled = await responder.settle(candidate, development.examples, development.truncated, seed.id, ask)
            rehearsal.kept = bool(settled.kept)

    run_to_end(develop())
    return rehearsal
