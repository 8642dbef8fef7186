"""Asks a judge, for a sample of the records, which value of each facet a task has; the report compares."""

from __future__ import annotations

import hashlib
import random
import re

from ..config.run_config import RunConfig
from ..core.prompts import Ask, Message, Prompt, Sampling
from ..core.records import Example, Label, facet_label
from ..core.shipped import fill_in, shipped_text, shipped_yaml

SAMPLING = Sampling(temperature=0.0, max_tokens=8)
_FILE = "facet_check.yaml"


class FacetCheck:
    """The question 'which of these topics?' about finished tasks. It is asked without saying what was asked for."""

    def __init__(self, config: RunConfig) -> None:
        facets = config.facets
        self._random_seed, self._share = config.random_seed, facets.verify if facets else 0.0
        self.values = {name: list(values) for name, values in facets.values.items()} if facets else {}
        self._texts: dict[str, str] = shipped_yaml(__package__, _FILE)

    def samples(self, question: int, index: int) -> bool:
        """Return whether a task is in the sample."""
        return self._share > random.Random(f"{self._random_seed}:verify:{question}:{index}").random()

    async def labels(self, place: str, example: Example, ask: Ask) -> dict[str, Label]:
        """Return what the judge says, as labels such as {"judged_topic": "tax law"}; 'unclear' if it names none.

        Args:
            place: The place of the task in the run, such as '17:2'; decides the order of the choices.
            example: The task.
            ask: Sends a prompt, or recalls its answer.
        """
        found: dict[str, Label] = {}
        for name, values in self.values.items():
            shuffled = random.Random(f"{self._random_seed}:{place}:{name}").sample(values, len(values))
            answer = await ask(self.prompt(name, shuffled, example))
            if answer.error is None:
                number = re.search(r"\d+", answer.text)
                chosen = int(number[0]) if number else 0
                found[facet_label(name)] = shuffled[chosen - 1] if 0 < chosen <= len(values) else "unclear"
        return found

    def prompt(self, name: str, values: list[str], example: Example) -> Prompt:
        """Return the question about one facet."""
        choices = [fill_in(self._texts["choice"], {"number": str(n), "value": v}) for n, v in enumerate(values, 1)]
        task = "\n\n".join(message.content for message in example.messages if message.role == "user")
        about = {"name": name.replace("_", " "), "count": str(len(values)), "task": task, "choices": "".join(choices)}
        return Prompt(
            "judge", (Message("user", fill_in(self._texts["ask"], about)),), SAMPLING, version=facet_check_digest()
        )


def facet_check_digest() -> str:
    """Return the version of the question."""
    return hashlib.sha256(shipped_text(__package__, _FILE).encode()).hexdigest()[:12]
