"""Self-Instruct (Wang et al. 2022, arXiv 2212.10560), steps 1 to 3; step 4, filtering, is in `filters`.

1. Request new instructions, showing 8 demonstrations: 6 seeds and, once there are any, 2 generated tasks.
2. Ask whether an instruction is a classification task (few-shot).
3. Request instances (few-shot): input first for generation; for classification the label first and then an input for
   that label, which keeps the labels balanced.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from ..config.fields import PerGeneration
from ..config.options import StrategyOptions
from ..config.run_config import RunConfig
from ..config.sections import SamplingConfig
from ..core.prompts import Ask, Asking, Completion, Endpoint, Message, Prompt, Sampling, with_rule
from ..core.records import Development, Example, Response
from ..core.tasks import Candidate, Material
from .few_shot import INSTANCES, INSTRUCTIONS, classify_prefix, instances_prefix
from .protocol import PreviewPrompt
from .reading.lines import Extract, without_nothing
from .reading.lists import clean_item, read_list, without_numbers
from .reading.loose_json import read_fields
from .reading.text_blocks import EXAMPLE, LABEL_FIRST, read_blocks, read_examples
from .reading.yes_no import answers_yes
from .wording import load_wording

PUBLISHED = {
    "propose": Sampling(0.7, 0.5, 2.0, 0.0, 1024),
    "classify": Sampling(0.0, None, 0.0, 0.0, 3),
    "instances": Sampling(0.0, None, 1.5, 0.0, 300),
}
"""The published decoding parameters, without the published top_p of 0: at temperature 0 it has no effect, and some
servers reject it. The published stop sequences are added for the completions endpoint only, in the prompt's language;
a chat response may start with a sentence and a blank line."""


class SelfInstructOptions(StrategyOptions):
    """kind `self_instruct`: instructions first, then two requests per admitted task. Defaults as published."""

    kind: str = Field(default="self_instruct", description="self_instruct")
    seed_demos: PerGeneration[Annotated[int, Field(ge=1)]] = Field(
        default=6, description="Seed tasks shown in each request for new tasks."
    )
    machine_demos: PerGeneration[Annotated[int, Field(ge=0)]] = Field(
        default=2, description="Generated tasks shown in each request for new tasks."
    )
    tasks_per_question: PerGeneration[Annotated[int, Field(ge=1)]] = Field(
        default=8, description="New tasks per request."
    )
    max_instances: PerGeneration[Annotated[int, Field(ge=1)]] = Field(default=5, description="Instances per task.")
    propose: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of requests for new tasks."
    )
    classify: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of 'is it a classification?'."
    )
    instances: PerGeneration[SamplingConfig] = Field(
        default=SamplingConfig(), description="Sampling of requests for instances."
    )


class SelfInstruct:
    """Request instructions first, then send two more requests for each admitted instruction."""

    Options = SelfInstructOptions
    name = "self_instruct"
    purposes = ("propose", "classify", "instances")
    task_tokens = 20  # the instruction alone

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, PUBLISHED)
        self._options = options = self.Options.of(config.strategy)
        self._asking = asking
        self.digest = self._wording.digest
        self.seed_demos, self.machine_demos = options.seed_demos, options.machine_demos
        self.tasks_per_question = options.tasks_per_question
        self._max = options.max_instances

    # --- step 1 -------------------------------------------------------------------------------

    def propose(self, material: Material) -> Prompt:
        """Return a prompt with a numbered list of the demonstrations, which the model continues."""
        wording, completions = self._wording, self._asking.propose == "completions"
        structured, demos = self._asking.by_schema("propose"), material.demos
        # 'Task 1: Plan a trip\n' for completions, '1. Plan a trip\n' for chat.
        line = "propose_text_line" if completions else "propose_line"
        shown = "".join(
            wording.fill(line, number=str(number), instruction=_one_line(demo.instruction))
            for number, demo in enumerate(demos, 1)
        )
        # Completions: the text ends in 'Task 9:', and the model continues it. Chat: 'numbered from 9 to 16'.
        first, count = len(demos) + 1, self.tasks_per_question
        steered = wording.steer(material.facets, self._asking.propose)
        if completions:
            user = shown + steered + wording.fill("propose_text_cue", number=str(first))
        else:
            user = wording.fill(
                "propose_chat_json" if structured else "propose_chat_list",
                demos=shown,
                count=str(count),
                first=str(first),
                last=str(first + count - 1),
            )
            user += steered
        # Stop at 'Task 17:', the number after the last requested task.
        past_last = wording.fill("propose_text_cue", number=str(first + count)).strip()
        return Prompt(
            purpose="propose",
            messages=(
                Message(
                    "system", wording.rules("propose_text" if completions else "propose_chat", self._asking.propose)
                ),
                Message("user", user),
            ),
            sampling=self._sampling("propose", self._asking.propose, "\n\n", f"\n{past_last}"),
            endpoint=self._asking.propose,
            version=self.digest,
            schema=INSTRUCTIONS if structured else None,
            is_list=True,
        )

    def parse(self, completion: Completion, material: Material) -> list[Candidate]:
        """Return the listed instructions, then what is in none of them, as candidates with an `error`.

        If the token limit truncated a list, the last instruction is marked `truncated`. Of truncated JSON, only closed
        items are read, and those are complete.
        """
        completions = self._asking.propose == "completions"
        read: Extract[Any] = Extract()
        # {"instructions": ["1. Plan a trip", {"instruction": "Write ..."}]}: text or objects, numbered or not.
        if not completions:
            read = read_fields(completion.text, "instructions", ("instruction",), completion.truncated, texts=True)
        items = [clean_item(item) for item in without_numbers([fields["instruction"] for fields in read.items])]
        # '9. Plan a trip\n10. Write ...'
        if not items:
            read = read.or_else(read_list(completion.text, continues=completions))
            items = read.items
        found = [Candidate(item) for item in items if item]
        if completion.truncated and found and not read.closed:
            found[-1] = replace(found[-1], truncated=True)
        return found + [Candidate("", error=error) for error in read.lost]

    async def develop(self, candidate: Candidate, ask: Ask) -> Development:
        """Ask whether the task is a classification, then request instances. A failed response becomes `error`."""
        answer = await ask(self.classify(candidate.instruction))
        if answer.error:
            return Development((), error=answer.error)
        classification = self.is_classification(answer)
        answer = await ask(self.request_instances(candidate.instruction, classification))
        if answer.error:
            return Development((), error=answer.error)
        return self.read_instances(answer, candidate.instruction, classification)

    def preview(self, instruction: str) -> list[PreviewPrompt]:
        """Return every prompt that `develop` may send for `instruction`."""
        return [
            PreviewPrompt("classification", self.classify(instruction), answer_tokens=2),
            PreviewPrompt("instances, generation", self.request_instances(instruction, False), answer_tokens=150),
            PreviewPrompt("instances, classification", self.request_instances(instruction, True), answer_tokens=150),
        ]

    # --- step 2 -------------------------------------------------------------------------------

    def classify(self, instruction: str) -> Prompt:
        """Return the few-shot prompt that asks whether `instruction` is a classification task."""
        completions = self._asking.classify == "completions"
        cue = "classify_cue" if completions else "classify_chat"
        asked = Message("user", self._wording.fill(cue, instruction=_one_line(instruction)))
        return Prompt(
            purpose="classify",
            messages=(*self._classify_prefix, asked),
            sampling=self._classify_sampling,
            endpoint=self._asking.classify,
            version=self.digest,
            top_logprobs=10 if completions else None,
        )

    @cached_property
    def _classify_prefix(self) -> tuple[Message, ...]:
        return classify_prefix(self._wording, completions=self._asking.classify == "completions")

    @cached_property
    def _classify_sampling(self) -> Sampling:
        return self._sampling("classify", self._asking.classify, "\n", self._wording.before("classify_cue"))

    def is_classification(self, completion: Completion) -> bool:
        """Return whether a response says yes. Anything else counts as no, because input-first works for any task."""
        return answers_yes(completion, self._wording["yes"], self._wording["no"])

    # --- step 3 -------------------------------------------------------------------------------

    def request_instances(self, instruction: str, classification: bool) -> Prompt:
        """Return the prompt for instances: label first for a classification, input first otherwise."""
        # The teacher wants the instruction itself as a chat message: the response is the output.
        if self._asking.direct and not classification:
            return self._direct_prompt(instruction)
        wording, completions = self._wording, self._asking.instances == "completions"
        kind = "classification" if classification else "generation"
        user = wording.fill("task", instruction=_one_line(instruction) if completions else instruction.strip())
        # Open 'Example 1', so that the model continues with a label rather than with an output.
        if completions and classification:
            user += wording.fill("example", number="1")
        return Prompt(
            purpose="instances",
            messages=(*self._instances_prefix[kind], Message("user", user)),
            sampling=self._instances_sampling,
            endpoint=self._asking.instances,
            version=self.digest,
            schema=INSTANCES[kind] if self._asking.by_schema("instances") else None,
        )

    @cached_property
    def _instances_prefix(self) -> dict[str, tuple[Message, ...]]:
        structured = self._asking.by_schema("instances")
        return {kind: instances_prefix(self._wording, kind, self._max, structured=structured) for kind in INSTANCES}

    @cached_property
    def _instances_sampling(self) -> Sampling:
        return self._sampling("instances", self._asking.instances, self._wording.before("task"))

    def read_instances(self, completion: Completion, instruction: str, classification: bool) -> Development:
        """Return the instances of a response as examples of `instruction`, at most `max_instances`.

        The result is `truncated` if the token limit cut the last instance. Of truncated JSON, only closed instances
        are read.
        """
        text, labels = completion.text, {"is_classification": classification}
        # A direct response is the output itself.
        if self._asking.direct and not classification:
            answer = Response(text.strip(), key=completion.key, reasoning=completion.reasoning)
            return Development((Example.of(instruction, "", answer),), labels, completion.truncated)
        # {"instances": [{"input": "...", "output": "..."}]}
        names = LABEL_FIRST if classification else EXAMPLE
        read: Extract[Any] = Extract()
        if self._asking.instances == "chat":
            read = read_fields(text, "instances", names, completion.truncated)
        # 'Input: ...\nOutput: ...'. Text that ran on into another task, or into instances above the limit, was cut
        # after the last instance that counts.
        truncated = False
        if not read.items:
            text, ran_on = self._own_part(text)
            read = read.or_else(self._blocks(text, classification))
            truncated = completion.truncated and not ran_on and len(read.items) <= self._max
        if len(read.items) > self._max:
            read.lose("too_many_instances", f"{len(read.items) - self._max:,} beyond the {self._max} requested")
        inputs = without_nothing([block.get("input") or "" for block in read.items], self._wording["no_input"])
        outputs = [block.get("label" if classification else "output") or "" for block in read.items]
        if classification:
            outputs = ["" if label.strip() == self._wording["no_input"] else label for label in outputs]
        examples = tuple(
            Example.of(instruction, given, Response(output, key=completion.key))
            for given, output in zip(inputs[: self._max], outputs, strict=False)
        )
        return Development(examples, labels, truncated, lost=tuple(read.lost))

    def _own_part(self, text: str) -> tuple[str, bool]:
        """Cut a continuation where the next task begins, because not every server honors the published stop sequence.

        Returns:
            The text before the next task, and whether there was one.
        """
        opening = self._wording.before("task")
        if self._asking.instances == "chat" or not opening:
            return text, False
        own, mark, _ = text.partition("\n" + opening)
        return own, bool(mark)

    def _blocks(self, text: str, classification: bool) -> Extract[dict[str, str]]:
        if not classification:
            return read_examples(text, self._wording.fields)
        # The prompt ended in 'Example 1', so the text starts with the label.
        if self._asking.instances == "completions":
            opening, text = self._wording.fill("example", number="1"), text.lstrip("\n")
            text = text if text.startswith(opening.strip()) else opening + text
        return read_blocks(text, LABEL_FIRST, self._wording.fields)

    def _direct_prompt(self, instruction: str) -> Prompt:
        return Prompt(
            purpose="instances",
            messages=with_rule((Message("user", instruction.strip()),), self._wording.answer_rule),
            sampling=self._sampling("instances", "chat"),
            endpoint="chat",
            version=self.digest,
        )

    def _sampling(self, purpose: str, endpoint: Endpoint, *stops: str) -> Sampling:
        """Return the published parameters, overridden by the configuration.

        Args:
            purpose: A key of `PUBLISHED`.
            endpoint: The endpoint of the prompt.
            stops: Stop sequences, used for the completions endpoint only. A blank one is left out.
        """
        published = PUBLISHED[purpose]
        if endpoint == "completions":
            published = replace(published, stop=tuple(stop for stop in stops if stop.strip() or "\n" in stop))
        options = self._options
        configured = {"propose": options.propose, "classify": options.classify, "instances": options.instances}
        return configured[purpose].over(published)


def _one_line(instruction: str) -> str:
    """Remove line breaks and, as published, a colon at the end, after which a model would write an input."""
    return " ".join(instruction.split()).rstrip(":：")
