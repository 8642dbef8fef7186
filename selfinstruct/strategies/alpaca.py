"""Stanford Alpaca (Taori et al. 2023): one question, and the answer carries tasks with input and output.

As published: 3 seed demonstrations and no machine-made task in the prompt, up to 20 tasks an
answer, a last task that the token limit cut is dropped, nothing more is asked for a task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..config import RunConfig
from ..schema import (
    Asking,
    Candidate,
    Completion,
    Demonstration,
    Development,
    Instance,
    Message,
    Prompt,
    Sampling,
)
from .reading import as_text, is_nothing, read_fields, read_json
from .wording import load_wording

PUBLISHED = {"propose": Sampling(temperature=1.0, top_p=1.0, max_tokens=3072)}
"""The published decoding parameters. The published stop, the number after the last task, is added over completions."""

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


class Alpaca:
    """One question for up to `tasks_per_question` whole tasks."""

    name = "alpaca"

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, PUBLISHED)
        self._asking = asking
        self.digest = self._wording.digest
        self.seed_demos = 3 if config.seed_demos is None else config.seed_demos
        self.machine_demos = 0 if config.machine_demos is None else config.machine_demos
        self.tasks_per_question = config.tasks_per_question or 20
        published = PUBLISHED["propose"]
        if asking.propose == "completions":
            last = self.seed_demos + self.machine_demos + self.tasks_per_question
            published = Sampling(temperature=1.0, top_p=1.0, max_tokens=3072, stop=(f"\n### {last + 1}",))
        self._sampling = config.propose.over(published)

    @property
    def _json(self) -> bool:
        return self._asking.structured and self._asking.propose == "chat"

    def propose(self, demos: Sequence[Demonstration]) -> Prompt:
        """The rules first, then the demonstrations as numbered blocks, then what to add."""
        wording = self._wording
        blocks = [
            wording.fill(
                "demo",
                number=str(number),
                instruction=demo.instruction,
                input=demo.input or wording["no_input"],
                output=demo.output,
            )
            for number, demo in enumerate(demos, 1)
        ]
        first = len(demos) + 1
        numbers = {
            "count": str(self.tasks_per_question),
            "first": str(first),
            "last": str(first + self.tasks_per_question - 1),
        }
        user = wording.fill("shown", demos="\n".join(blocks))
        user += wording.fill("ask_json" if self._json else "ask_text", **numbers)
        if self._asking.propose == "completions":
            user += wording.fill("cue", **numbers)
        rules = wording["json" if self._json else "text"]
        return Prompt(
            purpose="propose",
            messages=(Message("system", rules + "\n"), Message("user", user)),
            sampling=self._sampling,
            endpoint=self._asking.propose,
            demos=tuple(demo.id for demo in demos),
            version=self.digest,
            schema=SCHEMA if self._json else None,
        )

    def parse(self, completion: Completion) -> list[Candidate]:
        """The tasks of an answer. One that lacks its output keeps output None; the last of a cut answer is marked."""
        found = _from_json(completion.text)
        if found is None:
            text = completion.text
            if self._asking.propose == "completions":
                text = "Instruction:" + text
            found = [
                Candidate(
                    block.get("instruction", ""),
                    "" if is_nothing(block.get("input", "")) else block["input"],
                    block.get("output"),
                )
                for block in read_fields(text)
            ]
        elif completion.truncated:
            return found  # only the items that were closed were read
        if completion.truncated and found:
            last = found[-1]
            found[-1] = Candidate(last.instruction, last.input, last.output, truncated=True)
        return [candidate for candidate in found if candidate.instruction]

    async def develop(self, candidate: Candidate, ask: Callable[[Prompt], Awaitable[Completion]]) -> Development:
        """The instance that came with the task; asks nothing."""
        instance = Instance(candidate.input or "", candidate.output or "")
        return Development((instance,), truncated=candidate.truncated)


def _from_json(text: str) -> list[Candidate] | None:
    items = read_json(text, "tasks")
    if items is None:
        return None
    found = []
    for item in items:
        if not isinstance(item, dict):
            continue
        given, output = as_text(item.get("input")), item.get("output")
        found.append(
            Candidate(
                as_text(item.get("instruction")),
                "" if is_nothing(given) else given,
                None if output is None else as_text(output),
            )
        )
    return found
