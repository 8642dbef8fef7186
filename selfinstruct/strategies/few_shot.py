"""What Self-Instruct's questions have in common: the messages before the task, and the shapes of the answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..core.prompts import Message
from .wording import Wording


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


INSTRUCTIONS = _schema("instructions")
INSTANCES = {
    "generation": _schema("instances", "input", "output"),
    "classification": _schema("instances", "label", "input"),
}


def before_classify(wording: Wording, *, completions: bool) -> tuple[Message, ...]:
    """The rules and the examples of step 2; as one text over the completions endpoint."""
    examples = wording.examples("classify_examples")
    if completions:
        rules = wording["classify"] + "\n"
        for example in examples:
            rules += wording.fill("classify_line", instruction=example["task"], answer=example["answer"])
        return (Message("system", rules),)
    words = {"yes": wording["yes"], "no": wording["no"]}
    messages = [Message("system", wording["classify"] + wording.fill("classify_chat_rules", **words))]
    for example in examples:
        asked = wording.fill("classify_chat", instruction=example["task"])
        messages += [Message("user", asked + "\n"), Message("assistant", example["answer"] + "\n")]
    return tuple(messages)


def before_instances(wording: Wording, kind: str, most: int, *, structured: bool) -> tuple[Message, ...]:
    """The rules and the examples of step 3. kind: a key of INSTANCES. structured: the answer is to be JSON."""
    return tuple(_before_instances(wording, kind, most, structured))


def _before_instances(wording: Wording, kind: str, most: int, structured: bool) -> Iterator[Message]:
    yield Message("system", wording.fill(f"{kind}_json" if structured else kind, max=str(most)) + "\n")
    for example in wording.examples(f"{kind}_examples"):
        yield Message("user", wording.fill("task", instruction=example["task"]))
        yield Message("assistant", _render(wording, example["examples"], kind, structured) + "\n")


def _render(wording: Wording, examples: list[dict[str, str]], kind: str, structured: bool) -> str:
    """Examples in the shape that the answer shall have: the label first for a classification."""
    order = ("label", "input") if kind == "classification" else ("input", "output")
    if structured:
        rows: list[dict[str, Any]] = [{name: example[name] for name in order} for example in examples]
        return json.dumps({"instances": rows}, ensure_ascii=False) + "\n"
    text = ""
    for number, example in enumerate(examples, 1):
        if kind == "generation" and not example["input"]:
            text += wording.fill("output", output=example["output"])
            continue
        text += wording.fill("example", number=str(number))
        for name in order:
            text += wording.fill(name, **{name: example[name] or wording["no_input"]})
    return text
