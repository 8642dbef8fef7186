"""Stanford Alpaca (Taori et al. 2023): one request returns several complete tasks with input and output.

As published: a prompt shows 3 seed tasks and no generated task and asks to complete a set of 20. A last task that the
token limit truncated is dropped. A task needs no further request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from ..config.fields import PerGeneration
from ..config.options import StrategyOptions
from ..config.run_config import RunConfig
from ..config.sections import SamplingConfig
from ..core.prompts import Ask, Asking, Completion, Message, Prompt, Sampling
from ..core.records import Development, Example, Response
from ..core.tasks import Candidate, Demonstration, Material
from .few_shot import schema_of
from .reading.lines import Extract, without_nothing
from .reading.loose_json import as_text, read_fields
from .reading.text_blocks import TASK, read_blocks
from .wording import load_wording

PUBLISHED = {"propose": Sampling(temperature=1.0, top_p=1.0, max_tokens=3072)}
"""The published decoding parameters. The published stop sequence, the number after the last task, is added for the
completions endpoint only."""

PUBLISHED_TASKS = 20
"""Tasks of a set, including the demonstrations."""

SCHEMA = schema_of("tasks", "instruction", "input", "output")


class AlpacaOptions(StrategyOptions):
    """kind `alpaca`: one request for several complete tasks. Defaults as published."""

    kind: str = Field(default="alpaca", description="alpaca")
    seed_demos: PerGeneration[Annotated[int, Field(ge=1)]] = Field(
        default=3, description="Seed tasks shown in each request for new tasks."
    )
    machine_demos: PerGeneration[Annotated[int, Field(ge=0)]] = Field(
        default=0, description="Generated tasks shown in each request for new tasks."
    )
    tasks_per_question: PerGeneration[Annotated[int, Field(ge=1)] | None] = Field(
        default=None, description="New tasks per request; null: 20 minus the tasks shown."
    )
    propose: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of requests for new tasks."
    )


class Alpaca:
    """One request for up to `tasks_per_question` complete tasks."""

    Options = AlpacaOptions
    name = "alpaca"
    purposes = ("propose",)
    task_tokens = 90  # with input and output

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, PUBLISHED)
        self._asking = asking
        options = self.Options.of(config.strategy)
        self._sampling = options.propose
        self.digest = self._wording.digest
        self.seed_demos, self.machine_demos = options.seed_demos, options.machine_demos
        rest = PUBLISHED_TASKS - self.seed_demos - self.machine_demos
        self.tasks_per_question = options.tasks_per_question or max(rest, 1)

    def propose(self, material: Material) -> Prompt:
        """Return a prompt with the rules, which are the same for every question, then the demonstrations."""
        wording, demos = self._wording, material.demos
        completions = self._asking.propose == "completions"
        structured = self._asking.by_schema("propose")
        first = len(demos) + 1
        numbers = {
            "count": str(self.tasks_per_question),
            "first": str(first),
            "last": str(first + self.tasks_per_question - 1),
        }
        shown, published = self._show(demos, structured), PUBLISHED["propose"]
        steered = wording.steer(material.facets, self._asking.propose)
        # Completions: the text ends in '### 4\nInstruction:', and the model continues it. A model that only continues
        # text follows a short heading better than a page of rules.
        if completions:
            rules, user = (
                wording.rules("heading", "completions") + "\n",
                shown + steered + wording.fill("cue", **numbers),
            )
            published = replace(published, stop=(self._stop(first + self.tasks_per_question),))
        # Chat: the system message has the rules and the format of the response.
        else:
            rules = f"{wording.rules('rules', 'chat')}\n{wording['shape_json' if structured else 'shape_text']}\n"
            user = wording.fill("shown", demos=shown)
            user += wording.fill("ask_json" if structured else "ask_text", **numbers) + steered
        return Prompt(
            purpose="propose",
            messages=(Message("system", rules), Message("user", user)),
            sampling=self._sampling.over(published),
            endpoint=self._asking.propose,
            version=self.digest,
            schema=SCHEMA if structured else None,
            is_list=True,
        )

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the tasks of a response in order, then what is in none of them, as candidates with an `error`.

        A task without an output has output None. If the token limit truncated a plain-text response, the last task is
        marked `truncated`. Of truncated JSON, only closed tasks are read, and those are complete.
        """
        text = completion.text
        read: Extract[Any] = Extract()
        # The prompt for completions ended in '### 4\nInstruction:', so the text starts with the instruction itself.
        # Which number it was is unknown: 0.
        if self._asking.propose == "completions":
            text = self._wording.fill("cue", first="0") + text
        else:
            read = read_fields(text, "tasks", TASK, completion.truncated)
        if not read.items:
            read = read.or_else(read_blocks(text, TASK, self._wording.fields))
        inputs = without_nothing([task.get("input") or "" for task in read.items], self._wording["no_input"])
        tasks = [
            Candidate((task.get("instruction") or "").strip(), given, task.get("output"))
            for task, given in zip(read.items, inputs, strict=True)
        ]
        if completion.truncated and tasks and not read.closed:
            tasks[-1] = replace(tasks[-1], truncated=True)
        for task, fields in zip(tasks, read.items, strict=True):
            if not task.instruction and any(fields.values()):
                read.lose("left_out", as_text(fields))
        return [*(task for task in tasks if task.instruction), *(Candidate("", error=error) for error in read.lost)]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Return the example that came with the task; sends no request."""
        answer = Response(candidate.output or "", key=candidate.key)
        example = Example.of(candidate.instruction, candidate.input or "", answer)
        return Development((example,), truncated=candidate.truncated)

    def _show(self, demos: Sequence[Demonstration], structured: bool) -> str:
        """Write the demonstrations in the format of the response: one JSON object per line, or numbered blocks."""
        if structured:
            rows = [{"instruction": d.instruction, "input": d.input, "output": d.output} for d in demos]
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        # '### 1\nInstruction: ...\nInput: <none>\nOutput: ...\n'
        blocks = [
            self._wording.fill(
                "demo",
                number=str(number),
                instruction=demo.instruction,
                input=demo.input or self._wording["no_input"],
                output=demo.output,
            )
            for number, demo in enumerate(demos, 1)
        ]
        return "\n".join(blocks)

    def _stop(self, number: int) -> str:
        """Return the line that would open task `number`: '\\n### 21'."""
        cue = self._wording.fill("cue", first=str(number)).strip()
        return "\n" + cue.split("\n", 1)[0]
