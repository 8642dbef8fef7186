"""Grows the values of a facet such as `topic: {grow: 40}`: the teacher lists them once, from the seeds of the run."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence

from ..ask.asker import Asker
from ..ask.router import AskClosed
from ..config.facets_section import FacetsConfig, growth_note
from ..core.errors import ConfigError, TeacherDown
from ..core.prompts import Asking, Message, Prompt, Sampling
from ..core.shipped import fill_in, shipped_yaml
from ..core.tasks import SeedTask
from ..journal.journal import Journal
from ..strategies.reading.lists import clean_item, read_list

_SHOWN = 20
"""Seeds that the request shows."""


async def grow(facets: FacetsConfig, asking: Asking, asker: Asker, journal: Journal) -> FacetsConfig:
    """Return the facets with the values that a teacher has listed; without them before it can be asked.

    The answer is journaled, so that it is asked for once in the life of a run.

    Raises:
        ConfigError: The answer lists nothing that could be used.
        TeacherDown: There was no answer.
    """
    found: dict[str, list[str]] = {}
    for name, count in facets.grown.items():
        key, answer = f"probe:{growth_note(name, count)}", None
        with contextlib.suppress(AskClosed):
            answer = await asker.ask(key, growth_prompt(name, count, journal.arrivals.known(), asking))
        if answer is None:
            continue
        items = read_list(answer.completion.text, continues=asking.propose == "completions").items
        values = list(dict.fromkeys(value for item in items if (value := clean_item(item).rstrip(" .。"))))[:count]
        if answer.completion.failed:
            journal.forget([key])
            raise TeacherDown(f"facets.{name}: the teacher gave no answer: {answer.completion.error}")
        if answer.completion.error or len(values) < 2:
            raise ConfigError(f"facets.{name}: the teacher listed no values to choose from; name them yourself")
        found[name] = values
        if journal.meta(growth_note(name, count)) is None:
            journal.set_meta(**{growth_note(name, count): json.dumps(values)})
    return facets.with_values(found)


def growth_prompt(name: str, count: int, seeds: Sequence[SeedTask], asking: Asking) -> Prompt:
    """Return the request for the values of a facet."""
    texts = shipped_yaml(__package__, "grow_facets.yaml")
    shown = "".join(
        fill_in(texts["seed"], {"instruction": " ".join(each.instruction.split())}) for each in seeds[:_SHOWN]
    )
    asked = fill_in(texts["ask"], {"name": name.replace("_", " "), "count": str(count), "seeds": shown})
    asked += texts["cue"] if asking.propose == "completions" else ""
    return Prompt("propose", (Message("user", asked),), Sampling(0.7, max_tokens=20 * count + 100), asking.propose)
