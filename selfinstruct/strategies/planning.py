"""After CoT-Self-Instruct (Yu et al. 2025, arXiv 2507.23751): analyze the demonstrations, plan, then write the task.

A request brings one task, of which only what follows the last mark counts; the analysis stays in the journal. The
answer comes by a request of its own, as for the paper's instructions without a verifiable answer. To keep only tasks
whose sampled answers are good, as the paper does, use the sections `answers` and `judge`.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..config.fields import PerGeneration
from ..config.run_config import RunConfig
from ..core.prompts import Ask, Asking, Completion, Prompt
from ..core.records import Development
from ..core.tasks import Candidate, Material
from .one_task import DEFAULTS, OneTaskOptions, prompt_for_answer, prompt_for_task, tasks_after, with_answer
from .protocol import PreviewPrompt
from .wording import load_wording


class PlanOptions(OneTaskOptions):
    """kind `plan`: analyze the shown tasks, plan a new one, then write it."""

    kind: str = Field(default="plan", description="plan")
    seed_demos: PerGeneration[Annotated[int, Field(ge=1)]] = Field(
        default=3, description="Seed tasks shown in each request for a new task."
    )
    machine_demos: PerGeneration[Annotated[int, Field(ge=0)]] = Field(
        default=0, description="Generated tasks shown in each request for a new task."
    )


class Plan:
    """One request for a task with its analysis and plan, and one for the answer."""

    Options = PlanOptions
    name = "plan"
    purposes = ("propose", "answer")
    for_strong_teachers = True
    task_tokens = 300  # with the analysis and the plan
    tasks_per_question = 1

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, DEFAULTS)
        self._asking, self._options = asking, self.Options.of(config.strategy)
        self.digest = self._wording.digest
        self.seed_demos, self.machine_demos = self._options.seed_demos, self._options.machine_demos

    def propose(self, material: Material) -> Prompt:
        """Return a prompt with the rules, then the demonstrations."""
        texts = ["\n\n".join(filter(None, (demo.instruction, demo.input))) for demo in material.demos]
        shown = "".join(self._wording.fill("demo", instruction=text) for text in texts)
        shown = self._wording.steer(material.facets, self._asking.propose) + self._wording.fill("shown", demos=shown)
        return prompt_for_task(self._wording, self._asking, shown, self._options.propose)

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the task below the last mark, or nothing without a mark."""
        _, *tasks = tasks_after(self._wording["mark"], completion.text)
        return [Candidate(task, truncated=completion.truncated) for task in tasks[-1:]]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Ask for the answer."""
        return with_answer(candidate, await ask(self._answer(candidate.instruction)))

    def preview(self, instruction: str) -> list[PreviewPrompt]:
        """Return the prompt that `develop` sends."""
        return [PreviewPrompt("answer", self._answer(instruction), answer_tokens=300)]

    def _answer(self, task: str) -> Prompt:
        return prompt_for_answer(self._wording, self._asking, task, self._options.answer)
