"""Answers as the journal returns them, and the values that go with them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..core.prompts import Completion, Usage
from ..core.reasoning import begins_inside, split_reasoning


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered question.

    completion: what the teacher returned, with the reasoning separated from the text. demos, facets: what the question
    was made from, see `Prompt`. version: the hash of the prompt's wording. generation: the number of the generation
    that asked the question. teacher: the name of the teacher that answered. begins_inside: whether the text closed
    reasoning that it did not open, because the chat template opens it.
    """

    completion: Completion
    demos: tuple[str, ...]
    version: str
    generation: int = 1
    teacher: str = ""
    begins_inside: bool = False
    facets: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who answered a question, when, and at what cost.

    Attributes:
        teacher: The name of the teacher.
        asked_at: When the question was sent, in seconds of the epoch.
        latency_s: How long the answer took, in seconds.
        cost_usd: The cost in dollars; None if the price is unknown.
        requests: How many requests were sent for it, including retries.
        assumed: How many of them count with their worst case, because the teacher didn't say what they took.
    """

    teacher: str = ""
    asked_at: float = 0.0
    latency_s: float = 0.0
    cost_usd: float | None = None
    requests: int = 1
    assumed: int = 0


@dataclass(frozen=True, slots=True)
class Totals:
    """What a run has spent itself; answers copied from another run do not count.

    unpriced: the part that each teacher used while its price was unknown. assumed: how many of the requests count by
    assumption.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: Mapping[str, Usage] = field(default_factory=dict)
    assumed: int = 0


def read_material(stored: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return the ids of the demonstrations, and the facets, from the column `demos`."""
    values = json.loads(stored)
    facets = values.pop() if values and isinstance(values[-1], dict) else {}
    return tuple(values), facets


def answer_of(
    stored: Completion,
    material: tuple[tuple[str, ...], Mapping[str, str]],
    version: str,
    generation: int,
    teacher: str,
) -> Answer:
    """The answer as its readers get it: the row keeps the text as it came, with any reasoning in it."""
    demos, facets = material
    reasoning, text = split_reasoning(stored.text)
    if text == stored.text:
        return Answer(stored, demos, version, generation, teacher, facets=facets)
    every = "\n".join(part for part in (stored.reasoning, reasoning) if part)
    completion = replace(stored, text=text, reasoning=every)
    return Answer(completion, demos, version, generation, teacher, begins_inside(stored.text), facets)


def aside(key: str) -> str:
    """Return a key for a failed attempt at question `key`: its cost counts, but it is no answer to the question."""
    return f"failed:{time.time_ns()}:{key}"
