"""Stanford Alpaca (Taori et al. 2023): one question, and the answer carries tasks with input and output.

As published: 3 seed demonstrations and no machine-made task in the prompt, a set of 20 with them, a
last task that the token limit cut is dropped, nothing more is asked for a task.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated

from pydantic import Field

from ..config.fields import PerGeneration
from ..config.options import StrategyOptions
from ..config.run_config import RunConfig
from ..config.sections import SamplingConfig
from ..core.prompts import Asking, Completion, Message, Prompt, Sampling
from ..core.tasks import Candidate, Demonstration, Development, Instance
from .reading.lists import is_nothing, without_thoughts
from .reading.loose_json import fields_of, read_json
from .reading.text_blocks import TASK, read_blocks
from .wording import load_wording

PUBLISHED = {"propose": Sampling(temperature=1.0, top_p=1.0, max_tokens=3072)}
"""The published decoding parameters. The published stop, the number after the last task, is added over completions."""

PUBLISHED_TASKS = 20
"""Tasks of a set, the demonstrations counted in."""

SCHEMA = {
    "title": "tasks",
    "type": "object",
    "properties": {
        "tasks": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("instruction", "input", "output")},
                "required": ["instruction", "input", "output"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["tasks"],
    "additionalProperties": False,
}


_NEXT_TASK = re.compile(r"#{2,6}+[ \t]*+[0-9０-９]{0,4}+[ \t]*+$")


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

    def propose(self, demos: Sequence[Demonstration]) -> Prompt:
        """The rules first, the same for every question; then the demonstrations and what to add."""
        wording = self._wording
        completions = self._asking.propose == "completions"
        structured = self._asking.by_schema("propose")
        first = len(demos) + 1
        numbers = {
            "count": str(self.tasks_per_question),
            "first": str(first),
            "last": str(first + self.tasks_per_question - 1),
        }
        shown, published = self._show(demos, structured), PUBLISHED["propose"]
        if completions:  # a model that only continues text does better after a heading than after a page of rules
            rules, user = wording["heading"] + "\n", shown + wording.fill("cue", **numbers)
            published = replace(published, stop=(self._stop(first + self.tasks_per_question),))
        else:
            rules = f"{wording['rules']}\n{wording['shape_json' if structured else 'shape_text']}\n"
            user = wording.fill("shown", demos=shown)
            user += wording.fill("ask_json" if structured else "ask_text", **numbers)
        return Prompt(
            purpose="propose",
            messages=(Message("system", rules), Message("user", user)),
            sampling=self._sampling.over(published),
            endpoint=self._asking.propose,
            demos=tuple(demo.id for demo in demos),
            version=self.digest,
            schema=SCHEMA if structured else None,
        )

    def parse(self, completion: Completion) -> list[Candidate]:
        """The tasks of an answer, in order; what has no instruction is passed over.

        A task that lacks its output keeps output None. Where the token limit cut the answer, the last
        task is marked `truncated`; of JSON only the tasks that were closed are read, and they are whole.
        """
        text = without_thoughts(completion.text)
        found = self._from_json(text) if self._asking.propose == "chat" else []
        if not found:
            found = self._from_text(text)
            if completion.truncated and found:
                found[-1] = replace(found[-1], truncated=True)
        return [candidate for candidate in found if candidate.instruction]

    async def develop(self, candidate: Candidate, ask: Callable[[Prompt], Awaitable[Completion]]) -> Development:
        """The instance that came with the task; asks nothing."""
        instance = Instance(candidate.input or "", candidate.output or "")
        return Development((instance,), truncated=candidate.truncated, output_key=candidate.key)

    def _show(self, demos: Sequence[Demonstration], structured: bool) -> str:
        """The demonstrations in the shape that the answer shall have: JSON one a line, or numbered blocks."""
        if structured:
            rows = [{"instruction": d.instruction, "input": d.input, "output": d.output} for d in demos]
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
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
        """The line that would open task `number`."""
        cue = self._wording.fill("cue", first=str(number)).strip()
        return "\n" + cue.split("\n", 1)[0]

    def _from_json(self, text: str) -> list[Candidate]:
        items = [fields_of(item) for item in read_json(text, "tasks") or [] if isinstance(item, dict)]
        return [self._candidate(item) for item in items if item]

    def _from_text(self, text: str) -> list[Candidate]:
        if self._asking.propose == "completions":  # the prompt has opened the first task
            text = self._wording.fill("cue", first="1") + text
        blocks = read_blocks(text, TASK, self._wording.fields)
        return [self._candidate({name: _without_mark(value) for name, value in block.items()}) for block in blocks]

    def _candidate(self, fields: dict[str, str | None]) -> Candidate:
        given = fields.get("input") or ""
        if is_nothing(given) or given.strip() == self._wording["no_input"]:
            given = ""
        return Candidate((fields.get("instruction") or "").strip(), given, fields.get("output"))


def _without_mark(text: str | None) -> str | None:
    """A field without the next task's heading, which small models write on the same line."""
    mark = _NEXT_TASK.search(text, max(0, len(text) - 20)) if text else None
    return text[: mark.start()].rstrip() if text and mark else text
