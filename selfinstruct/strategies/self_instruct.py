"""Self-Instruct (Wang et al. 2022, arXiv 2212.10560), steps 1 to 3; step 4, its filters, is in `filters`.

1. New instructions from 8 demonstrations, 6 seeds and 2 machine-made ones once there are any.
2. Is the task a classification? Few-shot.
3. Its instances, few-shot: input first for generation; for classification the label first and then an
   input for it, which keeps the labels balanced.
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
from .reading import as_text, is_nothing, read_fields, read_json, read_list
from .wording import load_wording

PUBLISHED = {
    "propose": Sampling(0.7, 0.5, 2.0, 0.0, 1024, ("\n\n",)),
    "classify": Sampling(0.0, None, 0.0, 0.0, 3, ("\n", "Task:")),
    "instances": Sampling(0.0, None, 1.5, 0.0, 300, ("Task:",)),
}
"""The published decoding parameters. top_p is 0 there beside temperature 0: it changes nothing, and some
servers refuse it, so it is left out. The stops are sent to the completions endpoint only: a chat answer
may open with a sentence and a blank line."""


def _schema(name: str, *keys: str) -> dict[str, object]:
    item: dict[str, object] = {"type": "string"}
    if keys:
        properties = {key: {"type": "string"} for key in keys}
        item = {
            "type": "object",
            "properties": properties,
            "required": [*keys],
            "additionalProperties": False,
        }
    return {
        "title": name,
        "type": "object",
        "properties": {name: {"type": "array", "items": item}},
        "required": [name],
        "additionalProperties": False,
    }


class SelfInstruct:
    """Instructions first; then, for each that is admitted, two more questions."""

    name = "self_instruct"

    def __init__(self, config: RunConfig, asking: Asking) -> None:
        self._wording = load_wording(config, self.name, PUBLISHED)
        self._asking = asking
        self.digest = self._wording.digest
        self.seed_demos = 6 if config.seed_demos is None else config.seed_demos
        self.machine_demos = 2 if config.machine_demos is None else config.machine_demos
        self.tasks_per_question = config.tasks_per_question or 8
        self._max = config.max_instances
        self._sampling = {
            "propose": config.propose.over(_published("propose", asking.propose)),
            "classify": config.classify.over(_published("classify", asking.classify)),
            "instances": config.instances.over(_published("instances", asking.instances)),
        }

    def propose(self, demos: Sequence[Demonstration]) -> Prompt:
        """A numbered list of the demonstrations that the model continues."""
        completions = self._asking.propose == "completions"
        structured = self._asking.structured and not completions
        line = "propose_text_line" if completions else "propose_line"
        shown = "".join(
            self._wording.fill(line, number=str(number), instruction=_one_line(demo.instruction))
            for number, demo in enumerate(demos, 1)
        )
        first = len(demos) + 1
        if completions:
            user = shown + self._wording.fill("propose_text_cue", number=str(first))
        else:
            user = self._wording.fill(
                "propose_chat_json" if structured else "propose_chat_list",
                demos=shown,
                count=str(self.tasks_per_question),
                first=str(first),
                last=str(first + self.tasks_per_question - 1),
            )
        return Prompt(
            purpose="propose",
            messages=(
                Message("system", self._wording["propose_text" if completions else "propose_chat"]),
                Message("user", user),
            ),
            sampling=self._sampling["propose"],
            endpoint=self._asking.propose,
            demos=tuple(demo.id for demo in demos),
            version=self.digest,
            schema=_schema("instructions") if structured else None,
        )

    def parse(self, completion: Completion) -> list[Candidate]:
        """The listed instructions; the last one of an answer that the token limit cut is marked."""
        items = read_json(completion.text, "instructions") if self._asking.propose == "chat" else None
        if items is not None:
            texts = [as_text(item) for item in items if isinstance(item, str)]
            return [Candidate(text) for text in texts if text]
        texts = read_list(completion.text, continues=self._asking.propose == "completions")
        cut = len(texts) - 1 if completion.truncated else -1
        return [Candidate(text, truncated=number == cut) for number, text in enumerate(texts)]

    async def develop(self, candidate: Candidate, ask: Callable[[Prompt], Awaitable[Completion]]) -> Development:
        """Ask whether it is a classification, then for its instances. An error answer becomes `error`."""
        answer = await ask(self.classify(candidate.instruction))
        if answer.error:
            return Development((), error=answer.error)
        classification = self.is_classification(answer)
        answer = await ask(self.request_instances(candidate.instruction, classification))
        if answer.error:
            return Development((), classification, error=answer.error)
        instances = self.read_instances(answer, classification)
        return Development(tuple(instances), classification, answer.truncated)

    def classify(self, instruction: str) -> Prompt:
        """The few-shot question whether `instruction` is a classification task."""
        wording, completions = self._wording, self._asking.classify == "completions"
        rules = wording["classify"] + "\n"
        for example in wording.examples("classify_examples"):
            rules += wording.fill("classify_line", instruction=example["task"], answer=example["answer"])
        user = wording.fill(
            "classify_cue" if completions else "classify_chat",
            instruction=_one_line(instruction),
            yes=wording["yes"],
            no=wording["no"],
        )
        return Prompt(
            purpose="classify",
            messages=(Message("system", rules), Message("user", user)),
            sampling=self._sampling["classify"],
            endpoint=self._asking.classify,
            version=self.digest,
            top_logprobs=10 if completions else None,
        )

    def is_classification(self, completion: Completion) -> bool:
        """Read the answer: by the log-probabilities of yes and no where they came along, else by its first word."""
        yes, no = self._wording["yes"].lower(), self._wording["no"].lower()
        if completion.logprobs:
            best = {True: float("-inf"), False: float("-inf")}
            for token, value in completion.logprobs.items():
                word = token.strip().lower()
                for answer, name in ((True, yes), (False, no)):
                    if word and name.startswith(word):
                        best[answer] = max(best[answer], value)
            if best[True] != best[False]:
                return best[True] > best[False]
        return completion.text.strip().strip("*\"'“「").lower().startswith(yes)

    def request_instances(self, instruction: str, classification: bool) -> Prompt:
        """The question for instances: label first for a classification, input first otherwise."""
        if self._asking.direct and not classification:
            return self._direct(instruction)
        wording, completions = self._wording, self._asking.instances == "completions"
        structured = self._asking.structured and not completions
        kind = "classification" if classification else "generation"
        rules = wording.fill(kind, max=str(self._max)) + "\n"
        for example in wording.examples(f"{kind}_examples"):
            rules += wording.fill("task", instruction=example["task"])
            rules += self._show(example["examples"], classification) + "\n"
        instruction = instruction.strip()
        if structured:
            user = wording.fill(f"{kind}_json", instruction=instruction)
        else:
            user = wording.fill("task", instruction=_one_line(instruction) if completions else instruction)
        if completions:
            user += wording.fill("example", number="1") if classification else ""
        return Prompt(
            purpose="instances",
            messages=(Message("system", rules), Message("user", user)),
            sampling=self._sampling["instances"],
            endpoint=self._asking.instances,
            version=self.digest,
            schema=_INSTANCE_SCHEMAS[kind] if structured else None,
        )

    def read_instances(self, completion: Completion, classification: bool) -> list[Instance]:
        """The instances of an answer, at most `max_instances`; the last of a cut one is dropped by the filters."""
        if self._asking.direct and not classification:
            return [Instance("", completion.text.strip())]
        items = read_json(completion.text, "instances") if self._asking.instances == "chat" else None
        if items is not None:
            blocks = [
                {str(key): as_text(value) for key, value in item.items()} for item in items if isinstance(item, dict)
            ]
        elif classification:
            blocks = read_fields(completion.text, opener="label", closer="input")
        else:
            blocks = _generation_blocks(completion.text)
        answer = "label" if classification else "output"
        instances = []
        for block in blocks[: self._max]:
            given = block.get("input", "")
            instances.append(Instance("" if is_nothing(given) else given, block.get(answer, "")))
        return instances

    def _direct(self, instruction: str) -> Prompt:
        return Prompt(
            purpose="instances",
            messages=(Message("user", instruction.strip()),),
            sampling=self._sampling["instances"],
            endpoint="chat",
            version=self.digest,
        )

    def _show(self, examples: list[dict[str, str]], classification: bool) -> str:
        wording = self._wording
        text = ""
        for number, example in enumerate(examples, 1):
            if classification:
                text += wording.fill("example", number=str(number))
                text += wording.fill("label", label=example["label"])
                text += wording.fill("input", input=example["input"])
            elif example["input"]:
                text += wording.fill("example", number=str(number))
                text += wording.fill("input", input=example["input"])
                text += wording.fill("output", output=example["output"])
            else:
                text += wording.fill("output", output=example["output"])
        return text


_INSTANCE_SCHEMAS = {
    "generation": _schema("instances", "input", "output"),
    "classification": _schema("instances", "label", "input"),
}


def _published(purpose: str, endpoint: str) -> Sampling:
    sampling = PUBLISHED[purpose]
    if endpoint == "completions":
        return sampling
    return Sampling(
        sampling.temperature,
        sampling.top_p,
        sampling.presence_penalty,
        sampling.frequency_penalty,
        sampling.max_tokens,
    )


def _generation_blocks(text: str) -> list[dict[str, str]]:
    """Input-and-output blocks, or the one output of a task that needs no input."""
    blocks = [block for block in read_fields(text, opener="input") if "output" in block]
    return blocks or read_fields(text, opener="output")[:1]


def _one_line(instruction: str) -> str:
    return " ".join(instruction.split()).rstrip(":：")
