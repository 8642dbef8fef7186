"""The few-shot messages that precede the task in Self-Instruct's prompts, and the JSON schemas of its responses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..core.prompts import Message
from .wording import PromptWording


def schema_of(name: str, *keys: str) -> dict[str, object]:
    """Return the schema of {name: [...]}, a list of objects with the string fields `keys`, or of strings."""
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


INSTRUCTIONS = schema_of("instructions")
INSTANCES = {
    "generation": schema_of("instances", "input", "output"),
    "classification": schema_of("instances", "label", "input"),
}


def classify_prefix(wording: PromptWording, *, completions: bool) -> tuple[Message, ...]:
    """Return the rules and examples of step 2, as a single text for the completions endpoint."""
    examples = wording.examples("classify_examples")
    # 'Task: Say whether ...\nClassification: Yes\n\n' ...
    if completions:
        rules = wording["classify"] + "\n"
        for example in examples:
            rules += wording.fill("classify_line", instruction=example["task"], answer=example["answer"])
        return (Message("system", rules),)
    # Chat: one turn for each example, 'Task: Say whether ...\nClassification?' and 'Yes'.
    words = {"yes": wording["yes"], "no": wording["no"]}
    messages = [Message("system", wording["classify"] + wording.fill("classify_chat_rules", **words))]
    for example in examples:
        asked = wording.fill("classify_chat", instruction=example["task"])
        messages += [Message("user", asked + "\n"), Message("assistant", example["answer"] + "\n")]
    return tuple(messages)


def instances_prefix(wording: PromptWording, kind: str, most: int, *, structured: bool) -> tuple[Message, ...]:
    """Return the rules and examples of step 3.

    Args:
        wording: The prompt texts.
        kind: A key of `INSTANCES`.
        most: Upper limit for the instances of a task.
        structured: Whether to request JSON.
    """
    return tuple(_instances_prefix(wording, kind, most, structured))


def _instances_prefix(wording: PromptWording, kind: str, most: int, structured: bool) -> Iterator[Message]:
    yield Message("system", wording.fill(f"{kind}_json" if structured else kind, max=str(most)) + "\n")
    for example in wording.examples(f"{kind}_examples"):
        yield Message("user", wording.fill("task", instruction=example["task"]))
        yield Message("assistant", _render(wording, example["examples"], kind, structured) + "\n")


def _render(wording: PromptWording, examples: list[dict[str, str]], kind: str, structured: bool) -> str:
    """Write examples in the format of the response, with the label first for a classification.

    Args:
        wording: The prompt texts.
        examples: The fields of each example.
        kind: A key of `INSTANCES`.
        structured: Whether to write JSON.
    """
    order = ("label", "input") if kind == "classification" else ("input", "output")
    if structured:
        rows: list[dict[str, Any]] = [{name: example[name] for name in order} for example in examples]
        return json.dumps({"instances": rows}, ensure_ascii=False) + "\n"
    text = ""
    for number, example in enumerate(examples, 1):
        # A task without an input has an output only: 'Output: ...', without 'Example 1'.
        if kind == "generation" and not example["input"]:
            text += wording.fill("output", output=example["output"])
            continue
        text += wording.fill("example", number=str(number))
        for name in order:
            text += wording.fill(name, **{name: example[name] or wording["no_input"]})
    return text
