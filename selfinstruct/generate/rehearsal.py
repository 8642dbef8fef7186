"""Develops a task with the fake teacher, to see what a strategy and the section `answers` ask.

`check` and `preview` use it.
"""

from __future__ import annotations

from dataclasses import replace

from ..core.event_loop import run_to_end
from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate, SeedTask
from ..strategies.protocol import Strategy, developed
from ..teachers.fake.teacher import FakeTeacher
from .respond import Responder


def rehearse(strategy: Strategy, seed: SeedTask, responder: Responder) -> list[tuple[Prompt, int]]:
    """Return each prompt that develops a seed task, with the tokens of the fake answer. Sends nothing.

    Raises what the strategy raises: a defect of the caller's code shows here, before a run.
    """
    sent: list[tuple[Prompt, int]] = []
    teacher = FakeTeacher()

    async def ask(prompt: Prompt, sample: int = 0, role: str | None = None) -> Completion:
        prompt = replace(prompt, sample=sample, purpose=role or prompt.purpose)
        completion = await teacher.complete(prompt)
        sent.append((prompt, completion.usage.completion_tokens))
        return completion

    async def develop() -> None:
        first = seed.instances[0]
        candidate = Candidate(seed.instruction, first.input, first.output)
        development = await developed(strategy, candidate, ask)
        if development.error is None:
            await responder.settle(candidate, development.examples, development.truncated, seed.id, ask)

    run_to_end(develop())
    return sent
