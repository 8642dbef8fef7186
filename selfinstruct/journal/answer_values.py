"""Answers as the journal returns them, and the values that go with them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..core.prompts import Completion, MadeOf, Usage
from ..core.reasoning import begins_inside, split_reasoning


@dataclass(frozen=True, slots=True)
class Answer:
    """An answered question.

    completion: what the teacher returned, with the reasoning separated from the text. made_of: what the question was
    made from. version: the hash of the prompt's wording. generation: the number of the generation
    that asked the question. teacher: the name of the teacher that answered. begins_inside: whether the text closed
    reasoning that it did not open, because the chat template opens it.
    """

    completion: Completion
    made_of: MadeOf
    version: str
    generation: int = 1
    teacher: str = ""
    begins_inside: bool = False


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


def written(made_of: MadeOf) -> str:
    """Return what the column `demos` holds: the ids of the demonstrations, then objects with the rest, if there is any.

    ["seed_1", "ab12-0-3", {"topic": "law"}, {"passages": ["guide.md:120-980"], "unit": "steps:130-560"}]
    """
    about = {name: value for name in ("passages", "unit") if (value := getattr(made_of, name))}
    facets = dict(made_of.facets)
    return json.dumps([*made_of.demos, *([facets] if facets or about else []), *([about] if about else [])])


def read_back(stored: str) -> MadeOf:
    """Return what `written` wrote."""
    values = json.loads(stored)
    demos = tuple(each for each in values if isinstance(each, str))
    facets, about = [*values[len(demos) :], {}, {}][:2]
    return MadeOf(demos, facets, tuple(about.get("passages", ())), about.get("unit", ""))


def answer_of(stored: Completion, made_of: MadeOf, version: str, generation: int, teacher: str) -> Answer:
    """The answer as its readers get it: the row keeps the text as it came, with any reasoning in it."""
    reasoning, text = split_reasoning(stored.text)
    if text == stored.text:
        return Answer(stored, made_of, version, generation, teacher)
    every = "\n".join(part for part in (stored.reasoning, reasoning) if part)
    completion = replace(stored, text=text, reasoning=every)
    return Answer(completion, made_of, version, generation, teacher, begins_inside(stored.text))


def aside(key: str) -> str:
    """Return a key for a failed attempt at question `key`: its cost counts, but it is no answer to the question."""
    return f"failed:{time.time_ns()}:{key}"
