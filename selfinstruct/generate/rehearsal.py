"""Develops a task with the fake teacher, to see what a strategy asks. `check` and `preview` use it."""

from __future__ import annotations

from ..core.event_loop import run_to_end
from ..core.prompts import Completion, Prompt
from ..core.tasks import Candidate, SeedTask
from ..strategies.protocol import Strategy, developed
from ..teachers.fake.teacher import FakeTeacher


def rehearse(strategy: Strategy, seed: SeedTask) -> list[tuple[Prompt, int]]:
    """Return each prompt that develops a seed task, with the tokens of the fake answer. Sends nothing.

    Raises what the strategy raises: a defect of the caller's code shows here, before a run.
    """
    sent: list[tuple[Prompt, int]] = []
    teacher = FakeTeacher()

    async def ask(prompt: Prompt) -> Completion:
        completion = await teacher.complete(prompt)
        sent.append((prompt, completion.usage.completion_tokens))
        return completion

    async def develop() -> None:
        first = seed.instances[0]
        await developed(strategy, Candidate(seed.instruction, first.input, first.output), ask)

    run_to_end(develop())
    return sent
